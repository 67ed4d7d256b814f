/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - what the keeper's memory holds of each connection: enough for the next worker
 *
 * Runs in: hylics-worker
 * Reads from: an earlier worker of this VM (may have been taken over by the guest): checked
 *
 * DOC: A kill between any two stores
 *
 * Positions are not in the table: the kernel knows them (tcp_stream_counts()). A row says whose
 * the socket in the keeper's slot of the same number is, and what its life is at.
 *
 *	row		slot		next worker
 *	FREE		nothing		-
 *	SILENT		nothing		clears the row
 *	SILENT		socket		still in repair mode: vanishes, nobody heard it; else reset
 *	LIVE		socket		goes on
 *	HOMING		socket		undoes the freeze, goes on
 *	LIVE, HOMING	nothing		clears the row
 *	FREE		socket		in repair mode: vanishes; else reset
 *
 * So a row is filled before its state is stored, its socket is put after that, and a connection
 * that ends is dropped from its slot first and from its row then.
 */
#ifndef WORKER_TABLE_H
#define WORKER_TABLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "hylics-worker/count.h"
#include "hylics-worker/why.h"

enum row_state { ROW_FREE, ROW_SILENT, ROW_LIVE, ROW_HOMING };

struct row {
	_Atomic uint32_t state;		/* enum row_state */
	uint32_t id;
	uint32_t send_len;		/* of the record: what tcp_stream_counts() wants to know */
	uint8_t spare[52];
};

struct table {
	struct row *row;		/* HY_CONNS_MAX of them */
	struct counters *count;
	struct stages *stages;
	struct why_last *last;		/* by enum move_reason */
	size_t bytes;
};

/**
 * table_map() - Map the keeper's memory, or some that ends with this process
 * @t:	Filled
 * @fd:	The keeper's memfd; -1: there is no keeper
 * @e:	Error
 */
int table_map(struct table *t, int fd, struct hy_err *e);
void table_unmap(struct table *t);

/* A row's identity, then its state; rows and slots have the same numbers. */
void table_fill(struct table *t, uint32_t row, uint32_t id, uint32_t send_len);
void table_state(struct table *t, uint32_t row, enum row_state state);

#endif
