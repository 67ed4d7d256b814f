/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module.c - `hylics-guest module start|stop|list|status`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked); the host's words, which its decoder knows to be printable
 *
 * A start is done when the agent has noted it; the rest is waiting and looking, which anybody may
 * end. The agent tells nothing unasked, so it is asked again every LOOK_MS.
 */
#include "hylics-guest/module.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/name.h"
#include "common/own.h"
#include "hylics-guest/ask.h"
#include "hylics-guest/module_show.h"
#include "proto/module_ask.h"

#define LOOK_MS 100
#define OPTION(field) offsetof(struct module_values, field)

#define COMMON_OPTIONS                                                                             \
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",       \
	  .help = "where agent.sock is (default $HYLICS_RUN_DIR, else /run/hylics)" },             \
	{ .name = "json", .type = HY_OPT_FLAG, .offset = OPTION(json), .help = "print JSON" }

static const struct hy_opt start_options[] = {
	{ .name = "port", .type = HY_OPT_INT, .offset = OPTION(port), .arg = "N",
	  .help = "listen at this port (default the first of the module's)", .min = 1,
	  .max = UINT16_MAX },
	{ .name = "no-wait", .type = HY_OPT_FLAG, .offset = OPTION(no_wait),
	  .help = "do not wait until it is done" },
	COMMON_OPTIONS,
	{ 0 },
};

static const struct hy_opt stop_options[] = {
	{ .name = "no-wait", .type = HY_OPT_FLAG, .offset = OPTION(no_wait),
	  .help = "do not wait until it is done" },
	COMMON_OPTIONS,
	{ 0 },
};

static const struct hy_opt show_options[] = { COMMON_OPTIONS, { 0 } };

/* -- asking -- */

/* What was encoded is in @buf. */
static int ask_once(int fd, uint8_t *buf, size_t len, struct local_module *m, struct hy_err *e)
{
	int n = ask_agent(fd, buf, len, LOCAL_MODULE, e);

	if (n < 0)
		return n;
	return module_ask_decode(buf, (size_t)n, m) < 0 ? ask_unreadable(e) : 0;
}

/* A session has just begun: the host is about to tell. */
static int ask(int fd, const uint8_t *question, size_t len, struct local_module *m,
	       struct hy_err *e)
{
	uint64_t end_ms = hy_clock_ms() + HY_MODULE_TELL_MS;
	uint8_t buf[LOCAL_PACKET_MAX];
	int rc;

	for (;;) {
		memcpy(buf, question, len);
		rc = ask_once(fd, buf, len, m, e);
		if (rc != -ENODATA || hy_clock_ms() >= end_ms)
			return rc;
		poll(NULL, 0, LOOK_MS);
	}
}

static int ask_number(int fd, unsigned int number, struct local_module *m, struct hy_err *e)
{
	const struct local_ask_module question = { .number = (uint8_t)number };
	uint8_t packet[LOCAL_PACKET_MAX];
	size_t len = module_ask_encode_ask(number, &question, packet);

	return ask(fd, packet, len, m, e);
}

/* One that is gone while the others are asked for ends the list. */
static int ask_all(int fd, struct module_list *l, struct hy_err *e)
{
	struct local_module m;
	int rc;

	l->n = 0;
	do {
		rc = ask_number(fd, l->n, &m, e);
		if (rc == -ENOENT && l->n)
			return 0;
		if (rc == 0 && m.state.of)
			l->at[l->n++] = m;
	} while (rc == 0 && l->n < m.state.of);
	return rc;
}

static const struct local_module *find(const struct module_list *l, const char *name)
{
	for (unsigned int i = 0; i < l->n; i++) {
		if (strcmp(l->at[i].state.name, name) == 0)
			return &l->at[i];
	}
	return NULL;
}

/* -- names -- */

static int check_name(const char *name, struct hy_err *e)
{
	if (hy_name_valid(name))
		return 0;
	return hy_err_usage(e, NULL, "'%s' is no name of a module, which has small letters, digits"
			    " and '-'", name);
}

/* The agent, or the list, knows no such module: perhaps another is meant. */
static int unknown(const struct module_list *l, const char *name, struct hy_err *e)
{
	const char *names[HY_MODULES_MAX + 1] = { NULL };
	const char *near;

	for (unsigned int i = 0; i < l->n; i++)
		names[i] = l->at[i].state.name;
	near = hy_opt_nearest(name, names);
	if (near)
		hy_err_set(e, ENOENT, "module '%s': there is none; did you mean '%s'?", name, near);
	else
		hy_err_set(e, ENOENT, "module '%s': %s", name, l->n ?
			   "there is none, see hylics-guest module list" :
			   "this VM may use no module; the host's operator says which it may");
	e->whole = true;
	return -ENOENT;
}

