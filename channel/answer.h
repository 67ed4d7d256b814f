/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer.h - what a channel answers by itself: pings, bulk bytes taken, soaks
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: the peer on the channel (hostile)
 */
#ifndef HY_CHANNEL_ANSWER_H
#define HY_CHANNEL_ANSWER_H

#include <stdbool.h>

struct chan;
struct message;

/**
 * chan_answer() - Take a message that concerns the channel alone, and answer it
 * @c:		Channel; its control lane has room
 * @m:		Message
 * @fault:	Set if it was one: what is wrong with it, or NULL
 *
 * Return: false if it is the owner's
 */
bool chan_answer(struct chan *c, const struct message *m, const char **fault);

/* So much of the bulk lane was taken: the peer may send as much more. */
void chan_answer_taken(struct chan *c, const struct message *m);

#endif
