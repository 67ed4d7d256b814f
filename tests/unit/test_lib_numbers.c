/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_numbers.c - libhylics finds whoever has a socket among many descriptors, at little cost
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/hylics.h"
#include "tests/unit/lib_trace.h"

#define HIGHEST 1000000u
#define NUMBERS 300		/* from here on nobody else has any */
#define NOTHING 0u		/* seed: none of them is in use */

static struct world world;

static struct {
	int event, sock, path;
} kinds;

/* Numbers from NUMBERS on are in use or not, by all kinds, differently for each @seed. */
static void fill_numbers(int to, unsigned int seed)
{
	for (int fd = NUMBERS; seed != NOTHING && fd < to; fd++) {
		seed = seed * 1103515245 + 12345;
		switch (seed >> 16 & 7) {
		case 0:
			PROBE_TRY(dup2(kinds.event, fd));
			break;
		case 1:
			PROBE_TRY(dup2(kinds.path, fd));
			break;
		case 2:
		case 3:
			PROBE_TRY(dup2(kinds.sock, fd));
			break;
		default:
			break;
		}
	}
}

/* The socket has the number @n, too, behind others that are in use or not. */
static bool is_seen_at(int n, unsigned int seed)
{
	int client, sock = world_nonblock_pair(&client);
	bool ok;

	fill_numbers(n < NUMBERS + 100 ? n : NUMBERS + 100, seed);
	PROBE_TRY(dup2(sock, n));
	ok = world_first(&world, sock) && world_is_shared(sock);
	close(n);
	close(sock);
	close(client);
	sock = world_nonblock_pair(&client);
	ok = ok && world_first(&world, sock) && world_is_moved(sock);
	close(sock);
	close(client);
	PROBE_TRY(close_range(NUMBERS, ~0u, 0));
	return ok;
}

