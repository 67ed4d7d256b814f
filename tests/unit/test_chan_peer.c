/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_chan_peer.c - a channel against peers that die, start anew, send nonsense or do not read
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/chan_world.h"

static const struct hy_log loud = { .program = "test", .object = "vm x", .level = HY_LOG_INFO };

static void open_up(void)
{
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	raw_greet(&raw, &host);
}

/* -- faults: each ends the session, is counted, told to the peer, and followed by a new one -- */

static void send_wrong_magic(struct raw_peer *p)
{
	raw_bytes(p, "no frame begins like this.", 26);
}

static void send_unknown_type(struct raw_peer *p)
{
	raw_send(p, 99, 1, NULL, 0);
}

static void send_other_session(struct raw_peer *p)
{
	p->epoch++;
	raw_send(p, MSG_PING, 1, NULL, 0);
}

static void send_too_long(struct raw_peer *p)
{
	static const uint8_t payload[MSG_PING_MAX + 1];

	raw_send(p, MSG_PING, 1, payload, sizeof(payload));
}

static void send_second_half_first(struct raw_peer *p)
{
	struct frame f = { .type = MSG_PING, .epoch = p->epoch, .total = 10, .offset = 5, .len = 5,
			   .payload = (const uint8_t *)"later" };
	uint8_t out[FRAME_OVERHEAD + 5];

	raw_bytes(p, out, frame_encode(&f, out));
}

static void send_hello_without_mark(struct raw_peer *p)
{
	uint8_t payload[MSG_HELLO_MAX];
	struct msg_hello m;
	uint16_t len = raw_hello_payload(p, 1, &m, payload);

	raw_send(p, MSG_HELLO, 0, payload, len);
}

static void send_mark_without_hello(struct raw_peer *p)
{
	raw_bytes(p, FRAME_MARK, FRAME_MARK_LEN);
	raw_send(p, MSG_PING, 1, NULL, 0);
}

static void send_credit_for_nothing(struct raw_peer *p)
{
	uint8_t count[MSG_COUNT_LEN];

	msg_count_encode(1, count, sizeof(count));
	raw_send(p, MSG_CREDIT, 0, count, sizeof(count));
}

static void send_broken_bye(struct raw_peer *p)
{
	raw_send(p, MSG_BYE, 0, "\1\0\xff\xff", 4);
}

static void send_what_the_owner_refuses(struct raw_peer *p)
{
	host.refuse = -EPROTO;
	raw_send(p, MSG_PONG, 5, NULL, 0);
}

/* A mark and a hello of which @change has changed something. */
static void send_hello_but(struct raw_peer *p, void (*change)(struct msg_hello *m))
{
	uint8_t payload[MSG_HELLO_MAX];
	struct msg_hello m;

	raw_hello_payload(p, 1, &m, payload);
	change(&m);
	raw_bytes(p, FRAME_MARK, FRAME_MARK_LEN);
	raw_send(p, MSG_HELLO, 0, payload,
		 (uint16_t)msg_hello_encode(&m, payload, sizeof(payload)));
}

static void of_own_side(struct msg_hello *m)
{
	m->role = ROLE_HOST;
}

static void of_no_side(struct msg_hello *m)
{
	m->role = 7;
}

static void of_other_epoch(struct msg_hello *m)
{
	m->epoch++;
}

static void of_new_version(struct msg_hello *m)
{
	m->proto_min = m->proto_max = MSG_PROTO_MAX + 1;
}

static void send_hello_of_own_side(struct raw_peer *p)
{
	send_hello_but(p, of_own_side);
}

static void send_hello_of_no_side(struct raw_peer *p)
{
	send_hello_but(p, of_no_side);
}

static void send_hello_of_other_epoch(struct raw_peer *p)
{
	send_hello_but(p, of_other_epoch);
}

static void send_hello_of_new_version(struct raw_peer *p)
{
	send_hello_but(p, of_new_version);
}

