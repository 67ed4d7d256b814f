/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.h - the addresses of the guest's NICs: told to the host, and asked for each connection
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (rtnetlink)
 */
#ifndef AGENT_ADDRESS_H
#define AGENT_ADDRESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"
#include "hylics-agent/path.h"
#include "proto/move.h"
#include "proto/reason.h"

struct agent;

struct addresses {
	int watch;			/* netlink: they have changed; -1: none */
	bool owed;			/* the list is to be said to the host */
	ino_t netns;			/* the agent's */
	struct move_address at[HY_TWIN_ADDRS_MAX];
	unsigned int nic[HY_TWIN_ADDRS_MAX];	/* the index of its interface */
	unsigned int n;
	struct path path;
};

/* Read the list, and from now on whenever it changes. */
int address_open(struct agent *a, struct hy_err *e);
void address_close(struct agent *a);

/* A session has begun, or there is room again: say the list if it is owed. */
void address_say(struct agent *a);

/**
 * address_refusal() - Whether a copy can have a connection: it goes straight through a NIC
 * @a:		Agent
 * @sock:	From a program
 * @protocol:	IPPROTO_TCP or IPPROTO_UDP, as the socket is
 *
 * One in another network namespace than the agent's is of no NIC of this machine: a program that
 * may make its own could otherwise take over any connection by making its like there.
 *
 * Return: MOVE_DONE, MOVE_NO_TWIN, MOVE_GUEST_NAT
 */
enum move_reason address_refusal(struct agent *a, int sock, uint8_t protocol);

#endif
