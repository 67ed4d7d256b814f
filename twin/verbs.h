/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.h - the closed list of what a keeper does with privilege, each checked again here
 *
 * Runs in: the keeper (host, root)
 * Reads from: names an operator wrote; addresses a guest told of itself (hostile)
 *
 * Whoever wants to know what Hylics can do to a host's network reads this file: it looks at an
 * edge, makes and removes veths of its own, gives addresses to the end in the twin, sets switches
 * inside the twin's namespace, makes a tun device there, and hangs the splice (splice.h) on edge
 * and veth. Nothing else.
 */
#ifndef HY_VERBS_H
#define HY_VERBS_H

#include "twin/link.h"
#include "twin/space.h"
#include "twin/splice.h"
#include "twin/twin.h"

/* Whom a veth of ours belongs to, as its alias tells: "hylics VM EDGE PID-STARTTIME". */
struct verb_alias {
	char vm[HY_NAME_MAX + 1];
	char edge[IFNAMSIZ];
	char owner[SPLICE_OWNER_MAX];
};

/* The ends of a veth of ours, by index, each in its own namespace. */
struct verb_ends {
	unsigned int host;
	unsigned int twin;
};

/**
 * verb_edge() - Look at what a guest hangs on
 * @name:	From the operator
 * @info:	Set on success
 * @e:		Error: -ENODEV if there is none of that name, -EINVAL if no guest can hang on it (a
 *		physical one, a bridge, lo, one that carries the default route, a veth of ours)
 */
int verb_edge(const char *name, struct link_info *info, struct hy_err *e);

/**
 * verb_make_veth() - Join the twin to the host, nothing up, nothing spliced
 * @space:	The twin
 * @alias:	Whose it is
 * @nic:	Number of the NIC, which names the end in the twin
 * @mac:	The guest's; of a unicast
 * @mtu:	Of both ends, but at least what IPv6 needs
 * @ends:	Set on success
 * @e:		Error; -EBUSY if a living owner's veth is for the same edge. Nothing is left
 */
int verb_make_veth(const struct space *space, const struct verb_alias *alias, unsigned int nic,
		   const uint8_t *mac, unsigned int mtu, struct verb_ends *ends, struct hy_err *e);

/* @host is the host's end of a veth of ours: anything else is refused. */
int verb_remove_veth(unsigned int host, struct hy_err *e);

/**
 * verb_set_mtu() - Change the MTU of a veth of ours
 * @space:	The twin
 * @ends:	From verb_make_veth()
 * @mtu:	As for verb_make_veth()
 * @e:		Error
 */
int verb_set_mtu(const struct space *space, const struct verb_ends *ends, unsigned int mtu,
		 struct hy_err *e);

/**
 * verb_address() - Give an address to the twin's end, or take it away
 * @space:	The twin
 * @twin:	The end's index there
 * @nic:	Number of the NIC
 * @add:	Or remove
 * @a:		verb_address_check() is made again
 * @e:		Error
 */
int verb_address(const struct space *space, unsigned int twin, unsigned int nic, bool add,
		 const struct twin_addr *a, struct hy_err *e);

/**
 * verb_address_check() - Whether a guest's NIC may have an address
 * @a:	From the guest (hostile)
 * @e:	Error
 *
 * Return: 0, -EINVAL: unspecified, loopback, multicast, broadcast, link-local, mapped
 */
int verb_address_check(const struct twin_addr *a, struct hy_err *e);

/* Set what TCP in the twin needs to be as it is in a guest. */
int verb_switches(const struct space *space, struct hy_err *e);

/**
 * verb_make_late() - A device in the twin for segments that arrive in another way than by its NICs
 * @space:	The twin, with its switches set: the device begins with them
 * @e:		Error
 *
 * It has no address, and no route leads to it: what is written into the descriptor has arrived in
 * the twin, and whatever the twin says to it leaves by a NIC or not at all. The device goes with
 * the last holder of the descriptor.
 *
 * Return: the descriptor, the caller's, or -errno; -ENOENT without /dev/net/tun
 */
int verb_make_late(const struct space *space, struct hy_err *e);

/* Remove what dead owners left in the caller's network namespace. */
int verb_sweep(struct hy_err *e);

#endif
