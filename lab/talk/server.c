/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.c - the byte-checking server: a file by sendfile() between two parts of a pattern
 *
 * Runs in: hylics-talk server
 * Reads from: the command line; clients through answer.h
 *
 * DOC: Who owns a connection
 *
 * Blocking: a thread per connection owns it from accept() to close(). Non-blocking: the thread that
 * accepted it, each with an epoll and a table of its own, indexed by descriptor. So threads share
 * nothing but the counts. An event carries the number of the connection beside the descriptor: one
 * of an earlier connection is thrown away.
 */
#include "lab/talk/server.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"
#include "include/hylics.h"
#include "lab/talk/address.h"
#include "lab/talk/answer.h"

#define LIBRARY "libhylics.so.0"

_Static_assert(__builtin_types_compatible_p(sendfile_fn, __typeof__(&hylics_sendfile)),
	       "the library's sendfile is called as plain sendfile is");

struct place {
	struct answer answer;
	uint32_t number;		/* how often this descriptor was a connection */
	uint32_t waits_for;		/* EPOLLIN, EPOLLOUT */
};

struct server {
	struct answerer shared;
	int listener;
	bool nonblock;
};

/* A thread that serves many. */
struct crowd {
	struct server *server;
	struct place *places;		/* TALK_FDS_MAX, touched where connections are */
	uint8_t *chunk;
	int epoll;
};

#define AT(field) offsetof(struct server_values, field)
#define X(upper, lower) #lower,
static const char *const fault_words[] = { ANSWER_FAULTS(X) NULL };
#undef X
static const char *const mode_words[] = { "plain", "hylics", NULL };

const struct server_values server_defaults = { .threads = 1 };

const struct hy_opt server_options[] = {
	{ "listen", 0, HY_OPT_STRING, AT(listen), "ADDR:PORT", "where; port 0 takes a free one",
	  0, 0, NULL, true },
	{ "file", 0, HY_OPT_STRING, AT(file), "FILE", "what the middle of an answer comes from",
	  0, 0, NULL, true },
	{ "mode", 0, HY_OPT_CHOICE, AT(mode), "MODE", "sendfile(), or hylics_sendfile()", 0, 0,
	  mode_words, false },
	{ "threads", 0, HY_OPT_INT, AT(threads), "N", "with --nonblock", 1, TALK_THREADS_MAX, NULL,
	  false },
	{ "nonblock", 0, HY_OPT_FLAG, AT(nonblock), NULL, "epoll, else a thread per connection",
	  0, 0, NULL, false },
	{ "fault", 0, HY_OPT_CHOICE, AT(fault), "FAULT", "a mistake in every answer, for tests",
	  0, 0, fault_words, false },
	{ "calls", 0, HY_OPT_INT, AT(calls), "N", "tell when each of the first N sendfile() began",
	  1, TALK_CALLS_MAX, NULL, false },
	{ .name = NULL },
};

/* --- blocking: a thread per connection ------------------------------------------------------- */

struct errand {
	struct server *server;
	int fd;
};

static void *serve_one(void *arg)
{
	struct errand errand = *(struct errand *)arg;
	hy_autofree uint8_t *chunk = malloc(TALK_CHUNK);
	struct answer answer;

	free(arg);
	answer_begin(&answer, &errand.server->shared, errand.fd);
	while (chunk && answer_step(&answer, &errand.server->shared, chunk) != ANSWER_END)
		;
	close(errand.fd);
	return NULL;
}

static int thread_start(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t id;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, TALK_STACK_BYTES);
	rc = pthread_create(&id, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -rc;
}

static void hand_over(struct server *s, int fd)
{
	struct errand *errand = malloc(sizeof(*errand));

	if (errand)
		*errand = (struct errand){ .server = s, .fd = fd };
	if (!errand || thread_start(serve_one, errand) < 0) {
		free(errand);
		close(fd);
	}
}

/* A connection that is gone again, or no room for one: neither is the server's end. */
static bool passing(int err)
{
	return err == ECONNABORTED || err == EINTR || err == EMFILE || err == ENFILE ||
	       err == ENOBUFS || err == ENOMEM || err == EPROTO;
}

