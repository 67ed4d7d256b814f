/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.h - the addresses a guest tells for a NIC of its own
 *
 * Runs in: hylics-keeper
 * Reads from: the guest's addresses as the worker hands them on (hostile)
 */
#ifndef HY_KEEPER_NIC_H
#define HY_KEEPER_NIC_H

#include "proto/move.h"
#include "twin/twin.h"

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
