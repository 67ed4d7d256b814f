/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.c - servers the host runs for this guest: what root wants, and what the host says of it
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); programs of the guest (hostile)
 */
#include "hylics-agent/modules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "hylics-agent/agent.h"
#include "hylics-agent/listener.h"
#include "proto/module_ask.h"

#define LIST_TEXT_MAX 88		/* of a list that is part of an error's words */

_Static_assert(sizeof(struct modules_saved) <= TABLE_MODULES_SIZE, "room in the table");

/* -- what is wanted -- */

static int find_wanted(const struct modules *m, const char *name)
{
	for (unsigned int i = 0; i < m->wanted.n; i++) {
		if (strcmp(m->wanted.at[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* Whose port it is; NULL: nobody's. */
static const char *wanted_at(const struct modules *m, uint16_t port)
{
	for (unsigned int i = 0; i < m->wanted.n; i++) {
		if (m->wanted.at[i].port == port)
			return m->wanted.at[i].name;
	}
	return NULL;
}

static void save(struct agent *a)
{
	struct modules_saved *s = a->table.modules;
	uint32_t next = s->turn + 1;
	int n = modules_wanted_encode(&a->modules.wanted, s->at[next & 1].bytes,
				      MODULES_WANTED_MAX);

	if (n < 0)
		return;
	s->at[next & 1].len = (uint32_t)n;
	s->turn = next;
}

static void read_back(struct agent *a)
{
	const struct modules_saved *s = a->table.modules;
	uint32_t now = s->turn & 1, len = s->at[now].len;

	if (len == 0)
		return;
	if (len > MODULES_WANTED_MAX ||
	    modules_wanted_decode(s->at[now].bytes, len, &a->modules.wanted) < 0)
		hy_log(a->log, HY_LOG_WARN,
		       "which modules were wanted cannot be read back: none is now");
}

void modules_say(struct agent *a)
{
	struct modules *m = &a->modules;
	uint8_t packet[MODULES_WANTED_MAX];
	int n;

	if (!m->owed || !a->session)
		return;
	n = modules_wanted_encode(&m->wanted, packet, sizeof(packet));
	if (n > 0 && chan_send(a->chan, MSG_MODULES_WANTED, 0, packet, (size_t)n) == 0)
		m->owed = false;
}

/* It has changed for this module, of which the host may not have told. */
static void changed(struct agent *a, struct modules_row *row)
{
	a->modules.wanted.number++;
	if (row)
		row->asked = a->modules.wanted.number;
	a->modules.owed = true;
	save(a);
	modules_say(a);
}

/* -- what the host tells -- */

void modules_up(struct agent *a)
{
	a->modules.first = ++a->modules.wanted.number;
	a->modules.owed = true;
	modules_say(a);
}

void modules_down(struct agent *a)
{
	struct modules *m = &a->modules;

	m->heard = false;
	m->n = 0;
	memset(m->row, 0, sizeof(m->row));
}

static struct modules_row *find_row(struct modules *m, const char *name)
{
	for (unsigned int i = 0; i < m->n; i++) {
		if (m->row[i].told && strcmp(m->row[i].state.name, name) == 0)
			return &m->row[i];
	}
	return NULL;
}

/* Of a host that goes by a list of another session it is not known what it will do. */
static bool is_of_session(const struct modules *m, const struct modules_state *s)
{
	return s->list >= m->first && s->list <= m->wanted.number;
}

int modules_take(struct agent *a, const struct message *msg)
{
	struct modules *m = &a->modules;
	struct modules_state s;
	struct modules_row *row;
	uint64_t asked;

	if (modules_state_decode(msg->payload, msg->len, &s) < 0)
		return -EPROTO;
	if (!is_of_session(m, &s))
		return 0;
	m->heard = true;
	m->n = s.of;
	for (unsigned int i = m->n; i < HY_MODULES_MAX; i++)
		m->row[i] = (struct modules_row){ 0 };
	if (!s.of)
		return 0;
	row = find_row(m, s.name);
	asked = row ? row->asked : m->wanted.number;	/* it may have been forgotten meanwhile */
	if (row && row != &m->row[s.number])
		row->told = false;		/* it has another number now */
	m->row[s.number] = (struct modules_row){ .told = true, .state = s, .asked = asked };
	return 0;
}

/* -- what is asked -- */

/* 0, or the length of an answer that says what is in the way. */
static int refuse_now(const struct agent *a, struct request *r)
{
	if (!a->session)
		return request_refuse(r, ENOTCONN,
				      "the host is not reached, see hylics-guest status");
	if (!a->modules.heard)
		return request_refuse(r, ENODATA, "the host has not told of its modules yet");
	return 0;
}

/* The same for whoever orders. */
static int refuse_order(const struct agent *a, struct request *r)
{
	return r->user == ROOT ? refuse_now(a, r) :
	       request_refuse(r, EPERM, "only root may start and stop modules");
}

/* A list that had to be cut says so. */
static void mark_cut(char text[LIST_TEXT_MAX], size_t whole)
{
	static const char dots[] = " ...";

	if (whole >= LIST_TEXT_MAX)
		memcpy(text + LIST_TEXT_MAX - sizeof(dots), dots, sizeof(dots));
}

/* "hls, lighttpd"; false while one of them is not known yet. */
static bool list_names(const struct modules *m, char text[LIST_TEXT_MAX])
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < m->n; i++) {
		if (!m->row[i].told)
			return false;
		if (used < LIST_TEXT_MAX)
			used += (size_t)snprintf(text + used, LIST_TEXT_MAX - used, "%s%s",
						 i ? ", " : "", m->row[i].state.name);
	}
	mark_cut(text, used);
	return true;
}

static int refuse_unknown(const struct modules *m, struct request *r)
{
	char names[LIST_TEXT_MAX];

	if (m->n == 0)
		return request_refuse(r, ENOENT, "this VM may use no module");
	if (!list_names(m, names))
		return request_refuse(r, ENODATA, "the host has not told of all its modules yet");
	return request_refuse(r, ENOENT, "there is no such module, but %s", names);
}

/* What the host told, if it did, and whether it is wanted. */
static int answer(const struct modules *m, struct request *r, const struct modules_row *row,
		  const char *name)
{
	struct local_module told = { 0 };

	if (row) {
		told.state = row->state;
		told.state.of = (uint8_t)m->n;	/* it may have been told with another number */
		told.wanted |= row->state.list < row->asked ? MODULE_UNHEARD : 0;
	}
	told.wanted |= find_wanted(m, name) >= 0 ? MODULE_WANTED : 0;
	return (int)module_ask_encode(r->head.id, &told, r->answer);
}

static int refuse_port(const struct modules_state *s, struct request *r, uint16_t port)
{
	char ports[LIST_TEXT_MAX];

	if (modules_ports_have(&s->ports, port))
		return 0;
	mark_cut(ports, (size_t)modules_ports_print(&s->ports, ports, sizeof(ports)));
	return request_refuse(r, EACCES, "port %u is not among its ports, %s", port, ports);
}

/* Another module, or anybody in the guest: both would be deaf or never heard. */
static int refuse_taken(const struct modules *m, struct request *r, uint16_t port)
{
	const char *other = wanted_at(m, port);
	char text[LISTENER_TEXT_MAX];
	struct listener who;

	if (other)
		return request_refuse(r, EADDRINUSE, "port %u is module '%s's", port, other);
	if (!listener_find(m->listeners, port, &who))
		return 0;
	listener_text(&who, text);
	return request_refuse(r, EADDRINUSE, "a program of user %u listens at %s in the guest",
			      who.user, text);
}

static int refuse_wanted(const struct modules *m, struct request *r, unsigned int which)
{
	return request_refuse(r, EEXIST, "it is wanted at port %u already: stop it first",
			      m->wanted.at[which].port);
}

/* One that the VM may not use any more keeps its place. */
static int refuse_full(struct modules *m, struct request *r)
{
	unsigned int i = 0;

	if (m->wanted.n < HY_MODULES_MAX)
		return 0;
	while (i < HY_MODULES_MAX - 1 && find_row(m, m->wanted.at[i].name))
		i++;
	return request_refuse(r, ENOSPC, "%d modules are wanted already: stop '%s', say",
			      HY_MODULES_MAX, m->wanted.at[i].name);
}

static void want(struct agent *a, struct modules_row *row, uint16_t port)
{
	struct modules_wanted *w = &a->modules.wanted;

	w->at[w->n].port = port;
	memcpy(w->at[w->n].name, row->state.name, sizeof(w->at[w->n].name));
	w->n++;
	hy_log_limited(a->log, &a->modules.rate, HY_LOG_INFO, "module '%s' is wanted at port %u",
		       row->state.name, port);
	changed(a, row);
}

static int start_row(struct agent *a, struct request *r, struct modules_row *row, uint16_t port)
{
	struct modules *m = &a->modules;
	int which = find_wanted(m, row->state.name), len;

	if (!port)
		port = row->state.ports.at[0].first;
	len = refuse_port(&row->state, r, port);
	if (!len && which >= 0 && m->wanted.at[which].port != port)
		len = refuse_wanted(m, r, (unsigned int)which);
	if (len || which >= 0)
		return len ? len : answer(m, r, row, row->state.name);
	len = refuse_taken(m, r, port);
	if (!len)
		len = refuse_full(m, r);
	if (len)
		return len;
	want(a, row, port);
	return answer(m, r, row, row->state.name);
}

static int refuse_form(struct request *r)
{
	return request_refuse(r, EINVAL, "this agent does not understand the request");
}

static int start(struct agent *a, struct request *r)
{
	struct modules *m = &a->modules;
	struct local_module_start ask;
	struct modules_row *row;
	int len;

	if (module_ask_decode_start(r->packet, r->len, &ask) < 0)
		return refuse_form(r);
	len = refuse_order(a, r);
	if (len)
		return len;
	row = find_row(m, ask.name);
	return row ? start_row(a, r, row, ask.port) : refuse_unknown(m, r);
}

static void want_not(struct agent *a, struct modules_row *row, unsigned int which)
{
	struct modules_wanted *w = &a->modules.wanted;

	hy_log_limited(a->log, &a->modules.rate, HY_LOG_INFO,
		       "module '%s' is not wanted any more", w->at[which].name);
	w->n--;
	memmove(&w->at[which], &w->at[which + 1], (w->n - which) * sizeof(w->at[0]));
	changed(a, row);
}

/* Also of one that was taken from this VM: it may be wanted still. */
static int stop(struct agent *a, struct request *r)
{
	struct modules *m = &a->modules;
	struct local_module_stop ask;
	struct modules_row *row;
	int len, which;

	if (module_ask_decode_stop(r->packet, r->len, &ask) < 0)
		return refuse_form(r);
	len = refuse_order(a, r);
	if (len)
		return len;
	row = find_row(m, ask.name);
	which = find_wanted(m, ask.name);
	if (!row && which < 0)
		return refuse_unknown(m, r);
	if (which >= 0)
		want_not(a, row, (unsigned int)which);
	return answer(m, r, row, ask.name);
}

static int ask_number(struct agent *a, struct request *r)
{
	struct modules *m = &a->modules;
	struct local_ask_module ask;
	const struct modules_row *row;
	int len;

	if (module_ask_decode_ask(r->packet, r->len, &ask) < 0)
		return refuse_form(r);
	len = refuse_now(a, r);
	if (len)
		return len;
	if (m->n == 0 && ask.number == 0)
		return answer(m, r, NULL, "");
	if (ask.number >= m->n)
		return request_refuse(r, ENOENT, "there are %u modules", m->n);
	row = &m->row[ask.number];
	if (!row->told)
		return request_refuse(r, ENODATA, "the host has not told of all its modules yet");
	return answer(m, r, row, row->state.name);
}

int modules_request(struct agent *a, struct request *r)
{
	switch (r->head.type) {
	case LOCAL_MODULE_START:
		return start(a, r);
	case LOCAL_MODULE_STOP:
		return stop(a, r);
	default:
		return ask_number(a, r);
	}
}

/* -- opening and closing -- */

void modules_open(struct agent *a)
{
	a->modules = (struct modules){ 0 };
	listener_open(a->modules.listeners);
	read_back(a);
	a->modules.wanted.number = hy_clock_ns();
}

void modules_close(struct agent *a)
{
	listener_close(a->modules.listeners);
}
