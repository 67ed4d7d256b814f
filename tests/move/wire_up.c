/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_up.c - addresses and routes of the tests' namespaces, by netlink
 *
 * Runs in: the tests of tcpmove, in network namespaces of their own
 * Reads from: the kernel (rtnetlink answers)
 */
#include "tests/probes/probe.h"

#include "tests/move/wire_up.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* One address, or one route: a header and two attributes. */
struct request {
	struct nlmsghdr head;
	union {
		struct rtmsg route;
		struct ifaddrmsg addr;
	};
	char attrs[64];
};

static struct ifreq if_named(const char *name)
{
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return ifr;
}

static void if_ioctl(unsigned long what, struct ifreq *ifr)
{
	int fd = (int)PROBE_TRY(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	PROBE_TRY(ioctl(fd, what, ifr));
	close(fd);
}

static int if_index(const char *name)
{
	struct ifreq ifr = if_named(name);

	if_ioctl(SIOCGIFINDEX, &ifr);
	return ifr.ifr_ifindex;
}

/* With the same MAC at both ends and no ARP a neighbour's is one's own: none is asked for. */
void wire_up_link(const char *name, int mtu)
{
	static const char mac[] = { 2, 0, 0, 0, 0, 1 };
	struct ifreq ifr = if_named(name);

	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, sizeof(mac));
	if_ioctl(SIOCSIFHWADDR, &ifr);
	ifr = if_named(name);
	ifr.ifr_mtu = mtu;
	if_ioctl(SIOCSIFMTU, &ifr);
	ifr = if_named(name);
	ifr.ifr_flags = IFF_UP | IFF_NOARP;
	if_ioctl(SIOCSIFFLAGS, &ifr);
}

int wire_up_tun(void)
{
	struct ifreq ifr = if_named("late");
	int fd;

	if (access("/dev/net/tun", F_OK) < 0 && system("modprobe tun 2>/dev/null"))
		probe_note("no module tun");
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		probe_note("/dev/net/tun: %s", strerror(errno));
		return -1;
	}
	ifr = if_named("late");
	ifr.ifr_flags = IFF_UP | IFF_NOARP;
	if_ioctl(SIOCSIFFLAGS, &ifr);
	return fd;
}

static void put_attr(struct request *req, unsigned short type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(req->head.nlmsg_len);
	struct rtattr attr = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };

	memcpy((char *)req + at, &attr, sizeof(attr));
	memcpy((char *)req + at + RTA_LENGTH(0), data, len);
	req->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

static void ask(const struct request *req)
{
	int rc = probe_netlink(&req->head);

	if (rc < 0)
		probe_bail("netlink request %u: %s", req->head.nlmsg_type, strerror(-rc));
}

/* Return: length of the address; its family is set */
static size_t parse(const char *text, unsigned char *family, unsigned char *addr)
{
	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(*family, text, addr) != 1)
		probe_bail("'%s' is no address", text);
	return *family == AF_INET6 ? 16 : 4;
}

/* The kernel makes a new IPv6 address usable in a work item of its own. */
static bool reaches_itself(void *arg)
{
	const struct sockaddr_in6 *name = arg;
	int sock = (int)PROBE_TRY(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct sockaddr_in6 own = *name;
	socklen_t len = sizeof(own);
	char byte = 0;
	bool reaches;

	reaches = bind(sock, (struct sockaddr *)&own, len) == 0 &&
		  getsockname(sock, (struct sockaddr *)&own, &len) == 0 &&
		  sendto(sock, &byte, 1, 0, (struct sockaddr *)&own, len) == 1 &&
		  recv(sock, &byte, 1, MSG_DONTWAIT) == 1;
	close(sock);
	return reaches;
}

void wire_up_address(const char *name, const char *text)
{
	struct request req = { 0 };
	unsigned char addr[16] = { 0 };
	size_t len = parse(text, &req.addr.ifa_family, addr);
	struct sockaddr_in6 own = { .sin6_family = AF_INET6 };

	req.head.nlmsg_len = NLMSG_LENGTH(sizeof(req.addr));
	req.head.nlmsg_type = RTM_NEWADDR;
	req.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
	req.addr.ifa_prefixlen = (unsigned char)(8 * len);
	req.addr.ifa_flags = IFA_F_NODAD;
	req.addr.ifa_index = (unsigned int)if_index(name);
	put_attr(&req, IFA_LOCAL, addr, len);
	ask(&req);
	memcpy(&own.sin6_addr, addr, sizeof(own.sin6_addr));
	own.sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&own.sin6_addr) ? req.addr.ifa_index : 0;
	if (req.addr.ifa_family == AF_INET6 && !probe_wait_until(reaches_itself, &own))
		probe_bail("address %s cannot be used", text);
}

void wire_up_route(const char *name, const char *text)
{
	struct request req = { 0 };
	unsigned char addr[16];
	size_t len = parse(text, &req.route.rtm_family, addr);
	int index = if_index(name);

	req.head.nlmsg_len = NLMSG_LENGTH(sizeof(req.route));
	req.head.nlmsg_type = RTM_NEWROUTE;
	req.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
	req.route.rtm_dst_len = (unsigned char)(8 * len);
	req.route.rtm_table = RT_TABLE_MAIN;
	req.route.rtm_protocol = RTPROT_STATIC;
	req.route.rtm_scope = len == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	req.route.rtm_type = RTN_UNICAST;
	put_attr(&req, RTA_DST, addr, len);
	put_attr(&req, RTA_OIF, &index, sizeof(index));
	ask(&req);
}
