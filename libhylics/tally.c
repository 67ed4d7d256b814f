/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tally.c - counts, for the agent, the calls that stayed plain
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 */
#include "libhylics/tally.h"

#include <fcntl.h>

#include "common/clock.h"
#include "proto/tally.h"

_Static_assert(MOVE_REASONS <= HY_TALLY_REASONS, "a tally has no room for every reason");

static struct hy_tally *tally(void)
{
	struct lib_area *a = lib_area();

	return a ? atomic_load_explicit(&a->tally, memory_order_acquire) : NULL;
}

static void count(struct hy_tally *t, int sock, enum move_reason reason)
{
	atomic_fetch_add_explicit(HY_TALLY_CELL(t, sock, reason), 1, memory_order_relaxed);
}

static void put(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

static void put_example(struct hy_tally_last *l, int sock, const struct slice *s)
{
	uint32_t turn = atomic_load_explicit(&l->turn, memory_order_relaxed);

	if ((turn & 1) || !atomic_compare_exchange_strong(&l->turn, &turn, turn + 1))
		return;
	atomic_store_explicit(&l->number, (uint32_t)sock, memory_order_relaxed);
	put(&l->when_ms, hy_clock_wall_ms());
	put(&l->dev, s->dev);
	put(&l->ino, s->ino);
	put(&l->offset, s->offset);
	put(&l->bytes, s->len);
	atomic_store_explicit(&l->turn, turn + 2, memory_order_release);
}

void tally_plain(int sock, enum move_reason reason, const struct slice *s)
{
	struct hy_tally *t = tally();

	if (!t)
		return;
	count(t, sock, reason);
	put_example(&t->last[reason], sock, s);
}

static bool is_usable(int memfd)
{
	int seals = memfd < 0 ? -1 : fcntl(memfd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(memfd, &st) == 0 &&
	       st.st_size >= (off_t)sizeof(struct hy_tally);
}

void tally_join(int memfd)
{
	struct lib_area *a = lib_area();
	struct hy_tally *t = is_usable(memfd) ? lib_map_tally(memfd) : NULL;

	if (t && (t->version != HY_TALLY_VERSION || t->reasons != HY_TALLY_REASONS))
		t = NULL;
	atomic_store_explicit(&a->tally, t, memory_order_release);
}
