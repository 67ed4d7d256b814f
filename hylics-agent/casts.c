/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * casts.c - parts of files that programs want sent as datagrams: who may, and how far the host is
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile); the host over the channel (checked)
 */
#include "hylics-agent/casts.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "hylics-agent/agent.h"
#include "tcpmove/ends.h"
#include "tcpmove/sockopt.h"

#define TTL_USUAL 64

/* -- rows -- */

static struct cast_row *find(struct agent *a, uint32_t id)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		if (a->casts.at[i].used && a->casts.at[i].id == id)
			return &a->casts.at[i];
	}
	return NULL;
}

/* A free one, NULL if all are taken, or all that a user may have. */
static struct cast_row *find_free(struct casts *t, uid_t user)
{
	struct cast_row *found = NULL;
	unsigned int his = 0;

	for (struct cast_row *c = t->at; c < t->at + HY_CASTS_MAX; c++) {
		his += c->used && c->user == user;
		if (!c->used && !found)
			found = c;
	}
	return his < HY_CASTS_PER_USER_MAX ? found : NULL;
}

static void unwatch(struct cast_row *c)
{
	if (c->client >= 0)
		ev_del(c->agent->loop, c->client);
	hy_fd_close(&c->client);
}

static void free_row(struct cast_row *c)
{
	unwatch(c);
	file_done(c->agent, c->file);
	c->used = false;
	c->agent->casts.n--;
}

/* The host sends on until it hears of it: what the channel does not take is said later. */
static void stop(struct cast_row *c)
{
	struct agent *a = c->agent;

	unwatch(c);
	c->stop = a->session && chan_send(a->chan, MSG_CAST_STOP, c->id, NULL, 0) == -EAGAIN;
	if (!c->stop)
		free_row(c);
}

/* -- what the program is told -- */

static int answer_told(uint8_t *out, const struct cast_told *told)
{
	return (int)cast_encode_local_told(1, told, out);
}

/* A program that does not read misses words, and the last of them with its connection's end. */
static void tell(const struct cast_row *c, const struct cast_told *told)
{
	uint8_t packet[LOCAL_PACKET_MAX];

	if (c->client >= 0)
		(void)hy_fds_send(c->client, packet, (size_t)answer_told(packet, told), NULL,
				  MSG_DONTWAIT);
}

static void tell_broken(const struct cast_row *c, enum move_reason reason)
{
	const struct cast_told told = { .sent = c->sent, .state = CAST_BROKEN,
					.reason = (uint16_t)reason };

	tell(c, &told);
}

/* Nothing is to be said behind the request: whatever comes is the end. */
static int client_handle(void *object, int fd, uint32_t events)
{
	(void)object;
	(void)fd;
	(void)events;
	return -ECONNRESET;
}

static void client_drop(void *object, int fd, int rc)
{
	(void)fd;
	(void)rc;
	stop(object);
}

static const struct ev_class cast_class = { "cast", client_handle, client_drop };

void casts_watch(struct cast_row *c, int fd)
{
	struct agent *a = c->agent;
	struct hy_err e;

	c->client = fd;
	if (ev_add(a->loop, fd, &cast_class, c, EPOLLIN, &e) == 0)
		return;
	hy_log_limited(a->log, &a->rate_program, HY_LOG_WARN, "%s", e.text);
	stop(c);
}

/* -- whether the host may -- */

static bool is_udp(int sock)
{
	int protocol = 0;

	return sockopt_get(sock, SOL_SOCKET, SO_PROTOCOL, &protocol) == 0 &&
	       protocol == IPPROTO_UDP;
}

/* Of an IPv4 datagram from an IPv6 socket the kernel tells nothing but the MTU. */
static int option_of(int sock, int domain, int ip4, int ip6, int usual)
{
	int value = usual;

	if (domain == AF_INET)
		(void)sockopt_get(sock, IPPROTO_IP, ip4, &value);
	else
		(void)sockopt_get(sock, IPPROTO_IPV6, ip6, &value);
	return value;
}

static void put_end(const struct tcp_end *from, struct local_end *to)
{
	memcpy(to->addr, from->addr, sizeof(to->addr));
	to->port = from->port;
}

static enum move_reason look_at_socket(int sock, struct cast *k)
{
	struct tcp_record rec = { 0 };
	int domain = 0, mtu, ttl;

