/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.c - a NIC of the VM, as the operator writes it: EDGE,MAC[,ADDRESS...]
 *
 * Runs in: hylics-keeper, hylicsd
 * Reads from: command line, configuration, API clients
 */
#include "twin/nic.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

#define MAC_TEXT_LEN 17

static int parse_edge(const char *word, struct twin_nic_spec *spec, struct hy_err *e)
{
	if (!hy_ifname_valid(word, strlen(word)))
		return hy_err_usage(e, "--nic", "'%s' is no name of an interface", word);
	memcpy(spec->edge, word, strlen(word) + 1);
	return 0;
}

/* Six times two digits, with colons between them. */
static bool read_mac(const char *word, uint8_t *mac)
{
	char digits[3] = "";

	if (strlen(word) != MAC_TEXT_LEN)
		return false;
	for (int i = 0; i < 6; i++, word += 3) {
		if (!isxdigit((unsigned char)word[0]) || !isxdigit((unsigned char)word[1]) ||
		    word[2] != (i < 5 ? ':' : '\0'))
			return false;
		memcpy(digits, word, 2);
		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static int parse_mac(const char *word, struct twin_nic_spec *spec, struct hy_err *e)
{
	if (!word || !read_mac(word, spec->mac) || (spec->mac[0] & 1))
		return hy_err_usage(e, "--nic", "'%s' is no MAC address of a NIC, such as "
				    "52:54:00:12:34:56", word ? word : "");
	return 0;
}

static int parse_address(const char *word, struct twin_nic_spec *spec, struct hy_err *e)
{
	struct twin_addr *a = &spec->addr[spec->n_addrs];

	if (spec->n_addrs == HY_TWIN_ADDRS_MAX)
		return hy_err_usage(e, "--nic", "more than %d addresses", HY_TWIN_ADDRS_MAX);
	a->family = strchr(word, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a->family, word, a->addr) != 1)
		return hy_err_usage(e, "--nic", "'%s' is no address", word);
	spec->n_addrs++;
	return 0;
}

int twin_nic_parse(const char *text, struct twin_nic_spec *spec, struct hy_err *e)
{
	struct twin_nic_spec got = { 0 };
	char copy[TWIN_NIC_TEXT_MAX];
	char *rest = copy, *word;
	int rc;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return hy_err_usage(e, "--nic", "'%.40s...' is too long", text);
	rc = parse_edge(strsep(&rest, ","), &got, e);
	if (rc == 0)
		rc = parse_mac(strsep(&rest, ","), &got, e);
	while (rc == 0 && (word = strsep(&rest, ",")) != NULL)
		rc = parse_address(word, &got, e);
	if (rc == 0)
		*spec = got;
	return rc;
}
