/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * casts.h - parts of files that programs want sent as datagrams: who may, and how far the host is
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile); the host over the channel (checked)
 *
 * A cast is a connection, as a job is: a client of agent.sock is one from its LOCAL_CAST on.
 * Whatever ends the connection stops the cast, and no cast outlives its session. The program's
 * socket is looked at and closed again. docs/udp.md has the whole.
 */
#ifndef AGENT_CASTS_H
#define AGENT_CASTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/cast.h"

struct agent;
struct request;
struct message;
struct file;

struct cast_row {
	struct agent *agent;
	bool used;
	bool stop;			/* the host is still to be told so; nobody waits */
	uint32_t id;
	int client;			/* -1: not watched yet, or gone */
	uid_t user;
	struct file *file;
	uint64_t count;			/* bytes it is for */
	uint64_t sent;			/* of them as told last */
};

struct casts {
	struct cast_row at[HY_CASTS_MAX];
	unsigned int n;
	uint32_t last_id;
};

/**
 * casts_request() - Serve LOCAL_CAST
 * @a:	Agent
 * @r:	Request; r->cast is set if the client is to be that cast from here on
 *
 * Return: length of the answer; 0: there is none yet; -EPROTO: the client is to be dropped
 */
int casts_request(struct agent *a, struct request *r);

/* Have the connection of a cast: @fd is its own from here on, whatever happens. */
void casts_watch(struct cast_row *c, int fd);

int casts_take_told(struct agent *a, const struct message *msg);	/* MSG_CAST_TOLD */

/* All end, and their programs go on themselves: the session is over; this agent stops. */
void casts_down(struct agent *a);
void casts_leave(struct agent *a);
void casts_room(struct agent *a);	/* the channel has room again */

#endif
