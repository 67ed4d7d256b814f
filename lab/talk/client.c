/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.c - the byte-checking client: many connections that ask, and judge every byte
 *
 * Runs in: hylics-talk client
 * Reads from: the command line; a server through asker.h
 */
#include "lab/talk/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "lab/talk/asker.h"

#define AT(field) offsetof(struct client_values, field)
#define RANGE(name, field, help) \
	{ name, 0, HY_OPT_STRING, AT(field), "SIZE", help, 0, 0, NULL, false }
#define FLAG(name, field, help) \
	{ name, 0, HY_OPT_FLAG, AT(field), NULL, help, 0, 0, NULL, false }
#define TIME(name, field, help) \
	{ name, 0, HY_OPT_DURATION, AT(field), "TIME", help, 0, 3600000, NULL, false }

static const char *const when_words[] = { "before", "during", NULL };

const struct client_values client_defaults = {
	.connections = 1, .requests = 1, .seed = 1, .stuck_ms = 30000,
	.head = "0", .offset = "0", .tail = "0", .upload = "0", .slice = "0",
};

const struct hy_opt client_options[] = {
	{ "connect", 0, HY_OPT_STRING, AT(connect), "ADDR:PORT", "the server", 0, 0, NULL, true },
	{ "file", 0, HY_OPT_STRING, AT(file), "FILE", "the same file as the server's", 0, 0, NULL,
	  true },
	{ "connections", 'c', HY_OPT_INT, AT(connections), "N", "at the same time", 1,
	  TALK_CONNECTIONS_MAX, NULL, false },
	{ "requests", 'n', HY_OPT_INT, AT(requests), "N", "of each connection", 1, INT32_MAX, NULL,
	  false },
	{ "seed", 0, HY_OPT_INT, AT(seed), "N", "what sizes and patterns come from", 0, INT64_MAX,
	  NULL, false },
	RANGE("head", head, "bytes before the file, or a range 1-64K"),
	RANGE("offset", offset, "where in the file to begin, or a range"),
	RANGE("bytes", bytes, "of the file, or a range; else all from the offset on"),
	RANGE("tail", tail, "bytes behind the file, or a range"),
	RANGE("upload", upload, "bytes to send, or a range"),
	{ "upload-when", 0, HY_OPT_CHOICE, AT(upload_when), "WHEN",
	  "the server answers after the upload (before), or beside it", 0, 0, when_words, false },
	RANGE("slice", slice, "bytes of one sendfile(), or a range; 0: all at once"),
	FLAG("cork", cork, "TCP_CORK around the answer"),
	FLAG("nodelay", nodelay, "TCP_NODELAY at the server"),
	FLAG("close-after", close_after, "the server closes after each answer"),
	FLAG("half-close", half_close, "shut down sending behind each request"),
	TIME("think", think_ms, "pause between requests"),
	TIME("stall", stall_ms, "read nothing for so long in the middle of each answer"),
	{ "read-rate", 0, HY_OPT_SIZE, AT(read_rate), "SIZE", "bytes per second of a connection",
	  0, 0, NULL, false },
	{ "abort-at", 0, HY_OPT_SIZE, AT(abort_at), "BYTE", "reset when so much has come", 0, 0,
	  NULL, false },
	{ "rcvbuf", 0, HY_OPT_SIZE, AT(rcvbuf), "SIZE", "SO_RCVBUF", 0, 1 << 30, NULL, false },
	TIME("stuck-after", stuck_ms, "give up when no byte has moved for so long"),
	FLAG("stop-at-error", stop_at_error, "end at the first thing wrong"),
	FLAG("wrong-upload", wrong_upload, "send a wrong byte in every upload, for tests"),
	{ .name = NULL },
};

static volatile sig_atomic_t asked_to_end;

static void on_signal(int number)
{
	(void)number;
	asked_to_end = 1;
}

