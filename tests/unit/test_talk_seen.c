/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_talk_seen.c - what the watch on the wire counts
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab/talk/seen.h"
#include "tests/unit/prng.h"
#include "tests/unit/wire_frames.h"

static struct seen seen, back;
static uint16_t only_port;

static int empty(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(&back, 0, sizeof(back));
	only_port = 0;
	return 0;
}

/* As the kernel hands it over: the first bytes alone, in memory of just that size. */
static void show_to(bool turned, const struct frame_spec *spec, uint32_t segment_bytes)
{
	static uint8_t whole[70000], captured[TALK_SNAP_BYTES];
	size_t len = spec_build(whole, spec);
	size_t n = len < sizeof(captured) ? len : sizeof(captured);
	const struct seen_frame f = { .bytes = captured, .captured = n, .len = len,
				      .segment_bytes = segment_bytes, .port = only_port };

	memcpy(captured, whole, n);
	seen_take(turned ? &back : &seen, turned ? &seen : &back, &f);
}

static void show(const struct frame_spec *spec, uint32_t segment_bytes)
{
	show_to(false, spec, segment_bytes);
}

static void tcp(uint16_t from, uint32_t seq, uint32_t ack, uint8_t flags, size_t payload)
{
	show(&(struct frame_spec){ .proto = SPEC_TCP, .src_port = from, .dst_port = 80, .seq = seq,
				   .ack = ack, .tcp_flags = flags, .window = 500,
				   .payload = payload, .tcp_options = 12 }, 0);
}

static void flags_are_counted(void **state)
{
	(void)state;
	tcp(1, 100, 0, FRAME_TCP_SYN, 0);
	tcp(1, 101, 1, FRAME_TCP_ACK, 10);
	tcp(1, 111, 1, FRAME_TCP_ACK | FRAME_TCP_FIN, 0);
	tcp(1, 112, 0, FRAME_TCP_RST, 0);
	assert_int_equal(seen.counts.frames, 4);
	assert_int_equal(seen.counts.segments, 4);
	assert_int_equal(seen.counts.syn, 1);
	assert_int_equal(seen.counts.fin, 1);
	assert_int_equal(seen.counts.rst, 1);
	assert_int_equal(seen.counts.payload_bytes, 10);
	assert_int_equal(seen.counts.frame_bytes, 4 * (14 + 20 + 32) + 10);
	assert_int_equal(seen.counts.retransmitted, 0);
	assert_int_equal(seen.counts.dup_acks, 0);
}

static void large_frames_stand_for_segments(void **state)
{
	struct frame_spec spec = { .proto = SPEC_TCP, .src_port = 1, .dst_port = 80, .seq = 1,
				   .tcp_flags = FRAME_TCP_ACK, .window = 9, .payload = 10000 };

	(void)state;
	show(&spec, 1000);
	assert_int_equal(seen.counts.segments, 10);
	spec.seq += 10000;
	spec.payload = 10001;
	show(&spec, 1000);
	assert_int_equal(seen.counts.segments, 21);
	spec.seq += 10001;
	spec.payload = 60000;
	spec.ip6 = true;
	show(&spec, 1448);
	assert_int_equal(seen.counts.segments, 21 + 42);
	assert_int_equal(seen.counts.payload_bytes, 80001);
	assert_int_equal(seen.counts.frames, 3);
}

static void repeated_data_is_counted(void **state)
{
	(void)state;
	tcp(1, 100, 1, FRAME_TCP_ACK, 50);
	tcp(1, 150, 1, FRAME_TCP_ACK, 50);
	tcp(2, 100, 1, FRAME_TCP_ACK, 50);	/* another connection */
	assert_int_equal(seen.counts.retransmitted, 0);
	tcp(1, 100, 1, FRAME_TCP_ACK, 50);
	tcp(1, 199, 1, FRAME_TCP_ACK, 1);
	assert_int_equal(seen.counts.retransmitted, 2);
	tcp(1, 150, 1, FRAME_TCP_ACK, 0);	/* an ACK has no bytes to repeat */
	assert_int_equal(seen.counts.retransmitted, 2);
}

static void repeated_acks_are_counted(void **state)
{
	(void)state;
	tcp(1, 100, 1000, FRAME_TCP_ACK, 0);
	tcp(1, 100, 1000, FRAME_TCP_ACK, 0);
	tcp(1, 100, 1000, FRAME_TCP_ACK, 0);
	assert_int_equal(seen.counts.dup_acks, 2);
	tcp(1, 100, 2000, FRAME_TCP_ACK, 0);
	tcp(2, 100, 2000, FRAME_TCP_ACK, 0);	/* another connection */
	tcp(1, 100, 2000, FRAME_TCP_ACK, 5);	/* with data it is none */
	assert_int_equal(seen.counts.dup_acks, 2);
	/* nor when it opens the window */
	show(&(struct frame_spec){ .proto = SPEC_TCP, .src_port = 1, .dst_port = 80, .seq = 105,
				   .ack = 2000, .tcp_flags = FRAME_TCP_ACK, .window = 600 }, 0);
	assert_int_equal(seen.counts.dup_acks, 2);
}

