/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_grow.c - short slices of a file go along with the marker before them, and never past
 * anything that stands behind it
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * Bytes that are written between two slices are not the file's, and the second slice begins where
 * the first ended: a slice that went past them would be seen at once.
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/own.h"
#include "include/hylics.h"
#include "libhylics/slice.h"
#include "tests/unit/lib_trace.h"

#define SLICE 32768
#define WRITTEN 32		/* as long as a marker: nothing is charged more like one */
#define OTHER_STREAM 77
#define HEARD_MAX ((size_t)16 << 20)

static struct world world;
static int sock, client;
static off_t at;		/* in the file */
static uint8_t *said, *heard;
static size_t n_said, n_heard;
static _Atomic uint32_t signals;

static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

static void hold(bool on)
{
	atomic_store(&world.agent->hold, on);
	world_wake(&world);
}

static void open_held(void)
{
	hold(true);
	sock = world_nonblock_pair(&client);
	at = 0;
	n_said = n_heard = 0;
	world.agent->markers = 0;
	world.agent->grown_bytes = 0;
}

/* One slice; false: the call did not take all of it. */
static bool slice(void)
{
	off_t from = at;

	if (hylics_sendfile(sock, world.file, &at, SLICE) != SLICE || n_said + SLICE > HEARD_MAX)
		return false;
	probe_fill(said + n_said, SLICE, (uint64_t)from, WORLD_STREAM);
	n_said += SLICE;
	return true;
}

static bool slices(unsigned int n)
{
	while (n && slice())
		n--;
	return n == 0;
}

static void hear(void)
{
	ssize_t n;

	while (n_heard < HEARD_MAX &&
	       (n = recv(client, heard + n_heard, HEARD_MAX - n_heard, MSG_DONTWAIT)) > 0)
		n_heard += (size_t)n;
}

/* Everything that was said comes, and nothing else. */
static bool all_heard(void)
{
	struct pollfd p = { .fd = client, .events = POLLIN };

	hold(false);
	while (n_heard < n_said && poll(&p, 1, 20000) > 0)
		hear();
	return n_heard == n_said && memcmp(said, heard, n_said) == 0;
}

static bool all_heard_and_end(void)
{
	bool right = all_heard();
	uint8_t byte;

	close(sock);
	PROBE_TRY(fcntl(client, F_SETFL, 0));
	right = right && recv(client, &byte, 1, 0) == 0;
	close(client);
	return right;
}

static int in_pair(void)
{
	int n = -1;

	PROBE_TRY(ioctl(sock, SIOCOUTQ, &n));
	return n;
}

/* -- what grows -- */

static void slices_grow_into_one(void)
{
	int one;

	open_held();
	probe_check(slice(), "the first slice moves the connection");
	one = in_pair();
	probe_check(slices(40) && in_pair() == one, "40 more take no room in the pair");
	probe_check(all_heard() && world.agent->markers == 1 &&
		    world.agent->grown_bytes == 40 * SLICE, "one marker of them all");
	probe_check(slice() && all_heard(), "what comes when it has gone is another");
	probe_check(world_wait(&world.agent->markers, 2), "which is taken, too");
	(void)all_heard_and_end();
}

static uint32_t first_of(uint32_t segments, uint32_t rtt_us)
{
	const struct tcp_info info = { .tcpi_snd_cwnd = segments, .tcpi_snd_mss = 1000,
				       .tcpi_rtt = rtt_us };

	return slice_first(&info);
}

static void the_first_is_by_what_tcp_knows(void)
{
	probe_check(first_of(10, 0) == HY_SLICE_ALONE && first_of(10, 50) == HY_SLICE_ALONE &&
		    first_of(UINT32_MAX, 1) == HY_SLICE_ALONE, "a near client's is long");
	probe_check(first_of(10, 20000) == 125000, "a farther one's is what goes in HY_SLICE_MS");
	probe_check(first_of(10, 1000000) == HY_SLICE_NEW && first_of(0, 1) == HY_SLICE_NEW,
		    "a slow one's is short");
}

static void no_longer_than_it_may(void)
{
	unsigned int n = HY_SLICE_ALONE / SLICE;
	int one, two;

	open_held();
	(void)slice();
	one = in_pair();
	probe_check(slices(n - 1) && in_pair() == one, "alone it grows to HY_SLICE_ALONE");
	(void)slice();
	two = in_pair();
	n = HY_SLICE_NEW / SLICE;
	probe_check(two == 2 * one && slices(n - 1) && in_pair() == two,
		    "the next to HY_SLICE_NEW, as nothing is known of the client");
	probe_check(slice() && in_pair() == 3 * one, "then there is a third");
	probe_check(all_heard_and_end() && world.agent->longest == HY_SLICE_ALONE, "bytes right");
}

