/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_chan.c - the life of a channel: up, messages, goodbyes, silence, replacement, reconnects
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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/unit/chan_world.h"
#include "tests/unit/prng.h"

#define BULK_TOTAL (4u << 20)

static bool both_up(void)
{
	return host.chan.state == CHAN_UP && guest.chan.state == CHAN_UP;
}

static void open_both(void)
{
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	RUN_UNTIL(both_up());
}

static void check_no_faults(void)
{
	assert_int_equal(host.chan.count.faults, 0);
	assert_int_equal(guest.chan.count.faults, 0);
}

/* -- up and talking -- */

static void two_sides_come_up_and_know_each_other(void **state)
{
	(void)state;
	open_both();
	world_settle();
	assert_int_equal(host.ups, 1);
	assert_int_equal(guest.ups, 1);
	assert_string_equal(host.peer_software, "test guest");
	assert_string_equal(guest.peer_software, "test host");
	assert_int_equal(host.chan.epoch, guest.chan.peer_epoch);
	assert_int_equal(guest.chan.epoch, host.chan.peer_epoch);
	assert_true(host.chan.epoch != 0 && host.chan.epoch != guest.chan.epoch);
	assert_int_equal(host.chan.count.sessions, 1);
	assert_int_equal(host.chan.count.resyncs + guest.chan.count.resyncs, 0);
	check_no_faults();
}

static void a_ping_comes_back_with_its_id_and_bytes(void **state)
{
	uint8_t payload[MSG_PING_MAX];
	uint32_t random = 11;

	(void)state;
	open_both();
	prng_fill(&random, payload, sizeof(payload));
	memcpy(payload + 100, FRAME_MARK, FRAME_MARK_LEN);
	assert_int_equal(chan_send(&host.chan, MSG_PING, 7, payload, sizeof(payload)), 0);
	RUN_UNTIL(host.messages == 1);
	assert_int_equal(host.last_type, MSG_PONG);
	assert_int_equal(host.last_id, 7);
	assert_int_equal(host.last_len, sizeof(payload));
	assert_memory_equal(host.last_payload, payload, sizeof(payload));
	assert_int_equal(chan_send(&guest.chan, MSG_PING, 8, NULL, 0), 0);
	RUN_UNTIL(guest.messages == 1);
	assert_int_equal(guest.last_id, 8);
	assert_int_equal(guest.last_len, 0);
}

struct told {
	int times, rc;
};

static void tell(struct chan_stream *s, int rc)
{
	struct told *told = s->object;

	told->times++;
	told->rc = rc;
}

static void a_large_stream_arrives_whole_and_pings_pass_it(void **state)
{
	uint8_t *data = calloc(1, BULK_TOTAL);
	struct told told = { 0 };
	struct chan_stream s = { .type = MSG_SOAK, .id = 3, .data = data, .total = BULK_TOTAL,
				 .done = tell, .object = &told };
	uint64_t bytes;

	(void)state;
	assert_non_null(data);
	for (size_t at = 0; at + FRAME_MARK_LEN <= BULK_TOTAL; at += 5000)
		memcpy(data + at, FRAME_MARK, FRAME_MARK_LEN);
	open_both();
	assert_int_equal(chan_send_stream(&host.chan, &s), 0);
	assert_int_equal(chan_send(&host.chan, MSG_PING, 7, NULL, 0), 0);
	RUN_UNTIL(host.messages == 1);
	assert_int_equal(host.last_type, MSG_PONG);	/* long before the stream is through */
	assert_true(s.offset < BULK_TOTAL / 2);
	RUN_UNTIL(host.messages == 2);
	assert_int_equal(host.last_type, MSG_SOAK_DONE);
	assert_int_equal(host.last_id, 3);
	assert_int_equal(msg_count_decode(host.last_payload, host.last_len, &bytes), 0);
	assert_int_equal(bytes, BULK_TOTAL);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.rc, 0);
	check_no_faults();
	free(data);
}

static void nothing_can_be_sent_unless_both_have_met(void **state)
{
	struct told told = { 0 };
	struct chan_stream s = { .type = MSG_SOAK, .data = (const uint8_t *)"x", .total = 1,
				 .done = tell, .object = &told };

	(void)state;
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	assert_int_equal(guest.chan.state, CHAN_CLOSED);
	assert_int_equal(chan_send(&guest.chan, MSG_PING, 1, NULL, 0), -ENOTCONN);
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	assert_int_equal(host.chan.state, CHAN_LISTENING);
	assert_int_equal(chan_send_stream(&host.chan, &s), -ENOTCONN);
	raw_connect(&raw, ROLE_GUEST);
	RUN_UNTIL(host.chan.state == CHAN_GREETING);
	assert_int_equal(chan_send(&host.chan, MSG_PING, 1, NULL, 0), -ENOTCONN);
	assert_int_equal(chan_send_stream(&host.chan, &s), -ENOTCONN);
	assert_int_equal(told.times, 0);
	assert_string_equal(chan_state_name(guest.chan.state), "closed");
	assert_string_equal(chan_state_name(host.chan.state), "greeting");
}