static const struct {
	void (*send)(struct raw_peer *p);
	const char *why;
} faults[] = {
	{ send_wrong_magic, "malformed frame" },
	{ send_unknown_type, "unknown message type" },
	{ send_other_session, "frame of another session" },
	{ send_too_long, "message length out of range" },
	{ send_second_half_first, "chunk out of order" },
	{ send_hello_without_mark, "hello without a resync mark" },
	{ send_mark_without_hello, "no hello behind the resync mark" },
	{ send_credit_for_nothing, "credit for more than was sent" },
	{ send_broken_bye, "bye cannot be read" },
	{ send_what_the_owner_refuses, "message refused" },
	{ send_hello_of_own_side, "hello from our own side" },
	{ send_hello_of_no_side, "hello cannot be read" },
	{ send_hello_of_other_epoch, "hello says another session than its header" },
	{ send_hello_of_new_version, "no protocol version in common" },
};

static void check_goodbye(const char *why)
{
	struct msg_bye bye;
	struct frame f;

	raw_expect(&raw, MSG_BYE, &f);
	assert_int_equal(msg_bye_decode(f.payload, f.len, &bye), 0);
	assert_string_equal(bye.words, why);
	raw_expect_end(&raw);
}

static void what_cannot_be_followed_ends_the_session_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		open_up();
		faults[i].send(&raw);
		check_goodbye(faults[i].why);
		assert_string_equal(host.why, faults[i].why);
		assert_int_equal(host.downs, 1);
		assert_int_equal(host.chan.count.faults, 1);
		assert_int_equal(host.chan.state, CHAN_LISTENING);
		host.refuse = 0;
		raw_connect(&raw, ROLE_GUEST);
		raw_greet(&raw, &host);
		assert_int_equal(host.ups, 2);
		chan_close(&host.chan);
	}
}

static void a_side_that_connects_comes_back_after_a_fault(void **state)
{
	int listener = raw_listen();

	(void)state;
	side_open(&guest, ROLE_GUEST, CHAN_UNIX);
	raw_accept(&raw, listener, ROLE_HOST);
	raw_greet(&raw, &guest);
	send_wrong_magic(&raw);
	raw_expect_end(&raw);
	raw_accept(&raw, listener, ROLE_HOST);
	raw_greet(&raw, &guest);
	assert_int_equal(guest.ups, 2);
	assert_int_equal(guest.chan.count.faults, 1);
	close(listener);
}

static void a_version_not_in_common_is_told_as_such(void **state)
{
	struct msg_bye bye;
	struct frame f;

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	send_hello_of_new_version(&raw);
	raw_expect(&raw, MSG_BYE, &f);
	assert_int_equal(msg_bye_decode(f.payload, f.len, &bye), 0);
	assert_int_equal(bye.reason, BYE_VERSION);
}

static void a_fault_is_logged_with_its_reason(void **state)
{
	char text[512] = "";
	int log = memfd_create("log", MFD_CLOEXEC), real = dup(STDERR_FILENO);

	(void)state;
	open_up();
	host.chan.log = &loud;
	dup2(log, STDERR_FILENO);
	send_unknown_type(&raw);
	world_settle();
	dup2(real, STDERR_FILENO);
	close(real);
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	close(log);
	assert_non_null(strstr(text, "vm x: warning: channel closed, fault 1 of this peer: "
				     "unknown message type\n"));
}

/* -- before the greeting -- */

static void bytes_before_the_mark_are_no_fault(void **state)
{
	static const uint8_t zeros[50000];

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	raw_send(&raw, MSG_PING, 1, "stale", 5);
	raw_bytes(&raw, zeros, sizeof(zeros));
	raw_greet(&raw, &host);
	assert_int_equal(host.chan.count.faults, 0);
	assert_int_equal(host.messages, 0);
}

