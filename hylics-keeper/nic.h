/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.h - a NIC of the VM, as the operator writes it: EDGE,MAC[,ADDRESS...]
 *
 * Runs in: hylics-keeper
 * Reads from: the command line; the guest's addresses as the worker hands them on (hostile)
 */
#ifndef HY_KEEPER_NIC_H
#define HY_KEEPER_NIC_H

#include "proto/move.h"
#include "twin/twin.h"

/**
 * nic_parse() - Read "tap0,52:54:00:00:00:01,10.0.0.2,fd00::2"
 * @text:	From the command line
 * @spec:	Filled on success; what the text does not say is 0
 * @e:		Error
 *
 * Return: 0, -EINVAL
 */
int nic_parse(const char *text, struct twin_nic_spec *spec, struct hy_err *e);

/**
 * nic_pick() - The addresses a guest tells for one MAC
 * @mac:	Of a NIC the operator named
 * @told:	All the guest told
 * @n_told:	How many
 * @out:	Gets those of @mac; HY_TWIN_ADDRS_MAX places
 *
 * Return: how many
 */
unsigned int nic_pick(const uint8_t *mac, const struct move_address *told, unsigned int n_told,
		      struct twin_addr *out);

#endif
