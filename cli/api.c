/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.c - asks hylicsd: HTTP/1.1 and JSON over its unix socket
 *
 * Runs in: hylics
 * Reads from: hylicsd, or whatever listens at its socket
 */
#include "cli/api.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/api_parts.h"
#include "common/clock.h"
#include "common/own.h"
#include "common/unixsock.h"

#define RUN_DIR "/run/hylics"
#define CONNECT_PAUSE_NS 20000000L	/* until a full queue of connections is tried again */

/* -- to the socket -- */

static int refused(int num, const char *path, struct hy_err *e)
{
	if (num == ENOENT || num == ECONNREFUSED)
		return hy_err_set(e, ECONNREFUSED, "hylicsd does not listen at %s (start it with "
				  "'systemctl start hylicsd', or 'hylicsd' in the foreground; "
				  "--run-dir if it listens elsewhere)", path);
	if (num == EACCES)
		return hy_err_set(e, EACCES, "%s: want root, or a member of hylicsd's group",
				  path);
	return hy_err_add(e, "hylicsd");
}

/* With all connections taken a new one waits in a queue; with a full queue it is tried again. */
static int connect_until(const char *path, uint64_t deadline, struct hy_err *e)
{
	const struct timespec pause = { .tv_nsec = CONNECT_PAUSE_NS };
	int fd;

	while ((fd = hy_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, e)) == -EAGAIN) {
		if (hy_clock_ms() >= deadline)
			return hy_err_set(e, ETIMEDOUT, "hylicsd takes no connection at %s", path);
		nanosleep(&pause, NULL);
	}
	return fd < 0 ? refused(-fd, path, e) : fd;
}

static int socket_path(const char *run_dir, char path[HY_UNIX_PATH_MAX + 1], struct hy_err *e)
{
	if (!run_dir)
		run_dir = getenv("HYLICS_RUN_DIR");
	if (!run_dir || !*run_dir)
		run_dir = RUN_DIR;
	if (snprintf(path, HY_UNIX_PATH_MAX + 1, "%s/api.sock", run_dir) >
	    (int)HY_UNIX_PATH_MAX)
		return hy_err_set(e, ENAMETOOLONG, "run directory '%s'", run_dir);
	return 0;
}

