/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sendfile.c - sendfile(), sendfile64(): the look that costs nothing, then libhylics
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * A call is plain at once when the number is no pair and the call cannot lead to a move: it is too
 * short for a marker, or comes to no threshold, not even with those before it. *offset is not read
 * by us before there is something to decide: what the kernel finds bad, it says.
 *
 * Of calls without an offset it is not known where they begin. They are taken to go on where the
 * last one ended, which is wrong where short files follow each other under one number. That shows
 * when libhylics would be asked, and after it has shown a few times nothing more is taken so.
 */
#include "preload/next.h"

#include <stdbool.h>

#include "libhylics/lib.h"
#include "libhylics/sendfile.h"
#include "preload/gate.h"

#define AT_POSITION (-1)	/* a run without offsets */
#define WRONG_RUNS_MAX 4

static _Atomic unsigned int wrong_runs;		/* without offsets, in this process */

/* Until an agent is known, as in every process forked anew: one that most calls do not come to. */
static uint64_t threshold(void)
{
	uint64_t bytes = atomic_load_explicit(&lib_page()->threshold, memory_order_relaxed);

	return bytes ? bytes : HY_THRESHOLD_DEFAULT;
}

/* Does the call go on where a run ended, and come to a threshold with it? */
static bool completes(const struct lib_run *r, int in, const off_t *offset, size_t count,
		      uint64_t most)
{
	if (atomic_load_explicit(&r->file, memory_order_relaxed) != in ||
	    atomic_load_explicit(&r->bytes, memory_order_relaxed) + count < most)
		return false;
	if (!offset && atomic_load_explicit(&wrong_runs, memory_order_relaxed) >= WRONG_RUNS_MAX)
		return false;
	return atomic_load_explicit(&r->end, memory_order_relaxed) ==
	       (offset ? *offset : AT_POSITION);
}

/* Not worth a move. */
static bool is_short(const struct lib_conn *c, int in, const off_t *offset, size_t count)
{
	uint64_t most = threshold();

	return count < HY_LIB_MARK_MIN ||
	       (count < most && !completes(&c->run, in, offset, count, most));
}

/* A plain call has sent @n bytes. */
__attribute__((always_inline))
static inline void add_to_run(struct lib_run *r, int in, const off_t *offset, uint64_t n)
{
	int64_t end = offset ? *offset : AT_POSITION;
	int64_t begin = offset ? end - (int64_t)n : AT_POSITION;
	uint64_t before = 0;

	if (atomic_load_explicit(&r->file, memory_order_relaxed) == in &&
	    atomic_load_explicit(&r->end, memory_order_relaxed) == begin)
		before = atomic_load_explicit(&r->bytes, memory_order_relaxed);
	atomic_store_explicit(&r->file, in, memory_order_relaxed);
	atomic_store_explicit(&r->end, end, memory_order_relaxed);
	atomic_store_explicit(&r->bytes, before + n, memory_order_relaxed);
}

/* A run of calls without offsets, in which the file's position has not come as far. */
static bool is_wrong_run(struct lib_conn *c, int in, const off_t *offset, size_t count)
{
	if (offset || atomic_load(&c->is_pair) || count >= threshold() ||
	    lseek(in, 0, SEEK_CUR) >=
	    (off_t)atomic_load_explicit(&c->run.bytes, memory_order_relaxed))
		return false;
	atomic_store_explicit(&c->run.bytes, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&wrong_runs, 1, memory_order_relaxed);
	return true;
}

/*
 * libhylics decides: about a move, or with @stay only what becomes of the call if the number is the
 * pair it is believed to be. A run is asked for again when another threshold has come together.
 */
PRELOAD_APART static ssize_t decide(struct lib_conn *c, int out, int in, off_t *offset,
				    size_t count, bool stay)
{
	if (!gate_open())
		return sendfile(out, in, offset, count);
	if (!stay)
		atomic_store_explicit(&c->run.bytes, 0, memory_order_relaxed);
	return lib_sendfile(out, in, offset, count, stay);
}

/*
 * For `hylics-guest why`: here, as a call of tally.c would cost more than the count. There is an
 * area, as there is an entry.
 */
static void count_short(int out)
{
	struct lib_area *a = atomic_load_explicit(&lib_now.area, memory_order_relaxed);
	struct hy_tally *t = atomic_load_explicit(&a->tally, memory_order_acquire);

	if (t)
		atomic_fetch_add_explicit(HY_TALLY_CELL(t, out, MOVE_BELOW_THRESHOLD), 1,
					  memory_order_relaxed);
}

/*
 * With @threads it is counted: what another thread has made a pair until now, is not plain. This
 * and what it calls stand in sendfile() itself: twelve instructions less for each.
 */
__attribute__((always_inline))
static inline ssize_t short_call(struct lib_conn *c, int out, int in, off_t *offset, size_t count,
				 bool threads)
{
	ssize_t n;

	if (atomic_load(&c->is_pair)) {
		if (threads)
			lib_uncount(c);
		return decide(c, out, in, offset, count, true);
	}
	atomic_store_explicit(&c->reason, MOVE_BELOW_THRESHOLD, memory_order_relaxed);
	count_short(out);
	n = sendfile(out, in, offset, count);
	if (threads)
		lib_uncount(c);
	if (n > 0)
		add_to_run(&c->run, in, offset, (uint64_t)n);
	return n;
}

/* Another thread is changing what is behind the number. */
PRELOAD_APART static ssize_t later(struct lib_conn *c, int out, int in, off_t *offset, size_t count)
{
	lib_count_later(c);
	return short_call(c, out, in, offset, count, true);
}

PRELOAD_APART static ssize_t long_call(struct lib_conn *c, int out, int in, off_t *offset,
				       size_t count)
{
	bool threads = !gate_one_thread();

	if (!is_wrong_run(c, in, offset, count))
		return decide(c, out, in, offset, count, false);
	if (threads)
		lib_count(c);
	return short_call(c, out, in, offset, count, threads);
}

/**
 * sendfile() - As sendfile(2)
 * @out:	From the program, all of them
 * @in:		The file
 * @offset:	In it, or NULL
 * @count:	Bytes
 *
 * What is not a short call's usual way is left by a jump, so that this saves few registers.
 *
 * Return: as sendfile(2)
 */
PRELOAD_SHOWN ssize_t (sendfile)(int out, int in, off_t *offset, size_t count)
{
	struct lib_conn *c = lib_look(out);
	bool threads = !gate_one_thread();

	if (!c)
		return sendfile(out, in, offset, count);
	if (!is_short(c, in, offset, count))
		return long_call(c, out, in, offset, count);
	if (threads && atomic_fetch_add(&c->users, 1) < 0)
		return later(c, out, in, offset, count);
	return short_call(c, out, in, offset, count, threads);
}

/* 64-bit alone: the same function under both names. */
PRELOAD_SHOWN ssize_t (sendfile64)(int out, int in, off64_t *offset, size_t count)
	__attribute__((alias("sendfile")));
