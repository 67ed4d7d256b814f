/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_assemble.c - chunks become messages; chunks out of order, or of the wrong sort, do not
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/assemble.h"

#define EPOCH 0xabcd

static struct assemble a;
static const char *why;
static uint8_t bytes[HY_CHUNK_MAX];

static int reset(void **state)
{
	(void)state;
	assemble_reset(&a, ROLE_GUEST, EPOCH);
	why = NULL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	return 0;
}

/* A chunk of a message whose bytes are those of the array. */
static struct frame chunk(enum msg_type type, uint32_t id, uint32_t total, uint32_t offset,
			  uint16_t len)
{
	return (struct frame){ .type = (uint16_t)type, .id = id, .epoch = EPOCH, .total = total,
			       .offset = offset, .len = len,
			       .payload = bytes + offset % HY_CHUNK_MAX };
}

static int feed(struct frame f, struct message *m)
{
	return assemble_feed(&a, &f, m, &why);
}

static void check_refused(struct frame f, const char *reason)
{
	struct message m;

	why = NULL;
	assert_int_equal(assemble_feed(&a, &f, &m, &why), -EPROTO);
	assert_string_equal(why, reason);
}

static void a_message_in_one_chunk_is_delivered_where_it_lies(void **state)
{
	struct message m = { 0 };

	(void)state;
	assert_int_equal(feed(chunk(MSG_PING, 5, 100, 0, 100), &m), 1);
	assert_ptr_equal(m.info, msg_info(MSG_PING));
	assert_int_equal(m.id, 5);
	assert_int_equal(m.total, 100);
	assert_int_equal(m.offset, 0);
	assert_int_equal(m.len, 100);
	assert_ptr_equal(m.payload, bytes);
}

static void an_empty_message_is_delivered(void **state)
{
	struct message m = { .len = 9 };

	(void)state;
	assert_int_equal(feed(chunk(MSG_PING, 5, 0, 0, 0), &m), 1);
	assert_int_equal(m.len, 0);
	assert_int_equal(m.total, 0);
	assert_int_equal(feed(chunk(MSG_PING, 6, 0, 0, 0), &m), 1);
	assert_int_equal(m.id, 6);
}

static void chunks_of_any_length_make_the_same_message(void **state)
{
	(void)state;
	for (uint32_t step = 1; step <= MSG_PING_MAX; step = step * 2 + 1) {
		struct message m = { 0 };

		for (uint32_t at = 0; at < MSG_PING_MAX; at += step) {
			uint32_t left = MSG_PING_MAX - at;
			uint16_t len = (uint16_t)(left < step ? left : step);

			assert_int_equal(feed(chunk(MSG_PING, step, MSG_PING_MAX, at, len), &m),
					 len == left);
		}
		assert_int_equal(m.id, step);
		assert_int_equal(m.offset, 0);
		assert_int_equal(m.len, MSG_PING_MAX);
		assert_memory_equal(m.payload, bytes, MSG_PING_MAX);
	}
}

/* The largest there may ever be, whatever the table says today. */
static void the_buffer_of_a_lane_takes_the_longest_message(void **state)
{
	(void)state;
	assert_true(sizeof(a.whole[0]) >= ASSEMBLE_WHOLE_MAX);
	for (uint16_t type = 1; msg_info(type); type++) {
		enum msg_role sender = msg_info(type)->senders & ROLE_HOST ? ROLE_HOST : ROLE_GUEST;
		const struct msg_info *info = msg_info(type);
		struct message m = { 0 };
		uint16_t rest = (uint16_t)(info->max - 1);

		if (info->lane == LANE_BULK || info->max < 2)
			continue;
		assemble_reset(&a, sender, EPOCH);
		assert_int_equal(feed(chunk(type, 1, info->max, 0, 1), &m), 0);
		assert_int_equal(feed(chunk(type, 1, info->max, 1, rest), &m), 1);
		assert_true(m.payload >= a.whole[info->lane]);
		assert_true(m.payload + m.len <= a.whole[info->lane] + sizeof(a.whole[0]));
	}
}

