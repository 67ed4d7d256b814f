/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent.c - the library's side of agent.sock: join, hand a connection over, ask for it back
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 */
#include "libhylics/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "libhylics/tally.h"

#define FIRST_FD 3	/* what a program prints must not reach the agent */

struct answer {
	struct local_header h;
	uint8_t bytes[LOCAL_PACKET_MAX];
	size_t len;
	struct hy_fds fds;
};

bool agent_is_socket(int fd, dev_t dev, ino_t ino)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static bool is_ours(const struct lib_agent *g)
{
	return agent_is_socket(g->fd, g->dev, g->ino);
}

void agent_leave(struct lib_area *a)
{
	struct lib_agent *g = lib_agent();

	if (is_ours(g)) {
		/* a child that was forked has it, too; the agent is to know at once */
		if (atomic_load(&a->join))
			shutdown(g->fd, SHUT_RDWR);
		hy_fd_close(&g->fd);
	}
	g->fd = -1;
	atomic_store(&a->join, 0);
	a->words = NULL;
	(void)lib_map_page(-1);
	tally_join(-1);
}

/* What was waited for no longer may have come since, and tells nobody anything. */
static bool is_late(const struct answer *ans)
{
	return ans->fds.n == 0 && (ans->h.type == LOCAL_OPTION_TOLD ||
				   ans->h.type == LOCAL_WHO_IS || ans->h.type == LOCAL_ERROR);
}

/* It says nothing unasked but late answers: else what shows as readable is its end. */
bool agent_is_there(void)
{
	const struct lib_agent *g = lib_agent();
	struct pollfd p = { .fd = g->fd, .events = POLLIN };
	struct answer ans;
	bool late = true;

	if (!is_ours(g))
		return false;
	while (late && poll(&p, 1, 0) != 0) {
		ssize_t n = hy_fds_recv(g->fd, ans.bytes, sizeof(ans.bytes), &ans.fds, 2,
					MSG_DONTWAIT);

		late = n > 0 && local_decode_header(ans.bytes, (size_t)n, &ans.h) == 0 &&
		       is_late(&ans);
		if (n > 0)
			hy_fds_close(&ans.fds);
	}
	return late;
}

/* Wait for a packet; 0, -errno. */
static int receive(int fd, uint64_t until_ms, struct answer *ans)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now_ms = hy_clock_ms();
	ssize_t n;

	if (now_ms > until_ms)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)(until_ms - now_ms));
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	n = hy_fds_recv(fd, ans->bytes, sizeof(ans->bytes), &ans->fds, 3, MSG_DONTWAIT);
	if (n <= 0)
		return n == 0 ? -ECONNRESET : (int)n;
	ans->len = (size_t)n;
	if (local_decode_header(ans->bytes, ans->len, &ans->h) == 0)
		return 0;
	hy_fds_close(&ans->fds);
	return -EPROTO;
}

struct question {
	const uint8_t *bytes;
	size_t len;
	uint32_t id, wait_ms;
	int shown;			/* a descriptor, -1: none */
};

static int say(int fd, const uint8_t *bytes, size_t len, int shown)
{
	const struct hy_fds fds = { .n = 1, .fd = { shown } };
	ssize_t n = hy_fds_send(fd, bytes, len, shown < 0 ? NULL : &fds, MSG_DONTWAIT);

	return n < 0 ? (int)n : 0;
}

static int ask_question(int fd, const struct question *q, struct answer *ans)
{
	uint64_t until_ms = hy_clock_ms() + q->wait_ms;
	uint32_t id = q->id;
	int n = say(fd, q->bytes, q->len, q->shown), rc;

	if (n < 0)
		return n;
	ans->h = (struct local_header){ 0 };
	for (;;) {
		rc = receive(fd, until_ms, ans);
		if (rc == 0 && ans->h.id == id)
			return 0;
		if (rc == 0)
			hy_fds_close(&ans->fds);
		else if (rc != -EINTR && rc != -EAGAIN)
			return rc;
	}
}

