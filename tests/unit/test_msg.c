/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_msg.c - the table of messages has no gaps, payloads go round, nothing is left over
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

#include "proto/assemble.h"
#include "proto/msg.h"

/* A copy of its exact length, so that the address sanitizer sees every read past its end. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	return copy;
}

static void the_table_has_no_gaps_and_no_doubles(void **state)
{
	const struct msg_info *table;
	size_t n;

	(void)state;
	table = msg_table(&n);
	assert_int_equal(n, MSG_CAST_STOP);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(table[i].type, i + 1);
		assert_ptr_equal(msg_info((uint16_t)(i + 1)), &table[i]);
		assert_true(table[i].name[0] && table[i].what[0]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(table[i].name, table[j].name);
	}
	assert_null(msg_info(0));
	assert_null(msg_info((uint16_t)(n + 1)));
	assert_null(msg_info(UINT16_MAX));
}

static void rows_keep_to_the_limits_of_their_lane(void **state)
{
	const struct msg_info *row;
	size_t n;

	(void)state;
	row = msg_table(&n);
	for (; n > 0; n--, row++) {
		assert_true(row->min <= row->max);
		assert_true(row->lane < LANES);
		assert_true(row->max <= (row->lane == LANE_BULK ? HY_MESSAGE_MAX :
								  ASSEMBLE_WHOLE_MAX));
		assert_true(row->senders && (row->senders & ~(ROLE_HOST | ROLE_GUEST)) == 0);
	}
	assert_int_equal(msg_info(MSG_HELLO)->lane, LANE_CONTROL);
	assert_int_equal(msg_info(MSG_BYE)->lane, LANE_CONTROL);
	assert_int_equal(msg_info(MSG_PING)->lane, LANE_CONTROL);
}

static const struct msg_hello hello = {
	.proto_min = 1, .proto_max = 0x0203, .epoch = 0x11223344, .seen = 0x55667788,
	.role = ROLE_GUEST, .features = 0x0102030405060708, .software = "ab", .kernel = "6.1",
};

static const uint8_t golden_hello[] = {
	0x01, 0x00,					/* oldest version */
	0x03, 0x02,					/* newest version */
	0x44, 0x33, 0x22, 0x11,				/* epoch */
	0x88, 0x77, 0x66, 0x55,				/* seen */
	0x02,						/* role */
	0x00, 0x00, 0x00,				/* unused */
	0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,	/* features */
	0x02, 0x00, 'a', 'b',				/* software */
	0x03, 0x00, '6', '.', '1',			/* kernel */
};

static void a_hello_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[MSG_HELLO_MAX];
	struct msg_hello m;

	(void)state;
	assert_int_equal(msg_hello_encode(&hello, out, sizeof(out)), sizeof(golden_hello));
	assert_memory_equal(out, golden_hello, sizeof(golden_hello));
	assert_int_equal(msg_hello_decode(golden_hello, sizeof(golden_hello), &m), 0);
	assert_int_equal(m.proto_min, hello.proto_min);
	assert_int_equal(m.proto_max, hello.proto_max);
	assert_int_equal(m.epoch, hello.epoch);
	assert_int_equal(m.seen, hello.seen);
	assert_int_equal(m.role, hello.role);
	assert_int_equal(m.features, hello.features);
	assert_string_equal(m.software, hello.software);
	assert_string_equal(m.kernel, hello.kernel);
}

static void hellos_of_the_least_and_greatest_length_go_round(void **state)
{
	struct msg_hello longest = hello, shortest = hello, m;
	uint8_t out[MSG_HELLO_MAX];

	(void)state;
	memset(longest.software, 's', sizeof(longest.software) - 1);
	memset(longest.kernel, 'k', sizeof(longest.kernel) - 1);
	assert_int_equal(msg_hello_encode(&longest, out, sizeof(out)), MSG_HELLO_MAX);
	assert_int_equal(msg_hello_decode(out, MSG_HELLO_MAX, &m), 0);
	assert_string_equal(m.software, longest.software);
	assert_string_equal(m.kernel, longest.kernel);
	shortest.software[0] = shortest.kernel[0] = '\0';
	assert_int_equal(msg_hello_encode(&shortest, out, sizeof(out)), MSG_HELLO_MIN);
	assert_int_equal(msg_hello_decode(out, MSG_HELLO_MIN, &m), 0);
	assert_string_equal(m.software, "");
}

static void a_buffer_too_small_for_a_message_is_told(void **state)
{
	const struct msg_bye bye = { .reason = BYE_STOPPING, .words = "abc" };
	uint8_t out[MSG_HELLO_MAX];

	(void)state;
	for (size_t room = 0; room < sizeof(golden_hello); room++)
		assert_int_equal(msg_hello_encode(&hello, out, room), -EMSGSIZE);
	for (size_t room = 0; room < MSG_BYE_MIN + 3; room++)
		assert_int_equal(msg_bye_encode(&bye, out, room), -EMSGSIZE);
	for (size_t room = 0; room < MSG_COUNT_LEN; room++)
		assert_int_equal(msg_count_encode(1, out, room), -EMSGSIZE);
}

static void a_hello_cut_short_or_with_bytes_left_is_refused(void **state)
{
	struct msg_hello m = { .epoch = 7 };
	uint8_t longer[sizeof(golden_hello) + 1] = { 0 };

	(void)state;
	for (size_t len = 0; len < sizeof(golden_hello); len++) {
		uint8_t *in = exact_copy(golden_hello, len);

		assert_int_equal(msg_hello_decode(in, len, &m), -EPROTO);
		free(in);
	}
	memcpy(longer, golden_hello, sizeof(golden_hello));
	assert_int_equal(msg_hello_decode(longer, sizeof(longer), &m), -EPROTO);
	assert_int_equal(m.epoch, 7);
}

