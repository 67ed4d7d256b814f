/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.c - the closed list of what a keeper does with privilege, each checked again here
 *
 * Runs in: the keeper (host, root)
 * Reads from: names an operator wrote; addresses a guest told of itself (hostile)
 */
#include "twin/verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/own.h"
#include "common/owner.h"
#include "twin/netlink.h"

#define ALIAS_MARK "hylics "
#define HOST_END "hytwin%d"
#define TABLE_FIRST 4096u	/* routing tables of the twin: one per NIC, chosen by the source */
#define MTU_MIN 1280		/* below it a kernel throws an interface's IPv6 addresses away */
#define MTU_MAX 65535
#define TEXT_OF(x) #x
#define NUMBER(x) TEXT_OF(x)

static int open_there(const struct space *space, struct hy_err *e)
{
	int fd = space_socket(space, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	return fd < 0 ? hy_err_set(e, -fd, "netlink in the twin") : fd;
}

/* -- edges and aliases -- */

static bool is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && strspn(name, allowed) == len &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool read_alias(const char *text, struct verb_alias *a)
{
	char rest[2];

	return sscanf(text, ALIAS_MARK "%63s %15s %63s%1s", a->vm, a->edge, a->owner, rest) == 3;
}

static bool is_dead(const char *owner)
{
	struct hy_owner o;

	return hy_owner_take(&owner, &o) && *owner == '\0' && !hy_owner_lives(&o);
}

static bool can_be_edge(const struct link_info *info)
{
	static const char *const kinds[] = { "tun", "veth", "macvtap" };
	struct verb_alias ours;

	if (info->type != ARPHRD_ETHER || read_alias(info->alias, &ours))
		return false;
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(info->kind, kinds[i]))
			return true;
	}
	return false;
}

int verb_edge(const char *name, struct link_info *info, struct hy_err *e)
{
	struct link_info got;
	bool uplink = false;
	int rc;

	if (!is_name(name))
		return hy_err_set(e, EINVAL, "'%s' is no name of an interface", name);
	hy_autofd fd = netlink_open(e);
	rc = fd < 0 ? fd : link_by_name(fd, name, &got, e);
	if (rc < 0)
		return rc;
	if (!can_be_edge(&got))
		return hy_err_set(e, EINVAL, "interface '%s' is no tap, veth or macvtap of a guest",
				  name);
	rc = link_carries_default(fd, got.index, &uplink, e);
	if (rc < 0)
		return rc;
	if (uplink)
		return hy_err_set(e, EINVAL, "interface '%s' carries the host's default route",
				  name);
	*info = got;
	return 0;
}

/* -- veths -- */

static int find_ours(const struct link_list *list, const char *edge, struct hy_err *e)
{
	struct verb_alias a;

	for (unsigned int i = 0; i < list->n; i++) {
		if (read_alias(list->info[i].alias, &a) && !strcmp(a.edge, edge) &&
		    !is_dead(a.owner))
			return hy_err_set(e, EBUSY, "interface '%s' belongs to VM '%s' already",
					  edge, a.vm);
	}
	return 0;
}

static int check_free(int fd, const char *edge, struct hy_err *e)
{
	struct link_list list;
	int rc = link_all(fd, &list, e);

	if (rc < 0)
		return rc;
	rc = find_ours(&list, edge, e);
	link_list_free(&list);
	return rc;
}

/* A guest's MTU may be below the twin's: its connections bring the size of segments along. */
static unsigned int usable_mtu(unsigned int mtu)
{
	return mtu < MTU_MIN ? MTU_MIN : mtu > MTU_MAX ? MTU_MAX : mtu;
}

/* The kernel gave it the first free number; the twin's end tells which by its peer. */
static int bring_up(const struct space *space, int here, const char *peer, const char *alias,
		    struct verb_ends *ends, struct hy_err *e)
{
	char path[64], name[IFNAMSIZ];
	struct link_info there, outer;
	hy_autofd fd = open_there(space, e);
	hy_autofd off = -1;
	int rc = fd < 0 ? fd : link_by_name(fd, peer, &there, e);

	if (rc < 0)
		return rc;
	*ends = (struct verb_ends){ there.peer, there.index };
	rc = link_by_index(here, there.peer, &outer, e);
	if (rc < 0)
		return rc;
	rc = link_set_alias(here, outer.index, alias, e);
	memcpy(name, outer.name, sizeof(name));
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	off = open(path, O_WRONLY | O_CLOEXEC);
	if (rc == 0 && off >= 0 && write(off, "1", 1) != 1)
		rc = hy_err_set(e, errno, "%s", path);
	if (rc == 0)
		rc = link_set_flags(here, outer.index, IFF_UP | IFF_NOARP, e);
	if (rc == 0)
		rc = link_set_flags(fd, there.index, IFF_UP | IFF_NOARP, e);
	return rc;
}