/* What the agent shows is looked at only if it cannot shrink below us. */
static bool keeps_size(int memfd, size_t size)
{
	int seals = fcntl(memfd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(memfd, &st) == 0 &&
	       st.st_size >= (off_t)size;
}

/* One request, its answer. Whatever else fails than the agent's "no" ends the connection to it. */
static int ask(int fd, const uint8_t *request, size_t len, uint32_t id, struct answer *ans)
{
	const struct question q = { .bytes = request, .len = len, .id = id, .shown = -1,
				    .wait_ms = lib_agent()->answer_ms };

	return ask_question(fd, &q, ans);
}

static int take_page(int memfd)
{
	const struct hy_page *p = lib_page();
	int rc;

	if (!keeps_size(memfd, sizeof(*p)))
		return -EPROTO;
	rc = lib_map_page(memfd);
	if (rc < 0)
		return rc;
	return p->version == HY_PAGE_VERSION && p->slots > 0 ? 0 : -EPROTO;
}

void agent_remember_place(void)
{
	struct lib_agent *g = lib_agent();
	const char *dir = secure_getenv("HYLICS_RUN_DIR");
	int n = snprintf(g->dir, sizeof(g->dir), "%s", dir ? dir : "/run/hylics");

	if (n < 0 || (size_t)n >= sizeof(g->dir))
		g->dir[0] = '\0';
}

int agent_connect(void)
{
	const struct lib_agent *g = lib_agent();
	const char *dir = g->dir[0] ? g->dir : secure_getenv("HYLICS_RUN_DIR");
	char path[HY_UNIX_PATH_MAX + 1];
	int n = snprintf(path, sizeof(path), "%s/agent.sock", dir ? dir : "/run/hylics");
	hy_autofd fd = -1;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = hy_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, NULL);
	if (fd < 0 || fd >= FIRST_FD)
		return hy_fd_steal(&fd);
	n = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
	return n < 0 ? -errno : n;
}

static int join(struct lib_area *a)
{
	struct lib_agent *g = lib_agent();
	hy_autofd fd = agent_connect();
	uint8_t request[LOCAL_PACKET_MAX];
	uint32_t id = ++a->next_id;
	struct answer ans;
	struct stat st;
	int rc;

	if (fd < 0)
		return fd;
	rc = ask(fd, request, local_encode_join(id, request), id, &ans);
	if (rc < 0)
		return rc;
	if (ans.h.type == LOCAL_JOINED && ans.len == LOCAL_HEADER_LEN && ans.fds.n >= 2)
		rc = take_page(ans.fds.fd[0]);
	else
		rc = -EPROTO;
	if (rc == 0)
		tally_join(ans.fds.n == 3 ? ans.fds.fd[2] : -1);
	if (rc == 0 && fstat(fd, &st) < 0)
		rc = -errno;
	if (rc == 0 && keeps_size(ans.fds.fd[1], sizeof(struct hy_grow)))
		a->words = lib_map_words(a, ans.fds.fd[1]);
	hy_fds_close(&ans.fds);
	if (rc < 0) {
		(void)lib_map_page(-1);
		return rc;
	}
	g->fd = hy_fd_steal(&fd);
	g->dev = st.st_dev;
	g->ino = st.st_ino;
	memset(a->slot_ms, 0, sizeof(a->slot_ms));
	atomic_store(&a->join, ++a->joins);
	return 0;
}

bool agent_join(struct lib_area *a)
{
	if (atomic_load(&a->join) && agent_is_there())
		return true;
	agent_leave(a);	/* a forked child's, too: its socket is the parent's */
	if (hy_clock_ms() < atomic_load(&a->look_ms))
		return false;
	if (join(a) == 0)
		return true;
	atomic_store(&a->look_ms, hy_clock_ms() + HY_LIB_AGAIN_MS);
	return false;
}

