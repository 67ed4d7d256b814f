/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_call.c - hylics_sendfile() does what sendfile() does
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * Built a second time with the preload's objects and HY_TEST_PRELOAD, where sendfile() is tested.
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "include/hylics.h"
#include "tests/unit/lib_trace.h"

#define SIZE ((off_t)WORLD_FILE_BYTES)
#define BIG ((size_t)256 << 10)
#define FIRST 20000
#ifdef HY_TEST_PRELOAD
#define hylics_sendfile sendfile
#define PRELOADED true
#else
#define PRELOADED false
#endif

static struct world world;
static _Atomic uint32_t signals;

static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

static void set_nonblock(int fd)
{
	PROBE_TRY(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	PROBE_TRY(poll(&p, 1, -1));
}

/* -- bytes -- */

/* From @off to the end of the file in pieces of @count; false if a call fails. */
static bool send_rest(int sock, off_t off, size_t count)
{
	while (off < SIZE) {
		off_t before = off;
		ssize_t n = hylics_sendfile(sock, world.file, &off, count);

		if (n < 0 && errno == EAGAIN)
			wait_for(sock, POLLOUT);
		else if (n <= 0 || (size_t)n > count || off != before + n)
			return false;
	}
	return true;
}

/* The same stream, some pieces of it as bytes by write(). */
static bool send_mixed(int sock, off_t off, size_t count)
{
	static uint8_t bytes[5000];

	for (unsigned int turn = 0; off < SIZE; turn++) {
		ssize_t n;

		if (turn % 2) {
			n = pread(world.file, bytes, sizeof(bytes), off);
			if (write(sock, bytes, (size_t)n) != n)
				return false;
			off += n;
		} else if (hylics_sendfile(sock, world.file, &off, count) <= 0) {
			return false;
		}
	}
	return true;
}

static void check_bytes(size_t count, off_t from, bool nonblock,
			bool (*send_it)(int sock, off_t off, size_t count), const char *how)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint32_t moves = world.agent->moves;
	off_t off = from;
	uint64_t got;
	bool sent;

	world_read(&reader, client, (uint64_t)from);
	if (nonblock)
		set_nonblock(sock);
	if (count < HY_LIB_MARK_MIN)	/* such a call moves nobody, so one before them does */
		(void)hylics_sendfile(sock, world.file, &off, HY_LIB_MARK_MIN);
	sent = send_it(sock, off, count);
	close(sock);
	got = world_read_end(&reader);
	probe_check(sent && got == (uint64_t)(SIZE - from) && world.agent->moves == moves + 1,
		    "%s, %sblocking, pieces of %zu from %lld: %lld bytes", how,
		    nonblock ? "non-" : "", count, (long long)from, (long long)got);
}

static void short_pieces_move_nobody(void)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint32_t moves = world.agent->moves;
	bool sent;

	world_read(&reader, client, 0);
	sent = send_rest(sock, 0, HY_LIB_MARK_MIN - 1);
	close(sock);
	probe_check(sent && world_read_end(&reader) == (uint64_t)SIZE &&
		    world.agent->moves == moves,
		    "pieces of a long file, too short for markers: bytes right, nobody is moved");
}

static void bytes_are_right(void)
{
	static const size_t counts[] = { 4095, 16383, 16384, 16385, BIG, HY_SLICE_ALONE - 1,
					 HY_SLICE_ALONE, HY_SLICE_ALONE + 1, WORLD_FILE_BYTES,
					 SSIZE_MAX - WORLD_FILE_BYTES };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		check_bytes(counts[i], 0, i % 2, send_rest, "slices");
		check_bytes(counts[i], 12345, !(i % 2), send_rest, "slices");
		check_bytes(counts[i], 1, false, send_mixed, "slices and bytes");
	}
	check_bytes(97, SIZE - (off_t)BIG, false, send_rest, "slices");
	short_pieces_move_nobody();
}

/* What the agent says of a marker's length, for every connection; 0: nothing. */
static void set_slices(uint32_t bytes)
{
	for (int i = 0; i < HY_PAGE_SLOTS; i++)
		world.page->slot[i].slice = bytes;
}

static uint32_t later;

/* The first marker goes before anything is told of the connection. */
static bool send_told(int sock, off_t off, size_t count)
{
	if (hylics_sendfile(sock, world.file, &off, FIRST) != FIRST)
		return false;
	set_slices(later);
	return send_rest(sock, off, count);
}

