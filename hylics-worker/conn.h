/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.h - the moved connections of a VM: a fixed table, the life of each, how it ends
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); the copies' clients (hostile)
 *
 * DOC: The life of a connection, and which message is legal when
 *
 *	state		the copy	legal messages about it
 *	COMING		none yet	queue, item (waits), cancel (forgotten)
 *	LIVE		speaks		item, taken, home; cancel came too late and is passed over
 *	DRAINING	speaks		item (waits), taken; cancel: LIVE
 *	HOMING		frozen, dumped	item (waits), taken (carried out if it stays), home-taken
 *	ALONE		speaks		resume: LIVE; offer under the same number: it is reset
 *	CLOSING		speaks		item (skipped if it was there already)
 *	ENDED		none		anything is passed over until the guest is told
 *
 * What is not legal resets that connection. Messages about a number that is not in the table were
 * on their way when it ended and are passed over; a resume is answered, an offer makes it.
 *
 * With the session's end LIVE and DRAINING become ALONE, HOMING is undone and becomes ALONE,
 * COMING and ENDED are forgotten, CLOSING goes on. ALONE sends the items it has, reads nothing,
 * and is reset after HY_ALONE_MS.
 *
 * A socket that the client has reset, or that timed out, has @end set: nothing is sent any more,
 * but what is unread still goes up before the guest is told, as a program would read it. One that
 * reads nothing, and only writes, is told after HY_ALONE_MS.
 *
 * DOC: Rounds
 *
 * Events and messages only put a connection on a list; the work is done when all of a batch have
 * been heard (moves.c). So a header and the slice behind it are known together, and restores do
 * not wait behind bulk.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/ev.h"
#include "common/limits.h"
#include "hylics-worker/ids.h"
#include "hylics-worker/table.h"
#include "proto/move.h"
#include "tcpmove/drain.h"

struct moves;

enum conn_state {
	CONN_FREE, CONN_COMING, CONN_LIVE, CONN_DRAINING, CONN_HOMING, CONN_ALONE, CONN_CLOSING,
	CONN_ENDED, CONN_STATES
};

#define PLAIN_MAX HY_CHUNK_MAX		/* plain bytes of one connection that wait */
#define ITEMS_ROOM (HY_ITEMS_MAX + 2)	/* an end is no item the guest counts: shut, then close */

struct item {
	uint8_t kind;			/* enum move_item_kind */
	uint32_t file;			/* slice: row of the file, FILES_NONE: not open */
	uint64_t offset;		/* slice: in the file */
	uint32_t len;			/* what is left of it */
};

struct area;

struct conn {
	struct moves *moves;
	uint32_t id;
	uint8_t state;			/* enum conn_state */
	uint8_t end;			/* enum move_end; 0: the socket is well */
	uint8_t n_items, first_item;
	uint8_t most_items;		/* that waited at once since the last MSG_SENT */
	bool known;			/* the guest knows it in this session: offered or resumed */
	bool watched;			/* by the loop */
	bool writable;			/* not: send() said EAGAIN, EPOLLOUT is waited for */
	bool corked;			/* TCP_CORK is set on the copy */
	bool cork;			/* the program wants it, and has said so since the move */
	bool shut;			/* an item said that nothing comes behind it */
	bool close_waits;		/* an item said that the program has closed */
	bool fin_told;			/* MSG_UP without bytes was sent */
	bool up_ready;			/* there may be something to read */
	bool up_wait;			/* the pair is full: another MSG_TAKEN will come */
	bool stuck;			/* MSG_STUCK is to be sent */
	bool stays;			/* going home has failed */
	bool in_run, in_tell;		/* which lists it is on */
	int sock;
	uint32_t events;		/* what epoll watches for */
	uint32_t send_len;		/* of the record */
	uint32_t up_out;		/* bytes in the MSG_UP that is under way */
	uint32_t plain_at, plain_end;	/* waiting plain bytes in its part of conns.plain */
	bool plain_used;		/* that part was touched */
	uint64_t sent;			/* in the copy's send queue, or through it */
	uint64_t sent_told, told_ms;	/* the last MSG_SENT */
	uint64_t expect;		/* where the next item begins */
	uint64_t up_taken;		/* read out of the copy */
	uint64_t taken_later;		/* MSG_TAKEN of a HOMING connection, 0: none */
	bool again_later;
	uint64_t since_ms;		/* in ALONE, or since its end */
	uint64_t offered_ns;		/* the offer was read */
	uint64_t live_ns;		/* it speaks and no byte of an item was sent yet; else 0 */
	struct tcp_drain drain;		/* DRAINING */
	uint64_t late_from;		/* frozen: place in the ring of what it does not hear */
	struct area *area;		/* COMING, HOMING */
	struct item item[ITEMS_ROOM];	/* a ring */
	TAILQ_ENTRY(conn) run, tell;
};

