/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * casts.c - files that leave as datagrams, at the guest's word, paced
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); files of the share, which it may change
 */
#include "hylics-worker/casts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/burst.h"
#include "common/clock.h"
#include "common/own.h"
#include "hylics-worker/moves.h"
#include "hylics-worker/offer.h"
#include "tcpmove/ends.h"
#include "tcpmove/sockopt.h"


/* -- rows -- */

static struct cast_row *find(struct moves *m, uint32_t id)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		if (m->casts.at[i].used && m->casts.at[i].id == id)
			return &m->casts.at[i];
	}
	return NULL;
}

static struct cast_row *new_row(struct moves *m, uint32_t id)
{
	struct cast_row *c = m->casts.at;

	if (m->casts.n == HY_CASTS_MAX)
		return NULL;
	while (c->used)
		c++;
	*c = (struct cast_row){ .used = true, .id = id, .file = FILES_NONE, .sock = -1,
				.moves = m };
	m->casts.n++;
	return c;
}

/* Others may send from the same port. */
static void leave_port(struct moves *m, struct cast_row *c)
{
	uint16_t port = c->port;

	c->port = 0;
	if (!port)
		return;
	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		if (m->casts.at[i].used && m->casts.at[i].port == port)
			return;
	}
	present_cast(&m->present, port, false);
}

/* All but what is still to be told. */
static void let_go(struct moves *m, struct cast_row *c)
{
	if (c->sock >= 0)
		ev_del(m->loop, c->sock);
	hy_fd_close(&c->sock);
	leave_port(m, c);
	files_done(m, c->file);
	c->file = FILES_NONE;
}

static void free_row(struct moves *m, struct cast_row *c)
{
	let_go(m, c);
	c->used = false;
	m->casts.n--;
}

static void end(struct moves *m, struct cast_row *c, enum cast_state state,
		enum move_reason reason)
{
	let_go(m, c);
	c->ended = true;
	c->told.state = (uint8_t)state;
	c->told.reason = (uint16_t)reason;
}

/* -- what the guest is told -- */

static int send_told(struct moves *m, uint32_t id, const struct cast_told *told)
{
	uint8_t payload[CAST_TOLD_LEN];

	cast_encode_told(told, payload, sizeof(payload));
	return chan_send(m->chan, MSG_CAST_TOLD, id, payload, sizeof(payload));
}

static bool should_tell(const struct cast_row *c, uint64_t now_ms)
{
	return c->ended || (c->told.sent != c->said && now_ms - c->said_ms >= HY_CAST_TELL_MS);
}

/* What the channel does not take is told when it has room: by then it may be more. */
static void tell(struct moves *m, struct cast_row *c, uint64_t now_ms)
{
	if (send_told(m, c->id, &c->told) < 0)
		return;
	c->said = c->told.sent;
	c->said_ms = now_ms;
	if (c->ended)
		free_row(m, c);
}

static void tell_all(struct moves *m)
{
	uint64_t now_ms = hy_clock_ms();

	for (unsigned int i = 0; i < HY_CASTS_MAX && m->session; i++) {
		struct cast_row *c = &m->casts.at[i];

		if (c->used && should_tell(c, now_ms))
			tell(m, c, now_ms);
	}
}

/* -- sending -- */

/* In ms; UINT64_MAX: nothing is to be waited for. */
static uint64_t wait_of(const struct cast_row *c, uint64_t now_ns)
{
	uint64_t wait_ms = UINT64_MAX, said_for_ms = now_ns / HY_NS_PER_MS - c->said_ms;

	if (!c->used || c->ended)
		return wait_ms;
	if (!c->blocked)
		wait_ms = pacing_wait_ms(c->due_ns, now_ns);
	if (c->told.sent != c->said && said_for_ms >= HY_CAST_TELL_MS)
		wait_ms = 0;
	else if (c->told.sent != c->said && wait_ms > HY_CAST_TELL_MS - said_for_ms)
		wait_ms = HY_CAST_TELL_MS - said_for_ms;
	return wait_ms;
}

