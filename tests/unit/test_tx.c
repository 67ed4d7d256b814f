/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_tx.c - what is sent first, how far the bulk lane may run ahead, and who is told what
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "channel/tx.h"
#include "proto/move.h"
#include "tests/unit/prng.h"

#define BULK_TOTAL (4u << 20)
#define PINGS_MAX 4096

static struct chan_tx tx;
static uint8_t bulk[BULK_TOTAL];

/* A transport that buffers without end, and a peer that reads from it as slowly as it likes. */
static struct {
	uint8_t bytes[2 * BULK_TOTAL];
	size_t len, taken;		/* written by us; read by the peer */
	uint32_t bulk_left;		/* bytes of the bulk lane between the two */
	uint32_t bulk_seen;
	uint32_t next_ping;		/* the peer expects pings numbered from 0 */
} wire;

/* Bulk bytes that stood before a ping when it was queued: those the peer had not read yet. */
static size_t taken_at_ping[PINGS_MAX];

struct told {
	int times, rc;
};

static void tell(struct chan_stream *s, int rc)
{
	struct told *told = s->object;

	told->times++;
	told->rc = rc;
}

static struct chan_stream stream_of(uint32_t total, struct told *told)
{
	*told = (struct told){ 0 };
	return (struct chan_stream){ .type = MSG_SOAK, .id = 1, .data = bulk, .total = total,
				     .done = tell, .object = told };
}

static int fill_bulk(void **state)
{
	uint32_t random = 7;

	(void)state;
	prng_fill(&random, bulk, sizeof(bulk));
	return 0;
}

static int start(void **state)
{
	struct msg_hello hello = { .proto_min = 1, .proto_max = 1, .epoch = 5,
				   .role = ROLE_HOST };
	const uint8_t *p;

	(void)state;
	memset(&tx, 0, sizeof(tx));
	tx_greet(&tx, &hello);
	tx_written(&tx, tx_next(&tx, &p));
	wire.len = wire.taken = 0;
	wire.bulk_left = wire.bulk_seen = wire.next_ping = 0;
	return 0;
}

static int queue_ping(uint32_t id)
{
	uint8_t payload[4] = { (uint8_t)id, (uint8_t)(id >> 8), 0xf1, 0 };

	return tx_message(&tx, msg_info(MSG_PING), id, payload, sizeof(payload));
}

/* Writes at most @n bytes, as a transport with so much room would take them. */
static size_t write_some(size_t n)
{
	size_t done = 0, left;
	const uint8_t *p;

	while (done < n && (left = tx_next(&tx, &p)) > 0) {
		left = left < n - done ? left : n - done;
		assert_true(left <= sizeof(wire.bytes) - wire.len);
		memcpy(wire.bytes + wire.len, p, left);
		wire.len += left;
		tx_written(&tx, left);
		done += left;
		assert_true(tx.bulk_unpaid <= MSG_BULK_WINDOW);
	}
	return done;
}

/* The peer takes a whole frame, if there is one. */
static bool peer_takes(struct frame *f)
{
	const uint8_t *at = wire.bytes + wire.taken;

	if (wire.len - wire.taken < FRAME_HEADER_LEN)
		return false;
	assert_int_equal(frame_decode_header(at, f), 0);
	if (wire.len - wire.taken < (size_t)FRAME_OVERHEAD + f->len)
		return false;
	assert_true(frame_is_closed(f, at));
	f->payload = at + FRAME_HEADER_LEN;
	wire.taken += FRAME_OVERHEAD + f->len;
	return true;
}

/* Bulk payload among the frames that lie on the wire from @from up to @to. */
static size_t bulk_between(size_t from, size_t to)
{
	size_t bytes = 0;
	struct frame f;

	while (from < to) {
		assert_int_equal(frame_decode_header(wire.bytes + from, &f), 0);
		bytes += f.type == MSG_SOAK ? f.len : 0;
		from += FRAME_OVERHEAD + f.len;
	}
	return bytes;
}

static void check_ping(const struct frame *f)
{
	size_t at = wire.taken - FRAME_OVERHEAD - f->len;

	assert_int_equal(f->id, wire.next_ping);
	assert_true(bulk_between(taken_at_ping[f->id], at) <= MSG_BULK_WINDOW);
	wire.next_ping++;
}

