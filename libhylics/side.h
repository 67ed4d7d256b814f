/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * side.h - what a moved descriptor was as a TCP socket, and its options
 *
 * Runs in: programs in a guest
 * Reads from: the agent and its page (checked)
 *
 * DOC: Whose pair it is
 *
 *	ours		this process has moved it: what it was stands in memory, by slot
 *	foreign		the process has it by fork(), exec() or a message, and has asked the agent
 *	neither		any other descriptor; or nobody has asked yet
 *
 * What is remembered holds for an inode, and every call compares. Only who finds a unix socket
 * where a TCP socket would answer otherwise asks the agent, once for each inode: nothing else is
 * looked at for descriptors that never were moved.
 */
#ifndef HY_LIB_SIDE_H
#define HY_LIB_SIDE_H

#include "libhylics/lib.h"

/* A moved connection. */
struct side {
	int sock;
	uint64_t ino;			/* of the pair's end */
	struct lib_conn *conn;		/* NULL: foreign */
	const struct local_who *who;
	struct lib_side *own;		/* NULL: foreign */
};

/**
 * side_begin() - Remember what a socket is, before it is moved
 * @a:		Area, locked
 * @c:		Its entry, with the slot and the inode of the pair's end it is going to have
 * @sock:	TCP socket
 */
void side_begin(struct lib_area *a, const struct lib_conn *c, int sock);

/* Likewise what TCP_INFO said of it; @len: of that. */
void side_info(struct lib_area *a, const struct lib_conn *c, const void *info, size_t len);

/**
 * side_known() - Is this a pair of which we know?
 * @sock:	Number
 * @s:		Set if so
 *
 * Costs no system call where the entry knows of none.
 *
 * Return: true if so
 */
bool side_known(int sock, struct side *s);

/* May it be one? No is certain, and costs a few instructions. */
bool side_may_be(int sock);

/* As side_known(), for what has turned out to be a unix socket: asks the agent, once. */
bool side_find(int sock, struct side *s);

/**
 * side_over() - Has the connection ended badly, and nobody was told?
 * @s:		Moved connection
 * @tell:	From now on somebody was
 *
 * Return: 0, ECONNRESET, ETIMEDOUT
 */
int side_over(const struct side *s, bool tell);
bool side_has_failed(const struct side *s);	/* It has, whoever was told */

/**
 * side_set() - Have an option set; not waited for
 * @s:	Moved connection
 * @v:	Value that may be set
 *
 * Without an agent the next one is told.
 */
void side_set(const struct side *s, const struct option_value *v);

/**
 * side_ask() - Ask for an option
 * @s:	Moved connection
 * @id:	Its number; it has a row
 * @v:	Set on success
 *
 * Return: 0, -errno: nobody knows
 */
int side_ask(const struct side *s, uint8_t id, struct option_value *v);

#endif
