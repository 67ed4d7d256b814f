/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * join.h - programs that have their connections moved: page, slots, what they give and take back
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile)
 *
 * A program is a client of agent.sock that has joined. When it leaves, or the agent is succeeded
 * by another, its connections go on; only taking back is no longer possible.
 */
#ifndef AGENT_JOIN_H
#define AGENT_JOIN_H

#include <sys/types.h>

#include "common/fdpass.h"
#include "hylics-agent/tally.h"
#include "hylics-agent/threshold.h"
#include "proto/local.h"
#include "proto/move.h"
#include "proto/page.h"
#include "proto/why.h"

struct agent;
struct conn;
struct job;
struct cast_row;

struct program {
	struct hy_page *page;		/* NULL: the row is free */
	struct grow *grow;		/* its words */
	uint32_t *row_of;		/* by slot: the connection's row + 1, 0: none */
	struct told told;		/* of what moves and plain bytes cost it */
	struct tally tally;
	int memfd;
	pid_t pid;
	uid_t user;
	char name[WHY_PROGRAM_MAX + 1];	/* of the file it runs */
};

struct user {
	uid_t uid;
	uint32_t conns;			/* 0: the row is free */
};

#define ROOT 0				/* as a request's user */

struct programs {
	struct program at[HY_LOCAL_CLIENTS_MAX];
	struct user user[HY_LOCAL_USERS_MAX];
};

/* A request of a client: what came, and what is answered. */
struct request {
	struct local_header head;
	const uint8_t *packet;		/* whole */
	size_t len;
	struct hy_fds *fds;		/* that came; what is not taken is closed by the caller */
	pid_t pid;
	uid_t user;
	int client;			/* its socket */
	struct program **program;	/* the client's; *program is set when it joins */
	struct job *job;		/* set: the connection is its from here on */
	struct cast_row *cast;		/* likewise */
	uint8_t *answer;		/* LOCAL_PACKET_MAX bytes */
	struct hy_fds answer_fds;	/* stay their owner's */
};

/**
 * join_request() - Serve LOCAL_JOIN, LOCAL_MOVE or LOCAL_TAKE_BACK
 * @a:	Agent
 * @r:	Request
 *
 * Return: length of the answer, 0: none; -EPROTO: the client is to be dropped
 */
int join_request(struct agent *a, struct request *r);

/**
 * request_refuse() - Answer with an error
 * @r:		Request
 * @num:	Positive errno
 * @fmt:	Words that need no errno's behind them; cut off if they are too long
 *
 * Return: length of the answer
 */
int request_refuse(struct request *r, int num, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The answer of a request was sent, or could not be. */
void join_answered(struct agent *a, struct request *r, bool sent);

/* Why programs need not even ask, MOVE_DONE if they may. */
enum move_reason join_refusal(const struct agent *a);

/* The client of this program has gone. NULL: nothing happens. */
void join_leave(struct agent *a, struct program *p);
void join_close(struct agent *a);

/* Write into a program's page; NULL: nothing happens. */
void program_tell(struct program *p, uint32_t slot, enum hy_slot_state state,
		  enum move_reason reason);

/* Another marker of the connection is done with. */
void program_taken(struct program *p, uint32_t slot);

/* How long the connection's next markers should be; 0: not known. */
void program_slice(struct program *p, uint32_t slot, uint32_t slice);

/* The connection has ended: its slot is free, its user has one less. */
void program_forget(struct agent *a, struct conn *c);

#endif
