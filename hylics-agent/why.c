/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - why connections were not moved: counts for everybody, examples for whom they concern
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile)
 */
#include "hylics-agent/why.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/clock.h"
#include "hylics-agent/agent.h"

/* -- one example -- */

static bool is_mapped(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_V4MAPPED(addr);
}

static void take_address(const struct sockaddr_storage *ss, struct why_address *to)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_in *in = (const void *)ss;

	if (ss->ss_family == AF_INET) {
		*to = (struct why_address){ .family = 4, .port = ntohs(in->sin_port) };
		memcpy(to->addr, &in->sin_addr, sizeof(in->sin_addr));
	} else if (ss->ss_family == AF_INET6 && is_mapped(&in6->sin6_addr)) {
		*to = (struct why_address){ .family = 4, .port = ntohs(in6->sin6_port) };
		memcpy(to->addr, &in6->sin6_addr.s6_addr[12], sizeof(in->sin_addr));
	} else if (ss->ss_family == AF_INET6) {
		*to = (struct why_address){ .family = 6, .port = ntohs(in6->sin6_port) };
		memcpy(to->addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
	}
}

/* syscalls: getpeername, getsockname */
static void ask_addresses(int sock, struct why_example *e)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockname(sock, (struct sockaddr *)&ss, &len) == 0)
		take_address(&ss, &e->local);
	len = sizeof(ss);
	if (getpeername(sock, (struct sockaddr *)&ss, &len) == 0)
		take_address(&ss, &e->peer);
}

static void of_program(const struct program *p, struct why_example *e)
{
	e->pid = (uint32_t)p->pid;
	e->user = p->user;
	memcpy(e->program, p->name, sizeof(e->program));
}

/* The end of a long path tells more than its begin. */
/* syscalls: readlink */
static void find_path(int fd, struct why_example *e)
{
	char link[32], path[HY_PATH_MAX + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, HY_PATH_MAX);
	if (n <= 0)
		return;
	path[n] = '\0';
	snprintf(e->path, sizeof(e->path), "%.*s", HY_SHARE_PATH_MAX,
		 n > HY_SHARE_PATH_MAX ? path + n - HY_SHARE_PATH_MAX : path);
}

/* -- rows -- */

static bool is_mine(const struct why_row *row, unsigned int reason, uint32_t user)
{
	return row->reason == reason && row->last.user == user;
}

/* The row of this reason and user, else a free one, else the one that is longest ago. */
static struct why_row *row_for(struct why *w, unsigned int reason, uint32_t user)
{
	struct why_row *best = w->row;

	for (struct why_row *row = w->row; row < w->row + HY_WHY_ROWS; row++) {
		if (is_mine(row, reason, user))
			return row;
		if (best->reason != MOVE_DONE &&
		    (row->reason == MOVE_DONE || row->last.when_ms < best->last.when_ms))
			best = row;
	}
	return best;
}

static struct why_row *keep(struct why *w, unsigned int reason, const struct why_example *e)
{
	struct why_row *row = row_for(w, reason, e->user);

	*row = (struct why_row){ .last = *e, .reason = (uint16_t)reason };
	return row;
}

/* -- what happens -- */

static void count(struct agent *a, enum move_reason reason, enum why_by by)
{
	a->count.refused[reason]++;
	if (by == WHY_HOST)
		a->why.by_host[reason]++;
}

/* Bytes and file of the first slice among what was already seen; false: none is there yet. */
static bool find_slice(struct conn *c, struct why_example *e)
{
	for (unsigned int i = 0; i < c->n_items; i++) {
		const struct item *it = conn_item(c, i);

		if (it->kind != ITEM_SLICE)
			continue;
		e->offset = it->offset;
		e->bytes = it->len;
		find_path(it->file ? it->file->fd : it->fd, e);
		if (it->file) {
			e->dev = it->file->dev;
			e->ino = it->file->inode;
		}
		return true;
	}
	return false;
}

