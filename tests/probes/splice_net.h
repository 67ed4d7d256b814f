/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_net.h - a client, a host, a guest's edge and a twin, in network namespaces of their own
 *
 * Runs in: probe-bpf_splice
 * Reads from: no untrusted input
 *
 *	client c0 --- c1 host edge0 --- the probe, playing the guest
 *	                      v0 --- v1 twin
 */
#ifndef HY_SPLICE_NET_H
#define HY_SPLICE_NET_H

#include "tests/probes/probe.h"

#include <linux/if_ether.h>

#define SPLICE_EDGE_NAME "edge0"
#define SPLICE_TWIN_NAME "v0"
#define SPLICE_CLIENT_NAME "c0"
#define SPLICE_V1_NAME "v1"

/* How the host joins client and guest. */
enum splice_topology {
	SPLICE_BRIDGED,			/* one bridge, the host has no address on it */
	SPLICE_ROUTED,
	SPLICE_FORWARDED,		/* routed, and the client knows only a port of the host */
	SPLICE_TOPOLOGIES,
};

/* What the guest hangs on. */
enum splice_edge {
	SPLICE_TAP,			/* frames by read() and write() on the tap's descriptor */
	SPLICE_VETH,			/* frames by a packet socket on the other end */
	SPLICE_EDGES,
};

struct splice_net {
	enum splice_topology topology;
	enum splice_edge edge;
	int outside;			/* network namespaces: where the probe came from, */
	int host;			/* where it stays */
	int client;
	int twin;
	int guest;			/* -1 with a tap */
	int guest_fd;			/* whole frames to and from the guest's end, non-blocking */
	unsigned int edge_ifindex;
	unsigned int twin_ifindex;
	uint32_t twin_netns;		/* the id the kernel gave the twin, as the host sees it */
	struct in_addr dest;		/* what the client connects to */
};

extern const unsigned char splice_guest_mac[ETH_ALEN];

/**
 * splice_guest_addr() - The guest's address, which is the twin's as well
 */
struct in_addr splice_guest_addr(void);

/**
 * splice_net_make() - Make the whole network and go into the host's namespace
 * @net:	Filled; splice_net_drop() releases it
 * @topology:	How client and guest are joined
 * @edge:	What the guest hangs on
 *
 * A failure ends the probe.
 *
 * Return: NULL, or what this machine lacks for it; then nothing is left to release
 */
const char *splice_net_make(struct splice_net *net, enum splice_topology topology,
			    enum splice_edge edge);

/**
 * splice_net_unsplice() - Remove the veth between host and twin
 * @net:	From splice_net_make()
 *
 * Return: true if neither of its ends is left
 */
bool splice_net_unsplice(struct splice_net *net);

/**
 * splice_net_drop() - Let go of all namespaces; the probe goes back to the one it came from
 * @net:	From splice_net_make()
 */
void splice_net_drop(struct splice_net *net);

/**
 * splice_socket() - A socket in one of the namespaces
 * @net:	The caller is in its host and stays there
 * @netns:	Where the socket belongs
 * @family:	As for socket()
 * @type:	As for socket()
 *
 * Return: the descriptor, the caller's to close
 */
int splice_socket(const struct splice_net *net, int netns, int family, int type);

/**
 * splice_packet_socket() - A packet socket on one interface, all protocols, non-blocking
 * @net:	The caller is in its host and stays there
 * @netns:	Where the interface is
 * @name:	Of the interface
 *
 * Return: the descriptor, the caller's to close
 */
int splice_packet_socket(const struct splice_net *net, int netns, const char *name);

/**
 * splice_shell_in() - Run a command by the shell
 * @netns:	Where
 * @command:	Words of our own
 *
 * Return: true if it was successful
 */
bool splice_shell_in(int netns, const char *command);

/**
 * splice_must_in() - The same; a failure ends the probe
 * @netns:	Where
 * @command:	Words of our own
 */
void splice_must_in(int netns, const char *command);

#endif