static void *accept_all(void *arg)
{
	struct server *s = arg;

	for (;;) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			hand_over(s, fd);
		else if (!passing(errno))
			return NULL;
	}
}

/* --- non-blocking: epoll --------------------------------------------------------------------- */

static uint64_t tag(const struct crowd *c, int fd)
{
	return (uint64_t)c->places[fd].number << 32 | (uint32_t)fd;
}

static void place_end(struct place *p)
{
	p->answer.state = ANSWER_FREE;
	close(p->answer.fd);
}

static void wait_for(struct crowd *c, struct place *p, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = tag(c, p->answer.fd) };

	if (p->waits_for == events)
		return;
	p->waits_for = events;
	if (epoll_ctl(c->epoll, EPOLL_CTL_MOD, p->answer.fd, &ev) < 0)
		c->server->shared.counts.epoll_errors++;
}

static void take_in(struct crowd *c, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct place *p = &c->places[fd];

	p->number++;
	p->waits_for = ev.events;
	answer_begin(&p->answer, &c->server->shared, fd);
	ev.data.u64 = tag(c, fd);
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		place_end(p);
}

static void accept_some(struct crowd *c)
{
	for (int i = 0; i < TALK_BATCH; i++) {
		int fd = accept4(c->server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (fd < TALK_FDS_MAX)
			take_in(c, fd);
		else
			close(fd);
	}
}

static void serve_event(struct crowd *c, uint64_t data)
{
	struct place *p;
	int rc;

	if (data == UINT64_MAX) {
		accept_some(c);
		return;
	}
	p = &c->places[(uint32_t)data];
	if (p->number != data >> 32 || p->answer.state == ANSWER_FREE)
		return;
	rc = answer_step(&p->answer, &c->server->shared, c->chunk);
	if (rc == ANSWER_END)
		place_end(p);
	else
		wait_for(c, p, (rc & ANSWER_IN ? EPOLLIN : 0) | (rc & ANSWER_OUT ? EPOLLOUT : 0));
}

static void *serve_many(void *arg)
{
	struct epoll_event events[TALK_BATCH];
	struct crowd *c = arg;

	for (;;) {
		int n = epoll_wait(c->epoll, events, TALK_BATCH, -1);

		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++)
			serve_event(c, events[i].data.u64);
	}
}

static int start_crowd(struct server *s, struct crowd *c, struct hy_err *e)
{
	struct epoll_event listen = { .events = EPOLLIN | EPOLLEXCLUSIVE,
				      .data.u64 = UINT64_MAX };
	int rc;

	c->server = s;
	c->places = calloc(TALK_FDS_MAX, sizeof(*c->places));
	c->chunk = malloc(TALK_CHUNK);
	if (!c->places || !c->chunk)
		return hy_err_set(e, ENOMEM, "table of connections");
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, s->listener, &listen) < 0)
		return hy_err_set(e, errno, "epoll");
	rc = thread_start(serve_many, c);
	return rc < 0 ? hy_err_set(e, -rc, "start a thread") : 0;
}

/* --- begin and end --------------------------------------------------------------------------- */

static int open_file(struct server *s, const char *path, struct hy_err *e)
{
	struct stat st;

	s->shared.file = open(path, O_RDONLY | O_CLOEXEC);
	if (s->shared.file < 0 || fstat(s->shared.file, &st) < 0)
		return hy_err_set(e, errno, "file '%s': open", path);
	if (!S_ISREG(st.st_mode))
		return hy_err_set(e, EINVAL, "file '%s': not a regular file", path);
	s->shared.file_size = (uint64_t)st.st_size;
	return 0;
}

static int open_library(struct server *s, enum server_mode mode, struct hy_err *e)
{
	void *library, *found;

	s->shared.sendfile = sendfile;
	if (mode == SERVER_PLAIN)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW);
	found = library ? dlsym(library, "hylics_sendfile") : NULL;
	if (!found)
		return hy_err_set(e, ENOENT, "library: %s", dlerror());
	memcpy(&s->shared.sendfile, &found, sizeof(found));	/* C knows no such cast */
	return 0;
}

