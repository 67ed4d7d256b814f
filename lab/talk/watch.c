/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.c - the watch on the wire: counts what goes over an interface
 *
 * Runs in: hylics-talk watch
 * Reads from: the command line; frames through seen.h
 */
#include "lab/talk/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/own.h"
#include "lab/talk/ring.h"

enum { IN, OUT, DIRECTIONS };

#define AT(field) offsetof(struct watch_values, field)

const struct hy_opt watch_options[] = {
	{ "interface", 'i', HY_OPT_STRING, AT(interface), "IFACE", "what to look at", 0, 0, NULL,
	  true },
	{ "port", 0, HY_OPT_INT, AT(port), "P", "only TCP from or to this port", 1, 65535, NULL,
	  false },
	{ "until-eof", 0, HY_OPT_FLAG, AT(until_eof), NULL, "end with standard input, too", 0, 0,
	  NULL, false },
	{ .name = NULL },
};

static void write_direction(const char *name, const struct seen *s)
{
	printf(",\"%s\":{\"flows_evicted\":%" PRIu64 ",\"acks_evicted\":%" PRIu64, name,
	       s->flows.evicted, s->acks_evicted);
#define X(counter) printf(",\"%s\":%" PRIu64, #counter, s->counts.counter);
	SEEN_COUNTERS(X)
#undef X
	printf("}");
}

static void report(const struct seen direction[DIRECTIONS], uint64_t drops)
{
	printf("{\"version\":1,\"complete\":%s,\"drops\":%" PRIu64, drops ? "false" : "true",
	       drops);
	write_direction("in", &direction[IN]);
	write_direction("out", &direction[OUT]);
	printf("}\n");
	fflush(stdout);
}

/* Not more than the ring has room for: a flood must not keep us from seeing the end. */
static void take_all(struct ring *r, struct seen direction[DIRECTIONS], uint16_t port)
{
	struct seen_frame f = { .port = port };
	bool outgoing;

	for (unsigned int i = 0; i < TALK_RING_FRAMES && ring_next(r, &f, &outgoing); i++) {
		seen_take(&direction[outgoing ? OUT : IN], &direction[outgoing ? IN : OUT], &f);
		ring_done(r);
	}
}

static int end_signals(struct hy_err *e)
{
	sigset_t ends;
	int fd;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	fd = signalfd(-1, &ends, SFD_CLOEXEC);
	return fd < 0 ? hy_err_set(e, errno, "signals") : fd;
}

/* Whether what is there at standard input is its end. */
static bool input_over(const struct pollfd *p)
{
	char text[256];

	return p->revents && read(p->fd, text, sizeof(text)) <= 0;
}

static int look(struct ring *r, struct seen direction[DIRECTIONS], const struct watch_values *v,
		struct hy_err *e)
{
	hy_autofd signals = end_signals(e);
	struct pollfd wait[] = {
		{ .fd = r->fd, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = v->until_eof ? STDIN_FILENO : -1, .events = POLLIN },
	};

	if (signals < 0)
		return signals;
	printf("ready\n");
	fflush(stdout);
	do {
		if (poll(wait, sizeof(wait) / sizeof(wait[0]), -1) < 0 && errno != EINTR)
			return hy_err_set(e, errno, "wait for frames");
		take_all(r, direction, (uint16_t)v->port);
		if (wait[0].revents & POLLERR)
			return hy_err_set(e, ENETDOWN, "interface '%s'", v->interface);
	} while (!wait[1].revents && !input_over(&wait[2]));
	take_all(r, direction, (uint16_t)v->port);	/* what came before the signal */
	return 0;
}

int watch_main(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct watch_values *v = values;
	hy_autofree struct seen *direction = calloc(DIRECTIONS, sizeof(*direction));
	struct ring r;
	int rc;

	(void)argc;
	(void)argv;
	if (!direction) {
		hy_err_set(e, ENOMEM, "tables of flows");
		return HY_EXIT_FAILED;
	}
	rc = ring_open(&r, v->interface, e);
	if (rc < 0)
		return rc == -ENODEV ? HY_EXIT_NO_OBJECT : HY_EXIT_FAILED;
	rc = look(&r, direction, v, e);
	report(direction, ring_drops(&r));
	ring_close(&r);
	return rc < 0 ? HY_EXIT_FAILED : HY_EXIT_OK;
}
