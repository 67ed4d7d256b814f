/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib.h - what the library remembers: its agent's page, one entry per descriptor number
 *
 * Runs in: programs in a guest
 * Reads from: the agent's page (checked)
 */
#ifndef HY_LIB_H
#define HY_LIB_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/limits.h"
#include "common/unixsock.h"
#include "proto/grow.h"
#include "proto/local.h"
#include "proto/page.h"
#include "proto/reason.h"
#include "proto/tally.h"

/*
 * Plain calls, each of the file of the one before and beginning where that ended. Nobody else acts
 * on it than the preload's look; what is wrong in it costs a look, or a move that comes later.
 */
struct lib_run {
	_Atomic int32_t file;		/* number the program has it under */
	_Atomic int64_t end;		/* where the last call ended; -1: at the file's position */
	_Atomic uint64_t bytes;
};

#define LIB_INFO_MAX 104	/* bytes of struct tcp_info as the C library has it */
#define LIB_FOREIGNERS 64	/* remembered by number; the next one with the same is asked anew */

/*
 * DOC: One number, one entry
 *
 * The program closes and reuses numbers without our knowing, so an entry is only a belief: is_pair
 * says that the number was a pair's end when we last looked, and ino which. Every call compares.
 *
 *	is_pair		what a call may do
 *	false		try a move, alone, else call the plain function
 *	true		another inode behind the number: back to false.
 *			Ours: put markers; give back, alone, when the agent serves it
 *
 * users counts the calls in progress with this number, plain ones too. Whoever changes what is
 * behind the number needs to be the only one: he takes users from 1 to LIB_ALONE, holding the
 * area's lock. Who comes meanwhile finds a negative count, and waits for the lock. ino, slot and
 * join change only then; is_pair is set only then, and cleared by whoever finds it wrong.
 */
#define LIB_ALONE (-(1 << 30))

struct lib_conn {
	_Atomic int32_t users;
	_Atomic uint8_t is_pair;
	_Atomic uint8_t reason;		/* enum move_reason: why the last call was plain */
	uint32_t slot;			/* in the page */
	uint32_t join;			/* whose page: another agent knows nothing of it */
	uint64_t ino;			/* of the pair's end */
	uint64_t tcp_ino;		/* of the TCP socket that was there before */
	uint32_t first;			/* bytes of a marker until the agent has measured one */
	_Atomic uint64_t offered;	/* bytes */
	_Atomic uint16_t put;		/* markers put into the pair, counted as the page does */
	/* the last marker in the pair, if it may grow (grow.h) */
	struct hy_grow *words;		/* NULL: none grows; changes only when is_pair is set */
	_Atomic uint64_t tail;
	_Atomic uint64_t last_dev, last_ino, last_offset, last_len;
	_Atomic uint32_t places;	/* of the ring given out */
	/* a refused connection is not offered again, or not at once */
	_Atomic uint64_t refused_ino;
	_Atomic uint64_t again_ms;
	_Atomic uint32_t unseen_ms;	/* pause after the last MOVE_UNSEEN_THREADS; 0: another */
	/* the file that this number was last seen to read */
	_Atomic uint64_t read_ino;
	_Atomic int32_t read_fd;
	struct lib_run run;
};

/* What a moved connection was as a TCP socket: for calls that a pair answers otherwise. */
struct lib_side {
	uint64_t ino;			/* of the pair's end: the slot may be another's by now */
	struct local_who who;
	_Atomic uint8_t told;		/* that it was reset */
	uint8_t info_len;
	uint8_t info[LIB_INFO_MAX];	/* TCP_INFO before the move */
};

/* A pair's end that this process has not made, as the agent has told; or that it is none. */
struct lib_foreign {
	uint64_t ino;			/* 0: none */
	int sock;
	bool known;
	struct local_who who;
};

/* An option that was set while there was nobody to be told. */
struct lib_unsaid {
	uint64_t ino;			/* of the pair's end; 0: none */
	int sock;
	uint8_t id, len;
	uint8_t bytes[16];
};

/* The file behind the mapping that was last sent; its number is believed while it is that file. */
struct lib_file {
	int fd;
	dev_t dev;
	ino_t ino;			/* 0: none */
};

/*
 * All of it, in memory that a forked child finds full of zeros (MADV_WIPEONFORK), which is how it
 * begins: no entry, no agent. In the child a moved connection is a unix socket like any other:
 * what is written to it arrives, only no longer as slices.
 */
struct lib_area {
	pthread_mutex_t lock;		/* of what follows, and of who is alone */
	_Atomic uint32_t join;		/* which agent's page is mapped, counted from 1; 0: none */
	uint32_t joins;
	struct hy_grow *words;		/* of this joining; NULL: none */
	uint32_t n_words;		/* such mappings, of earlier ones too */
	_Atomic uint64_t markers;	/* numbers given out */
	_Atomic uint64_t look_ms;	/* not before, the agent is looked for again */
	_Atomic uint8_t will;		/* enum lib_will */
	uint32_t next_id;
	uint32_t next_slot;
	/* CPU time the agent was not yet told of: for moves; for plain bytes, of some calls */
	uint64_t spent_ns;
	_Atomic uint64_t plain_ns, plain_bytes;
	_Atomic uint32_t plains;
	struct lib_file mapped;
	_Atomic(struct hy_tally *) tally;	/* where is counted; NULL: nowhere */
	dev_t sock_dev;			/* of all sockets; 0: not asked yet */
	struct lib_foreign foreign[LIB_FOREIGNERS];
	struct lib_unsaid unsaid[HY_LIB_UNSAID_MAX];
	uint32_t n_unsaid;
	struct lib_side side[HY_PAGE_SLOTS];
	uint64_t slot_ms[HY_PAGE_SLOTS];	/* when given out, 0: not by this joining */
	struct lib_conn conn[HY_LIB_FDS_MAX];
};