	if (!is_udp(sock) || ends_domain(sock, &domain, NULL) < 0)
		return MOVE_NOT_TCP;
	if (ends_read(sock, &rec, NULL) < 0 || !rec.remote.port || !rec.local.port)
		return MOVE_NOT_ESTABLISHED;
	k->family = rec.family == AF_INET ? 4 : 6;
	put_end(&rec.local, &k->local);
	put_end(&rec.remote, &k->peer);
	ttl = option_of(sock, domain, IP_TTL, IPV6_UNICAST_HOPS, TTL_USUAL);
	k->tos = (uint8_t)option_of(sock, domain, IP_TOS, IPV6_TCLASS, 0);
	k->ttl = ttl > 0 && ttl <= UINT8_MAX ? (uint8_t)ttl : TTL_USUAL;
	mtu = option_of(sock, domain, IP_MTU, IPV6_MTU, 0);
	return cast_fits(k, mtu) ? MOVE_DONE : MOVE_DATAGRAM_SIZE;
}

/* Takes the file's descriptor out of the request if the host knows it from here on. */
static enum move_reason look_at_file(struct agent *a, struct request *r, struct cast_row *c,
				     struct cast *k)
{
	int rc = file_use(a, r->fds->fd[1], &c->file);

	if (rc < 0)
		return MOVE_UNREADABLE;
	if (!c->file)
		return MOVE_NOT_ON_SHARE;
	r->fds->n = 1;
	rc = file_number(a, c->file, &k->file);
	if (rc == -EAGAIN)
		return MOVE_LIMIT_MOVES;
	return rc < 0 ? MOVE_UNREADABLE : MOVE_DONE;
}

static enum move_reason ask_host(struct agent *a, const struct cast_row *c, const struct cast *k)
{
	uint8_t payload[CAST_LEN];
	int n = cast_encode(k, payload, sizeof(payload));

	if (n == CAST_LEN)
		n = chan_send(a->chan, MSG_CAST, c->id, payload, CAST_LEN);
	return n < 0 ? MOVE_LIMIT_MOVES : MOVE_DONE;
}

static enum move_reason begin(struct agent *a, struct request *r, struct cast_row *c,
			      struct cast *k)
{
	enum move_reason reason = join_refusal(a);

	if (reason == MOVE_DONE)
		reason = look_at_socket(r->fds->fd[0], k);
	if (reason == MOVE_DONE)
		reason = address_refusal(a, r->fds->fd[0], IPPROTO_UDP);
	if (reason == MOVE_DONE)
		reason = look_at_file(a, r, c, k);
	return reason == MOVE_DONE ? ask_host(a, c, k) : reason;
}

static int refuse(struct agent *a, struct request *r, enum move_reason reason)
{
	const struct cast_told told = { .state = CAST_REFUSED, .reason = (uint16_t)reason };

	why_not_taken(a, r, reason);
	return answer_told(r->answer, &told);
}

int casts_request(struct agent *a, struct request *r)
{
	struct casts *t = &a->casts;
	enum move_reason reason;
	struct cast_row *c;
	struct cast k = { 0 };

	if (r->fds->n != 2 || *r->program || cast_decode_ask(r->packet, r->len, &k.part) < 0)
		return -EPROTO;
	c = find_free(t, r->user);
	if (!c)
		return refuse(a, r, MOVE_LIMIT_CONNECTIONS);
	*c = (struct cast_row){ .agent = a, .used = true, .id = ++t->last_id, .client = -1,
				.user = r->user, .count = k.part.count };
	t->n++;
	reason = begin(a, r, c, &k);
	if (reason != MOVE_DONE) {
		free_row(c);
		return refuse(a, r, reason);
	}
	r->cast = c;
	return 0;
}

/* -- what the host says -- */

int casts_take_told(struct agent *a, const struct message *msg)
{
	struct cast_row *c = find(a, msg->id);
	struct cast_told told;
	int rc = cast_decode_told(msg->payload, msg->len, &told);

	if (rc < 0)
		return rc;
	if (!c || c->stop)
		return 0;		/* it was stopped in the meantime */
	if (told.state != CAST_REFUSED && (told.sent < c->sent || told.sent > c->count))
		return -EPROTO;
	c->sent = told.sent;
	tell(c, &told);
	if (told.state == CAST_REFUSED)
		why_count_host(a, (enum move_reason)told.reason);
	if (told.state != CAST_RUNNING)
		free_row(c);
	return 0;
}

void casts_room(struct agent *a)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX && a->casts.n; i++) {
		if (a->casts.at[i].used && a->casts.at[i].stop)
			stop(&a->casts.at[i]);
	}
}

/* -- all of them -- */

void casts_down(struct agent *a)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX && a->casts.n; i++) {
		struct cast_row *c = &a->casts.at[i];

		if (!c->used)
			continue;
		tell_broken(c, MOVE_NO_CHANNEL);
		free_row(c);
	}
}

void casts_leave(struct agent *a)
{
	for (unsigned int i = 0; i < HY_CASTS_MAX && a->casts.n; i++) {
		struct cast_row *c = &a->casts.at[i];

		if (!c->used || c->stop)
			continue;
		tell_broken(c, MOVE_DRAINING);
		stop(c);
	}
}