static int add_routes(const struct space *space, unsigned int twin, unsigned int nic,
		      struct hy_err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };
	hy_autofd fd = open_there(space, e);
	int rc = fd < 0 ? fd : 0;

	for (unsigned int i = 0; rc == 0 && i < 2; i++) {
		rc = link_default_route(fd, families[i], twin, TABLE_FIRST + nic, e);
		if (rc == 0 && nic == 0)
			rc = link_default_route(fd, families[i], twin, RT_TABLE_MAIN, e);
	}
	return rc;
}

int verb_make_veth(const struct space *space, const struct verb_alias *alias, unsigned int nic,
		   const uint8_t *mac, unsigned int mtu, struct verb_ends *ends, struct hy_err *e)
{
	char peer[IFNAMSIZ], text[LINK_ALIAS_MAX];
	struct link_veth v = { .name = HOST_END, .peer_name = peer, .peer_netns = space->net,
			       .peer_mac = mac, .mtu = usable_mtu(mtu) };
	struct verb_ends made = { 0 };
	int rc;

	if (!is_name(alias->edge) || (mac[0] & 1))
		return hy_err_set(e, EINVAL, "veth for '%s'", alias->edge);
	snprintf(peer, sizeof(peer), "nic%u", nic);
	snprintf(text, sizeof(text), ALIAS_MARK "%s %s %s", alias->vm, alias->edge, alias->owner);
	hy_autofd fd = netlink_open(e);
	rc = fd < 0 ? fd : check_free(fd, alias->edge, e);
	if (rc == 0)
		rc = link_make_veth(fd, &v, e);
	if (rc < 0)
		return rc;
	rc = bring_up(space, fd, peer, text, &made, e);
	if (rc == 0)
		rc = add_routes(space, made.twin, nic, e);
	if (rc < 0 && made.host)
		link_delete(fd, made.host, NULL);
	if (rc == 0)
		*ends = made;
	return rc;
}

int verb_remove_veth(unsigned int host, struct hy_err *e)
{
	struct link_info info;
	struct verb_alias ours;
	hy_autofd fd = netlink_open(e);
	int rc = fd < 0 ? fd : link_by_index(fd, host, &info, e);

	if (rc < 0)
		return rc;
	if (strcmp(info.kind, "veth") != 0 || !read_alias(info.alias, &ours))
		return hy_err_set(e, EPERM, "interface '%s' is not ours", info.name);
	return link_delete(fd, host, e);
}

int verb_set_mtu(const struct space *space, const struct verb_ends *ends, unsigned int mtu,
		 struct hy_err *e)
{
	hy_autofd here = netlink_open(e);
	hy_autofd there = here < 0 ? here : open_there(space, e);
	int rc = there < 0 ? there : 0;

	mtu = usable_mtu(mtu);
	if (rc == 0)
		rc = link_set_mtu(here, ends->host, mtu, e);
	return rc < 0 ? rc : link_set_mtu(there, ends->twin, mtu, e);
}

/* -- addresses -- */

static bool is_plain_v4(const uint8_t *a)
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224 && !(a[0] == 169 && a[1] == 254);
}

static bool is_plain_v6(const uint8_t *a)
{
	static const uint8_t zeros[10];

	if (a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80))
		return false;
	/* unspecified, loopback, mapped and compatible addresses */
	return memcmp(a, zeros, sizeof(zeros)) != 0;
}

int verb_address_check(const struct twin_addr *a, struct hy_err *e)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if ((a->family == AF_INET && is_plain_v4(a->addr)) ||
	    (a->family == AF_INET6 && is_plain_v6(a->addr)))
		return 0;
	if (a->family == AF_INET || a->family == AF_INET6)
		inet_ntop(a->family, a->addr, text, sizeof(text));
	return hy_err_set(e, EINVAL, "%s is no address of a guest's NIC", text);
}

int verb_address(const struct space *space, unsigned int twin, unsigned int nic, bool add,
		 const struct twin_addr *a, struct hy_err *e)
{
	const struct link_addr addr = { a->family, a->addr };
	int rc = verb_address_check(a, e);

	if (rc < 0)
		return rc;
	hy_autofd fd = open_there(space, e);
	rc = fd < 0 ? fd : link_address(fd, add, twin, &addr, e);
	return rc < 0 ? rc : link_source_rule(fd, add, &addr, TABLE_FIRST + nic, e);
}

/* -- switches of the twin -- */

/*
 * A worker without CAP_NET_BIND_SERVICE binds copies to ports below 1024. No more connections are
 * remembered in TIME_WAIT than the splice can tell from new ones with the same ends. Queues that a
 * guest's kernel could hold must fit, without SO_SNDBUFFORCE, which a twin may not use. A switch
 * that this kernel does not have is none.
 */
