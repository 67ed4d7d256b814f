/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin.h - one VM's twin: a network namespace with the guest's addresses at the guest's own edges
 *
 * Runs in: the keeper (host, root)
 * Reads from: the kernel's notifications; addresses a guest tells of itself (hostile)
 *
 * DOC: What a twin is made of
 *
 *	host's namespace                         twin: a user and a network namespace
 *	edge (tap, veth, macvtap) == splice == hytwinN ---- nicM (guest's MAC, addresses, no ARP)
 *
 * Both namespaces are held by descriptors, not by a process. The veth's host end has an alias that
 * names VM, edge and owner: by it other owners see that an edge is taken, and a sweep what a killed
 * owner left.
 *
 * DOC: States of a NIC
 *
 * waiting	Its edge does not exist, or is no interface a guest can hang on. The copies live on
 *		in the twin, and reach nobody.
 * spliced	The BPF programs are at the edge and at the veth's host end.
 *
 * A notification about links is a hint only: the state follows from what the kernel answers when it
 * is asked for the edge's name. So an edge may come late, go, come back with another index, or
 * change its MTU, and no notification that was lost does harm for longer than to the next. What the
 * programs have learnt outlives the edge: nobody has to show the way to a client anew.
 */
#ifndef HY_TWIN_H
#define HY_TWIN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/ev.h"
#include "common/limits.h"
#include "common/log.h"
#include "twin/space.h"
#include "twin/splice.h"

struct twin_addr {
	uint8_t family;			/* AF_INET, AF_INET6 */
	uint8_t addr[16];		/* network order; IPv4: the first 4 bytes, the rest zero */
};

struct twin_nic_spec {
	char edge[IFNAMSIZ];		/* what the guest hangs on, in the caller's namespace */
	uint8_t mac[6];			/* the guest's */
	unsigned int vlan;		/* of the frames that are the twin's; 0: untagged ones */
	struct twin_addr addr[HY_TWIN_ADDRS_MAX];
	unsigned int n_addrs;
};

struct twin_nic {
	struct twin_nic_spec spec;	/* its addresses are those in force */
	unsigned int host_index;	/* of hytwinN, in the host's namespace */
	unsigned int twin_index;	/* of nicM, in the twin's */
	unsigned int edge_index;	/* 0 while waiting */
	unsigned int mtu;		/* the edge's, last seen */
	struct splice splice;		/* attached unless waiting */
	struct hy_log_rate rate;	/* of complaints about its edge */
};

struct twin {
	char vm[HY_NAME_MAX + 1];
	const struct hy_log *log;
	struct ev_loop *loop;		/* NULL: edges are not followed */
	/* the owner's, set after twin_open(): a NIC has new programs; NULL: not told */
	void (*spliced)(void *object);
	void *object;
	int present;			/* of all NICs; from splice_present_make() */
	int late;			/* from verb_make_late(), -1: none */
	int watch;			/* is told of links; -1 without a loop */
	struct space space;
	struct twin_nic nic[HY_TWIN_NICS_MAX];
	unsigned int n_nics;
};

/**
 * twin_open() - Make a VM's twin, still without a NIC
 * @t:		Filled; must stay where it is until twin_close()
 * @vm:		Name of the VM, [a-zA-Z0-9_.-]{1,63}
 * @loop:	Follows the edges; NULL: they are as they were at twin_add_nic()
 * @log:	Must outlive the twin
 * @e:		Error
 *
 * The caller's network namespace is where the edges are, then and later.
 */
int twin_open(struct twin *t, const char *vm, struct ev_loop *loop, const struct hy_log *log,
	      struct hy_err *e);

/**
 * twin_add_nic() - Give the twin a NIC of the guest; they count from 0 in this order
 * @t:		Twin
 * @spec:	Copied
 * @e:		Error: -EINVAL for an edge or address that can be none, -EBUSY for another VM's
 *		edge, -ENOSPC past HY_TWIN_NICS_MAX or HY_TWIN_ADDRS_MAX; nothing has changed
 *
 * With a loop, an edge that does not exist is waited for; without one it is -ENODEV.
 */
int twin_add_nic(struct twin *t, const struct twin_nic_spec *spec, struct hy_err *e);

/**
 * twin_set_addresses() - Change the addresses of a NIC
 * @t:		Twin
 * @number:	Of the NIC
 * @a:		All it is to have; may come from the guest (hostile)
 * @n:		How many, 0 is allowed
 * @e:		Error: -EINVAL for what is no unicast address of a global or site scope, -EEXIST for
 *		one of another NIC, -ENOSPC past HY_TWIN_ADDRS_MAX in the whole twin; then nothing
 *		has changed
 *
 * A connection whose address stays does not notice; one whose address goes reaches nobody.
 */
int twin_set_addresses(struct twin *t, unsigned int number, const struct twin_addr *a,
		       unsigned int n, struct hy_err *e);

/**
 * twin_enter() - Go into the twin's namespaces for good, user namespace first
 * @t:	Twin
 * @e:	Error
 *
 * For a child with a single thread. It has every capability there afterwards, and none outside.
 */
int twin_enter(const struct twin *t, struct hy_err *e);

/**
 * twin_socket() - Make a socket in the twin while staying outside
 * @t:		Twin
 * @family:	As for socket(2)
 * @type:	As for socket(2); SOCK_CLOEXEC is added
 *
 * Return: the descriptor, the caller's, or -errno
 */
int twin_socket(const struct twin *t, int family, int type);

/**
 * twin_listen() - Let listeners in the twin have the guest's new connections at a port, or not
 * @t:		Twin
 * @port:	Not 0
 * @listens:	false when no socket is left there
 * @e:		Error
 */
int twin_listen(const struct twin *t, uint16_t port, bool listens, struct hy_err *e);

/**
 * twin_send_links() - Put the links of all NICs into a socket's queue, see splice_send_links()
 * @t:		Twin
 * @sock:	Unix socket of packets
 *
 * What fails is logged: whoever is to hold them lives without.
 */
void twin_send_links(const struct twin *t, int sock);

/**
 * twin_close() - Remove what was installed, let go of the namespaces
 * @t:	From twin_open()
 */
void twin_close(struct twin *t);

/**
 * twin_sweep() - Remove what killed owners left in the caller's network namespace
 * @e:	Error
 *
 * Veths of dead owners, and filters of ours at edges that no living owner has.
 */
int twin_sweep(struct hy_err *e);

#endif
