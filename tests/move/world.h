/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a client, a guest and its twin in network namespaces, and connections that move
 *
 * Runs in: the tests of tcpmove, in network namespaces of their own
 * Reads from: no untrusted input
 *
 *	client --c0-- guest	10.9.0.2, fd09::2
 *	      \--c1-- twin	the same addresses
 *
 * One route decides where the server's addresses are; world_route() changes it, as a socket in a
 * real twin would. Listeners whose filter drops everything stand in both places, so that a late
 * segment that meets no socket is not answered with a RST: all RSTs that are counted are ours.
 *
 * Every function ends the program when a step of its own fails.
 */
#ifndef HY_TESTS_MOVE_WORLD_H
#define HY_TESTS_MOVE_WORLD_H

#include "tests/probes/probe.h"

#include "tcpmove/image.h"

enum place { GUEST, TWIN, PLACES };

/* What the server's socket is. */
enum kind { KIND_V4, KIND_V6, KIND_MAPPED, KINDS };

struct world {
	int client_ns;
	int ns[PLACES];
	long resets;			/* seen before the test */
	uint16_t next_port;
};

/* A connection, and how far its two streams are. */
struct conn {
	enum kind kind;
	int client, kept, copy;		/* -1: not there */
	unsigned int up, down;		/* numbers of the streams */
	uint64_t up_read, down_read;	/* judged so far */
	uint64_t up_sent, down_sent;	/* written so far */
	struct tcp_image img;
};

/* How a connection is to be made. */
struct wish {
	enum kind kind;
	bool no_timestamps, no_sack, no_wscale;
	int mss;			/* of the client's SYN, 0: as the link has it */
	int client_rcvbuf, server_rcvbuf;	/* 0: the kernel's */
};

/**
 * world_begin() - Make the namespaces; ends the program as skipped where that is not allowed
 * @limit_s:	Of the whole program
 */
struct world world_begin(unsigned int limit_s);

/**
 * world_route() - Where the server's addresses are from now on
 * @w:		World
 * @place:	Place
 */
void world_route(struct world *w, enum place place);

/**
 * world_enter() - Go into the guest or the twin
 * @w:		World
 * @place:	Place
 */
void world_enter(const struct world *w, enum place place);

/* Back to the client's. */
void world_leave(const struct world *w);

/**
 * world_resets() - RSTs sent in all three places since the beginning, or since the last call
 * @w:	World
 */
long world_resets(struct world *w);

/**
 * world_time_waits() - Sockets of guest and twin in TIME_WAIT
 * @w:	World
 */
int world_time_waits(struct world *w);

/**
 * world_sysctl() - Write to a file below /proc/sys/net of the current namespace
 * @name:	"ipv4/tcp_sack"
 * @value:	Text
 */
void world_sysctl(const char *name, const char *value);

/**
 * conn_open() - A new connection from the client to the guest
 * @w:		World; the server's addresses must be in the guest
 * @c:		Filled
 * @wish:	How
 */
void conn_open(struct world *w, struct conn *c, const struct wish *wish);

/**
 * conn_close() - Vanish at all ends
 * @c:	Connection
 */
void conn_close(struct conn *c);

/* The socket that is the connection now: the copy, or the kept one. */
int conn_sock(const struct conn *c);

/* Write to a stream: probe_fill() bytes go on where they had got to. */
void conn_send_down(struct conn *c, size_t len);
void conn_send_up(struct conn *c, size_t len);

/* Read all that was written and not yet read; false if a byte is wrong or missing. */
bool conn_read_down(struct conn *c);
bool conn_read_up(struct conn *c);

/* Some bytes each way, read and judged. */
bool conn_talks(struct conn *c, size_t len);

/* Everything sent is acknowledged, both ways. */
bool conn_is_quiet(struct conn *c);

/**
 * conn_dump() - Freeze and dump a socket of the connection
 * @c:		Its image is filled
 * @sock:	Kept socket or copy
 */
void conn_dump(struct conn *c, int sock);

/* The dumped connection into a new socket in the twin, not live. */
void conn_restore(struct world *w, struct conn *c);

/**
 * conns_out() - Move connections from the guest to the twin
 * @w:	World
 * @c:	Connections
 * @n:	How many
 */
void conns_out(struct world *w, struct conn *c, int n);

/**
 * conns_home() - Move connections from the twin into their kept sockets
 * @w:	World
 * @c:	Connections
 * @n:	How many
 */
void conns_home(struct world *w, struct conn *c, int n);

/**
 * world_try() - End the program when tcpmove fails
 * @rc:		What it returned
 * @e:		Its error
 * @what:	What was tried
 */
void world_try(int rc, const struct hy_err *e, const char *what);

/* @call takes its error from the name move_err. */
#define TRY_MOVE(call)                                                                             \
	do {                                                                                       \
		struct hy_err move_err = { 0 };                                                    \
		int move_rc = (call);                                                              \
		world_try(move_rc, &move_err, #call);                                              \
	} while (0)

#endif
