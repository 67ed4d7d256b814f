/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_preload_memory.c - the preload's write() and its like: mapped share memory goes as slices
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * The preload's objects are linked into this program, so its write() is the preload's. Bytes that
 * are no mapping are copies of the file's, so that the client always has to see the file.
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "tests/unit/lib_trace.h"

#define BIG ((size_t)512 << 10)
#define HEAD ((size_t)300)
#define TAIL ((size_t)5000)
#define LONG_HEAD ((size_t)8000)	/* half of a pair: soon no marker fits behind one */
#define PIECE ((size_t)32 << 10)	/* below the threshold, long enough for a marker */

static struct world world;
static uint8_t copy[WORLD_FILE_BYTES];	/* of the file, and no mapping of it */

static void *map_file(int prot, int flags, size_t len)
{
	void *map = mmap(NULL, len, prot, flags, world.file, 0);

	if (map == MAP_FAILED)
		probe_bail("mmap: %s", strerror(errno));
	return map;
}

static void map_over(void *at, int prot, int flags, int file, off_t offset)
{
	const void *map = mmap(at, BIG, prot, flags | MAP_FIXED, file, offset);

	if (map != at)
		probe_bail("map over another mapping: %s", strerror(errno));
}

/* -- the calls -- */

static ssize_t by_write(int sock, struct iovec *iov, int n)
{
	(void)n;
	return write(sock, iov->iov_base, iov->iov_len);
}

static ssize_t by_send(int sock, struct iovec *iov, int n)
{
	(void)n;
	return send(sock, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
}

static ssize_t by_sendto(int sock, struct iovec *iov, int n)
{
	(void)n;
	return sendto(sock, iov->iov_base, iov->iov_len, 0, NULL, 0);
}

static ssize_t by_writev(int sock, struct iovec *iov, int n)
{
	return writev(sock, iov, n);
}

static ssize_t by_sendmsg(int sock, struct iovec *iov, int n)
{
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };

	return sendmsg(sock, &msg, MSG_MORE);
}

static ssize_t by_other_flag(int sock, struct iovec *iov, int n)
{
	(void)n;
	return send(sock, iov->iov_base, iov->iov_len, MSG_DONTROUTE);
}

struct kind {
	const char *what;
	ssize_t (*call)(int sock, struct iovec *iov, int n);
	bool pieces;		/* a head, mapped memory, a tail, mapped memory */
	int prot, flags;
	size_t len;		/* mapped */
	size_t slices;		/* bytes that have to go so */
};

static const struct kind kinds[] = {
	{ "write", by_write, false, PROT_READ, MAP_SHARED, BIG, BIG },
	{ "send", by_send, false, PROT_READ, MAP_SHARED, BIG, BIG },
	{ "sendto without an address", by_sendto, false, PROT_READ, MAP_SHARED, BIG, BIG },
	{ "writev of one piece", by_writev, false, PROT_READ, MAP_SHARED, BIG, BIG },
	{ "writev of bytes and mappings", by_writev, true, PROT_READ, MAP_SHARED, BIG, 2 * BIG },
	{ "sendmsg of them", by_sendmsg, true, PROT_READ, MAP_SHARED, BIG, 2 * BIG },
	{ "write, validated mapping", by_write, false, PROT_READ, MAP_SHARED_VALIDATE, BIG, BIG },
	{ "write, writable", by_write, false, PROT_READ | PROT_WRITE, MAP_SHARED, BIG, 0 },
	{ "write, private", by_write, false, PROT_READ, MAP_PRIVATE, BIG, 0 },
	{ "write, too short", by_write, false, PROT_READ, MAP_SHARED, PIECE, 0 },
	{ "writev, too short", by_writev, true, PROT_READ, MAP_SHARED, PIECE, 0 },
	{ "send with another flag", by_other_flag, false, PROT_READ, MAP_SHARED, BIG, 0 },
};

/* What a call sends is the file from 0 on. */
static void check_kind(const struct kind *k)
{
	uint8_t *map = map_file(k->prot, k->flags, WORLD_FILE_BYTES);
	size_t second = HEAD + k->len + TAIL, all = k->pieces ? second + k->len : k->len, got;
	struct iovec iov[] = { { copy, HEAD }, { map + HEAD, k->len },
			       { copy + HEAD + k->len, TAIL }, { map + second, k->len } };
	struct iovec one = { map, k->len };
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint64_t marked = world.agent->marked_bytes;
	ssize_t n;

	world_read(&reader, client, 0);
	n = k->call(sock, k->pieces ? iov : &one, k->pieces ? 4 : 1);
	close(sock);
	got = world_read_end(&reader);
	marked = world.agent->marked_bytes - marked;
	probe_check(n == (ssize_t)all && got == all && marked == k->slices,
		    "%s: %zd of %zu bytes, %zu arrive, %llu as slices", k->what, n, all, got,
		    (unsigned long long)marked);
	munmap(map, WORLD_FILE_BYTES);
}

