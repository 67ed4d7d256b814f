/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume.h - what outlives the agent, and what is asked when a session begins
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); the table of an earlier agent (believed)
 *
 * DOC: The table
 *
 * A memfd of the holder's: a row per connection, which modules are wanted, and the areas. With the
 * descriptors the holder keeps, kept socket and pair, a row is all a successor needs: every byte is
 * in a kernel, or, of a connection that was rebuilt and is not awake, in its area.
 *
 * A byte is taken out of the pair, or put into it, in two steps, the call and the note of it. In
 * between the row is busy, and nobody is woken who might run in the agent's place. A successor that
 * finds a row busy cannot know whether the call was made, and resets the connection, if need be by
 * the host: a visible end, never a wrong byte.
 *
 * Rows are written so that a process killed between any two stores leaves a row that is right: the
 * state goes last when a row is filled, and first when it is freed.
 */
#ifndef AGENT_RESUME_H
#define AGENT_RESUME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "proto/local.h"
#include "tcpmove/record.h"

struct agent;
struct conn;
struct message;
struct modules_saved;

enum row_state { ROW_FREE, ROW_LOCAL, ROW_OFFERED, ROW_MOVED, ROW_REBUILT };

struct saved {
	_Atomic uint32_t state;		/* enum row_state */
	_Atomic uint32_t busy;
	uint32_t id;
	uint32_t area;			/* REBUILT: its number */
	uint64_t down_taken, up;
	uint64_t up_skip;		/* REBUILT */
	uint64_t down_sent;		/* REBUILT: a slice may have gone in part */
	uint64_t base_queued;		/* LOCAL: the kernel's count less the position, down */
	uint64_t base_read;		/* and up */
	/* what option.h remembers */
	uint64_t options, pair_ino;
	int32_t linger_s;
	uint8_t late, late_on, cork, cork_was, reuse;
	struct local_who who;
};

struct table {
	struct saved *at;		/* HY_CONNS_MAX */
	struct modules_saved *modules;	/* what is wanted of them */
	void *memory;
};

/* What an area of a connection that comes home begins with: its record. */
struct saved_record {
	uint32_t len;
	uint8_t bytes[TCP_RECORD_MAX];
};

#define AREA_AHEAD 4096u		/* room for it, a whole page */
#define TABLE_ROW 160u
#define TABLE_ROWS_SIZE ((size_t)HY_CONNS_MAX * TABLE_ROW)

#define TABLE_MODULES_SIZE 4096u	/* a whole page */

/* Room of the memfd: the rows, what modules are wanted, then the areas. */
#define TABLE_AREAS (TABLE_ROWS_SIZE + TABLE_MODULES_SIZE)
#define TABLE_BYTES (TABLE_AREAS + HY_MOVES_MAX * ((size_t)AREA_AHEAD + HY_TCP_QUEUE_MAX))

/**
 * table_open() - Map the table, take what the holder kept, let every connection go on
 * @a:		Agent
 * @e:		Error
 *
 * Without a holder the table is this process's own.
 */
int table_open(struct agent *a, struct hy_err *e);
void table_close(struct agent *a);

/* A new connection: the holder keeps its descriptors. Return: 0, -errno */
int table_new(struct agent *a, struct conn *c);

void table_state(struct agent *a, const struct conn *c);	/* its state, and positions */
void table_rebuilt(struct agent *a, const struct conn *c);
void table_positions(struct agent *a, const struct conn *c);
void table_options(struct agent *a, const struct conn *c);
void table_counts(struct agent *a, const struct conn *c, uint64_t queued, uint64_t read);
void table_busy(struct agent *a, const struct conn *c, bool busy);
void table_free(struct agent *a, uint32_t row);

/* The session is over, or has begun: every connection that is not LOCAL is LOST, or asked about. */
void resume_lost(struct agent *a);
void resume_ask(struct agent *a);

/* MSG_RESUMED */
int resume_take_resumed(struct agent *a, const struct message *msg);

#endif
