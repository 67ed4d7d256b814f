/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.h - the connections that programs have given to the agent: table, states, what is owed
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input; what others do with a connection is checked where they do it
 *
 * DOC: The states, and what is legal in each
 *
 *	state		kept socket		pair			legal messages of the host
 *	FREE		none			none			-
 *	LOCAL		live, linger {1,0}	served here		- (late: passed over)
 *	OFFERED		frozen, dumped		peeked			adopted, refused
 *	MOVED		frozen; silent later	peeked, taken when sent	sent, stuck, up, ended,
 *									home-offer
 *	HOMING		as in MOVED, then	untouched		queue, home-done, ended
 *			rebuilt
 *	LOST		as it was		untouched		resumed
 *	RESET		none			none			- (passed over)
 *
 * LOST remembers in @held what the kept socket was, which is what a resume says.
 * From every state an error leads to conn_reset(): the client and the program see a reset. RESET is
 * left when the host has been told.
 *
 * In OFFERED, HOMING and LOST nobody knows who has the connection by now. What only ends it, and is
 * no error, waits in @doom until that is known: a RST is sent by whoever has it.
 *
 * DOC: What is owed
 *
 * A message is never kept as bytes: a connection remembers in @owes what kinds it has to say, and
 * the message is made from its state when the channel takes it. One that is not taken for want of
 * room stays owed, and the connection waits in a list until the channel has room again. That bytes
 * were taken may wait in a queue of its own, @taken, for whatever else is to be said.
 *
 * DOC: Numbers
 *
 * The number of a connection on the wire is its row, and above it how often the row was used: a
 * message that was on its way when a connection ended meets nobody. An agent begins to count
 * anywhere: the host may still be closing what a predecessor gave it, by its number.
 */
#ifndef AGENT_CONN_H
#define AGENT_CONN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/ev.h"
#include "common/limits.h"
#include "hylics-agent/due.h"
#include "proto/local.h"
#include "proto/move.h"
#include "tcpmove/drain.h"

struct agent;
struct area;
struct file;
struct grow;
struct program;
struct saved;

enum conn_state {
	CONN_FREE, CONN_LOCAL, CONN_OFFERED, CONN_MOVED, CONN_HOMING, CONN_LOST, CONN_RESET,
	CONN_STATES
};

enum conn_owes {
	OWES_RESUME = 1 << 0,
	OWES_CANCEL = 1 << 1,
	OWES_HOME = 1 << 2,
	OWES_HOME_TAKEN = 1 << 3,
	OWES_TAKEN = 1 << 4,
	OWES_ITEMS = 1 << 5,		/* there is something in the pair, or may be */
	OWES_RESET = 1 << 6,
	OWES_OPTIONS = 1 << 7,		/* of options_owed */
};

/* A piece of the stream that stands in the pair and was seen there. */
struct item {
	uint64_t pos, len;		/* an end has no length */
	uint8_t kind;			/* enum move_item_kind */
	bool tells;			/* a slice whose program waits until it has gone */
	uint64_t offset;		/* in the file */
	struct file *file;		/* NULL: the descriptor is this item's own */
	int fd;				/* the item's own, or -1 */
	/* a slice whose marker may become longer, or might have (grow.h); @len: of it was told */
	uint64_t whole;			/* length that is known */
	uint64_t base;			/* by the marker itself */
	_Atomic uint64_t *word;		/* NULL: the marker has none */
	uint32_t name;			/* of the word */
	bool grows;
	uint8_t pieces;			/* told one by one, and perhaps not yet sent */
};

/* An end looked for in the pair counts beside the items of the limit: shut, then close. */
#define CONN_ITEMS (HY_ITEMS_MAX + 2)

/* A descriptor and what the loop watches it for. */
struct watched {
	int fd;
	uint32_t events;
	bool in_loop;
	bool hung;			/* it has hung up, which epoll would tell for ever */
};

#define LATE_CORK 1u
#define LATE_NODELAY 2u

/* What a function returns when the connection it was to serve is over. */
#define CONN_GONE (-ENOLINK)

