/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_chan_room.c - senders with more to say than a lane takes: who waits, who is told
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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/move.h"
#include "tests/unit/chan_world.h"

#define MANY 3000
#define SMALL_PIPE 4608			/* the least the kernel gives a socket */

/* What a side says without end: messages of one type, numbered from 1 by their ids. */
struct talk {
	uint16_t type;
	uint32_t said, heard;		/* numbers of the last ones */
	uint32_t refused;
};

static struct talk host_talk, guest_talk;
static uint8_t bytes[HY_CHUNK_MAX];

static void small_pipe(const struct side *s)
{
	static const int room = SMALL_PIPE;

	assert_int_equal(setsockopt(s->chan.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
}

/* Both sides up, with little room between them. */
static void open_both(void)
{
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	RUN_UNTIL(host.chan.state == CHAN_UP && guest.chan.state == CHAN_UP);
	small_pipe(&host);
	small_pipe(&guest);
	host_talk = guest_talk = (struct talk){ 0 };
}

static void check_untroubled(const struct side *s)
{
	assert_int_equal(s->downs, 0);
	assert_int_equal(s->chan.count.faults, 0);
}

/* -- talking without end -- */

/* Lengths of every size, the longest too. */
static size_t length_of(uint16_t type, uint32_t number)
{
	const struct msg_info *row = msg_info(type);

	return row->min + (row->max - row->min) * (size_t)(number % 8) / 7;
}

static void say_all(struct side *s, struct talk *talk)
{
	int rc = 0;

	while (rc == 0 && talk->said < MANY) {
		rc = chan_send(&s->chan, talk->type, talk->said + 1, bytes,
			       length_of(talk->type, talk->said + 1));
		talk->said += rc == 0;
	}
	assert_true(rc == 0 || rc == -EAGAIN);
	talk->refused += rc == -EAGAIN;
}

/* Numbers and lengths as they were said: nothing lost, doubled or in another order. */
static void hear(const struct side *s, struct talk *other)
{
	if (s->last_type != other->type)
		return;
	assert_int_equal(s->last_id, ++other->heard);
	assert_int_equal(s->last_len, length_of(other->type, other->heard));
}

static void host_says(struct side *s)
{
	say_all(s, &host_talk);
}

static void guest_says(struct side *s)
{
	say_all(s, &guest_talk);
}

static void host_hears(struct side *s)
{
	hear(s, &guest_talk);
}

static void guest_hears(struct side *s)
{
	hear(s, &host_talk);
}

static void start_flood(uint16_t host_type, uint16_t guest_type)
{
	open_both();
	host_talk.type = host_type;
	guest_talk.type = guest_type;
	host.on_room = host_says;
	guest.on_room = guest_says;
	host.on_message = host_hears;
	guest.on_message = guest_hears;
	host_says(&host);
	guest_says(&guest);
}

static void check_flood(void)
{
	RUN_UNTIL(host_talk.heard == MANY && guest_talk.heard == MANY);
	/* it was a flood: both were refused, and told each time */
	assert_true(host_talk.refused > 10 && guest_talk.refused > 10);
	assert_int_equal(host.rooms, host_talk.refused);
	assert_int_equal(guest.rooms, guest_talk.refused);
	world_settle();			/* and nobody is kept busy afterwards */
	check_untroubled(&host);
	check_untroubled(&guest);
}

static void both_ends_flood_and_neither_stops(void **state)
{
	(void)state;
	start_flood(MSG_UP, MSG_ITEM);
	check_flood();
}

/* The same when whoever hears something says something at once, instead of waiting for room. */
static void host_hears_and_says(struct side *s)
{
	host_hears(s);
	host_says(s);
}

static void guest_hears_and_says(struct side *s)
{
	guest_hears(s);
	guest_says(s);
}

static void both_ends_flood_from_what_they_hear(void **state)
{
	(void)state;
	start_flood(MSG_UP, MSG_ITEM);
	host.on_message = host_hears_and_says;
	guest.on_message = guest_hears_and_says;
	RUN_UNTIL(host_talk.heard == MANY && guest_talk.heard == MANY);
	world_settle();
	check_untroubled(&host);
	check_untroubled(&guest);
}

/* -- questions of the guest, each answered by the host from message() -- */

static uint32_t answers;

static void answer_resume(struct side *s)
{
	assert_int_equal(s->last_type, MSG_RESUME);
	/* in the host there is always room for one */
	assert_int_equal(chan_send(&s->chan, MSG_RESUMED, s->last_id, bytes, MOVE_RESUME_LEN), 0);
}

static void take_answer(struct side *s)
{
	assert_int_equal(s->last_type, MSG_RESUMED);
	assert_int_equal(s->last_id, ++answers);
}

static void a_guest_asks_without_end_and_is_answered(void **state)
{
	(void)state;
	answers = 0;
	open_both();
	guest_talk.type = MSG_RESUME;
	host.on_message = answer_resume;
	guest.on_message = take_answer;
	guest.on_room = guest_says;
	guest_says(&guest);
	assert_true(guest_talk.refused > 0);
	RUN_UNTIL(answers == MANY);
	assert_int_equal(guest.rooms, guest_talk.refused);
	check_untroubled(&host);
	check_untroubled(&guest);
}

/* -- a queue in the bulk lane behind all that -- */

static int done_times, done_rc;

static void count_done(struct chan_stream *s, int rc)
{
	(void)s;
	done_times++;
	done_rc = rc;
}

static void a_queue_arrives_while_items_go_on(void **state)
{
	static uint8_t queue[200000];
	struct chan_stream s = { .type = MSG_SOAK, .id = 9, .data = queue,
				 .total = sizeof(queue), .done = count_done };

	(void)state;
	done_times = 0;
	start_flood(MSG_UP, MSG_ITEM);
	assert_int_equal(chan_send_stream(&guest.chan, &s), 0);
	RUN_UNTIL(done_times == 1);
	assert_int_equal(done_rc, 0);
	assert_true(guest_talk.said < MANY);	/* there was more to say all the time */
	check_flood();
}

/* -- who reads, who does not -- */

static void open_raw(struct side *s, enum msg_role role)
{
	host_talk = guest_talk = (struct talk){ .type = MSG_ITEM };
	if (role == ROLE_HOST) {
		side_open(s, ROLE_HOST, CHAN_UNIX);
		raw_connect(&raw, ROLE_GUEST);
	} else {
		int listener = raw_listen();

		side_open(s, ROLE_GUEST, CHAN_UNIX);
		raw_accept(&raw, listener, ROLE_HOST);
		close(listener);
	}
	raw_greet(&raw, s);
}

static void a_full_stream_lane_does_not_keep_a_side_from_reading(void **state)
{
	(void)state;
	open_raw(&guest, ROLE_GUEST);
	guest_says(&guest);
	assert_int_equal(guest_talk.refused, 1);
	assert_false(tx_has_room(&guest.chan.tx, LANE_STREAM));
	raw_send(&raw, MSG_UP, 1, bytes, 100);
	raw_send(&raw, MSG_ADOPTED, 1, NULL, 0);
	RUN_UNTIL(guest.messages == 2);
	assert_false(guest.chan.paused);
	assert_int_equal(guest.rooms, 0);	/* nothing was read */
}

static void a_guest_that_does_not_read_answers_is_not_read_from(void **state)
{
	uint8_t out[FRAME_OVERHEAD + MOVE_RESUME_LEN];
	uint32_t asked = 0, heard = 0;
	struct frame f;

	(void)state;
	open_raw(&host, ROLE_HOST);
	small_pipe(&host);
	host.on_message = answer_resume;
	while (!host.chan.paused) {
		size_t n = raw_build(&raw, out, MSG_RESUME, ++asked, bytes, MOVE_RESUME_LEN);

		raw_bytes(&raw, out, n);
		world_settle();
	}
	assert_int_equal(host.chan.events, EPOLLOUT);
	RUN_UNTIL((heard += raw_take(&raw, &f) && f.type == MSG_RESUMED) == asked);
	world_settle();
	assert_false(host.chan.paused);
	check_untroubled(&host);
}

/* Takes all that is there, without running the loop; returns how many frames of a type. */
static uint32_t take_all(uint16_t type)
{
	uint32_t n = 0;
	struct frame f;

	while (raw_take(&raw, &f))
		n += f.type == type;
	return n;
}

/* The owner's own message empties the lane: nothing is left to wait for, and yet to be done. */
static void room_made_by_the_owner_is_told_by_the_loop(void **state)
{
	(void)state;
	open_raw(&guest, ROLE_GUEST);
	guest_says(&guest);
	take_all(MSG_ITEM);
	assert_int_equal(chan_send(&guest.chan, MSG_FILE_CLOSE, 1, NULL, 0), 0);
	assert_int_equal(guest.chan.tx.cur_len - guest.chan.tx.cur_off, 0);
	assert_int_equal(guest.rooms, 0);	/* not from within chan_send() */
	/* a unix socket is ready to be written again when three quarters of it have been read */
	RUN_UNTIL((take_all(MSG_FILE_CLOSE), guest.rooms == 1));
	world_settle();
	assert_int_equal(guest.rooms, 1);
}

static void corked_messages_leave_together(void **state)
{
	(void)state;
	open_raw(&guest, ROLE_GUEST);
	chan_cork(&guest.chan);
	assert_int_equal(chan_send(&guest.chan, MSG_CANCEL, 1, NULL, 0), 0);
	raw_send(&raw, MSG_ADOPTED, 1, NULL, 0);
	RUN_UNTIL(guest.messages == 1);		/* what comes in lets nothing out */
	assert_int_equal(chan_send(&guest.chan, MSG_CANCEL, 2, NULL, 0), 0);
	world_settle();
	assert_int_equal(take_all(MSG_CANCEL), 0);
	chan_uncork(&guest.chan);
	assert_int_equal(take_all(MSG_CANCEL), 2);
	check_untroubled(&guest);
}

static void a_corked_side_that_is_full_goes_on(void **state)
{
	(void)state;
	open_raw(&guest, ROLE_GUEST);
	chan_cork(&guest.chan);
	guest_says(&guest);
	assert_int_equal(guest_talk.refused, 1);
	chan_uncork(&guest.chan);
	RUN_UNTIL((take_all(MSG_ITEM), guest.rooms == 1));
}

static void reading_goes_on_when_the_owner_makes_room_for_answers(void **state)
{
	static uint8_t out[FRAME_OVERHEAD + MSG_PING_MAX];
	uint32_t asked = 0, heard = 0;

	(void)state;
	open_raw(&host, ROLE_HOST);
	while (!host.chan.paused) {
		raw_bytes(&raw, out, raw_build(&raw, out, MSG_PING, ++asked, bytes,
					       MSG_PING_MAX));
		world_settle();
	}
	for (int more = 0; more < 3; more++)
		raw_bytes(&raw, out, raw_build(&raw, out, MSG_PING, ++asked, bytes,
					       MSG_PING_MAX));
	heard = take_all(MSG_PONG);
	assert_int_equal(chan_send(&host.chan, MSG_ADOPTED, 1, NULL, 0), 0);
	RUN_UNTIL((heard += take_all(MSG_PONG)) == asked);
	check_untroubled(&host);
}

static void an_owner_without_room_is_not_asked(void **state)
{
	static struct chan_ops ops;

	(void)state;
	open_raw(&guest, ROLE_GUEST);
	ops = *guest.chan.ops;
	ops.room = NULL;
	guest.chan.ops = &ops;
	guest_says(&guest);
	RUN_UNTIL(take_all(MSG_ITEM) == 0);
	world_settle();				/* and the loop is not kept busy */
	assert_int_equal(guest.chan.events, EPOLLIN);
}

/* Room that a session owes is not told in the next one. */
static void a_new_session_owes_no_room(void **state)
{
	(void)state;
	open_raw(&guest, ROLE_GUEST);
	guest_says(&guest);
	assert_int_equal(guest_talk.refused, 1);
	take_all(MSG_ITEM);
	raw.epoch = 0x2000;
	raw_hello(&raw, 0);
	RUN_UNTIL(guest.downs == 1);
	raw_greet(&raw, &guest);
	world_settle();
	assert_int_equal(guest.rooms, 0);
}

/* -- sending from within what the channel calls -- */

static struct chan_stream chain;
static int depth;

/* Each one that is done sends the next, and a message. */
static void send_next(struct chan_stream *s, int rc)
{
	assert_int_equal(rc, 0);
	assert_int_equal(depth++, 0);
	if (++done_times < MANY) {
		assert_int_equal(chan_send_stream(&host.chan, s), 0);
		assert_int_equal(chan_send(&host.chan, MSG_ENDED, (uint32_t)done_times, bytes,
					   MOVE_END_LEN), 0);
	}
	depth--;
}

static void done_may_send_the_next_and_the_stack_stays_flat(void **state)
{
	(void)state;
	done_times = depth = 0;
	open_both();
	chain = (struct chan_stream){ .type = MSG_SOAK, .data = bytes, .total = 1,
				      .done = send_next };
	assert_int_equal(chan_send_stream(&host.chan, &chain), 0);
	RUN_UNTIL(host.messages == MANY && guest.messages == MANY - 1);
	check_untroubled(&host);
	check_untroubled(&guest);
}

static void up_may_send(void **state)
{
	struct frame f;

	(void)state;
	host_talk = (struct talk){ .type = MSG_UP };
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	host.on_up = host_says;
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
	raw_expect(&raw, MSG_UP, &f);
	assert_int_equal(f.id, 1);
	assert_int_equal(host_talk.refused, 1);
	take_all(MSG_UP);
	RUN_UNTIL(host.rooms == 1);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(both_ends_flood_and_neither_stops),
		WORLD_TEST(both_ends_flood_from_what_they_hear),
		WORLD_TEST(a_guest_asks_without_end_and_is_answered),
		WORLD_TEST(a_queue_arrives_while_items_go_on),
		WORLD_TEST(a_full_stream_lane_does_not_keep_a_side_from_reading),
		WORLD_TEST(a_guest_that_does_not_read_answers_is_not_read_from),
		WORLD_TEST(room_made_by_the_owner_is_told_by_the_loop),
		WORLD_TEST(reading_goes_on_when_the_owner_makes_room_for_answers),
		WORLD_TEST(corked_messages_leave_together),
		WORLD_TEST(a_corked_side_that_is_full_goes_on),
		WORLD_TEST(an_owner_without_room_is_not_asked),
		WORLD_TEST(a_new_session_owes_no_room),
		WORLD_TEST(done_may_send_the_next_and_the_stack_stays_flat),
		WORLD_TEST(up_may_send),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
