/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.c - a question to the agent, and its answer
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#include "hylics-guest/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/printable.h"
#include "common/unixsock.h"

/* The agent answers at once or not at all. */
#define PATIENCE_MS 5000
#define LOOK_MS 5		/* one that is busy has a place for us again */

/* Its queue is full while others come, and stays so if it is stopped: that must not stop us. */
static int reach(const char *path, uint64_t patience_ms, struct hy_err *e)
{
	uint64_t until_ms = hy_clock_ms() + patience_ms;
	int fd;

	for (;;) {
		fd = hy_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, e);
		if (fd != -EAGAIN || hy_clock_ms() >= until_ms)
			return fd;
		poll(NULL, 0, LOOK_MS);
	}
}

/* From here on it waits for answers, but not for long. */
static void be_patient(int fd, uint64_t ms)
{
	const struct timeval patience = { .tv_sec = (time_t)(ms / 1000),
					  .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

int ask_connect_within(const char *dir, uint64_t patience_ms, struct hy_err *e)
{
	char path[HY_UNIX_PATH_MAX + 1];
	int fd;

	if (!dir)
		dir = getenv("HYLICS_RUN_DIR");
	if (!dir)
		dir = "/run/hylics";
	if ((size_t)snprintf(path, sizeof(path), "%s/agent.sock", dir) >= sizeof(path))
		return hy_err_set(e, ENAMETOOLONG, "run directory '%s'", dir);
	fd = reach(path, patience_ms, e);
	if (fd < 0)
		return hy_err_add(e, "agent not reached (does hylics-agent run?)");
	be_patient(fd, patience_ms);
	return fd;
}

int ask_connect(const char *dir, struct hy_err *e)
{
	return ask_connect_within(dir, PATIENCE_MS, e);
}

int ask_unreadable(struct hy_err *e)
{
	return hy_err_set(e, EPROTO, "agent: its answer cannot be read (is it newer?)");
}

/* Its words are whole sentences. */
static int refused(const uint8_t *answer, size_t len, struct hy_err *e)
{
	struct local_error err;

	if (local_decode_error(answer, len, &err) < 0 || !err.num)
		return ask_unreadable(e);
	hy_make_printable(err.words);
	hy_err_set(e, err.num, "%s", err.words);
	e->whole = true;
	return -err.num;
}

int ask_agent(int fd, uint8_t *buf, size_t len, enum local_type type, struct hy_err *e)
{
	struct local_header h;
	struct hy_fds none;
	ssize_t n = hy_fds_send(fd, buf, len, NULL, 0);

	if (n > 0)
		n = hy_fds_recv(fd, buf, LOCAL_PACKET_MAX, &none, 0, 0);
	if (n <= 0)
		return hy_err_set(e, n == -EAGAIN ? ETIMEDOUT : n ? (int)-n : ECONNRESET,
				  "agent: ask it");
	if (local_decode_header(buf, (size_t)n, &h) < 0)
		return ask_unreadable(e);
	if (h.type == LOCAL_ERROR)
		return refused(buf, (size_t)n, e);
	if (h.type != type)
		return ask_unreadable(e);
	return (int)n;
}