struct conn {
	struct agent *agent;
	uint32_t id;
	uint32_t uses;			/* of this row */
	uint8_t state;			/* enum conn_state */
	uint8_t held;			/* LOST: enum move_held */
	uint8_t reason;			/* LOCAL: enum move_reason */
	uint8_t owes;			/* enum conn_owes, ORed */
	uint8_t answer;			/* OWES_HOME_TAKEN: enum move_reason */
	bool waits_room;		/* in the list of those who wait for the channel */
	bool silent;			/* tcp_silence() was called */
	bool timed;			/* what its move and its home cost is measured */
	bool given;			/* LOCAL: on its way back to the program */
	bool asked_home;
	bool up_full;			/* the pair took not all of the last piece */
	bool in_pieces;			/* so the last request came up */
	bool up_end;			/* the client's FIN went to the program */
	bool up_dead;			/* LOCAL: the program reads no more */
	bool down_blocked;		/* LOCAL: the socket takes no more, or its turn is over */
	bool copied;			/* LOCAL: sendfile() was made to wait, no more of it */
	bool unpushed;			/* LOCAL: a cork may hold something back */
	bool nameless;			/* LOCAL: the file in its example (why.h) is to be seen */
	bool down_end;			/* LOCAL: the program's FIN went to the client */
	bool seen_shut, seen_close;	/* as items */
	bool stuck;			/* the item at @stuck_at is read here */
	const char *doom;		/* why it is to be reset; NULL */
	struct watched kept, pair;
	struct program *program;	/* NULL: it left, or is of an earlier agent's time */
	struct grow *grow;		/* words of its markers; NULL: none */
	uint32_t slot;			/* in the program's page */
	uint32_t user;			/* row + 1 in the table of users */
	bool resets;			/* the program's SO_LINGER is {1, 0} */
	uint8_t over;			/* enum hy_slot_state it ends in; 0: SLOT_GONE */
	/* option.h */
	bool is_shown;			/* it can be found by @pair_ino */
	bool cork;			/* the program wants it, and has said so since */
	bool cork_was;			/* it had it then, and may not be able to take it off */
	bool reuse;			/* SO_REUSEADDR, which repair mode hides */
	uint8_t late, late_on;		/* LATE_*: waits to be set, and to what */
	int32_t linger_s;		/* as in struct local_move */
	int32_t quickack;
	uint64_t options, options_owed;	/* set since it was given; the host is to be told: by bit */
	uint64_t pair_ino;		/* of the program's end, as it says */
	uint32_t next_shown;		/* row + 1, 0: none */
	struct local_who who;
	int flags;			/* the program's own O_NONBLOCK and such; -1: not known */
	uint64_t down_taken;		/* out of the pair */
	uint64_t down_sent;		/* in the send queue of whoever owns the connection */
	uint64_t down_next;		/* where the next item begins that is not yet seen */
	uint64_t up;			/* delivered into the pair */
	uint64_t up_skip;		/* LOCAL: the kept socket's, but delivered before */
	uint64_t stuck_at;
	uint32_t peek_at;		/* bytes of the pair that were looked at, from its head */
	int peek_off;			/* what the kernel's SO_PEEK_OFF is; -1: set it */
	uint32_t plain_ahead;		/* plain bytes among the items */
	uint32_t plain_row;		/* plain items since the last slice */
	uint64_t up_since_slice;
	uint32_t slice;			/* bytes of the program's next markers; 0: not known */
	uint64_t paced_ms;		/* when the last ones went, or the first came */
	struct item item[CONN_ITEMS];	/* a ring */
	uint8_t first_item, n_items;
	uint8_t n_told;			/* pieces of all items */
	bool inlining;			/* the last item is being read here, ... */
	uint64_t inlined;		/* ... up to this position */
	struct area *area;		/* OFFERED with a long queue, HOMING */
	struct tcp_drain drained;	/* LOCAL: on its way to be offered */
	struct due silence, offered, drain, taken;
	uint64_t late_from;		/* OFFERED, MOVED: place in the ring of what came late */
	uint64_t taken_ns;		/* agent.sock was read */
	uint64_t offered_ns;		/* 0: was not offered by this process */
	TAILQ_ENTRY(conn) room;
};