static void set_tick(struct moves *m, bool at_once)
{
	uint64_t now_ns = hy_clock_ns(), first_ms = UINT64_MAX;

	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		uint64_t wait_ms = wait_of(&m->casts.at[i], now_ns);

		first_ms = wait_ms < first_ms ? wait_ms : first_ms;
	}
	if (at_once)
		first_ms = 0;
	if (first_ms == UINT64_MAX)
		ev_timer_cancel(m->loop, &m->casts.tick);
	else
		ev_timer_set(m->loop, &m->casts.tick, first_ms);
}

static int on_writable(void *object, int fd, uint32_t events)
{
	struct cast_row *c = object;

	(void)events;
	ev_del(c->moves->loop, fd);
	c->blocked = false;
	set_tick(c->moves, true);
	return 0;
}

static void on_dropped(void *object, int fd, int rc)
{
	(void)rc;
	(void)on_writable(object, fd, 0);
}

static const struct ev_class cast_class = { "cast", on_writable, on_dropped };

/*
 * A full queue of the device empties within a tick. What is answered to the datagrams never comes
 * here, so any other error is of this namespace, and the guest does better.
 */
static void not_sent(struct moves *m, struct cast_row *c, int err)
{
	if (err == ENOBUFS || err == EINTR)
		return;
	if (err == EAGAIN && ev_add(m->loop, c->sock, &cast_class, c, EPOLLOUT, NULL) == 0) {
		c->blocked = true;
		return;
	}
	hy_log_limited(m->log, &m->rate_casts, HY_LOG_INFO, "cast %u: datagrams do not leave: %s",
		       c->id, strerrordesc_np(err));
	end(m, c, CAST_BROKEN, MOVE_ERROR);
}

/* Return: bytes read; 0: the cast is over */
/* syscalls: pread64 */
static size_t fill(struct moves *m, struct cast_row *c, size_t want)
{
	ssize_t n = pread(files_fd(m, c->file), m->casts.buffer, want, (off_t)c->part.offset);

	if (n < 0)
		end(m, c, CAST_BROKEN, MOVE_UNREADABLE);
	else if (n == 0)
		end(m, c, CAST_DONE, MOVE_DONE);
	else if ((size_t)n < want)
		c->part.count = (uint64_t)n;	/* the file has become shorter: here it ends */
	return n > 0 ? (size_t)n : 0;
}

static void went(struct moves *m, struct cast_row *c, size_t n)
{
	c->due_ns = pacing_sent(&c->part.pace, c->due_ns, n);
	c->part.offset += n;
	c->part.count -= n;
	c->told.sent += n;
	m->count->cast_bytes += n;
	if (!c->part.count)
		end(m, c, CAST_DONE, MOVE_DONE);
}

/* Return: bytes sent */
static size_t send_burst(struct moves *m, struct cast_row *c, uint64_t now_ns)
{
	size_t want, n;
	ssize_t sent;

	c->due_ns = pacing_now(c->due_ns, now_ns);
	want = pacing_burst(&c->part.pace, c->due_ns, now_ns, c->part.count);
	n = want ? fill(m, c, want) : 0;
	if (!n)
		return 0;
	sent = burst_send(c->sock, m->casts.buffer, n, c->part.pace.bytes,
			  MSG_DONTWAIT | MSG_NOSIGNAL, &c->singly);
	if (sent < 0)
		not_sent(m, c, (int)-sent);
	else
		went(m, c, (size_t)sent);
	return sent < 0 ? 0 : (size_t)sent;
}

/* One burst of each that is due. Return: bytes sent */
static size_t turn(struct moves *m, uint64_t now_ns)
{
	size_t sent = 0;

	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		struct cast_row *c = &m->casts.at[(m->casts.turn + i) % HY_CASTS_MAX];

		if (c->used && !c->ended && !c->blocked)
			sent += send_burst(m, c, now_ns);
	}
	m->casts.turn++;
	return sent;
}

/* What becomes due meanwhile is for the next tick: other work has its turn in between. */
static void on_tick(void *object)
{
	struct moves *m = object;
	uint64_t now_ns = hy_clock_ns();
	size_t all = 0, sent;

	do {
		sent = turn(m, now_ns);
		all += sent;
	} while (sent && all < HY_SEND_ROUND_BYTES);
	chan_cork(m->chan);
	tell_all(m);
	chan_uncork(m->chan);
	set_tick(m, sent > 0);
}

/* -- a cast comes -- */

