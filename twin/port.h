/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.h - what a twin has at a TCP port
 *
 * Runs in: the keeper (host, root)
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

/**
 * twin_port_look() - Ask the kernel
 * @t:		Twin
 * @port:	Not 0
 * @p:		Filled on success
 * @e:		Error
 *
 * The answer is as long as there are sockets, at that port alone.
 */
int twin_port_look(const struct twin *t, uint16_t port, struct twin_port *p, struct hy_err *e);

/**
 * twin_port_reset() - End all connections at a port by a reset
 * @t:		Twin
 * @port:	Not 0
 * @e:		Error
 *
 * So that a client does not take the end of what is in a socket for the end of an answer.
 *
 * Return: how many, -EOPNOTSUPP where the kernel was built without, another -errno
 */
int twin_port_reset(const struct twin *t, uint16_t port, struct hy_err *e);

#endif
