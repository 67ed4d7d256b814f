/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages.h - which part of a file of the share is in memory, putting it out, bringing it back
 *
 * Runs in: jobs of hylicsd, inside the VM's cgroup
 * Reads from: the share (hostile): names, sizes that change meanwhile
 *
 * DOC: What the kernel does
 *
 * MADV_PAGEOUT acts on pages that this mapping has touched. It writes them to swap and mostly
 * leaves them in memory as clean copies, which count as "in memory" here too; the next reclaim
 * takes those first. pages_let_go() causes one, by lowering the cgroup's limit in small steps and
 * raising it again. Which pages go is the kernel's choice: mostly these, a few of others, so it
 * looks what is left and asks again.
 *
 * Only what holds data is touched: reading a hole of a mapped tmpfs file fills it with memory.
 */
#ifndef HY_PAGES_H
#define HY_PAGES_H

#include <stdint.h>

#include "common/cgroup.h"
#include "common/err.h"

struct pages_count {
	uint64_t size_bytes;		/* of the file, holes included */
	uint64_t memory_bytes;		/* of it in memory now, in whole pages */
};

/* Files that pages_out() was asked for, together. */
struct pages_going {
	uint64_t bytes;			/* of them in memory before */
	uint64_t limit_bytes;		/* of the cgroup, afterwards; 0: what it is */
	uint64_t (*left)(void *object);	/* counts what is in memory now */
	void *object;			/* passed to @left */
};

/**
 * pages_open() - Open a file beneath the share
 * @share:	Descriptor of the share's root directory
 * @path:	Relative; refused are symlinks in it, ".." out of the share and other mounts
 * @e:		Error; EINVAL if it is no regular file
 *
 * Return: a descriptor for the calls below, the caller's to close; -errno
 */
int pages_open(int share, const char *path, struct hy_err *e);

/**
 * pages_count() - How much of the file is in memory
 * @fd:		From pages_open()
 * @until_ms:	By hy_clock_ms(), for this and the calls below; a guest can make a file that takes
 *		hours to walk
 * @c:		Filled on success
 * @e:		Error; ETIMEDOUT: what has been done stays done
 */
int pages_count(int fd, uint64_t until_ms, struct pages_count *c, struct hy_err *e);

/**
 * pages_out() - Write the file to swap
 * @fd:		From pages_open()
 * @until_ms:	As for pages_count()
 * @e:		Error
 *
 * Without swap, or when it is full, nothing happens, which is no error: pages_count() tells. What
 * has been written is let go of by pages_let_go(), for several files at once.
 */
int pages_out(int fd, uint64_t until_ms, struct hy_err *e);

/**
 * pages_in() - Bring the file back into memory
 * @fd:		From pages_open()
 * @until_ms:	As for pages_count()
 * @e:		Error
 */
int pages_in(int fd, uint64_t until_ms, struct hy_err *e);

/**
 * pages_let_go() - Have the kernel take what was put out, and is still there, from memory
 * @c:		From cgroup_open()
 * @name:	Of the VM's cgroup
 * @going:	What was put out
 * @until_ms:	As for pages_count(); then it is enough
 * @e:		Error
 *
 * The limit is afterwards what it was before; if this process is killed on the way it is too low,
 * so whoever ran it sets the limit again.
 */
int pages_let_go(const struct cgroups *c, const char *name, const struct pages_going *going,
		 uint64_t until_ms, struct hy_err *e);

#endif
