/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uids.h - which user ids of the range VMs have
 *
 * Runs in: hylicsd
 * Reads from: records, which may be edited by hand
 *
 * A VM has its uid as long as it has a record: what the uid owns is found again after a restart,
 * and never becomes another VM's.
 */
#ifndef HY_UIDS_H
#define HY_UIDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/limits.h"

#define UIDS_LOWEST 1000u	/* below are users of the system */

struct uid_range {
	uid_t first, last;		/* both are in it; last 0: no range */
};

struct uids {
	struct uid_range range;
	uint64_t taken[HY_UIDS_MAX / 64];
};

/**
 * uids_valid() - Whether a VM may have a uid
 * @uid:	Any number
 *
 * Return: false for users of the system, nobody, and what system calls take for "none"
 */
bool uids_valid(uint64_t uid);

/**
 * uids_read_range() - Read "FIRST-LAST", as a table of keys calls it
 * @text:	As typed
 * @place:	A struct uid_range, set on success
 * @why:	Filled on failure
 * @size:	Room in @why
 *
 * Return: 0, -EINVAL
 */
int uids_read_range(const char *text, void *place, char *why, size_t size);

/**
 * uids_print_range() - The way back
 * @place:	A struct uid_range
 * @text:	Filled; empty if there is no range
 * @size:	Room in @text
 */
void uids_print_range(const void *place, char *text, size_t size);

/**
 * uids_open() - Begin with a range of which nobody has any
 * @u:		Filled
 * @range:	At most HY_UIDS_MAX, from uids_read_range()
 */
void uids_open(struct uids *u, const struct uid_range *range);

/**
 * uids_take() - A record has this uid
 * @u:		Uids
 * @uid:	May be outside of the range, where nobody is given one
 */
void uids_take(struct uids *u, uid_t uid);

/* The record that had it is gone. */
void uids_give_back(struct uids *u, uid_t uid);

/**
 * uids_lowest() - The lowest that no record has; it is not taken by this
 * @u:		Uids
 * @uid:	Set on success
 * @e:		Error
 *
 * Return: 0, -ENOSPC
 */
int uids_lowest(const struct uids *u, uid_t *uid, struct hy_err *e);

#endif
