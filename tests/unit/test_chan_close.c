/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_chan_close.c - an owner may close its channel from within anything; the last words are heard
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
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/chan_world.h"

static void close_side(struct side *s)
{
	chan_close(&s->chan);
}

static void refuse_and_close_side(struct side *s)
{
	s->refuse = -EPROTO;
	chan_close(&s->chan);
}

/* Nothing of it is left: no descriptor, no timer that would open it again, no socket file. */
static void check_closed(const struct side *s)
{
	world_settle();
	assert_int_equal(s->chan.state, CHAN_CLOSED);
	assert_int_equal(s->chan.fd, -1);
	assert_int_equal(s->chan.listener, -1);
	assert_int_equal(s->chan.timer.pos, 0);
	assert_null(s->chan.tx.first);
}

static void open_host(void)
{
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
}

/* The guest's side of a channel whose other end listens on *listener. */
static void open_guest(int *listener)
{
	*listener = raw_listen();
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	raw_accept(&raw, *listener, ROLE_HOST);
	raw_greet(&raw, &guest);
}

static void closing_from_up(void **state)
{
	struct frame f;

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	host.on_up = close_side;
	raw_connect(&raw, ROLE_GUEST);
	raw_expect(&raw, MSG_HELLO, &f);
	raw_hello(&raw, f.epoch);
	raw_send(&raw, MSG_PING, 1, NULL, 0);
	raw_expect_end(&raw);
	check_closed(&host);
	assert_int_equal(host.ups, 1);
	assert_int_equal(host.downs, 1);
	assert_int_equal(access(world_path(), F_OK), -1);
}

static void closing_from_down_of_a_listening_side(void **state)
{
	(void)state;
	open_host();
	host.on_down = close_side;
	raw_close(&raw);
	RUN_UNTIL(host.downs == 1);
	check_closed(&host);
	assert_int_equal(access(world_path(), F_OK), -1);
}

static void closing_from_down_of_a_connecting_side(void **state)
{
	int listener;

	(void)state;
	open_guest(&listener);
	guest.on_down = close_side;
	raw_close(&raw);
	RUN_UNTIL(guest.downs == 1);
	check_closed(&guest);
	close(listener);
}

static void closing_from_down_after_a_fault(void **state)
{
	int listener;

	(void)state;
	open_guest(&listener);
	guest.on_down = close_side;
	raw_send(&raw, 99, 0, NULL, 0);
	RUN_UNTIL(guest.downs == 1);
	check_closed(&guest);
	close(listener);
}

static void closing_from_down_when_the_peer_starts_anew(void **state)
{
	(void)state;
	open_host();
	host.on_down = close_side;
	raw.epoch = 0x2000;
	raw_hello(&raw, 0);
	RUN_UNTIL(host.downs == 1);
	check_closed(&host);
	assert_int_equal(host.ups, 1);
}

static void closing_from_down_when_the_peer_is_replaced(void **state)
{
	static struct raw_peer second = { .fd = -1 };

	(void)state;
	open_host();
	host.on_down = close_side;
	raw_connect(&second, ROLE_GUEST);
	RUN_UNTIL(host.downs == 1);
	check_closed(&host);
	raw_close(&second);
}

static void closing_from_message(void **state)
{
	(void)state;
	open_host();
	host.on_message = close_side;
	raw_send(&raw, MSG_PONG, 1, NULL, 0);
	raw_send(&raw, MSG_PONG, 2, NULL, 0);
	RUN_UNTIL(host.messages > 0);
	check_closed(&host);
	assert_int_equal(host.messages, 1);
	assert_int_equal(host.downs, 1);
}

static void closing_from_room(void **state)
{
	static const uint8_t bytes[1000];
	struct frame f;

	(void)state;
	open_host();
	host.on_room = close_side;
	while (chan_send(&host.chan, MSG_UP, 1, bytes, sizeof(bytes)) == 0)
		;
	RUN_UNTIL((raw_take(&raw, &f), host.rooms > 0));
	check_closed(&host);
	assert_int_equal(host.rooms, 1);
	assert_int_equal(host.downs, 1);
}

static void closing_from_a_message_that_is_refused(void **state)
{
	int listener;

	(void)state;
	open_guest(&listener);
	guest.on_message = refuse_and_close_side;
	raw_send(&raw, MSG_PONG, 1, NULL, 0);
	RUN_UNTIL(guest.messages == 1);
	check_closed(&guest);
	assert_int_equal(guest.downs, 1);
	assert_int_equal(guest.chan.count.faults, 0);
	close(listener);
}

/* -- from done() -- */

static int done_calls;

static void close_when_done(struct chan_stream *s, int rc)
{
	struct side *side = s->object;

	(void)rc;
	done_calls++;
	chan_close(&side->chan);
}

static void queue_stream(struct side *side, struct chan_stream *s, uint32_t total)
{
	static const uint8_t data[100000];

	*s = (struct chan_stream){ .type = MSG_SOAK, .data = data, .total = total,
				   .done = close_when_done, .object = side };
	assert_int_equal(chan_send_stream(&side->chan, s), 0);
}

