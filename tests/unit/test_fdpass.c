/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fdpass.c - descriptors over a unix socket: those allowed arrive, all others are closed
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fdpass.h"

#define KERNEL_FDS_MAX 253

static int ours, peers;

static int open_pair(int type)
{
	int ends[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	ours = ends[0];
	peers = ends[1];
	return 0;
}

static int open_stream(void **state)
{
	(void)state;
	return open_pair(SOCK_STREAM);
}

static int open_packets(void **state)
{
	(void)state;
	return open_pair(SOCK_SEQPACKET);
}

static int close_pair(void **state)
{
	(void)state;
	close(ours);
	if (peers >= 0)
		close(peers);
	return 0;
}

static unsigned int count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* Sends @n copies of our standard input, whatever the kernel takes, as a hostile peer would. */
static void send_many(unsigned int n, size_t bytes)
{
	static const char text[16] = { 0 };
	union {
		char bytes[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} ctl = { .bytes = { 0 } };
	int fds[KERNEL_FDS_MAX] = { 0 };
	struct iovec iov = { .iov_base = (void *)text, .iov_len = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.bytes,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(sendmsg(peers, &msg, 0), bytes);
}

static void what_was_sent_arrives(void **state)
{
	struct hy_fds sent = { .n = 2 }, got;
	char text[8] = "";
	unsigned int before;

	(void)state;
	assert_int_equal(pipe2(sent.fd, O_CLOEXEC), 0);
	assert_int_equal(hy_fds_send(peers, "hello", 6, &sent, 0), 6);
	before = count_open_fds();
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 2, 0), 6);
	assert_string_equal(text, "hello");
	assert_int_equal(got.n, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(same_file(sent.fd[i], got.fd[i]));
		assert_int_equal(fcntl(got.fd[i], F_GETFD), FD_CLOEXEC);
	}
	assert_int_equal(count_open_fds(), before + 2);
	hy_fds_close(&got);
	assert_int_equal(got.n, 0);
	assert_int_equal(count_open_fds(), before);
	hy_fds_close(&got);
	hy_fds_close(&sent);
	assert_int_equal(count_open_fds(), before - 2);
}

static void bytes_can_travel_alone(void **state)
{
	struct hy_fds none = { 0 }, got = { .n = 3 };
	char text[8] = "";

	(void)state;
	assert_int_equal(hy_fds_send(peers, "a", 1, NULL, 0), 1);
	assert_int_equal(hy_fds_send(peers, "b", 1, &none, 0), 1);
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 0, 0), 2);
	assert_string_equal(text, "ab");
	assert_int_equal(got.n, 0);
}

static void more_than_allowed_are_all_closed(void **state)
{
	static const struct {
		unsigned int sent, allowed;
	} cases[] = {
		{ 1, 0 }, { 2, 1 }, { 3, 2 }, { 5, 4 }, { 5, 100 }, { KERNEL_FDS_MAX, 4 },
	};
	unsigned int before = count_open_fds();
	struct hy_fds got;
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_many(cases[i].sent, 1);
		got.n = 9;
		assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, cases[i].allowed, 0),
				 -EPROTO);
		assert_int_equal(got.n, 0);
		assert_int_equal(count_open_fds(), before);
	}
	send_many(4, 1);
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 100, 0), 1);
	assert_int_equal(got.n, 4);
	hy_fds_close(&got);
}

static void a_cut_packet_is_refused_and_its_descriptors_closed(void **state)
{
	unsigned int before = count_open_fds();
	struct hy_fds got;
	char text[4];

	(void)state;
	send_many(2, 5);
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 2, 0), -EPROTO);
	assert_int_equal(got.n, 0);
	assert_int_equal(count_open_fds(), before);
	send_many(2, 4);
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 2, 0), 4);
	assert_int_equal(got.n, 2);
	hy_fds_close(&got);
}

static void an_empty_packet_cannot_pass_for_the_end(void **state)
{
	unsigned int before = count_open_fds();
	struct hy_fds got;
	char text[4];

	(void)state;
	send_many(2, 0);
	/* 0 means the end, and at the end nobody looks for descriptors */
	assert_true(hy_fds_recv(ours, text, sizeof(text), &got, 2, 0) <= 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(count_open_fds(), before);
}

/* The lowest number that is free: with a limit of one more, one descriptor has room. */
static int lowest_free_fd(void)
{
	int fd = 0;

	while (fcntl(fd, F_GETFD) >= 0)
		fd++;
	return fd;
}

static void a_full_table_cuts_the_list_and_leaves_nothing(void **state)
{
	unsigned int before = count_open_fds();
	struct rlimit old, tight;
	struct hy_fds got;
	char text[4];
	ssize_t n;

	(void)state;
	send_many(3, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)lowest_free_fd() + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	n = hy_fds_recv(ours, text, sizeof(text), &got, 4, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(n, -EPROTO);
	assert_int_equal(got.n, 0);
	assert_int_equal(count_open_fds(), before);
}

static void nothing_there_and_nobody_there_are_told_apart(void **state)
{
	struct hy_fds got = { .n = 2 };
	char text[4];

	(void)state;
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(got.n, 0);
	close(peers);
	peers = -1;
	assert_int_equal(hy_fds_recv(ours, text, sizeof(text), &got, 1, 0), 0);
	assert_int_equal(hy_fds_send(ours, "x", 1, NULL, 0), -EPIPE);	/* and no signal */
	assert_int_equal(hy_fds_recv(-1, text, sizeof(text), &got, 1, 0), -EBADF);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, open_stream, close_pair)
#define PACKET_TEST(name) { #name "_in_packets", name, open_packets, close_pair, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(what_was_sent_arrives),
		PACKET_TEST(what_was_sent_arrives),
		STREAM_TEST(bytes_can_travel_alone),
		STREAM_TEST(more_than_allowed_are_all_closed),
		PACKET_TEST(more_than_allowed_are_all_closed),
		PACKET_TEST(a_cut_packet_is_refused_and_its_descriptors_closed),
		PACKET_TEST(an_empty_packet_cannot_pass_for_the_end),
		STREAM_TEST(a_full_table_cuts_the_list_and_leaves_nothing),
		STREAM_TEST(nothing_there_and_nobody_there_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
