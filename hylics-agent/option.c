/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.c - who a shown descriptor is, and the options of its connection: set, and asked for
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile); the host over the channel (checked)
 */
#include "hylics-agent/option.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "channel/option.h"
#include "common/clock.h"
#include "common/cursor.h"
#include "common/own.h"
#include "hylics-agent/agent.h"
#include "tcpmove/options.h"

#define BIT(id) (UINT64_C(1) << (id))

/* -- who it is -- */

static uint32_t *head_of(struct agent *a, uint64_t ino)
{
	return &a->options.head[ino % SHOWN_HEADS];
}

static void show(struct agent *a, struct conn *c)
{
	uint32_t *head = head_of(a, c->pair_ino);

	c->next_shown = *head;
	*head = conn_row(a, c) + 1;
	c->is_shown = true;
}

void options_end(struct agent *a, struct conn *c)
{
	uint32_t *at = head_of(a, c->pair_ino);

	if (!c->is_shown)
		return;
	while (*at && &a->conns.at[*at - 1] != c)
		at = &a->conns.at[*at - 1].next_shown;
	if (*at)
		*at = c->next_shown;
	c->is_shown = false;
}

/* syscalls: getsockopt */
static bool maker_of(int fd, struct ucred *maker)
{
	socklen_t len = sizeof(*maker);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, maker, &len) == 0 && maker->pid;
}

/* syscalls: fstat, newfstatat */
static struct conn *find_shown(struct agent *a, int fd)
{
	struct ucred maker, ours;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) || !maker_of(fd, &maker))
		return NULL;
	for (uint32_t at = *head_of(a, st.st_ino); at;) {
		struct conn *c = &a->conns.at[at - 1];

		if (c->pair_ino == st.st_ino && maker_of(c->pair.fd, &ours) &&
		    ours.pid == maker.pid && ours.uid == maker.uid)
			return c;
		at = c->next_shown;
	}
	return NULL;
}

/* NULL: there is none, or not any more. */
static struct conn *which(struct agent *a, const struct request *r, uint32_t slot)
{
	const struct program *p = *r->program;

	if (slot == LOCAL_SLOT_SHOWN)
		return r->fds->n == 1 ? find_shown(a, r->fds->fd[0]) : NULL;
	if (!p || r->fds->n || !p->row_of[slot])
		return NULL;
	return &a->conns.at[p->row_of[slot] - 1];
}