static void messages_that_cannot_be_sent_are_refused(void **state)
{
	uint8_t payload[MSG_PING_MAX + 1] = { 0 };

	(void)state;
	open_both();
	assert_int_equal(chan_send(&host.chan, MSG_PING, 1, payload, sizeof(payload)), -EINVAL);
	assert_int_equal(chan_send(&host.chan, MSG_SOAK, 1, payload, 1), -EINVAL);
	world_settle();
	check_no_faults();
	assert_true(both_up());
}

/* -- ends -- */

static void a_side_that_ends_says_goodbye_and_the_other_waits(void **state)
{
	(void)state;
	open_both();
	chan_close(&guest.chan);
	assert_int_equal(guest.downs, 1);
	assert_string_equal(guest.why, "closed");
	assert_int_equal(guest.chan.timer.pos, 0);
	RUN_UNTIL(host.downs == 1);
	assert_string_equal(host.why, "the peer said goodbye");
	assert_int_equal(host.chan.state, CHAN_LISTENING);
	world_settle();
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	RUN_UNTIL(both_up());
	assert_int_equal(host.chan.count.sessions, 2);
	assert_int_equal(host.downs, 1);
	check_no_faults();
}

static void a_guest_comes_back_to_a_host_that_was_restarted(void **state)
{
	(void)state;
	open_both();
	chan_close(&host.chan);
	assert_int_equal(access(world_path(), F_OK), -1);
	RUN_UNTIL(guest.downs == 1);
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	RUN_UNTIL(both_up());
	assert_int_equal(guest.chan.count.sessions, 2);
	check_no_faults();
}

static void a_stream_that_ends_without_a_word_is_noticed(void **state)
{
	struct told told = { 0 };
	uint8_t *data = calloc(1, BULK_TOTAL);
	struct chan_stream s = { .type = MSG_SOAK, .data = data, .total = BULK_TOTAL,
				 .done = tell, .object = &told };

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
	assert_int_equal(chan_send_stream(&host.chan, &s), 0);
	raw_close(&raw);
	RUN_UNTIL(host.downs == 1);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.rc, -ECONNRESET);
	assert_int_equal(host.chan.state, CHAN_LISTENING);
	assert_int_equal(host.chan.fd, -1);
	assert_int_equal(host.chan.count.faults, 0);
	world_settle();
	assert_int_equal(told.times, 1);
	free(data);
}

static void a_goodbye_during_the_greeting_is_no_fault(void **state)
{
	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	RUN_UNTIL(host.chan.state == CHAN_GREETING);
	chan_close(&host.chan);
	RUN_UNTIL(guest.chan.state == CHAN_CLOSED);
	check_no_faults();
}

static void a_new_connection_takes_the_place_of_the_old_one(void **state)
{
	static struct raw_peer second = { .fd = -1 };
	struct msg_bye bye;
	struct frame f;

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
	raw_connect(&second, ROLE_GUEST);
	second.epoch = 0x2000;
	raw_expect(&raw, MSG_BYE, &f);
	assert_int_equal(msg_bye_decode(f.payload, f.len, &bye), 0);
	assert_int_equal(bye.reason, BYE_REPLACED);
	raw_expect_end(&raw);
	assert_int_equal(host.downs, 1);
	raw_greet(&second, &host);
	assert_int_equal(host.ups, 2);
	assert_int_equal(host.chan.count.faults, 0);
	raw_close(&second);
}

/* Whoever starts a second host by mistake is refused, and the first one notices nothing. */
static void a_second_listener_does_not_disturb_the_first(void **state)
{
	struct chan_addr addr;
	struct hy_err e = { 0 };

	(void)state;
	open_both();
	addr = host.chan.cfg.addr;
	assert_int_equal(chan_addr_open(&addr, ROLE_HOST, &e), -EADDRINUSE);
	world_settle();
	assert_int_equal(host.downs, 0);
	assert_int_equal(guest.downs, 0);
}

/* -- silence -- */

static void open_with_times(uint64_t keepalive_ms, uint64_t dead_ms)
{
	struct chan_config cfg = { .role = ROLE_HOST, .addr = { .kind = CHAN_UNIX },
				   .software = "test host", .keepalive_ms = keepalive_ms,
				   .dead_ms = dead_ms };

	snprintf(cfg.addr.path, sizeof(cfg.addr.path), "%s", world_path());
	side_open_with(&host, &cfg);
}

static void a_silent_peer_is_asked_and_then_given_up(void **state)
{
	struct frame f;

	(void)state;
	open_with_times(10, 60);
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
	for (int i = 0; i < 10; i++) {		/* as long as it answers it lives */
		raw_expect(&raw, MSG_PING, &f);
		assert_int_equal(f.id, 0);
		assert_int_equal(f.len, 0);
		raw_send(&raw, MSG_PONG, f.id, NULL, 0);
	}
	assert_int_equal(host.downs, 0);
	assert_int_equal(host.messages, 0);	/* the channel's own, not its owner's */
	RUN_UNTIL(host.downs == 1);
	assert_string_equal(host.why, "the peer is silent");
	assert_int_equal(host.chan.count.silences, 1);
	assert_int_equal(host.chan.count.faults, 0);
}

