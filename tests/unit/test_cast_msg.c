/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cast_msg.c - what is said of casts, to the agent and to the host: documented bytes, refusals
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

#include "proto/cast.h"
#include "proto/msg.h"

#define PART 5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, \
	     0x24, 5, 0, 0, 0x40, 0x0d, 3, 0, 0, 0, 0, 0

static const uint8_t ask_bytes[] = { 1, 0, 32, 0, 9, 0, 0, 0, PART };
static const uint8_t local_told_bytes[] = {
	1, 0, 33, 0, 9, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 3, 21, 0,
};
static const uint8_t cast_bytes[] = {
	4, 0xb8, 64,
	192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x8c, 0x13,
	192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xd2, 4,
	7, 0, 0, 0, PART,
};

static const struct cast_part part = { .offset = 5, .count = 256,
				       .pace = { .bytes = 1316, .rate = 200000 } };
static const struct cast cast = {
	.family = 4, .tos = 0xb8, .ttl = 64, .file = 7,
	.local = { .addr = { 192, 0, 2, 1 }, .port = 5004 },
	.peer = { .addr = { 192, 0, 2, 2 }, .port = 1234 },
	.part = { .offset = 5, .count = 256, .pace = { .bytes = 1316, .rate = 200000 } },
};

/* In memory of their exact length; a refusal leaves the result alone. */
#define DECODE(name, type, decode)                                                                 \
	static int name(const uint8_t *bytes, size_t len, struct type *m)                         \
	{                                                                                          \
		uint8_t *copy = malloc(len ? len : 1);                                             \
		struct type before;                                                                \
		int rc;                                                                            \
												   \
		assert_non_null(copy);                                                             \
		memcpy(copy, bytes, len);                                                          \
		memset(m, 0x5a, sizeof(*m));                                                       \
		memcpy(&before, m, sizeof(before));                                                \
		rc = decode(copy, len, m);                                                         \
		if (rc < 0)                                                                        \
			assert_memory_equal(m, &before, sizeof(before));                           \
		free(copy);                                                                        \
		return rc;                                                                         \
	}

DECODE(read_ask, cast_part, cast_decode_ask)
DECODE(read_local_told, cast_told, cast_decode_local_told)
DECODE(read_cast, cast, cast_decode)
DECODE(read_told, cast_told, cast_decode_told)

static void packets_have_the_bytes_that_are_documented(void **state)
{
	const struct cast_told told = { .sent = 0x01020304, .state = CAST_BROKEN,
					.reason = MOVE_DRAINING };
	uint8_t out[LOCAL_PACKET_MAX];
	struct cast_told got;
	struct cast_part p;

	(void)state;
	assert_int_equal(cast_encode_ask(9, &part, out), sizeof(ask_bytes));
	assert_memory_equal(out, ask_bytes, sizeof(ask_bytes));
	assert_int_equal(read_ask(out, sizeof(ask_bytes), &p), 0);
	assert_int_equal(p.offset, 5);
	assert_int_equal(p.count, 256);
	assert_int_equal(p.pace.bytes, 1316);
	assert_int_equal(p.pace.rate, 200000);
	assert_int_equal(cast_encode_local_told(9, &told, out), sizeof(local_told_bytes));
	assert_memory_equal(out, local_told_bytes, sizeof(local_told_bytes));
	assert_int_equal(read_local_told(out, sizeof(local_told_bytes), &got), 0);
	assert_int_equal(got.sent, told.sent);
	assert_int_equal(got.state, CAST_BROKEN);
	assert_int_equal(got.reason, MOVE_DRAINING);
}

static void messages_have_the_bytes_that_are_documented(void **state)
{
	const size_t told_len = sizeof(local_told_bytes) - LOCAL_HEADER_LEN;
	uint8_t out[CAST_LEN];
	struct cast_told told;
	struct cast got;

	(void)state;
	assert_int_equal(sizeof(cast_bytes), CAST_LEN);
	assert_int_equal(told_len, CAST_TOLD_LEN);
	assert_int_equal(cast_encode(&cast, out, sizeof(out)), CAST_LEN);
	assert_memory_equal(out, cast_bytes, CAST_LEN);
	assert_int_equal(cast_encode(&cast, out, CAST_LEN - 1), -EMSGSIZE);
	assert_int_equal(read_cast(cast_bytes, CAST_LEN, &got), 0);
	assert_int_equal(got.family, 4);
	assert_int_equal(got.tos, 0xb8);
	assert_int_equal(got.ttl, 64);
	assert_int_equal(got.file, 7);
	assert_memory_equal(&got.local, &cast.local, sizeof(got.local));
	assert_memory_equal(&got.peer, &cast.peer, sizeof(got.peer));
	assert_int_equal(got.part.count, 256);
	assert_int_equal(read_told(local_told_bytes + LOCAL_HEADER_LEN, told_len, &told), 0);
	assert_int_equal(cast_encode_told(&told, out, sizeof(out)), told_len);
	assert_memory_equal(out, local_told_bytes + LOCAL_HEADER_LEN, told_len);
	assert_int_equal(cast_encode_told(&told, out, told_len - 1), -EMSGSIZE);
}