enum lib_will { WILL_UNKNOWN, WILL_MOVE, WILL_NOT };	/* HYLICS=off */

/* The socket to the agent: a number is believed only while it is the same socket. */
struct lib_agent {
	int fd;				/* -1: none */
	dev_t dev;
	ino_t ino;
	uint32_t answer_ms;		/* how long an answer is waited for; tests wait longer */
	char dir[HY_UNIX_PATH_MAX + 1];	/* where its socket is; empty: as the environment says */
};

/* What every call looks at. */
struct lib_now {
	_Atomic(struct lib_area *) area;
	_Atomic uint8_t shut;		/* enum move_reason; a forked child's too */
};

extern struct lib_now lib_now;

/* For lib_area() alone. */
struct lib_area *lib_make_area(void);

/**
 * lib_area() - The library's memory, made by the first call
 *
 * Return: NULL if there is none to be had: then everything is plain
 */
static inline struct lib_area *lib_area(void)
{
	struct lib_area *a = atomic_load_explicit(&lib_now.area, memory_order_acquire);

	return a ? a : lib_make_area();
}

/* The agent's page; all zeros while there is no agent. Never unmapped. */
const struct hy_page *lib_page(void);

/* Put a page there, or with a negative @memfd the zeros; 0 or -errno. */
int lib_map_page(int memfd);

/* Put a tally at its place, over the one before in one step; NULL: that failed. */
struct hy_tally *lib_map_tally(int memfd);

/*
 * Map the words of a joining. Never unmapped: pairs of it outlive it, and another thread may be
 * adding to one. NULL: not now, or there are enough.
 */
struct hy_grow *lib_map_words(struct lib_area *a, int memfd);

/* Of this process, or of the one that forked it. */
struct lib_agent *lib_agent(void);

/* What waits while the area's lock is held. */
struct lib_held {
	sigset_t signals;
	int cancel;
};

/**
 * lib_lock() - Take the area's lock, signals and cancellation waiting
 * @a:		Area
 * @held:	Set; for lib_unlock()
 *
 * A handler that calls us again would wait for ever for what it has interrupted, or find half a
 * swap; a thread that was cancelled would leave the lock held. What either would have ended ends
 * later: nothing that is done here waits for long.
 */
void lib_lock(struct lib_area *a, struct lib_held *held);
void lib_unlock(struct lib_area *a, const struct lib_held *held);

/* MOVE_DONE: it is open. See lib_shut(). */
static inline enum move_reason lib_is_shut(void)
{
	return (enum move_reason)atomic_load_explicit(&lib_now.shut, memory_order_relaxed);
}

/*
 * A number's entry, not entered: for a look at what is believed. NULL: the call is to be plain, or
 * there is no memory yet, and so nothing is believed.
 */
static inline struct lib_conn *lib_look(int sock)
{
	struct lib_area *a = atomic_load_explicit(&lib_now.area, memory_order_acquire);

	if ((unsigned int)sock >= HY_LIB_FDS_MAX || lib_is_shut() || !a)
		return NULL;
	return &a->conn[sock];
}

/**
 * lib_shut() - From now on every call of this process is plain, and of its children
 * @why:	What hylics_status() says; MOVE_DONE: open again
 *
 * Without a system call, as one may not be allowed any more. A connection that was moved stays so:
 * to this program it is a unix socket like any other.
 */
void lib_shut(enum move_reason why);
void lib_wait_swap(void);		/* Until a swap that another thread is at is over */

/**
 * lib_enter() - Begin a call with a number
 * @sock:	From the program
 * @cancel:	Set; for lib_leave()
 *
 * Waits while somebody changes what is behind it. A thread cannot be cancelled until it leaves:
 * its entry would stay in use.
 *
 * Return: its entry, NULL if the call is to be plain
 */
struct lib_conn *lib_enter(int sock, int *cancel);
void lib_leave(struct lib_conn *c, int cancel);	/* End it; NULL: nothing to do */

/* Somebody is alone with the entry: count oneself when he is done. */
void lib_count_later(struct lib_conn *c);

/*
 * The same for a call that is plain whatever happens, and in which a thread is cancelled only by
 * PTHREAD_CANCEL_ASYNCHRONOUS: its entry would stay in use, which costs no more than a move.
 */
static inline void lib_count(struct lib_conn *c)
{
	if (atomic_fetch_add(&c->users, 1) < 0)
		lib_count_later(c);
}

static inline void lib_uncount(struct lib_conn *c)
{
	atomic_fetch_sub(&c->users, 1);
}

/**
 * lib_alone() - Become the only one who uses an entry; the area's lock is held
 * @c:	Entered by the caller
 *
 * Return: false if another call with the number is in progress
 */
bool lib_alone(struct lib_conn *c);
void lib_not_alone(struct lib_conn *c);	/* the way back */

#endif
