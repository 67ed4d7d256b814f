/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.c - opens a VM's tap, made if it is not there
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/own.h"

#define TUN_DEVICE "/dev/net/tun"

static void set_name(struct ifreq *r, const char *name)
{
	*r = (struct ifreq){ 0 };
	strncpy(r->ifr_name, name, sizeof(r->ifr_name) - 1);
}

static int refused(const char *name, int num, struct hy_err *e)
{
	if (num == EBUSY)
		return hy_err_set(e, EADDRINUSE, "interface '%s': another program has it", name);
	if (num == EINVAL)
		return hy_err_usage(e, NULL, "interface '%s': is no tap, or one with several "
				    "queues", name);
	return hy_err_set(e, num, "interface '%s': want root, or a tap that is this user's", name);
}

static int join(int sock, const char *name, const char *bridge, struct hy_err *e)
{
	struct ifreq r;

	set_name(&r, bridge);
	r.ifr_ifindex = (int)if_nametoindex(name);
	if (ioctl(sock, SIOCBRADDIF, &r) < 0)
		return hy_err_set(e, errno, "interface '%s': join bridge '%s'", name, bridge);
	return 0;
}

static int put_up(int sock, const char *name, struct hy_err *e)
{
	struct ifreq r;

	set_name(&r, name);
	if (ioctl(sock, SIOCGIFFLAGS, &r) == 0) {
		r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
		if (ioctl(sock, SIOCSIFFLAGS, &r) == 0)
			return 0;
	}
	return hy_err_set(e, errno, "interface '%s': put it up", name);
}

static int connect_new(const char *name, const char *bridge, struct hy_err *e)
{
	hy_autofd sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (sock < 0)
		return hy_err_set(e, errno, "interface '%s'", name);
	if (bridge)
		rc = join(sock, name, bridge, e);
	return rc < 0 ? rc : put_up(sock, name, e);
}

int tap_open(const char *name, const char *bridge, struct hy_err *e)
{
	hy_autofd fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	bool is_new = if_nametoindex(name) == 0;
	struct ifreq r;
	int rc = 0;

	if (fd < 0)
		return hy_err_set(e, errno, "interface '%s': open '%s'", name, TUN_DEVICE);
	set_name(&r, name);
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		return refused(name, errno, e);
	if (is_new)
		rc = connect_new(name, bridge, e);
	return rc < 0 ? rc : hy_fd_steal(&fd);
}
