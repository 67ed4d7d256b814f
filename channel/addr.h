/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr.h - the address of a channel, and how each transport is opened on either side
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: whoever may connect to the socket; in the guest sysfs
 *
 *	          host                              guest
 *	serial    connects to QEMU's chardev        opens the port named io.hylics.agent.0
 *	unix      listens, mode 0600                connects
 *	vsock     listens, takes one CID            connects to the host
 */
#ifndef CHANNEL_ADDR_H
#define CHANNEL_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/unixsock.h"
#include "proto/msg.h"

#define CHAN_PORT_NAME "io.hylics.agent.0"
#define CHAN_VSOCK_RESERVED 1023	/* up to here a port is root's */
#define CHAN_VSOCK_PORT 4950	/* no meaning; not among the registered ones */

enum chan_kind { CHAN_SERIAL, CHAN_UNIX, CHAN_VSOCK };

struct chan_addr {
	enum chan_kind kind;
	char path[HY_UNIX_PATH_MAX + 1];	/* serial, unix */
	uint32_t cid;		/* vsock: the guest's on the host, the host's in the guest */
	uint32_t port;		/* vsock */
	int door;		/* the keeper opens it (door.h); 0: chan_addr_open() does itself */
};

/**
 * chan_addr_parse() - Read "serial", "serial:PATH", "unix:PATH", "vsock:CID[:PORT]" or "vsock"
 * @text:	From the command line
 * @role:	Which side will open it: says what may be left out
 * @addr:	Set on success
 * @e:		Error
 *
 * In the guest "serial" alone finds the port by its name, and "vsock" alone means the host.
 */
int chan_addr_parse(const char *text, enum msg_role role, struct chan_addr *addr,
		    struct hy_err *e);

/**
 * chan_kind_name() - "serial", "unix" or "vsock"
 * @kind:	One of the enum
 *
 * Return: a constant
 */
const char *chan_kind_name(enum chan_kind kind);

/**
 * chan_addr_listens() - Whether this side waits for its peer instead of going to it
 * @addr:	Address
 * @role:	This side
 *
 * Return: true if chan_addr_open() gives a listening socket
 */
bool chan_addr_listens(const struct chan_addr *addr, enum msg_role role);

/**
 * chan_addr_open() - Open the transport: a stream to the peer, or a listening socket
 * @addr:	Address
 * @role:	This side
 * @e:		Error
 *
 * Return: a non-blocking descriptor, the caller's, or -errno. -EINPROGRESS does not occur: all
 * three connect at once or fail.
 */
int chan_addr_open(const struct chan_addr *addr, enum msg_role role, struct hy_err *e);

/**
 * chan_addr_accept() - Take a connection from a listening socket of chan_addr_open()
 * @addr:	Address
 * @listener:	Socket
 * @e:		Error
 *
 * A vsock peer is turned away unless it has the CID the address names and a port of root's.
 *
 * Return: a non-blocking descriptor, the caller's, or -errno
 */
int chan_addr_accept(const struct chan_addr *addr, int listener, struct hy_err *e);

/**
 * chan_addr_unlink() - Remove what a listening side left in the file system
 * @addr:	Address
 * @role:	This side; one that does not listen left nothing
 */
void chan_addr_unlink(const struct chan_addr *addr, enum msg_role role);

#endif