static void one_of_another_length_is_refused(void **state)
{
	uint8_t in[CAST_LEN + 1] = { 0 };
	struct cast_told told;
	struct cast_part p;
	struct cast got;

	(void)state;
	memcpy(in, cast_bytes, CAST_LEN);
	for (size_t len = 0; len <= CAST_LEN + 1; len++)
		assert_int_equal(read_cast(in, len, &got), len == CAST_LEN ? 0 : -EPROTO);
	memset(in, 0, sizeof(in));
	memcpy(in, ask_bytes, sizeof(ask_bytes));
	for (size_t len = LOCAL_HEADER_LEN; len <= sizeof(ask_bytes) + 1; len++)
		assert_int_equal(read_ask(in, len, &p), len == sizeof(ask_bytes) ? 0 : -EPROTO);
	memset(in, 0, sizeof(in));
	memcpy(in, local_told_bytes, sizeof(local_told_bytes));
	for (size_t len = 0; len <= sizeof(local_told_bytes) + 1; len++)
		assert_int_equal(read_local_told(in, len, &told),
				 len == sizeof(local_told_bytes) ? 0 : -EPROTO);
}

static int with(struct cast change)
{
	uint8_t out[CAST_LEN];
	struct cast got;

	assert_int_equal(cast_encode(&change, out, sizeof(out)), CAST_LEN);
	return read_cast(out, CAST_LEN, &got);
}

#define WITH(field, value)                                                                         \
	({                                                                                         \
		struct cast changed = cast;                                                        \
		changed.field = (value);                                                           \
		with(changed);                                                                     \
	})

static void a_cast_that_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_int_equal(WITH(family, 6), 0);
	assert_int_equal(WITH(family, 5), -EPROTO);
	assert_int_equal(WITH(family, 0), -EPROTO);
	assert_int_equal(WITH(ttl, 0), -EPROTO);
	assert_int_equal(WITH(local.port, 0), -EPROTO);
	assert_int_equal(WITH(peer.port, 0), -EPROTO);
	assert_int_equal(WITH(local.addr[4], 1), -EPROTO);
	assert_int_equal(WITH(peer.addr[15], 1), -EPROTO);
}

static void what_fits_has_its_headers_with_it(void **state)
{
	struct cast k = { .family = 4, .part.pace.bytes = 1472 };

	(void)state;
	assert_true(cast_fits(&k, 1500) && !cast_fits(&k, 1499) && !cast_fits(&k, 0));
	k.family = 6;
	assert_true(cast_fits(&k, 1520) && !cast_fits(&k, 1519));
	k.part.pace.bytes = UINT32_MAX;
	assert_false(cast_fits(&k, INT32_MAX));
}

static void a_part_that_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_int_equal(WITH(part.count, 0), -EPROTO);
	assert_int_equal(WITH(part.count, INT64_MAX - 5), 0);
	assert_int_equal(WITH(part.count, INT64_MAX - 4), -EPROTO);
	assert_int_equal(WITH(part.count, UINT64_MAX), -EPROTO);
	assert_int_equal(WITH(part.offset, UINT64_MAX), -EPROTO);
	assert_int_equal(WITH(part.pace.bytes, 0), -EPROTO);
	assert_int_equal(WITH(part.pace.bytes, HY_DATAGRAM_MAX), 0);
	assert_int_equal(WITH(part.pace.bytes, HY_DATAGRAM_MAX + 1), -EPROTO);
	assert_int_equal(WITH(part.pace.rate, 0), -EPROTO);
	assert_int_equal(WITH(part.pace.rate, HY_PACE_RATE_MAX), 0);
	assert_int_equal(WITH(part.pace.rate, HY_PACE_RATE_MAX + 1), -EPROTO);
}

static int told_as(uint64_t sent, unsigned int state, unsigned int reason)
{
	const struct cast_told m = { .sent = sent, .state = (uint8_t)state,
				     .reason = (uint16_t)reason };
	uint8_t out[CAST_TOLD_LEN];
	struct cast_told got;
	int rc;

	assert_int_equal(cast_encode_told(&m, out, sizeof(out)), CAST_TOLD_LEN);
	rc = read_told(out, CAST_TOLD_LEN, &got);
	return rc < 0 ? rc : got.reason;
}

static void a_word_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	assert_int_equal(told_as(5, CAST_RUNNING, MOVE_DONE), 0);
	assert_int_equal(told_as(5, CAST_RUNNING, MOVE_ERROR), -EPROTO);
	assert_int_equal(told_as(5, CAST_DONE, MOVE_ERROR), -EPROTO);
	assert_int_equal(told_as(5, CAST_BROKEN, MOVE_DONE), -EPROTO);
	assert_int_equal(told_as(5, CAST_BROKEN, MOVE_ERROR), MOVE_ERROR);
	assert_int_equal(told_as(5, CAST_REFUSED, MOVE_ERROR), -EPROTO);
	assert_int_equal(told_as(0, CAST_REFUSED, MOVE_REASONS + 7), MOVE_ERROR);
	assert_int_equal(told_as(5, CAST_STATES, MOVE_DONE), -EPROTO);
	assert_int_equal(told_as(UINT64_MAX, CAST_DONE, MOVE_DONE), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_have_the_bytes_that_are_documented),
		cmocka_unit_test(messages_have_the_bytes_that_are_documented),
		cmocka_unit_test(one_of_another_length_is_refused),
		cmocka_unit_test(a_cast_that_cannot_be_is_refused),
		cmocka_unit_test(what_fits_has_its_headers_with_it),
		cmocka_unit_test(a_part_that_cannot_be_is_refused),
		cmocka_unit_test(a_word_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