/* -- notes that are not true any more -- */

/* Sends it all with write(); false if what arrives is not the file from @from on, or no slices. */
static bool arrives(const void *buf, size_t len, uint64_t from, uint64_t slices)
{
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint64_t marked = world.agent->marked_bytes, got;
	ssize_t n;

	world_read(&reader, client, from);
	n = write(sock, buf, len);
	close(sock);
	got = world_read_end(&reader);
	return n == (ssize_t)len && got == len && world.agent->marked_bytes - marked == slices;
}

static void stale_notes_send_no_wrong_byte(void)
{
	uint8_t *map = map_file(PROT_READ, MAP_SHARED, BIG);

	mprotect(map, BIG, PROT_READ | PROT_WRITE);
	probe_check(arrives(map, BIG, 0, 0), "made writable since: as bytes");
	mprotect(map, BIG, PROT_READ);
	munmap(map, BIG);
	map = map_file(PROT_READ, MAP_SHARED, BIG);
	map_over(map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(map, copy + 4096, BIG);
	probe_check(arrives(map, BIG, 4096, 0), "other memory there: as bytes, its own");
	munmap(map, BIG);
	map = map_file(PROT_READ, MAP_SHARED, BIG);
	map_over(map, PROT_READ, MAP_SHARED, world.file, 8192);
	probe_check(arrives(map, BIG, 8192, BIG), "another part of the file there: that one");
	munmap(map, BIG);
}

static void more_mappings_than_notes(void)
{
	uint8_t *map[HY_LIB_MAPPINGS_MAX + 4];
	unsigned int n = sizeof(map) / sizeof(map[0]);

	for (unsigned int i = 0; i < n; i++)
		map[i] = map_file(PROT_READ, MAP_SHARED, BIG);
	probe_check(arrives(map[n - 1], BIG, 0, BIG), "the latest of many mappings is known");
	probe_check(arrives(map[0], BIG, 0, 0), "the oldest is forgotten: as bytes");
	for (unsigned int i = 0; i < n; i++)
		munmap(map[i], BIG);
}

/* -- what it costs -- */

struct cost {
	int sock, client;
	const uint8_t *from;
	size_t len;
	bool vector;
};

static int send_it(void *arg, int turn)
{
	const struct cost *k = arg;
	struct iovec iov[] = { { copy, HEAD }, { (void *)(uintptr_t)k->from, k->len } };
	ssize_t n = k->vector ? writev(k->sock, iov, 2) : write(k->sock, k->from, k->len);

	(void)turn;
	return n > 0 ? 0 : -1;
}

static void check_cost(const char *what, const void *from, size_t len)
{
	struct cost k = { .from = from, .len = len };

	for (unsigned int vector = 0; vector < 2; vector++) {
		int n;

		k.vector = vector;
		k.sock = world_nonblock_pair(&k.client);
		n = trace_calls(send_it, &k, TRACE_ALL);
		probe_check(n == 1, "%s: %d system call", what, n);
		close(k.sock);
		close(k.client);
	}
}

/* The mapping is not there any more: the first look costs, and there is no second. */
static void check_forgotten(void)
{
	void *map = map_file(PROT_READ, MAP_SHARED, BIG);

	map_over(map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_cost("memory that was a mapping once", map, BIG);
	munmap(map, BIG);
}

static void calls_cost_nothing_where_there_is_nothing_to_gain(void)
{
	void *map = map_file(PROT_READ, MAP_SHARED, BIG);

	check_cost("other memory", copy, BIG);
	check_cost("a mapping, a short piece", map, PIECE);
	check_cost("a mapping, a few bytes", map, 10);
	check_forgotten();
	munmap(map, BIG);
}

/* -- a connection that is moved -- */

static void short_pieces_go_on_as_slices(void)
{
	uint8_t *map = map_file(PROT_READ, MAP_SHARED, WORLD_FILE_BYTES);
	struct iovec iov[] = { { copy + BIG, HEAD }, { map + BIG + HEAD, PIECE },
			       { copy + BIG + HEAD + PIECE, 10 } };
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint64_t marked = world.agent->marked_bytes, got;
	ssize_t n;

	world_read(&reader, client, 0);
	n = write(sock, map, BIG);
	n += writev(sock, iov, 3);
	close(sock);
	got = world_read_end(&reader);
	marked = world.agent->marked_bytes - marked;
	probe_check(n == (ssize_t)(BIG + HEAD + PIECE + 10) && got == (size_t)n &&
		    marked == BIG + PIECE, "a moved connection: short pieces as slices, %llu",
		    (unsigned long long)marked - BIG);
	munmap(map, WORLD_FILE_BYTES);
}

/* Nobody reads: each call tells exactly what it has accepted, and at last EAGAIN. */
static void what_is_accepted_is_told_exactly(size_t head)
{
	uint8_t *map = map_file(PROT_READ, MAP_SHARED, WORLD_FILE_BYTES);
	struct world_reader reader;
	int client, sock = world_nonblock_pair(&client);
	size_t at = 0;
	ssize_t n = 1;

	world.agent->hold = 1;
	world_wake(&world);
	while (n > 0 && at + head < WORLD_FILE_BYTES) {
		size_t left = WORLD_FILE_BYTES - at - head;
		struct iovec iov[] = { { copy + at, head },
				       { map + at + head, left < BIG ? left : BIG } };

		n = writev(sock, iov, 2);
		at += n > 0 ? (size_t)n : 0;
	}
	probe_check(n < 0 && errno == EAGAIN && at > BIG,
		    "a full pair: EAGAIN after %zu, heads of %zu", at, head);
	world.agent->hold = 0;
	world_wake(&world);
	world_read(&reader, client, 0);
	close(sock);
	probe_check(world_read_end(&reader) == at, "what was accepted arrives, and no more");
	munmap(map, WORLD_FILE_BYTES);
}

/* -- what is no TCP connection -- */

static void other_descriptors_are_served(void)
{
	uint8_t *map = map_file(PROT_READ, MAP_SHARED, BIG), back[HEAD];
	struct iovec iov[] = { { copy, HEAD }, { map + HEAD, BIG - HEAD } };
	int file = (int)PROBE_TRY(memfd_create("copy", MFD_CLOEXEC));
	int pipes[2], ends[2];
	struct hy_fds fds;

	PROBE_TRY(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
	probe_check(write(file, map, BIG) == (ssize_t)BIG && writev(file, iov, 2) == (ssize_t)BIG &&
		    pread(file, back, HEAD, (off_t)BIG) == (ssize_t)HEAD &&
		    memcmp(back, copy, HEAD) == 0, "a file");
	probe_check(write(pipes[1], map, BIG) > 0, "a pipe");
	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	fds = (struct hy_fds){ .n = 1, .fd = { file } };
	probe_check(writev(ends[0], iov, 2) > 0, "a unix socket");
	close(ends[0]);
	close(ends[1]);
	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	probe_check(hy_fds_send(ends[0], copy, 10, &fds, 0) == 10 &&
		    hy_fds_recv(ends[1], back, 10, &fds, 1, 0) == 10 && fds.n == 1,
		    "a message with a descriptor");
	hy_fds_close(&fds);
	close(file);
	munmap(map, BIG);
}

static void what_is_wrong_is_told_as_ever(void)
{
	uint8_t *map = map_file(PROT_READ, MAP_SHARED, BIG);
	struct iovec much[] = { { map, BIG }, { copy, SIZE_MAX - BIG } };
	struct iovec iov[] = { { map, BIG } };
	volatile int below = -1;	/* the compiler is not to know */
	int client, sock = world_pair(&client);

	probe_check(write(-1, map, BIG) < 0 && errno == EBADF, "no descriptor");
	probe_check(writev(sock, iov, below) < 0 && errno == EINVAL, "a count below 0");
	probe_check(writev(sock, much, 2) < 0 && errno == EINVAL, "more than there can be");
	PROBE_TRY(shutdown(sock, SHUT_WR));
	probe_check(send(sock, map, BIG, MSG_NOSIGNAL) < 0 && errno == EPIPE, "after shutdown");
	close(sock);
	close(client);
	munmap(map, BIG);
}

int main(void)
{
	probe_begin(60);
	world_open(&world);
	if (pread(world.file, copy, sizeof(copy), 0) != (ssize_t)sizeof(copy))
		probe_bail("read the file");
	world_start(&world);
	check_cost("nothing mapped", copy, BIG);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_kind(&kinds[i]);
	stale_notes_send_no_wrong_byte();
	more_mappings_than_notes();
	calls_cost_nothing_where_there_is_nothing_to_gain();
	short_pieces_go_on_as_slices();
	what_is_accepted_is_told_exactly(HEAD);
	what_is_accepted_is_told_exactly(LONG_HEAD);
	other_descriptors_are_served();
	what_is_wrong_is_told_as_ever();
	world_close(&world);
	return probe_end("mapped memory that is written goes as slices");
}