static void a_peer_that_talks_is_not_asked(void **state)
{
	struct frame f;

	(void)state;
	open_with_times(60000, 120000);
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
	side_timer(&host);	/* the time is up, but the peer has just been heard */
	world_settle();
	assert_false(raw_take(&raw, &f) && f.type == MSG_PING);
	assert_int_equal(host.chan.state, CHAN_UP);
	assert_true(host.chan.timer.pos != 0);
}

/* -- pauses -- */

/* Whether the timer was set to @pause_ms from now, "now" being between the two times. */
static void check_pause(const struct side *s, uint64_t from_ns, uint64_t to_ns, uint64_t pause_ms)
{
	assert_int_equal(s->chan.state, CHAN_CLOSED);
	assert_true(s->chan.timer.pos != 0);
	assert_true(s->chan.timer.due_ns >= from_ns + pause_ms * HY_NS_PER_MS);
	assert_true(s->chan.timer.due_ns <= to_ns + pause_ms * HY_NS_PER_MS);
}

static void pauses_double_up_to_a_second(void **state)
{
	static const uint64_t pauses_ms[] = { 20, 40, 80, 160, 320, 640, 1000, 1000, 1000 };
	uint64_t from_ns = hy_clock_ns();

	(void)state;
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
		check_pause(&guest, from_ns, hy_clock_ns(), pauses_ms[i]);
		from_ns = hy_clock_ns();
		side_timer(&guest);
	}
	assert_int_equal(guest.downs, 0);
}

static void a_channel_that_was_up_is_opened_again_soon(void **state)
{
	uint64_t from_ns;

	(void)state;
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	for (int i = 0; i < 5; i++)
		side_timer(&guest);	/* the pauses before it was up were long */
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	side_timer(&guest);
	RUN_UNTIL(both_up());
	chan_close(&host.chan);
	from_ns = hy_clock_ns();
	RUN_UNTIL(guest.downs == 1);
	check_pause(&guest, from_ns, hy_clock_ns(), HY_CHAN_BACKOFF_MIN_MS);
}

static void a_hello_without_answer_is_said_again(void **state)
{
	int listener = raw_listen();
	struct frame f;
	uint32_t epoch;

	(void)state;
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	raw_accept(&raw, listener, ROLE_HOST);
	raw_expect(&raw, MSG_HELLO, &f);
	epoch = f.epoch;
	side_timer(&guest);
	raw_expect(&raw, MSG_HELLO, &f);
	assert_int_equal(f.epoch, epoch);
	raw_hello(&raw, epoch);
	RUN_UNTIL(guest.chan.state == CHAN_UP);
	close(listener);
}

/* A worker that waits for its guest to boot must still be there when it has. */
static void a_long_greeting_makes_no_pause_longer_than_a_second(void **state)
{
	int listener = raw_listen();
	uint64_t end_ns;

	(void)state;
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	raw_accept(&raw, listener, ROLE_HOST);
	for (int i = 0; i < 10; i++)
		side_timer(&guest);
	raw_close(&raw);
	RUN_UNTIL(guest.chan.state == CHAN_CLOSED);
	end_ns = hy_clock_ns() + (uint64_t)HY_CHAN_BACKOFF_MAX_MS * HY_NS_PER_MS;
	assert_true(guest.chan.timer.due_ns <= end_ns);
	close(listener);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(two_sides_come_up_and_know_each_other),
		WORLD_TEST(a_ping_comes_back_with_its_id_and_bytes),
		WORLD_TEST(a_large_stream_arrives_whole_and_pings_pass_it),
		WORLD_TEST(nothing_can_be_sent_unless_both_have_met),
		WORLD_TEST(messages_that_cannot_be_sent_are_refused),
		WORLD_TEST(a_side_that_ends_says_goodbye_and_the_other_waits),
		WORLD_TEST(a_guest_comes_back_to_a_host_that_was_restarted),
		WORLD_TEST(a_stream_that_ends_without_a_word_is_noticed),
		WORLD_TEST(a_goodbye_during_the_greeting_is_no_fault),
		WORLD_TEST(a_new_connection_takes_the_place_of_the_old_one),
		WORLD_TEST(a_second_listener_does_not_disturb_the_first),
		WORLD_TEST(a_silent_peer_is_asked_and_then_given_up),
		WORLD_TEST(a_peer_that_talks_is_not_asked),
		WORLD_TEST(pauses_double_up_to_a_second),
		WORLD_TEST(a_channel_that_was_up_is_opened_again_soon),
		WORLD_TEST(a_hello_without_answer_is_said_again),
		WORLD_TEST(a_long_greeting_makes_no_pause_longer_than_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
