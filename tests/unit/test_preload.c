/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_preload.c - the preload's sendfile(): what a look costs, when it moves, when it may not
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * The preload's objects are linked into this program, so its sendfile() is the preload's.
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/hylics.h"
#include "libhylics/lib.h"
#include "tests/unit/lib_trace.h"

#define BIG ((size_t)256 << 10)
#define SLICE ((size_t)32 << 10)	/* four are a threshold */
#define SHORT_BYTES 100000
#define TURNS 50
#define SHUT_ARG "shut"

static struct world world;

/* -- what a call costs -- */

enum pattern { SAME_FILE, IN_ROW_SHORT, BY_POSITION, TINY, PATTERNS };

static const char *const pattern_names[PATTERNS] = {
	"the same short file again and again", "short files, each in two slices",
	"short files by their position", "a long file in slices too short for a marker",
};

struct plan {
	enum pattern pattern;
	bool threads;
	int sock, client, file;
};

/* A client takes everything, in one call: nobody waits. */
static void take(int client, size_t bytes)
{
	static char buf[BIG];

	if (recv(client, buf, bytes, MSG_WAITALL) != (ssize_t)bytes)
		probe_bail("the client does not get %zu bytes", bytes);
}

static ssize_t send_once(struct plan *p, int i)
{
	off_t at = 0;

	switch (p->pattern) {
	case SAME_FILE:
		return sendfile(p->sock, p->file, &at, SHORT_BYTES);
	case IN_ROW_SHORT:
		at = i % 2 ? SHORT_BYTES / 2 : 0;
		return sendfile(p->sock, p->file, &at, SHORT_BYTES / 2);
	case BY_POSITION:
		return sendfile(p->sock, p->file, NULL, SHORT_BYTES);
	default:
		at = i * 10000;
		return sendfile(p->sock, p->file, &at, 10000);
	}
}

static void *wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* Shorter than a threshold. */
static int short_file(void)
{
	char path[96];
	int file;

	snprintf(path, sizeof(path), "%s/short", world.dir);
	file = (int)PROBE_TRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	PROBE_TRY(unlink(path));
	PROBE_TRY(ftruncate(file, SHORT_BYTES));
	return file;
}

