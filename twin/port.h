/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.h - what a twin has at a TCP port
 *
 * Runs in: the keeper (host, root); a module's warden
 * Reads from: the kernel's answers
 */
#ifndef HY_TWIN_PORT_H
#define HY_TWIN_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "twin/twin.h"

struct twin_port {
	bool listens;			/* somebody, in whichever family */
	/* being made, open, or closing with a socket; without those the worker has moved here */
	uint32_t connections;
	uint32_t remains;		/* in TIME_WAIT */
};

/* What it takes to look, and to reset. */
struct twin_desk {
	int fd;				/* a socket of the twin's to ask by */
	const struct splice_present *present;
};

/**
 * twin_desk_map() - For a process that goes into the twin, before it does
 * @t:		Twin
 * @d:		Its map; the socket is made by twin_desk_inside()
 * @e:		Error
 */
int twin_desk_map(const struct twin *t, struct twin_desk *d, struct hy_err *e);

/* The rest, when it is there. */
int twin_desk_inside(struct twin_desk *d, struct hy_err *e);

/**
 * twin_desk_open() - Both, for one who stays outside
 * @t:		Twin
 * @d:		To be given to twin_desk_close()
 * @e:		Error
 */
int twin_desk_open(const struct twin *t, struct twin_desk *d, struct hy_err *e);
void twin_desk_close(struct twin_desk *d);

/**
 * twin_port_look() - Ask the kernel
 * @d:		Desk
 * @port:	Not 0
 * @p:		Filled on success
 * @e:		Error
 *
 * The answer is as long as there are sockets, at that port alone.
 */
int twin_port_look(const struct twin_desk *d, uint16_t port, struct twin_port *p,
		   struct hy_err *e);

/**
 * twin_port_reset() - End all connections at a port by a reset
 * @d:		Desk; whoever asks needs CAP_NET_ADMIN over the twin
 * @port:	Not 0
 * @e:		Error
 *
 * So that a client does not take the end of what is in a socket for the end of an answer.
 *
 * Return: how many, -EOPNOTSUPP where the kernel was built without, another -errno
 */
int twin_port_reset(const struct twin_desk *d, uint16_t port, struct hy_err *e);

#endif
