/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_net.c - a client, a host, a guest's edge and a twin, in network namespaces of their own
 *
 * Runs in: probe-bpf_splice
 * Reads from: no untrusted input
 *
 * No namespace has a name or a process of its own: they live as long as their descriptors do.
 */
#include "tests/probes/splice_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUEST "10.99.0.2"
#define GUEST_MAC "52:54:00:99:00:02"
#define CLIENT_BESIDE "10.99.0.3"	/* bridged: in the guest's own network */
#define CLIENT_BEYOND "10.98.0.3"	/* routed */
#define HOST_TO_CLIENT "10.98.0.1"
#define HOST_TO_GUEST "10.99.0.1"
#define MASK "255.255.255.0"

const unsigned char splice_guest_mac[ETH_ALEN] = { 0x52, 0x54, 0x00, 0x99, 0x00, 0x02 };

struct in_addr splice_guest_addr(void)
{
	return (struct in_addr){ inet_addr(GUEST) };
}

bool splice_shell_in(int netns, const char *command)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		probe_netns_enter(netns);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return probe_join(pid) == 0;
}

void splice_must_in(int netns, const char *command)
{
	if (!splice_shell_in(netns, command))
		probe_bail("in a namespace of the probe's own: %s", command);
}

/* Interfaces that send nothing of their own accord: all counts are of what the probe does. */
static int quiet_netns(void)
{
	int netns = probe_netns_new();

	splice_shell_in(netns, "for f in all default; do"
			"  echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done 2>/dev/null");
	return netns;
}

int splice_socket(const struct splice_net *net, int netns, int family, int type)
{
	int fd;

	probe_netns_enter(netns);
	fd = (int)PROBE_TRY(socket(family, type | SOCK_CLOEXEC, 0));
	probe_netns_enter(net->host);
	return fd;
}

int splice_packet_socket(const struct splice_net *net, int netns, const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = splice_socket(net, netns, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK);
	int bytes = 8 << 20;		/* no frame may be missed */

	PROBE_TRY(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)));
	probe_netns_enter(netns);
	at.sll_ifindex = (int)if_nametoindex(name);
	probe_netns_enter(net->host);
	if (!at.sll_ifindex)
		probe_bail("no interface %s", name);
	PROBE_TRY(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static const char *make_tap(struct splice_net *net)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	/* where nobody makes device nodes in advance, the module makes it when it is loaded */
	if (access("/dev/net/tun", F_OK) < 0)
		splice_shell_in(net->host, "modprobe tun 2>/dev/null");
	net->guest_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (net->guest_fd < 0)
		return "/dev/net/tun";
	strcpy(ifr.ifr_name, SPLICE_EDGE_NAME);
	PROBE_TRY(ioctl(net->guest_fd, TUNSETIFF, &ifr));
	return NULL;
}

static const char *make_veth_edge(struct splice_net *net)
{
	net->guest = quiet_netns();
	if (probe_veth(SPLICE_EDGE_NAME, "g0", net->guest) < 0)
		return "veth";
	splice_must_in(net->guest, "ip link set g0 address " GUEST_MAC " arp off up");
	net->guest_fd = splice_packet_socket(net, net->guest, "g0");
	return NULL;
}

static void join_bridged(struct splice_net *net)
{
	splice_must_in(net->host, "ip link set c1 master br0; ip link set edge0 master br0;"
			   "ip link set c1 up; ip link set edge0 up; ip link set br0 up");
	splice_must_in(net->client, "ip addr add " CLIENT_BESIDE "/24 dev c0; ip link set c0 up;"
			     "ip neigh add " GUEST " lladdr " GUEST_MAC " dev c0");
	net->dest = splice_guest_addr();
}

static void join_routed(struct splice_net *net)
{
	probe_if_up("c1", HOST_TO_CLIENT, MASK);
	probe_if_up(SPLICE_EDGE_NAME, HOST_TO_GUEST, MASK);
	splice_must_in(net->host, "ip neigh add " GUEST " lladdr " GUEST_MAC " dev edge0;"
			   "echo 1 > /proc/sys/net/ipv4/ip_forward");
	splice_must_in(net->client, "ip addr add " CLIENT_BEYOND "/24 dev c0; ip link set c0 up");
}

