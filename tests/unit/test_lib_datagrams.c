/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_datagrams.c - files as datagrams without an agent, and with one that talks nonsense
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/burst.h"
#include "common/clock.h"
#include "common/fdpass.h"
#include "common/unixsock.h"
#include "include/hylics.h"
#include "libhylics/cast.h"
#include "libhylics/lib.h"

#define FILE_BYTES 100000
#define EACH 1000
#define FAST 1000000000u
#define SLOW 1000u			/* a datagram in a second */
#define WHOLE (FILE_BYTES - 300)	/* the last datagram is short */

static char dir[64], path[80];

static struct world {
	int sock, peer, file;
	uint8_t body[FILE_BYTES], heard[FILE_BYTES];
} w;

static int bound(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 4 << 20;

	assert_true(sock >= 0);
	setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(bind(sock, (struct sockaddr *)&any, sizeof(any)), 0);
	return sock;
}

static int set_up(void **state)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);

	(void)state;
	for (size_t i = 0; i < sizeof(w.body); i++)
		w.body[i] = (uint8_t)(i * 31 + i / 251);
	w.sock = bound();
	w.peer = bound();
	w.file = memfd_create("body", MFD_CLOEXEC);
	assert_int_equal(write(w.file, w.body, sizeof(w.body)), sizeof(w.body));
	assert_int_equal(lseek(w.file, 0, SEEK_SET), 0);
	assert_int_equal(getsockname(w.peer, (struct sockaddr *)&to, &len), 0);
	return connect(w.sock, (struct sockaddr *)&to, len);
}

static int tear_down(void **state)
{
	(void)state;
	hylics_datagrams(w.sock, 0, 0);
	close(w.sock);
	close(w.peer);
	close(w.file);
	unlink(path);
	return 0;
}

/* Datagrams that are there, put one behind the other; each but the last is of this size. */
static size_t hear(size_t each)
{
	size_t at = 0, last = each;
	ssize_t n;

	while ((n = recv(w.peer, w.heard + at, sizeof(w.heard) - at, MSG_DONTWAIT)) > 0) {
		assert_int_equal(last, each);
		last = (size_t)n;
		at += last;
	}
	return at;
}

/* In parts that fit into the buffer of whoever has the least. */
static void send_and_hear(size_t from, size_t count, size_t each)
{
	off_t at = (off_t)from;
	ssize_t n = hylics_sendfile(w.sock, w.file, &at, count);

	assert_int_equal(n, count);
	assert_int_equal(at, from + count);
	assert_int_equal(hear(each), count);
	assert_memory_equal(w.heard, w.body + from, count);
}

static void a_file_is_cut_as_was_said(void **state)
{
	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, FAST), 0);
	send_and_hear(0, 50000, EACH);
	send_and_hear(50000, 49700, EACH);
	send_and_hear(7, 1, EACH);
	assert_int_equal(hylics_datagrams(w.sock, 1, FAST), 0);
	send_and_hear(7, 100, 1);
	assert_int_equal(hylics_datagrams(w.sock, 65507, FAST), 0);
	send_and_hear(0, 65507, 65507);
	send_and_hear(1, 100, 65507);
}

static void where_the_kernel_does_not_cut_each_goes_alone(void **state)
{
	const int on = 1;
	bool singly = false;

	(void)state;
	assert_int_equal(setsockopt(w.sock, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	assert_int_equal(burst_send(w.sock, w.body, 10 * EACH, EACH, 0, &singly), 10 * EACH);
	assert_true(singly);
	assert_int_equal(hear(EACH), 10 * EACH);
	assert_int_equal(hylics_datagrams(w.sock, EACH, FAST), 0);
	send_and_hear(0, 50000, EACH);
}

static void the_kernel_cuts_where_it_can(void **state)
{
	bool singly = false;

	(void)state;
	assert_int_equal(burst_send(w.sock, w.body, 10 * EACH - 1, EACH, 0, &singly),
			 10 * EACH - 1);
	assert_false(singly);
	assert_int_equal(hear(EACH), 10 * EACH - 1);
	assert_memory_equal(w.heard, w.body, 10 * EACH - 1);
}

static void position_and_end_of_the_file(void **state)
{
	off_t at = FILE_BYTES - 1500;

	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, FAST), 0);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 5000), 1500);
	assert_int_equal(hear(EACH), 1500);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 5000), 0);
	assert_int_equal(lseek(w.file, 0, SEEK_CUR), 0);
	assert_int_equal(hylics_sendfile(w.sock, w.file, NULL, 2500), 2500);
	assert_int_equal(lseek(w.file, 0, SEEK_CUR), 2500);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 0), 0);
}