static bool is_group_or_nobody(const struct tcp_record *rec, const struct tcp_end *end)
{
	struct in6_addr a6;
	struct in_addr a4;

	memcpy(&a6, end->addr, sizeof(a6));
	memcpy(&a4, end->addr, sizeof(a4));
	if (rec->family == AF_INET)
		return (ntohl(a4.s_addr) >> 24) == 0 || (ntohl(a4.s_addr) >> 24) == 127 ||
		       (ntohl(a4.s_addr) >> 24) >= 224;
	return IN6_IS_ADDR_UNSPECIFIED(&a6) || IN6_IS_ADDR_LOOPBACK(&a6) ||
	       IN6_IS_ADDR_MULTICAST(&a6) || IN6_IS_ADDR_V4MAPPED(&a6) ||
	       IN6_IS_ADDR_V4COMPAT(&a6);
}

static void take_ends(const struct cast *k, struct tcp_record *rec)
{
	*rec = (struct tcp_record){ .family = k->family == 4 ? AF_INET : AF_INET6,
				    .local.port = k->local.port, .remote.port = k->peer.port };
	memcpy(rec->local.addr, k->local.addr, sizeof(rec->local.addr));
	memcpy(rec->remote.addr, k->peer.addr, sizeof(rec->remote.addr));
}

