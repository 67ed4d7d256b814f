/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender_board.c - what hylicsd and a tender tell each other, in memory of both
 *
 * Runs in: hylicsd and its tenders
 * Reads from: the other side; hylicsd believes a tender no more than a worker's counters
 */
#include "hylicsd/tender_board.h"

#include <string.h>

#include "common/printable.h"

#define LOOKS 3				/* at what may be written just now */

void tender_board_tell(struct tender_board *b, const struct tend_report *r)
{
	/* odd already if the last tender was killed here */
	__atomic_or_fetch(&b->turn, 1, __ATOMIC_ACQ_REL);
	memcpy(&b->report, r, sizeof(b->report));
	__atomic_add_fetch(&b->turn, 1, __ATOMIC_ACQ_REL);
}

/* A whole copy, or what there is of one: a tender that was taken over may write on and on. */
static void copy_report(const struct tender_board *b, struct tend_report *r)
{
	for (unsigned int i = 0; i < LOOKS; i++) {
		unsigned int turn = __atomic_load_n(&b->turn, __ATOMIC_ACQUIRE);

		memcpy(r, &b->report, sizeof(*r));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (turn % 2 == 0 && turn == __atomic_load_n(&b->turn, __ATOMIC_RELAXED))
			return;
	}
}

static void bound(uint64_t *number)
{
	if (*number > INT64_MAX)
		*number = INT64_MAX;
}

static void check_file(struct tend_file *f)
{
	f->path[sizeof(f->path) - 1] = '\0';
	hy_make_printable(f->path);
	bound(&f->size_bytes);
	bound(&f->memory_bytes);
	bound(&f->idle_ms);
}

static void check_report(struct tend_report *r)
{
	uint64_t *const numbers[] = {
		&r->limit_bytes, &r->size_bytes, &r->memory_bytes, &r->files, &r->left_out,
		&r->put_out, &r->brought_back, &r->put_out_bytes, &r->brought_back_bytes,
		&r->stuck,
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		bound(numbers[i]);
	if (r->n_shown > HY_TEND_SHOWN_MAX)
		r->n_shown = HY_TEND_SHOWN_MAX;
	for (unsigned int i = 0; i < r->n_shown; i++)
		check_file(&r->shown[i]);
}

void tender_board_read(const struct tender_board *b, struct tend_report *r)
{
	copy_report(b, r);
	check_report(r);
}