static void refused(int rc, int err)
{
	assert_int_equal(rc, -1);
	assert_int_equal(errno, err);
}

static void what_makes_no_sense_is_refused(void **state)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), alone = bound(), pair[2];
	off_t negative = -1, at = 0;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	refused(hylics_datagrams(-1, EACH, FAST), EBADF);
	refused(hylics_datagrams(w.file, EACH, FAST), ENOTSOCK);
	refused(hylics_datagrams(tcp, EACH, FAST), EPROTOTYPE);
	refused(hylics_datagrams(alone, EACH, FAST), ENOTCONN);
	refused(hylics_datagrams(w.sock, EACH, 0), EINVAL);
	refused(hylics_datagrams(w.sock, 65508, FAST), EINVAL);
	refused(hylics_datagrams(w.sock, EACH, UINT64_MAX), EINVAL);
	assert_int_equal(hylics_datagrams(w.sock, EACH, FAST), 0);
	refused((int)hylics_sendfile(w.sock, -1, &at, 10), EBADF);
	refused((int)hylics_sendfile(w.sock, w.file, &negative, 10), EINVAL);
	refused((int)hylics_sendfile(w.sock, pair[0], NULL, 10), EINVAL);
	refused((int)hylics_sendfile(w.sock, pair[0], &at, 10), EINVAL);
	close(tcp);
	close(alone);
	close(pair[0]);
	close(pair[1]);
}

static void a_number_that_was_closed_is_forgotten(void **state)
{
	int pair[2], number = w.sock;
	off_t at = 0;

	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, SLOW), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(dup2(pair[0], number), number);
	assert_int_equal(fcntl(number, F_SETFL, O_NONBLOCK), 0);
	/* at that pace one datagram would be due */
	assert_int_equal(hylics_sendfile(number, w.file, &at, 5000), 5000);
	close(pair[0]);
	close(pair[1]);
}

static void forgotten_it_is_sendfile(void **state)
{
	off_t at = 0;

	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, SLOW), 0);
	assert_int_equal(hylics_datagrams(w.sock, 0, 0), 0);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 2000), 2000);
	assert_int_equal(hear(2000), 2000);
	assert_int_equal(hylics_datagrams(-1, 0, 0), 0);
}

/* A handler is at it until this is true: what is done meanwhile is there when it ends. */
static atomic_bool may_go_on = true;

static void on_alarm(int signo)
{
	(void)signo;
	while (!atomic_load(&may_go_on))
		sched_yield();
}

static void ring_in_ms(long ms)
{
	const struct itimerval in = { .it_value = { .tv_usec = ms * 1000 } };
	const struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
}

static void a_signal_ends_a_call(void **state)
{
	off_t at = 0;

	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, SLOW), 0);
	ring_in_ms(50);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 5000), EACH);
	assert_int_equal(at, EACH);
	ring_in_ms(50);
	refused((int)hylics_sendfile(w.sock, w.file, &at, 5000), EINTR);
	assert_int_equal(at, EACH);
	assert_int_equal(hear(EACH), EACH);
}

static void a_socket_that_does_not_block_sends_what_is_due(void **state)
{
	off_t at = 0;

	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, SLOW), 0);
	assert_int_equal(fcntl(w.sock, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 5000), EACH);
	refused((int)hylics_sendfile(w.sock, w.file, &at, 5000), EAGAIN);
}

static void calls_share_the_pace(void **state)
{
	uint64_t began_ns = hy_clock_ns();
	off_t at = 0;

	(void)state;
	assert_int_equal(hylics_datagrams(w.sock, EACH, 200 * EACH), 0);
	for (unsigned int i = 0; i < 30; i++)
		assert_int_equal(hylics_sendfile(w.sock, w.file, &at, EACH), EACH);
	/* 5 ms from one to the next; what is caught up was due before */
	assert_true(hy_clock_ns() - began_ns >= 29 * 5 * (uint64_t)HY_NS_PER_MS);
}

