/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.h - who a shown descriptor is, and the options of its connection: set, and asked for
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile); the host over the channel (checked)
 *
 * DOC: Who may ask
 *
 * Whoever can show the program's end of a pair: it has the connection, by fork(), exec() or a
 * message, as it would have the TCP socket. The end is known by its inode, which the program that
 * made the pair has told. That word is not believed: the kernel says of both ends who made them, so
 * a program that tells another's inode is found by nobody but itself. The program that gave the
 * connection may name its slot instead.
 *
 * DOC: An option that is set is never lost
 *
 * The kept socket has all that a program ever set, whatever state the connection is in: it is what
 * a get is answered from, and the holder keeps it for the next agent. Which ones were set since the
 * program gave the connection stands in @options, in the table too, and the host is told their
 * values, read from the kept socket when there is room for the message:
 *
 *	LOCAL		set on the kept socket, which speaks; told when the host has adopted it, as
 *			not all of them are in a record
 *	OFFERED		likewise: the record that is under way may be without them
 *	MOVED		told at once
 *	HOMING		the record to wake the kept socket with has that socket's own options, not
 *			the copy's, and is written again; refused: all of them are told again
 *	LOST		on the kept socket; MOVED again: all of them are told again; LOCAL: it has
 *			them
 *
 * TCP_NODELAY and taking TCP_CORK off have the kernel send what is unsent, or in repair mode take
 * it for sent, and then it would wait for a time-out. So where the kept socket has a dumped or
 * rebuilt queue and may yet be woken (OFFERED, HOMING, LOST before that), both wait in @late.
 *
 * TCP_QUICKACK is no state but a push. It is passed on where somebody speaks, else forgotten.
 * SO_LINGER is what close() does: the agent remembers it, and the kept socket stays at {1, 0}.
 */
#ifndef AGENT_OPTION_H
#define AGENT_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ev.h"
#include "common/limits.h"
#include "proto/local.h"

struct agent;
struct conn;
struct message;
struct request;

#define SHOWN_HEADS 4096u

/* A question that is with the host. */
struct ask {
	uint32_t ask;			/* its number there; 0: the row is free */
	uint32_t id;			/* the program's request */
	uint32_t conn;			/* number of the connection */
	int client;			/* its socket */
	uint8_t option;
	uint64_t since_ms;
};

struct options {
	struct ask ask[HY_OPTION_ASKS_MAX];
	uint32_t asked;			/* so many, ever */
	struct ev_timer late;
	uint32_t head[SHOWN_HEADS];	/* by inode: row + 1 of a connection, 0: none */
	char congestion[HY_CONGESTIONS_MAX];	/* names that anybody may choose, blanks between */
};

/* Begins with no question, and with the congestion controls of this kernel. */
void options_open(struct agent *a);
void options_close(struct agent *a);

/**
 * options_request() - Serve LOCAL_WHO, LOCAL_OPTION or LOCAL_OPTION_ASK
 * @a:	Agent
 * @r:	Request
 *
 * Return: length of the answer, 0: none, or later; -EPROTO: the client is to be dropped
 */
int options_request(struct agent *a, struct request *r);
void options_client_gone(struct agent *a, int client);

/* MSG_OPTION_TOLD */
int options_take_told(struct agent *a, const struct message *msg);

/**
 * options_begin() - A program has given this connection
 * @a:		Agent
 * @c:		Connection, its socket live
 * @m:		What the program said of it
 */
void options_begin(struct agent *a, struct conn *c, const struct local_move *m);
void options_end(struct agent *a, struct conn *c);	/* It is not shown by anybody any more */
void options_again(struct agent *a, struct conn *c);	/* An earlier agent's has come back */

/**
 * options_settle() - It is known who has the connection
 * @a:	Agent
 * @c:	In LOCAL or MOVED; in MOVED the host is told all that was set. May be gone afterwards
 */
void options_settle(struct agent *a, struct conn *c);

/* A connection comes home: its record gets the options of its kept socket. */
void options_into_record(struct conn *c);

/* Tell the host what is owed. Return: 0, -EAGAIN */
int options_say(struct agent *a, struct conn *c);

#endif
