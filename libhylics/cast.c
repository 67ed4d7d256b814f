/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cast.c - the library's side of a cast: the agent is asked for one, and tells how far it is
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 *
 * A connection for each cast, as for each job: its end is the cast's, whoever dies.
 */
#include "libhylics/cast.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "libhylics/agent.h"

struct waiting {
	struct pollfd at[2];		/* the agent, the socket */
	uint64_t most;			/* bytes that were asked for */
	struct pacing pace;
	struct cast_told told;		/* the last word */
	bool heard;			/* there was one */
};

static int ask(int agent, int sock, int fd, const struct cast_part *part)
{
	const struct hy_fds fds = { .n = 2, .fd = { sock, fd } };
	uint8_t packet[LOCAL_PACKET_MAX];

	return (int)hy_fds_send(agent, packet, cast_encode_ask(1, part, packet), &fds,
				MSG_DONTWAIT);
}

/* Return: 1: a word; 0: none is there now; -errno: there will be none */
static int hear(struct waiting *w)
{
	uint8_t in[LOCAL_PACKET_MAX];
	struct hy_fds none = { 0 };
	struct local_header h;
	struct cast_told told;
	ssize_t n = hy_fds_recv(w->at[0].fd, in, sizeof(in), &none, 0, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	if (local_decode_header(in, (size_t)n, &h) < 0 || h.type != LOCAL_CAST_TOLD ||
	    cast_decode_local_told(in, (size_t)n, &told) < 0 || told.sent < w->told.sent ||
	    told.sent > w->most)
		return -EPROTO;
	w->told = told;
	w->heard = true;
	return 1;
}

/* What is there is heard to its end: a signal is not to cost the last word. */
static int hear_all(struct waiting *w)
{
	int rc;

	do
		rc = hear(w);
	while (rc > 0 && w->told.state == CAST_RUNNING);
	return rc < 0 ? rc : 0;
}

static bool is_running(const struct waiting *w)
{
	return !w->heard || w->told.state == CAST_RUNNING;
}

/*
 * Until when there must be another word: an agent that has stopped is not to stop its programs. As
 * long as the rest takes none need come, if its datagrams are far apart.
 */
static int patience_ms(const struct waiting *w)
{
	uint64_t rest_ns = w->heard ? pacing_sent(&w->pace, 0, w->most - w->told.sent) : 0;
	uint64_t ms = rest_ns / HY_NS_PER_MS + lib_agent()->answer_ms;

	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Return: 0: go on; -errno */
static int wait_once(struct waiting *w)
{
	int n = poll(w->at, 2, patience_ms(w)), err = errno, rc = hear_all(w);

	if (rc < 0 || !is_running(w))
		return rc;
	if (n < 0)
		return err == EINTR ? -EINTR : -ENOMEM;
	if (n == 0)
		return -ETIMEDOUT;
	return w->at[1].revents ? -EIO : 0;
}

int cast_run(int sock, int fd, const struct cast_part *part, uint64_t *sent)
{
	hy_autofd agent = agent_connect();
	struct waiting w = { .at = { { .fd = agent, .events = POLLIN }, { .fd = sock } },
			     .most = part->count, .pace = part->pace };
	int rc = agent < 0 ? agent : ask(agent, sock, fd, part);

	*sent = 0;
	if (rc < 0)
		return MOVE_NO_AGENT;
	rc = 0;
	while (rc == 0 && is_running(&w))
		rc = wait_once(&w);
	*sent = w.told.sent;
	if (rc == -EINTR || rc == -EIO)
		return rc;
	return rc < 0 ? MOVE_NO_AGENT : w.told.reason;
}
