/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender_files.c - a tender goes through the share, puts files out, brings files back
 *
 * Runs in: a tender, a job of hylicsd
 * Reads from: the share (hostile): names, sizes, times, which change meanwhile
 */
#include "hylicsd/tender.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"
#include "hylicsd/pages.h"
#include "hylicsd/swap.h"
#include "hylicsd/walk.h"

#define WALK_MS 1000			/* of one walk, or of counting one file */
#define COUNT_MS 50			/* of counting what is in memory, in one look */
#define MOVE_MS 5000			/* of one file, of one squeeze */
#define PIECE_MS 200			/* of bringing back; a new limit is heard between two */
#define LATE_MS 2000			/* who opened a file so long ago reads it himself by now */
#define BATCH_FILES 32
#define BATCH_BYTES (UINT64_C(256) << 20)
#define AGAIN_MS 10000			/* what did not go is not tried again at once */
#define FRESH_MS 1000			/* what was counted so lately is believed */
#define NEXT_FILES 2

/* -- looking -- */

struct walking {
	struct tender *t;
	uint64_t until_ms;
	unsigned int left;		/* names it still looks at */
	uint64_t files;
};

/* A guest can make more names, and deeper ones, than anybody wants to look at. */
static int spend(void *arg, struct hy_err *e)
{
	struct walking *w = arg;

	if (w->left == 0 || hy_clock_ms() >= w->until_ms)
		return hy_err_set(e, ECANCELED, "walk the share: it has too many names");
	w->left--;
	return 0;
}

static int walk_leaf(void *arg, int dir, const char *name, const struct stat *st, struct hy_err *e)
{
	struct walking *w = arg;
	hy_autofd fd = -1;

	(void)e;
	if (!S_ISREG(st->st_mode))
		return 0;
	w->files++;
	if (tender_seen(w->t, st))
		return 0;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		tender_learn(w->t, fd, 0);
	return 0;
}

static int walk_leave(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	(void)arg;
	(void)dir;
	(void)name;
	(void)fd;
	(void)e;
	return 0;
}

static void walk(struct tender *t)
{
	static const struct walk_ops ops = { .name = spend, .leaf = walk_leaf,
					     .leave = walk_leave };
	struct walking w = { .t = t, .until_ms = hy_clock_ms() + WALK_MS,
			     .left = HY_TEND_NAMES_MAX };

	(void)walk_tree(t->job->share, &ops, &w, NULL);		/* a part is better than nothing */
	t->report->left_out = w.files > t->files->n ? w.files - t->files->n : 0;
}

/* Return: 0, -errno: what is known of it stays */
static int count(struct files_row *row, int fd)
{
	struct pages_count c = { 0 };
	int rc = pages_count(fd, hy_clock_ms() + WALK_MS, &c, NULL);

	if (rc < 0)
		return rc;
	row->size_bytes = c.size_bytes;
	row->memory_bytes = c.memory_bytes;
	row->looked_ms = hy_clock_ms();
	return 0;
}

/* Some each time, the others the next time. */
static void count_some(struct tender *t)
{
	uint64_t until_ms = hy_clock_ms() + COUNT_MS;

	for (unsigned int i = 0; i < HY_TEND_FILES_MAX && hy_clock_ms() < until_ms; i++) {
		struct files_row *row = &t->files->row[t->cursor];
		hy_autofd fd = -1;

		t->cursor = (t->cursor + 1) % HY_TEND_FILES_MAX;
		if (!row->ino)
			continue;
		fd = tender_open(t, row);
		if (fd >= 0)
			(void)count(row, fd);
	}
}

void tender_look(struct tender *t)
{
	walk(t);
	count_some(t);
	tender_limit_hold(t);
}

/* -- out -- */

struct batch {
	struct files_row *row[BATCH_FILES];
	int fd[BATCH_FILES];
	uint64_t before[BATCH_FILES];
	unsigned int n;
	uint64_t bytes;
};

static bool is_idle(const struct files_row *row, uint64_t idle_ms)
{
	return row->used_ms + idle_ms <= hy_clock_ms();
}

/* Return: whether it was put out, and is in the batch, which has its descriptor then */
static bool put_out(struct tender *t, struct files_row *row, uint64_t idle_ms, struct batch *b)
{
	hy_autofd fd = tender_open(t, row);

	if (fd < 0)
		return false;
	/* opening it has shown whether it was used since */
	if (!is_idle(row, idle_ms) || count(row, fd) < 0 || row->memory_bytes == 0)
		return false;
	row->again_ms = hy_clock_ms() + (idle_ms > AGAIN_MS ? idle_ms : AGAIN_MS);
	if (hy_fault(FAULT_TEND_OUT) < 0 || pages_out(fd, hy_clock_ms() + MOVE_MS, NULL) < 0)
		return false;
	b->row[b->n] = row;
	b->before[b->n] = row->memory_bytes;
	b->fd[b->n++] = hy_fd_steal(&fd);
	b->bytes += row->memory_bytes;
	return true;
}