static int open_listener(struct server *s, const char *text, struct hy_err *e)
{
	struct address a;
	int one = 1, rc = address_parse(&a, text, "--listen", e);

	if (rc < 0)
		return rc;
	s->listener = socket(a.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
			     (s->nonblock ? SOCK_NONBLOCK : 0), 0);
	if (s->listener < 0)
		return hy_err_set(e, errno, "open a socket");
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->listener, (struct sockaddr *)&a.at, a.len) < 0)
		return hy_err_set(e, errno, "'%s': bind", text);
	if (listen(s->listener, TALK_BACKLOG) < 0)
		return hy_err_set(e, errno, "'%s': listen", text);
	return 0;
}

static int start(struct server *s, int64_t threads, struct hy_err *e)
{
	static struct crowd crowds[TALK_THREADS_MAX];
	int rc = 0;

	if (!s->nonblock) {
		rc = thread_start(accept_all, s);
		return rc < 0 ? hy_err_set(e, -rc, "start a thread") : 0;
	}
	for (int64_t i = 0; rc == 0 && i < threads; i++)
		rc = start_crowd(s, &crowds[i], e);
	return rc;
}

static void report_calls(const struct answerer *s)
{
	uint64_t n = s->calls < s->call_room ? s->calls : s->call_room;

	printf(",\"calls_ns\":[");
	for (uint64_t i = 0; i < n; i++)
		printf("%s%" PRIu64, i ? "," : "", s->call_ns[i]);
	printf("]");
}

static void report(const struct answerer *s)
{
	const struct answer_counts *c = &s->counts;

	printf("{\"version\":1");
#define X(name) printf(",\"%s\":%" PRIu64, #name, (uint64_t)c->name);
	ANSWER_COUNTERS(X)
#undef X
	if (s->call_room)
		report_calls(s);
	printf("}\n");
	fflush(stdout);
}

/* Blocked before any thread is there, so that all inherit it; SIGPIPE comes with sendfile(). */
static int block_signals(sigset_t *ends, struct hy_err *e)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(ends);
	sigaddset(ends, SIGTERM);
	sigaddset(ends, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, ends, NULL))
		return hy_err_set(e, EINVAL, "block signals");
	return 0;
}

static int make_room_for_calls(struct answerer *s, int64_t calls, struct hy_err *e)
{
	if (!calls)
		return 0;
	s->call_ns = calloc((size_t)calls, sizeof(*s->call_ns));
	s->call_room = (uint64_t)calls;
	return s->call_ns ? 0 : hy_err_set(e, ENOMEM, "room for %d times", (int)calls);
}

static int server_open(struct server *s, const struct server_values *v, struct hy_err *e)
{
	int rc = open_file(s, v->file, e);

	if (rc == 0)
		rc = make_room_for_calls(&s->shared, v->calls, e);
	if (rc == 0)
		rc = open_library(s, (enum server_mode)v->mode, e);
	if (rc == 0)
		rc = open_listener(s, v->listen, e);
	return rc;
}

int server_main(const void *values, int argc, char **argv, struct hy_err *e)
{
	/* lives as long as the threads, which nobody waits for */
	static struct server server = { .listener = -1 };
	const struct server_values *v = values;
	sigset_t ends;
	int rc, number;

	(void)argc;
	(void)argv;
	fd_limit_raise();
	server.nonblock = v->nonblock;
	server.shared.fault = (enum answer_fault)v->fault;
	rc = block_signals(&ends, e);
	if (rc == 0)
		rc = server_open(&server, v, e);
	if (rc == 0)
		rc = start(&server, v->threads, e);
	if (rc < 0)
		return hy_err_exit(e);
	printf("ready %u\n", address_port(server.listener));
	fflush(stdout);
	while (sigwait(&ends, &number) != 0)
		;
	report(&server.shared);
	return HY_EXIT_OK;
}