TAILQ_HEAD(conn_list, conn);

struct conns {
	struct conn *at;		/* HY_CONNS_MAX, touched as they are used */
	uint8_t *plain;			/* PLAIN_MAX for each, likewise */
	uint32_t *free;			/* a stack of free rows */
	uint32_t n_free;
	uint32_t top;			/* rows from here on were never used */
	struct ids ids;
};

/* Make room for all connections; memory is touched as they come. */
int conns_open(struct conns *t, struct hy_err *e);
void conns_close(struct conns *t);

/**
 * conn_find() - The connection the guest calls @id
 * @m:	Worker
 * @id:	From the guest
 *
 * Return: NULL if there is none
 */
struct conn *conn_find(struct moves *m, uint32_t id);

/**
 * conn_new() - Take a free row
 * @m:	Worker
 * @id:	From the guest; not in the table
 *
 * Return: in state COMING; NULL if the table is full
 */
struct conn *conn_new(struct moves *m, uint32_t id);

/* The same in a given row, for what an earlier worker had there. */
struct conn *conn_new_at(struct moves *m, uint32_t id, uint32_t row);

/* Its number in the table, and in the keeper's; and its PLAIN_MAX bytes for what waits. */
uint32_t conn_row(const struct moves *m, const struct conn *c);
uint8_t *conn_plain(const struct moves *m, const struct conn *c);

/* Give the row back; the socket was seen to. */
void conn_free(struct moves *m, struct conn *c);

/*
 * CLOSING as the items say, else LIVE, or ALONE if the guest does not know it; nothing happens in
 * COMING and HOMING, whose copy does not speak yet.
 */
void conn_settle(struct moves *m, struct conn *c);

/* Begin to watch a copy. */
int conn_watch(struct moves *m, struct conn *c, struct hy_err *e);

/* Watch for what can be of use now, and for nothing else. */
void conn_interest(struct moves *m, struct conn *c);
void conn_unwatch(struct moves *m, struct conn *c);

/**
 * conn_lost() - The kernel says that a copy's connection is over
 * @m:		Worker
 * @c:		LIVE, DRAINING, ALONE or CLOSING
 * @err:	What the kernel said
 */
void conn_lost(struct moves *m, struct conn *c, int err);

/**
 * conn_gone() - Close the copy in whatever way its options say, and tell the guest
 * @m:		Worker
 * @c:		Any state with a socket
 * @end:	enum move_end
 */
void conn_gone(struct moves *m, struct conn *c, enum move_end end);

/* Reset the connection at once, though others hold duplicates of the socket; then as above. */
void conn_reset(struct moves *m, struct conn *c);

/* Whether a socket is in repair mode: a copy that does not speak. */
bool conn_is_silent(int sock);

/**
 * conn_hush() - Close a copy that belongs to nobody
 * @sock:	One that is silent goes unnoticed, any other is reset; set to -1
 */
void conn_hush(int *sock);

/**
 * conn_fault() - The guest did what is not legal: its connection ends
 * @m:		Worker
 * @c:		Any state
 * @why:	For the log
 */
void conn_fault(struct moves *m, struct conn *c, const char *why);

#endif
