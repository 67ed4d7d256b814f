/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume.h - connections outlive sessions, agents and workers
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); an earlier worker's table (checked)
 */
#ifndef WORKER_RESUME_H
#define WORKER_RESUME_H

#include "common/err.h"

struct moves;
struct message;

int resume_take(struct moves *m, const struct message *msg);	/* MSG_RESUME */

/**
 * resume_inherit() - Take over what the keeper has from an earlier worker
 * @m:	Worker; maps the table
 * @e:	Error
 *
 * Only what the link itself says wrong is an error: a connection that makes no sense is closed.
 */
int resume_inherit(struct moves *m, struct hy_err *e);

/* The session is over: what can go on goes on alone. */
void resume_session_lost(struct moves *m);

/* Reset what was alone for too long, and set the timer for the next. */
void resume_look(struct moves *m);

#endif
