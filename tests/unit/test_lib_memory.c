/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_memory.c - hylics_send() of mapped memory of the share does what send() does
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/hylics.h"

#define SIZE ((off_t)WORLD_FILE_BYTES)
#define BIG ((size_t)256 << 10)

static struct world world;

struct memory {
	const char *what;
	int prot, flags;
	off_t from;
	size_t len;
	int send_flags;
	bool as_slice;
};

static const struct memory memories[] = {
	{ "a shared mapping", PROT_READ, MAP_SHARED, 0, BIG, 0, true },
	{ "a writable shared mapping", PROT_READ | PROT_WRITE, MAP_SHARED, 0, BIG, 0, true },
	{ "the middle of one", PROT_READ, MAP_SHARED, 12345, BIG, 0, true },
	{ "without waiting", PROT_READ, MAP_SHARED, 0, BIG, MSG_DONTWAIT, true },
	{ "with MSG_NOSIGNAL", PROT_READ, MAP_SHARED, 0, BIG, MSG_NOSIGNAL, true },
	{ "a private mapping", PROT_READ, MAP_PRIVATE, 0, BIG, 0, false },
	{ "few bytes", PROT_READ, MAP_SHARED, 0, 100, 0, false },
	{ "with another flag", PROT_READ, MAP_SHARED, 0, 65536, MSG_DONTROUTE, false },
	{ "nothing", PROT_READ, MAP_SHARED, 0, 0, 0, false },
};

static void memory_goes_as_slices(const struct memory *m)
{
	uint8_t *map = mmap(NULL, WORLD_FILE_BYTES, m->prot, m->flags, world.file, 0);
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint64_t marked = world.agent->marked_bytes, got;
	ssize_t n;

	world_read(&reader, client, (uint64_t)m->from);
	n = hylics_send(sock, map + m->from, m->len, m->send_flags);
	close(sock);
	got = world_read_end(&reader);
	marked = world.agent->marked_bytes - marked;
	probe_check(n == (ssize_t)m->len && got == m->len && marked == (m->as_slice ? m->len : 0),
		    "hylics_send, %s: %zd bytes, %llu as slices", m->what, n,
		    (unsigned long long)marked);
	munmap(map, WORLD_FILE_BYTES);
}

static void map_over(void *at, int prot, int flags, int file, off_t offset)
{
	const void *map = mmap(at, BIG, prot, flags | MAP_FIXED, file, offset);

	if (map != at)
		probe_bail("map over another mapping: %s", strerror(errno));
}

/* The place of a mapping is looked up anew: another one may be there. */
static void memory_is_looked_up_anew(void)
{
	uint8_t *map = mmap(NULL, BIG, PROT_READ, MAP_SHARED, world.file, 0);
	struct world_reader reader;
	int client, sock = world_pair(&client);
	uint64_t marked = world.agent->marked_bytes;
	bool ok;

	world_read(&reader, client, 0);
	ok = hylics_send(sock, map, BIG, 0) == (ssize_t)BIG;
	map_over(map, PROT_READ, MAP_SHARED, world.file, BIG);
	ok = ok && hylics_send(sock, map, BIG, 0) == (ssize_t)BIG;
	map_over(map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	probe_fill(map, BIG, 2 * BIG, WORLD_STREAM);
	ok = ok && hylics_send(sock, map, BIG, 0) == (ssize_t)BIG;
	close(sock);
	probe_check(ok && world_read_end(&reader) == 3 * BIG &&
		    world.agent->marked_bytes - marked == 2 * BIG,
		    "hylics_send looks at each call what is mapped there");
	munmap(map, BIG);
}

static void memory_behind_the_end(void)
{
	uint64_t marked = world.agent->marked_bytes;
	int client, sock = world_pair(&client), file;
	char path[96];
	uint8_t *map;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/short", world.dir);
	file = (int)PROBE_TRY(open(path, O_RDWR | O_CREAT, 0600));
	PROBE_TRY(ftruncate(file, (off_t)BIG + 10));
	map = mmap(NULL, BIG + 4096, PROT_READ, MAP_SHARED, file, 0);
	n = hylics_send(sock, map + 8192, BIG + 4096 - 8192, 0);
	probe_check(n == (ssize_t)BIG + 4096 - 8192 && world.agent->marked_bytes == marked,
		    "hylics_send, zeros behind the file's end: %zd bytes", n);
	munmap(map, BIG + 4096);
	unlink(path);
	close(file);
	close(sock);
	close(client);
}

int main(void)
{
	probe_begin(100);
	world_open(&world);
	world_start(&world);
	for (size_t i = 0; i < sizeof(memories) / sizeof(memories[0]); i++)
		memory_goes_as_slices(&memories[i]);
	memory_is_looked_up_anew();
	memory_behind_the_end();
	world_close(&world);
	return probe_end("mapped memory goes as slices, or as bytes");
}
