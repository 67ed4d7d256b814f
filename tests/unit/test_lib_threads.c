/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_threads.c - other threads, when libhylics moves a socket: inside a call with it, or not
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/hylics.h"

#define SIZE ((off_t)WORLD_FILE_BYTES)
#define BIG WORLD_BIG
#define NOBODY 65534
#define HOURS 7200

static struct world world;

struct sleeper {
	int sock;
	ssize_t (*sleep)(int sock);
	_Atomic int tid;
	ssize_t got;
};

static ssize_t sleep_in_read(int sock)
{
	char c;

	return read(sock, &c, 1);
}

static ssize_t sleep_in_poll(int sock)
{
	struct pollfd p[100] = { { .fd = 0 } };

	for (unsigned int i = 0; i < 100; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	p[99] = (struct pollfd){ .fd = sock, .events = POLLIN };
	return poll(p, 100, -1);
}

static ssize_t sleep_in_select(int sock)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(sock, &set);
	return select(sock + 1, NULL, NULL, &set, NULL) < 0 ? -1 : 1;
}

static ssize_t sleep_in_read_select(int sock)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(sock, &set);
	return select(sock + 1, &set, NULL, NULL, NULL);
}

static void *run_sleeper(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->tid, (int)syscall(SYS_gettid));
	s->got = s->sleep(s->sock);
	return NULL;
}

static bool has_state(int tid, const char *wanted)
{
	char path[64], state[256] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY);
	n = read(fd, state, sizeof(state) - 1);
	close(fd);
	return n > 0 && strstr(state, wanted) != NULL;
}

/* Does it sleep in a system call? */
static bool sleeps(void *arg)
{
	struct sleeper *s = arg;
	int tid = atomic_load(&s->tid);

	return tid && has_state(tid, ") S ");
}

/* As by a shell's ^Z and fg; what sleeps in poll() is in another call then. */
static void stop_and_go_on(void)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		pid_t parent = getppid();

		PROBE_TRY(kill(parent, SIGSTOP));
		while (!has_state(parent, ") T "))
			;
		PROBE_TRY(kill(parent, SIGCONT));
		_exit(0);
	}
	if (probe_join(pid) != 0)
		probe_bail("stop");
}

static void thread_inside(const char *what, ssize_t (*how)(int sock), bool urgent, bool stopped)
{
	int client, sock = world_pair(&client), quiet_client, quiet = world_pair(&quiet_client);
	struct sleeper s = { .sock = sock, .sleep = how }, other = { .sock = quiet, .sleep = how };
	pthread_t thread, other_thread;

	pthread_create(&thread, NULL, run_sleeper, &s);
	pthread_create(&other_thread, NULL, run_sleeper, &other);
	probe_wait_until(sleeps, &s);
	probe_wait_until(sleeps, &other);
	if (stopped)
		stop_and_go_on();
	probe_wait_until(sleeps, &s);
	probe_check(world_first(&world, sock) && world_is_shared(sock),
		    "not moved: another thread is in %s%s", what, stopped ? ", after a stop" : "");
	PROBE_TRY(send(client, "x", 1, urgent ? MSG_OOB : 0));
	PROBE_TRY(send(quiet_client, "x", 1, urgent ? MSG_OOB : 0));
	pthread_join(thread, NULL);
	pthread_join(other_thread, NULL);
	probe_check(s.got == 1, "which ends as ever");
	close(client);
	close(sock);
	close(quiet);
	close(quiet_client);
}

static void thread_elsewhere(void)
{
	int client, sock = world_pair(&client), quiet_client, quiet = world_pair(&quiet_client);
	struct sleeper s = { .sock = quiet, .sleep = sleep_in_poll };
	struct world_reader reader;
	pthread_t thread;

	world_read(&reader, client, 0);
	pthread_create(&thread, NULL, run_sleeper, &s);
	probe_wait_until(sleeps, &s);
	probe_check(world_first(&world, sock) && world_is_moved(sock),
		    "moved: another thread waits for another socket");
	PROBE_TRY(write(quiet_client, "x", 1));
	pthread_join(thread, NULL);
	close(sock);
	probe_check(world_read_end(&reader) == BIG, "bytes right");
	close(quiet);
	close(quiet_client);
}

