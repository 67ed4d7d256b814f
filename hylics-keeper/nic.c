/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.c - the addresses a guest tells for a NIC of its own
 *
 * Runs in: hylics-keeper
 * Reads from: the guest's addresses as the worker hands them on (hostile)
 */
#include "hylics-keeper/nic.h"

#include <string.h>

unsigned int nic_pick(const uint8_t *mac, const struct move_address *told, unsigned int n_told,
		      struct twin_addr *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_told; i++) {
		if (memcmp(told[i].mac, mac, sizeof(told[i].mac)) != 0)
			continue;
		out[n].family = told[i].family;
		memcpy(out[n++].addr, told[i].addr, sizeof(told[i].addr));
	}
	return n;
}