static void check_longest(bool nonblock, uint32_t before, uint32_t said, uint64_t expected)
{
	later = said;
	world.agent->longest = 0;
	set_slices(before);
	check_bytes(WORLD_FILE_BYTES, 0, nonblock, said ? send_told : send_rest, "pieces");
	set_slices(0);
	/* the first may have grown, if the agent was slower */
	probe_check(world.agent->longest == expected || world.agent->longest == expected + FIRST,
		    "%sblocking, told %u, %u: a marker of %llu, not %llu", nonblock ? "non-" : "",
		    before, said, (unsigned long long)world.agent->longest,
		    (unsigned long long)expected);
}

static void markers_are_as_long_as_told(void)
{
	check_longest(true, 0, 30000, 30000);
	check_longest(true, 0, UINT32_MAX, SIZE - FIRST);
	check_longest(true, 0, 0, HY_SLICE_ALONE);
	/* what is said of the one that had the slot before; it holds for the rest here */
	check_longest(true, UINT32_MAX, 0, SIZE - HY_SLICE_ALONE);
	/* who waits is not ahead */
	check_longest(false, 0, 30000, SIZE - FIRST);
	check_longest(false, 0, 0, SIZE);
}

static void position_is_kept(void)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	ssize_t n = 0, all = 0;
	bool fits = true;

	world_read(&reader, client, 0);
	PROBE_TRY(lseek(world.file, 0, SEEK_SET));
	while ((n = hylics_sendfile(sock, world.file, NULL, BIG)) > 0) {
		all += n;
		fits = fits && lseek(world.file, 0, SEEK_CUR) == all;
	}
	close(sock);
	probe_check(n == 0 && fits && all == SIZE && world_read_end(&reader) == (uint64_t)SIZE,
		    "without an offset the file's position moves: %zd bytes", all);
}

/* -- errors, side by side -- */

enum in { IN_BODY, IN_NONE, IN_WRITE_ONLY, IN_PATH, IN_DIRECTORY, IN_PIPE, IN_ZERO, IN_SOCKET };
enum out { OUT_TCP, OUT_NONE, OUT_FILE, OUT_LISTENER, OUT_UNCONNECTED, OUT_SHUT, OUT_APPEND,
	   OUT_UNIX, OUT_PIPE };

static const struct call {
	const char *what;
	enum in in;
	enum out out;
	bool no_offset;
	off_t offset;
	size_t count;
} calls[] = {
	{ "a slice", .count = BIG },
	{ "a small slice", .count = 10 },
	{ "nothing", .count = 0 },
	{ "from a negative offset", .offset = -1, .count = BIG },
	{ "from the most negative offset", .offset = INT64_MIN, .count = BIG },
	{ "from the end", .offset = SIZE, .count = BIG },
	{ "from behind the end", .offset = SIZE + 1, .count = BIG },
	{ "from the last offset there is", .offset = INT64_MAX, .count = 1 },
	{ "nothing from the last offset", .offset = INT64_MAX, .count = 0 },
	{ "over the end", .offset = SIZE - 200000, .count = WORLD_FILE_BYTES },
	{ "SSIZE_MAX bytes", .offset = SIZE - 200000, .count = SSIZE_MAX },
	{ "SSIZE_MAX bytes from 0", .offset = SIZE - 200000, .count = SSIZE_MAX - SIZE + 200000 },
	{ "SIZE_MAX bytes", .count = SIZE_MAX },
	{ "offset and count that overflow", .offset = 1, .count = SSIZE_MAX },
	{ "by position", .no_offset = true, .count = BIG },
	{ "nothing by position", .no_offset = true, .count = 0 },
	{ "no file", .in = IN_NONE, .count = BIG },
	{ "no file, by position", .in = IN_NONE, .no_offset = true, .count = BIG },
	{ "nothing of no file", .in = IN_NONE, .count = 0 },
	{ "a file opened for writing", .in = IN_WRITE_ONLY, .count = BIG },
	{ "a file opened as a path", .in = IN_PATH, .count = BIG },
	{ "a directory", .in = IN_DIRECTORY, .count = BIG },
	{ "an empty pipe, by offset", .in = IN_PIPE, .count = BIG },
	{ "a device", .in = IN_ZERO, .count = 5000 },
	{ "a socket", .in = IN_SOCKET, .count = BIG },
	{ "to no socket", .out = OUT_NONE, .count = BIG },
	{ "to a file", .out = OUT_FILE, .count = BIG },
	{ "to a listener", .out = OUT_LISTENER, .count = BIG },
	{ "to an unconnected socket", .out = OUT_UNCONNECTED, .count = BIG },
	{ "to a socket that is shut", .out = OUT_SHUT, .count = BIG },
	{ "to a socket with O_APPEND", .out = OUT_APPEND, .count = BIG },
	{ "to a unix socket", .out = OUT_UNIX, .count = 5000 },
	{ "to a pipe", .out = OUT_PIPE, .count = 5000 },
};

