/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_frame.c - the wire's frame parser: what it finds, and that it never looks past the end
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

#include "lab/wire/frame.h"
#include "tests/unit/wire_frames.h"

#define ROOM 4096

static struct frame_info parse_spec(const struct frame_spec *s, uint8_t *bytes, size_t *len)
{
	struct frame_info f;

	*len = spec_build(bytes, s);
	frame_parse(bytes, *len, &f);
	return f;
}

static void tcp_over_ip4(void **state)
{
	const struct frame_spec s = { .proto = SPEC_TCP, .src_port = 1000, .dst_port = 80,
				      .seq = 0xfffffff0, .ack = 7, .window = 512,
				      .tcp_flags = FRAME_TCP_ACK | FRAME_TCP_PSH, .payload = 100,
				      .tcp_options = 12, .ip4_options = 8 };
	static const uint8_t address[16] = { 10, 0, 0, 1 };
	uint8_t bytes[ROOM];
	size_t len;
	struct frame_info f = parse_spec(&s, bytes, &len);

	(void)state;
	assert_int_equal(f.class, FRAME_TCP_DATA);
	assert_int_equal(f.net, FRAME_NET_IP4);
	assert_false(f.malformed);
	assert_int_equal(f.src_port, 1000);
	assert_int_equal(f.dst_port, 80);
	assert_int_equal(f.seq, 0xfffffff0);
	assert_int_equal(f.ack, 7);
	assert_int_equal(f.window, 512);
	assert_int_equal(f.l3, 14);
	assert_int_equal(f.l4, 14 + 28);
	assert_int_equal(f.payload, 14 + 28 + 32);
	assert_int_equal(f.payload_len, 100);
	assert_memory_equal(f.src, address, 16);
}

static void tags_and_ip6_options(void **state)
{
	uint8_t bytes[ROOM];
	size_t len;

	(void)state;
	for (unsigned int tags = 0; tags <= 2; tags++) {
		for (unsigned int options = 0; options <= 8; options++) {
			const struct frame_spec s = { .tags = tags, .ip6 = true,
						      .ip6_options = options, .proto = SPEC_UDP,
						      .src_port = 1, .dst_port = 2,
						      .payload = 10 };
			struct frame_info f = parse_spec(&s, bytes, &len);

			assert_int_equal(f.class, FRAME_UDP);
			assert_int_equal(f.tags, tags);
			assert_int_equal(f.vlan, tags ? 100 : 0);
			assert_int_equal(f.payload, len - 10);
			assert_int_equal(f.payload_len, 10);
		}
	}
}

static void too_many_ip6_headers(void **state)
{
	const struct frame_spec s = { .ip6 = true, .ip6_options = 9, .proto = SPEC_UDP };
	uint8_t bytes[ROOM];
	size_t len;
	struct frame_info f = parse_spec(&s, bytes, &len);

	(void)state;
	assert_true(f.malformed);
	assert_int_equal(f.class, FRAME_OTHER);
}

static void padding_is_no_payload(void **state)
{
	const struct frame_spec s = { .proto = SPEC_TCP, .tcp_flags = FRAME_TCP_ACK,
				      .padding = 6 };
	uint8_t bytes[ROOM];
	size_t len;
	struct frame_info f = parse_spec(&s, bytes, &len);

	(void)state;
	assert_int_equal(f.class, FRAME_TCP_PURE_ACK);
	assert_int_equal(f.payload_len, 0);
}

static void classes_of_tcp(void **state)
{
	static const struct {
		uint8_t flags;
		size_t payload;
		enum frame_class class;
	} rows[] = {
		{ FRAME_TCP_SYN, 0, FRAME_TCP_CONTROL },
		{ FRAME_TCP_SYN | FRAME_TCP_ACK, 0, FRAME_TCP_CONTROL },
		{ FRAME_TCP_FIN | FRAME_TCP_ACK, 10, FRAME_TCP_CONTROL },
		{ FRAME_TCP_RST, 0, FRAME_TCP_CONTROL },
		{ FRAME_TCP_ACK, 0, FRAME_TCP_PURE_ACK },
		{ FRAME_TCP_ACK, 1, FRAME_TCP_DATA },
	};
	uint8_t bytes[ROOM];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct frame_spec s = { .proto = SPEC_TCP, .tcp_flags = rows[i].flags,
					      .payload = rows[i].payload };

		assert_int_equal(parse_spec(&s, bytes, &len).class, rows[i].class);
	}
}

static void fragments_have_no_ports(void **state)
{
	const struct frame_spec s = { .proto = SPEC_UDP, .src_port = 5, .dst_port = 6,
				      .payload = 64 };
	uint8_t bytes[ROOM];
	struct frame_info f;
	size_t len = spec_build(bytes, &s);

	(void)state;
	bytes[14 + 6] = 0x20;		/* more fragments */
	frame_parse(bytes, len, &f);
	assert_int_equal(f.class, FRAME_FRAGMENT);
	assert_int_equal(f.src_port, 0);
	bytes[14 + 6] = 0;
	bytes[14 + 7] = 3;		/* offset 24 */
	frame_parse(bytes, len, &f);
	assert_int_equal(f.class, FRAME_FRAGMENT);
}