static void a_hello_that_makes_no_sense_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} cases[] = {
		{ 0, 0 },			/* version 0 */
		{ 1, 3 },			/* the oldest is newer than the newest */
		{ 12, 0 }, { 12, 3 }, { 12, 255 },	/* neither host nor guest */
		{ 26, 0 },			/* a NUL in a text */
		{ 24, 0xff }, { 24, 64 },	/* a text longer than may be */
	};
	uint8_t in[sizeof(golden_hello)];
	struct msg_hello m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(in, golden_hello, sizeof(in));
		in[cases[i].at] = cases[i].byte;
		assert_int_equal(msg_hello_decode(in, sizeof(in), &m), -EPROTO);
	}
	memcpy(in, golden_hello, sizeof(in));
	memset(in + 4, 0, 4);			/* epoch 0 */
	assert_int_equal(msg_hello_decode(in, sizeof(in), &m), -EPROTO);
}

static void goodbyes_go_round(void **state)
{
	static const uint8_t golden[] = { 0x04, 0x00, 0x02, 0x00, 'h', 'i' };
	struct msg_bye bye = { .reason = BYE_REPLACED, .words = "hi" }, m;
	uint8_t out[MSG_BYE_MAX + 1] = { 0 };

	(void)state;
	assert_int_equal(msg_bye_encode(&bye, out, MSG_BYE_MAX), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(msg_bye_decode(golden, sizeof(golden), &m), 0);
	assert_int_equal(m.reason, BYE_REPLACED);
	assert_string_equal(m.words, "hi");
	memset(bye.words, 'w', sizeof(bye.words) - 1);
	bye.reason = 999;		/* of a newer peer: shown as unknown, not refused */
	assert_int_equal(msg_bye_encode(&bye, out, MSG_BYE_MAX), MSG_BYE_MAX);
	assert_int_equal(msg_bye_decode(out, MSG_BYE_MAX, &m), 0);
	assert_string_equal(m.words, bye.words);
	assert_int_equal(m.reason, 999);
}

static void a_goodbye_cut_short_or_with_bytes_left_is_refused(void **state)
{
	static const uint8_t bytes[] = { 0x04, 0x00, 0x02, 0x00, 'h', 'i', 0x00 };
	struct msg_bye m = { .reason = 7 };

	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		uint8_t *in = exact_copy(bytes, len);

		if (len != sizeof(bytes) - 1)
			assert_int_equal(msg_bye_decode(in, len, &m), -EPROTO);
		free(in);
	}
	assert_int_equal(m.reason, 7);
}

static void every_reason_for_a_goodbye_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(msg_bye_name(BYE_STOPPING), "stopping");
	assert_string_equal(msg_bye_name(BYE_PROTOCOL), "protocol");
	assert_string_equal(msg_bye_name(BYE_VERSION), "version");
	assert_string_equal(msg_bye_name(BYE_REPLACED), "replaced");
	assert_string_equal(msg_bye_name(0), "unknown");
	assert_string_equal(msg_bye_name(UINT16_MAX), "unknown");
}

static void counts_go_round_and_have_one_length(void **state)
{
	static const uint8_t golden[] = { 8, 7, 6, 5, 4, 3, 2, 1, 0 };
	uint8_t out[MSG_COUNT_LEN];
	uint64_t bytes = 0;

	(void)state;
	assert_int_equal(msg_count_encode(0x0102030405060708, out, sizeof(out)), MSG_COUNT_LEN);
	assert_memory_equal(out, golden, MSG_COUNT_LEN);
	for (size_t len = 0; len <= sizeof(golden); len++) {
		uint8_t *in = exact_copy(golden, len);

		assert_int_equal(msg_count_decode(in, len, &bytes),
				 len == MSG_COUNT_LEN ? 0 : -EPROTO);
		free(in);
	}
	assert_int_equal(bytes, 0x0102030405060708);
}

static void two_sides_speak_the_newest_version_both_know(void **state)
{
	static const struct {
		uint16_t a_min, a_max, b_min, b_max;
		int version;
	} cases[] = {
		{ 1, 1, 1, 1, 1 },
		{ 1, 3, 2, 5, 3 },
		{ 2, 5, 1, 3, 3 },
		{ 1, 9, 4, 4, 4 },
		{ 1, 2, 2, 3, 2 },
		{ 1, 2, 3, 4, -EPROTONOSUPPORT },
		{ 3, 4, 1, 2, -EPROTONOSUPPORT },
		{ 1, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msg_hello a = { .proto_min = cases[i].a_min, .proto_max = cases[i].a_max };
		struct msg_hello b = { .proto_min = cases[i].b_min, .proto_max = cases[i].b_max };

		assert_int_equal(msg_agree(&a, &b), cases[i].version);
		assert_int_equal(msg_agree(&b, &a), cases[i].version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_no_gaps_and_no_doubles),
		cmocka_unit_test(rows_keep_to_the_limits_of_their_lane),
		cmocka_unit_test(a_hello_has_the_bytes_that_are_documented),
		cmocka_unit_test(hellos_of_the_least_and_greatest_length_go_round),
		cmocka_unit_test(a_buffer_too_small_for_a_message_is_told),
		cmocka_unit_test(a_hello_cut_short_or_with_bytes_left_is_refused),
		cmocka_unit_test(a_hello_that_makes_no_sense_is_refused),
		cmocka_unit_test(goodbyes_go_round),
		cmocka_unit_test(a_goodbye_cut_short_or_with_bytes_left_is_refused),
		cmocka_unit_test(every_reason_for_a_goodbye_has_a_name),
		cmocka_unit_test(counts_go_round_and_have_one_length),
		cmocka_unit_test(two_sides_speak_the_newest_version_both_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
