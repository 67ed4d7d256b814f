/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener.h - who listens at a TCP port of the guest, at any of its addresses
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (/proc/net/tcp, tcp6)
 *
 * Seen are listeners in the agent's own network namespace, and no others.
 */
#ifndef AGENT_LISTENER_H
#define AGENT_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTENER_LINE_MAX 256		/* the kernel's lines have 150 letters, with IPv6 200 */
#define LISTENER_TEXT_MAX 56		/* "[ADDRESS]:PORT" */

struct listener {
	uint8_t family;			/* 4 or 6 */
	uint16_t port;
	uint8_t addr[16];		/* of IPv4 the first 4 */
	uint32_t user;
};

/* A look through one table, which comes in pieces of any length. */
struct listener_scan {
	uint16_t port;			/* looked for */
	bool found;
	bool over;			/* what follows is of no interest */
	struct listener who;		/* if found */
	size_t len;			/* of the line that has begun */
	char line[LISTENER_LINE_MAX];
};

/**
 * listener_feed() - Read a piece of a table
 * @s:		.port is set, the rest zero at first
 * @text:	Piece
 * @len:	Its length
 */
void listener_feed(struct listener_scan *s, const char *text, size_t len);

/* The two tables, -1 for one that is not there; before the agent is sealed. */
void listener_open(int tables[2]);
void listener_close(int tables[2]);

/**
 * listener_find() - Look whether anybody listens there now
 * @tables:	From listener_open()
 * @port:	Port
 * @who:	Set if so
 *
 * Return: whether anybody does; a table that cannot be read has nobody
 */
bool listener_find(const int tables[2], uint16_t port, struct listener *who);

/* "0.0.0.0:80", "[::]:80" */
void listener_text(const struct listener *who, char text[LISTENER_TEXT_MAX]);

#endif