struct result {
	ssize_t n;
	int num;
	off_t offset, position;
	uint32_t signals;
};

static int open_in(enum in in)
{
	int ends[2];

	switch (in) {
	case IN_NONE:
		return 777;
	case IN_WRITE_ONLY:
		return open(world.path, O_WRONLY);
	case IN_PATH:
		return open(world.path, O_PATH);
	case IN_DIRECTORY:
		return open(world.dir, O_RDONLY);
	case IN_PIPE:
		PROBE_TRY(pipe(ends));
		close(ends[1]);
		return ends[0];
	case IN_ZERO:
		return open("/dev/zero", O_RDONLY);
	case IN_SOCKET:
		return socket(AF_INET, SOCK_STREAM, 0);
	default:
		return open(world.path, O_RDONLY);
	}
}

static int open_out(enum out out, int *client)
{
	int ends[2], sock;

	*client = -1;
	switch (out) {
	case OUT_NONE:
		return 777;
	case OUT_FILE:
		return open(world.dir, O_RDWR | O_TMPFILE, 0600);
	case OUT_UNCONNECTED:
	case OUT_LISTENER:
		sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
		if (out == OUT_LISTENER)
			PROBE_TRY(listen(sock, 1));
		return sock;
	case OUT_UNIX:
	case OUT_PIPE:
		PROBE_TRY(out == OUT_PIPE ? pipe(ends) :
			  socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		*client = ends[0];
		return ends[1];
	default:
		return world_pair(client);
	}
}

typedef ssize_t (*send_fn)(int sock, int fd, off_t *offset, size_t count);

/* One call; with @move the connection has been moved before. */
static struct result make_call(const struct call *call, send_fn fn, bool move)
{
	int client, in = open_in(call->in), sock = open_out(call->out, &client);
	struct result r = { .offset = call->offset };
	struct world_reader reader;
	off_t first = 0;

	if (client >= 0 && call->out != OUT_PIPE && call->out != OUT_UNIX) {
		world_read(&reader, client, 0);
		client = -2;
	}
	if (move && fn(sock, world.file, &first, BIG) != (ssize_t)BIG)
		probe_bail("the move before '%s': %s", call->what, strerror(errno));
	if (call->out == OUT_SHUT)
		shutdown(sock, SHUT_WR);
	if (call->out == OUT_APPEND)
		PROBE_TRY(fcntl(sock, F_SETFL, O_APPEND));
	atomic_store(&signals, 0);
	errno = 0;
	r.n = fn(sock, in, call->no_offset ? NULL : &r.offset, call->count);
	r.num = r.n < 0 ? errno : 0;
	r.signals = atomic_load(&signals);
	r.position = lseek(in, 0, SEEK_CUR);
	close(in);
	close(sock);
	if (client == -2)
		world_read_end(&reader);
	else if (client >= 0)
		close(client);
	return r;
}

static void compare(const struct call *call, const struct result *want, bool move)
{
	struct result got = make_call(call, hylics_sendfile, move);

	probe_check(got.n == want->n && got.num == want->num && got.offset == want->offset &&
		    got.position == want->position && got.signals == want->signals,
		    "%s%s: %zd %s, offset %lld, position %lld, %u signals; "
		    "plain %zd %s, %lld, %lld, %u",
		    call->what, move ? ", moved" : "", got.n, strerror(got.num),
		    (long long)got.offset, (long long)got.position, got.signals, want->n,
		    strerror(want->num), (long long)want->offset, (long long)want->position,
		    want->signals);
}

/* Not the C library's, in whose place the preload is. */
static ssize_t kernel_sendfile(int out, int in, off_t *offset, size_t count)
{
	return syscall(SYS_sendfile, out, in, offset, count);
}

static void errors_are_the_same(void)
{
	signal(SIGPIPE, on_signal);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct result want = make_call(&calls[i], kernel_sendfile, false);

		compare(&calls[i], &want, false);
		if (calls[i].out == OUT_TCP || calls[i].out == OUT_SHUT ||
		    calls[i].out == OUT_APPEND)
			compare(&calls[i], &want, true);
	}
	signal(SIGPIPE, SIG_IGN);
}