/* syscalls: socket(AF_INET, SOCK_DGRAM/0xf, 0), socket(AF_INET6, SOCK_DGRAM/0xf, 0) */
static int make_socket(const struct tcp_record *rec, struct hy_err *e)
{
	int fd = socket(rec->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? hy_err_set(e, errno, "make a UDP socket") : fd;
}

/* An address that can be bound to is of this namespace: what is sent there stays here. */
static bool is_own(const struct tcp_record *rec, const struct tcp_end *end)
{
	struct tcp_record at = { .family = rec->family, .local = *end };
	hy_autofd fd = make_socket(rec, NULL);

	at.local.port = 0;
	return fd < 0 || ends_bind(fd, rec->family, &at, NULL) == 0;
}

/*
 * SO_REUSEADDR: casts from one port to several clients. The least buffer for what comes: nobody
 * reads it. DF as the guest's own would have; how long the path to the client lets them be, the
 * guest knows, which gets the answers.
 */
/*
 * syscalls: setsockopt(_, SOL_SOCKET, SO_REUSEADDR), setsockopt(_, SOL_SOCKET, SO_RCVBUF),
 *	setsockopt(_, IPPROTO_IP, IP_MTU_DISCOVER), setsockopt(_, IPPROTO_IP, IP_TOS),
 *	setsockopt(_, IPPROTO_IP, IP_TTL), setsockopt(_, IPPROTO_IPV6, IPV6_MTU_DISCOVER),
 *	setsockopt(_, IPPROTO_IPV6, IPV6_TCLASS), setsockopt(_, IPPROTO_IPV6, IPV6_UNICAST_HOPS)
 */
static int set_options(int sock, const struct cast *k, struct hy_err *e)
{
	bool ip4 = k->family == 4;
	int level = ip4 ? IPPROTO_IP : IPPROTO_IPV6, rc;

	rc = SOCKOPT_TRY(sock, SOL_SOCKET, SO_REUSEADDR, 1, e);
	if (rc == 0)
		rc = SOCKOPT_TRY(sock, SOL_SOCKET, SO_RCVBUF, 0, e);
	if (rc == 0 && ip4)
		rc = SOCKOPT_TRY(sock, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, e);
	if (rc == 0 && !ip4)
		rc = SOCKOPT_TRY(sock, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, e);
	if (rc == 0)
		rc = SOCKOPT_TRY(sock, level, ip4 ? IP_TOS : IPV6_TCLASS, k->tos, e);
	if (rc == 0)
		rc = SOCKOPT_TRY(sock, level, ip4 ? IP_TTL : IPV6_UNICAST_HOPS, k->ttl, e);
	return rc;
}

/* Whether a datagram goes through the twin's interface in one piece. */
static bool fits(int sock, const struct cast *k)
{
	int mtu = 0;

	if (k->family == 4)
		(void)sockopt_get(sock, IPPROTO_IP, IP_MTU, &mtu);
	else
		(void)sockopt_get(sock, IPPROTO_IPV6, IPV6_MTU, &mtu);
	return cast_fits(k, mtu);
}

static enum move_reason open_socket(struct moves *m, struct cast_row *c, const struct cast *k,
				    const struct tcp_record *rec)
{
	struct hy_err e = { 0 };
	hy_autofd fd = make_socket(rec, &e);
	int rc = fd < 0 ? fd : set_options(fd, k, &e);

	if (rc == 0)
		rc = ends_bind(fd, rec->family, rec, &e);
	if (rc == -EADDRNOTAVAIL)
		return MOVE_NO_TWIN;
	if (rc == 0)
		rc = ends_connect(fd, rec->family, rec, &e);
	if (rc < 0) {
		hy_log_limited(m->log, &m->rate_casts, HY_LOG_INFO, "cast %u: %s: %s", c->id,
			       e.text, strerrordesc_np(-rc));
		return MOVE_ERROR;
	}
	if (!fits(fd, k))
		return MOVE_DATAGRAM_SIZE;
	c->sock = hy_fd_steal(&fd);
	c->port = rec->local.port;
	present_cast(&m->present, c->port, true);
	return MOVE_DONE;
}

/* Why the cast cannot be, MOVE_DONE: it runs from here on. */
static enum move_reason begin(struct moves *m, struct cast_row *c, const struct cast *k,
			      const struct tcp_record *rec)
{
	if (is_group_or_nobody(rec, &rec->local) || is_group_or_nobody(rec, &rec->remote) ||
	    ends_are_scoped(rec) || is_own(rec, &rec->remote))
		return MOVE_NO_TWIN;
	c->file = files_use(m, k->file);
	if (c->file == FILES_NONE)
		return MOVE_FILE_CHANGED;
	c->part = k->part;
	return open_socket(m, c, k, rec);
}

static int refuse(struct moves *m, uint32_t id, enum move_reason reason,
		  const struct tcp_record *rec)
{
	const struct cast_told told = { .state = CAST_REFUSED, .reason = (uint16_t)reason };

	m->count->casts_refused++;
	m->count->refused[reason]++;
	why_note(m->table.last, reason, rec);
	hy_log_limited(m->log, &m->rate_casts, HY_LOG_INFO, "cast %u refused: %s", id,
		       move_reason_name(reason));
	return send_told(m, id, &told);
}

int casts_take(struct moves *m, const struct message *msg)
{
	enum move_reason reason = offer_closed(m);
	struct tcp_record rec;
	struct cast_row *c;
	struct cast k;
	int rc = cast_decode(msg->payload, msg->len, &k);

	if (rc < 0)
		return rc;
	if (find(m, msg->id))
		return -EPROTO;
	take_ends(&k, &rec);
	c = reason == MOVE_DONE ? new_row(m, msg->id) : NULL;
	if (!c)
		return refuse(m, msg->id, reason == MOVE_DONE ? MOVE_LIMIT_CONNECTIONS : reason,
			      &rec);
	reason = begin(m, c, &k, &rec);
	if (reason != MOVE_DONE) {
		free_row(m, c);
		return refuse(m, msg->id, reason, &rec);
	}
	m->count->casts++;
	c->said_ms = hy_clock_ms();
	(void)send_told(m, c->id, &c->told);	/* without room it is told as it goes on */
	set_tick(m, true);
	return 0;
}

int casts_take_stop(struct moves *m, const struct message *msg)
{
	struct cast_row *c = find(m, msg->id);

	/* it may just have ended */
	if (c)
		free_row(m, c);
	return 0;
}

/* -- all of them -- */

void casts_leave(struct moves *m, enum move_reason reason)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		if (m->casts.at[i].used && !m->casts.at[i].ended)
			end(m, &m->casts.at[i], CAST_BROKEN, reason);
	}
	tell_all(m);
}

void casts_room(struct moves *m)
{
	if (m->casts.n)
		tell_all(m);
}

void casts_down(struct moves *m)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		if (m->casts.at[i].used)
			free_row(m, &m->casts.at[i]);
	}
	ev_timer_cancel(m->loop, &m->casts.tick);
}

void casts_open(struct moves *m)
{
	m->casts.tick = (struct ev_timer){ .fn = on_tick, .object = m };
}

void casts_close(struct moves *m)
{
	casts_down(m);
}
