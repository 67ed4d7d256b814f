/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.h - the twin's place at the guest's edge: three programs in the kernel, and their loader
 *
 * Runs in: hylicsd (root, in the host's network namespace)
 * Reads from: the kernel's answers; the frames are the programs' business (splice.bpf.c)
 *
 *	struct splice s;
 *
 *	splice_open(&s, &cfg, NULL, e);			loaded, not attached
 *	splice_add_address(&s, AF_INET, &addr, e);	what the twin may send as
 *	splice_attach(&s, e);				from here on sockets of the twin get frames
 *	...
 *	splice_close(&s);
 *
 * One splice belongs to one edge and one veth. Either interface is made again under another number:
 * open another splice, which takes over what this one has learnt, and close this one. The process
 * that attached may die: the programs stay at their hooks until splice_sweep() or until the
 * interface goes; with the twin's namespace gone they find no socket, and every frame goes where it
 * would without them.
 */
#ifndef HY_SPLICE_H
#define HY_SPLICE_H

#include "common/err.h"
#include "twin/splice_map.h"

#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdint.h>

#define SPLICE_OWNER_MAX 64

struct splice_config {
	unsigned int edge_ifindex;	/* the guest's tap, macvtap or veth end on the host */
	bool edge_is_macvtap;		/* "to the guest" is its ingress, not its egress */
	unsigned int veth_ifindex;	/* the veth's end on the host; the other is in the twin */
	uint32_t twin_netns_id;		/* as seen from the namespace of edge and veth */
	uint8_t guest_mac[ETH_ALEN];
	uint16_t vlan;			/* the twin's tag at the edge, 1 to 4094; 0: untagged */
	int present;			/* from splice_present_make(); 0: nobody keeps it */
	bool clsact;			/* as on a kernel without tcx links; for tests */
	/* Told to splice_sweep(): who attached, for instance "PID-STARTTIME"; [A-Za-z0-9_.-] */
	char owner[SPLICE_OWNER_MAX];
};

/* Where one program hangs: by a link, or as a filter of a clsact qdisc (splice_tcx.h says why). */
struct splice_hook {
	unsigned int ifindex;
	bool egress;
	int link;			/* -1: none */
	uint32_t prog_id;		/* of the filter, 0: none */
};

enum splice_prog { SPLICE_FROM_GUEST_PROG, SPLICE_FROM_TWIN_PROG, SPLICE_TO_GUEST_PROG,
		   SPLICE_PROGS };

struct splice {
	struct splice_bpf *bpf;		/* the loaded object; NULL: not open */
	struct splice_config cfg;
	struct splice_hook hooks[SPLICE_PROGS];
	bool made_edge_qdisc;
	bool made_veth_qdisc;
};

/**
 * splice_present_make() - Make the map that tells which connections may be in a twin
 * @e:	Error
 *
 * One for all splices of a twin, in their configuration, and for whoever makes the twin's sockets:
 * it holds a struct splice_present, can be mapped and written with mmap(2), and nobody keeps it
 * yet.
 *
 * Return: the descriptor, the caller's, or -errno
 */
int splice_present_make(struct hy_err *e);

/**
 * splice_present_listen() - Let listeners of the twin have new connections at a port, or not
 * @present:	From splice_present_make()
 * @port:	Not 0
 * @listens:	Or no socket is left there
 * @e:		Error
 *
 * Holds from the next frame on. Return: 0, -errno
 */
int splice_present_listen(int present, uint16_t port, bool listens, struct hy_err *e);

/**
 * splice_open() - Load the programs for one edge and one twin
 * @s:		Filled; after a failure there is nothing to close
 * @cfg:	Copied
 * @earlier:	Of the same guest's NIC and the same twin, attached or not: what it has learnt about
 *		connections is used on, by both if both run; NULL, or not open: nothing is known yet
 * @e:		Error
 *
 * Return: 0, -EINVAL for a configuration that cannot be meant, -EPERM where BPF is not allowed,
 * another -errno
 */
int splice_open(struct splice *s, const struct splice_config *cfg, const struct splice *earlier,
		struct hy_err *e);

/**
 * splice_attach() - Put the programs to their hooks
 * @s:	Open, not attached
 * @e:	Error
 *
 * Works while traffic flows and beside programs, filters and qdiscs of others: ours run before
 * those that were there and hand every frame on that they do not redirect or drop. Before Linux
 * 6.6 they stand behind a filter of another kind with priority 1, and frames that leave the
 * interface just then may be lost. Order: nothing of the twin enters the host before the program
 * that takes our mark off again is there, and no frame goes to the twin before it can answer.
 * After a failure nothing of ours is attached.
 *
 * Return: 0, -EBUSY before Linux 6.6 if an "ingress" qdisc of somebody else's takes the place of
 * clsact (it has no egress hook), -EADDRINUSE if another splice is at one of the hooks, another
 * -errno
 */
int splice_attach(struct splice *s, struct hy_err *e);

/**
 * splice_add_address() - Let the twin send as this address, and serve new connections to it
 * @s:		Open
 * @family:	AF_INET or AF_INET6
 * @addr:	4 or 16 bytes in network order; checked by the caller for what a guest may have
 * @e:		Error
 *
 * Return: 0 (also if it was there already), -ENOSPC beyond HY_TWIN_ADDRS_MAX, another -errno
 */
int splice_add_address(struct splice *s, int family, const void *addr, struct hy_err *e);

/**
 * splice_del_address() - Take an address away: from now on frames of the twin with it are dropped
 * @s:		Open
 * @family:	As for splice_add_address()
 * @addr:	As for splice_add_address()
 * @e:		Error
 *
 * Connections of the twin on that address are its owner's to end first: the guest's frames for
 * them stay suppressed as long as their sockets exist.
 *
 * Return: 0, -ENOENT if it was not there, another -errno
 */
int splice_del_address(struct splice *s, int family, const void *addr, struct hy_err *e);

/**
 * splice_send_links() - Put the links into a socket's queue: they end with their last holder
 * @s:		From splice_open(); without links nothing happens
 * @sock:	Unix socket of packets
 *
 * Return: 0, -errno
 */
int splice_send_links(const struct splice *s, int sock);

/* The programs' names in the kernel, by which their links are known. */
extern const char *const splice_bpf_names[SPLICE_PROGS];

/* Take all links of splices away from an interface. Return: how many they were */
unsigned int splice_sweep_links(unsigned int ifindex);

/**
 * splice_counts() - Read the counters, summed over the machine's CPUs
 * @s:		Open
 * @out:	Filled on success, indexed by enum splice_count
 *
 * Return: 0, -errno
 */
int splice_counts(const struct splice *s, uint64_t out[SPLICE_COUNTS]);

/* The counters' names, "to-twin" and so on, indexed by enum splice_count. */
extern const char *const splice_count_names[SPLICE_COUNTS];

/**
 * splice_detach() - Take the programs away, keep what they have learnt for the next splice_open()
 * @s:	From splice_open(), or zeroed; attached or not
 *
 * Removes filters only where our own program still hangs, and a clsact qdisc only if
 * splice_attach() made it and nothing else is on it. Links end for whoever else holds them, too.
 */
void splice_detach(struct splice *s);

/**
 * splice_close() - Take the programs away and let go of everything; harmless on one not open
 * @s:	From splice_open(), or zeroed
 */
void splice_close(struct splice *s);

/**
 * splice_sweep() - Remove from an interface the filters that a dead process left there
 * @ifindex:	Edge, or the veth's end on the host, in the caller's network namespace
 * @is_dead:	Asked with the owner's name of each filter of ours; NULL: all of them go
 * @e:		Error
 *
 * The qdisc goes too, if the dead process made it and nothing else is on it.
 *
 * Return: how many filters were removed, -errno
 */
int splice_sweep(unsigned int ifindex, bool (*is_dead)(const char *owner), struct hy_err *e);

#endif