/* The same flow, the other way. */
static void tcp_back(uint16_t to, uint32_t seq, uint32_t ack, uint8_t flags)
{
	struct frame_spec spec = { .proto = SPEC_TCP, .src_port = 80, .dst_port = to, .seq = seq,
				   .ack = ack, .tcp_flags = flags, .window = 500, .turned = true };

	show_to(true, &spec, 0);
}

static void resets_behind_both_ends_are_late(void **state)
{
	const uint8_t fin = FRAME_TCP_ACK | FRAME_TCP_FIN;

	(void)state;
	tcp(1, 100, 500, fin, 10);
	tcp(1, 111, 0, FRAME_TCP_RST, 0);		/* the other side has not ended */
	tcp_back(1, 500, 110, fin);
	tcp(1, 111, 0, FRAME_TCP_RST, 0);		/* nor has it got everything */
	assert_int_equal(seen.counts.rst, 2);
	assert_int_equal(seen.counts.rst_late, 0);
	tcp_back(1, 501, 111, FRAME_TCP_ACK);
	tcp(2, 111, 0, FRAME_TCP_RST, 0);		/* another flow's */
	assert_int_equal(seen.counts.rst_late, 0);
	tcp(1, 111, 0, FRAME_TCP_RST, 0);
	assert_int_equal(seen.counts.rst, 4);
	assert_int_equal(seen.counts.rst_late, 1);
	tcp(1, 900, 0, FRAME_TCP_SYN, 0);		/* the same ports anew */
	tcp(1, 901, 0, FRAME_TCP_RST, 0);
	assert_int_equal(seen.counts.rst_late, 1);
}

static void zero_windows_are_counted(void **state)
{
	struct frame_spec spec = { .proto = SPEC_TCP, .src_port = 1, .dst_port = 80,
				   .tcp_flags = FRAME_TCP_ACK };

	(void)state;
	show(&spec, 0);
	assert_int_equal(seen.counts.zero_windows, 1);
	spec.tcp_flags = FRAME_TCP_RST | FRAME_TCP_ACK;		/* says nothing by it */
	show(&spec, 0);
	assert_int_equal(seen.counts.zero_windows, 1);
}

static void other_ports_and_protocols_are_left_out(void **state)
{
	const struct frame_spec udp = { .proto = SPEC_UDP, .src_port = 7, .dst_port = 80,
					.payload = 10 };

	(void)state;
	show(&udp, 0);
	assert_int_equal(seen.counts.frames, 1);
	assert_int_equal(seen.counts.other, 1);
	only_port = 7;
	show(&udp, 0);
	tcp(8, 1, 1, FRAME_TCP_ACK, 1);
	assert_int_equal(seen.counts.frames, 1);
	tcp(7, 1, 1, FRAME_TCP_ACK, 1);
	only_port = 80;
	tcp(9, 1, 1, FRAME_TCP_ACK, 1);
	assert_int_equal(seen.counts.frames, 3);
}

static void nothing_of_an_earlier_frame_is_taken(void **state)
{
	uint8_t whole[200];
	struct frame_spec spec = { .proto = SPEC_TCP, .src_port = 1, .dst_port = 80,
				   .tcp_flags = FRAME_TCP_RST };
	struct seen_frame f = { .bytes = whole, .captured = 34 };	/* no TCP header */

	(void)state;
	f.len = spec_build(whole, &spec);
	show(&spec, 0);
	seen_take(&seen, &back, &f);
	assert_int_equal(seen.counts.rst, 1);
	assert_int_equal(seen.counts.malformed, 1);
}

static void random_frames_do_no_harm(void **state)
{
	uint8_t bytes[TALK_SNAP_BYTES];
	uint32_t seed = 77;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct seen_frame f = { .bytes = bytes, .captured = prng_below(&seed, 129),
					.len = prng_below(&seed, 200000) };

		prng_fill(&seed, bytes, sizeof(bytes));
		if (i % 2) {		/* so that the parser gets further */
			memcpy(bytes + 12, i % 4 == 1 ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
			bytes[i % 4 == 1 ? 23 : 20] = i % 8 < 4 ? 6 : 60;
		}
		f.segment_bytes = prng_below(&seed, 3) * 700;
		seen_take(&seen, &back, &f);
	}
	assert_int_equal(seen.counts.frames, 200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(flags_are_counted, empty),
		cmocka_unit_test_setup(large_frames_stand_for_segments, empty),
		cmocka_unit_test_setup(repeated_data_is_counted, empty),
		cmocka_unit_test_setup(repeated_acks_are_counted, empty),
		cmocka_unit_test_setup(resets_behind_both_ends_are_late, empty),
		cmocka_unit_test_setup(zero_windows_are_counted, empty),
		cmocka_unit_test_setup(other_ports_and_protocols_are_left_out, empty),
		cmocka_unit_test_setup(nothing_of_an_earlier_frame_is_taken, empty),
		cmocka_unit_test_setup(random_frames_do_no_harm, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
