/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk.h - going through a tree of directories that a guest has made
 *
 * Runs in: jobs of hylicsd
 * Reads from: a share, or a copy of one (hostile): names of any bytes, any depth, links anywhere
 *
 * DOC: How the walk stays inside
 *
 * No path is ever put together: each step goes from one directory's descriptor to one name in it,
 * which is not followed if it is a symlink. On the way up ".." must be the directory it came from,
 * by its inode. At most two directories are open. What grows is one list: names of directories not
 * walked yet, and 16 bytes per level; both are bounded by what the share's inodes allow.
 *
 * A tree that changes meanwhile is walked in part, or fails; it is not left.
 */
#ifndef HY_WALK_H
#define HY_WALK_H

#include <sys/stat.h>

#include "common/err.h"

/* Each returns 0, or -errno with @e set, which ends the walk. */
struct walk_ops {
	/* any name, before anything is done for it; may be null */
	int (*name)(void *arg, struct hy_err *e);
	/* something in @dir that is no directory */
	int (*leaf)(void *arg, int dir, const char *name, const struct stat *st,
		    struct hy_err *e);
	/* @fd, a directory in @dir, is gone through next; may be null */
	int (*enter)(void *arg, int dir, const char *name, int fd, struct hy_err *e);
	/* all below @fd, which is @name in @dir, is done */
	int (*leave)(void *arg, int dir, const char *name, int fd, struct hy_err *e);
};

/**
 * walk_tree() - Go through everything below a directory, depth first
 * @root:	The directory; for itself nothing is called
 * @ops:	May remove what they are called for
 * @arg:	Handed to each
 * @e:		Error; EXDEV if something is mounted below, EAGAIN if directories were moved
 */
int walk_tree(int root, const struct walk_ops *ops, void *arg, struct hy_err *e);

#endif