static void end_of(const struct sockaddr_storage *from, struct local_end *e)
{
	struct sockaddr_in in = { 0 };
	struct sockaddr_in6 in6 = { 0 };

	if (from->ss_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		memcpy(e->addr, &in.sin_addr, sizeof(in.sin_addr));
		e->port = ntohs(in.sin_port);
	} else {
		memcpy(&in6, from, sizeof(in6));
		memcpy(e->addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
		e->port = ntohs(in6.sin6_port);
	}
}

/* syscalls: fstat, newfstatat, getpeername, getsockname */
static void ask_who(const struct conn *c, struct local_who *who)
{
	struct sockaddr_storage local = { 0 }, peer = { 0 };
	socklen_t local_len = sizeof(local), peer_len = sizeof(peer);
	struct stat st = { 0 };

	*who = (struct local_who){ .slot = c->slot };
	if (getsockname(c->kept.fd, (struct sockaddr *)&local, &local_len) == 0 &&
	    getpeername(c->kept.fd, (struct sockaddr *)&peer, &peer_len) == 0) {
		who->family = local.ss_family == AF_INET ? 4 : 6;
		end_of(&local, &who->local);
		end_of(&peer, &who->peer);
	}
	fstat(c->kept.fd, &st);
	who->dev = st.st_dev;
	who->ino = st.st_ino;
}

static int answer_who(struct agent *a, struct request *r)
{
	const struct conn *c;

	if (r->len != LOCAL_HEADER_LEN || r->fds->n != 1)
		return -EPROTO;
	c = find_shown(a, r->fds->fd[0]);
	if (!c || !c->who.family)
		return request_refuse(r, ENOENT, "this is no connection of ours");
	return (int)local_encode_who_is(r->head.id, &c->who, r->answer);
}

/* -- setting -- */

/* Its queue is dumped or rebuilt, and it may yet be woken with it. */
static bool holds_back(const struct conn *c)
{
	return c->state == CONN_OFFERED || c->state == CONN_HOMING ||
	       (c->state == CONN_LOST && c->held != HELD_MOVED);
}

static bool is_push(uint8_t id)
{
	return id == OPTION_TCP_NODELAY || id == OPTION_TCP_CORK;
}

static void wait_late(struct conn *c, const struct option_value *v)
{
	uint8_t bit = v->id == OPTION_TCP_CORK ? LATE_CORK : LATE_NODELAY;

	c->late |= bit;
	c->late_on &= (uint8_t)~bit;
	if (option_get_int(v))
		c->late_on |= bit;
}

/* @bit: LATE_CORK, LATE_NODELAY */
static void set_late(struct conn *c, uint8_t bit, uint8_t id)
{
	struct option_value v = { .id = id };

	if (!(c->late & bit))
		return;
	option_put_int(&v, (c->late_on & bit) != 0);
	(void)option_to(c->kept.fd, &v);
}

static bool is_for_all(const struct agent *a, const struct option_value *v)
{
	char framed[OPTION_TEXT_MAX + 3];

	snprintf(framed, sizeof(framed), " %.*s ", (int)v->len, (const char *)v->bytes);
	return strstr(a->options.congestion, framed) != NULL;
}

static void set_linger(struct agent *a, struct conn *c, const struct option_value *v)
{
	struct hy_rd r = { .p = v->bytes, .left = v->len };
	bool on = hy_rd_le32(&r) != 0;
	int32_t seconds = (int32_t)hy_rd_le32(&r);

	c->linger_s = !on ? LOCAL_LINGER_OFF : seconds < 0 ? INT32_MAX : seconds;
	c->resets = c->linger_s == 0;
	table_options(a, c);
}

static void set_quickack(struct agent *a, struct conn *c, const struct option_value *v)
{
	c->quickack = option_get_int(v);
	if (c->state == CONN_LOCAL)
		(void)option_to(c->kept.fd, v);
	if (c->state != CONN_MOVED)
		return;
	c->options_owed |= BIT(OPTION_TCP_QUICKACK);
	conn_owe(a, c, OWES_OPTIONS);
}

static void set(struct agent *a, struct conn *c, const struct option_value *v)
{
	const struct option_info *o = option_info(v->id);

	if (v->id == OPTION_TCP_CONGESTION && !is_for_all(a, v))
		return;
	if (v->id == OPTION_TCP_CORK)
		c->cork = option_get_int(v) != 0;
	if (v->id == OPTION_SO_REUSEADDR)
		c->reuse = option_get_int(v) != 0;
	if (is_push(v->id) && holds_back(c))
		wait_late(c, v);
	else if (option_to(c->kept.fd, v) < 0)
		return;
	options_into_record(c);
	if (o->keeper == OPTION_OF_COPY)
		c->options |= BIT(v->id);
	table_options(a, c);
	if (o->keeper != OPTION_OF_COPY || c->state != CONN_MOVED)
		return;
	c->options_owed |= BIT(v->id);
	conn_owe(a, c, OWES_OPTIONS);
}

static int take_option(struct agent *a, struct request *r)
{
	struct local_option o;
	struct conn *c;

	if (local_decode_option(r->packet, r->len, &o) < 0)
		return -EPROTO;
	c = which(a, r, o.slot);
	if (!c || c->given || c->state == CONN_RESET)
		return 0;
	a->count.options++;
	if (o.value.id == OPTION_SO_LINGER)
		set_linger(a, c, &o.value);
	else if (o.value.id == OPTION_TCP_QUICKACK)
		set_quickack(a, c, &o.value);
	else
		set(a, c, &o.value);
	return 0;
}

/* -- what the host is told -- */

static int say_one(struct agent *a, struct conn *c, uint8_t id)
{
	uint8_t packet[OPTION_SET_MAX];
	struct option_value v = { .id = id };
	int len;

	if (id == OPTION_TCP_QUICKACK)
		option_put_int(&v, c->quickack);
	else if (id == OPTION_TCP_CORK)
		option_put_int(&v, c->cork);
	else if (option_from(c->kept.fd, id, &v) < 0)
		return 0;
	/* the one that a silenced socket forgets: the copy has it, if anybody */
	if (id == OPTION_TCP_WINDOW_CLAMP && !option_get_int(&v))
		return 0;
	len = option_may_be_set(&v) ? option_set_encode(&v, packet, sizeof(packet)) : -EINVAL;
	return len < 0 ? 0 : chan_send(a->chan, MSG_OPTION, c->id, packet, (size_t)len);
}

int options_say(struct agent *a, struct conn *c)
{
	for (uint8_t id = 1; id < OPTIONS && c->options_owed; id++) {
		if (!(c->options_owed & BIT(id)))
			continue;
		if (c->state == CONN_MOVED && say_one(a, c, id) == -EAGAIN)
			return -EAGAIN;
		c->options_owed &= ~BIT(id);
	}
	return 0;
}

void options_settle(struct agent *a, struct conn *c)
{
	set_late(c, LATE_CORK, OPTION_TCP_CORK);
	set_late(c, LATE_NODELAY, OPTION_TCP_NODELAY);
	if (c->late) {
		c->late = 0;
		table_options(a, c);
	}
	if (c->state != CONN_MOVED || !c->options)
		return;
	c->options_owed = c->options;
	conn_owe(a, c, OWES_OPTIONS);
}

/* What a successor wakes it with is in the area, too. */
void options_into_record(struct conn *c)
{
	struct saved_record *saved = c->area ? c->area->memory : NULL;
	struct tcp_record *rec = c->area ? &c->area->img.rec : NULL;
	int len;

	if (c->state != CONN_HOMING && !(c->state == CONN_LOST && c->held == HELD_REBUILT))
		return;
	if (!saved || !rec)
		return;
	options_read(c->kept.fd, rec);
	rec->options.cork = c->cork;
	rec->options.reuseaddr = c->reuse;
	len = tcp_record_encode(rec, saved->bytes, sizeof(saved->bytes));
	if (len > 0)
		saved->len = (uint32_t)len;
}

/* -- asking -- */

static int tell(struct request *r, int rc, const struct option_value *v)
{
	struct local_told told = { .num = (uint16_t)-rc, .value = *v };

	if (rc < 0)
		told.value.len = 0;
	return (int)local_encode_told(r->head.id, &told, r->answer);
}

static int tell_linger(struct request *r, const struct conn *c)
{
	struct option_value v = { .id = OPTION_SO_LINGER, .len = 8 };
	struct hy_wr w = { .p = v.bytes, .left = v.len };

	hy_wr_le32(&w, c->linger_s != LOCAL_LINGER_OFF);
	hy_wr_le32(&w, c->linger_s != LOCAL_LINGER_OFF ? (uint32_t)c->linger_s : 0);
	return tell(r, 0, &v);
}

/* Return: 0, -errno */
static int ask_kept(const struct conn *c, uint8_t id, struct option_value *v)
{
	int rc = option_from(c->kept.fd, id, v);

	if (id == OPTION_TCP_CORK)
		option_put_int(v, (c->options & BIT(id)) ? c->cork : c->cork_was);
	else if (id == OPTION_SO_REUSEADDR)
		option_put_int(v, c->reuse);
	else if (id == OPTION_TCP_NODELAY && (c->late & LATE_NODELAY))
		option_put_int(v, (c->late_on & LATE_NODELAY) != 0);
	return rc;
}

static int tell_kept(struct request *r, const struct conn *c, uint8_t id)
{
	struct option_value v = { .id = id };
	int rc = ask_kept(c, id, &v);

	return tell(r, rc, &v);
}

/* The host has not told it in time: what was set, is known here too. */
static void tell_late(struct agent *a, const struct ask *k)
{
	struct local_told told = { .num = ETIMEDOUT, .value.id = k->option };
	const struct conn *c = conn_find(a, k->conn);
	uint8_t packet[LOCAL_PACKET_MAX];

	if (c && c->state != CONN_RESET && option_info(k->option)->may_set)
		told.num = (uint16_t)-ask_kept(c, k->option, &told.value);
	if (told.num)
		told.value.len = 0;
	(void)hy_fds_send(k->client, packet, local_encode_told(k->id, &told, packet), NULL,
			  MSG_DONTWAIT);
}

static void look_late(void *object)
{
	struct agent *a = object;
	struct options *o = &a->options;
	uint64_t now_ms = hy_clock_ms();
	bool more = false;

	for (unsigned int i = 0; i < HY_OPTION_ASKS_MAX; i++) {
		struct ask *k = &o->ask[i];

		if (!k->ask)
			continue;
		if (now_ms - k->since_ms < HY_OPTION_ASK_MS) {
			more = true;
			continue;
		}
		tell_late(a, k);
		k->ask = 0;
	}
	if (more)
		(void)ev_timer_set(a->loop, &o->late, HY_OPTION_ASK_MS);
}

static struct ask *free_ask(struct options *o, uint32_t *number)
{
	for (uint32_t i = 0; i < HY_OPTION_ASKS_MAX; i++) {
		if (o->ask[i].ask)
			continue;
		*number = ++o->asked % (UINT32_MAX / HY_OPTION_ASKS_MAX) * HY_OPTION_ASKS_MAX + i;
		return *number ? &o->ask[i] : NULL;
	}
	return NULL;
}

/* Without the host. In repair mode, or silent, a socket knows nothing of its connection. */
static int tell_here(struct request *r, const struct conn *c, uint8_t id)
{
	const struct option_info *o = option_info(id);
	const struct option_value none = { .id = id };

	if (o->asks && !o->may_set && c->state != CONN_LOCAL)
		return tell(r, -EAGAIN, &none);
	return tell_kept(r, c, id);
}

/* The answer comes from the host; if none does, the timer gives one. */
static int ask_host(struct agent *a, struct request *r, const struct conn *c, uint8_t id)
{
	uint8_t packet[OPTION_ASK_LEN];
	struct option_ask m = { .id = id };
	struct ask *k = free_ask(&a->options, &m.ask);

	option_ask_encode(&m, packet, sizeof(packet));
	if (!k || chan_send(a->chan, MSG_OPTION_ASK, c->id, packet, sizeof(packet)) < 0)
		return tell_here(r, c, id);
	*k = (struct ask){ .ask = m.ask, .id = r->head.id, .conn = c->id, .client = r->client,
			   .option = id, .since_ms = hy_clock_ms() };
	if (!a->options.late.pos)
		(void)ev_timer_set(a->loop, &a->options.late, HY_OPTION_ASK_MS);
	return 0;
}

static int take_ask(struct agent *a, struct request *r)
{
	const struct option_info *info;
	struct local_option o;
	const struct conn *c;

	if (local_decode_option_ask(r->packet, r->len, &o) < 0)
		return -EPROTO;
	info = option_info(o.value.id);
	c = which(a, r, o.slot);
	if (!c || c->given || c->state == CONN_RESET)
		return tell(r, -ENOTCONN, &o.value);
	if (info->keeper == OPTION_OF_PROGRAM)
		return tell(r, -EOPNOTSUPP, &o.value);
	if (info->keeper == OPTION_OF_AGENT)
		return tell_linger(r, c);
	if (info->asks && c->state == CONN_MOVED)
		return ask_host(a, r, c, o.value.id);
	return tell_here(r, c, o.value.id);
}

int options_take_told(struct agent *a, const struct message *msg)
{
	struct local_told told = { 0 };
	uint8_t packet[LOCAL_PACKET_MAX];
	struct option_told m;
	struct ask *k;

	if (option_told_decode(msg->payload, msg->len, &m) < 0)
		return -EPROTO;
	k = &a->options.ask[m.ask % HY_OPTION_ASKS_MAX];
	if (!k->ask || k->ask != m.ask || k->option != m.value.id)
		return 0;		/* it came too late */
	k->ask = 0;
	told.num = m.num;
	told.value = m.value;
	if (hy_fds_send(k->client, packet, local_encode_told(k->id, &told, packet), NULL,
			MSG_DONTWAIT) < 0)
		hy_log_limited(a->log, &a->rate_program, HY_LOG_WARN,
			       "a program that asks for an option does not read the answer");
	return 0;
}

void options_client_gone(struct agent *a, int client)
{
	for (unsigned int i = 0; i < HY_OPTION_ASKS_MAX; i++) {
		if (a->options.ask[i].client == client)
			a->options.ask[i].ask = 0;
	}
}

int options_request(struct agent *a, struct request *r)
{
	if (r->fds->n > 1)
		return -EPROTO;
	if (r->head.type == LOCAL_WHO)
		return answer_who(a, r);
	return r->head.type == LOCAL_OPTION ? take_option(a, r) : take_ask(a, r);
}

/* -- begin and end -- */

void options_begin(struct agent *a, struct conn *c, const struct local_move *m)
{
	struct option_value v = { 0 };

	c->linger_s = m->linger_s;
	c->pair_ino = m->ino;
	if (option_from(c->kept.fd, OPTION_TCP_CORK, &v) == 0)
		c->cork_was = option_get_int(&v) != 0;
	if (option_from(c->kept.fd, OPTION_SO_REUSEADDR, &v) == 0)
		c->reuse = option_get_int(&v) != 0;
	ask_who(c, &c->who);
	show(a, c);
}

void options_again(struct agent *a, struct conn *c)
{
	c->resets = c->linger_s == 0;
	show(a, c);
}

/* What this kernel lets everybody choose; in a namespace it does not tell, then its own choice. */
static void read_congestion(struct options *o)
{
	static const char *const files[] = {
		"/proc/sys/net/ipv4/tcp_allowed_congestion_control",
		"/proc/sys/net/ipv4/tcp_congestion_control",
	};
	char line[HY_CONGESTIONS_MAX - 8] = "";

	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]) && !line[0]; i++) {
		FILE *f = fopen(files[i], "re");

		if (!f)
			continue;
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
	}
	line[strcspn(line, "\n")] = '\0';
	snprintf(o->congestion, sizeof(o->congestion), " reno %s ", line);
}

void options_open(struct agent *a)
{
	a->options.late = (struct ev_timer){ .fn = look_late, .object = a };
	read_congestion(&a->options);
}

void options_close(struct agent *a)
{
	ev_timer_cancel(a->loop, &a->options.late);
}