/* The peer reads one frame; for bulk it gives credit at once. */
static bool peer_reads(void)
{
	struct frame f;

	if (!peer_takes(&f))
		return false;
	if (f.type == MSG_PING) {
		check_ping(&f);
		return true;
	}
	assert_int_equal(f.type, MSG_SOAK);
	assert_int_equal(f.offset, wire.bulk_seen);
	assert_memory_equal(f.payload, bulk + f.offset, f.len);
	wire.bulk_seen += f.len;
	assert_int_equal(tx_credit(&tx, f.len), 0);
	return true;
}

/* 4 MB are under way, writes and reads come as they like, and pings at any moment. */
static void a_ping_has_one_window_of_bulk_before_it_at_most(void **state)
{
	uint32_t random = 8, pings = 0;
	struct told told;
	struct chan_stream s = stream_of(BULK_TOTAL, &told);

	(void)state;
	tx_stream(&tx, &s);
	while (wire.bulk_seen < BULK_TOTAL) {
		write_some(1 + prng_below(&random, 6000));
		if (pings < PINGS_MAX && prng_below(&random, 2) == 0) {
			taken_at_ping[pings] = wire.taken;
			if (queue_ping(pings) == 0)
				pings++;
		}
		if (prng_below(&random, 3) == 0)
			peer_reads();
	}
	while (write_some(SIZE_MAX) > 0 || peer_reads())
		;
	assert_int_equal(wire.next_ping, pings);
	assert_true(pings > 500);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.rc, 0);
}

/* The same at every single byte of the first two chunks, to a peer that reads nothing. */
static void a_ping_waits_for_the_frame_that_was_begun_and_no_longer(void **state)
{
	(void)state;
	for (size_t moment = 0; moment <= MSG_BULK_WINDOW + 2 * FRAME_OVERHEAD; moment++) {
		struct told told;
		struct chan_stream s = stream_of(BULK_TOTAL, &told);
		size_t at = 0;
		struct frame f = { 0 };

		wire.len = wire.taken = 0;
		tx_stream(&tx, &s);
		write_some(moment);
		assert_int_equal(queue_ping(7), 0);
		write_some(SIZE_MAX);
		while (peer_takes(&f) && f.type != MSG_PING)
			at = wire.taken;
		assert_int_equal(f.type, MSG_PING);
		assert_true(at <= MSG_BULK_WINDOW + 2 * FRAME_OVERHEAD);
		/* it begins where the frame ended that was on its way */
		assert_true(at < moment + MSG_BULK_WINDOW / 2 + FRAME_OVERHEAD);
		tx_reset(&tx, 5);
	}
}

static void lanes_go_in_the_order_of_their_urgency(void **state)
{
	static const uint8_t zeros[MOVE_RESUME_LEN];
	static const uint16_t expected[] = { MSG_PING, MSG_PING, MSG_RESUME, MSG_TAKEN, MSG_ITEM,
					     MSG_SOAK };
	struct told told;
	struct chan_stream s = stream_of(10, &told);
	struct frame f;

	(void)state;
	tx_stream(&tx, &s);
	assert_int_equal(tx_message(&tx, msg_info(MSG_TAKEN), 1, zeros, MOVE_POS_LEN), 0);
	assert_int_equal(tx_message(&tx, msg_info(MSG_ITEM), 1, bulk, MOVE_ITEM_MAX), 0);
	assert_int_equal(tx_message(&tx, msg_info(MSG_RESUME), 1, zeros, sizeof(zeros)), 0);
	assert_int_equal(queue_ping(0), 0);
	assert_int_equal(queue_ping(1), 0);
	write_some(SIZE_MAX);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(peer_takes(&f));
		assert_int_equal(f.type, expected[i]);
		assert_int_equal(f.epoch, 5);
	}
	assert_false(peer_takes(&f));
}

/* -- the window of the bulk lane -- */

