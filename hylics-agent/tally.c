/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally.c - what a program counts for its agent: memory it can write, read with care
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile): any numbers, which change at any time
 */
#include "hylics-agent/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/own.h"
#include "proto/tally.h"

#define LOOKS 3			/* at an example that is being written */

/* The program cannot make it so small that a look at it would end the agent. */
/* syscalls: fcntl(_, F_ADD_SEALS), ftruncate, memfd_create */
int tally_open(struct tally *t)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	hy_autofd fd = memfd_create("hylics-tally", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct hy_tally *at;

	if (fd < 0 || ftruncate(fd, sizeof(*at)) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	at->version = HY_TALLY_VERSION;
	at->reasons = HY_TALLY_REASONS;
	*t = (struct tally){ .at = at, .memfd = hy_fd_steal(&fd) };
	return 0;
}

void tally_close(struct tally *t)
{
	if (t->at) {
		munmap(t->at, sizeof(*t->at));
		hy_fd_close(&t->memfd);
	}
	*t = (struct tally){ .memfd = -1 };
}

uint64_t tally_add(uint64_t sum, uint64_t more)
{
	return more > INT64_MAX - sum ? INT64_MAX : sum + more;
}

static uint64_t get(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

uint64_t tally_calls(const struct tally *t, unsigned int reason)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; t->at && i < HY_TALLY_STRIPES; i++)
		sum = tally_add(sum, get(&t->at->calls[i][reason]));
	return sum;
}

static bool copy(const struct hy_tally_last *l, struct why_example *e)
{
	uint32_t turn = atomic_load_explicit(&l->turn, memory_order_acquire);

	e->number = atomic_load_explicit(&l->number, memory_order_relaxed);
	e->when_ms = get(&l->when_ms);
	e->dev = get(&l->dev);
	e->ino = get(&l->ino);
	e->offset = get(&l->offset);
	e->bytes = get(&l->bytes);
	atomic_thread_fence(memory_order_acquire);
	return turn && !(turn & 1) &&
	       turn == atomic_load_explicit(&l->turn, memory_order_relaxed);
}

bool tally_last(const struct tally *t, unsigned int reason, uint64_t now_ms,
		struct why_example *e)
{
	struct why_example got = *e;

	for (unsigned int i = 0; t->at && i < LOOKS; i++) {
		if (!copy(&t->at->last[reason], &got))
			continue;
		if (got.when_ms > now_ms)
			got.when_ms = now_ms;
		*e = got;
		return true;
	}
	return false;
}