static void an_error_of_the_socket_is_told(void **state)
{
	off_t at = 0;

	(void)state;
	close(w.peer);
	assert_int_equal(hylics_datagrams(w.sock, EACH, 200 * EACH), 0);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 5000), EACH);
	refused((int)hylics_sendfile(w.sock, w.file, &at, 5000), ECONNREFUSED);
	assert_int_equal(hylics_sendfile(w.sock, w.file, &at, 500), 500);
}

/* -- an agent, to the part of the library that asks one -- */

struct script {
	int listener;
	pthread_t caller;
	const struct cast_told *told;
	unsigned int n;
	bool garbage;
	bool stays;			/* until its client has gone */
	const struct cast_told *rings;	/* a signal comes, and then this word while it is handled */
	bool got_fds;
};

/* A signal that comes just before the caller waits ends nothing, so there are more. */
static void ring_and_say(const struct script *s, int sock)
{
	struct pollfd gone = { .fd = sock, .events = POLLIN };
	uint8_t packet[LOCAL_PACKET_MAX];

	poll(NULL, 0, 20);		/* it is likely to wait by then */
	atomic_store(&may_go_on, false);
	pthread_kill(s->caller, SIGALRM);
	hy_fds_send(sock, packet, cast_encode_local_told(1, s->rings, packet), NULL, 0);
	atomic_store(&may_go_on, true);
	while (poll(&gone, 1, 10) == 0)
		pthread_kill(s->caller, SIGALRM);
}

static void *play_agent(void *object)
{
	struct script *s = object;
	uint8_t packet[LOCAL_PACKET_MAX];
	struct hy_fds fds = { 0 };
	struct pollfd p = { .fd = s->listener, .events = POLLIN };
	struct cast_part got;
	ssize_t n;
	int sock;

	poll(&p, 1, -1);
	sock = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	n = hy_fds_recv(sock, packet, sizeof(packet), &fds, 2, 0);
	s->got_fds = n > 0 && fds.n == 2 && cast_decode_ask(packet, (size_t)n, &got) == 0 &&
		     got.count == WHOLE;
	hy_fds_close(&fds);
	for (unsigned int i = 0; i < s->n; i++)
		hy_fds_send(sock, packet, cast_encode_local_told(1, &s->told[i], packet), NULL, 0);
	if (s->garbage)
		hy_fds_send(sock, "nonsense", 8, NULL, 0);
	if (s->rings)
		ring_and_say(s, sock);
	while (s->stays && recv(sock, packet, sizeof(packet), 0) > 0)
		;
	close(sock);
	return NULL;
}

static int run_with(struct script *s, uint64_t *sent)
{
	const struct cast_part part = { .count = WHOLE, .pace = { EACH, FAST } };
	pthread_t agent;
	sigset_t alarm;
	int rc;

	s->caller = pthread_self();
	s->listener = hy_unix_listen(path, SOCK_SEQPACKET, 0600, 4, NULL);
	assert_true(s->listener >= 0);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);	/* it is for the caller */
	assert_int_equal(pthread_create(&agent, NULL, play_agent, s), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	rc = cast_run(w.sock, w.file, &part, sent);
	assert_int_equal(pthread_join(agent, NULL), 0);
	assert_true(s->got_fds);
	close(s->listener);
	unlink(path);
	return rc;
}

static void an_agents_words_are_added_up(void **state)
{
	const struct cast_told told[] = { { 0, CAST_RUNNING, 0 }, { 5000, CAST_RUNNING, 0 },
					  { WHOLE, CAST_DONE, 0 } };
	const struct cast_told broken[] = { { 5000, CAST_RUNNING, 0 },
					    { 6000, CAST_BROKEN, MOVE_DRAINING } };
	const struct cast_told no[] = { { 0, CAST_REFUSED, MOVE_NO_TWIN } };
	uint64_t sent;

	(void)state;
	assert_int_equal(run_with(&(struct script){ .told = told, .n = 3 }, &sent), MOVE_DONE);
	assert_int_equal(sent, WHOLE);
	assert_int_equal(run_with(&(struct script){ .told = broken, .n = 2 }, &sent),
			 MOVE_DRAINING);
	assert_int_equal(sent, 6000);
	assert_int_equal(run_with(&(struct script){ .told = no, .n = 1 }, &sent), MOVE_NO_TWIN);
	assert_int_equal(sent, 0);
}

