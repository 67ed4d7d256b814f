/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.c - the modules of a VM: which are allowed, what the guest wants, what it is told
 *
 * Runs in: hylics-keeper
 * Reads from: the worker's word for what the guest wants (hostile); the operator's files (believed)
 */
#include "hylics-keeper/modules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/name.h"
#include "common/own.h"
#include "hylics-keeper/modshow.h"
#include "twin/port.h"

#define LOOK_MS 1000			/* at ports given back; at what could not be told */

/* -- telling -- */

static void look_later(struct modules *m)
{
	if (!m->look.pos)
		ev_timer_set(m->cfg.loop, &m->look, LOOK_MS);
}

static unsigned int count_allowed(const struct modules *m, unsigned int before)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < before; i++)
		n += m->allowed[i];
	return n;
}

static void say(struct modules *m, const struct modules_state *s)
{
	uint8_t payload[MODULES_STATE_MAX];
	int len = modules_state_encode(s, payload, sizeof(payload));

	if (len < 0 || m->cfg.tell(m->cfg.object, payload, (size_t)len) == 0)
		return;
	m->untold = true;
	look_later(m);
}

static void tell_one(struct modules *m, unsigned int i)
{
	struct modules_state s = { .list = m->wanted.number,
				   .number = (uint8_t)count_allowed(m, i),
				   .of = (uint8_t)count_allowed(m, MODULES_RUNS) };

	modrun_tell(&m->run[i], &s);
	say(m, &s);
}

static void tell_all(struct modules *m)
{
	const struct modules_state none = { .list = m->wanted.number };

	m->changes++;
	m->untold = false;
	if (count_allowed(m, MODULES_RUNS) == 0)
		say(m, &none);
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (m->allowed[i])
			tell_one(m, i);
	}
}

static void on_changed(void *object, unsigned int number)
{
	struct modules *m = object;

	m->changes++;
	if (m->allowed[number])
		tell_one(m, number);
}

/* -- ports that have been given back -- */

static bool is_used(const struct modules *m, uint16_t port)
{
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (m->run[i].port == port)
			return true;
	}
	return false;
}

/* As long as something is left its client must find it; nothing can be said of an answer. */
static bool is_left(const struct modules *m, uint16_t port)
{
	struct twin_port p;

	if (is_used(m, port))
		return false;		/* of the one that has it now */
	if (twin_port_look(&m->desk, port, &p, NULL) == 0 && (p.connections || p.remains))
		return true;
	twin_listen(m->cfg.twin, port, false, NULL);
	return false;
}

static void look_at_ports(struct modules *m)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < m->n_left; i++) {
		if (is_left(m, m->left[i]))
			m->left[kept++] = m->left[i];
	}
	m->n_left = kept;
}

/* Another module may wait for the port. */
static void on_freed(void *object, uint16_t port)
{
	struct modules *m = object;

	ev_timer_set(m->cfg.loop, &m->apply, 0);
	/* the guest resets the oldest one's clients */
	if (m->n_left == MODULES_LEFT_MAX) {
		if (!is_used(m, m->left[0]))
			twin_listen(m->cfg.twin, m->left[0], false, NULL);
		memmove(m->left, m->left + 1, --m->n_left * sizeof(m->left[0]));
	}
	m->left[m->n_left++] = port;
	look_later(m);
}

static void on_look(void *object)
{
	struct modules *m = object;

	look_at_ports(m);
	if (m->untold)
		tell_all(m);
	if (m->n_left)
		look_later(m);
}

/* -- which there are -- */

/* Return: its number, -1: there is none */
static int find(const struct modules *m, const char *name)
{
	for (int i = 0; i < MODULES_RUNS; i++) {
		if (strcmp(m->run[i].conf.name, name) == 0)
			return i;
	}
	return -1;
}

static struct modrun *find_place(struct modules *m)
{
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (!m->run[i].conf.name[0])
			return &m->run[i];
	}
	return NULL;
}

