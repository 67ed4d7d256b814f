/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_record.c - a connection in words: bytes as documented, and nothing else is believed
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/limits.h"
#include "tcpmove/record.h"

static const struct tcp_record example = {
	.family = AF_INET,
	.flags = TCP_HAS_TIMESTAMPS | TCP_HAS_SACK | TCP_HAS_WSCALE,
	.local = { { 192, 0, 2, 1 }, 80 },
	.remote = { { 198, 51, 100, 2 }, 50000 },
	.send_seq = 0x11121314,
	.recv_seq = 0x21222324,
	.send_len = 0x00030201,
	.unsent_len = 0x00020100,
	.recv_len = 0x00010203,
	.timestamp = 0x31323334,
	.mss = 1460,
	.send_wscale = 7,
	.recv_wscale = 9,
	.window = { 0x41424344, 0x00515253, 0x00616263, 0x00717273, 0x81828384 },
	.options = {
		.congestion = "bbr",
		.nodelay = 1, .cork = 0, .keepalive = 1, .reuseaddr = 1,
		.keepidle_s = 7200, .keepintvl_s = 75, .keepcnt = 9,
		.user_timeout_ms = 0x0a0b0c0d,
		.notsent_lowat = 16384,
		.tos = 0x10,
		.ttl = 64,
		.mark = 0x91929394,
		.priority = 6,
		.sndbuf = 0x000a1a2a, .rcvbuf = 0x000b1b2b,
		.pacing_rate = UINT64_MAX,
	},
};

/* The table of docs/wire.md, line by line. */
static const uint8_t golden[] = {
	1, 0, 4, 0,
	7, 0, 0, 0,
	192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80, 0,
	198, 51, 100, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0xc3,
	0x14, 0x13, 0x12, 0x11,
	0x24, 0x23, 0x22, 0x21,
	0x01, 0x02, 0x03, 0,
	0x00, 0x01, 0x02, 0,
	0x03, 0x02, 0x01, 0,
	0x34, 0x33, 0x32, 0x31,
	0xb4, 0x05, 0, 0,
	7, 9, 0, 0,
	0x44, 0x43, 0x42, 0x41,
	0x53, 0x52, 0x51, 0,
	0x63, 0x62, 0x61, 0,
	0x73, 0x72, 0x71, 0,
	0x84, 0x83, 0x82, 0x81,
	1, 0, 1, 1,
	0x20, 0x1c, 0, 0,
	75, 0, 0, 0,
	9, 0, 0, 0,
	0x0d, 0x0c, 0x0b, 0x0a,
	0, 0x40, 0, 0,
	0x10, 0,
	64, 0,
	0x94, 0x93, 0x92, 0x91,
	6, 0, 0, 0,
	0x2a, 0x1a, 0x0a, 0,
	0x2b, 0x1b, 0x0b, 0,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	3, 0, 'b', 'b', 'r',
};

static void a_record_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[TCP_RECORD_MAX];

	(void)state;
	assert_int_equal(tcp_record_encode(&example, out, sizeof(out)), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
}

/* A record of any values, as far as they are allowed; the padding of the struct is 0 in both. */
static void goes_round(const struct tcp_record *r)
{
	uint8_t out[TCP_RECORD_MAX], again[TCP_RECORD_MAX];
	struct tcp_record got;
	int len = tcp_record_encode(r, out, sizeof(out));

	assert_true(len > 0);
	memset(&got, 0xaa, sizeof(got));
	assert_int_equal(tcp_record_decode(out, (size_t)len, &got), 0);
	assert_int_equal(tcp_record_encode(&got, again, sizeof(again)), len);
	assert_memory_equal(out, again, (size_t)len);
	assert_int_equal(got.family, r->family);
	assert_int_equal(got.flags, r->flags);
	assert_memory_equal(&got.local, &r->local, sizeof(got.local));
	assert_memory_equal(&got.remote, &r->remote, sizeof(got.remote));
	assert_memory_equal(&got.window, &r->window, sizeof(got.window));
	assert_string_equal(got.options.congestion, r->options.congestion);
	assert_int_equal(got.send_seq, r->send_seq);
	assert_int_equal(got.recv_seq, r->recv_seq);
	assert_int_equal(got.unsent_len, r->unsent_len);
	assert_int_equal(got.options.ttl, r->options.ttl);
	assert_true(got.options.pacing_rate == r->options.pacing_rate);
}

static void records_go_round(void **state)
{
	struct tcp_record r = example;

	(void)state;
	goes_round(&r);
	r.family = AF_INET6;
	memset(r.local.addr, 0xfd, sizeof(r.local.addr));
	memset(r.remote.addr, 0xfe, sizeof(r.remote.addr));
	r.flags = TCP_RECORD_FLAGS;
	memset(r.options.congestion, 'x', sizeof(r.options.congestion) - 1);
	r.options.ttl = -1;
	r.send_len = r.unsent_len = HY_TCP_QUEUE_MAX;
	r.recv_len = 0;
	r.mss = TCP_MSS_MOST;
	r.send_wscale = r.recv_wscale = TCP_WSCALE_MAX;
	r.window.snd_wnd = r.window.max_window = r.window.rcv_wnd = TCP_WINDOW_MAX;
	goes_round(&r);
	r.flags = 0;
	r.timestamp = 0;
	r.send_wscale = r.recv_wscale = 0;
	r.options.congestion[0] = '\0';
	r.send_len = r.unsent_len = 0;
	r.recv_len = HY_TCP_QUEUE_MAX;
	r.mss = TCP_MSS_LEAST;
	goes_round(&r);
}

