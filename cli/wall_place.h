/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_place.h - what the first process of a wall makes of its new namespaces
 *
 * Runs in: hylics, in the first process inside a wall
 * Reads from: no untrusted input
 */
#ifndef HY_WALL_PLACE_H
#define HY_WALL_PLACE_H

#include <sys/types.h>

#include "common/err.h"

/**
 * wall_place_be_root() - Be root in a new user namespace that knows this one user and group
 * @uid:	Effective user outside
 * @gid:	Effective group outside
 * @e:		Error
 *
 * Return: 0, -errno
 */
int wall_place_be_root(uid_t uid, gid_t gid, struct hy_err *e);

/**
 * wall_place_make() - Private /proc, /sys, /run and so on, and a loopback interface that is up
 * @e:		Names the mount that was refused
 *
 * Whatever the wall holds without is only warned of.
 *
 * Return: 0, -errno if the wall would not hold
 */
int wall_place_make(struct hy_err *e);

#endif
