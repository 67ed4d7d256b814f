/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * content.h - keep=DIR: a share's content is saved into DIR, and loaded from it
 *
 * Runs in: jobs of hylicsd
 * Reads from: the share, and DIR with what came from it (hostile); DIR's path (believed)
 *
 * DOC: What lies on the disk
 *
 *	DIR/			0700, the daemon's: a guest's set-user-id files are no host user's
 *	DIR/hylics-content	says that this is ours; made first, removed last
 *	DIR/tree/		the content; owner, mode and times of the share's own root
 *
 * A save fills .NAME.hylics-new beside DIR, syncs it, and exchanges the two in one step (the first
 * time it is just renamed). So at any crash DIR is one whole content, the old or the new one, and
 * what lies beside it is removed by the next save. What hylicsd did not make is neither replaced
 * nor removed: another file, another directory unless it is empty.
 *
 * Kept: owner, group, mode, times, extended attributes (of security.* only file capabilities: the
 * rest is the host's own labels), holes, hard links, symlinks, FIFOs, names of sockets. Device
 * nodes are left out and counted: DIR may lie on a file system where they work, and a guest could
 * have made the host's disk. A character device 0:0 is kept, it is none (overlayfs marks
 * deleted files so). A file that is larger than DIR's file system allows is left out and counted,
 * an attribute it does not take is lost and counted: neither shall keep a share from being saved.
 *
 * While it runs each file with several links has one more, in a directory of links. In a share
 * that takes inodes, so one that is loaded needs as many more, and one for the directory.
 */
#ifndef HY_CONTENT_H
#define HY_CONTENT_H

#include <stdint.h>

#include "common/err.h"

enum content_step {
	CONTENT_COPY,
	CONTENT_SYNC,		/* all is copied */
	CONTENT_EXCHANGE,	/* all is on the disk, DIR is the old content still */
	CONTENT_REMOVE,		/* DIR is the new content, the old one is still beside it */
};

struct content_count {
	uint64_t files;			/* of all kinds, directories too */
	uint64_t bytes;			/* of data, without holes */
	uint64_t left_out;
	uint64_t lost_attributes;
};

/* Called after each file, in the middle of long ones, and at each step. */
struct content_watch {
	/* other than 0 gives up */
	int (*progress)(void *arg, enum content_step step, const struct content_count *n);
	void *arg;
};

/**
 * content_save() - Save a share
 * @share:	Descriptor of its root directory
 * @dir:	DIR: absolute; it need not exist, the directory it is in does
 * @watch:	Never null; its function may be
 * @n:		Filled, also on failure: how far it came
 * @e:		Error; ECANCELED if @watch gave up, EEXIST if DIR is not ours
 *
 * Blocks. On failure DIR is what it was, and what was copied is removed as far as that is possible.
 */
int content_save(int share, const char *dir, const struct content_watch *watch,
		 struct content_count *n, struct hy_err *e);

/**
 * content_load() - Fill an empty share
 * @share:	Descriptor of its root directory
 * @dir:	As for content_save(); nothing is loaded if it does not exist or is empty
 * @watch:	As for content_save()
 * @n:		As for content_save()
 * @e:		Error; ENOTEMPTY if something is in the share, ENOSPC if it is too small
 *
 * Blocks. After a failure or a crash a part is in the share: the caller makes that anew.
 */
int content_load(int share, const char *dir, const struct content_watch *watch,
		 struct content_count *n, struct hy_err *e);

/**
 * content_room() - Whether a share can be saved without anything being written over
 * @dir:	As for content_save()
 * @e:		Error; EEXIST if something is in DIR
 */
int content_room(const char *dir, struct hy_err *e);

#endif
