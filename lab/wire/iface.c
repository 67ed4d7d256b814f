/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iface.c - questions to and settings of a network interface
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#include "lab/wire/iface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

static const struct {
	uint32_t command;
	const char *name;
} offloads[] = {
	{ ETHTOOL_SGRO, "gro" },
	{ ETHTOOL_STSO, "tso" },
	{ ETHTOOL_SGSO, "gso" },
	{ ETHTOOL_STXCSUM, "tx checksum" },
};

static int ask(int fd, unsigned long what, const char *name, struct ifreq *ifr)
{
	memset(ifr->ifr_name, 0, sizeof(ifr->ifr_name));
	memcpy(ifr->ifr_name, name, strnlen(name, sizeof(ifr->ifr_name) - 1));
	return ioctl(fd, what, ifr) < 0 ? -errno : 0;
}

static int query_socket(struct hy_err *e)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? hy_err_set(e, errno, "open a socket for interface settings") : fd;
}

int iface_find(const char *name, int *index, uint32_t *mtu, struct hy_err *e)
{
	hy_autofd fd = query_socket(e);
	struct ifreq ifr = { .ifr_name = "" };
	unsigned int found;
	int rc;

	if (fd < 0)
		return fd;
	found = strlen(name) < IFNAMSIZ ? if_nametoindex(name) : 0;
	if (!found)
		return hy_err_set(e, ENODEV, "interface '%s' in this network namespace", name);
	rc = ask(fd, SIOCGIFMTU, name, &ifr);
	if (rc < 0)
		return hy_err_set(e, -rc, "interface '%s': read its MTU", name);
	*index = (int)found;
	*mtu = (uint32_t)ifr.ifr_mtu;
	return 0;
}

bool iface_exists(int index)
{
	char name[IF_NAMESIZE];

	return if_indextoname((unsigned int)index, name) != NULL;
}

static int offload_off(int fd, const char *name, struct hy_err *e)
{
	struct ethtool_value value = { .data = 0 };
	struct ifreq ifr = { .ifr_name = "" };
	int rc;

	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++) {
		value.cmd = offloads[i].command;
		ifr.ifr_data = (char *)&value;
		rc = ask(fd, SIOCETHTOOL, name, &ifr);
		if (rc < 0 && rc != -EOPNOTSUPP)
			return hy_err_set(e, -rc, "interface '%s': switch off %s", name,
					  offloads[i].name);
	}
	return 0;
}

static int ip6_off(const char *name, struct hy_err *e)
{
	char path[128];
	hy_autofd fd = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;		/* a kernel without IPv6 */
	if (fd < 0 || write(fd, "1", 1) != 1)
		return hy_err_set(e, errno, "interface '%s': switch off IPv6 through '%s'", name,
				  path);
	return 0;
}

static int bring_up(int fd, const char *name, struct hy_err *e)
{
	struct ifreq ifr = { .ifr_name = "" };
	int rc = ask(fd, SIOCGIFFLAGS, name, &ifr);

	if (rc == 0 && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		rc = ask(fd, SIOCSIFFLAGS, name, &ifr);
	}
	return rc < 0 ? hy_err_set(e, -rc, "interface '%s': bring up", name) : 0;
}

int iface_become_wire(const char *name, struct hy_err *e)
{
	hy_autofd fd = query_socket(e);
	int rc;

	if (fd < 0)
		return fd;
	rc = offload_off(fd, name, e);
	if (rc == 0)
		rc = ip6_off(name, e);
	if (rc == 0)
		rc = bring_up(fd, name, e);
	return rc;
}
