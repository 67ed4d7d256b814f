/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_up.h - addresses and routes of the tests' namespaces, by netlink
 *
 * Runs in: the tests of tcpmove, in network namespaces of their own
 * Reads from: the kernel (rtnetlink answers)
 */
#ifndef HY_TESTS_MOVE_WIRE_UP_H
#define HY_TESTS_MOVE_WIRE_UP_H

/**
 * wire_up_link() - Make an end of a veth ready: no ARP, the MAC both ends have, MTU, up
 * @name:	Of the interface, in the current namespace
 * @mtu:	MTU
 */
void wire_up_link(const char *name, int mtu);

/**
 * wire_up_address() - Give an interface an address of its own, without a network
 * @name:	Of the interface
 * @text:	IPv4 or IPv6 address
 */
void wire_up_address(const char *name, const char *text);

/**
 * wire_up_route() - From now on an address is behind this interface
 * @name:	Of the interface
 * @text:	IPv4 or IPv6 address
 */
void wire_up_route(const char *name, const char *text);

/**
 * wire_up_tun() - A tun device in the current namespace, as a keeper makes one: no address, up
 *
 * Return: what is written here has arrived in the namespace; -1 if the kernel has no such devices
 */
int wire_up_tun(void);

#endif
