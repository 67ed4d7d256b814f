/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.c - a question to the agent, and its answer
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#include "hylics-guest/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/fdpass.h"
#include "common/unixsock.h"

/* The agent answers at once or not at all: one that is stopped must not stop us. */
int ask_connect(const char *dir, struct hy_err *e)
{
	const struct timeval patience = { .tv_sec = 5 };
	char path[HY_UNIX_PATH_MAX + 1];
	int fd;

	if (!dir)
		dir = getenv("HYLICS_RUN_DIR");
	if (!dir)
		dir = "/run/hylics";
	if ((size_t)snprintf(path, sizeof(path), "%s/agent.sock", dir) >= sizeof(path))
		return hy_err_set(e, ENAMETOOLONG, "run directory '%s'", dir);
	fd = hy_unix_connect(path, SOCK_SEQPACKET, e);
	if (fd < 0)
		return hy_err_add(e, "agent not reached (does hylics-agent run?)");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
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
		return hy_err_set(e, n ? (int)-n : ECONNRESET, "agent: ask it");
	if (local_decode_header(buf, (size_t)n, &h) < 0)
		return ask_unreadable(e);
	if (h.type == LOCAL_ERROR)
		return refused(buf, (size_t)n, e);
	if (h.type != type)
		return ask_unreadable(e);
	return (int)n;
}
