/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uids.c - which user ids of the range VMs have
 *
 * Runs in: hylicsd
 * Reads from: records, which may be edited by hand
 */
#include "hylicsd/uids.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/opt.h"

#define UID_NOBODY 65534u
#define UID_NONE_16 65535u		/* -1 of old system calls */
#define UID_HIGHEST 0xfffffffdu		/* -1 means none, -2 is nobody elsewhere */
#define TEXT_MAX 24

bool uids_valid(uint64_t uid)
{
	return uid >= UIDS_LOWEST && uid != UID_NOBODY && uid != UID_NONE_16 && uid <= UID_HIGHEST;
}

/* A size without a unit is a plain number, as strictly read as we want it. */
static int read_uid(const char *text, size_t len, uint64_t *uid)
{
	char copy[TEXT_MAX];

	if (len >= sizeof(copy) || strspn(text, "0123456789") < len)
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return hy_opt_size(copy, uid);
}

int uids_read_range(const char *text, void *place, char *why, size_t size)
{
	const char *dash = strchr(text, '-');
	struct uid_range *range = place;
	uint64_t first, last;

	if (!dash || read_uid(text, (size_t)(dash - text), &first) < 0 ||
	    read_uid(dash + 1, strlen(dash + 1), &last) < 0)
		snprintf(why, size, "must be FIRST-LAST, two numbers");
	else if (last < first)
		snprintf(why, size, "the last is below the first");
	else if (!uids_valid(first) || !uids_valid(last) ||
		 (first < UID_NOBODY && last > UID_NOBODY))
		snprintf(why, size, "must begin at %u or above, and be without %u, %u and the last "
			 "two there are", UIDS_LOWEST, UID_NOBODY, UID_NONE_16);
	else if (last - first >= HY_UIDS_MAX)
		snprintf(why, size, "are more than %d", HY_UIDS_MAX);
	else {
		range->first = (uid_t)first;
		range->last = (uid_t)last;
		return 0;
	}
	return -EINVAL;
}

void uids_print_range(const void *place, char *text, size_t size)
{
	const struct uid_range *range = place;

	text[0] = '\0';
	if (range->last)
		snprintf(text, size, "%u-%u", range->first, range->last);
}

void uids_open(struct uids *u, const struct uid_range *range)
{
	memset(u, 0, sizeof(*u));
	u->range = *range;
}

static bool in_range(const struct uids *u, uid_t uid)
{
	return uid >= u->range.first && uid <= u->range.last;
}

void uids_take(struct uids *u, uid_t uid)
{
	if (in_range(u, uid))
		u->taken[(uid - u->range.first) / 64] |= UINT64_C(1) << (uid - u->range.first) % 64;
}

void uids_give_back(struct uids *u, uid_t uid)
{
	if (in_range(u, uid))
		u->taken[(uid - u->range.first) / 64] &=
			~(UINT64_C(1) << (uid - u->range.first) % 64);
}

int uids_lowest(const struct uids *u, uid_t *uid, struct hy_err *e)
{
	uint32_t n = u->range.last - u->range.first + 1;

	for (uint32_t i = 0; i < n; i += 64) {
		uint64_t taken = u->taken[i / 64];
		uint32_t bit;

		if (taken == UINT64_MAX)
			continue;
		bit = (uint32_t)__builtin_ctzll(~taken);
		if (i + bit >= n)
			break;
		*uid = u->range.first + i + bit;
		return 0;
	}
	return hy_err_set(e, ENOSPC, "the range of uids, %u-%u, has none left", u->range.first,
			  u->range.last);
}