static void the_longest_record_fits(void **state)
{
	struct tcp_record r = example;
	uint8_t out[TCP_RECORD_MAX];
	int len;

	(void)state;
	memset(r.options.congestion, 'c', sizeof(r.options.congestion) - 1);
	len = tcp_record_encode(&r, out, sizeof(out));
	assert_true(len > 0);
	for (size_t room = 0; room < (size_t)len; room++)
		assert_int_equal(tcp_record_encode(&r, out, room), -EMSGSIZE);
	assert_int_equal(tcp_record_encode(&r, out, (size_t)len), len);
}

/* In memory of its exact size, so that a sanitizer sees every read past the end. */
static int decodes(const uint8_t *bytes, size_t len)
{
	struct tcp_record got = { .mss = 7 };
	uint8_t *exact = malloc(len ? len : 1);
	int rc;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	rc = tcp_record_decode(exact, len, &got);
	free(exact);
	assert_true(rc ? got.mss == 7 : got.mss >= TCP_MSS_LEAST);
	return rc;
}

static void only_the_right_length_is_taken(void **state)
{
	uint8_t bytes[sizeof(golden) + 1] = { 0 };

	(void)state;
	memcpy(bytes, golden, sizeof(golden));
	for (size_t len = 0; len <= sizeof(bytes); len++)
		assert_int_equal(decodes(bytes, len), len == sizeof(golden) ? 0 : -EPROTO);
}

struct change {
	const char *what;
	size_t at;
	uint8_t value;
};

/* One byte each that makes a good record a bad one; offsets of docs/wire.md. */
static const struct change bad_bytes[] = {
	{ "a version of the future", 0, 2 },
	{ "its high byte", 1, 1 },
	{ "a family", 2, 2 },
	{ "IPv4 with more than four bytes", 2 + 6 + 4, 1 },
	{ "the byte behind the family", 3, 1 },
	{ "an unknown flag", 4, 7 | 1 << 5 },
	{ "an unknown flag far up", 7, 0x80 },
	{ "the other address's last byte", 26 + 15, 1 },
	{ "microseconds of no timestamps", 4, 6 | 1 << 4 },
	{ "a timestamp without timestamps", 4, 6 },
	{ "scales without scaling", 4, 3 },
	{ "a long send queue", 55, 1 },
	{ "more unsent than there is", 58, 4 },
	{ "a long receive queue", 63, 1 },
	{ "an MSS of more than 65535", 70, 1 },
	{ "an MSS of 1204 with its high byte gone", 69, 0 },
	{ "a send scale of 15", 72, 15 },
	{ "a receive scale of 15", 73, 15 },
	{ "the bytes behind the scales", 74, 1 },
	{ "the second of them", 75, 1 },
	{ "a window beyond the largest", 83, 0x10 },
	{ "a largest window that cannot be", 87, 0x40 },
	{ "a receive window that cannot be", 91, 0x40 },
	{ "nodelay 2", 96, 2 },
	{ "cork 2", 97, 2 },
	{ "keepalive 2", 98, 2 },
	{ "reuseaddr 2", 99, 2 },
	{ "the byte behind the TOS", 121, 1 },
	{ "a name that is longer than the rest", 148, 4 },
	{ "a name of a space", 150, ' ' },
	{ "a name with a NUL", 151, 0 },
	{ "a name with a slash", 152, '/' },
};

static void what_makes_no_sense_is_refused(void **state)
{
	uint8_t bytes[sizeof(golden)];

	(void)state;
	for (size_t i = 0; i < sizeof(bad_bytes) / sizeof(bad_bytes[0]); i++) {
		const struct change *change = &bad_bytes[i];

		memcpy(bytes, golden, sizeof(golden));
		bytes[change->at] = change->value;
		/* 1460 is 5b4: without its high byte still an MSS, so make it less than one */
		if (change->at == 69)
			bytes[68] = TCP_MSS_LEAST - 1;
		if (decodes(bytes, sizeof(bytes)) != -EPROTO)
			fail_msg("taken: %s", change->what);
	}
}

static void ports_and_queues_are_checked_at_their_borders(void **state)
{
	struct tcp_record r = example;
	uint8_t out[TCP_RECORD_MAX];
	int len;

	(void)state;
	r.remote.port = 0;
	len = tcp_record_encode(&r, out, sizeof(out));
	assert_int_equal(decodes(out, (size_t)len), -EPROTO);
	r = example;
	r.local.port = 0;
	len = tcp_record_encode(&r, out, sizeof(out));
	assert_int_equal(decodes(out, (size_t)len), -EPROTO);
	r = example;
	r.recv_len = HY_TCP_QUEUE_MAX - r.send_len + 1;
	len = tcp_record_encode(&r, out, sizeof(out));
	assert_int_equal(decodes(out, (size_t)len), -EPROTO);
	r.recv_len--;
	len = tcp_record_encode(&r, out, sizeof(out));
	assert_int_equal(decodes(out, (size_t)len), 0);
	r.send_len = UINT32_MAX;
	r.recv_len = 1;
	len = tcp_record_encode(&r, out, sizeof(out));
	assert_int_equal(decodes(out, (size_t)len), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_has_the_bytes_that_are_documented),
		cmocka_unit_test(records_go_round),
		cmocka_unit_test(the_longest_record_fits),
		cmocka_unit_test(only_the_right_length_is_taken),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(ports_and_queues_are_checked_at_their_borders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
