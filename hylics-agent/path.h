/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.h - the way a connection takes in the guest: straight through a NIC, as it is, or not
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (rtnetlink, ctnetlink)
 *
 * DOC: What a copy on the host cannot do
 *
 * It speaks at the guest's NIC, with the ends the program's socket has. So nothing of the guest may
 * stand between that socket and the NIC which changes a frame or sends it elsewhere:
 *
 *	the client is in the guest: another program, or a container	no-twin
 *	the route leaves by another interface than the address's	no-twin
 *	the address's interface puts something around frames: a VLAN
 *	tag, MACsec, a tunnel						no-twin
 *	the guest translates an address or a port of the connection	guest-nat
 *
 * Translation is asked for only where connections are tracked at all. What the guest does to frames
 * elsewhere (XFRM, tc, programs at its hooks) cannot be seen from here.
 */
#ifndef AGENT_PATH_H
#define AGENT_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "proto/reason.h"
#include "tcpmove/record.h"

/* Interfaces whose frames do not leave as they are, and those that have one of them as a port. */
struct wrapped {
	unsigned int index[HY_WRAPPED_LINKS_MAX];
	unsigned int n;
	bool all;			/* more than that, or nobody knows */
};

struct path {
	int route, tracked;		/* netlink sockets; -1: not open */
	uint32_t seq;			/* of the last request */
	bool cannot_ask;		/* about translation; then what is tracked stays */
};

/* Return: 0, -errno */
int path_open(struct path *p, struct hy_err *e);
void path_close(struct path *p);

/* Ask for the interfaces that wrap frames. */
void path_wrapped(struct path *p, struct wrapped *w);
bool path_wraps(const struct wrapped *w, unsigned int index);

/**
 * path_refusal() - Whether a connection goes straight through an interface
 * @p:		Path
 * @sock:	Connected
 * @protocol:	IPPROTO_TCP or IPPROTO_UDP, as it is
 * @rec:	Its ends, from ends_read()
 * @index:	Of the interface that has the connection's own address
 *
 * Return: MOVE_DONE, MOVE_NO_TWIN, MOVE_GUEST_NAT
 */
enum move_reason path_refusal(struct path *p, int sock, uint8_t protocol,
			      const struct tcp_record *rec, unsigned int index);

#endif