static const struct {
	const char *path, *value;
} switches[] = {
	{ "net/ipv4/ip_forward", "0" },		/* a new namespace may begin with the host's */
	{ "net/ipv6/conf/all/forwarding", "0" },
	{ "net/ipv4/tcp_max_tw_buckets", NUMBER(HY_SPLICE_REBORN_MAX) },
	{ "net/ipv4/ip_unprivileged_port_start", "0" },
	{ "net/ipv4/tcp_rmem", "4096 131072 33554432" },
	{ "net/ipv4/tcp_wmem", "4096 65536 33554432" },
	{ "net/ipv4/conf/all/rp_filter", "0" },
	{ "net/ipv4/conf/default/rp_filter", "0" },
	{ "net/ipv4/conf/all/accept_redirects", "0" },
	{ "net/ipv6/conf/all/accept_ra", "0" },
	{ "net/ipv6/conf/default/accept_ra", "0" },
	{ "net/ipv6/conf/default/accept_dad", "0" },
	{ "net/ipv6/conf/default/autoconf", "0" },
	{ "net/ipv6/conf/default/addr_gen_mode", "1" },		/* no link-local address */
	{ "net/ipv6/conf/default/router_solicitations", "0" },
};

#define TIMESTAMPS "net/ipv4/tcp_timestamps"

static int set_switch(const char *path, const char *value, struct hy_err *e)
{
	char full[128];
	hy_autofd fd = -1;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return hy_err_set(e, errno, "twin: set %s to %s", path, value);
	return 0;
}

/* What the operator has decided for the host's TCP; "1", the kernel's own choice, if unreadable. */
static void read_timestamps(char value[2])
{
	hy_autofd fd = open("/proc/sys/" TIMESTAMPS, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, value, 1) != 1)
		value[0] = '1';
	value[1] = '\0';
}

int verb_switches(const struct space *space, struct hy_err *e)
{
	char timestamps[2];
	int rc;

	read_timestamps(timestamps);
	rc = space_visit(space, e);
	if (rc < 0)
		return rc;
	rc = set_switch(TIMESTAMPS, timestamps, e);
	for (unsigned int i = 0; rc == 0 && i < sizeof(switches) / sizeof(switches[0]); i++)
		rc = set_switch(switches[i].path, switches[i].value, e);
	space_leave(space);
	return rc;
}

/* -- what arrives in another way -- */

#define LATE_NAME "late"

static int open_tun(void)
{
	struct ifreq want = { .ifr_name = LATE_NAME };
	hy_autofd fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	want.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &want) < 0)
		return -errno;
	return hy_fd_steal(&fd);
}

/* A device is made in the network its descriptor was opened in. */
int verb_make_late(const struct space *space, struct hy_err *e)
{
	struct link_info info;
	hy_autofd link = open_there(space, e);
	hy_autofd tun = -1;
	int rc = link < 0 ? link : space_visit(space, e);

	if (rc < 0)
		return rc;
	tun = open_tun();
	space_leave(space);
	if (tun < 0)
		return hy_err_set(e, -tun, "a tun device in the twin");
	rc = link_by_name(link, LATE_NAME, &info, e);
	if (rc == 0)
		rc = link_set_flags(link, info.index, IFF_UP | IFF_NOARP, e);
	return rc < 0 ? rc : hy_fd_steal(&tun);
}

/* -- sweep -- */

/* A worker that outlived its keeper holds the links, and with the twin its veth. */
static int sweep_veth(int fd, const struct link_info *info, const struct verb_alias *ours,
		      struct hy_err *e)
{
	unsigned int edge = if_nametoindex(ours->edge);

	if (!is_dead(ours->owner))
		return 0;
	if (edge)
		splice_sweep_links(edge);
	return link_delete(fd, info->index, e);
}

static int sweep_one(int fd, const struct link_info *info, struct hy_err *e)
{
	struct verb_alias ours;
	int rc;

	if (!strcmp(info->kind, "veth") && read_alias(info->alias, &ours))
		return sweep_veth(fd, info, &ours, e);
	if (!can_be_edge(info))
		return 0;
	rc = splice_sweep(info->index, is_dead, e);
	return rc < 0 ? rc : 0;
}

int verb_sweep(struct hy_err *e)
{
	struct link_list list;
	hy_autofd fd = netlink_open(e);
	int rc = fd < 0 ? fd : link_all(fd, &list, e);

	if (rc < 0)
		return rc;
	/* one that went meanwhile leaves nothing to sweep */
	for (unsigned int i = 0; i < list.n && (rc == 0 || rc == -ENODEV); i++)
		rc = sweep_one(fd, &list.info[i], e);
	link_list_free(&list);
	return rc == -ENODEV ? 0 : rc;
}