/* One whose file cannot be read now stays as it was read before, if it was. */
static void allow(struct modules *m, const char *name)
{
	static struct module conf;	/* large; one loop */
	int number = find(m, name);
	struct modrun *r = number < 0 ? NULL : &m->run[number];
	struct hy_err e = { 0 };
	int rc = module_read(m->cfg.folder, name, &conf, &e);

	if (rc < 0)
		hy_log_limited(m->cfg.log, &m->rate, HY_LOG_WARN, "module '%s': %s", name, e.text);
	if (!r && rc == 0)
		r = find_place(m);
	if (!r)
		return;
	if (rc == 0)
		r->conf = conf;
	m->allowed[r->number] = true;
}

static void allow_lines(struct modules *m, FILE *f)
{
	hy_autofree char *line = NULL;
	unsigned int n = 0;
	size_t room = 0;

	while (n < HY_MODULES_MAX && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!hy_name_valid(line))
			continue;
		allow(m, line);
		n++;
	}
}

/* The places of those that are neither allowed nor running are free again. */
static void forget_others(struct modules *m)
{
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (m->allowed[i])
			continue;
		modrun_want(&m->run[i], 0);
		if (m->run[i].life.state == MODULES_LIFE_stopped)
			modrun_open(&m->run[i], &m->ground, i);
	}
}

static void read_list(struct modules *m)
{
	hy_autofile *f = m->cfg.list ? fopen(m->cfg.list, "re") : NULL;

	memset(m->allowed, 0, sizeof(m->allowed));
	if (f)
		allow_lines(m, f);
	forget_others(m);
}

/* -- what is wanted -- */

static uint16_t wanted_port(const struct modules *m, const char *name)
{
	for (unsigned int i = 0; i < m->wanted.n; i++) {
		if (strcmp(m->wanted.at[i].name, name) == 0)
			return m->wanted.at[i].port;
	}
	return 0;
}

/* The first of those that want it has it. */
static const char *who_wants(const struct modules *m, uint16_t port, unsigned int but)
{
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (i != but && m->run[i].wanted == port)
			return m->run[i].conf.name;
	}
	return NULL;
}

/* Whether it is to run there, or waits for another that ends there; if not, why is said. */
static bool may_have(struct modules *m, struct modrun *r, uint16_t port)
{
	const char *other = who_wants(m, port, r->number);

	if (!modules_ports_have(&r->conf.ports, port))
		modrun_say_why(r, "port %u is not among those the operator allows", port);
	else if (other)
		modrun_say_why(r, "port %u is used by module '%s'", port, other);
	else
		return true;
	return false;
}

static void want(struct modules *m, struct modrun *r)
{
	uint16_t port = wanted_port(m, r->conf.name);

	if (!port || port != r->wanted)
		r->why[0] = '\0';
	if (port && !may_have(m, r, port))
		port = 0;
	modrun_want(r, port == r->port || !is_used(m, port) ? port : 0);
}

/* What is not wanted any more, or elsewhere, goes first: another may be wanted at its port. */
static void apply(struct modules *m)
{
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (m->run[i].wanted && m->run[i].wanted != wanted_port(m, m->run[i].conf.name))
			modrun_want(&m->run[i], 0);
	}
	for (unsigned int i = 0; i < MODULES_RUNS; i++) {
		if (m->allowed[i])
			want(m, &m->run[i]);
	}
}

/* What was said last is to hold, as soon as it may: what was said since the one before is in it. */
static void heed(void *object)
{
	struct modules *m = object;
	uint64_t wait = bucket_take(&m->pace, hy_clock_ms());

	if (wait) {
		ev_timer_set(m->cfg.loop, &m->later, wait);
		return;
	}
	m->wanted = m->next;
	modules_again(m);
}

static void on_apply(void *object)
{
	struct modules *m = object;

	apply(m);
	tell_all(m);
}

/* -- showing -- */

#define SHOWN_MAX (MODULES_RUNS + HY_MODULES_MAX)

static struct modshow shown_of(const struct modules *m, const struct modrun *r)
{
	uint64_t now = hy_clock_ms(), due = modlife_due_ms(&r->life);
	struct modshow s = { 0 };