static void bulk_stops_at_the_window_until_it_is_paid(void **state)
{
	struct told told;
	struct chan_stream s = stream_of(BULK_TOTAL, &told);

	(void)state;
	tx_stream(&tx, &s);
	write_some(SIZE_MAX);
	assert_int_equal(s.offset, MSG_BULK_WINDOW);
	assert_int_equal(write_some(SIZE_MAX), 0);
	assert_int_equal(tx_credit(&tx, 1), 0);
	assert_int_equal(write_some(SIZE_MAX), FRAME_OVERHEAD + 1);
	assert_int_equal(write_some(SIZE_MAX), 0);
	assert_int_equal(tx_credit(&tx, MSG_BULK_WINDOW), 0);
	write_some(SIZE_MAX);
	assert_int_equal(s.offset, 2 * MSG_BULK_WINDOW + 1);
	assert_int_equal(told.times, 0);
}

static void credit_for_more_than_was_sent_is_refused(void **state)
{
	struct told told;
	struct chan_stream s = stream_of(100, &told);

	(void)state;
	assert_int_equal(tx_credit(&tx, 0), 0);
	assert_int_equal(tx_credit(&tx, 1), -EPROTO);
	tx_stream(&tx, &s);
	write_some(SIZE_MAX);
	assert_int_equal(tx_credit(&tx, 101), -EPROTO);
	assert_int_equal(tx_credit(&tx, UINT64_MAX), -EPROTO);
	assert_int_equal(tx_credit(&tx, (UINT64_C(1) << 32) + 1), -EPROTO);
	assert_int_equal(tx.bulk_unpaid, 100);
	assert_int_equal(tx_credit(&tx, 60), 0);
	assert_int_equal(tx_credit(&tx, 41), -EPROTO);
	assert_int_equal(tx_credit(&tx, 40), 0);
	assert_int_equal(tx.bulk_unpaid, 0);
}

static void streams_follow_each_other(void **state)
{
	struct told told[3];
	struct chan_stream s[3];
	uint32_t seen[3] = { 0 };
	struct frame f;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		s[i] = stream_of(20000 + i, &told[i]);
		s[i].id = i;
		tx_stream(&tx, &s[i]);
	}
	while (write_some(SIZE_MAX) > 0) {
		while (peer_takes(&f)) {
			assert_int_equal(f.offset, seen[f.id]);
			seen[f.id] += f.len;
			assert_true(f.id == 0 || seen[f.id - 1] == s[f.id - 1].total);
			tx_credit(&tx, f.len);
		}
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(seen[i], s[i].total);
		assert_int_equal(told[i].times, 1);
		assert_int_equal(told[i].rc, 0);
	}
}

/* Items without end, and a queue that must arrive nevertheless; neither stops the other. */
static void a_stream_without_end_lets_bulk_pass(void **state)
{
	size_t before = 0;
	struct told told;
	struct chan_stream s = stream_of(BULK_TOTAL / 16, &told);
	struct frame f;

	(void)state;
	tx_stream(&tx, &s);
	while (!told.times) {
		while (tx_message(&tx, msg_info(MSG_ITEM), 1, bulk, 1000) == 0)
			;
		assert_int_equal(write_some(5000), 5000);
		while (peer_takes(&f)) {
			if (f.type == MSG_ITEM) {
				before += FRAME_OVERHEAD + f.len;
				continue;
			}
			assert_true(before >= TX_STREAM_TURN);
			/* the frame that fills the turn, and what goes until the credit comes */
			assert_true(before <= TX_STREAM_TURN + FRAME_LEN_MAX);
			assert_int_equal(tx_credit(&tx, f.len), 0);
			before = 0;
		}
	}
}

/* What is not ready does not collect turns: the stream goes on while bulk waits for credit. */
static void bulk_without_credit_has_no_turn(void **state)
{
	struct told told;
	struct chan_stream s = stream_of(BULK_TOTAL / 16, &told);
	size_t seen = 0;
	struct frame f;

	(void)state;
	tx_stream(&tx, &s);
	write_some(SIZE_MAX);			/* the window is full */
	for (int i = 0; i < 10 * TX_STREAM_TURN / 1000; i++) {
		assert_int_equal(tx_message(&tx, msg_info(MSG_ITEM), 1, bulk, 1000), 0);
		write_some(SIZE_MAX);
	}
	assert_int_equal(s.offset, MSG_BULK_WINDOW);
	assert_int_equal(tx_message(&tx, msg_info(MSG_ITEM), 2, bulk, 1000), 0);
	assert_int_equal(tx_credit(&tx, MSG_BULK_WINDOW), 0);
	write_some(FRAME_OVERHEAD + 1000);
	while (peer_takes(&f))
		seen = f.id;
	assert_int_equal(seen, 2);		/* the item was first */
}

