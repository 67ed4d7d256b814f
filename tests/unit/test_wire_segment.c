/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_segment.c - checksums, cut super frames and made resets, against a reference
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

#include "lab/wire/csum.h"
#include "lab/wire/reset.h"
#include "lab/wire/segment.h"
#include "tests/unit/wire_frames.h"

#define ROOM 70000

static uint8_t frame[ROOM], out[ROOM];

static void sums_agree_with_the_reference(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + i / 7);
	for (size_t start = 0; start < 9; start++) {
		for (size_t len = 0; len < 280; len++) {
			uint16_t csum = (uint16_t)~csum_add(0, bytes + start, len);
			uint8_t stored[2];

			memcpy(stored, &csum, 2);
			assert_int_equal(stored[0] << 8 | stored[1],
					 plain_csum(bytes + start, len));
		}
	}
}

/* Leaves the pseudo header's sum in the field, as a sender with offload does. */
static void unfinish(const struct frame_info *f, size_t field, size_t l4_len)
{
	const uint8_t tail[] = { 0, f->proto, (uint8_t)(l4_len >> 8), (uint8_t)l4_len };
	uint16_t sum = csum_add(csum_add(csum_add(0, tail, 4), f->src, 16), f->dst, 16);

	memcpy(frame + field, &sum, 2);
}

static void unfinished_checksums_are_finished(void **state)
{
	(void)state;
	for (size_t payload = 0; payload < 70; payload++) {
		for (int kind = 0; kind < 4; kind++) {
			const struct frame_spec s = { .proto = kind & 1 ? SPEC_UDP : SPEC_TCP,
						      .ip6 = kind & 2, .tags = kind == 3,
						      .payload = payload, .seq = 77 };
			size_t len = spec_build(frame, &s), field = kind & 1 ? 6 : 16;
			struct frame_info f;
			uint8_t right[2];

			frame_parse(frame, len, &f);
			memcpy(right, frame + f.l4 + field, 2);
			unfinish(&f, f.l4 + field, len - f.l4);
			assert_int_equal(csum_finish(frame, len, f.l4, field), 0);
			assert_memory_equal(right, frame + f.l4 + field, 2);
		}
	}
}

/* Looks for the source port with which the sum comes out as zero. */
static void zero_is_written_as_all_ones_in_udp(void **state)
{
	struct frame_spec s = { .proto = SPEC_UDP, .payload = 2 };
	uint8_t field[2] = { 1 };
	struct frame_info f;
	size_t len = 0;

	(void)state;
	for (uint32_t port = 0; port < 65536 && (field[0] || field[1]); port++) {
		s.src_port = (uint16_t)port;
		len = spec_build(frame, &s);
		memcpy(field, frame + 40, 2);
	}
	assert_int_equal(field[0] << 8 | field[1], 0);
	frame_parse(frame, len, &f);
	csum_transport(frame, &f, len - f.l4);
	assert_int_equal(frame[40] << 8 | frame[41], 0xffff);
	unfinish(&f, 40, len - f.l4);
	assert_int_equal(csum_finish(frame, len, f.l4, 6), 0);
	assert_int_equal(frame[40] << 8 | frame[41], 0xffff);
}

static void offload_fields_are_checked(void **state)
{
	(void)state;
	memset(frame, 0, 64);
	assert_int_equal(csum_finish(frame, 64, 65, 0), -EINVAL);
	assert_int_equal(csum_finish(frame, 64, 34, 31), -EINVAL);
	assert_int_equal(csum_finish(frame, 64, 34, 29), -EINVAL);
	assert_int_equal(csum_finish(frame, 64, 34, 65535), -EINVAL);
	assert_int_equal(csum_finish(frame, 64, 64, 0), -EINVAL);
	assert_int_equal(csum_finish(frame, 64, 34, 28), 0);
}

/* What the sender would have sent as frame number @n, had it cut the frame itself. */
static size_t expected(const struct frame_spec *whole, size_t size, size_t n, bool last)
{
	static uint8_t large[ROOM];
	struct frame_spec s = *whole;
	size_t at = n * size, len;
	struct frame_info f;

	s.payload = last ? whole->payload - at : size;
	s.seq += (uint32_t)at;
	s.ip4_id = (uint16_t)(s.ip4_id + n);
	if (!last)
		s.tcp_flags &= (uint8_t)~(FRAME_TCP_FIN | FRAME_TCP_PSH);
	if (n)
		s.tcp_flags &= (uint8_t)~FRAME_TCP_CWR;
	len = spec_build(frame, &s);
	frame_parse(frame, len, &f);
	spec_build(large, whole);
	/* The builder's payload begins with 0 each time; take the right part and sum again. */
	memcpy(frame + f.payload, large + f.payload + at, s.payload);
	csum_transport(frame, &f, len - f.l4);
	return len;
}