int agent_move(struct lib_area *a, const struct local_move *m, int tcp, int pair)
{
	const struct hy_fds fds = { .n = 2, .fd = { tcp, pair } };
	uint8_t request[LOCAL_PACKET_MAX];
	size_t len = local_encode_move(++a->next_id, m, request);
	ssize_t n = hy_fds_send(lib_agent()->fd, request, len, &fds, MSG_DONTWAIT);

	if (n == -EPIPE || n == -ECONNRESET)
		agent_leave(a);
	return n < 0 ? (int)n : 0;
}

/* Takes the socket out of an answer; -errno if it brings none. */
static int taken(struct answer *ans, uint32_t slot)
{
	struct local_slot got;
	struct local_error no;
	int fd;

	if (ans->h.type == LOCAL_ERROR && local_decode_error(ans->bytes, ans->len, &no) == 0)
		return -EBUSY;
	if (ans->h.type != LOCAL_TAKEN || local_decode_slot(ans->bytes, ans->len, &got) < 0 ||
	    got.slot != slot || ans->fds.n != 1)
		return -EPROTO;
	fd = ans->fds.fd[0];
	ans->fds.n = 0;
	return fd;
}

int agent_take_back(struct lib_area *a, uint32_t slot)
{
	const struct local_slot which = { .slot = slot };
	uint8_t request[LOCAL_PACKET_MAX];
	uint32_t id = ++a->next_id;
	size_t len = local_encode_slot(LOCAL_TAKE_BACK, id, &which, request);
	struct answer ans;
	int rc = ask(lib_agent()->fd, request, len, id, &ans);

	if (rc == 0) {
		rc = taken(&ans, slot);
		hy_fds_close(&ans.fds);
	}
	if (rc < 0 && rc != -EBUSY)
		agent_leave(a);
	return rc;
}

/* -- what a moved descriptor answers -- */

/* The agent has gone, or has not: then the next answer is waited for as before. */
static int option_failed(struct lib_area *a, int rc)
{
	if (rc == -EPIPE || rc == -ECONNRESET || rc == -EPROTO)
		agent_leave(a);
	return rc;
}

int agent_option(struct lib_area *a, const struct local_option *o, int shown)
{
	uint8_t request[LOCAL_PACKET_MAX];
	size_t len = local_encode_option(++a->next_id, o, request);

	return option_failed(a, say(lib_agent()->fd, request, len, shown));
}

int agent_option_ask(struct lib_area *a, const struct local_option *o, int shown,
		     struct local_told *told)
{
	uint8_t request[LOCAL_PACKET_MAX];
	bool set_here = option_info(o->value.id)->may_set;
	struct question q = { .bytes = request, .id = ++a->next_id, .shown = shown };
	struct answer ans;
	int rc;

	/* what can be set the agent knows, if the host does not tell it in time */
	q.wait_ms = set_here ? lib_agent()->answer_ms : HY_LIB_OPTION_MS;
	q.len = local_encode_option_ask(q.id, o, request);
	rc = ask_question(lib_agent()->fd, &q, &ans);
	if (rc < 0)
		return option_failed(a, rc);
	hy_fds_close(&ans.fds);
	if (ans.h.type != LOCAL_OPTION_TOLD || local_decode_told(ans.bytes, ans.len, told) < 0 ||
	    told->value.id != o->value.id)
		return option_failed(a, -EPROTO);
	return -told->num;
}

int agent_who(struct lib_area *a, int shown, struct local_who *who)
{
	uint8_t request[LOCAL_PACKET_MAX];
	struct question q = { .bytes = request, .id = ++a->next_id, .shown = shown,
			      .wait_ms = HY_LIB_OPTION_MS };
	struct answer ans;
	int rc;

	q.len = local_encode_who(q.id, request);
	rc = ask_question(lib_agent()->fd, &q, &ans);
	if (rc < 0)
		return option_failed(a, rc);
	hy_fds_close(&ans.fds);
	if (ans.h.type == LOCAL_ERROR)
		return -ENOENT;
	if (ans.h.type != LOCAL_WHO_IS || local_decode_who_is(ans.bytes, ans.len, who) < 0)
		return option_failed(a, -EPROTO);
	return 0;
}
