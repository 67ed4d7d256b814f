/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * maps.h - which file a piece of memory is a mapping of
 *
 * Runs in: programs in a guest
 * Reads from: /proc/self/maps
 */
#ifndef HY_LIB_MAPS_H
#define HY_LIB_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct maps_place {
	off_t offset;		/* in the file */
	bool writable;		/* what the program has written there, the host may not see yet */
};

/**
 * maps_find() - Find the file behind memory
 * @buf:	Begin
 * @len:	Bytes, at least one
 * @dev:	Device the file must be on
 * @place:	Set on success
 *
 * Looked up anew each time, as the program may have mapped something else there; the open file is
 * remembered, as the next piece is mostly of the same.
 *
 * Return: a descriptor to read the file by, the caller's; -ENOENT if the bytes are not all in one
 * shared mapping of a file of that device that can be opened; -errno
 */
int maps_find(const void *buf, size_t len, dev_t dev, struct maps_place *place);

#endif