static int explain(int fd, const char *name, int rc, struct hy_err *e)
{
	struct module_list all;

	if (rc == -ENOENT && ask_all(fd, &all, e) == 0)
		return unknown(&all, name, e);
	return hy_err_add(e, "module '%s'", name);
}

/* -- waiting -- */

enum outcome { WAITS, DONE, ENDED, REFUSED, UNDONE };

struct wait {
	const char *name;
	uint16_t port;			/* that it is to have */
	bool runs;			/* or has it to stop? */
	struct local_module now;	/* as it was last */
};

static enum outcome outcome_of(const struct wait *w)
{
	const struct modules_state *s = &w->now.state;

	if (!(w->now.wanted & MODULE_WANTED) == w->runs)
		return UNDONE;
	if (w->now.wanted & MODULE_UNHEARD)
		return WAITS;
	if (!w->runs)
		return s->life == MODULES_LIFE_stopped ? DONE : WAITS;
	if (s->life == MODULES_LIFE_failing)
		return ENDED;
	if (s->life == MODULES_LIFE_stopped && s->why[0])
		return REFUSED;
	return s->life == MODULES_LIFE_running && s->port == w->port ? DONE : WAITS;
}

/* One that the VM may not use any more has stopped. */
static int look(int fd, struct wait *w, struct hy_err *e)
{
	const struct local_module *m;
	struct module_list all;
	int rc = ask_all(fd, &all, e);

	if (rc < 0)
		return rc;
	m = find(&all, w->name);
	if (m)
		w->now = *m;
	else if (w->runs)
		return unknown(&all, w->name, e);
	else
		w->now = (struct local_module){ 0 };
	return 0;
}

/* On a terminal, and only there. */
static void show_progress(const struct wait *w, uint64_t since_ms, bool last)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (last)
		fputs("\r\033[K", stderr);
	else
		fprintf(stderr, "\rmodule '%s': %s, waiting for %" PRIu64 " s \033[K", w->name,
			modules_life_name(w->now.state.life), (hy_clock_ms() - since_ms) / 1000);
	fflush(stderr);
}

static int told(const struct wait *w, int num, const char *what, struct hy_err *e)
{
	const char *why = w->now.state.why;

	hy_err_set(e, num, "module '%s': %s%s%s", w->name, what, why[0] ? ": " : "", why);
	e->whole = true;
	return -num;
}

static int report(const struct wait *w, enum outcome outcome, struct hy_err *e)
{
	switch (outcome) {
	case DONE:
		return 0;
	case ENDED:
		return told(w, EIO, "it has ended (and is tried again until hylics-guest module"
			    " stop)", e);
	case REFUSED:
		return told(w, EIO, "the host does not start it", e);
	case UNDONE:
		return told(w, ECANCELED, w->runs ? "somebody has stopped it meanwhile" :
			    "somebody has started it again meanwhile", e);
	default:
		return told(w, ETIMEDOUT, w->runs ? "it does not run yet (and is wanted until"
			    " hylics-guest module stop)" : "it has not stopped yet", e);
	}
}

/* A host that is away for a moment hears of it when it is back. */
static bool passes(int rc)
{
	return rc == 0 || rc == -ENOTCONN || rc == -ENODATA;
}

static int wait_for(int fd, struct wait *w, struct hy_err *e)
{
	uint64_t began_ms = hy_clock_ms();
	enum outcome outcome = outcome_of(w);
	int rc = 0;

	while (outcome == WAITS && passes(rc) && hy_clock_ms() - began_ms < HY_MODULE_WAIT_MS) {
		show_progress(w, began_ms, false);
		poll(NULL, 0, LOOK_MS);
		rc = look(fd, w, e);
		if (rc == 0)
			outcome = outcome_of(w);
	}
	show_progress(w, began_ms, true);
	return rc < 0 ? hy_err_add(e, "module '%s': wait", w->name) : report(w, outcome, e);
}

/* -- the commands -- */