static uint64_t left_in_memory(void *object)
{
	struct batch *b = object;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < b->n; i++)
		if (count(b->row[i], b->fd[i]) == 0)
			bytes += b->row[i]->memory_bytes;
	return bytes;
}

static void let_go(const struct tender *t, struct batch *b)
{
	const struct pages_going going = { .bytes = b->bytes, .left = left_in_memory,
					   .object = b };

	(void)pages_let_go(t->job->groups, t->job->name, &going, hy_clock_ms() + MOVE_MS, NULL);
	tender_limit_hold(t);
}

static void end_batch(struct tender *t, struct batch *b)
{
	if (b->n)
		let_go(t, b);
	for (unsigned int i = 0; i < b->n; i++) {
		struct files_row *row = b->row[i];
		uint64_t before = b->before[i];

		if (row->memory_bytes < before) {
			t->report->put_out++;
			t->report->put_out_bytes += before - row->memory_bytes;
		}
		close(b->fd[i]);
	}
}

bool tender_put_out(struct tender *t)
{
	uint64_t idle_ms = __atomic_load_n(&t->job->board->idle_ms, __ATOMIC_RELAXED);
	struct files_row *row, *next;
	struct batch b = { .n = 0 };
	uint64_t swap = 0;

	if (idle_ms == 0 || swap_free(&swap, NULL) < 0 || swap == 0)
		return false;
	tender_uses_take(t);
	row = TAILQ_FIRST(&t->files->order);
	while (row && is_idle(row, idle_ms) && b.n < BATCH_FILES && b.bytes < BATCH_BYTES) {
		next = TAILQ_NEXT(row, order);
		tender_hear(t);
		if (hy_clock_ms() >= row->again_ms && (row->memory_bytes || !row->looked_ms))
			put_out(t, row, idle_ms, &b);
		row = next;
	}
	end_batch(t, &b);
	return row && is_idle(row, idle_ms);
}

/* -- back -- */

static bool is_whole(const struct files_row *row)
{
	return row->memory_bytes >= row->data_bytes;
}

/* Whether it would push nothing else out. */
static bool has_room(const struct tender *t, const struct files_row *row)
{
	struct cgroup_usage u;

	return cgroup_usage(t->job->groups, t->job->name, &u, NULL) == 0 &&
	       u.memory_bytes + row->data_bytes <= t->in_force + HY_VM_OVERHEAD;
}

/* What has come in one piece is passed over in the next one. */
static int bring_pieces(struct tender *t, int fd)
{
	uint64_t until_ms = hy_clock_ms() + MOVE_MS;
	int rc;

	do {
		rc = hy_fault(FAULT_TEND_IN);
		tender_hear(t);
		if (rc == 0)
			rc = pages_in(fd, hy_clock_ms() + PIECE_MS, NULL);
	} while (rc == -ETIMEDOUT && hy_clock_ms() < until_ms);
	return rc;
}

/* Return: whether anything was brought back */
static bool bring(struct tender *t, struct files_row *row, int fd, bool asked)
{
	uint64_t before;

	if (row->looked_ms && hy_clock_ms() - row->looked_ms < FRESH_MS && is_whole(row))
		return false;
	if (count(row, fd) < 0 || is_whole(row) || row->data_bytes > t->in_force / 2 ||
	    (!asked && !has_room(t, row)))
		return false;
	before = row->memory_bytes;
	if (bring_pieces(t, fd) < 0 || count(row, fd) < 0 || row->memory_bytes <= before)
		return false;
	t->report->brought_back++;
	t->report->brought_back_bytes += row->memory_bytes - before;
	return true;
}

/* The file of that name is used soon. */
static void bring_next(struct tender *t, const char *path, unsigned int step)
{
	char name[HY_PATH_MAX + 1];
	struct files_row *row;
	hy_autofd fd = -1;

	if (!files_next_name(path, step, name))
		return;
	fd = pages_open(t->job->share, name, NULL);
	if (fd < 0)
		return;
	row = tender_learn(t, fd, 0);
	if (row && bring(t, row, fd, false))
		files_use(t->files, row, hy_clock_ms());
}

static void bring_back(struct tender *t, uint64_t ino)
{
	struct files_row *row = files_find(t->files, ino);
	char path[HY_PATH_MAX + 1];
	hy_autofd fd = -1;

	if (!row)
		return;
	fd = tender_open(t, row);
	if (fd < 0)
		return;
	memcpy(path, row->path, sizeof(path));	/* its row may make room for another */
	bring(t, row, fd, true);
	for (unsigned int step = 1; step <= NEXT_FILES; step++)
		bring_next(t, path, step);
}

void tender_bring_back(struct tender *t)
{
	for (unsigned int i = 0; i < t->n_opened; i++)
		if (hy_clock_ms() - t->opened[i].when_ms < LATE_MS)
			bring_back(t, t->opened[i].ino);
	t->n_opened = 0;
}
