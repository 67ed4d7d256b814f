/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moving.h - whether a VM's connections are to move to the host: a word in a file
 *
 * Runs in: hylicsd, hylics-keeper, hylics-worker
 * Reads from: RUN/vm/NAME/moving, which only root writes
 *
 * DOC: How the operator's word comes to the worker
 *
 * hylicsd writes the word into the VM's directory and sends the keeper SIGURG; the keeper reads
 * the file, at its start too, and tells its worker over their link; the worker shows what it was
 * told last as the counter "moving". So whoever of the three dies, the word lies there for the next
 * one, and a signal that is lost or comes twice does no harm. SIGURG, since a keeper that has not
 * begun to listen yet is not ended by it, and reads the file when it does.
 */
#ifndef HY_MOVING_H
#define HY_MOVING_H

#include "common/err.h"

enum hy_moving {
	HY_MOVING_ON,
	HY_MOVING_DRAIN,		/* all go home and stay there: "draining" */
	HY_MOVING_OFF,			/* the same, by the operator's wish: "off-by-operator" */
};

/* "on", "drain", "off"; NULL at the end. */
extern const char *const hy_moving_words[];

/**
 * hy_moving_read() - What the file says
 * @dir:	Where the path begins, AT_FDCWD
 * @path:	Of the file
 * @m:		Set on success
 * @e:		Error: ENOENT, EINVAL if it says something else
 */
int hy_moving_read(int dir, const char *path, enum hy_moving *m, struct hy_err *e);

/**
 * hy_moving_write() - Let the file say it, whole at any moment
 * @dir:	Where the file is
 * @name:	Of the file; NAME.new is used on the way
 * @m:		What
 * @e:		Error
 */
int hy_moving_write(int dir, const char *name, enum hy_moving m, struct hy_err *e);

#endif