/* Returns 0 when the descriptor is ready. */
static int wait_for(int fd, short events, uint64_t deadline, struct hy_err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = hy_clock_ms(), left = deadline > now ? deadline - now : 0;
	int n;

	do {
		n = poll(&p, 1, deadline == UINT64_MAX ? -1 : left > INT_MAX ? INT_MAX : (int)left);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return hy_err_set(e, errno, "hylicsd: wait for its answer");
	return n ? 0 : hy_err_set(e, ETIMEDOUT, "hylicsd has not answered, and may be at it still");
}

static int send_all(int fd, const char *bytes, size_t len, uint64_t deadline, struct hy_err *e)
{
	while (len) {
		int rc = wait_for(fd, POLLOUT, deadline, e);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EPIPE)
			return 0;	/* it has heard enough; what it says is there to be read */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return hy_err_set(e, errno, "hylicsd: send a request");
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* What would need an escape is in no name of ours. */
static int check_path(const char *path, struct hy_err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-._/?=&";

	if (path[strspn(path, allowed)])
		return hy_err_usage(e, NULL, "a name has only small letters, digits and dashes");
	if (strlen(path) > HY_HTTP_PATH_MAX)
		return hy_err_usage(e, NULL, "a name has at most %d bytes", HY_NAME_MAX);
	return 0;
}

int api_ask(const char *run_dir, const char *method, const char *path, const json_t *body,
	    uint64_t deadline, struct hy_err *e)
{
	hy_autofree char *json = body ? json_dumps(body, JSON_COMPACT) : NULL;
	hy_autofree char *text = NULL;
	char place[HY_UNIX_PATH_MAX + 1];
	hy_autofd fd = -1;
	int rc = check_path(path, e), len;

	if (body && !json)
		return hy_err_set(e, ENOMEM, "request");
	if (rc == 0)
		rc = socket_path(run_dir, place, e);
	if (rc < 0)
		return rc;
	len = asprintf(&text, "%s %s HTTP/1.1\r\nHost: hylicsd\r\nConnection: close\r\n"
		       "Content-Length: %zu\r\n\r\n%s", method, path, json ? strlen(json) : 0,
		       json ? json : "");
	if (len < 0) {
		text = NULL;
		return hy_err_set(e, ENOMEM, "request");
	}
	fd = connect_until(place, deadline, e);
	if (fd < 0)
		return fd;
	rc = send_all(fd, text, (size_t)len, deadline, e);
	return rc < 0 ? rc : hy_fd_steal(&fd);
}

/* -- from the socket -- */

ssize_t api_read_some(int fd, uint64_t deadline, char *bytes, size_t room, struct hy_err *e)
{
	for (;;) {
		int rc = wait_for(fd, POLLIN, deadline, e);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = recv(fd, bytes, room, MSG_DONTWAIT);
		if (n > 0)
			return n;
		if (n == 0)
			return hy_err_set(e, ECONNRESET, "hylicsd ended before its answer did");
		if (errno != EAGAIN && errno != EINTR)
			return hy_err_set(e, errno, "hylicsd ended before its answer did");
	}
}

int api_read_head(int fd, uint64_t deadline, char *bytes, size_t room, size_t *len,
		  struct api_head *h, struct hy_err *e)
{
	int rc;

	*len = 0;
	while ((rc = api_head_parse(bytes, *len, h, e)) == -EAGAIN) {
		ssize_t n = api_read_some(fd, deadline, bytes + *len, room - *len, e);

		if (n < 0)
			return (int)n;
		*len += (size_t)n;
	}
	return rc;
}

/* The body of an answer that is not chunked, malloc()ed; some of it has come with the headers. */
static int read_body(int fd, uint64_t deadline, const struct api_head *h, const char *come,
		     size_t len, char **body, struct hy_err *e)
{
	hy_autofree char *bytes = malloc(h->body + 1);

	if (!bytes)
		return hy_err_set(e, ENOMEM, "answer");
	if (len > h->body)
		return hy_err_set(e, EPROTO, "hylicsd: more than an answer");
	memcpy(bytes, come, len);
	while (len < h->body) {
		ssize_t n = api_read_some(fd, deadline, bytes + len, h->body - len, e);

		if (n < 0)
			return (int)n;
		len += (size_t)n;
	}
	bytes[len] = '\0';
	*body = hy_ptr_steal(&bytes);
	return 0;
}

/* Gives back hylicsd's error as our own. */
static int told(unsigned int status, const json_t *json, struct hy_err *e)
{
	const json_t *error = json_object_get(json, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	if (!code || !message)
		return hy_err_set(e, EPROTO, "hylicsd answered with status %u", status);
	return hy_err_told(e, code, json_string_value(json_object_get(error, "field")), message);
}

static int judge(const struct api_head *h, const char *body, json_t **answer, struct hy_err *e)
{
	json_t *json = h->body ? json_loadb(body, h->body, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int rc = 0;

	if (h->status >= 300)
		rc = told(h->status, json, e);
	else if (h->body && !json)
		rc = hy_err_set(e, EPROTO, "hylicsd answered with something that is no JSON");
	if (rc < 0)
		json_decref(json);
	else
		*answer = json;
	return rc;
}

int api_call(const char *run_dir, const char *method, const char *path, const json_t *body,
	     json_t **answer, struct hy_err *e)
{
	uint64_t deadline = hy_clock_ms() + HY_API_WAIT_MS;
	hy_autofd fd = api_ask(run_dir, method, path, body, deadline, e);
	hy_autofree char *bytes = NULL;
	char head[HY_API_HEAD_MAX];
	struct api_head h;
	size_t len;
	int rc;

	if (fd < 0)
		return fd;
	rc = api_read_head(fd, deadline, head, sizeof(head), &len, &h, e);
	if (rc == 0 && h.chunked)
		rc = hy_err_set(e, EPROTO, "hylicsd: an answer in chunks");
	if (rc == 0)
		rc = read_body(fd, deadline, &h, head + h.len, len - h.len, &bytes, e);
	return rc < 0 ? rc : judge(&h, bytes, answer, e);
}