static void messages_before_the_greeting_is_over_reach_nobody(void **state)
{
	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	raw_hello(&raw, 0);
	raw_send(&raw, MSG_PONG, 5, "x", 1);
	raw_send(&raw, MSG_SOAK_DONE, 5, "12345678", 8);
	world_settle();
	assert_int_equal(host.messages, 0);
	assert_int_equal(host.ups, 0);
}

/* A port still holds what was said to this side's predecessor: hello, messages, half a frame. */
static void what_a_predecessor_did_not_read_is_no_fault(void **state)
{
	const uint32_t seen_of_predecessor = 0x7777;
	uint8_t frame[FRAME_OVERHEAD + 8];
	int listener = raw_listen();

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_SERIAL);
	raw_accept(&raw, listener, ROLE_GUEST);
	raw_hello(&raw, seen_of_predecessor);
	raw_send(&raw, MSG_PING, 1, "stale", 5);
	raw_bytes(&raw, frame, raw_build(&raw, frame, MSG_PONG, 2, "12345678", 8) - 3);
	world_settle();
	assert_int_equal(host.chan.count.faults, 0);
	raw_greet(&raw, &host);
	assert_int_equal(host.chan.count.faults, 0);
	assert_int_equal(host.messages, 0);
	assert_int_equal(host.ups, 1);
	close(listener);
}

/* -- no descriptor for a peer -- */

