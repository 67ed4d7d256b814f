/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * name.c - which texts may name a VM or an interface of the host
 *
 * Runs in: hylics, hylics-keeper, hylicsd
 * Reads from: command line, configuration, API clients
 */
#include "common/name.h"

#include <net/if.h>
#include <string.h>

#include "common/limits.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define IFNAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ._" NAME_LETTERS

bool hy_name_valid(const char *name)
{
	size_t len = strspn(name, NAME_LETTERS);

	return len >= 1 && len <= HY_NAME_MAX && name[len] == '\0' && name[0] != '-';
}

bool hy_ifname_valid(const char *name, size_t len)
{
	if (len < 1 || len >= IFNAMSIZ || strspn(name, IFNAME_LETTERS) < len)
		return false;
	return strspn(name, ".") < len || len > 2;
}
