/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib_world.c - what tests of libhylics need: an agent that serves pairs, a file, a client
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/unixsock.h"
#include "include/hylics.h"
#include "libhylics/lib.h"
#include "tests/unit/lib_agent.h"

#define THRESHOLD (128u << 10)
#define ANSWER_MS 20000		/* a busy machine is no silent agent */
#define PATTERN_BYTES ((size_t)64 << 10)

static void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		probe_bail("%zu bytes of shared memory", bytes);
	return p;
}

static void fill_file(int fd)
{
	static uint8_t bytes[PATTERN_BYTES];

	for (size_t at = 0; at < WORLD_FILE_BYTES; at += sizeof(bytes)) {
		probe_fill(bytes, sizeof(bytes), at, WORLD_STREAM);
		if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
			probe_bail("write the file: %s", strerror(errno));
	}
}

void world_open(struct world *w)
{
	*w = (struct world){ .dir = "/dev/shm/hylics-lib.XXXXXX" };
	probe_private_net(0);
	if (!mkdtemp(w->dir))
		probe_bail("mkdtemp %s: %s", w->dir, strerror(errno));
	setenv("HYLICS_RUN_DIR", w->dir, 1);
	unsetenv("HYLICS");
	lib_agent()->answer_ms = ANSWER_MS;
	lib_agent()->dir[0] = '\0';	/* the preload has looked where it is before us */
	snprintf(w->path, sizeof(w->path), "%s/body", w->dir);
	w->file = (int)PROBE_TRY(open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	fill_file(w->file);
	w->wake = (int)PROBE_TRY(eventfd(0, EFD_CLOEXEC));
	w->agent = shared_memory(sizeof(*w->agent));
	w->memfd = -1;
}

static void drop_page(struct world *w)
{
	if (w->memfd < 0)
		return;
	munmap(w->page, sizeof(*w->page));
	munmap(w->tally, sizeof(*w->tally));
	close(w->memfd);
	munmap(w->words, sizeof(*w->words));
}

static void *map_memfd(size_t size, int seals, int *memfd)
{
	void *at;

	*memfd = (int)PROBE_TRY(memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	PROBE_TRY(ftruncate(*memfd, (off_t)size));
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *memfd, 0);
	if (at == MAP_FAILED)
		probe_bail("map a memfd: %s", strerror(errno));
	PROBE_TRY(fcntl(*memfd, F_ADD_SEALS, seals));
	return at;
}

static void make_tally(struct world *w)
{
	w->tally_memfd = (int)PROBE_TRY(memfd_create("tally", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	PROBE_TRY(ftruncate(w->tally_memfd, sizeof(*w->tally)));
	PROBE_TRY(fcntl(w->tally_memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	w->tally = mmap(NULL, sizeof(*w->tally), PROT_READ | PROT_WRITE, MAP_SHARED,
			w->tally_memfd, 0);
	w->tally->version = HY_TALLY_VERSION;
	w->tally->reasons = HY_TALLY_REASONS;
}

/* What an agent shows to its programs. */
static void make_page(struct world *w)
{
	const int page_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
	struct stat st;

	w->page = map_memfd(sizeof(*w->page), w->unsealed ? 0 : page_seals, &w->memfd);
	w->words = map_memfd(sizeof(*w->words),
			     w->unsealed_words ? 0 : F_SEAL_SHRINK | F_SEAL_GROW, &w->words_memfd);
	PROBE_TRY(fstat(w->file, &st));
	w->page->version = HY_PAGE_VERSION;
	w->page->slots = HY_PAGE_SLOTS;
	w->page->threshold = THRESHOLD;
	w->page->share_dev = st.st_dev;
	w->page->possible = 1;
	make_tally(w);
}

/* A connection that is open when an agent is started must not live on in it. */
static void close_others(const struct world *w, int listener)
{
	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) {
		if (fd != listener && fd != w->wake && fd != w->memfd &&
		    fd != w->tally_memfd && fd != w->words_memfd)
			close(fd);
	}
}

void world_start(struct world *w)
{
	char path[96];
	struct hy_err e = { 0 };
	int listener;

	drop_page(w);
	make_page(w);
	memset(w->agent, 0, sizeof(*w->agent));
	w->agent->after_move = SLOT_MOVED;
	snprintf(path, sizeof(path), "%s/agent.sock", w->dir);
	listener = hy_unix_listen(path, SOCK_SEQPACKET, 0666, 64, &e);
	if (listener < 0)
		probe_bail("%s", e.text);
	w->pid = probe_fork();
	if (w->pid == 0) {
		close_others(w, listener);
		agent_run(w, listener);
	}
	/* the agent's alone: a move looks at every number */
	close(w->tally_memfd);
	close(w->words_memfd);
	close(listener);
}

void world_wake(const struct world *w)
{
	const uint64_t one = 1;

	if (write(w->wake, &one, sizeof(one)) < 0)
		probe_bail("wake the agent");
}

void world_wait_dead(struct world *w)
{
	probe_join(w->pid);
	w->pid = 0;
}

void world_stop(struct world *w)
{
	if (w->pid == 0)
		return;
	kill(w->pid, SIGKILL);
	world_wait_dead(w);
}

void world_close(struct world *w)
{
	char path[96];

	world_stop(w);
	snprintf(path, sizeof(path), "%s/agent.sock", w->dir);
	unlink(path);
	unlink(w->path);
	rmdir(w->dir);
}

int world_pair(int *client)
{
	struct probe_pair pair;

	probe_tcp_pair(&pair);
	close(pair.listener);
	*client = pair.client;
	return pair.server;
}

int world_nonblock_pair(int *client)
{
	int sock = world_pair(client);

	PROBE_TRY(fcntl(sock, F_SETFL, O_NONBLOCK));
	return sock;
}

bool world_first(const struct world *w, int sock)
{
	off_t off = 0;

	return hylics_sendfile(sock, w->file, &off, WORLD_BIG) == (ssize_t)WORLD_BIG;
}

bool world_is_moved(int sock)
{
	struct hylics_status s;

	return hylics_status(sock, &s, sizeof(s)) == 0 && s.state != HYLICS_HERE;
}

bool world_is_shared(int sock)
{
	struct hylics_status s;

	return hylics_status(sock, &s, sizeof(s)) == 0 && s.state == HYLICS_HERE &&
	       s.reason == HYLICS_SHARED_DESCRIPTOR;
}

/* -- epolls -- */

void world_watch(int epoll, int sock, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = WORLD_DATA };

	PROBE_TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &ev));
}

uint32_t world_reported(int epoll, int ms)
{
	struct epoll_event ev[2];
	int n = epoll_wait(epoll, ev, 2, ms);

	if (n == 0)
		return 0;
	return n == 1 && ev[0].data.u64 == WORLD_DATA ? ev[0].events : ~0u;
}

/* -- the reader -- */

static _Noreturn void read_all(int client, uint64_t at, struct world_read *got)
{
	static uint8_t buf[PATTERN_BYTES];
	ssize_t n;

	while ((n = recv(client, buf, sizeof(buf), 0)) > 0) {
		if (probe_first_wrong(buf, (size_t)n, at, WORLD_STREAM) >= 0)
			atomic_store(&got->wrong, 1);
		at += (uint64_t)n;
		atomic_fetch_add(&got->bytes, (uint64_t)n);
	}
	atomic_store(&got->reset, n < 0);
	_exit(0);
}

void world_read(struct world_reader *r, int client, uint64_t from)
{
	r->got = shared_memory(sizeof(*r->got));
	r->pid = probe_fork();
	if (r->pid == 0) {
		/* the server's end must not live on here */
		PROBE_TRY(dup2(client, 3));
		PROBE_TRY(close_range(4, ~0u, 0));
		read_all(3, from, r->got);
	}
	close(client);
}

uint64_t world_read_end(struct world_reader *r)
{
	uint64_t bytes;

	probe_join(r->pid);
	r->reset = r->got->reset;
	bytes = r->got->wrong ? UINT64_MAX : r->got->bytes;
	munmap(r->got, sizeof(*r->got));
	return bytes;
}

struct at_least {
	_Atomic uint32_t *value;
	uint32_t least;
};

static bool is_at_least(void *arg)
{
	const struct at_least *a = arg;

	return atomic_load(a->value) >= a->least;
}

bool world_wait(_Atomic uint32_t *value, uint32_t least)
{
	struct at_least a = { .value = value, .least = least };

	return probe_wait_until(is_at_least, &a);
}