static void set_blocking(bool on)
{
	int flags = (int)PROBE_TRY(fcntl(sock, F_GETFL));

	PROBE_TRY(fcntl(sock, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

/* The agent stands still: whoever waited for it, or for room, would do so for ever. */
static void what_grows_is_not_waited_for(void)
{
	int one;

	open_held();
	(void)slice();
	one = in_pair();
	set_blocking(true);
	probe_check(slices(3) && in_pair() == one, "a socket that blocks by now does not wait");
	set_blocking(false);
	probe_check(slice() && all_heard_and_end() && world.agent->markers == 1, "bytes right");
}

/* Only slices that go on where the marker ends are added to it. */
static void only_what_goes_on(void)
{
	int one;

	open_held();
	(void)slice();
	one = in_pair();
	at += 1;
	probe_check(slice() && in_pair() == 2 * one, "a slice that leaves a byte out does not");
	at -= SLICE;
	probe_check(slice() && in_pair() == 3 * one, "nor does one that begins again");
	probe_check(all_heard_and_end(), "bytes right");
}

static void only_the_same_file(void)
{
	int one, same = (int)PROBE_TRY(open(world.path, O_RDONLY | O_CLOEXEC));
	int other = (int)PROBE_TRY(open(world.dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
	static uint8_t other_bytes[2 * SLICE];
	off_t from = SLICE;

	probe_fill(other_bytes, sizeof(other_bytes), 0, OTHER_STREAM);
	PROBE_TRY(pwrite(other, other_bytes, sizeof(other_bytes), 0));
	open_held();
	(void)slice();
	one = in_pair();
	probe_check(hylics_sendfile(sock, other, &from, SLICE) == SLICE && in_pair() == 2 * one,
		    "another file's slice does not grow");
	memcpy(said + n_said, other_bytes + SLICE, SLICE);
	n_said += SLICE;
	(void)slice();
	one = in_pair();
	probe_check(hylics_sendfile(sock, same, &at, SLICE) == SLICE && in_pair() == one,
		    "the same file by another number does");
	probe_fill(said + n_said, SLICE, SLICE + SLICE, WORLD_STREAM);
	n_said += SLICE;
	probe_check(all_heard_and_end(), "bytes right");
	close(same);
	close(other);
}

/* -- what stands behind it, by whatever call -- */

static uint8_t bytes[WRITTEN];

static void by_write(void)
{
	PROBE_TRY(write(sock, bytes, WRITTEN));
}

static void by_system_call(void)
{
	PROBE_TRY(syscall(SYS_write, sock, bytes, WRITTEN));
}

static void *write_it(void *arg)
{
	(void)arg;
	by_write();
	return NULL;
}

static void by_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, write_it, NULL) != 0 || pthread_join(t, NULL) != 0)
		probe_bail("no thread");
}

static void by_child(void)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		by_write();
		_exit(0);
	}
	probe_join(pid);
}

static void by_duplicate(void)
{
	hy_autofd other = (int)PROBE_TRY(dup(sock));

	PROBE_TRY(write(other, bytes, WRITTEN));
}

static void by_splice(void)
{
	int pipes[2];

	PROBE_TRY(pipe(pipes));
	PROBE_TRY(write(pipes[1], bytes, WRITTEN));
	if (splice(pipes[0], NULL, sock, NULL, WRITTEN, 0) != WRITTEN)
		probe_bail("splice: %s", strerror(errno));
	close(pipes[0]);
	close(pipes[1]);
}

static void by_sendfile(void)
{
	hy_autofd file = (int)PROBE_TRY(memfd_create("bytes", MFD_CLOEXEC));
	off_t from = 0;

	PROBE_TRY(pwrite(file, bytes, WRITTEN, 0));
	if (sendfile(sock, file, &from, WRITTEN) != WRITTEN)
		probe_bail("sendfile: %s", strerror(errno));
}

static void by_sendmsg(void)
{
	struct iovec iov = { bytes, WRITTEN };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	PROBE_TRY(sendmsg(sock, &msg, 0));
}

/* A marker of the library's own, that has no word: from a caller that waits. */
static void by_blocking_call(void)
{
	const struct timeval soon = { .tv_usec = 1000 };
	off_t from = 5;

	PROBE_TRY(setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)));
	PROBE_TRY(fcntl(sock, F_SETFL, 0));
	if (hylics_sendfile(sock, world.file, &from, SLICE) != SLICE)
		probe_bail("a blocking call");
	PROBE_TRY(fcntl(sock, F_SETFL, O_NONBLOCK));
	probe_fill(said + n_said, SLICE, 5, WORLD_STREAM);
	n_said += SLICE;
}

static const struct writer {
	const char *what;
	void (*write_it)(void);
} writers[] = {
	{ "write()", by_write },
	{ "a system call", by_system_call },
	{ "another thread", by_thread },
	{ "a child of fork()", by_child },
	{ "another number", by_duplicate },
	{ "splice()", by_splice },
	{ "sendfile()", by_sendfile },
	{ "sendmsg()", by_sendmsg },
	{ "a blocking call", by_blocking_call },
};

