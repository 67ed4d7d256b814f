/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_move_msg.c - messages about moved connections: documented bytes, limits, what is refused
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

#include "proto/assemble.h"
#include "proto/move.h"
#include "proto/msg.h"

/* -- every message: bytes, decoder and encoder -- */

/* Decodes and encodes again what was decoded; -EPROTO, or the length. */
typedef int (*again_fn)(const uint8_t *in, size_t len, uint8_t *out, size_t room);

#define AGAIN(name, type)                                                                          \
	static int name##_again(const uint8_t *in, size_t len, uint8_t *out, size_t room)         \
	{                                                                                          \
		struct type m;                                                                     \
		uint8_t before[sizeof(m)];                                                         \
												   \
		memset(&m, 0x5a, sizeof(m));                                                       \
		memcpy(before, &m, sizeof(m));                                                     \
		if (name##_decode(in, len, &m) == 0)                                               \
			return name##_encode(&m, out, room);                                       \
		assert_memory_equal(&m, before, sizeof(m)); /* untouched */                        \
		return -EPROTO;                                                                    \
	}

AGAIN(move_offer, move_offer)
AGAIN(move_answer, move_answer)
AGAIN(move_file, move_file)
AGAIN(move_item, move_item)
AGAIN(move_pos, move_pos)
AGAIN(move_up, move_up)
AGAIN(move_resume, move_resume)
AGAIN(move_resumed, move_resumed)

static int opened_again(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	uint16_t num = 7;

	if (move_opened_decode(in, len, &num) == 0)
		return move_opened_encode(num, out, room);
	assert_int_equal(num, 7);
	return -EPROTO;
}

static int end_again(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	uint16_t end = 7;

	if (move_end_decode(in, len, &end) == 0)
		return move_end_encode(end, out, room);
	assert_int_equal(end, 7);
	return -EPROTO;
}

static int addresses_again(const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	struct move_address a[HY_TWIN_ADDRS_MAX];
	unsigned int n = 77;

	if (move_addresses_decode(in, len, a, &n) == 0)
		return move_addresses_encode(a, n, out, room);
	assert_int_equal(n, 77);
	return -EPROTO;
}

#define POS "\x08\x07\x06\x05\x04\x03\x02\x01"
#define GOLDEN(what, fn, text) { what, fn, (const uint8_t *)(text), sizeof(text) - 1 }

/* The bytes of docs/wire.md. @open: shorter or longer ones may be right as well. */
static const struct golden {
	const char *what;
	again_fn again;
	const uint8_t *bytes;
	size_t len;
	bool open;
} goldens[] = {
	{ "offer", move_offer_again,
	  (const uint8_t *)POS "\1\0\0\0\0\0\0\0" "\4\3\2\0" "\3\0" "\0\0" "rec" "bytes",
	  32, true },
	GOLDEN("refused", move_answer_again, "\x0d\0"),
	GOLDEN("file", move_file_again,
	       POS "\0\x10\0\0\0\0\0\0" "\xff\0\0\0\0\0\0\xff" "\1" "\3\0" "a/b"),
	GOLDEN("opened", opened_again, "\2\0"),
	{ "data", move_item_again, (const uint8_t *)POS "\1" "hello", 14, true },
	GOLDEN("slice", move_item_again,
	       POS "\2" "\4\3\2\1" "\0\0\0\0\1\0\0\0" "\0\0\0\2\0\0\0\0"),
	GOLDEN("shut", move_item_again, POS "\3"),
	GOLDEN("close", move_item_again, POS "\4"),
	GOLDEN("reset", move_item_again, POS "\5"),
	GOLDEN("taken", move_pos_again, POS "\1"),
	{ "up", move_up_again, (const uint8_t *)POS "hello", 13, true },
	GOLDEN("ended", end_again, "\3\0"),
	GOLDEN("resume", move_resume_again, "\3" POS "\2\0\0\0\0\0\0\0"),
	GOLDEN("resumed", move_resumed_again, "\1" POS "\2\0\0\0\0\0\0\0"),
	GOLDEN("unknown", move_resumed_again, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	GOLDEN("no addresses", addresses_again, "\0\0"),
	GOLDEN("addresses", addresses_again,
	       "\2\0" "\x52\x54\0\1\2\3" "\4" "\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0"
	       "\x52\x54\0\1\2\4" "\6" "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
};

#define GOLDENS (sizeof(goldens) / sizeof(goldens[0]))

/* Through memory of its exact length, so that the address sanitizer sees every read past it. */
static int again_exactly(again_fn again, const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, in, len);
	rc = again(copy, len, out, room);
	free(copy);
	return rc;
}

static void all_messages_have_the_bytes_that_are_documented(void **state)
{
	uint8_t out[HY_CHUNK_MAX];

	(void)state;
	for (const struct golden *g = goldens; g < goldens + GOLDENS; g++) {
		int n = again_exactly(g->again, g->bytes, g->len, out, sizeof(out));

		if (n != (int)g->len || memcmp(out, g->bytes, g->len) != 0)
			fail_msg("%s: %d", g->what, n);
	}
}

static void a_buffer_too_small_for_a_message_is_told(void **state)
{
	uint8_t out[64];

	(void)state;
	for (const struct golden *g = goldens; g < goldens + GOLDENS; g++) {
		for (size_t room = 0; room < g->len; room++) {
			memset(out, 0x77, sizeof(out));
			assert_int_equal(g->again(g->bytes, g->len, out, room), -EMSGSIZE);
			for (size_t i = room; i < sizeof(out); i++)
				assert_int_equal(out[i], 0x77);
		}
	}
}

static void messages_cut_short_or_with_bytes_left_are_refused(void **state)
{
	uint8_t longer[64] = { 0 }, out[64];

	(void)state;
	for (const struct golden *g = goldens; g < goldens + GOLDENS; g++) {
		size_t whole = g->open ? g->len - 5 : g->len;

		for (size_t len = 0; len < whole; len++) {
			if (again_exactly(g->again, g->bytes, len, out, sizeof(out)) != -EPROTO)
				fail_msg("%s cut at %zu", g->what, len);
		}
		if (g->open)
			continue;
		memcpy(longer, g->bytes, g->len);
		longer[g->len] = 0;
		if (again_exactly(g->again, longer, g->len + 1, out, sizeof(out)) != -EPROTO)
			fail_msg("%s with a byte left", g->what);
	}
}

/* -- what makes no sense -- */

struct change {
	const char *what;
	size_t at;
	uint8_t byte;
};

static const struct change changes[] = {
	{ "offer", 7, 0x80 }, { "offer", 15, 0x80 },	/* positions of 2^63 */
	{ "offer", 19, 1 },				/* more bytes to follow than may be */
	{ "offer", 18, 0xc0 },
	{ "offer", 20, 0 },				/* no record */
	{ "offer", 20, 9 }, { "offer", 21, 1 },		/* longer than what is there */
	{ "offer", 22, 1 }, { "offer", 23, 1 },		/* unused */
	{ "file", 15, 0x80 },				/* a size of 2^63 */
	{ "file", 24, 2 }, { "file", 24, 255 },
	{ "file", 25, 2 }, { "file", 25, 4 }, { "file", 26, 1 },
	{ "file", 27, 0 }, { "file", 28, 0 }, { "file", 29, 0 },
	{ "data", 7, 0x80 },
	{ "data", 8, 0 }, { "data", 8, 2 }, { "data", 8, 3 }, { "data", 8, 6 }, { "data", 8, 255 },
	{ "slice", 7, 0x80 },
	{ "slice", 24, 0 },				/* no length */
	{ "slice", 24, 9 }, { "slice", 25, 1 },	/* longer than HY_SLICE_MAX */
	{ "slice", 28, 0x80 }, { "slice", 20, 0x80 }, { "slice", 20, 0xff },
	{ "shut", 8, 1 }, { "shut", 8, 2 }, { "shut", 8, 0 }, { "shut", 8, 6 },
	{ "taken", 7, 0x80 }, { "taken", 8, 2 }, { "taken", 8, 255 },
	{ "up", 7, 0x80 },
	{ "ended", 0, 0 }, { "ended", 0, 4 }, { "ended", 1, 1 },
	{ "resume", 0, 0 }, { "resume", 0, 4 }, { "resume", 8, 0x80 }, { "resume", 16, 0x80 },
	{ "resumed", 0, 0 }, { "resumed", 0, 2 }, { "resumed", 8, 0x80 }, { "resumed", 16, 0xff },
	{ "unknown", 1, 1 }, { "unknown", 16, 1 },
	{ "no addresses", 0, 1 },
	{ "addresses", 0, 1 }, { "addresses", 0, 3 }, { "addresses", 1, 1 },
	{ "addresses", 8, 0 }, { "addresses", 8, 2 }, { "addresses", 31, 10 },
	{ "addresses", 13, 1 }, { "addresses", 24, 1 },	/* behind an IPv4 address */
};

static const struct golden *golden_of(const char *what)
{
	size_t i = 0;

	while (i + 1 < GOLDENS && strcmp(goldens[i].what, what) != 0)
		i++;
	assert_string_equal(goldens[i].what, what);
	return &goldens[i];
}

static void what_makes_no_sense_is_refused(void **state)
{
	uint8_t in[64], out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct golden *g = golden_of(changes[i].what);

		memcpy(in, g->bytes, g->len);
		assert_int_not_equal(in[changes[i].at], changes[i].byte);
		in[changes[i].at] = changes[i].byte;
		if (again_exactly(g->again, in, g->len, out, sizeof(out)) != -EPROTO)
			fail_msg("%s with %u at %zu", g->what, changes[i].byte, changes[i].at);
	}
}

/* -- limits -- */

static void offers_keep_to_one_chunk(void **state)
{
	static uint8_t bytes[MOVE_OFFER_MAX + 1], out[MOVE_OFFER_MAX + 1];
	struct move_offer m = { .record = bytes, .record_len = 400, .bytes = bytes + 400,
				.bytes_len = MOVE_OFFER_ROOM - 400 }, got;

	(void)state;
	m.rest = HY_TCP_QUEUE_MAX - m.bytes_len;
	memset(bytes, 0x11, sizeof(bytes));
	assert_int_equal(move_offer_encode(&m, out, sizeof(out)), MOVE_OFFER_MAX);
	assert_int_equal(move_offer_decode(out, MOVE_OFFER_MAX, &got), 0);
	assert_int_equal(got.record_len, 400);
	assert_ptr_equal(got.record, out + MOVE_OFFER_MIN);
	assert_int_equal(got.bytes_len, m.bytes_len);
	assert_ptr_equal(got.bytes, out + MOVE_OFFER_MIN + 400);
	assert_int_equal(got.rest, m.rest);
	m.rest++;			/* a byte more than queues may have */
	assert_int_equal(move_offer_encode(&m, out, sizeof(out)), MOVE_OFFER_MAX);
	assert_int_equal(move_offer_decode(out, MOVE_OFFER_MAX, &got), -EPROTO);
	m.bytes_len++;
	assert_int_equal(move_offer_encode(&m, out, sizeof(out)), -EMSGSIZE);
	m.bytes_len = 0;
	m.rest = 0;
	assert_int_equal(move_offer_encode(&m, out, sizeof(out)), MOVE_OFFER_MIN + 400);
	assert_int_equal(move_offer_decode(out, MOVE_OFFER_MAX + 1, &got), -EPROTO);
	assert_int_equal(move_offer_decode(out, MOVE_OFFER_MIN + 400, &got), 0);
	assert_int_equal(got.bytes_len, 0);
}

static void data_and_ups_keep_to_one_chunk(void **state)
{
	static uint8_t bytes[HY_CHUNK_MAX + 1], out[HY_CHUNK_MAX + 1];
	struct move_item item = { .kind = ITEM_DATA, .pos = INT64_MAX - MOVE_DATA_MAX,
				  .bytes = bytes, .bytes_len = MOVE_DATA_MAX }, item_got;
	struct move_up up = { .pos = INT64_MAX - MOVE_UP_BYTES_MAX, .bytes = bytes,
			      .bytes_len = MOVE_UP_BYTES_MAX }, up_got;

	(void)state;
	assert_int_equal(move_item_encode(&item, out, sizeof(out)), MOVE_ITEM_MAX);
	assert_int_equal(move_item_decode(out, MOVE_ITEM_MAX, &item_got), 0);
	assert_ptr_equal(item_got.bytes, out + MOVE_ITEM_MIN);
	assert_int_equal(item_got.bytes_len, MOVE_DATA_MAX);
	/* without a byte */
	assert_int_equal(move_item_decode(out, MOVE_ITEM_MIN, &item_got), -EPROTO);
	item.pos++;		/* ends at 2^63 */
	move_item_encode(&item, out, sizeof(out));
	assert_int_equal(move_item_decode(out, MOVE_ITEM_MAX, &item_got), -EPROTO);
	item.pos = 0;
	move_item_encode(&item, out, sizeof(out));
	assert_int_equal(move_item_decode(out, MOVE_ITEM_MAX + 1, &item_got), -EPROTO);
	item.bytes_len++;
	assert_int_equal(move_item_encode(&item, out, sizeof(out)), -EMSGSIZE);

	assert_int_equal(move_up_encode(&up, out, sizeof(out)), MOVE_UP_MAX);
	assert_int_equal(move_up_decode(out, MOVE_UP_MAX, &up_got), 0);
	assert_ptr_equal(up_got.bytes, out + MOVE_UP_MIN);
	assert_int_equal(up_got.bytes_len, MOVE_UP_BYTES_MAX);
	assert_int_equal(move_up_decode(out, MOVE_UP_MIN, &up_got), 0);	/* the client's FIN */
	assert_int_equal(up_got.bytes_len, 0);
	up.pos++;
	move_up_encode(&up, out, sizeof(out));
	assert_int_equal(move_up_decode(out, MOVE_UP_MAX, &up_got), -EPROTO);
	up.pos = 0;
	move_up_encode(&up, out, sizeof(out));
	assert_int_equal(move_up_decode(out, MOVE_UP_MAX + 1, &up_got), -EPROTO);
	up.bytes_len++;
	assert_int_equal(move_up_encode(&up, out, sizeof(out)), -EMSGSIZE);
}

static int slice_rc(uint64_t pos, uint64_t offset, uint64_t len)
{
	struct move_item m = { .pos = pos, .kind = ITEM_SLICE, .offset = offset, .len = len }, got;
	uint8_t out[64];
	int n = move_item_encode(&m, out, sizeof(out));
	int rc = move_item_decode(out, (size_t)n, &got);

	if (rc == 0)
		assert_true(got.pos == pos && got.offset == offset && got.len == len);
	return rc;
}

static void slices_lie_within_a_file_and_a_stream(void **state)
{
	const uint64_t last = INT64_MAX;

	(void)state;
	assert_int_equal(slice_rc(0, 0, 1), 0);
	assert_int_equal(slice_rc(0, 0, HY_SLICE_MAX), 0);
	assert_int_equal(slice_rc(0, last - HY_SLICE_MAX, HY_SLICE_MAX), 0);
	assert_int_equal(slice_rc(last - 1, last - 1, 1), 0);
	assert_int_equal(slice_rc(0, 0, 0), -EPROTO);
	assert_int_equal(slice_rc(0, 0, HY_SLICE_MAX + 1), -EPROTO);
	assert_int_equal(slice_rc(0, last - HY_SLICE_MAX + 1, HY_SLICE_MAX), -EPROTO);
	assert_int_equal(slice_rc(0, last, 1), -EPROTO);
	assert_int_equal(slice_rc(0, UINT64_MAX, 1), -EPROTO);
	assert_int_equal(slice_rc(0, UINT64_MAX - 5, 10), -EPROTO);
	assert_int_equal(slice_rc(0, 10, UINT64_MAX), -EPROTO);
	assert_int_equal(slice_rc(last, 0, 1), -EPROTO);
	assert_int_equal(slice_rc(UINT64_MAX, 0, 1), -EPROTO);
}

static int path_rc(const char *path)
{
	struct move_file m = { .inode = 1 }, got;
	uint8_t out[MOVE_FILE_MAX];
	int n, rc;

	memcpy(m.path, path, strlen(path) + 1);
	n = move_file_encode(&m, out, sizeof(out));
	rc = move_file_decode(out, (size_t)n, &got);
	if (rc == 0)
		assert_string_equal(got.path, path);
	return rc;
}

static void paths_lead_down_and_nowhere_else(void **state)
{
	static const char *const good[] = { "a", "a/b", "a/b/c", "...", "a/...", "..a", "a..", ".a",
					    ".a/.b", "a b", "\xff\n" };
	static const char *const bad[] = { "", "/", "/a", "//a", "a/", "a//b", ".", "..", "./a",
					   "../a", "a/.", "a/..", "a/./b", "a/../b", "a/b/..",
					   "a/b/../../.." };
	char longest[HY_PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (path_rc(good[i]) != 0)
			fail_msg("'%s' is refused", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (path_rc(bad[i]) != -EPROTO)
			fail_msg("'%s' is taken", bad[i]);
	}
	memset(longest, 'x', HY_PATH_MAX);
	longest[HY_PATH_MAX] = '\0';
	assert_int_equal(path_rc(longest), 0);
}

static void a_path_longer_than_may_be_is_refused(void **state)
{
	uint8_t in[MOVE_FILE_MAX + 1];
	struct move_file m;

	(void)state;
	memset(in, 'x', sizeof(in));
	memset(in, 0, MOVE_FILE_MIN);
	in[25] = (HY_PATH_MAX + 1) & 0xff;
	in[26] = (HY_PATH_MAX + 1) >> 8;
	assert_int_equal(move_file_decode(in, sizeof(in), &m), -EPROTO);
	in[25] = HY_PATH_MAX & 0xff;
	in[26] = HY_PATH_MAX >> 8;
	assert_int_equal(move_file_decode(in, sizeof(in), &m), -EPROTO);	/* a byte left */
	assert_int_equal(move_file_decode(in, sizeof(in) - 1, &m), 0);
}

static void addresses_go_up_to_the_limit(void **state)
{
	struct move_address a[HY_TWIN_ADDRS_MAX + 1], got[HY_TWIN_ADDRS_MAX];
	uint8_t out[MOVE_ADDRESSES_MAX + MOVE_ADDRESS_LEN];
	unsigned int n = 0;

	(void)state;
	memset(a, 0, sizeof(a));
	for (unsigned int i = 0; i <= HY_TWIN_ADDRS_MAX; i++) {
		a[i].mac[5] = (uint8_t)i;
		a[i].family = i % 2 ? MOVE_FAMILY_IP4 : MOVE_FAMILY_IP6;
		memset(a[i].addr, (int)i, i % 2 ? 4 : 16);
	}
	assert_int_equal(move_addresses_encode(a, HY_TWIN_ADDRS_MAX, out, sizeof(out)),
			 MOVE_ADDRESSES_MAX);
	assert_int_equal(move_addresses_decode(out, MOVE_ADDRESSES_MAX, got, &n), 0);
	assert_int_equal(n, HY_TWIN_ADDRS_MAX);
	assert_memory_equal(got, a, sizeof(got));
	assert_int_equal(move_addresses_encode(a, HY_TWIN_ADDRS_MAX + 1, out, sizeof(out)),
			 -EMSGSIZE);
	memcpy(out + MOVE_ADDRESSES_MAX, out + 2, MOVE_ADDRESS_LEN);
	out[0] = HY_TWIN_ADDRS_MAX + 1;
	assert_int_equal(move_addresses_decode(out, sizeof(out), got, &n), -EPROTO);
	out[0] = out[1] = 0xff;
	assert_int_equal(move_addresses_decode(out, sizeof(out), got, &n), -EPROTO);
	assert_int_equal(n, HY_TWIN_ADDRS_MAX);
	/* what a caller gets can be given to socket(2) */
	assert_int_equal(MOVE_FAMILY_IP4, AF_INET);
	assert_int_equal(MOVE_FAMILY_IP6, AF_INET6);
}

/* -- reasons -- */

static void every_reason_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MOVE_REASONS; i++) {
		assert_non_null(move_reason_name(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(move_reason_name(i), move_reason_name(j));
	}
	assert_string_equal(move_reason_name(MOVE_DONE), "moved");
	assert_string_equal(move_reason_name(MOVE_NO_TWIN), "no-twin");
	assert_string_equal(move_reason_name(MOVE_ERROR), "error");
	assert_string_equal(move_reason_name(MOVE_REASONS), "error");
	assert_string_equal(move_reason_name(UINT32_MAX), "error");
}

/* So that it may be an index of counters. */
static void a_reason_of_a_newer_peer_becomes_an_error(void **state)
{
	const uint8_t newer[2] = { MOVE_REASONS };
	struct move_answer m = { .reason = 1 };

	(void)state;
	assert_int_equal(move_answer_decode((const uint8_t *)"\0\0", 2, &m), 0);
	assert_int_equal(m.reason, MOVE_DONE);
	assert_int_equal(move_answer_decode(newer, 2, &m), 0);
	assert_int_equal(m.reason, MOVE_ERROR);
	assert_int_equal(move_answer_decode((const uint8_t *)"\xff\xff", 2, &m), 0);
	assert_int_equal(m.reason, MOVE_ERROR);
}

/* -- rows -- */

static void rows_have_the_lane_and_side_of_the_design(void **state)
{
	static const struct {
		uint16_t type;
		enum msg_lane lane;
		uint8_t senders;
	} rows[] = {
		{ MSG_OFFER, LANE_URGENT, ROLE_GUEST },
		{ MSG_QUEUE, LANE_BULK, ROLE_HOST | ROLE_GUEST },
		{ MSG_ADOPTED, LANE_URGENT, ROLE_HOST },
		{ MSG_REFUSED, LANE_URGENT, ROLE_HOST },
		{ MSG_CANCEL, LANE_URGENT, ROLE_GUEST },
		{ MSG_FILE_OPEN, LANE_URGENT, ROLE_GUEST },
		{ MSG_FILE_OPENED, LANE_URGENT, ROLE_HOST },
		{ MSG_FILE_CLOSE, LANE_STREAM, ROLE_GUEST },
		{ MSG_ITEM, LANE_STREAM, ROLE_GUEST },
		{ MSG_SENT, LANE_STREAM, ROLE_HOST },
		{ MSG_STUCK, LANE_STREAM, ROLE_HOST },
		{ MSG_UP, LANE_STREAM, ROLE_HOST },
		{ MSG_TAKEN, LANE_STREAM, ROLE_GUEST },
		{ MSG_ENDED, LANE_STREAM, ROLE_HOST },
		{ MSG_RESUME, LANE_URGENT, ROLE_GUEST },
		{ MSG_RESUMED, LANE_URGENT, ROLE_HOST },
		{ MSG_HOME, LANE_URGENT, ROLE_GUEST },
		{ MSG_HOME_OFFER, LANE_STREAM, ROLE_HOST },
		{ MSG_HOME_TAKEN, LANE_URGENT, ROLE_GUEST },
		{ MSG_HOME_DONE, LANE_URGENT, ROLE_HOST },
		{ MSG_ADDRESSES, LANE_URGENT, ROLE_GUEST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct msg_info *row = msg_info(rows[i].type);

		assert_int_equal(row->lane, rows[i].lane);
		assert_int_equal(row->senders, rows[i].senders);
	}
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_messages_have_the_bytes_that_are_documented),
		TEST(a_buffer_too_small_for_a_message_is_told),
		TEST(messages_cut_short_or_with_bytes_left_are_refused),
		TEST(what_makes_no_sense_is_refused),
		TEST(offers_keep_to_one_chunk),
		TEST(data_and_ups_keep_to_one_chunk),
		TEST(slices_lie_within_a_file_and_a_stream),
		TEST(paths_lead_down_and_nowhere_else),
		TEST(a_path_longer_than_may_be_is_refused),
		TEST(addresses_go_up_to_the_limit),
		TEST(every_reason_has_a_name_of_its_own),
		TEST(a_reason_of_a_newer_peer_becomes_an_error),
		TEST(rows_have_the_lane_and_side_of_the_design),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
