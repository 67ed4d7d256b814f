/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.c - the addresses of the guest's NICs: told to the host, and asked for each connection
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (rtnetlink)
 */
#include "hylics-agent/address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"
#include "hylics-agent/agent.h"
#include "tcpmove/ends.h"

#define MAC_LEN 6

/* -- the list -- */

static const struct sockaddr_ll *link_of(const struct ifaddrs *all, const char *name)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_ll *ll = (const void *)i->ifa_addr;

		if (ll && ll->sll_family == AF_PACKET && strcmp(i->ifa_name, name) == 0)
			return ll->sll_halen == MAC_LEN ? ll : NULL;
	}
	return NULL;
}

/* One that means this machine, and only this one, wherever it is used. */
static bool take_address(const struct sockaddr *sa, struct move_address *m)
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;

	memset(m, 0, sizeof(*m));
	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	m->family = (uint8_t)sa->sa_family;
	if (sa->sa_family == AF_INET)
		memcpy(m->addr, &in->sin_addr, sizeof(in->sin_addr));
	else
		memcpy(m->addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
	if (sa->sa_family == AF_INET)
		return !IN_MULTICAST(ntohl(in->sin_addr.s_addr));
	return !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) && !IN6_IS_ADDR_MULTICAST(&in6->sin6_addr);
}

/* syscalls: bind, getsockname, recvmsg, sendto, socket(AF_NETLINK, SOCK_RAW/0xf, 0) */
static unsigned int list(struct path *path, struct move_address *at, unsigned int *nic)
{
	struct ifaddrs *all;
	struct wrapped wrapped;
	unsigned int n = 0;

	path_wrapped(path, &wrapped);
	if (getifaddrs(&all) < 0)
		return 0;
	for (struct ifaddrs *i = all; i && n < HY_TWIN_ADDRS_MAX; i = i->ifa_next) {
		const struct sockaddr_ll *ll;

		if ((i->ifa_flags & IFF_LOOPBACK) || !take_address(i->ifa_addr, &at[n]))
			continue;
		ll = link_of(all, i->ifa_name);
		if (!ll || path_wraps(&wrapped, (unsigned int)ll->sll_ifindex))
			continue;
		nic[n] = (unsigned int)ll->sll_ifindex;
		memcpy(at[n++].mac, ll->sll_addr, MAC_LEN);
	}
	freeifaddrs(all);
	return n;
}

void address_say(struct agent *a)
{
	struct addresses *t = &a->addresses;
	uint8_t packet[MOVE_ADDRESSES_MAX];
	int n;

	if (!t->owed || !a->session)
		return;
	n = move_addresses_encode(t->at, t->n, packet, sizeof(packet));
	if (n > 0 && chan_send(a->chan, MSG_ADDRESSES, 0, packet, (size_t)n) == 0)
		t->owed = false;
}

static void look_again(struct agent *a)
{
	struct addresses *t = &a->addresses;
	struct move_address now[HY_TWIN_ADDRS_MAX];
	unsigned int n = list(&t->path, now, t->nic);

	if (n == t->n && memcmp(now, t->at, n * sizeof(*now)) == 0)
		return;
	memcpy(t->at, now, n * sizeof(*now));
	t->n = n;
	t->owed = true;
	address_say(a);
}

/* -- that it has changed -- */

/* syscalls: recvfrom */
static int watch_handle(void *object, int fd, uint32_t events)
{
	uint8_t bytes[4096];

	(void)events;
	/* what was lost for want of room is no loss: the list is read whole */
	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		;
	look_again(object);
	return 0;
}

static void watch_drop(void *object, int fd, int rc)
{
	struct agent *a = object;

	(void)rc;
	ev_del(a->loop, fd);
}

static const struct ev_class watch_class = { "addresses", watch_handle, watch_drop };

static int open_watch(struct agent *a, struct hy_err *e)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
					       RTMGRP_IPV6_IFADDR };
	hy_autofd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int rc;

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return hy_err_set(e, errno, "addresses: netlink");
	rc = ev_add(a->loop, fd, &watch_class, a, EPOLLIN, e);
	if (rc == 0)
		a->addresses.watch = hy_fd_steal(&fd);
	return rc;
}

int address_open(struct agent *a, struct hy_err *e)
{
	struct stat st;

	a->addresses = (struct addresses){ .watch = -1, .path = { .route = -1, .tracked = -1 } };
	if (stat("/proc/self/ns/net", &st) < 0)
		return hy_err_set(e, errno, "/proc/self/ns/net");
	a->addresses.netns = st.st_ino;
	if (path_open(&a->addresses.path, e) < 0 || open_watch(a, e) < 0)
		return hy_err_add(e, "agent");
	look_again(a);
	return 0;
}

void address_close(struct agent *a)
{
	ev_del(a->loop, a->addresses.watch);
	hy_fd_close(&a->addresses.watch);
	path_close(&a->addresses.path);
}

/* -- one connection -- */

/* syscalls: fstat, ioctl(_, SIOCGSKNS), newfstatat */
static bool is_ours(const struct agent *a, int sock)
{
	struct stat st;
	hy_autofd netns = ioctl(sock, SIOCGSKNS);

	return netns >= 0 && fstat(netns, &st) == 0 && st.st_ino == a->addresses.netns;
}

enum move_reason address_refusal(struct agent *a, int sock, uint8_t protocol)
{
	struct tcp_record rec = { 0 };
	struct hy_err e = { 0 };

	if (!is_ours(a, sock))
		return MOVE_GUEST_NAT;
	if (ends_read(sock, &rec, &e) < 0)
		return MOVE_NO_TWIN;
	for (unsigned int i = 0; i < a->addresses.n; i++) {
		const struct move_address *at = &a->addresses.at[i];

		if (at->family == rec.family &&
		    memcmp(at->addr, rec.local.addr, sizeof(at->addr)) == 0)
			return path_refusal(&a->addresses.path, sock, protocol, &rec,
					    a->addresses.nic[i]);
	}
	return MOVE_NO_TWIN;
}