static void closing_from_done_of_a_stream_that_was_sent(void **state)
{
	struct chan_stream s;
	struct frame f;

	(void)state;
	done_calls = 0;
	open_host();
	queue_stream(&host, &s, 100);
	assert_int_equal(done_calls, 1);
	raw_expect(&raw, MSG_BYE, &f);
	check_closed(&host);
	assert_int_equal(host.downs, 1);
}

static void closing_from_done_when_the_stream_ends(void **state)
{
	struct chan_stream s[2];
	int listener;

	(void)state;
	done_calls = 0;
	open_guest(&listener);
	queue_stream(&guest, &s[0], 100000);
	queue_stream(&guest, &s[1], 100000);
	raw_close(&raw);
	RUN_UNTIL(done_calls > 0);
	check_closed(&guest);
	assert_int_equal(done_calls, 2);
	assert_int_equal(guest.downs, 1);
	close(listener);
}

static void closing_from_done_when_the_peer_starts_anew(void **state)
{
	struct chan_stream s;

	(void)state;
	done_calls = 0;
	open_host();
	queue_stream(&host, &s, 100000);
	raw.epoch = 0x2000;
	raw_hello(&raw, 0);
	RUN_UNTIL(done_calls == 1);
	check_closed(&host);
	assert_int_equal(host.ups, 1);
}

static void closing_twice_is_closing(void **state)
{
	(void)state;
	open_host();
	chan_close(&host.chan);
	chan_close(&host.chan);
	check_closed(&host);
	assert_int_equal(host.downs, 1);
	raw_expect_end(&raw);
}

/* -- the last words -- */

#define LAST_PING UINT32_MAX

static int finishes;

static void finished(void *object)
{
	assert_ptr_equal(object, &host);
	finishes++;
}

static void open_and_finish(void)
{
	finishes = 0;
	open_host();
	assert_int_equal(chan_finish(&host.chan, finished), 0);
}

static void they_are_heard_behind_all_others(void **state)
{
	static const uint8_t bytes[1000];
	int said = 0, heard = 0;
	struct frame f;

	(void)state;
	finishes = 0;
	open_host();
	while (chan_send(&host.chan, MSG_UP, 1, bytes, sizeof(bytes)) == 0)
		said++;
	assert_int_equal(chan_finish(&host.chan, finished), 0);
	do {
		RUN_UNTIL(raw_take(&raw, &f));
		heard += f.type == MSG_UP;
	} while (f.type != MSG_PING);
	assert_int_equal(heard, said);
	assert_int_equal(f.id, LAST_PING);
	world_settle();
	assert_int_equal(finishes, 0);
	raw_send(&raw, MSG_PONG, LAST_PING, NULL, 0);
	RUN_UNTIL(finishes == 1);
	assert_int_equal(host.messages, 0);
	chan_close(&host.chan);
	assert_int_equal(finishes, 1);
}

static void a_pong_that_nobody_asked_for_ends_nothing(void **state)
{
	struct frame f;

	(void)state;
	open_and_finish();
	raw_send(&raw, MSG_PONG, 0, NULL, 0);
	raw_send(&raw, MSG_PONG, 1, NULL, 0);
	RUN_UNTIL(host.messages == 1);
	raw_expect(&raw, MSG_PING, &f);
	assert_int_equal(finishes, 0);
}

static void nobody_is_left_to_hear_them(void **state)
{
	(void)state;
	open_and_finish();
	raw_close(&raw);
	RUN_UNTIL(host.downs == 1);
	assert_int_equal(finishes, 1);
	assert_int_equal(chan_finish(&host.chan, finished), -ENOTCONN);
}

static void who_starts_anew_has_not_heard_them(void **state)
{
	(void)state;
	open_and_finish();
	raw.epoch = 0x2000;
	raw_hello(&raw, 0);
	RUN_UNTIL(host.downs == 1);
	assert_int_equal(finishes, 1);
}

static void closing_waits_for_nobody(void **state)
{
	(void)state;
	open_and_finish();
	chan_close(&host.chan);
	check_closed(&host);
	assert_int_equal(finishes, 0);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(closing_from_up),
		WORLD_TEST(closing_from_down_of_a_listening_side),
		WORLD_TEST(closing_from_down_of_a_connecting_side),
		WORLD_TEST(closing_from_down_after_a_fault),
		WORLD_TEST(closing_from_down_when_the_peer_starts_anew),
		WORLD_TEST(closing_from_down_when_the_peer_is_replaced),
		WORLD_TEST(closing_from_message),
		WORLD_TEST(closing_from_room),
		WORLD_TEST(closing_from_a_message_that_is_refused),
		WORLD_TEST(closing_from_done_of_a_stream_that_was_sent),
		WORLD_TEST(closing_from_done_when_the_stream_ends),
		WORLD_TEST(closing_from_done_when_the_peer_starts_anew),
		WORLD_TEST(closing_twice_is_closing),
		WORLD_TEST(they_are_heard_behind_all_others),
		WORLD_TEST(a_pong_that_nobody_asked_for_ends_nothing),
		WORLD_TEST(nobody_is_left_to_hear_them),
		WORLD_TEST(who_starts_anew_has_not_heard_them),
		WORLD_TEST(closing_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