static void lanes_do_not_disturb_each_other(void **state)
{
	struct message m = { 0 };

	(void)state;
	assert_int_equal(feed(chunk(MSG_PING, 1, 10, 0, 4), &m), 0);
	assert_int_equal(feed(chunk(MSG_RESUME, 2, 17, 0, 3), &m), 0);
	assert_int_equal(feed(chunk(MSG_ITEM, 4, 16000, 0, 9000), &m), 0);
	assert_int_equal(feed(chunk(MSG_SOAK, 3, 100, 0, 60), &m), 1);
	assert_int_equal(feed(chunk(MSG_PING, 1, 10, 4, 6), &m), 1);
	assert_int_equal(m.id, 1);
	assert_memory_equal(m.payload, bytes, 10);
	assert_int_equal(feed(chunk(MSG_SOAK, 3, 100, 60, 40), &m), 1);
	assert_int_equal(feed(chunk(MSG_RESUME, 2, 17, 3, 14), &m), 1);
	assert_int_equal(m.id, 2);
	assert_memory_equal(m.payload, bytes, 17);
	assert_int_equal(feed(chunk(MSG_ITEM, 4, 16000, 9000, 7000), &m), 1);
	assert_int_equal(m.id, 4);
	assert_int_equal(m.len, 16000);
	assert_memory_equal(m.payload, bytes, 16000);
}

static void bulk_chunks_are_passed_on_as_they_come(void **state)
{
	const uint32_t total = HY_MESSAGE_MAX;
	struct message m = { 0 };

	(void)state;
	for (uint32_t at = 0; at < total; at += HY_CHUNK_MAX) {
		assert_int_equal(feed(chunk(MSG_SOAK, 8, total, at, HY_CHUNK_MAX), &m), 1);
		assert_int_equal(m.offset, at);
		assert_int_equal(m.len, HY_CHUNK_MAX);
		assert_int_equal(m.total, total);
		assert_ptr_equal(m.payload, bytes);
	}
	assert_int_equal(feed(chunk(MSG_SOAK, 9, 1, 0, 1), &m), 1);
	assert_int_equal(m.id, 9);
}

