/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.h - options that the program sets and asks for, of the host's copy
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 *
 * DOC: What the guest may have set
 *
 * Rows of proto/option.c that say so, on its own copies, and nothing else: the filter of system
 * calls knows no other either. The guest says it of a connection that it knows to be here, and says
 * it again after a resume, and after a home that came to nothing. So what comes while a copy is on
 * its way home is passed over: the guest's own socket has it, and goes on with it. No answer is
 * given, and an option that this kernel does not have stays as it is.
 *
 * A worker that dies leaves the options where they are, in the copy, but for one: TCP_CORK is also
 * the worker's own, between a header and its file, so that what the program wants is remembered
 * beside it (conn.cork). The resume behind every death says that again, too.
 */
#ifndef WORKER_OPTION_H
#define WORKER_OPTION_H

struct message;
struct moves;

/* MSG_OPTION, MSG_OPTION_ASK */
int option_take(struct moves *m, const struct message *msg);
int option_take_ask(struct moves *m, const struct message *msg);

#endif
