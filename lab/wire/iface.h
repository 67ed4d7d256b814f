/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iface.h - questions to and settings of a network interface
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_IFACE_H
#define WIRE_IFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/**
 * iface_find() - Look an interface up
 * @name:	In this network namespace
 * @index:	Set on success
 * @mtu:	Set on success
 * @e:		Error
 */
int iface_find(const char *name, int *index, uint32_t *mtu, struct hy_err *e);

/**
 * iface_become_wire() - Make an interface behave like a socket of a cable
 * @name:	Interface, the wire's own end of a veth pair
 * @e:		Error
 *
 * Switches off segmentation, aggregation and checksum offload, and IPv6, whose own messages would
 * mix with the traffic; then brings it up. It stays so afterwards.
 */
int iface_become_wire(const char *name, struct hy_err *e);

/* Whether an interface with this index still exists. */
bool iface_exists(int index);

#endif
