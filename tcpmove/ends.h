/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ends.h - the two addresses of a connection, out of a socket and into another
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 *
 * A server that listens on [::] gets IPv6 sockets for its IPv4 clients. On the network they are
 * IPv4, so a record says IPv4; put into an IPv6 socket again, the addresses are mapped again.
 */
#ifndef HY_TCPMOVE_ENDS_H
#define HY_TCPMOVE_ENDS_H

#include <stdbool.h>

#include "common/err.h"
#include "tcpmove/record.h"

/**
 * ends_read() - Ask a socket for its addresses
 * @sock:	Connected
 * @rec:	family, local and remote set
 * @e:		Error
 *
 * Return: 0, -errno; -EAFNOSUPPORT unless both ends are IPv4, or both IPv6
 */
int ends_read(int sock, struct tcp_record *rec, struct hy_err *e);

/**
 * ends_are_scoped() - Whether an address is good on one link only, whose number is a kernel's own
 * @rec:	From ends_read()
 */
bool ends_are_scoped(const struct tcp_record *rec);

/**
 * ends_domain() - The family of a socket, which need not be that of its connection
 * @sock:	Socket
 * @domain:	AF_INET or AF_INET6
 * @e:		Error
 *
 * Return: 0, -errno
 */
int ends_domain(int sock, int *domain, struct hy_err *e);

/**
 * ends_bind() - Bind a socket to the local address, unless it is bound to it
 * @sock:	Unconnected; one of TCP in repair mode
 * @domain:	Its family
 * @rec:	Record
 * @e:		Error
 *
 * Return: 0, -errno; -EADDRINUSE if it is bound to another one
 */
int ends_bind(int sock, int domain, const struct tcp_record *rec, struct hy_err *e);

/**
 * ends_connect() - Connect a socket to the remote address
 * @sock:	Bound; one of TCP in repair mode
 * @domain:	Its family
 * @rec:	Record
 * @e:		Error
 *
 * Return: 0, -errno
 */
int ends_connect(int sock, int domain, const struct tcp_record *rec, struct hy_err *e);

#endif
