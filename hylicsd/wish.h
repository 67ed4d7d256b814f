/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wish.h - what clients of the API want a VM to have, put into its record
 *
 * Runs in: hylicsd
 * Reads from: clients of the API; files of modules and models that they name
 */
#ifndef HYLICSD_WISH_H
#define HYLICSD_WISH_H

#include "hylicsd/record.h"
#include "hylicsd/take.h"

/* What may be given, for the table of routes. */
extern const struct take_member wish_add_members[], wish_set_members[];

/**
 * wish_add() - Of a VM that is to be
 * @r:			Filled on success; not yet what record_check() takes
 * @body:		Of the request
 * @modules_dir:	Where modules are
 * @is_exported:	Set to whether it says how the share is exported
 * @e:			Error: its field is the member at fault
 *
 * Return: 0, -EINVAL, -errno
 */
int wish_add(struct record *r, json_t *body, const char *modules_dir, bool *is_exported,
	     struct hy_err *e);

/* Likewise of one that is there: @r is what it has, and what was not given stays. */
int wish_set(struct record *r, json_t *body, const char *modules_dir, struct hy_err *e);

#endif
