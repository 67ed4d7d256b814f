/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * present.c - tells the programs at the guest's edge which connections may be in the twin
 *
 * Runs in: hylics-worker
 * Reads from: the kernel's count of the twin's sockets
 */
#include "hylics-worker/present.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/own.h"

/* A kernel without IPv6 has no file, and no socket, of the kind. */
static const char *const count_paths[2] = { "/proc/self/net/sockstat",
					    "/proc/self/net/sockstat6" };

static void on_again(void *object)
{
	present_look(object);
}

void present_counts(int count[2])
{
	for (int i = 0; i < 2; i++)
		count[i] = open(count_paths[i], O_RDONLY | O_CLOEXEC);
}

void present_open(struct present *p, struct ev_loop *loop, const int count[2])
{
	*p = (struct present){ .loop = loop, .count = { count[0], count[1] } };
	p->again = (struct ev_timer){ .fn = on_again, .object = p };
}

int present_map(struct present *p, int fd, struct hy_err *e)
{
	void *at = mmap(NULL, sizeof(*p->at), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "mapping which connections are in the twin");
	p->at = at;
	memset(p->at->cast, 0, sizeof(p->at->cast));	/* an earlier worker's */
	return 0;
}

static void later(struct present *p)
{
	if (!p->again.pos)
		ev_timer_set(p->loop, &p->again, HY_PRESENT_LOOK_MS);
}

void present_add(struct present *p, const struct tcp_record *rec)
{
	struct splice_addr remote = { .family = rec->family };
	uint32_t bit;

	if (!p->at)
		return;
	memcpy(remote.word, rec->remote.addr, rec->family == AF_INET ? 4 : 16);
	bit = splice_present_bit(&remote, htons(rec->remote.port), htons(rec->local.port));
	__atomic_fetch_or(&p->at->word[bit / 64], 1ull << bit % 64, __ATOMIC_SEQ_CST);
	later(p);
}

void present_cast(struct present *p, uint16_t port, bool on)
{
	uint32_t bit = htons(port);
	uint64_t *word = p->at ? (uint64_t *)&p->at->cast[bit / 64] : NULL;

	if (word && on)
		__atomic_fetch_or(word, 1ull << bit % 64, __ATOMIC_SEQ_CST);
	else if (word)
		__atomic_fetch_and(word, ~(1ull << bit % 64), __ATOMIC_SEQ_CST);
}

/* The number behind @word in what the kernel tells, -1 if it is not there. */
static long number_behind(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtol(at + strlen(word), NULL, 10) : -1;
}

/* inuse: in the table of connections, with those that no process has any more; tw: TIME_WAIT */
/* syscalls: pread64 */
static bool is_empty(const struct present *p)
{
	char text[2][1024] = { "", "" };

	for (int i = 0; i < 2; i++) {
		if (p->count[i] >= 0 && pread(p->count[i], text[i], sizeof(text[i]) - 1, 0) < 0)
			return false;
	}
	return number_behind(text[0], "TCP: inuse ") == 0 && number_behind(text[0], " tw ") == 0 &&
	       number_behind(text[1], "TCP6: inuse ") <= 0;
}

void present_look(struct present *p)
{
	if (!p->at)
		return;
	if (!is_empty(p)) {
		later(p);
		return;
	}
	memset(p->at->word, 0, sizeof(p->at->word));
	__atomic_store_n(&p->at->kept, 1, __ATOMIC_SEQ_CST);
}

void present_close(struct present *p)
{
	if (p->at)
		munmap(p->at, sizeof(*p->at));
	p->at = NULL;
	for (int i = 0; i < 2; i++)
		hy_fd_close(&p->count[i]);
}
