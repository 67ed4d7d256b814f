/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_net.c - private network namespaces, a veth between two of them, a TCP pair
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: the kernel (rtnetlink answers)
 *
 * Nothing here is ever done in the namespace the probe was started in: the first call is
 * probe_private_net(), and what it makes goes away with the process.
 */
#include "tests/probes/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RECV_LIMIT_S 15

/* A netlink request under construction; sized for one link with one peer. */
struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	char attrs[512];
};

static void if_ioctl(unsigned long what, struct ifreq *ifr)
{
	int fd = (int)PROBE_TRY(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	if (ioctl(fd, what, ifr) < 0)
		probe_bail("ioctl 0x%lx on %s: %s", what, ifr->ifr_name, strerror(errno));
	close(fd);
}

static struct ifreq if_named(const char *name)
{
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return ifr;
}

static void if_set_addr(unsigned long what, const char *name, const char *addr)
{
	struct ifreq ifr = if_named(name);
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		probe_bail("'%s' is no IPv4 address", addr);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	if_ioctl(what, &ifr);
}

void probe_if_up(const char *name, const char *addr, const char *mask)
{
	struct ifreq ifr = if_named(name);

	if (addr) {
		if_set_addr(SIOCSIFADDR, name, addr);
		if_set_addr(SIOCSIFNETMASK, name, mask);
	}
	if_ioctl(SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if_ioctl(SIOCSIFFLAGS, &ifr);
}

void probe_private_net(int lo_mtu)
{
	if (unshare(CLONE_NEWNET) < 0)
		probe_skip_all("a network namespace of its own: %s", strerror(errno));
	if (lo_mtu) {
		struct ifreq ifr = if_named("lo");

		ifr.ifr_mtu = lo_mtu;
		if_ioctl(SIOCSIFMTU, &ifr);
	}
	probe_if_up("lo", NULL, NULL);
}

int probe_netns_here(void)
{
	return (int)PROBE_TRY(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

void probe_netns_enter(int netns)
{
	PROBE_TRY(setns(netns, CLONE_NEWNET));
}

int probe_netns_new(void)
{
	int before = probe_netns_here();
	int made;

	PROBE_TRY(unshare(CLONE_NEWNET));
	probe_if_up("lo", NULL, NULL);
	made = probe_netns_here();
	probe_netns_enter(before);
	close(before);
	return made;
}

static struct rtattr *attr_open(struct request *req, unsigned short type)
{
	size_t at = NLMSG_ALIGN(req->head.nlmsg_len);
	struct rtattr *attr = (struct rtattr *)((char *)req + at);

	if (at + RTA_LENGTH(0) > sizeof(*req))
		probe_bail("netlink request too long");
	attr->rta_type = type;
	req->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(0));
	return attr;
}

static void attr_close(struct request *req, struct rtattr *attr)
{
	attr->rta_len = (unsigned short)((char *)req + req->head.nlmsg_len - (char *)attr);
}

static void attr_put(struct request *req, unsigned short type, const void *data, size_t len)
{
	struct rtattr *attr = attr_open(req, type);

	if (req->head.nlmsg_len + len > sizeof(*req))
		probe_bail("netlink request too long");
	memcpy(RTA_DATA(attr), data, len);
	req->head.nlmsg_len += (uint32_t)len;
	attr_close(req, attr);
}

static void veth_request(struct request *req, const char *here, const char *there, int netns)
{
	struct rtattr *info, *data, *peer;

	memset(req, 0, sizeof(*req));
	req->head.nlmsg_len = NLMSG_LENGTH(sizeof(req->link));
	req->head.nlmsg_type = RTM_NEWLINK;
	req->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	attr_put(req, IFLA_IFNAME, here, strlen(here) + 1);
	info = attr_open(req, IFLA_LINKINFO);
	attr_put(req, IFLA_INFO_KIND, "veth", strlen("veth"));
	data = attr_open(req, IFLA_INFO_DATA);
	peer = attr_open(req, VETH_INFO_PEER);
	/* the peer is described by a header of its own (zero: no wishes) and attributes */
	req->head.nlmsg_len += (uint32_t)sizeof(struct ifinfomsg);
	attr_put(req, IFLA_IFNAME, there, strlen(there) + 1);
	attr_put(req, IFLA_NET_NS_FD, &netns, sizeof(netns));
	attr_close(req, peer);
	attr_close(req, data);
	attr_close(req, info);
}

int probe_netlink(const struct nlmsghdr *request)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char rest[sizeof(struct request)];
	} ack;
	int fd = (int)PROBE_TRY(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));

	PROBE_TRY(send(fd, request, request->nlmsg_len, 0));
	PROBE_TRY(recv(fd, &ack, sizeof(ack), 0));
	close(fd);
	if (ack.head.nlmsg_type != NLMSG_ERROR)
		probe_bail("netlink answered with message type %u", ack.head.nlmsg_type);
	return ack.err.error;
}

int probe_veth(const char *here, const char *there, int netns)
{
	struct request req;

	veth_request(&req, here, there, netns);
	return probe_netlink(&req.head);
}

static void limit_recv(int sock)
{
	const struct timeval limit = { .tv_sec = RECV_LIMIT_S };

	PROBE_TRY(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
}

void probe_tcp_pair(struct probe_pair *pair)
{
	socklen_t len = sizeof(pair->addr);

	memset(pair, 0, sizeof(*pair));
	pair->addr.sin_family = AF_INET;
	pair->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pair->listener = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(bind(pair->listener, (struct sockaddr *)&pair->addr, len));
	PROBE_TRY(listen(pair->listener, 8));
	PROBE_TRY(getsockname(pair->listener, (struct sockaddr *)&pair->addr, &len));
	pair->client = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(connect(pair->client, (struct sockaddr *)&pair->addr, sizeof(pair->addr)));
	pair->server = (int)PROBE_TRY(accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC));
	limit_recv(pair->client);
	limit_recv(pair->server);
}