static void begin_plan(struct plan *p)
{
	pthread_t thread;

	p->sock = world_pair(&p->client);
	p->file = p->pattern == TINY ? open(world.path, O_RDONLY | O_CLOEXEC) : short_file();
	if (p->threads && pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
		probe_bail("no thread");
}

/* Each turn is a sendfile(), what the client takes, and for one pattern a seek by the program. */
static int follow_plan(void *arg, int turn)
{
	struct plan *p = arg;

	if (turn == 0)
		begin_plan(p);
	for (int i = 0; i < TURNS * (turn ? 1 : 2); i++) {
		ssize_t n;

		if (p->pattern == BY_POSITION)
			lseek(p->file, 0, SEEK_SET);
		n = send_once(p, i);
		if (n <= 0)
			return -1;
		take(p->client, (size_t)n);
	}
	return world_is_moved(p->sock) ? -1 : 0;
}

static void short_calls_cost_nothing(enum pattern pattern, bool threads)
{
	struct plan p = { .pattern = pattern, .threads = threads };
	int seeks = trace_calls(follow_plan, &p, SYS_lseek);
	int fstats = trace_calls(follow_plan, &p, SYS_newfstatat) +
		     trace_calls(follow_plan, &p, SYS_fstat);
	int sends = trace_calls(follow_plan, &p, SYS_sendfile);
	int all = trace_calls(follow_plan, &p, TRACE_ALL);

	/* its own seeks, what the client takes, and once world_is_moved() */
	probe_check(sends == TURNS && seeks == (pattern == BY_POSITION ? TURNS : 0) &&
		    fstats == 1 && all == sends + seeks + TURNS + fstats,
		    "%s%s: %d calls, %d of others", pattern_names[pattern],
		    threads ? ", with threads" : "", sends, all - 2 * sends - seeks - fstats);
}

/* -- what leads to a move -- */

/* Slices of the file one after the other; bytes that went before it was moved. */
static off_t slices_until_moved(int sock, size_t slice, bool by_position)
{
	off_t off = 0;
	int in = open(world.path, O_RDONLY | O_CLOEXEC);

	for (;;) {
		ssize_t n = sendfile(sock, in, by_position ? NULL : &off, slice);

		if (n != (ssize_t)slice || (off_t)(off + n) > (off_t)WORLD_FILE_BYTES)
			break;
		if (world_is_moved(sock)) {
			off_t sent = lseek(in, 0, SEEK_CUR);

			close(in);
			return by_position ? sent : off;
		}
	}
	close(in);
	return -1;
}

static void runs_are_moved(void)
{
	for (int by_position = 0; by_position < 2; by_position++) {
		int client, sock = world_pair(&client);
		struct world_reader reader;
		off_t sent;

		world_read(&reader, client, 0);
		sent = slices_until_moved(sock, SLICE, by_position);
		probe_check(sent == 4 * (off_t)SLICE, "slices of 32 KB%s: moved at %lld bytes",
			    by_position ? " by position" : "", (long long)sent);
		close(sock);
		probe_check(world_read_end(&reader) == (uint64_t)sent, "bytes right");
	}
}

static void one_long_call_is_moved(void)
{
	int client, sock = world_pair(&client);
	struct world_reader reader;
	off_t off = 0;

	world_read(&reader, client, 0);
	probe_check(sendfile64(sock, world.file, &off, BIG) == (ssize_t)BIG &&
		    world_is_moved(sock), "a call of a threshold is moved at once");
	while (off < (off_t)WORLD_FILE_BYTES &&
	       sendfile(sock, world.file, &off, WORLD_FILE_BYTES) > 0)
		;
	close(sock);
	probe_check(world_read_end(&reader) == WORLD_FILE_BYTES, "bytes right");
}

/* The library asks the agent then, in calls that would end the thread with the lock held. */
static void *set_when_cancelled(void *arg)
{
	const int *sock = arg, one = 1;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	setsockopt(*sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_testcancel();
	return NULL;
}

static void a_cancelled_thread_holds_nothing(void)
{
	int client, sock = world_pair(&client), other_client, other = world_pair(&other_client);
	off_t off = 0;
	pthread_t thread;
	void *end;

	probe_check(sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG && world_is_moved(sock),
		    "moved");
	pthread_create(&thread, NULL, set_when_cancelled, &sock);
	pthread_join(thread, &end);
	off = 0;
	probe_check(end == PTHREAD_CANCELED &&
		    sendfile(other, world.file, &off, BIG) == (ssize_t)BIG && world_is_moved(other),
		    "a thread is cancelled in an option: others move on");
	close(sock);
	close(client);
	close(other);
	close(other_client);
}

/* A program may go on where it is EOPNOTSUPP alone. Each looks for an agent once in a second. */
static void options_of_other_unix_sockets(void)
{
	int pair[2], one = 1;
	socklen_t len = sizeof(one);
	pid_t setting = probe_fork(), getting = setting ? probe_fork() : 0;

	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	if (!setting)
		_exit(setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &one, len) == 0 ? 0 : errno);
	if (!getting)
		_exit(getsockopt(pair[1], IPPROTO_TCP, TCP_NODELAY, &one, &len) == 0 ? 0 : errno);
	probe_check(probe_join(setting) == EOPNOTSUPP, "without an agent: errno of setsockopt()");
	probe_check(probe_join(getting) == EOPNOTSUPP, "without an agent: errno of getsockopt()");
	close(pair[0]);
	close(pair[1]);
}

/* Another file, or another place in it, begins a run anew. */
static void broken_runs_stay(void)
{
	int client, sock = world_pair(&client), other = open(world.path, O_RDONLY | O_CLOEXEC);
	bool ok = true;

	for (int i = 0; i < 12; i++) {
		off_t off = (off_t)(i % 3) * (off_t)SLICE + i;

		ok = ok && sendfile(sock, i % 2 ? other : world.file, &off, SLICE) > 0;
		take(client, SLICE);
	}
	probe_check(ok && !world_is_moved(sock), "slices that do not follow each other stay");
	close(other);
	close(sock);
	close(client);
}

/* What the kernel finds bad it says, as long as there is nothing to decide. */
static void bad_offsets(void)
{
	int client, sock = world_pair(&client);
	ssize_t n = sendfile(sock, world.file, (off_t *)(uintptr_t)8, 1000);

	probe_check(n == -1 && errno == EFAULT, "an offset that is no memory: %s",
		    strerror(errno));
	n = sendfile(-1, world.file, NULL, BIG);
	probe_check(n == -1 && errno == EBADF, "no socket: %s", strerror(errno));
	n = sendfile(HY_LIB_FDS_MAX, world.file, NULL, BIG);
	probe_check(n == -1 && errno == EBADF, "a number too high: %s", strerror(errno));
	close(sock);
	close(client);
}

/* -- the gate -- */

static struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
static const struct sock_fprog filter = { .len = 1, .filter = allow };

enum way { BY_PRCTL, BY_SECCOMP, BY_RAW_PRCTL, IN_VAIN, WAYS };

static const char *const way_names[WAYS] = { "prctl()", "seccomp()", "syscall(SYS_prctl)" };

static void add_filter(enum way way)
{
	PROBE_TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (way == BY_PRCTL)
		PROBE_TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
	else if (way == BY_SECCOMP)
		PROBE_TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
	else if (way == BY_RAW_PRCTL)
		PROBE_TRY(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
	else if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == 0 ||
		 syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == 0)
		probe_bail("a filter that is no memory");
}

static bool is_sandboxed(int sock)
{
	struct hylics_status s;

	return hylics_status(sock, &s, sizeof(s)) == 0 && s.state == HYLICS_HERE &&
	       s.reason == HYLICS_SANDBOXED && strcmp(s.why, "sandboxed") == 0;
}

struct sandboxed {
	enum way way;
	int sock, client;
	off_t off;
};

/* Turn 0 moves and puts the filter there; turn 1 sends on: nothing but the plain calls. */
static int send_sandboxed(void *arg, int turn)
{
	struct sandboxed *s = arg;
	int fresh, client;

	if (turn == 0) {
		s->sock = world_nonblock_pair(&s->client);
		if (sendfile(s->sock, world.file, &s->off, BIG) != (ssize_t)BIG ||
		    !world_is_moved(s->sock))
			return -1;
		add_filter(s->way);
		fresh = world_nonblock_pair(&client);
		if (sendfile(fresh, world.file, &s->off, BIG) <= 0 || !is_sandboxed(fresh))
			return -1;
		take(s->client, BIG);
		s->off = BIG;
		return 0;
	}
	for (int i = 0; i < 10; i++) {
		if (sendfile(s->sock, world.file, &s->off, 1000) != 1000)
			return -1;
	}
	return 0;
}

static void filters_shut_the_gate(void)
{
	for (enum way way = BY_PRCTL; way < IN_VAIN; way++) {
		struct sandboxed s = { .way = way };
		int n = trace_calls(send_sandboxed, &s, TRACE_ALL);

		probe_check(n == 10, "a filter by %s: 10 calls with a moved connection, %d to the "
			    "kernel; nothing else is moved", way_names[way], n);
	}
}

static void others_do_not(void)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		int client, sock = world_nonblock_pair(&client);
		off_t off = 0;

		add_filter(IN_VAIN);
		_exit(sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG &&
		      world_is_moved(sock) ? 0 : 1);
	}
	probe_check(probe_join(pid) == 0, "a filter that was not taken leaves it open");
}

