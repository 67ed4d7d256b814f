/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_local.c - packets between programs of the guest and their agent
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

#include <cmocka.h>

#include "proto/grow.h"
#include "proto/local.h"

static const struct local_status status = {
	.channel_state = 3, .transport = 1, .share_kind = 2, .offload = 0x0102,
	.epoch = 0x11223344, .peer_epoch = 0x55667788,
	.sessions = 1, .resyncs = 2, .faults = 3, .silences = 4, .uptime_ms = UINT64_MAX,
	.costs = { .measured = true, .threshold = 5, .lowest = 6, .highest = 7, .move_ns = 8,
		   .slice_ns = 9, .plain_ps = 10, .adopt_us = UINT64_MAX },
	.software = "agent 1", .peer_software = "worker 2", .share = "/hylics",
};

static void a_question_has_the_bytes_that_are_documented(void **state)
{
	static const uint8_t golden[] = { 1, 0, 1, 0, 0x44, 0x33, 0x22, 0x11 };
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_header h;

	(void)state;
	assert_int_equal(local_encode_ask_status(0x11223344, out), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(local_decode_header(golden, sizeof(golden), &h), 0);
	assert_int_equal(h.type, LOCAL_ASK_STATUS);
	assert_int_equal(h.id, 0x11223344);
}

static void a_status_goes_round(void **state)
{
	uint8_t out[LOCAL_PACKET_MAX];
	size_t len = local_encode_status(9, &status, out);
	struct local_header h;
	struct local_status s;

	(void)state;
	assert_int_equal(local_decode_header(out, len, &h), 0);
	assert_int_equal(h.type, LOCAL_STATUS);
	assert_int_equal(h.id, 9);
	assert_int_equal(local_decode_status(out, len, &s), 0);
	assert_int_equal(s.channel_state, status.channel_state);
	assert_int_equal(s.transport, status.transport);
	assert_int_equal(s.epoch, status.epoch);
	assert_int_equal(s.peer_epoch, status.peer_epoch);
	assert_int_equal(s.sessions, status.sessions);
	assert_int_equal(s.resyncs, status.resyncs);
	assert_int_equal(s.faults, status.faults);
	assert_int_equal(s.silences, status.silences);
	assert_true(s.uptime_ms == status.uptime_ms);
	assert_true(s.costs.measured);
	assert_int_equal(s.costs.threshold, 5);
	assert_int_equal(s.costs.lowest, 6);
	assert_int_equal(s.costs.highest, 7);
	assert_int_equal(s.costs.move_ns, 8);
	assert_int_equal(s.costs.slice_ns, 9);
	assert_int_equal(s.costs.plain_ps, 10);
	assert_true(s.costs.adopt_us == UINT64_MAX);
	assert_string_equal(s.software, status.software);
	assert_string_equal(s.peer_software, status.peer_software);
	assert_int_equal(s.share_kind, 2);
	assert_int_equal(s.offload, 0x0102);
	assert_string_equal(s.share, "/hylics");
	assert_int_equal(out[11], 2);		/* as documented */
	assert_int_equal(out[116], 2);
	assert_int_equal(out[117], 1);
}

static void an_error_goes_round(void **state)
{
	static const uint8_t golden[] = { 1, 0, 3, 0, 5, 0, 0, 0, 22, 0, 2, 0, 'n', 'o' };
	const struct local_error err = { .num = EINVAL, .words = "no" };
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_error got;

	(void)state;
	assert_int_equal(local_encode_error(5, &err, out), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(local_decode_error(golden, sizeof(golden), &got), 0);
	assert_int_equal(got.num, EINVAL);
	assert_string_equal(got.words, "no");
}

static void the_longest_packets_fit(void **state)
{
	struct local_status full = status, s;
	struct local_error err = { .num = EIO }, got;
	uint8_t out[LOCAL_PACKET_MAX];
	size_t len;

	(void)state;
	memset(full.software, 's', sizeof(full.software) - 1);
	memset(full.peer_software, 'p', sizeof(full.peer_software) - 1);
	memset(full.share, '/', sizeof(full.share) - 1);
	len = local_encode_status(1, &full, out);
	assert_true(len < LOCAL_PACKET_MAX);
	assert_int_equal(local_decode_status(out, len, &s), 0);
	assert_string_equal(s.peer_software, full.peer_software);
	assert_string_equal(s.share, full.share);
	memset(err.words, 'w', sizeof(err.words) - 1);
	len = local_encode_error(1, &err, out);
	assert_true(len < LOCAL_PACKET_MAX);
	assert_int_equal(local_decode_error(out, len, &got), 0);
	assert_string_equal(got.words, err.words);
}

static void a_header_of_another_version_or_length_is_refused(void **state)
{
	uint8_t packet[LOCAL_PACKET_MAX + 1] = { LOCAL_VERSION, 0, LOCAL_ASK_STATUS, 0 };
	struct local_header h = { .id = 7 };

	(void)state;
	for (size_t len = 0; len < LOCAL_HEADER_LEN; len++)
		assert_int_equal(local_decode_header(packet, len, &h), -EPROTO);
	assert_int_equal(local_decode_header(packet, LOCAL_PACKET_MAX + 1, &h), -EPROTO);
	packet[0] = LOCAL_VERSION + 1;
	assert_int_equal(local_decode_header(packet, LOCAL_HEADER_LEN, &h), -EPROTO);
	packet[0] = 0;
	assert_int_equal(local_decode_header(packet, LOCAL_HEADER_LEN, &h), -EPROTO);
	packet[0] = LOCAL_VERSION;
	packet[1] = 1;
	assert_int_equal(local_decode_header(packet, LOCAL_HEADER_LEN, &h), -EPROTO);
	assert_int_equal(h.id, 7);
	packet[1] = 0;
	assert_int_equal(local_decode_header(packet, LOCAL_PACKET_MAX, &h), 0);
}

/* Every length but the right one, each in memory of its own size. */
static void check_only_length(const uint8_t *packet, size_t right,
			      int (*decodes)(const uint8_t *in, size_t len))
{
	for (size_t len = 0; len <= right + 1; len++) {
		uint8_t *in = calloc(1, len ? len : 1);

		assert_non_null(in);
		memcpy(in, packet, len < right ? len : right);
		assert_int_equal(decodes(in, len), len == right ? 0 : -EPROTO);
		free(in);
	}
}

static int decodes_status(const uint8_t *in, size_t len)
{
	struct local_status s = { .epoch = 7 };
	int rc = local_decode_status(in, len, &s);

	assert_int_equal(s.epoch, rc ? 7 : status.epoch);
	return rc;
}

static int decodes_error(const uint8_t *in, size_t len)
{
	struct local_error err = { .num = 7 };
	int rc = local_decode_error(in, len, &err);

	assert_int_equal(err.num, rc ? 7 : EINVAL);
	return rc;
}

static void packets_cut_short_or_with_bytes_left_are_refused(void **state)
{
	const struct local_error err = { .num = EINVAL, .words = "no" };
	uint8_t out[LOCAL_PACKET_MAX] = { 0 };
	size_t len = local_encode_status(1, &status, out);

	(void)state;
	check_only_length(out, len, decodes_status);
	out[LOCAL_HEADER_LEN + 2] = 2;	/* measured, or not: no third */
	assert_int_equal(decodes_status(out, len), -EPROTO);
	len = local_encode_error(1, &err, out);
	check_only_length(out, len, decodes_error);
}

/* -- moved connections -- */

static void joining_has_the_bytes_that_are_documented(void **state)
{
	static const uint8_t join[] = { 1, 0, 4, 0, 7, 0, 0, 0 };
	static const uint8_t joined[] = { 1, 0, 5, 0, 7, 0, 0, 0 };
	uint8_t out[LOCAL_PACKET_MAX];

	(void)state;
	assert_int_equal(local_encode_join(7, out), sizeof(join));
	assert_memory_equal(out, join, sizeof(join));
	assert_int_equal(local_encode_joined(7, out), sizeof(joined));
	assert_memory_equal(out, joined, sizeof(joined));
}

static void a_slot_goes_round_in_every_packet_that_has_one(void **state)
{
	static const uint8_t golden[] = { 1, 0, 7, 0, 9, 0, 0, 0, 0xff, 0x3f, 0, 0 };
	const struct local_slot slot = { .slot = HY_PAGE_SLOTS - 1 };
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_header h;

	(void)state;
	assert_int_equal(local_encode_slot(LOCAL_TAKE_BACK, 9, &slot, out), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
	for (enum local_type type = LOCAL_TAKE_BACK; type <= LOCAL_TAKEN; type++) {
		struct local_slot got = { 0 };
		size_t len = local_encode_slot(type, 9, &slot, out);

		assert_int_equal(local_decode_header(out, len, &h), 0);
		assert_int_equal(h.type, type);
		assert_int_equal(local_decode_slot(out, len, &got), 0);
		assert_int_equal(got.slot, slot.slot);
	}
}

static int decodes_slot(const uint8_t *in, size_t len)
{
	struct local_slot s = { .slot = 7 };
	int rc = local_decode_slot(in, len, &s);

	assert_int_equal(s.slot, rc ? 7 : 1);
	return rc;
}

static void a_slot_beyond_the_page_or_of_another_length_is_refused(void **state)
{
	const struct local_slot one = { .slot = 1 };
	uint8_t out[LOCAL_PACKET_MAX] = { 0 };
	size_t len = local_encode_slot(LOCAL_TAKEN, 1, &one, out);

	(void)state;
	check_only_length(out, len, decodes_slot);
	out[LOCAL_HEADER_LEN] = 0;
	out[LOCAL_HEADER_LEN + 1] = HY_PAGE_SLOTS >> 8;
	assert_int_equal(decodes_slot(out, len), -EPROTO);
	memset(out + LOCAL_HEADER_LEN, 0xff, 4);
	assert_int_equal(decodes_slot(out, len), -EPROTO);
}

static void a_move_has_the_bytes_that_are_documented(void **state)
{
	static const uint8_t golden[] = { 1, 0, 6, 0, 9, 0, 0, 0, 0xff, 0x3f, 0, 0, 4, 3, 2, 1,
					  8, 7, 6, 5, 0xff, 0xff, 0xff, 0xff,
					  0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11 };
	struct local_move move = { .slot = HY_PAGE_SLOTS - 1, .linger_s = 0x01020304,
				   .spent_ns = 0x05060708, .plain_ps = UINT32_MAX,
				   .ino = 0x1112131415161718 }, got;
	static const int32_t lingers[] = { LOCAL_LINGER_OFF, 0, 1, INT32_MAX };
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_header h;

	(void)state;
	assert_int_equal(local_encode_move(9, &move, out), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(local_decode_header(out, sizeof(golden), &h), 0);
	assert_int_equal(h.type, LOCAL_MOVE);
	for (size_t i = 0; i < sizeof(lingers) / sizeof(lingers[0]); i++) {
		move.linger_s = lingers[i];
		local_encode_move(9, &move, out);
		assert_int_equal(local_decode_move(out, sizeof(golden), &got), 0);
		assert_int_equal(got.slot, move.slot);
		assert_int_equal(got.linger_s, move.linger_s);
		assert_int_equal(got.spent_ns, move.spent_ns);
		assert_int_equal(got.plain_ps, move.plain_ps);
		assert_true(got.ino == move.ino);
	}
}

static int decodes_move(const uint8_t *in, size_t len)
{
	struct local_move m = { .slot = 7, .linger_s = 7 };
	int rc = local_decode_move(in, len, &m);

	assert_int_equal(m.slot, rc ? 7 : 1);
	assert_int_equal(m.linger_s, rc ? 7 : 2);
	return rc;
}

static void a_move_with_nonsense_or_of_another_length_is_refused(void **state)
{
	struct local_move move = { .slot = 1, .linger_s = 2 };
	uint8_t out[LOCAL_PACKET_MAX] = { 0 };
	size_t len = local_encode_move(1, &move, out);

	(void)state;
	check_only_length(out, len, decodes_move);
	move.slot = HY_PAGE_SLOTS;
	local_encode_move(1, &move, out);
	assert_int_equal(decodes_move(out, len), -EPROTO);
	move.slot = 1;
	move.linger_s = LOCAL_LINGER_OFF - 1;
	local_encode_move(1, &move, out);
	assert_int_equal(decodes_move(out, len), -EPROTO);
	move.linger_s = INT32_MIN;
	local_encode_move(1, &move, out);
	assert_int_equal(decodes_move(out, len), -EPROTO);
}

static const struct local_marker marker = { .offset = 0x0102030405060708, .len = HY_SLICE_MAX,
					    .flags = LOCAL_MARK_TELL };

static const uint8_t golden_marker[] = {
	'h', 'y', '-', 's', 'l', 'i', 'c', 'e',		/* magic */
	8, 7, 6, 5, 4, 3, 2, 1,				/* offset */
	0, 0, 0, 8, 0, 0, 0, 0,				/* length */
	1, 0, 0, 0,					/* flags */
	0, 0, 0, 0,
};

static int decodes_marker(const uint8_t *in, size_t len)
{
	struct local_marker m = { .offset = 7 };
	int rc = local_decode_marker(in, len, &m);

	assert_int_equal(m.offset, rc ? 7 : marker.offset);
	return rc;
}

static void a_marker_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[LOCAL_MARKER_LEN];
	struct local_marker m;

	(void)state;
	assert_int_equal(sizeof(golden_marker), LOCAL_MARKER_LEN);
	local_encode_marker(&marker, out);
	assert_memory_equal(out, golden_marker, sizeof(out));
	assert_int_equal(local_decode_marker(out, sizeof(out), &m), 0);
	assert_true(m.offset == marker.offset && m.len == marker.len);
	assert_int_equal(m.flags, LOCAL_MARK_TELL);
	check_only_length(out, sizeof(out), decodes_marker);
	out[24] = LOCAL_MARK_GROWS;
	out[28] = 4;
	out[31] = 1;
	assert_int_equal(local_decode_marker(out, sizeof(out), &m), 0);
	assert_true(m.flags == LOCAL_MARK_GROWS && m.grow == 0x01000004);
	assert_int_equal(grow_place(m.grow), 4);
	assert_true(grow_is_of((uint64_t)32 << GROW_NUMBER_AT | GROW_OUT | 7, m.grow));
	assert_false(grow_is_of((uint64_t)33 << GROW_NUMBER_AT, m.grow));
}

static void bytes_that_are_no_marker_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} cases[] = {
		{ 0, 'H' }, { 7, 0 },			/* magic */
		{ 15, 0x80 },				/* offset of 2^63 and more */
		{ 19, 0 }, { 19, 9 }, { 16, 1 }, { 23, 0x80 },	/* length */
		{ 24, 3 }, { 24, 4 }, { 27, 0x80 },	/* flags */
		{ 28, 1 }, { 31, 1 },			/* a word, of one that does not grow */
	};
	struct local_marker m = { .offset = INT64_MAX, .len = 1 };
	uint8_t in[LOCAL_MARKER_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(in, golden_marker, sizeof(in));
		in[cases[i].at] = cases[i].byte;
		assert_int_equal(decodes_marker(in, sizeof(in)), -EPROTO);
	}
	local_encode_marker(&m, in);			/* its end is 2^63 */
	assert_int_equal(local_decode_marker(in, sizeof(in), &m), -EPROTO);
	m.offset--;
	local_encode_marker(&m, in);
	assert_int_equal(local_decode_marker(in, sizeof(in), &m), 0);
	assert_true(m.offset == INT64_MAX - 1 && m.len == 1 && m.flags == 0);
}

/* Both sides map the same bytes, and may be of different releases. */
static void the_page_lies_as_documented(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct hy_page, version), 0);
	assert_int_equal(offsetof(struct hy_page, slots), 4);
	assert_int_equal(offsetof(struct hy_page, possible), 8);
	assert_int_equal(offsetof(struct hy_page, reason), 12);
	assert_int_equal(offsetof(struct hy_page, threshold), 16);
	assert_int_equal(offsetof(struct hy_page, share_dev), 24);
	assert_int_equal(offsetof(struct hy_page, slot), 32);
	assert_int_equal(offsetof(struct hy_page, slot[0].taken), 32 + 2);
	assert_int_equal(offsetof(struct hy_page, slot[0].slice), 32 + 4);
	assert_int_equal(sizeof(struct hy_page), 32 + 8 * HY_PAGE_SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_status_goes_round),
		cmocka_unit_test(an_error_goes_round),
		cmocka_unit_test(the_longest_packets_fit),
		cmocka_unit_test(a_header_of_another_version_or_length_is_refused),
		cmocka_unit_test(packets_cut_short_or_with_bytes_left_are_refused),
		cmocka_unit_test(joining_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_slot_goes_round_in_every_packet_that_has_one),
		cmocka_unit_test(a_slot_beyond_the_page_or_of_another_length_is_refused),
		cmocka_unit_test(a_move_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_move_with_nonsense_or_of_another_length_is_refused),
		cmocka_unit_test(a_marker_has_the_bytes_that_are_documented),
		cmocka_unit_test(bytes_that_are_no_marker_are_refused),
		cmocka_unit_test(the_page_lies_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
