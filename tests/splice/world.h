/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a twin with sockets in every state that matters, and a loaded splice
 *
 * Runs in: the tests of the splice
 * Reads from: no untrusted input
 */
#ifndef HY_SPLICE_WORLD_H
#define HY_SPLICE_WORLD_H

#include "tests/probes/splice_net.h"

#include "tests/splice/frames.h"
#include "twin/splice.h"

#define LISTEN_PORT 7003		/* of a listener in the twin, both families */
#define TIME_WAIT_PORT 7004		/* nobody listens there */
#define TIME_WAIT_LISTEN_PORT 7005	/* somebody does */
#define FREE_PORT 7009			/* nothing in the twin */

struct world {
	struct splice_net net;
	int conn[2];			/* IPv4, IPv6 */
	int listener;
	int time_wait_listener;
};

/**
 * world_make() - The network, the guest's addresses of both families in the twin, the sockets
 * @w:		Filled; world_drop() releases it
 * @topology:	As for splice_net_make()
 * @edge:	As for splice_net_make()
 *
 * Skips all tests where this machine cannot do it.
 */
void world_make(struct world *w, enum splice_topology topology, enum splice_edge edge);

/**
 * world_drop() - Close everything; the test goes back to the namespace it came from
 * @w:	From world_make()
 */
void world_drop(struct world *w);

/**
 * world_config() - The configuration that fits this world, untagged, without listeners
 * @w:	From world_make()
 */
struct splice_config world_config(const struct world *w);

/* New connections go to the listeners of the twin; the map stays open until the test ends. */
void world_listen(struct splice_config *cfg);

/**
 * world_open() - Load a splice that knows the guest's addresses; a failure ends the test
 * @s:		Filled
 * @cfg:	Configuration
 */
void world_open(struct splice *s, const struct splice_config *cfg);

/**
 * world_reopen() - As world_open(), with what another splice has learnt
 * @s:		Filled
 * @cfg:	Configuration
 * @earlier:	As for splice_open()
 */
void world_reopen(struct splice *s, const struct splice_config *cfg, const struct splice *earlier);

/**
 * world_try() - The end of the test unless @rc is 0 or more
 * @rc:		Returned by what was tried
 * @e:		Filled by it
 *
 * Return: @rc
 */
int world_try(int rc, const struct hy_err *e);

/**
 * world_established() - A connection of the twin with the client, made without a frame
 * @w:		From world_make()
 * @ip6:	Its family
 * @port:	The guest's
 *
 * Return: the socket, in repair mode, the caller's to close
 */
int world_established(struct world *w, bool ip6, uint16_t port);

#endif
