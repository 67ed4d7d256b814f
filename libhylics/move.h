/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * move.h - a connection goes to the agent and comes back
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 *
 * All functions want the number entered (lib_enter()).
 */
#ifndef HY_LIB_MOVE_H
#define HY_LIB_MOVE_H

#include "libhylics/slice.h"

/**
 * move_is_pair() - Is behind the number, now, the pair we put there?
 * @c:		Its entry; what it believes is corrected
 * @sock:	Number
 *
 * Return: true if so
 */
bool move_is_pair(struct lib_conn *c, int sock);

/**
 * move_allowed() - Would the agent have a connection at all?
 *
 * Looks for an agent if there was none, at most once in HY_LIB_AGAIN_MS.
 *
 * Return: MOVE_DONE or why not
 */
enum move_reason move_allowed(void);

/* What became of a call: for hylics_status(), and for the agent's counts. */
void move_decided(struct lib_conn *c, int sock, enum move_reason reason, const struct slice *s);

/**
 * move_give() - Put a pair in the place of a TCP socket, and give that to the agent
 * @c:		Its entry, no pair
 * @sock:	Number
 * @s:		What is to be sent first: begun (slice_begin()), if it is moved
 * @may_wait:	The call may wait, if the socket blocks
 *
 * Return: MOVE_DONE, or why it is still what it was
 */
enum move_reason move_give(struct lib_conn *c, int sock, struct slice *s, bool may_wait);

/* Before anything is looked up for a call: is it a pair, or a TCP connection not just refused? */
bool move_may(struct lib_conn *c, int sock);

/**
 * move_take_back() - Have the TCP socket again, if the agent serves it and nothing is under way
 * @c:		Its entry, a pair
 * @sock:	Number
 *
 * Return: true if it is a TCP socket again
 */
bool move_take_back(struct lib_conn *c, int sock);

/**
 * move_bring_home() - The same wherever it is, if that can be had within HY_LIB_HOME_MS
 * @c:		Its entry, a pair
 * @sock:	Number
 *
 * Return: true if it is a TCP socket again
 */
bool move_bring_home(struct lib_conn *c, int sock);

#endif