static void show_end(const struct module_values *v, const struct wait *w)
{
	struct module_list one = { .n = w->now.state.of != 0, .at = { w->now } };

	if (v->json)
		module_show_json(&one);
	else if (v->no_wait)
		printf("module '%s' %s\n", w->name, w->runs ? "was started" : "was stopped");
	else if (w->runs)
		printf("module '%s' runs at port %u\n", w->name, w->port);
	else
		printf("module '%s' is stopped\n", w->name);
}

/* What was encoded is in @packet. */
static int carry_out(const struct module_values *v, struct wait *w, const uint8_t *packet,
		     size_t len, struct hy_err *e)
{
	hy_autofd fd = ask_connect(v->run_dir, e);
	int rc;

	if (fd < 0)
		return HY_EXIT_NO_DAEMON;
	rc = ask(fd, packet, len, &w->now, e);
	if (rc < 0)
		rc = explain(fd, w->name, rc, e);
	if (rc == 0 && !w->port)
		w->port = w->now.state.ports.at[0].first;
	if (rc == 0 && !v->no_wait)
		rc = wait_for(fd, w, e);
	if (rc < 0)
		return hy_err_exit(e);
	show_end(v, w);
	return HY_EXIT_OK;
}

static int run_start(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct module_values *v = values;
	struct local_module_start m = { .port = (uint16_t)v->port };
	struct wait w = { .name = argv[0], .port = m.port, .runs = true };
	uint8_t packet[LOCAL_PACKET_MAX];
	size_t len;

	(void)argc;
	if (check_name(argv[0], e) < 0)
		return hy_err_exit(e);
	snprintf(m.name, sizeof(m.name), "%s", argv[0]);
	len = module_ask_encode_start(1, &m, packet);
	return carry_out(v, &w, packet, len, e);
}

static int run_stop(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct module_values *v = values;
	struct wait w = { .name = argv[0] };
	struct local_module_stop m = { 0 };
	uint8_t packet[LOCAL_PACKET_MAX];
	size_t len;

	(void)argc;
	if (check_name(argv[0], e) < 0)
		return hy_err_exit(e);
	snprintf(m.name, sizeof(m.name), "%s", argv[0]);
	len = module_ask_encode_stop(1, &m, packet);
	return carry_out(v, &w, packet, len, e);
}

/* @name: NULL for all */
static int show(const struct module_values *v, const char *name, bool all, struct hy_err *e)
{
	const struct local_module *one;
	struct module_list l;

	hy_autofd fd = ask_connect(v->run_dir, e);
	if (fd < 0)
		return HY_EXIT_NO_DAEMON;
	if (ask_all(fd, &l, e) < 0) {
		hy_err_add(e, "modules");
		return hy_err_exit(e);
	}
	if (name) {
		one = find(&l, name);
		if (!one) {
			unknown(&l, name, e);
			return hy_err_exit(e);
		}
		l = (struct module_list){ .n = 1, .at = { *one } };
	}
	if (v->json)
		module_show_json(&l);
	else
		module_show(&l, all);
	return HY_EXIT_OK;
}

static int run_list(const void *values, int argc, char **argv, struct hy_err *e)
{
	(void)argc;
	(void)argv;
	return show(values, NULL, false, e);
}

static int run_status(const void *values, int argc, char **argv, struct hy_err *e)
{
	if (argc && check_name(argv[0], e) < 0)
		return hy_err_exit(e);
	return show(values, argc ? argv[0] : NULL, true, e);
}

const struct hy_cmd module_commands[] = {
	{ .name = "start", .args = "NAME",
	  .summary = "let the host run a server for this guest, at the guest's own address",
	  .details = "Waits until it runs, or has ended once, 30 s at most. It stays wanted, and "
		     "is started again should it end, until it is stopped. Only root may.",
	  .options = start_options, .values_size = sizeof(struct module_values),
	  .min_args = 1, .max_args = 1, .run = run_start },
	{ .name = "stop", .args = "NAME",
	  .summary = "let the host end it",
	  .details = "Waits until it has stopped, 30 s at most. Only root may.",
	  .options = stop_options, .values_size = sizeof(struct module_values),
	  .min_args = 1, .max_args = 1, .run = run_stop },
	{ .name = "list", .args = "",
	  .summary = "list the modules this VM may use, and how they are",
	  .options = show_options, .values_size = sizeof(struct module_values),
	  .run = run_list },
	{ .name = "status", .args = "[NAME]",
	  .summary = "show how modules are, and what they cost",
	  .options = show_options, .values_size = sizeof(struct module_values),
	  .max_args = 1, .run = run_status },
	{ 0 },
};
