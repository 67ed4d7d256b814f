/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * swap.h - the machine's swap: how much is free, and one swap file of our own
 *
 * Runs in: hylicsd and its jobs
 * Reads from: /proc/meminfo; the swap file's path from the configuration (believed)
 *
 * A swap file is ours if it is a regular file of this user with mode 0600, one name, and our label
 * in its swap header. Anything else at that path is refused and never written to.
 */
#ifndef HY_SWAP_H
#define HY_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/**
 * swap_free() - Bytes of swap that are free now, on the whole machine
 * @bytes:	Set on success
 * @e:		Error
 */
int swap_free(uint64_t *bytes, struct hy_err *e);

/**
 * swap_make() - Have a swap file of this size, in use
 * @path:	Absolute; its directory exists
 * @bytes:	Size; cut to whole pages
 * @as_it_is:	One of ours with another size is not to be taken out of use
 * @e:		Error; EEXIST if something that is not ours is there, EBUSY if one of another size
 *		is now in use and was to stay
 *
 * One of ours is kept, whether in use or not, if it has that size; else it is taken out of use and
 * made anew. Writes nothing but the header where the file system can allocate; taking out of use
 * may take long: for a process that may block. On failure no file stays that was not there.
 */
int swap_make(const char *path, uint64_t bytes, bool as_it_is, struct hy_err *e);

/**
 * swap_unmake() - Take the swap file out of use and remove it
 * @path:	As for swap_make()
 * @e:		Error; ENOMEM if what is in it has room neither in memory nor in other swap, EEXIST
 *		if what is there is not ours
 *
 * May take long. Return: 0 also if there is none
 */
int swap_unmake(const char *path, struct hy_err *e);

#endif