void why_refused(struct agent *a, struct conn *c, enum move_reason reason, enum why_by by)
{
	struct why_example e = { .by = (uint8_t)by, .when_ms = hy_clock_wall_ms(),
				 .number = WHY_NO_NUMBER };
	struct why_row *row;
	bool found;

	count(a, reason, by);
	if (c->user)
		e.user = a->programs.user[c->user - 1].uid;
	if (c->program)
		of_program(c->program, &e);
	ask_addresses(c->kept.fd, &e);
	found = find_slice(c, &e);
	row = keep(&a->why, reason, &e);
	row->conn = c->id;
	c->nameless = !found;
}

void why_not_taken(struct agent *a, const struct request *r, enum move_reason reason)
{
	struct why_example e = { .by = WHY_AGENT, .when_ms = hy_clock_wall_ms(),
				 .number = WHY_NO_NUMBER };

	count(a, reason, WHY_AGENT);
	if (*r->program)
		of_program(*r->program, &e);
	e.pid = (uint32_t)r->pid;
	e.user = r->user;
	ask_addresses(r->fds->fd[0], &e);
	keep(&a->why, reason, &e);
}

void why_count_host(struct agent *a, enum move_reason reason)
{
	count(a, reason, WHY_HOST);
}

void why_slice(struct agent *a, struct conn *c)
{
	struct why *w = &a->why;

	if (!c->nameless)
		return;
	c->nameless = false;
	for (struct why_row *row = w->row; row < w->row + HY_WHY_ROWS; row++) {
		if (row->reason == c->reason && row->conn == c->id)
			(void)find_slice(c, &row->last);
	}
}

void why_leaves(struct agent *a, const struct program *p)
{
	uint64_t now_ms = hy_clock_wall_ms();

	for (unsigned int i = MOVE_DONE + 1; i < MOVE_REASONS; i++) {
		struct why_example e = { .by = WHY_PROGRAM };
		uint64_t calls = tally_calls(&p->tally, i);
		const struct why_row *row;

		a->why.left[i] = tally_add(a->why.left[i], calls);
		if (!calls || !tally_last(&p->tally, i, now_ms, &e))
			continue;
		of_program(p, &e);
		row = row_for(&a->why, i, e.user);
		if (!is_mine(row, i, e.user) || row->last.when_ms <= e.when_ms)
			keep(&a->why, i, &e);
	}
}

/* -- what is told -- */

static uint64_t calls_of(const struct agent *a, unsigned int reason)
{
	uint64_t sum = a->why.left[reason];

	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++) {
		if (a->programs.at[i].page)
			sum = tally_add(sum, tally_calls(&a->programs.at[i].tally, reason));
	}
	return sum;
}

uint64_t why_guest(const struct agent *a, unsigned int reason)
{
	return tally_add(calls_of(a, reason),
			 a->count.refused[reason] - a->why.by_host[reason]);
}

/* The later one, of those that @user may see. */
static void better(struct local_why *m, uint32_t user, const struct why_example *e)
{
	if (user != ROOT && user != e->user) {
		if (m->seen == WHY_NONE)
			m->seen = WHY_HIDDEN;
		return;
	}
	if (m->seen == WHY_HERE && m->last.when_ms > e->when_ms)
		return;
	m->seen = WHY_HERE;
	m->last = *e;
}

static void find_last(const struct agent *a, uint32_t user, struct local_why *m)
{
	uint64_t now_ms = hy_clock_wall_ms();

	for (unsigned int i = 0; i < HY_WHY_ROWS; i++) {
		if (a->why.row[i].reason == m->reason)
			better(m, user, &a->why.row[i].last);
	}
	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++) {
		const struct program *p = &a->programs.at[i];
		struct why_example e = { .by = WHY_PROGRAM };

		if (!p->page || !tally_last(&p->tally, m->reason, now_ms, &e))
			continue;
		of_program(p, &e);
		better(m, user, &e);
	}
}

int why_request(struct agent *a, struct request *r)
{
	struct local_why m = { 0 };
	struct local_ask_why ask;

	if (why_decode_ask(r->packet, r->len, &ask) < 0)
		return request_refuse(r, EINVAL, "this agent does not know the reason");
	m.reason = ask.reason;
	m.calls = calls_of(a, m.reason);
	m.conns = a->count.refused[m.reason];
	find_last(a, (uint32_t)r->user, &m);
	return (int)why_encode(r->head.id, &m, r->answer);
}