static void unknown_types_are_refused(void **state)
{
	static const uint16_t types[] = { 0, MSG_CAST_STOP + 1, 255, 256, UINT16_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		check_refused(chunk(types[i], 1, 8, 0, 8), "unknown message type");
}

static void types_the_peer_may_not_send_are_refused(void **state)
{
	(void)state;
	assemble_reset(&a, (enum msg_role)(ROLE_HOST | ROLE_GUEST) + 1, EPOCH);
	check_refused(chunk(MSG_PING, 1, 8, 0, 8), "message type not for this side");
	assemble_reset(&a, ROLE_GUEST, EPOCH);
	check_refused(chunk(MSG_ADOPTED, 1, 0, 0, 0), "message type not for this side");
	check_refused(chunk(MSG_UP, 1, 8, 0, 8), "message type not for this side");
	assemble_reset(&a, ROLE_HOST, EPOCH);
	check_refused(chunk(MSG_OFFER, 1, 100, 0, 100), "message type not for this side");
	check_refused(chunk(MSG_ITEM, 1, 9, 0, 9), "message type not for this side");
}

static void frames_of_another_session_are_refused(void **state)
{
	struct frame f = chunk(MSG_PING, 1, 8, 0, 8);

	(void)state;
	f.epoch = EPOCH + 1;
	check_refused(f, "frame of another session");
}

static void lengths_the_table_does_not_allow_are_refused(void **state)
{
	const char *const words = "message length out of range";

	(void)state;
	check_refused(chunk(MSG_PING, 1, MSG_PING_MAX + 1, 0, 1), words);
	check_refused(chunk(MSG_PING, 1, HY_MESSAGE_MAX, 0, 1), words);
	check_refused(chunk(MSG_CREDIT, 1, MSG_COUNT_LEN - 1, 0, MSG_COUNT_LEN - 1), words);
	check_refused(chunk(MSG_CREDIT, 1, MSG_COUNT_LEN + 1, 0, 1), words);
	check_refused(chunk(MSG_SOAK, 1, 0, 0, 0), words);
	check_refused(chunk(MSG_HELLO, 1, MSG_HELLO_MIN - 1, 0, 1), words);
}

static void a_message_begins_at_its_beginning(void **state)
{
	(void)state;
	check_refused(chunk(MSG_PING, 1, 10, 1, 9), "chunk out of order");
	check_refused(chunk(MSG_SOAK, 1, 10, 9, 1), "chunk out of order");
}

static void a_chunk_follows_where_the_last_one_ended(void **state)
{
	static const uint32_t wrong[] = { 0, 1, 3, 5, 9 };
	struct message m;

	(void)state;
	for (unsigned int type = MSG_PING; type <= MSG_SOAK; type += MSG_SOAK - MSG_PING) {
		feed(chunk(type, 1, 10, 0, 4), &m);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
			check_refused(chunk(type, 1, 10, wrong[i], 1), "chunk out of order");
		/* a chunk that was refused has changed nothing */
		assert_int_equal(feed(chunk(type, 1, 10, 4, 6), &m), 1);
	}
}

static void a_chunk_of_another_message_cannot_stand_in(void **state)
{
	static const char words[] = "chunk of another message";
	struct message m;

	(void)state;
	feed(chunk(MSG_PING, 1, 10, 0, 4), &m);
	check_refused(chunk(MSG_PONG, 1, 10, 4, 6), words);	/* of the same lane */
	check_refused(chunk(MSG_PING, 2, 10, 4, 6), words);
	check_refused(chunk(MSG_PING, 1, 11, 4, 6), words);
	check_refused(chunk(MSG_PING, 1, 9, 4, 5), words);
	feed(chunk(MSG_SOAK, 1, 10, 0, 4), &m);
	check_refused(chunk(MSG_SOAK, 2, 10, 4, 6), words);
	check_refused(chunk(MSG_SOAK, 1, 100, 4, 6), words);
}

static void a_reset_forgets_what_was_under_way(void **state)
{
	struct message m;

	(void)state;
	feed(chunk(MSG_PING, 1, 10, 0, 4), &m);
	feed(chunk(MSG_SOAK, 1, 10, 0, 4), &m);
	assemble_reset(&a, ROLE_GUEST, EPOCH);
	check_refused(chunk(MSG_PING, 1, 10, 4, 6), "chunk out of order");
	check_refused(chunk(MSG_SOAK, 1, 10, 4, 6), "chunk out of order");
	assert_int_equal(feed(chunk(MSG_PING, 2, 10, 0, 10), &m), 1);
}

#define FRESH_TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH_TEST(a_message_in_one_chunk_is_delivered_where_it_lies),
		FRESH_TEST(an_empty_message_is_delivered),
		FRESH_TEST(chunks_of_any_length_make_the_same_message),
		FRESH_TEST(the_buffer_of_a_lane_takes_the_longest_message),
		FRESH_TEST(lanes_do_not_disturb_each_other),
		FRESH_TEST(bulk_chunks_are_passed_on_as_they_come),
		FRESH_TEST(unknown_types_are_refused),
		FRESH_TEST(types_the_peer_may_not_send_are_refused),
		FRESH_TEST(frames_of_another_session_are_refused),
		FRESH_TEST(lengths_the_table_does_not_allow_are_refused),
		FRESH_TEST(a_message_begins_at_its_beginning),
		FRESH_TEST(a_chunk_follows_where_the_last_one_ended),
		FRESH_TEST(a_chunk_of_another_message_cannot_stand_in),
		FRESH_TEST(a_reset_forgets_what_was_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