static void write_between(const struct writer *w)
{
	int before;

	open_held();
	(void)slices(3);
	before = in_pair();
	probe_fill(bytes, WRITTEN, 0, OTHER_STREAM);
	w->write_it();
	if (w->write_it != by_blocking_call) {
		memcpy(said + n_said, bytes, WRITTEN);
		n_said += WRITTEN;
	}
	probe_check(in_pair() > before && slices(1) && in_pair() >= 3 * before,
		    "behind %s a slice has a marker of its own", w->what);
	(void)slices(2);
	probe_check(all_heard_and_end(), "%s: bytes and order are right", w->what);
}

/*
 * The agent takes at its own pace, the program writes now and then: whatever the pair shows in
 * between, the order is the program's.
 */
static void at_any_moment(unsigned int seed)
{
	unsigned int done = 0;

	open_held();
	hold(false);
	srandom(seed);
	while (n_said < HEARD_MAX - 2 * SLICE && done < 4000) {
		done++;
		if (random() % 4 == 0 && send(sock, bytes, WRITTEN, MSG_DONTWAIT) == WRITTEN) {
			memcpy(said + n_said, bytes, WRITTEN);
			n_said += WRITTEN;
		}
		if (at + SLICE > (off_t)WORLD_FILE_BYTES)
			at = 0;
		if (!slice())
			hear();
		if (random() % 8 == 0)
			sched_yield();
	}
	probe_check(all_heard_and_end(), "%u calls, %zu bytes: order and bytes are right", done,
		    n_said);
}

/* -- ends -- */

static void after_shutdown(void)
{
	bool went;

	open_held();
	(void)slices(2);
	atomic_store(&signals, 0);
	PROBE_TRY(shutdown(sock, SHUT_WR));
	went = slice();
	probe_check(!went && errno == EPIPE && atomic_load(&signals) == 1,
		    "after shutdown() a slice that would grow is refused: %s, %u signals",
		    strerror(errno), atomic_load(&signals));
	probe_check(all_heard_and_end(), "what was said before comes");
}

static void when_the_agent_is_gone(void)
{
	off_t before;
	bool went;

	open_held();
	(void)slices(2);
	before = at;
	world_stop(&world);
	went = slice();
	probe_check(!went && (errno == EPIPE || errno == ECONNRESET) && at == before,
		    "nothing grows when nobody is there to send it: %s", strerror(errno));
	close(sock);
	close(client);
	world_start(&world);
}

/* A word is used again only when its marker is gone, and a marker without one does no harm. */
static void more_markers_than_words(void)
{
	const int large = 1 << 20;
	int one;

	open_held();
	(void)slice();
	one = in_pair();
	PROBE_TRY(setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)));
	for (unsigned int i = 0; i < GROW_RING + 4; i++) {
		at += 1;
		(void)slice();
	}
	probe_check(in_pair() == (GROW_RING + 5) * one && slice() &&
		    in_pair() == (GROW_RING + 6) * one, "without a free word nothing grows");
	probe_check(all_heard_and_end(), "bytes right");
}

static void words_that_could_shrink(void)
{
	world_stop(&world);
	world.unsealed_words = true;
	world_start(&world);
	open_held();
	probe_check(slices(2) && in_pair() > 0, "words that could shrink: not used");
	probe_check(all_heard_and_end() && world.agent->markers == 2, "bytes right");
	world_stop(&world);
	world.unsealed_words = false;
	world_start(&world);
}

/* -- system calls -- */

#define COUNTED 20

/* In a child, which knows nothing of its parent's connections. */
static int some(void *arg, int turn)
{
	(void)arg;
	if (turn)
		return slices(COUNTED) ? 0 : -1;
	sock = world_nonblock_pair(&client);
	at = 0;
	return slices(2) ? 0 : -1;
}

static void few_system_calls(void)
{
	int n, puts;

	hold(true);
	n_said = 0;
	n = trace_calls(some, NULL, TRACE_ALL);
	puts = trace_calls(some, NULL, SYS_sendmsg);
	probe_check(n > 0 && n <= 5 * COUNTED && puts == 0,
		    "%d slices that grow: %d system calls, %d of them sendmsg()", COUNTED, n, puts);
	hold(false);
}

int main(void)
{
	probe_begin(100);
	said = malloc(HEARD_MAX);
	heard = malloc(HEARD_MAX);
	if (!said || !heard)
		probe_bail("no memory");
	signal(SIGPIPE, on_signal);
	world_open(&world);
	world_start(&world);
	slices_grow_into_one();
	the_first_is_by_what_tcp_knows();
	no_longer_than_it_may();
	what_grows_is_not_waited_for();
	only_what_goes_on();
	only_the_same_file();
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		write_between(&writers[i]);
	for (unsigned int seed = 1; seed <= 5; seed++)
		at_any_moment(seed);
	after_shutdown();
	when_the_agent_is_gone();
	more_markers_than_words();
	words_that_could_shrink();
	few_system_calls();
	world_close(&world);
	free(said);
	free(heard);
	return probe_end("short slices grow into one marker, and keep their order");
}
