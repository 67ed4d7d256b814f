/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * whole.h - a small file that is whole at any moment, for whoever reads it when he likes
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#ifndef HY_WHOLE_H
#define HY_WHOLE_H

#include "common/err.h"

/**
 * hy_whole_write() - Let a file say a text
 * @dir:	Where the file is
 * @name:	Of the file; NAME.new is used on the way
 * @text:	All of it
 * @e:		Error; the file says what it did
 */
int hy_whole_write(int dir, const char *name, const char *text, struct hy_err *e);

#endif