/* -- full lanes -- */

static void a_full_lane_refuses_and_loses_nothing(void **state)
{
	uint8_t payload[MSG_PING_MAX];
	uint32_t random = 9, accepted = 0, seen = 0;
	struct frame f;

	(void)state;
	for (int round = 0; round < 50; round++) {
		int rc = 0;

		while (rc == 0) {
			memset(payload, (int)(accepted & 0xff), sizeof(payload));
			rc = tx_message(&tx, msg_info(MSG_PING), accepted, payload,
					prng_below(&random, MSG_PING_MAX + 1));
			accepted += rc == 0;
		}
		assert_int_equal(rc, -EAGAIN);
		assert_false(tx_has_room(&tx, LANE_CONTROL));
		write_some(prng_below(&random, HY_CHAN_QUEUE_MAX));
		while (peer_takes(&f)) {
			assert_int_equal(f.id, seen);
			for (uint16_t i = 0; i < f.len; i++)
				assert_int_equal(f.payload[i], seen & 0xff);
			seen++;
		}
	}
	write_some(SIZE_MAX);
	while (peer_takes(&f))
		assert_int_equal(f.id, seen++);
	assert_int_equal(seen, accepted);
	assert_true(tx_has_room(&tx, LANE_CONTROL));
}

static const struct msg_info *const one_per_lane[LANE_BULK] = {
	&(const struct msg_info){ .type = MSG_PING, .lane = LANE_CONTROL, .max = HY_CHUNK_MAX },
	&(const struct msg_info){ .type = MSG_OFFER, .lane = LANE_URGENT, .max = HY_CHUNK_MAX },
	&(const struct msg_info){ .type = MSG_ITEM, .lane = LANE_STREAM, .max = HY_CHUNK_MAX },
};

static void one_full_lane_does_not_stop_the_others(void **state)
{
	(void)state;
	for (enum msg_lane full = 0; full < LANE_BULK; full++) {
		tx_reset(&tx, 5);
		while (tx_message(&tx, one_per_lane[full], 1, bulk, 100) == 0)
			;
		for (enum msg_lane other = 0; other < LANE_BULK; other++) {
			assert_int_equal(tx_has_room(&tx, other), other != full);
			assert_int_equal(tx_message(&tx, one_per_lane[other], 1, bulk, 100),
					 other != full ? 0 : -EAGAIN);
		}
	}
}

/* Nobody is told of room who was not refused, and who was is told once. */
static void room_is_told_to_whom_was_refused_and_once(void **state)
{
	struct frame f;

	(void)state;
	for (enum msg_lane lane = 0; lane < LANE_BULK; lane++) {
		unsigned int queued = 0;

		tx_reset(&tx, 5);
		wire.len = wire.taken = 0;
		while (tx_message(&tx, one_per_lane[lane], queued, bulk, 100) == 0) {
			assert_false(tx_room_is_due(&tx));
			queued++;
		}
		assert_false(tx_take_room(&tx));	/* it is full */
		while (!tx_room_is_due(&tx))
			assert_int_equal(write_some(10), 10);
		/* then the longest and most costly one fits */
		assert_true(tx_has_room(&tx, lane));
		assert_true(tx_take_room(&tx));
		assert_false(tx_room_is_due(&tx) || tx_take_room(&tx));
		write_some(SIZE_MAX);
		assert_false(tx_room_is_due(&tx));
		for (unsigned int i = 0; i < queued; i++) {
			assert_true(peer_takes(&f));
			assert_int_equal(f.id, i);
		}
		assert_false(peer_takes(&f));
	}
}

static void a_reset_owes_nobody_room(void **state)
{
	(void)state;
	while (tx_message(&tx, one_per_lane[LANE_STREAM], 1, bulk, 100) == 0)
		;
	tx_reset(&tx, 6);
	assert_false(tx_room_is_due(&tx) || tx_take_room(&tx));
}