static void a_peer_without_a_descriptor_waits(void **state)
{
	struct rlimit all, none;

	(void)state;
	side_open(&host, ROLE_HOST, CHAN_UNIX);
	raw_connect(&raw, ROLE_GUEST);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = (struct rlimit){ .rlim_max = all.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	world_settle();
	setrlimit(RLIMIT_NOFILE, &all);
	assert_true(host.chan.fd < 0);
	raw_greet(&raw, &host);
	assert_int_equal(host.ups, 1);
}

/* -- a new session on a stream that stays open, as on a serial port -- */

static int stream_rc;
static int stream_told;

static void stream_done(struct chan_stream *s, int rc)
{
	(void)s;
	stream_rc = rc;
	stream_told++;
}

static void open_serial(int *listener)
{
	*listener = raw_listen();
	side_open(&host, ROLE_HOST, CHAN_SERIAL);
	raw_accept(&raw, *listener, ROLE_GUEST);
	raw_greet(&raw, &host);
	assert_int_equal(host.ups, 1);
}

/* Half a frame, mark, hello: returns its length. */
static size_t build_restart(uint8_t *out, uint32_t epoch)
{
	uint8_t payload[MSG_HELLO_MAX];
	struct msg_hello m;
	uint16_t len;
	size_t at = raw_build(&raw, out, MSG_PING, 9, "half of this", 12) - 6;

	raw.epoch = epoch;
	memcpy(out + at, FRAME_MARK, FRAME_MARK_LEN);
	at += FRAME_MARK_LEN;
	len = raw_hello_payload(&raw, 0, &m, payload);
	return at + raw_build(&raw, out + at, MSG_HELLO, 0, payload, len);
}

static void check_restarted(int fd)
{
	struct msg_hello m = { 0 };
	struct frame f;

	while (m.seen != raw.epoch) {
		raw_expect(&raw, MSG_HELLO, &f);
		assert_int_equal(msg_hello_decode(f.payload, f.len, &m), 0);
	}
	assert_int_equal(host.downs, 1);
	assert_string_equal(host.why, "the peer started anew");
	assert_int_equal(host.chan.count.resyncs, 1);
	assert_int_equal(host.chan.count.faults, 0);
	assert_int_equal(host.chan.fd, fd);
	assert_int_equal(host.chan.state, CHAN_GREETING);
	raw_hello(&raw, m.epoch);
	RUN_UNTIL(host.chan.state == CHAN_UP);
	assert_int_equal(host.ups, 2);
	assert_int_equal(host.messages, 0);
}

static void a_peer_that_starts_anew_in_the_middle_is_met_again(void **state)
{
	static uint8_t data[100000];
	struct chan_stream s = { .type = MSG_SOAK, .data = data, .total = sizeof(data),
				 .done = stream_done };
	uint8_t out[512];
	int listener;

	(void)state;
	stream_told = 0;
	open_serial(&listener);
	assert_int_equal(chan_send_stream(&host.chan, &s), 0);
	raw_bytes(&raw, out, build_restart(out, 0x2000));
	check_restarted(host.chan.fd);
	assert_int_equal(stream_told, 1);
	assert_int_equal(stream_rc, -ECONNRESET);
	raw_send(&raw, MSG_PONG, 6, NULL, 0);
	RUN_UNTIL(host.messages == 1);
	close(listener);
}

static void the_same_when_the_port_gives_a_byte_at_a_time(void **state)
{
	uint8_t out[512];
	size_t len;
	int listener;

	(void)state;
	open_serial(&listener);
	len = build_restart(out, 0x2000);
	for (size_t i = 0; i < len; i++) {
		raw_bytes(&raw, out + i, 1);
		world_settle();
	}
	check_restarted(host.chan.fd);
	close(listener);
}

static void the_same_hello_again_changes_nothing(void **state)
{
	(void)state;
	open_up();
	raw_hello(&raw, host.chan.epoch);
	raw_hello(&raw, 0);
	raw_send(&raw, MSG_PONG, 6, NULL, 0);
	RUN_UNTIL(host.messages == 1);
	assert_int_equal(host.ups, 1);
	assert_int_equal(host.downs, 0);
	assert_int_equal(host.chan.count.resyncs, 0);
}

static void a_goodbye_of_the_peer_ends_the_session_without_fault(void **state)
{
	struct msg_bye bye = { .reason = BYE_STOPPING, .words = "\x1b[2Jbye" };
	uint8_t payload[MSG_BYE_MAX];

	(void)state;
	open_up();
	raw_send(&raw, MSG_BYE, 0, payload,
		 (uint16_t)msg_bye_encode(&bye, payload, sizeof(payload)));
	raw_expect_end(&raw);
	assert_int_equal(host.downs, 1);
	assert_int_equal(host.chan.count.faults, 0);
	assert_int_equal(host.chan.state, CHAN_LISTENING);
}

/* -- peers that ask and do not read -- */

static uint32_t asked, answered;

/* Whether the socket took one more ping; a short write to a unix socket is all or nothing. */
static bool ask(uint16_t len)
{
	static const uint8_t payload[MSG_PING_MAX];
	uint8_t out[FRAME_OVERHEAD + MSG_PING_MAX];
	size_t n = raw_build(&raw, out, MSG_PING, asked + 1, payload, len);
	ssize_t written = write(raw.fd, out, n);

	assert_true(written == (ssize_t)n || (written < 0 && errno == EAGAIN));
	asked += written > 0;
	return written > 0;
}

/* Fills the buffer of the channel's reader in one write. */
static void ask_a_buffer_full(void)
{
	static uint8_t out[FRAME_RX_ROOM], payload[1000];
	size_t at = 0;

	while (sizeof(out) - at >= FRAME_OVERHEAD + sizeof(payload))
		at += raw_build(&raw, out + at, MSG_PING, ++asked, payload, sizeof(payload));
	raw_bytes(&raw, out, at);
}

static void start_asking(void)
{
	asked = answered = 0;
	open_up();
}

/* Reads all answers that are there. */
static void read_answers(void)
{
	struct frame f;

	while (raw_take(&raw, &f)) {
		if (f.type == MSG_PONG)
			assert_int_equal(f.id, ++answered);
	}
	assert_false(raw.ended);
}

static void check_all_answered(void)
{
	uint32_t before;

	do {
		before = answered;
		world_settle();
		read_answers();
	} while (answered > before);
	assert_int_equal(answered, asked);
	assert_false(host.chan.paused);
}

static void who_does_not_read_is_not_read_from_until_it_does(void **state)
{
	static const uint16_t lens[] = { 0, 1000, MSG_PING_MAX };
	uint32_t before;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		start_asking();
		do {
			before = asked;
			while (ask(lens[i]))
				;
			world_settle();
		} while (asked > before);
		assert_true(host.chan.paused);
		assert_int_equal(host.chan.events, EPOLLOUT);
		assert_int_equal(host.chan.state, CHAN_UP);
		check_all_answered();
		assert_true(ask(lens[i]));
		check_all_answered();
		chan_close(&host.chan);
	}
}

