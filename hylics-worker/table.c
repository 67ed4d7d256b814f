/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.c - what the keeper's memory holds of each connection: enough for the next worker
 *
 * Runs in: hylics-worker
 * Reads from: an earlier worker of this VM (may have been taken over by the guest): checked
 */
#include "hylics-worker/table.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define ROWS_BYTES (HY_CONNS_MAX * sizeof(struct row))
#define LAST_BYTES (MOVE_REASONS * sizeof(struct why_last))

static_assert(sizeof(struct row) == 64, "rows do not share a cache line");
static_assert(ROWS_BYTES + sizeof(struct counters) + sizeof(struct stages) + LAST_BYTES <=
	      HY_WORKER_TABLE_BYTES, "the table is large");

/* syscalls: fstat, newfstatat */
int table_map(struct table *t, int fd, struct hy_err *e)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	struct stat st;
	void *at;

	if (fd >= 0 && fstat(fd, &st) < 0)
		return hy_err_set(e, errno, "the keeper's table");
	if (fd >= 0 && (uint64_t)st.st_size < HY_WORKER_TABLE_BYTES)
		return hy_err_set(e, EINVAL, "the keeper's table has %lld bytes, need %u",
				  (long long)st.st_size, HY_WORKER_TABLE_BYTES);
	at = mmap(NULL, HY_WORKER_TABLE_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "map the table of connections");
	t->row = at;
	t->count = (struct counters *)((char *)at + ROWS_BYTES);
	t->stages = (struct stages *)(t->count + 1);
	t->last = (struct why_last *)(t->stages + 1);
	t->bytes = HY_WORKER_TABLE_BYTES;
	return 0;
}

void table_unmap(struct table *t)
{
	if (t->row)
		munmap(t->row, t->bytes);
	t->row = NULL;
	t->count = NULL;
	t->stages = NULL;
	t->last = NULL;
}

void table_fill(struct table *t, uint32_t row, uint32_t id, uint32_t send_len)
{
	t->row[row].id = id;
	t->row[row].send_len = send_len;
	table_state(t, row, ROW_SILENT);
}

void table_state(struct table *t, uint32_t row, enum row_state state)
{
	atomic_store_explicit(&t->row[row].state, state, memory_order_release);
}
