/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib_world.h - what tests of libhylics need: an agent that serves pairs, a file, a client
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * The agent is a process of its own with the real rules: it looks, sends, takes out, tells. It
 * serves everything in the guest, and says in the page whatever the test wants said.
 */
#ifndef HY_LIB_WORLD_H
#define HY_LIB_WORLD_H

#include "tests/probes/probe.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/limits.h"
#include "proto/grow.h"
#include "proto/page.h"
#include "proto/reason.h"
#include "proto/tally.h"

#define WORLD_FILE_BYTES ((size_t)6 << 20)
#define WORLD_BIG ((size_t)256 << 10)	/* of it, enough for a move */
#define WORLD_STREAM 1		/* the file's bytes are probe_fill()'s */
#define WORLD_DATA 0x1122334455667788ull	/* of an entry in an epoll */

/* Where the agent may die; it dies once. */
enum world_step {
	DIE_NEVER,
	DIE_JOIN, DIE_JOINED,
	DIE_MOVE_UNREAD, DIE_MOVE,
	DIE_MARKER, DIE_HALF, DIE_SENT, DIE_TOLD,
	DIE_TAKE_BACK, DIE_TAKEN,
	DIE_STEPS,
};

/* Shared with the agent. */
struct world_agent {
	_Atomic uint32_t die_at;	/* enum world_step */
	_Atomic uint32_t hold;		/* 1: nothing is served */
	_Atomic uint32_t mute;		/* 1: nothing is answered */
	_Atomic uint32_t drop;		/* 1: all clients are dropped, their connections kept */
	_Atomic uint32_t refuse_back;	/* 1: LOCAL_TAKE_BACK is answered with an error */
	_Atomic uint32_t after_move;	/* enum hy_slot_state that a moved connection gets */
	/* what it has seen */
	_Atomic uint32_t clients, joins, moves, markers, tells, takes, ends;
	_Atomic uint64_t longest, plain_bytes, marked_bytes, grown_bytes;
	_Atomic uint32_t spent_ns, plain_ps;	/* that the last move told */
	_Atomic uint64_t base;		/* length of the marker in hand, as it was put */
};

struct world {
	char dir[64];			/* where agent.sock is, and the file */
	char path[80];			/* of the file */
	int file;
	struct hy_page *page;		/* writable here */
	struct hy_tally *tally;		/* what its programs count in */
	int memfd;
	int tally_memfd;		/* the agent has it */
	struct hy_grow *words;
	int words_memfd;
	int wake;			/* written to after a change in *agent */
	struct world_agent *agent;
	pid_t pid;			/* 0: none runs */
	bool unsealed;			/* the next agent shows a page that could shrink */
	bool no_tally;			/* the next agent gives none */
	bool unsealed_words;		/* likewise words */
};

/* Sets everything up but the agent: namespace, run directory, file, page that allows moves. */
void world_open(struct world *w);

/* Starts an agent with a page of its own; stops it (SIGKILL). */
void world_start(struct world *w);
void world_stop(struct world *w);

/* The agent looks at *agent again. */
void world_wake(const struct world *w);

/* Waits until the agent has died by itself. */
void world_wait_dead(struct world *w);

/* Removes directory and file. */
void world_close(struct world *w);

/* Someone who reads a connection to its end in a process of its own. */
struct world_reader {
	pid_t pid;
	bool reset;			/* set by world_read_end() */
	struct world_read {
		_Atomic uint64_t bytes;
		_Atomic uint32_t wrong;		/* bytes are not those of the file from @from on */
		_Atomic uint32_t reset;		/* it ended with a reset */
	} *got;
};

/**
 * world_read() - Start a reader
 * @r:		Filled
 * @client:	Socket; closed here, the reader has it
 * @from:	Offset in the file of the first byte that is to come
 */
void world_read(struct world_reader *r, int client, uint64_t from);

/* Waits for the connection's end; the number of bytes that came, UINT64_MAX if one was wrong. */
uint64_t world_read_end(struct world_reader *r);

/**
 * world_pair() - A TCP connection
 * @client:	Set
 *
 * Return: the server's end
 */
int world_pair(int *client);

/* The same, the server's end without blocking. */
int world_nonblock_pair(int *client);

/* Sends the file's first WORLD_BIG bytes; whether all were taken. */
bool world_first(const struct world *w, int sock);

/* What hylics_status() says of it: moved; or not, as it is shared. */
bool world_is_moved(int sock);
bool world_is_shared(int sock);

/* Has an epoll watch it, with data of ours. */
void world_watch(int epoll, int sock, uint32_t events);

/* What is reported within @ms: 0 if nothing, all ones if it is not ours. */
uint32_t world_reported(int epoll, int ms);

/* Waits until @value is at least @least (10 s); false if not. */
bool world_wait(_Atomic uint32_t *value, uint32_t least);

#endif
