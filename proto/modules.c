/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.c - the messages about modules: what the guest wants to run, and what does
 *
 * Runs in: hylics-agent, hylics-guest, hylics-worker, hylics-keeper, tests
 * Reads from: the peer on the channel (hostile), either way
 */
#include "proto/modules.h"

#include <errno.h>
#include <string.h>

#include "common/cursor.h"
#include "common/name.h"
#include "common/printable.h"

const char *modules_life_name(unsigned int life)
{
	static const char *const names[] = {
#define X(name, what) #name,
		MODULES_LIFE(X)
#undef X
	};

	return names[life];
}

/* -- ports -- */

bool modules_ports_have(const struct modules_ports *p, uint32_t port)
{
	for (unsigned int i = 0; i < p->n; i++) {
		if (port >= p->at[i].first && port <= p->at[i].last)
			return true;
	}
	return false;
}

/* As snprintf(), which does more than a format may. */
struct print {
	char *text;
	size_t room, len;
};

static void print_letter(struct print *p, char letter)
{
	if (p->len + 1 < p->room) {
		p->text[p->len] = letter;
		p->text[p->len + 1] = '\0';
	}
	p->len++;
}

static void print_number(struct print *p, unsigned int n)
{
	char digit[10];
	int i = 0;

	do {
		digit[i++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (i)
		print_letter(p, digit[--i]);
}

int modules_ports_print(const struct modules_ports *ports, char *text, size_t room)
{
	struct print p = { .text = text, .room = room };

	if (room)
		text[0] = '\0';
	for (unsigned int i = 0; i < ports->n; i++) {
		if (i)
			print_letter(&p, ' ');
		print_number(&p, ports->at[i].first);
		if (ports->at[i].first == ports->at[i].last)
			continue;
		print_letter(&p, '-');
		print_number(&p, ports->at[i].last);
	}
	return (int)p.len;
}

static void wr_ports(struct hy_wr *w, const struct modules_ports *p)
{
	w->bad |= p->n > HY_MODULE_PORTS_MAX;
	hy_wr_u8(w, (uint8_t)p->n);
	for (unsigned int i = 0; i < p->n && !w->bad; i++) {
		hy_wr_le16(w, p->at[i].first);
		hy_wr_le16(w, p->at[i].last);
	}
}

static void rd_ports(struct hy_rd *r, struct modules_ports *p)
{
	p->n = hy_rd_u8(r);
	r->bad |= p->n == 0 || p->n > HY_MODULE_PORTS_MAX;
	for (unsigned int i = 0; i < p->n && !r->bad; i++) {
		p->at[i].first = hy_rd_le16(r);
		p->at[i].last = hy_rd_le16(r);
		r->bad |= p->at[i].first == 0 || p->at[i].last < p->at[i].first;
	}
}

/* -- what is wanted -- */

int modules_wanted_encode(const struct modules_wanted *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room, .bad = m->n > HY_MODULES_MAX };

	hy_wr_le64(&w, m->number);
	hy_wr_u8(&w, (uint8_t)m->n);
	for (unsigned int i = 0; i < m->n && !w.bad; i++) {
		hy_wr_le16(&w, m->at[i].port);
		hy_wr_text(&w, m->at[i].name);
	}
	return hy_wr_written(&w, out);
}

static bool is_twice(const struct modules_wanted *m, unsigned int number)
{
	for (unsigned int i = 0; i < number; i++) {
		if (strcmp(m->at[i].name, m->at[number].name) == 0)
			return true;
	}
	return false;
}

int modules_wanted_decode(const uint8_t *in, size_t len, struct modules_wanted *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct modules_wanted got = { .number = hy_rd_number(&r) };

	got.n = hy_rd_u8(&r);
	r.bad |= got.n > HY_MODULES_MAX;
	for (unsigned int i = 0; i < got.n && !r.bad; i++) {
		got.at[i].port = hy_rd_le16(&r);
		hy_rd_text(&r, got.at[i].name, sizeof(got.at[i].name));
		r.bad |= got.at[i].port == 0 || !hy_name_valid(got.at[i].name) || is_twice(&got, i);
	}
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}

/* -- what runs -- */

int modules_state_encode(const struct modules_state *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le64(&w, m->list);
	hy_wr_u8(&w, m->number);
	hy_wr_u8(&w, m->of);
	if (!m->of)
		return hy_wr_written(&w, out);
	hy_wr_u8(&w, m->life);
	hy_wr_le16(&w, m->port);
	hy_wr_le32(&w, m->starts);
	hy_wr_le64(&w, m->since_ms);
	hy_wr_le32(&w, m->connections);
	hy_wr_le64(&w, m->cpu_us);
	hy_wr_le64(&w, m->memory);
	wr_ports(&w, &m->ports);
	hy_wr_text(&w, m->name);
	hy_wr_text(&w, m->why);
	return hy_wr_written(&w, out);
}

static void rd_module(struct hy_rd *r, struct modules_state *m)
{
	m->life = hy_rd_u8(r);
	m->port = hy_rd_le16(r);
	m->starts = hy_rd_le32(r);
	m->since_ms = hy_rd_number(r);
	m->connections = hy_rd_le32(r);
	m->cpu_us = hy_rd_number(r);
	m->memory = hy_rd_number(r);
	rd_ports(r, &m->ports);
	hy_rd_text(r, m->name, sizeof(m->name));
	hy_rd_text(r, m->why, sizeof(m->why));
	r->bad |= m->life >= MODULES_LIVES || !hy_name_valid(m->name) || !hy_is_printable(m->why);
	r->bad |= (m->life == MODULES_LIFE_stopped) != (m->port == 0);
}

int modules_state_decode(const uint8_t *in, size_t len, struct modules_state *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct modules_state got = { .list = hy_rd_number(&r) };

	got.number = hy_rd_u8(&r);
	got.of = hy_rd_u8(&r);
	r.bad |= got.of > HY_MODULES_MAX || (got.of ? got.number >= got.of : got.number);
	if (got.of && !r.bad)
		rd_module(&r, &got);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}