/* A message of nothing but marks fits where there is said to be room, and nowhere else. */
static void room_is_room_for_the_most_costly_message(void **state)
{
	static const struct msg_info row = { .type = 7, .lane = LANE_URGENT,
					     .max = HY_CHUNK_MAX };
	uint8_t payload[HY_CHUNK_MAX];
	size_t tail;
	int rc = 0;

	(void)state;
	for (size_t at = 0; at < sizeof(payload); at++)
		payload[at] = (uint8_t)FRAME_MARK[at % FRAME_MARK_LEN];
	for (size_t small = 0; small < HY_CHAN_QUEUE_MAX / FRAME_HEADER_LEN; small += 3) {
		bool has_room;

		tx_reset(&tx, 5);
		for (size_t i = 0; i < small; i++)
			tx_message(&tx, &row, 1, payload, 7);
		has_room = tx_has_room(&tx, LANE_URGENT);
		tail = tx.lane[LANE_URGENT].tail;
		rc = tx_message(&tx, &row, 1, payload, sizeof(payload));
		assert_true(rc == 0 || (rc == -EAGAIN && !has_room));
		assert_true(tx.lane[LANE_URGENT].tail <= HY_CHAN_QUEUE_MAX);
		/* what was refused has left nothing behind */
		assert_true(rc == 0 || tx.lane[LANE_URGENT].tail == tail);
	}
	assert_int_equal(rc, -EAGAIN);
	assert_false(tx_has_room(&tx, LANE_URGENT));
}

static void messages_the_table_does_not_allow_are_refused(void **state)
{
	uint8_t payload[MSG_PING_MAX + 1] = { 0 };

	(void)state;
	assert_int_equal(tx_message(&tx, msg_info(MSG_SOAK), 1, payload, 10), -EINVAL);
	assert_int_equal(tx_message(&tx, msg_info(MSG_PING), 1, payload, MSG_PING_MAX + 1),
			 -EINVAL);
	assert_int_equal(tx_message(&tx, msg_info(MSG_CREDIT), 1, payload, 7), -EINVAL);
	assert_int_equal(tx_message(&tx, msg_info(MSG_PING), 1, NULL, 0), 0);
	assert_int_equal(write_some(SIZE_MAX), FRAME_OVERHEAD);
}

/* -- ends and beginnings -- */

static void a_reset_tells_every_stream_once(void **state)
{
	struct told told[3];
	struct chan_stream s[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		s[i] = stream_of(10000, &told[i]);
		tx_stream(&tx, &s[i]);
	}
	write_some(12000);	/* the first is through, the second half sent */
	assert_int_equal(told[0].times, 1);
	assert_int_equal(told[0].rc, 0);
	tx_reset(&tx, 6);
	tx_reset(&tx, 7);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(told[i].times, 1);
		assert_int_equal(told[i].rc, -ECONNRESET);
	}
	assert_int_equal(told[0].times, 1);
	assert_int_equal(write_some(SIZE_MAX), 0);
	assert_int_equal(tx.bulk_unpaid, 0);
	assert_int_equal(queue_ping(0), 0);
}

/* Frees the stream, and for a failed one queues no other. */
static void tell_and_free(struct chan_stream *s, int rc)
{
	tell(s, rc);
	free(s);
}

static void a_stream_may_be_freed_when_it_is_told(void **state)
{
	struct told told[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct chan_stream *s = malloc(sizeof(*s));

		assert_non_null(s);
		*s = stream_of(9000, &told[i]);
		s->done = tell_and_free;
		tx_stream(&tx, s);
	}
	write_some(10000);
	tx_reset(&tx, 6);
	assert_int_equal(told[0].rc, 0);
	assert_int_equal(told[1].rc, -ECONNRESET);
	assert_int_equal(told[0].times + told[1].times, 2);
}

/* "0 when the last byte went out": a session that ends before that has not sent it. */
static void a_stream_is_not_done_before_its_last_byte_is_written(void **state)
{
	struct told told;
	struct chan_stream s = stream_of(100, &told);

	(void)state;
	tx_stream(&tx, &s);
	assert_int_equal(write_some(FRAME_OVERHEAD + 99), FRAME_OVERHEAD + 99);
	assert_int_equal(told.times, 0);
	tx_reset(&tx, 6);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.rc, -ECONNRESET);
}