static int set_ranges(struct asking *s, const struct client_values *v, struct hy_err *e)
{
	const struct {
		struct range *range;
		const char *text, *option;
	} all[] = {
		{ &s->head, v->head, "--head" },
		{ &s->offset, v->offset, "--offset" },
		{ &s->file_bytes, v->bytes ? v->bytes : "0", "--bytes" },
		{ &s->tail, v->tail, "--tail" },
		{ &s->upload, v->upload, "--upload" },
		{ &s->slice, v->slice, "--slice" },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		rc = range_parse(all[i].range, all[i].text, all[i].option, e);
	return rc;
}

static int configure(struct asking *s, const struct client_values *v, struct hy_err *e)
{
	int rc = address_parse(&s->server, v->connect, "--connect", e);

	s->requests = (uint64_t)v->requests;
	s->seed = (uint64_t)v->seed;
	s->whole_file = !v->bytes;
	s->flags = (v->upload_when ? REQUEST_UPLOAD_DURING : 0) | (v->cork ? REQUEST_CORK : 0) |
		   (v->nodelay ? REQUEST_NODELAY : 0) | (v->close_after ? REQUEST_CLOSE : 0);
	s->think_ns = v->think_ms * HY_NS_PER_MS;
	s->stall_ns = v->stall_ms * HY_NS_PER_MS;
	s->stuck_ns = v->stuck_ms * HY_NS_PER_MS;
	s->read_rate = v->read_rate;
	s->abort_at = v->abort_at;
	s->rcvbuf = (int)v->rcvbuf;
	s->half_close = v->half_close;
	s->wrong_upload = v->wrong_upload;
	return rc == 0 ? set_ranges(s, v, e) : rc;
}

static int map_file(struct asking *s, const char *path, struct hy_err *e)
{
	static const uint8_t nothing[1];
	hy_autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hy_err_set(e, errno, "file '%s': open", path);
	s->file_size = (uint64_t)st.st_size;
	s->file = nothing;
	if (!S_ISREG(st.st_mode))
		return hy_err_set(e, EINVAL, "file '%s': not a regular file", path);
	if (!st.st_size)
		return 0;
	map = mmap(NULL, s->file_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return hy_err_set(e, errno, "file '%s': map", path);
	s->file = map;
	return 0;
}

/* Return: when the next of them has something to do; UINT64_MAX: all are done. */
static uint64_t tick(struct asker *all, uint32_t n, struct asking *s, bool *done)
{
	uint64_t now = hy_clock_ns(), due = UINT64_MAX;

	*done = true;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = asker_clock(&all[i], s, now);

		if (at < due)
			due = at;
		if (all[i].state != ASKER_DONE)
			*done = false;
	}
	return due;
}

static int wait_ms(uint64_t due_ns)
{
	uint64_t now = hy_clock_ns(), ms;

	if (due_ns == UINT64_MAX)
		return -1;
	ms = due_ns > now ? (due_ns - now + HY_NS_PER_MS - 1) / HY_NS_PER_MS : 0;
	return ms < 1000 ? (int)ms : 1000;
}

/* After an event: the next request begins at once or at its time; after the last, ask them all. */
static uint64_t sooner(uint64_t due, struct asker *a, struct asking *s)
{
	uint64_t at = asker_clock(a, s, hy_clock_ns());

	if (a->state == ASKER_DONE)
		return 0;
	return at < due ? at : due;
}

static int run(struct asker *all, uint32_t n, struct asking *s, bool stop_at_error,
	       struct hy_err *e)
{
	struct epoll_event events[TALK_BATCH];
	bool done = false;
	uint64_t due = 0;

	while (!done && !asked_to_end && (!stop_at_error || verdict_clean(s->verdict))) {
		int got;

		if (due <= hy_clock_ns())
			due = tick(all, n, s, &done);
		got = done ? 0 : epoll_wait(s->epoll, events, TALK_BATCH, wait_ms(due));
		if (got < 0 && errno != EINTR)
			return hy_err_set(e, errno, "wait for events");
		for (int i = 0; i < got; i++) {
			struct asker *a = &all[events[i].data.u32];

			asker_event(a, s);
			due = sooner(due, a, s);
		}
	}
	return 0;
}

static int prepare(struct asking *s, const struct client_values *v, struct hy_err *e)
{
	int rc = configure(s, v, e);

	if (rc == 0)
		rc = map_file(s, v->file, e);
	if (rc < 0)
		return rc;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	return s->epoll < 0 ? hy_err_set(e, errno, "epoll") : 0;
}

int client_main(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct client_values *v = values;
	struct sigaction end = { .sa_handler = on_signal };
	hy_autofree struct verdict *verdict = calloc(1, sizeof(*verdict));
	hy_autofree struct asker *all = calloc((size_t)v->connections, sizeof(*all));
	hy_autofree uint8_t *chunk = malloc(TALK_CHUNK);
	struct asking s = { .verdict = verdict, .chunk = chunk, .epoll = -1 };
	int rc;

	(void)argc;
	(void)argv;
	if (!verdict || !all || !chunk) {
		hy_err_set(e, ENOMEM, "state of the client");
		return HY_EXIT_FAILED;
	}
	if (prepare(&s, v, e) < 0)
		return hy_err_exit(e);
	fd_limit_raise();
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	for (uint32_t i = 0; i < v->connections; i++)
		asker_begin(&all[i], i);
	verdict->requests_wanted = (uint64_t)v->connections * (uint64_t)v->requests;
	verdict->begin_ns = hy_clock_ns();
	rc = run(all, (uint32_t)v->connections, &s, v->stop_at_error, e);
	verdict->end_ns = hy_clock_ns();
	verdict_write(verdict, stdout);
	close(s.epoll);
	if (rc == 0 && !verdict_good(verdict))
		hy_err_set(e, EPROTO, "not everything was as it should be; the report tells");
	return rc == 0 && verdict_good(verdict) ? HY_EXIT_OK : HY_EXIT_FAILED;
}