/* The agent never sees a file that the program may not read: the connection goes on. */
static void unreadable_file(int flags, const char *what)
{
	struct world_reader reader;
	int client, sock = world_pair(&client), in = open(world.path, flags), num;
	off_t off = 0;
	ssize_t n;

	world_read(&reader, client, 0);
	set_nonblock(sock);
	n = hylics_sendfile(sock, world.file, &off, BIG);
	n = n == (ssize_t)BIG ? hylics_sendfile(sock, in, &off, BIG) : 0;
	num = errno;
	close(in);
	probe_check(n == -1 && num == EBADF && send_rest(sock, off, BIG),
		    "%s: EBADF, and the connection goes on", what);
	close(sock);
	probe_check(world_read_end(&reader) == (uint64_t)SIZE, "all bytes are right");
}

/* -- blocking or not -- */

/* An agent that serves nothing, and a moved socket: what fits into the pair, and then EAGAIN. */
static void full_pair_says_eagain(void)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	unsigned int n = 0;
	off_t off = 0;

	world_read(&reader, client, 0);
	set_nonblock(sock);
	set_slices(65536);	/* none grows */
	atomic_store(&world.agent->hold, 1);
	while (off < SIZE && hylics_sendfile(sock, world.file, &off, 65536) == 65536)
		n++;
	probe_check(n >= HY_ITEMS_MAX * 3 / 4 && n <= HY_ITEMS_MAX * 2 && errno == EAGAIN,
		    "a pair takes %u markers, then EAGAIN (%s)", n, strerror(errno));
	atomic_store(&world.agent->hold, 0);
	world_wake(&world);
	probe_check(send_rest(sock, off, 65536), "and goes on with POLLOUT");
	set_slices(0);
	close(sock);
	probe_check(world_read_end(&reader) == (uint64_t)SIZE, "all bytes are right");
}

static void non_blocking_takes_a_part(void)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	off_t off = 0;
	ssize_t n;

	world_read(&reader, client, 0);
	set_nonblock(sock);
	set_slices(65536);
	atomic_store(&world.agent->hold, 1);
	n = hylics_sendfile(sock, world.file, &off, WORLD_FILE_BYTES);
	probe_check(n > 0 && n < SIZE && n % 65536 == 0 && off == n,
		    "a non-blocking call returns what its markers took: %zd", n);
	atomic_store(&world.agent->hold, 0);
	world_wake(&world);
	probe_check(send_rest(sock, off, WORLD_FILE_BYTES), "and goes on");
	set_slices(0);
	close(sock);
	probe_check(world_read_end(&reader) == (uint64_t)SIZE, "all bytes are right");
}

static void blocking_waits_until_told(void)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint64_t marked = world.agent->marked_bytes;
	bool told = true;
	off_t off = 0;

	world_read(&reader, client, 0);
	while (off < SIZE && hylics_sendfile(sock, world.file, &off, BIG) > 0)
		told = told && world.agent->marked_bytes - marked == (uint64_t)off;
	close(sock);
	probe_check(told && world_read_end(&reader) == (uint64_t)SIZE,
		    "a blocking call returns when its bytes are in the socket");
}

/* What ends a wait: the socket's limit, or a signal. Both before and after the pair is full. */
static void waiting_ends(const char *what, int full_errno, int sock, int client)
{
	struct world_reader reader;
	ssize_t n = 0;
	off_t off = 0;

	world_read(&reader, client, 0);
	atomic_store(&world.agent->hold, 1);
	do {
		n = hylics_sendfile(sock, world.file, &off, 65536);
	} while (n == 65536 && off < SIZE);
	probe_check(off >= 65536 && n == -1 && errno == full_errno,
		    "%s: %lld bytes are promised, then %s", what, (long long)off, strerror(errno));
	atomic_store(&world.agent->hold, 0);
	world_wake(&world);
	close(sock);
	probe_check(world_read_end(&reader) == (uint64_t)off, "and all of them arrive");
}

static void limits_and_signals_end_it(void)
{
	const struct timeval limit = { .tv_usec = 20000 };
	const struct timespec every = { .tv_nsec = 20000000 };
	struct sigaction act = { .sa_handler = on_signal }, old;
	int client, sock = world_pair(&client);

	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	waiting_ends("SO_SNDTIMEO", EAGAIN, sock, client);
	sock = world_pair(&client);
	sigaction(SIGUSR1, &act, &old);
	{
		pid_t me = getpid(), pid = probe_fork();

		if (pid == 0) {
			for (;;) {
				kill(me, SIGUSR1);
				nanosleep(&every, NULL);
			}
		}
		waiting_ends("a signal", EINTR, sock, client);
		kill(pid, SIGKILL);
		probe_join(pid);
	}
	sigaction(SIGUSR1, &old, NULL);
}

/* -- status -- */