static const char *join(struct splice_net *net)
{
	switch (net->topology) {
	case SPLICE_BRIDGED:
		if (!splice_shell_in(net->host, "ip link add br0 type bridge"))
			return "bridge";
		join_bridged(net);
		break;
	case SPLICE_ROUTED:
		join_routed(net);
		splice_must_in(net->client, "ip route add default via " HOST_TO_CLIENT);
		net->dest = splice_guest_addr();
		break;
	default:
		join_routed(net);
		if (!splice_shell_in(net->host,
			      "nft add table ip fw && nft 'add chain ip fw in "
			      "{ type nat hook prerouting priority -100; }'"))
			return "nft with NAT";
		splice_must_in(net->host, "nft add rule ip fw in ip daddr " HOST_TO_CLIENT
				   " tcp dport 7000-7999 dnat to " GUEST);
		net->dest.s_addr = inet_addr(HOST_TO_CLIENT);
	}
	return NULL;
}

static uint32_t netns_id_of_peer(const char *name)
{
	char command[64];
	char line[512];
	char *id = NULL;
	FILE *ip;

	snprintf(command, sizeof(command), "ip -o link show dev %s", name);
	ip = popen(command, "re");
	if (ip && fgets(line, sizeof(line), ip))
		id = strstr(line, "link-netnsid ");
	if (!id)
		probe_bail("%s does not tell the id of the other namespace", command);
	pclose(ip);
	return (uint32_t)strtoul(id + strlen("link-netnsid "), NULL, 10);
}

static const char *make_twin(struct splice_net *net)
{
	net->twin = quiet_netns();
	if (probe_veth(SPLICE_TWIN_NAME, SPLICE_V1_NAME, net->twin) < 0)
		return "veth";
	splice_must_in(net->twin, "ip link set v1 address " GUEST_MAC " arp off up;"
			   "ip addr add " GUEST "/32 dev v1; ip route add default dev v1");
	probe_if_up(SPLICE_TWIN_NAME, NULL, NULL);
	net->twin_netns = netns_id_of_peer(SPLICE_TWIN_NAME);
	return NULL;
}

static const char *make_all(struct splice_net *net)
{
	const char *lack = splice_shell_in(net->host, "command -v ip >/dev/null") ? NULL : "ip";

	if (!lack && probe_veth("c1", SPLICE_CLIENT_NAME, net->client) < 0)
		lack = "veth";
	if (!lack)
		lack = net->edge == SPLICE_TAP ? make_tap(net) : make_veth_edge(net);
	if (!lack)
		lack = join(net);
	if (!lack)
		lack = make_twin(net);
	return lack;
}

const char *splice_net_make(struct splice_net *net, enum splice_topology topology,
			    enum splice_edge edge)
{
	const char *lack;

	*net = (struct splice_net){ .topology = topology, .edge = edge,
				    .twin = -1, .guest = -1, .guest_fd = -1 };
	net->outside = probe_netns_here();
	net->host = quiet_netns();
	net->client = quiet_netns();
	probe_netns_enter(net->host);
	lack = make_all(net);
	if (lack) {
		splice_net_drop(net);
		return lack;
	}
	net->edge_ifindex = if_nametoindex(SPLICE_EDGE_NAME);
	net->twin_ifindex = if_nametoindex(SPLICE_TWIN_NAME);
	return NULL;
}

bool splice_net_unsplice(struct splice_net *net)
{
	unsigned int left;

	splice_must_in(net->host, "ip link del " SPLICE_TWIN_NAME);
	left = if_nametoindex(SPLICE_TWIN_NAME);
	probe_netns_enter(net->twin);
	left += if_nametoindex(SPLICE_V1_NAME);
	probe_netns_enter(net->host);
	return left == 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void splice_net_drop(struct splice_net *net)
{
	close_if_open(net->guest_fd);
	close_if_open(net->guest);
	close_if_open(net->twin);
	close_if_open(net->client);
	probe_netns_enter(net->outside);
	close(net->outside);
	close(net->host);
}