/* This program again: what its constructor has decided is its exit code. */
static int run_again(bool filtered, bool off)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		PROBE_TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		if (filtered)
			PROBE_TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
		if (off)
			setenv("HYLICS", "off", 1);
		execl("/proc/self/exe", "test_preload", SHUT_ARG, NULL);
		_exit(255);
	}
	return probe_join(pid);
}

static void decided_at_the_start(void)
{
	probe_check(run_again(false, false) == MOVE_DONE, "open at the start");
	probe_check(run_again(true, false) == MOVE_SANDBOXED, "shut by a filter that is there");
	probe_check(run_again(false, true) == MOVE_OFF_BY_OPERATOR, "shut by HYLICS=off");
}

/* A child inherits the filter, and knows. */
static void children_know(void)
{
	pid_t pid = probe_fork(), child;

	if (pid == 0) {
		add_filter(BY_PRCTL);
		child = probe_fork();
		if (child == 0)
			_exit(lib_is_shut());
		_exit(probe_join(child));
	}
	probe_check(probe_join(pid) == MOVE_SANDBOXED, "a child of a process with a filter knows");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], SHUT_ARG) == 0)
		return lib_is_shut();
	probe_begin(60);
	decided_at_the_start();
	world_open(&world);
	options_of_other_unix_sockets();
	world_start(&world);
	for (enum pattern p = SAME_FILE; p < PATTERNS; p++) {
		short_calls_cost_nothing(p, false);
		short_calls_cost_nothing(p, true);
	}
	runs_are_moved();
	one_long_call_is_moved();
	a_cancelled_thread_holds_nothing();
	broken_runs_stay();
	bad_offsets();
	filters_shut_the_gate();
	others_do_not();
	children_know();
	world_close(&world);
	return probe_end("the preload costs nothing where it moves nothing");
}