/* Whose a member of type struct due is. */
#define CONN_OF_DUE(d, member) ((struct conn *)((char *)(d) - offsetof(struct conn, member)))

TAILQ_HEAD(conn_list, conn);

struct conns {
	struct conn *at;		/* HY_CONNS_MAX, touched as they are used */
	uint32_t *free;			/* a stack of free rows */
	uint32_t n_free, top;		/* rows from @top on were never used */
	uint32_t first_use;		/* where their count begins */
	struct conn_list room;
};

/* Make room for all connections; memory is touched as they come. */
int conns_open(struct conns *t, struct hy_err *e);
void conns_close(struct conns *t);

/**
 * conn_new() - Take a free row
 * @a:		Agent
 * @kept:	TCP socket, the connection's from here on
 * @pair:	The agent's end, likewise
 *
 * Return: in state LOCAL, not yet watched; NULL if the table is full, nothing is taken over then
 */
struct conn *conn_new(struct agent *a, int kept, int pair);

/* The same in a given row, for what an earlier agent had there. */
struct conn *conn_new_at(struct agent *a, uint32_t row, uint32_t id, int kept, int pair);

/* Its row in the table; and who has a number on the wire, NULL if nobody. */
uint32_t conn_row(const struct agent *a, const struct conn *c);
struct conn *conn_find(struct agent *a, uint32_t id);

/**
 * conn_state() - Go into a state, tell the program's page
 * @a:		Agent
 * @c:		Connection
 * @state:	enum conn_state, not FREE
 * @reason:	enum move_reason for LOCAL, else MOVE_DONE
 */
void conn_state(struct agent *a, struct conn *c, enum conn_state state, enum move_reason reason);

/* Watch kept socket or pair for these events and no others; 0: only for errors and hang-up. */
void conn_watch_kept(struct agent *a, struct conn *c, uint32_t events);
void conn_watch_pair(struct agent *a, struct conn *c, uint32_t events);

/**
 * conn_owe() - Something is to be said about a connection: say it, now or as soon as there is room
 * @a:		Agent
 * @c:		May be gone afterwards
 * @what:	enum conn_owes; with it goes OWES_TAKEN, if that waits for something to go with
 */
void conn_owe(struct agent *a, struct conn *c, unsigned int what);

/* The channel has room again. */
void conns_room(struct agent *a);

/* Hear no more of the kept socket; of the pair nothing but its hang-up. */
void conn_unwatch(struct agent *a, struct conn *c);

/* Items are forgotten, not taken out: the pair is looked at again from its head. */
void conn_rewind(struct agent *a, struct conn *c);

struct item *conn_item(struct conn *c, unsigned int i);	/* 0: the first */
void conn_add_item(struct conn *c, const struct item *it);
void conn_drop_item(struct agent *a, struct conn *c);	/* the first */

/* The last one is told as far as it is known now. */
void conn_grow_item(struct conn *c, struct item *it);

/* So many bytes of markers have gone: the program learns how long the next ones should be. */
void conn_pace(struct conn *c, uint64_t bytes);

/* A close is a reset, or a normal one. */
void conn_linger(int sock, bool reset);

/* Both sides see a reset; the row is free, or will be when the host has been told. */
void conn_reset(struct agent *a, struct conn *c, const char *why);
void conn_told(struct agent *a, struct conn *c);	/* it has been, or there is no session */

/**
 * conn_doom() - The same as soon as it is known who has the connection
 * @a:		Agent
 * @c:		Any state but FREE
 * @why:	A constant
 *
 * Return: 0: it waits, CONN_GONE: the connection was reset
 */
int conn_doom(struct agent *a, struct conn *c, const char *why);

/**
 * conn_end() - The connection is over, its sockets are closed, the row is free
 * @a:		Agent
 * @c:		Connection
 *
 * A kept socket that is live is closed as its options say; any other vanishes.
 */
void conn_end(struct agent *a, struct conn *c);

#endif
