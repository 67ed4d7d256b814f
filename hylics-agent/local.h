/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.h - the agent's socket for programs of the guest
 *
 * Runs in: hylics-agent
 * Reads from: any program of the guest (hostile)
 */
#ifndef AGENT_LOCAL_H
#define AGENT_LOCAL_H

#include <sys/types.h>

#include "common/ev.h"
#include "common/log.h"
#include "hylics-agent/agent.h"
#include "proto/local.h"

struct agent_client {
	int fd;
	uid_t user;
	pid_t pid;
	struct program *program;	/* once it has joined */
};

struct agent_local {
	struct ev_loop *loop;
	const struct hy_log *log;
	struct hy_log_rate rate;
	const char *path;
	int listener;
	struct ev_rest rest;		/* the listener's */
	struct agent_client clients[HY_LOCAL_CLIENTS_MAX];
	unsigned int n_clients;
	/* fills in what a status request is answered with */
	void (*status)(void *object, struct local_status *s);
	void *object;
	struct agent *agent;		/* serves all other requests */
};

/**
 * local_open() - Listen at @l->path, for every user of the guest
 * @l:	path, loop, log, status and object filled; must stay where it is
 * @e:	Error
 */
int local_open(struct agent_local *l, struct hy_err *e);

/* Removes the socket; clients see the end when the process ends. */
void local_close(struct agent_local *l);

#endif
