/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy.h - one tree of files copied into an empty directory, with all that belongs to it
 *
 * Runs in: jobs of hylicsd
 * Reads from: a share, or a copy of one (hostile)
 */
#ifndef HY_COPY_H
#define HY_COPY_H

#include "hylicsd/content.h"

/**
 * copy_tree() - Copy what is below a directory; not its own owner, mode and times
 * @from:	The directory
 * @to:		Another one, empty but for @links; nobody else changes it meanwhile
 * @links:	An empty directory of @to's file system: where files with several links are found
 *		again; what is in it afterwards is the caller's to remove
 * @watch:	As for content_save()
 * @n:		Counted up
 * @e:		Error
 */
int copy_tree(int from, int to, int links, const struct content_watch *watch,
	      struct content_count *n, struct hy_err *e);

/**
 * copy_owner() - Give a directory the owner, mode, attributes and times of another
 * @from:	The directory
 * @to:		The other
 * @n:		Counts what is lost
 * @e:		Error
 */
int copy_owner(int from, int to, struct content_count *n, struct hy_err *e);

#endif