/*
 * Answers wait in the lane, a buffer full of questions was read, and then the peer reads all at
 * once: the transport takes everything, so nothing but the channel itself can go on.
 */
static void answers_go_on_also_when_nothing_waits_to_be_written(void **state)
{
	const struct tx_lane *lane = &host.chan.tx.lane[LANE_CONTROL];

	(void)state;
	start_asking();
	while (lane->tail - lane->head < 20000) {
		assert_true(ask(1000));
		world_settle();
	}
	assert_false(host.chan.paused);
	ask_a_buffer_full();
	world_settle();
	assert_true(host.chan.paused);
	check_all_answered();
}

/* -- a real port: a pseudo terminal, whose slave the guest opens as its device -- */

static int open_master(char *slave, size_t room)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios raw_mode;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, slave, room), 0);
	assert_int_equal(tcgetattr(master, &raw_mode), 0);
	cfmakeraw(&raw_mode);
	assert_int_equal(tcsetattr(master, TCSANOW, &raw_mode), 0);
	return master;
}

static void a_guest_talks_over_a_device(void **state)
{
	struct chan_config cfg = { .role = ROLE_GUEST, .software = "pty",
				   .addr = { .kind = CHAN_SERIAL } };
	struct frame f;

	(void)state;
	raw_attach(&raw, open_master(cfg.addr.path, sizeof(cfg.addr.path)), ROLE_HOST);
	side_open_with(&guest, &cfg);
	raw_greet(&raw, &guest);
	raw_send(&raw, MSG_PING, 4, "over a tty\n\x03\x04", 13);
	raw_expect(&raw, MSG_PONG, &f);
	assert_int_equal(f.len, 13);
	assert_memory_equal(f.payload, "over a tty\n\x03\x04", 13);
	raw_hello(&raw, guest.chan.epoch);
	raw.epoch = 0x3000;
	raw_hello(&raw, 0);
	raw_greet(&raw, &guest);
	assert_int_equal(guest.ups, 2);
	assert_int_equal(guest.chan.count.faults, 0);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(what_cannot_be_followed_ends_the_session_and_no_more),
		WORLD_TEST(a_side_that_connects_comes_back_after_a_fault),
		WORLD_TEST(a_version_not_in_common_is_told_as_such),
		WORLD_TEST(a_fault_is_logged_with_its_reason),
		WORLD_TEST(bytes_before_the_mark_are_no_fault),
		WORLD_TEST(messages_before_the_greeting_is_over_reach_nobody),
		WORLD_TEST(what_a_predecessor_did_not_read_is_no_fault),
		WORLD_TEST(a_peer_without_a_descriptor_waits),
		WORLD_TEST(a_peer_that_starts_anew_in_the_middle_is_met_again),
		WORLD_TEST(the_same_when_the_port_gives_a_byte_at_a_time),
		WORLD_TEST(the_same_hello_again_changes_nothing),
		WORLD_TEST(a_goodbye_of_the_peer_ends_the_session_without_fault),
		WORLD_TEST(who_does_not_read_is_not_read_from_until_it_does),
		WORLD_TEST(answers_go_on_also_when_nothing_waits_to_be_written),
		WORLD_TEST(a_guest_talks_over_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