static void a_greeting_comes_before_all_and_forgets_the_rest(void **state)
{
	struct msg_hello hello = { .proto_min = 1, .proto_max = 1, .epoch = 77,
				   .role = ROLE_HOST, .software = "s" };
	struct told told;
	struct chan_stream s = stream_of(BULK_TOTAL, &told);
	const uint8_t *p;
	struct frame f;
	size_t len;

	(void)state;
	tx_stream(&tx, &s);
	write_some(100);	/* in the middle of a frame */
	assert_int_equal(queue_ping(1), 0);
	tx_greet(&tx, &hello);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.rc, -ECONNRESET);
	len = tx_next(&tx, &p);
	assert_memory_equal(p, FRAME_MARK, FRAME_MARK_LEN);
	assert_int_equal(frame_decode_header(p + FRAME_MARK_LEN, &f), 0);
	assert_int_equal(f.type, MSG_HELLO);
	assert_int_equal(f.epoch, 77);
	assert_int_equal(len, FRAME_MARK_LEN + FRAME_OVERHEAD + f.len);
	assert_int_equal(f.total, f.len);
	tx_written(&tx, len);
	assert_int_equal(tx_next(&tx, &p), 0);
}

/* Whoever reads wakes up at the first byte: what waits by then is to be there. */
static void what_waits_leaves_in_one_write(void **state)
{
	static const uint8_t item[100];
	struct told told;
	struct chan_stream s = stream_of(BULK_TOTAL, &told);
	const uint8_t *p;
	struct frame f;
	size_t len;

	(void)state;
	tx_stream(&tx, &s);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(tx_message(&tx, msg_info(MSG_ITEM), i, item, sizeof(item)),
				 0);
	assert_int_equal(queue_ping(4), 0);
	len = tx_next(&tx, &p);
	assert_int_equal(write_some(len), len);
	for (uint32_t id = 4; peer_takes(&f); id = id % 4 + 1)
		assert_int_equal(f.id, id);
	assert_int_equal(f.id, 3);
	assert_int_equal(wire.taken, len);	/* and no bulk behind them */
}

/* Together they are no longer than the longest: what comes now waits for no more than before. */
static void one_write_is_no_longer_than_a_frame(void **state)
{
	static const uint8_t item[HY_CHUNK_MAX * 2 / 5];
	const uint8_t *p;
	struct frame f;
	size_t len;

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(tx_message(&tx, msg_info(MSG_ITEM), i, item, sizeof(item)), 0);
	len = tx_next(&tx, &p);
	assert_int_equal(len, 2 * (FRAME_OVERHEAD + sizeof(item)));
	assert_int_equal(queue_ping(4), 0);
	assert_int_equal(write_some(len), len);
	assert_true(tx_next(&tx, &p) > 0);
	assert_int_equal(frame_decode_header(p, &f), 0);
	assert_int_equal(f.type, MSG_PING);
}

#define TX_TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TX_TEST(a_ping_has_one_window_of_bulk_before_it_at_most),
		TX_TEST(a_ping_waits_for_the_frame_that_was_begun_and_no_longer),
		TX_TEST(lanes_go_in_the_order_of_their_urgency),
		TX_TEST(bulk_stops_at_the_window_until_it_is_paid),
		TX_TEST(credit_for_more_than_was_sent_is_refused),
		TX_TEST(streams_follow_each_other),
		TX_TEST(a_full_lane_refuses_and_loses_nothing),
		TX_TEST(a_stream_without_end_lets_bulk_pass),
		TX_TEST(bulk_without_credit_has_no_turn),
		TX_TEST(one_full_lane_does_not_stop_the_others),
		TX_TEST(room_is_told_to_whom_was_refused_and_once),
		TX_TEST(a_reset_owes_nobody_room),
		TX_TEST(room_is_room_for_the_most_costly_message),
		TX_TEST(messages_the_table_does_not_allow_are_refused),
		TX_TEST(a_reset_tells_every_stream_once),
		TX_TEST(a_stream_may_be_freed_when_it_is_told),
		TX_TEST(a_stream_is_not_done_before_its_last_byte_is_written),
		TX_TEST(what_waits_leaves_in_one_write),
		TX_TEST(one_write_is_no_longer_than_a_frame),
		TX_TEST(a_greeting_comes_before_all_and_forgets_the_rest),
	};

	return cmocka_run_group_tests(tests, fill_bulk, NULL);
}