	modrun_tell(r, &s.is);
	if (!s.is.port) {
		s.is.port = wanted_port(m, r->conf.name);
		s.is.starts = 0;	/* what is told was of another time that it was wanted */
		s.is.cpu_us = 0;
	}
	if (r->life.state == MODULES_LIFE_failing)
		s.retry_ms = due > now ? due - now : 1;
	return s;
}

/* Of one that is not allowed any more nothing is known once it has ended. */
static bool is_known(const struct modules *m, int number)
{
	return number >= 0 && (m->run[number].port || m->allowed[number]);
}

/* Wanted, and not to be had. */
static struct modshow unknown(const struct modules *m, unsigned int i)
{
	struct modshow s = { .is.port = m->wanted.at[i].port };

	memcpy(s.is.name, m->wanted.at[i].name, sizeof(s.is.name));
	snprintf(s.is.why, sizeof(s.is.why),
		 "this VM may not use it, or what it is cannot be read");
	return s;
}

static void print(const void *object, FILE *f)
{
	static struct modshow at[SHOWN_MAX];	/* large; one loop */
	const struct modules *m = object;
	unsigned int n = 0;

	for (int i = 0; i < MODULES_RUNS; i++) {
		const struct modrun *r = &m->run[i];

		if (is_known(m, i) && (r->port || wanted_port(m, r->conf.name)))
			at[n++] = shown_of(m, r);
	}
	for (unsigned int i = 0; i < m->wanted.n; i++) {
		if (!is_known(m, find(m, m->wanted.at[i].name)))
			at[n++] = unknown(m, i);
	}
	modshow_print(at, n, hy_clock_wall_ms(), f);
}

static void begin_showing(struct modules *m)
{
	m->show.fd = m->cfg.file;
	m->show.loop = m->cfg.loop;
	m->show.log = m->cfg.log;
	m->show.watch = &m->changes;
	m->show.n_watch = 1;
	m->show.print = print;
	m->show.object = m;
	hy_show_start(&m->show);
}

/* -- for its owner -- */

int modules_open(struct modules *m, const struct modules_config *cfg, struct hy_err *e)
{
	int rc;

	*m = (struct modules){ .cfg = *cfg };
	rc = twin_desk_open(cfg->twin, &m->desk, e);
	if (rc < 0)
		return rc;
	m->ground = (struct modrun_ground){
		.loop = cfg->loop, .log = cfg->log, .twin = cfg->twin, .desk = &m->desk,
		.vm = cfg->vm, .share = cfg->share, .folder = cfg->folder, .uid = cfg->uid,
		.changed = on_changed, .freed = on_freed, .object = m,
	};
	m->look = (struct ev_timer){ .fn = on_look, .object = m };
	m->apply = (struct ev_timer){ .fn = on_apply, .object = m };
	m->later = (struct ev_timer){ .fn = heed, .object = m };
	m->pace = (struct bucket){ .most = HY_MODULES_CHANGES, .each_ms = HY_MODULES_CHANGE_MS };
	for (unsigned int i = 0; i < MODULES_RUNS; i++)
		modrun_open(&m->run[i], &m->ground, i);
	begin_showing(m);
	return 0;
}

void modules_take(struct modules *m, const uint8_t *payload, size_t len)
{
	if (modules_wanted_decode(payload, len, &m->next) < 0) {
		hy_log_limited(m->cfg.log, &m->rate, HY_LOG_WARN,
			       "the worker sent what is no list of modules");
		return;
	}
	if (!m->later.pos)
		heed(m);
}

void modules_again(struct modules *m)
{
	read_list(m);
	apply(m);
	tell_all(m);
}

void modules_close(struct modules *m)
{
	if (!m->desk.present)
		return;
	hy_show_stop(&m->show);
	for (unsigned int i = 0; i < MODULES_RUNS; i++)
		modrun_close(&m->run[i]);
	ev_timer_cancel(m->cfg.loop, &m->look);
	ev_timer_cancel(m->cfg.loop, &m->apply);
	ev_timer_cancel(m->cfg.loop, &m->later);
	twin_desk_close(&m->desk);
}

void modules_hold_again(struct modules *m)
{
	for (unsigned int i = 0; i < MODULES_RUNS; i++)
		modrun_hold(&m->run[i]);
}