/* As many numbers as this process may have. */
static int highest_number(void)
{
	struct rlimit limit;

	PROBE_TRY(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max < HIGHEST + 1 ? limit.rlim_max : HIGHEST + 1;
	PROBE_TRY(setrlimit(RLIMIT_NOFILE, &limit));
	return (int)limit.rlim_cur - 1;
}

static void wherever_it_is(void)
{
	const int highest = highest_number();
	unsigned int missed = 0;

	kinds.event = eventfd(0, EFD_CLOEXEC);
	kinds.path = open("/proc/self", O_PATH | O_CLOEXEC);
	kinds.sock = socket(AF_UNIX, SOCK_STREAM, 0);
	for (int n = NUMBERS; n < NUMBERS + 70; n++)
		missed += !is_seen_at(n, (unsigned int)n);
	PROBE_TRY(fcntl(kinds.event, F_DUPFD, NUMBERS - 1));
	for (int n = NUMBERS; n < NUMBERS + 40; n++)
		missed += !is_seen_at(n, NOTHING);
	close(NUMBERS - 1);
	probe_check(missed == 0, "another number is seen behind gaps of all lengths: %u were not",
		    missed);
	probe_check(is_seen_at(highest, 1) && is_seen_at(highest, 2),
		    "and if it is the highest there may be, %d", highest);
	close(kinds.event);
	close(kinds.path);
	close(kinds.sock);
}

/* An epoll far behind, which is told; one that cannot be. */
static void far_epolls(void)
{
	int client, sock = world_nonblock_pair(&client), epoll = epoll_create1(0);
	int twice, far = fcntl(epoll, F_DUPFD_CLOEXEC, 5 * NUMBERS);

	close(epoll);
	world_watch(far, sock, EPOLLIN);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved with a far epoll");
	PROBE_TRY(write(client, "x", 1));
	probe_check(world_reported(far, -1) == EPOLLIN, "which is told");
	close(client);
	close(sock);
	sock = world_nonblock_pair(&client);
	twice = dup(sock);
	world_watch(far, twice, EPOLLIN);
	close(twice);
	probe_check(world_first(&world, sock) && world_is_shared(sock),
		    "not moved: it watches by a number that is gone");
	PROBE_TRY(write(client, "x", 1));
	probe_check(world_reported(far, -1) == EPOLLIN, "and goes on");
	close(client);
	close(sock);
	close(far);
}

/* In a process whose first thread has ended, /proc/self shows no descriptors. */
static pthread_t first_thread;		/* nothing of its stack may be read when it ends */

static void *without_the_first(void *unused)
{
	int client, sock, twice;
	bool ok;

	(void)unused;
	pthread_join(first_thread, NULL);
	sock = world_nonblock_pair(&client);
	twice = fcntl(sock, F_DUPFD, NUMBERS);	/* behind a gap */
	ok = world_first(&world, sock) && world_is_shared(sock);
	close(twice);
	close(sock);
	sock = world_nonblock_pair(&client);
	ok = ok && world_first(&world, sock) && world_is_moved(sock);
	_exit(ok ? 0 : 1);
}

static void first_thread_ended(void)
{
	pthread_t other;
	pid_t pid = probe_fork();

	if (pid == 0) {
		first_thread = pthread_self();
		pthread_create(&other, NULL, without_the_first, NULL);
		pthread_exit(NULL);
	}
	probe_check(probe_join(pid) == 0, "and seen when the first thread has ended");
}

/* -- what it costs -- */

#define ALONE_CALLS 61		/* 20 of them for the ten descriptors and what is behind them */
#define EPOLL_CALLS 9		/* seen as one; its list read; rehearsed; DEL, ADD */
#define FEW 50
#define MANY 250

struct crowd {
	int n;
	int (*make)(void);
};

static int make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int make_event(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static int make_file(void)
{
	return fcntl(world.file, F_DUPFD_CLOEXEC, 0);
}

static int make_far(void)
{
	return fcntl(world.wake, F_DUPFD_CLOEXEC, highest_number());
}

/* One epoll for both sockets. */
static int make_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

/* The second of two moves, with so many more descriptors. */
static int move_in_crowd(void *arg, int turn)
{
	const struct crowd *crowd = arg;
	static int client, sock;
	int rc, fd = -1;

	if (turn == 0) {
		sock = world_nonblock_pair(&client);
		rc = world_first(&world, sock) && world_is_moved(sock) ? 0 : -1;
		sock = world_nonblock_pair(&client);
		for (int i = 0; i < crowd->n; i++)
			fd = (int)PROBE_TRY(crowd->make());
		if (crowd->make == make_epoll)
			world_watch(fd, sock, EPOLLIN);
		return rc;
	}
	return world_first(&world, sock) ? 0 : -1;
}

static void check_crowd(int (*make)(void), const char *what, int each)
{
	struct crowd few = { FEW, make }, many = { MANY, make };
	int a = trace_calls(move_in_crowd, &few, TRACE_ALL);
	int b = trace_calls(move_in_crowd, &many, TRACE_ALL);

	/* they fill gaps, too, each of which costs some */
	probe_check(a > 0 && b - a <= (MANY - FEW) * each && b - a >= (MANY - FEW) * each - 20,
		    "%d more %s, %d more system calls", MANY - FEW, what, b - a);
}

/* Standard ones, the file, the page's and the world's, the agent's, and of both connections. */
static void check_alone(void)
{
	struct crowd none = { 0, NULL }, epoll = { 1, make_epoll };
	int a = trace_calls(move_in_crowd, &none, TRACE_ALL);
	int b = trace_calls(move_in_crowd, &epoll, TRACE_ALL);

	probe_check(a > 0 && a <= ALONE_CALLS, "a move makes %d system calls", a);
	probe_check(b > 0 && b <= ALONE_CALLS + EPOLL_CALLS, "with an epoll %d", b);
}

/* The second of two moves, under a number that is known. */
static int move_known(void *arg, int turn)
{
	int client, sock;

	if (turn)
		return world_first(&world, NUMBERS) && world_is_moved(NUMBERS) ? 0 : -1;
	sock = *(bool *)arg ? world_pair(&client) : world_nonblock_pair(&client);
	if (!world_first(&world, sock) || !world_is_moved(sock))
		return -1;
	sock = *(bool *)arg ? world_pair(&client) : world_nonblock_pair(&client);
	PROBE_TRY(dup2(sock, NUMBERS));
	return close(sock);
}

/* So an agent that looks when it has read of a move need not be woken again for the marker. */
static void check_order(bool blocks)
{
	int n = trace_calls(move_known, &blocks, SYS_sendmsg);

	probe_check(n == 2 && trace_last_arg() != NUMBERS,
		    "%sblocking: the first marker is in the pair before the agent hears of it",
		    blocks ? "" : "non-");
}

static void check_far(void)
{
	struct crowd none = { 0, NULL }, far = { 1, make_far };
	int a = trace_calls(move_in_crowd, &none, TRACE_ALL);
	int b = trace_calls(move_in_crowd, &far, TRACE_ALL);

	probe_check(a > 0 && b - a <= 10, "one with the highest number, %d more", b - a);
}

int main(void)
{
	probe_begin(60);
	PROBE_TRY(close_range(STDERR_FILENO + 1, ~0u, 0));	/* those would count */
	world_open(&world);
	world_start(&world);
	wherever_it_is();
	far_epolls();
	first_thread_ended();
	check_alone();
	check_order(false);
	check_order(true);
	check_crowd(make_socket, "sockets", 1);
	check_crowd(make_file, "files", 2);
	check_crowd(make_event, "inodes without a type", 4);
	check_far();
	world_close(&world);
	return probe_end("nobody who has a socket is missed among many descriptors");
}
