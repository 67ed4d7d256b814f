/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.h - a VM's share as the kernel has it: a tmpfs mounted in the VM's directory
 *
 * Runs in: hylicsd
 * Reads from: the mount table; of the share's content only the kernel's counters
 *
 * A share is named by a descriptor of the VM's directory and one name in it, so no path is
 * followed. What is there is asked of the kernel each time and not remembered.
 */
#ifndef HY_SHARE_H
#define HY_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct share_usage {
	uint64_t size_bytes;		/* limit: what df shows */
	uint64_t used_bytes;
	uint64_t inodes;		/* limit */
	uint64_t used_inodes;		/* its root directory included */
};

/**
 * share_find() - Whether a tmpfs is mounted at exactly this place, and how it is used
 * @dir:	The VM's directory
 * @name:	Of the share in it
 * @u:		Filled if it is there; NULL if not wanted
 * @e:		Error; untouched if there is none
 *
 * Return: 0, -ENOENT if nothing is mounted there or the name does not exist, -EEXIST if something
 * else is there: a symlink, a file, another file system, a tmpfs that allows devices
 */
int share_find(int dir, const char *name, struct share_usage *u, struct hy_err *e);

/**
 * share_make() - Make the directory and mount a tmpfs on it: 0755, nosuid, nodev
 * @dir:	The VM's directory
 * @name:	Of the share in it
 * @bytes:	Size, not 0
 * @inodes:	How many files there can be, the root directory included; not 0
 * @e:		Error; EEXIST if something is mounted there already
 *
 * On failure nothing is mounted; a directory that was made stays.
 */
int share_make(int dir, const char *name, uint64_t bytes, uint64_t inodes, struct hy_err *e);

/**
 * share_resize() - Change the limits while the share is in use
 * @dir:	The VM's directory
 * @name:	Of the share in it
 * @bytes:	As for share_make()
 * @inodes:	As for share_make()
 * @e:		Error; ENOSPC if more than that is in it, and then nothing has changed
 */
int share_resize(int dir, const char *name, uint64_t bytes, uint64_t inodes, struct hy_err *e);

/**
 * share_in_use() - Whether unmounting would be refused: a file is open, a process stands in it
 * @dir:	The VM's directory
 * @name:	Of the share in it
 * @e:		Error
 *
 * Sees users of this mount alone. One who has taken the share into a mount namespace of his own
 * (virtiofsd, the worker) does not count here, and keeps the content alive when it is unmounted:
 * who starts those has to know whether they live.
 *
 * Return: 1, 0, -errno
 */
int share_in_use(int dir, const char *name, struct hy_err *e);

/**
 * share_unmake() - Unmount the share and remove its directory
 * @dir:	The VM's directory
 * @name:	Of the share in it
 * @force:	Also if it is in use: it is gone from here at once, for its users when they let go
 * @e:		Error; EBUSY if it is in use and not @force
 *
 * Return: 0 also if there was none
 */
int share_unmake(int dir, const char *name, bool force, struct hy_err *e);

#endif