static bool status_is(int sock, uint32_t state, uint32_t reason, const char *why)
{
	struct hylics_status s;
	int rc = hylics_status(sock, &s, sizeof(s));
	bool ok = rc == 0 && s.state == state && s.reason == reason && strcmp(s.why, why) == 0;

	if (!ok)
		probe_note("status %d: state %u, reason %u, %s", rc, s.state, s.reason, s.why);
	return ok;
}

static void status_tells(void)
{
	int client, sock = world_pair(&client);
	struct hylics_status s;
	struct { struct hylics_status s; uint64_t more[2]; } newer = { .more = { 1, 1 } };
	uint32_t moves = world.agent->moves;
	off_t off = 0, tail = SIZE - 1000;

	probe_check(hylics_status(sock, &s, sizeof(s)) == 0 && s.state == HYLICS_HERE &&
		    s.offered_bytes == 0, "status: nothing yet");
	probe_check(hylics_sendfile(sock, world.file, &tail, 1000) == 1000 &&
		    status_is(sock, HYLICS_HERE, HYLICS_BELOW_THRESHOLD, "below-threshold"),
		    "status: too few bytes");
	set_nonblock(sock);
	probe_check(hylics_sendfile(sock, world.file, &off, 20000) == 20000 &&
		    world_wait(&world.agent->moves, moves + 1) &&
		    status_is(sock, HYLICS_HOST, HYLICS_MOVED, "moved"), "status: moved");
	probe_check(hylics_status(sock, &newer.s, sizeof(newer)) == 0 &&
		    newer.s.offered_bytes == 20000 && newer.more[0] == 0 && newer.more[1] == 0,
		    "status: what a newer program asks for is 0");
	s.reason = 77;
	probe_check(hylics_status(sock, &s, sizeof(s.state)) == 0 && s.state == HYLICS_HOST &&
		    s.reason == 77, "status: an older program gets what it knows");
	probe_check(hylics_status(sock, &s, 0) < 0 && errno == EINVAL &&
		    hylics_status(sock, NULL, sizeof(s)) < 0 && errno == EINVAL &&
		    hylics_status(world.file, &s, sizeof(s)) < 0 && errno == ENOTSOCK &&
		    hylics_status(777, &s, sizeof(s)) < 0 && errno == EBADF &&
		    hylics_status(-1, &s, sizeof(s)) < 0 && errno == EBADF, "status: errors");
	close(sock);
	close(client);
}

/* -- system calls -- */

#define COUNTED 50

struct counted {
	int sock, client;	/* made by who sends: the parent is not to have them */
	off_t off;
	bool old;		/* the kernel calls itself 2.6 */
};

/* The first two calls move the connection and learn of the file. */
static int send_some(void *arg, int turn)
{
	struct counted *c = arg;

	if (c->old && turn == 0 && personality(UNAME26) < 0)
		return -1;
	if (turn == 0)
		c->sock = world_nonblock_pair(&c->client);
	for (int i = 0; i < (turn ? COUNTED : 2); i++) {
		if (hylics_sendfile(c->sock, world.file, &c->off, 20000) != 20000 &&
		    errno != EAGAIN)
			return -1;
	}
	return 0;
}

static void few_system_calls(bool old, int each)
{
	struct counted c = { .old = old };
	int n;

	set_slices(20000);	/* each call is a marker of its own */
	n = trace_calls(send_some, &c, TRACE_ALL);
	probe_check(n >= 3 * COUNTED && n <= each * COUNTED, "%s, %d moved calls: %d system calls",
		    old ? "before Linux 6.5" : "here", COUNTED, n);
	set_slices(0);
}

static bool is_old(void)
{
	struct utsname name;
	char *at;

	uname(&name);
	return strtoul(name.release, &at, 10) * 100 + strtoul(at + 1, NULL, 10) < 605;
}

int main(void)
{
	probe_begin(100);
	world_open(&world);
	world_start(&world);
	if (!PRELOADED) {
		few_system_calls(true, 8);	/* first: it is found out once */
		few_system_calls(false, is_old() ? 8 : 5);
	}
	position_is_kept();
	errors_are_the_same();
	if (PRELOADED) {	/* the rest is what libhylics decides: here it was asked at all */
		world_close(&world);
		return probe_end("the preload's sendfile() does what the kernel's does");
	}
	bytes_are_right();
	markers_are_as_long_as_told();
	unreadable_file(O_WRONLY, "a file opened for writing");
	unreadable_file(O_PATH, "a file opened as a path");
	full_pair_says_eagain();
	non_blocking_takes_a_part();
	blocking_waits_until_told();
	limits_and_signals_end_it();
	status_tells();
	world_close(&world);
	return probe_end("the calls of libhylics do what those of libc do");
}
