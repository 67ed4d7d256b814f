/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_catch.c - what a frozen socket does not hear is kept, and comes late to its copy
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 *
 * Held here, too: a socket's filter sees a segment from its TCP header on, under the cookie of the
 * socket, whether its bytes are linear or not; and what is written into a tun device without an
 * address is given to a socket whose address is another interface's.
 */
#include "tests/move/world.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "tcpmove/catch.h"
#include "tcpmove/segment.h"
#include "tests/move/wire_up.h"
#include "tests/probes/tcp_sock.h"

#define LIMIT_S 60
#define ONE_SEGMENT 1000
#define SOME_SEGMENTS 5000
#define TOO_LONG 17000
#define NOT_TOO_LONG 16000
#define WARM 20000		/* more than goes at once, less than any buffer */
#define ROUNDS 20
#define FLOOD 40
#define JUST_LARGE 2100	/* for which the ring gives the largest room */
#define RTO_MS 200		/* whoever was held for longer may have said a thing again */
#define ATTEMPTS 5

static const char *const kind_names[KINDS] = { "IPv4", "IPv6", "IPv4 in IPv6" };

static struct tcp_catch ring;
static int program;
static int tun = -1;

static bool has_more(void *arg)
{
	return tcp_catch_end(&ring) != *(uint64_t *)arg;
}

static uint16_t port_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static size_t bytes_of(const struct tcp_caught *got)
{
	struct tcphdr th;

	memcpy(&th, got->segment, sizeof(th));
	return got->len - th.doff * 4u;
}

/* Frozen, dumped, and the client has said something since. */
static uint64_t say_to_frozen(struct conn *c, size_t len)
{
	uint64_t place = tcp_catch_end(&ring), before = place;

	conn_dump(c, c->kept);
	conn_send_up(c, len);
	if (!probe_wait_until(has_more, &before))
		probe_bail("nothing was caught of %zu bytes", len);
	return place;
}

static void prove_caught(struct world *w, enum kind kind)
{
	const struct wish wish = { .kind = kind };
	struct conn c;
	struct tcp_caught got = { 0 };
	uint64_t place;

	conn_open(w, &c, &wish);
	if (!conn_talks(&c, ONE_SEGMENT))
		probe_bail("a connection that does not talk");
	place = say_to_frozen(&c, ONE_SEGMENT);
	probe_check(tcp_catch_next(&ring, &place, &got) && got.cookie == tcp_catch_cookie(c.kept),
		    "%s: under the cookie of the frozen socket", kind_names[kind]);
	probe_check(port_at(got.segment) == c.img.rec.remote.port &&
		    port_at(got.segment + 2) == c.img.rec.local.port &&
		    bytes_of(&got) == ONE_SEGMENT &&
		    probe_first_wrong(got.segment + got.len - ONE_SEGMENT, ONE_SEGMENT,
				      c.up_sent - ONE_SEGMENT, c.up) < 0,
		    "%s: the segment from its TCP header on, %zu bytes", kind_names[kind], got.len);
	conn_close(&c);
	tcp_catch_forget(&ring, tcp_catch_end(&ring));
}

/* Return: how many were given to the copy */
static unsigned int replay(struct conn *c, uint64_t place)
{
	uint8_t packet[SEGMENT_PACKET_MAX];
	struct tcp_caught got;
	unsigned int n = 0;

	while (tcp_catch_next(&ring, &place, &got)) {
		int len = segment_packet(&c->img.rec, got.segment, got.len, packet);

		if (len < 0)
			probe_bail("what was caught, %zu bytes, is no segment", got.len);
		PROBE_TRY(write(tun, packet, (size_t)len));
		n++;
	}
	return n;
}

static void out(struct world *w, struct conn *c)
{
	conn_restore(w, c);
	world_route(w, TWIN);
	TRY_MOVE(tcp_wake(c->copy, &c->img, &move_err));
}

/* Return: whether the client had to say nothing again, or was held for long */
static bool prove_replay(struct world *w, enum kind kind, size_t len, bool *right)
{
	const struct wish wish = { .kind = kind };
	struct conn c;
	uint64_t place, began;
	bool quiet;

	conn_open(w, &c, &wish);
	if (!conn_talks(&c, ONE_SEGMENT) || !conn_is_quiet(&c))
		probe_bail("a connection that does not talk");
	began = hy_clock_ms();
	place = say_to_frozen(&c, len);
	out(w, &c);
	*right = replay(&c, place) > 0 && conn_read_up(&c);
	quiet = tcp_sock_info(c.client).tcpi_total_retrans == 0 || hy_clock_ms() - began >= RTO_MS;
	/* again, and when the stream has gone on */
	replay(&c, place);
	*right &= conn_talks(&c, SOME_SEGMENTS);
	replay(&c, place);
	*right &= conn_talks(&c, SOME_SEGMENTS) && conn_is_quiet(&c);
	conn_close(&c);
	world_route(w, GUEST);
	tcp_catch_forget(&ring, tcp_catch_end(&ring));
	return quiet;
}

static void prove_replays(struct world *w, enum kind kind, size_t len)
{
	bool right = true, quiet = false;

	for (unsigned int i = 0; i < ATTEMPTS && right && !quiet; i++)
		quiet = prove_replay(w, kind, len, &right);
	probe_check(right, "%s: %zu bytes come late, once, twice, and much later: right",
		    kind_names[kind], len);
	probe_check(quiet, "%s: and the client says nothing again", kind_names[kind]);
}