/* Each thread has a socket of its own, all send at the same time. */
#define THREADS 8

struct sender {
	int sock, client;
	bool ok;
	bool shared;	/* with another thread: whose bytes come when is not known */
};

static void *run_sender(void *arg)
{
	struct sender *s = arg;
	off_t off = 0;

	s->ok = true;
	while (s->ok && off < SIZE)
		s->ok = hylics_sendfile(s->sock, world.file, &off, BIG) > 0;
	return NULL;
}

static void many_threads(void)
{
	struct world_reader readers[THREADS];
	struct sender senders[THREADS];
	pthread_t threads[THREADS];
	uint32_t moves = world.agent->moves;
	bool ok = true;

	for (unsigned int i = 0; i < THREADS; i++) {
		senders[i].sock = world_pair(&senders[i].client);
		world_read(&readers[i], senders[i].client, 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run_sender, &senders[i]);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		close(senders[i].sock);
		ok = ok && senders[i].ok && world_read_end(&readers[i]) == (uint64_t)SIZE;
	}
	probe_check(ok && world.agent->moves == moves + THREADS,
		    "%d threads, each with a socket: bytes right, %u moved", THREADS,
		    world.agent->moves - moves);
}

static void same_socket(void)
{
	int client, sock = world_pair(&client);
	struct sender senders[2] = { { .sock = sock }, { .sock = sock } };
	struct world_reader reader;
	pthread_t threads[2];
	uint64_t got;

	world_read(&reader, client, 0);
	for (unsigned int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, run_sender, &senders[i]);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	close(sock);
	probe_join(reader.pid);
	got = reader.got->bytes;
	probe_check(senders[0].ok && senders[1].ok && got == 2 * (uint64_t)SIZE,
		    "two threads, one socket: %llu bytes", (unsigned long long)got);
}

/* -- who may not be looked at -- */

static ssize_t sleep_in_pause(int sock)
{
	(void)sock;
	return pause();
}

static ssize_t sleep_in_futex(int sock)
{
	pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

	(void)sock;
	pthread_mutex_lock(&held);
	return pthread_mutex_lock(&held);
}

static ssize_t sleep_in_epoll(int sock)
{
	struct epoll_event ee;
	int epoll = epoll_create1(0);

	world_watch(epoll, sock, EPOLLIN);
	return epoll_wait(epoll, &ee, 1, -1);
}

static ssize_t sleep_in_pipe(int sock)
{
	int ends[2];
	char c;

	(void)sock;
	PROBE_TRY(pipe(ends));
	return read(ends[0], &c, 1);
}

static ssize_t sleep_in_accept(int sock)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)sock;
	PROBE_TRY(listen(listener, 1));
	return accept(listener, NULL, NULL);
}

static ssize_t sleep_for_long(int sock)
{
	(void)sock;
	return sleep(HOURS);
}

static int locked, waiting;	/* the file, opened twice */

static ssize_t sleep_in_lock(int sock)
{
	struct flock lock = { .l_type = F_WRLCK };

	(void)sock;
	return fcntl(waiting, F_OFD_SETLKW, &lock);
}

static void lock_the_file(void)
{
	struct flock lock = { .l_type = F_WRLCK };

	locked = (int)PROBE_TRY(open(world.path, O_RDWR | O_CLOEXEC));
	waiting = (int)PROBE_TRY(open(world.path, O_RDWR | O_CLOEXEC));
	PROBE_TRY(fcntl(locked, F_OFD_SETLK, &lock));
}