static void ip6_fragment_header(void **state)
{
	const struct frame_spec s = { .ip6 = true, .ip6_options = 1, .proto = SPEC_UDP,
				      .payload = 64 };
	uint8_t bytes[ROOM];
	struct frame_info f;
	size_t len = spec_build(bytes, &s);

	(void)state;
	bytes[14 + 6] = 44;		/* the option header is taken for a fragment header */
	bytes[14 + 40 + 2] = 0;
	bytes[14 + 40 + 3] = 1;		/* more fragments */
	frame_parse(bytes, len, &f);
	assert_int_equal(f.class, FRAME_FRAGMENT);
	bytes[14 + 40 + 3] = 0;		/* the only fragment: a whole datagram */
	frame_parse(bytes, len, &f);
	assert_int_equal(f.class, FRAME_UDP);
}

static void wrong_lengths_are_malformed(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} rows[] = {
		{ 14, 0x44 },			/* IPv4 header of 16 bytes */
		{ 14, 0x55 },			/* version 5 */
		{ 14, 0x4f },			/* header longer than the datagram */
		{ 14 + 2, 0xff },		/* total length past the frame */
		{ 14 + 3, 19 },			/* total length within the header */
		{ 14 + 20 + 12, 0x40 },		/* TCP header of 16 bytes */
		{ 14 + 20 + 12, 0xf0 },		/* TCP header past the datagram */
	};
	const struct frame_spec s = { .proto = SPEC_TCP, .tcp_flags = FRAME_TCP_ACK,
				      .payload = 8 };
	uint8_t bytes[ROOM];
	struct frame_info f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = spec_build(bytes, &s);

		bytes[rows[i].offset] = rows[i].value;
		frame_parse(bytes, len, &f);
		assert_true(f.malformed);
		assert_int_equal(f.class, FRAME_OTHER);
	}
}

static void udp_length_is_checked(void **state)
{
	const struct frame_spec s = { .proto = SPEC_UDP, .payload = 8 };
	uint8_t bytes[ROOM];
	struct frame_info f;
	size_t len = spec_build(bytes, &s);

	(void)state;
	bytes[14 + 20 + 5] = 7;
	frame_parse(bytes, len, &f);
	assert_true(f.malformed);
	bytes[14 + 20 + 5] = 17;
	frame_parse(bytes, len, &f);
	assert_true(f.malformed);
	bytes[14 + 20 + 5] = 12;
	frame_parse(bytes, len, &f);
	assert_false(f.malformed);
	assert_int_equal(f.payload_len, 4);
}

/* Bytes behind the end change nothing, so they were not read. Offsets stay in the frame. */
static void check_cut(const uint8_t *whole, size_t len)
{
	struct frame_info f, other;
	uint8_t bytes[ROOM];

	memset(bytes, 0x00, sizeof(bytes));
	memcpy(bytes, whole, len);
	frame_parse(bytes, len, &f);
	memset(bytes + len, 0xff, sizeof(bytes) - len);
	frame_parse(bytes, len, &other);
	assert_memory_equal(&f, &other, sizeof(f));
	assert_true(f.l3 <= f.l4 && f.l4 <= f.payload && f.payload <= len);
	assert_true(f.payload_len <= len - f.payload);
}

static void every_cut_is_safe(void **state)
{
	static const struct frame_spec specs[] = {
		{ .proto = SPEC_TCP, .ip4_options = 4, .tcp_options = 8, .payload = 9 },
		{ .proto = SPEC_UDP, .tags = 2, .payload = 9 },
		{ .proto = SPEC_TCP, .ip6 = true, .ip6_options = 3, .tags = 1, .payload = 9 },
	};
	uint8_t bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		size_t len = spec_build(bytes, &specs[i]);

		for (size_t cut = 0; cut <= len; cut++)
			check_cut(bytes, cut);
	}
}

static void arp_and_icmp(void **state)
{
	const struct frame_spec s = { .proto = SPEC_UDP, .payload = 8 };
	uint8_t bytes[ROOM];
	struct frame_info f;
	size_t len = spec_build(bytes, &s);

	(void)state;
	bytes[14 + 9] = FRAME_PROTO_ICMP;
	frame_parse(bytes, len, &f);
	assert_int_equal(f.class, FRAME_ICMP);
	bytes[13] = 0x06;
	frame_parse(bytes, len, &f);
	assert_int_equal(f.net, FRAME_NET_ARP);
	assert_int_equal(f.class, FRAME_OTHER);
	assert_false(f.malformed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_over_ip4),
		cmocka_unit_test(tags_and_ip6_options),
		cmocka_unit_test(too_many_ip6_headers),
		cmocka_unit_test(padding_is_no_payload),
		cmocka_unit_test(classes_of_tcp),
		cmocka_unit_test(fragments_have_no_ports),
		cmocka_unit_test(ip6_fragment_header),
		cmocka_unit_test(wrong_lengths_are_malformed),
		cmocka_unit_test(udp_length_is_checked),
		cmocka_unit_test(every_cut_is_safe),
		cmocka_unit_test(arp_and_icmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