static bool is_reset(void *arg)
{
	char byte;

	return recv(*(int *)arg, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

/* Nobody hears of it from the client again. */
static void prove_reset(struct world *w)
{
	const struct linger reset = { .l_onoff = 1 };
	const struct wish wish = { .kind = KIND_V4 };
	uint64_t place = tcp_catch_end(&ring), before = place;
	struct conn c;

	conn_open(w, &c, &wish);
	if (!conn_talks(&c, ONE_SEGMENT) || !conn_is_quiet(&c))
		probe_bail("a connection that does not talk");
	conn_dump(&c, c.kept);
	PROBE_TRY(setsockopt(c.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	close(c.client);
	c.client = -1;
	if (!probe_wait_until(has_more, &before))
		probe_bail("no reset was caught");
	world_resets(w);
	conn_restore(w, &c);
	TRY_MOVE(tcp_wake(c.copy, &c.img, &move_err));
	replay(&c, place);
	probe_check(probe_wait_until(is_reset, &c.copy), "a reset comes late to the copy");
	probe_check(world_resets(w) == 0, "and is answered with none");
	conn_close(&c);
	tcp_catch_forget(&ring, tcp_catch_end(&ring));
}

/* Over a loopback a segment is as long as what is sent. */
static void prove_long(void)
{
	uint64_t place = tcp_catch_end(&ring), before = place;
	static const uint8_t bytes[TOO_LONG];
	uint32_t drops;
	struct probe_pair pair;

	probe_tcp_pair(&pair);
	tcp_sock_set(pair.client, IPPROTO_TCP, TCP_NODELAY, 1);
	drops = tcp_sock_drops(pair.server);
	TRY_MOVE(tcp_freeze(pair.server, &move_err));
	PROBE_TRY(send(pair.client, bytes, TOO_LONG, 0));
	probe_check(tcp_sock_wait_drop(pair.server, drops) && tcp_catch_end(&ring) == before,
		    "a segment of %d bytes is dropped and not kept", TOO_LONG);
	PROBE_TRY(send(pair.client, bytes, NOT_TOO_LONG, 0));
	probe_check(probe_wait_until(has_more, &before), "one of %d is kept", NOT_TOO_LONG);
	tcp_vanish(&pair.client);
	tcp_vanish(&pair.server);
	tcp_catch_forget(&ring, tcp_catch_end(&ring));
}

/* Return: how many were taken, before the client's buffer was full */
static unsigned int flood(const struct conn *c)
{
	static const uint8_t bytes[JUST_LARGE];
	unsigned int n = 0;

	while (n < FLOOD && send(c->client, bytes, JUST_LARGE, MSG_DONTWAIT) == JUST_LARGE)
		n++;
	tcp_sock_wait_sent(c->client);
	return n;
}

static void prove_full(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	uint64_t place = tcp_catch_end(&ring), first = place;
	unsigned int n = 0, sent;
	struct tcp_caught got;
	struct conn c;

	conn_open(w, &c, &wish);
	tcp_sock_set(c.client, IPPROTO_TCP, TCP_NODELAY, 1);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (!conn_talks(&c, WARM) || !conn_is_quiet(&c))
			probe_bail("a connection that does not talk");
	}
	conn_dump(&c, c.kept);
	sent = flood(&c);
	while (tcp_catch_next(&ring, &place, &got))
		n++;
	probe_check(n > 0 && n < sent && place - first <= HY_LATE_RING,
		    "of %u a full ring keeps %u", sent, n);
	tcp_catch_forget(&ring, place);
	/* at the latest when the client says again what was not acknowledged */
	probe_check(probe_wait_until(has_more, &place), "and goes on when they are forgotten");
	conn_close(&c);
	tcp_catch_forget(&ring, tcp_catch_end(&ring));
}

static void make_tun(const struct world *w)
{
	world_enter(w, TWIN);
	world_sysctl("ipv4/conf/all/rp_filter", "0");
	world_sysctl("ipv4/conf/default/rp_filter", "0");
	tun = wire_up_tun();
	world_leave(w);
}

int main(void)
{
	struct world w = world_begin(LIMIT_S);
	struct hy_err e = { 0 };
	int fd = -1;

	program = tcp_catch_load(&fd, &e);
	if (program < 0)
		probe_skip_all("%s: %s", e.text, strerror(e.num));
	TRY_MOVE(tcp_catch_open(&ring, fd, &move_err));
	close(fd);
	tcp_freeze_use(program);
	make_tun(&w);
	for (enum kind kind = 0; kind < KINDS; kind++)
		prove_caught(&w, kind);
	prove_long();
	prove_full(&w);
	for (enum kind kind = 0; tun >= 0 && kind < KINDS; kind++) {
		prove_replays(&w, kind, ONE_SEGMENT);
		prove_replays(&w, kind, SOME_SEGMENTS);
	}
	if (tun >= 0)
		prove_reset(&w);
	else
		probe_skip("what comes late", "no tun device");
	tcp_freeze_use(-1);
	tcp_catch_close(&ring);
	close(program);
	return probe_end("what a frozen socket does not hear can come late to its copy");
}