static void check_cut(const struct frame_spec *s, uint8_t kind, uint16_t size)
{
	static uint8_t super[ROOM];
	size_t len = spec_build(super, s), n = (s->payload + size - 1) / size;
	struct segment cut;

	assert_int_equal(segment_start(&cut, super, len, kind, size), 0);
	for (size_t i = 0; i < n; i++) {
		size_t want = expected(s, size, i, i == n - 1);
		struct frame_info f;

		assert_int_equal(segment_next(&cut, out, sizeof(out)), want);
		assert_memory_equal(out, frame, want);
		frame_parse(out, want, &f);
		assert_true(plain_transport_right(out, f.l3, f.l4, want));
		assert_true(s->ip6 || plain_ip4_right(out, f.l3));
	}
	assert_int_equal(segment_next(&cut, out, sizeof(out)), 0);
}

static void tcp_is_cut(void **state)
{
	static const size_t payloads[] = { 1, 1447, 1448, 1449, 2896, 2897, 65000 };

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct frame_spec s = { .proto = SPEC_TCP, .payload = payloads[i],
					.seq = 0xffffff00, .tcp_options = 12, .ip4_id = 0xfffe,
					.tcp_flags = FRAME_TCP_ACK | FRAME_TCP_PSH | FRAME_TCP_FIN |
						     FRAME_TCP_CWR };

		check_cut(&s, SEGMENT_TCP4, 1448);
		check_cut(&s, SEGMENT_TCP4 | SEGMENT_ECN_BIT, 1448);
		s.tags = 1;
		s.ip4_options = 4;
		check_cut(&s, SEGMENT_TCP4, 1000);
		s.ip6 = true;
		s.ip6_options = 2;
		check_cut(&s, SEGMENT_TCP6, 1448);
	}
}

static void udp_is_cut(void **state)
{
	struct frame_spec s = { .proto = SPEC_UDP, .payload = 10000, .src_port = 3 };

	(void)state;
	check_cut(&s, SEGMENT_UDP, 1472);
	s.ip6 = true;
	check_cut(&s, SEGMENT_UDP, 100);
}

static void wrong_kinds_are_refused(void **state)
{
	const struct frame_spec tcp = { .proto = SPEC_TCP, .payload = 3000,
					.tcp_flags = FRAME_TCP_ACK };
	const struct frame_spec ack = { .proto = SPEC_TCP, .tcp_flags = FRAME_TCP_ACK };
	const struct frame_spec udp = { .proto = SPEC_UDP, .payload = 3000 };
	struct segment cut;
	size_t len = spec_build(frame, &tcp);

	(void)state;
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_TCP6, 1448), -EPROTO);
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_UDP, 1448), -EPROTO);
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_UDP_FRAGMENTS, 1448), -EPROTO);
	assert_int_equal(segment_start(&cut, frame, len, 99, 1448), -EPROTO);
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_TCP4, 0), -EPROTO);
	assert_int_equal(segment_start(&cut, frame, 60, SEGMENT_TCP4, 1448), -EPROTO);
	len = spec_build(frame, &ack);
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_TCP4, 1448), -EPROTO);
	len = spec_build(frame, &udp);
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_TCP4, 1448), -EPROTO);
	assert_int_equal(segment_start(&cut, frame, len, SEGMENT_UDP, 1448), 0);
	assert_int_equal(segment_next(&cut, out, 100), 0);
}

static void resets_take_the_segments_place(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		const struct frame_spec s = { .proto = SPEC_TCP, .ip6 = kind & 1,
					      .tags = kind & 2 ? 1 : 0, .payload = 500,
					      .src_port = 80, .dst_port = 4000, .seq = 123,
					      .ack = 456, .window = 9, .tcp_options = 12,
					      .tcp_flags = FRAME_TCP_ACK | FRAME_TCP_PSH };
		size_t len = spec_build(frame, &s);
		struct frame_info f, r;

		frame_parse(frame, len, &f);
		len = reset_make(frame, &f, out);
		assert_int_equal(len, f.l4 + 20);
		frame_parse(out, len, &r);
		assert_int_equal(r.class, FRAME_TCP_CONTROL);
		assert_int_equal(r.tcp_flags, FRAME_TCP_RST | FRAME_TCP_ACK);
		assert_int_equal(r.seq, 123);
		assert_int_equal(r.ack, 456);
		assert_int_equal(r.src_port, 80);
		assert_int_equal(r.payload_len, 0);
		assert_true(plain_transport_right(out, r.l3, r.l4, len));
		assert_true(s.ip6 || plain_ip4_right(out, r.l3));
	}
	(void)state;
}

static void resets_of_long_headers_are_refused(void **state)
{
	struct frame_info f = { .class = FRAME_TCP_DATA, .l4 = RESET_LEN_MAX - 19 };

	(void)state;
	assert_int_equal(reset_make(frame, &f, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_agree_with_the_reference),
		cmocka_unit_test(unfinished_checksums_are_finished),
		cmocka_unit_test(zero_is_written_as_all_ones_in_udp),
		cmocka_unit_test(offload_fields_are_checked),
		cmocka_unit_test(tcp_is_cut),
		cmocka_unit_test(udp_is_cut),
		cmocka_unit_test(wrong_kinds_are_refused),
		cmocka_unit_test(resets_take_the_segments_place),
		cmocka_unit_test(resets_of_long_headers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