/* As a server that has changed its user: what its threads do is for root to see. */
static bool hide(void)
{
	return (geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0) &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* Does the kernel tell where it sleeps? Not at once on a busy processor, and some never do. */
static bool is_told(void *arg)
{
	struct sleeper *s = arg;
	char path[64], name[64] = "";
	int fd, tid = atomic_load(&s->tid);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", tid);
	fd = open(path, O_RDONLY);
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	return n > 0 && strcmp(name, "0") != 0;
}

enum { MOVED, STAYED, CANNOT_HIDE, NOT_TOLD, BROKEN };

/* @how: what another thread is at, NULL: there is none; @same: with the socket that is to move */
static int first_of_hidden(ssize_t (*how)(int sock), bool same)
{
	int client, sock = world_nonblock_pair(&client);
	struct sleeper other = { .sock = world_pair(&client), .sleep = how };
	struct hylics_status s;
	pthread_t thread;

	/* joins: who is nobody may not be let in */
	if (!world_first(&world, sock) || !world_is_moved(sock))
		return BROKEN;
	if (!hide())
		return CANNOT_HIDE;
	sock = world_pair(&client);
	if (same)
		other.sock = sock;
	if (how && (pthread_create(&thread, NULL, run_sleeper, &other) != 0 ||
		    !probe_wait_until(sleeps, &other)))
		return BROKEN;
	if (how && !probe_wait_until(is_told, &other))
		return NOT_TOLD;
	if (!world_first(&world, sock))
		return BROKEN;
	if (world_is_moved(sock))
		return MOVED;
	return hylics_status(sock, &s, sizeof(s)) == 0 && s.reason == HYLICS_UNSEEN_THREADS ?
	       STAYED : BROKEN;
}

static void hidden(const char *what, ssize_t (*how)(int sock), bool same, int want)
{
	pid_t pid = probe_fork();
	int got;

	if (pid == 0)
		_exit(first_of_hidden(how, same));
	got = probe_join(pid);
	if (got == CANNOT_HIDE || got == NOT_TOLD)
		probe_skip(what, got == NOT_TOLD ? "this kernel does not tell" :
						   "the user cannot be changed");
	else
		probe_check(got == want, "may not be looked at, %s: %s", what,
			    want == MOVED ? "moved" : "not moved");
}

static void those_who_may_not_be_looked_at(void)
{
	hidden("one thread", NULL, false, MOVED);
	hidden("another thread in a futex", sleep_in_futex, false, MOVED);
	hidden("another thread in epoll_wait()", sleep_in_epoll, false, MOVED);
	hidden("another thread in epoll_wait() for the socket", sleep_in_epoll, true, MOVED);
	hidden("another thread at a pipe", sleep_in_pipe, false, MOVED);
	hidden("another thread in accept()", sleep_in_accept, false, MOVED);
	hidden("another thread in nanosleep()", sleep_for_long, false, MOVED);
	hidden("another thread waits for a lock", sleep_in_lock, false, MOVED);
	hidden("another thread reads from the socket", sleep_in_read, true, STAYED);
	hidden("another thread polls the socket", sleep_in_poll, true, STAYED);
	hidden("another thread selects the socket", sleep_in_read_select, true, STAYED);
	/* whose socket that is nobody may know */
	hidden("another thread reads from a socket", sleep_in_read, false, STAYED);
	hidden("another thread somewhere else", sleep_in_pause, false, STAYED);
}

int main(void)
{
	probe_begin(60);
	world_open(&world);
	world_start(&world);
	thread_inside("read()", sleep_in_read, false, false);
	thread_inside("poll()", sleep_in_poll, false, false);
	thread_inside("poll()", sleep_in_poll, false, true);
	thread_inside("select()", sleep_in_read_select, false, false);
	thread_inside("select() for urgent bytes", sleep_in_select, true, false);
	thread_elsewhere();
	many_threads();
	same_socket();
	lock_the_file();
	those_who_may_not_be_looked_at();
	world_close(&world);
	return probe_end("no thread waits for what is no longer behind its number");
}