static void an_agent_that_goes_or_talks_nonsense_is_left(void **state)
{
	const struct cast_told back[] = { { 5000, CAST_RUNNING, 0 }, { 4000, CAST_RUNNING, 0 } };
	const struct cast_told more[] = { { 5000, CAST_RUNNING, 0 }, { WHOLE + 1, CAST_DONE, 0 } };
	uint64_t sent;

	(void)state;
	assert_int_equal(cast_run(w.sock, w.file, &(struct cast_part){ .count = 1 }, &sent),
			 MOVE_NO_AGENT);
	assert_int_equal(run_with(&(struct script){ .told = back, .n = 1 }, &sent), MOVE_NO_AGENT);
	assert_int_equal(sent, 5000);
	assert_int_equal(run_with(&(struct script){ .told = back, .n = 2, .stays = true }, &sent),
			 MOVE_NO_AGENT);
	assert_int_equal(sent, 5000);
	assert_int_equal(run_with(&(struct script){ .told = more, .n = 2, .stays = true }, &sent),
			 MOVE_NO_AGENT);
	assert_int_equal(sent, 5000);
	assert_int_equal(run_with(&(struct script){ .garbage = true, .stays = true }, &sent),
			 MOVE_NO_AGENT);
	assert_int_equal(sent, 0);
}

static void an_agent_that_does_not_answer_is_not_waited_for(void **state)
{
	const struct cast_told told[] = { { 0, CAST_RUNNING, 0 }, { 5000, CAST_RUNNING, 0 } };
	uint32_t before = lib_agent()->answer_ms;
	uint64_t sent;

	(void)state;
	lib_agent()->answer_ms = 30;
	assert_int_equal(run_with(&(struct script){ .stays = true }, &sent), MOVE_NO_AGENT);
	assert_int_equal(run_with(&(struct script){ .told = told, .n = 2, .stays = true }, &sent),
			 MOVE_NO_AGENT);
	assert_int_equal(sent, 5000);
	lib_agent()->answer_ms = before;
}

static void a_signal_costs_no_word(void **state)
{
	const struct cast_told told[] = { { 5000, CAST_RUNNING, 0 }, { 7000, CAST_RUNNING, 0 } };
	struct script s = { .told = told, .n = 1, .stays = true, .rings = &told[1] };
	uint64_t sent;

	(void)state;
	ring_in_ms(0);			/* the handler is there, and no clock runs */
	assert_int_equal(run_with(&s, &sent), -EINTR);
	assert_int_equal(sent, 7000);
}

static void an_error_of_the_socket_ends_a_cast(void **state)
{
	const struct cast_told told[] = { { 5000, CAST_RUNNING, 0 } };
	struct script s = { .told = told, .n = 1, .stays = true };
	uint64_t sent;

	(void)state;
	close(w.peer);
	assert_int_equal(send(w.sock, "", 1, 0), 1);
	assert_int_equal(run_with(&s, &sent), -EIO);
	assert_int_equal(send(w.sock, "", 1, 0), -1);	/* it has it still */
	assert_int_equal(errno, ECONNREFUSED);
}

static int open_place(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/hy-udp-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/agent.sock", dir);
	return setenv("HYLICS_RUN_DIR", dir, 1);
}

static int close_place(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_cut_as_was_said),
		TEST(where_the_kernel_does_not_cut_each_goes_alone),
		TEST(the_kernel_cuts_where_it_can),
		TEST(position_and_end_of_the_file),
		TEST(what_makes_no_sense_is_refused),
		TEST(a_number_that_was_closed_is_forgotten),
		TEST(forgotten_it_is_sendfile),
		TEST(a_signal_ends_a_call),
		TEST(a_socket_that_does_not_block_sends_what_is_due),
		TEST(calls_share_the_pace),
		TEST(an_error_of_the_socket_is_told),
		TEST(an_agents_words_are_added_up),
		TEST(an_agent_that_goes_or_talks_nonsense_is_left),
		TEST(an_agent_that_does_not_answer_is_not_waited_for),
		TEST(a_signal_costs_no_word),
		TEST(an_error_of_the_socket_ends_a_cast),
	};

	return cmocka_run_group_tests(tests, open_place, close_place);
}
