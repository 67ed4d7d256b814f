/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * printable.h - texts of others that are to be shown: letters of ASCII alone
 *
 * Runs in: every program
 * Reads from: names that others chose (hostile): they may end on a terminal, in a log or in a page
 */
#ifndef HY_PRINTABLE_H
#define HY_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * hy_is_printable() - Whether a text may be shown as it is: nothing in it but ' ' to '~'
 * @text:	Any text
 *
 * Return: true if so; also of an empty one
 */
bool hy_is_printable(const char *text);

/* Every byte of a text that may not be shown becomes '?'. */
void hy_make_printable(char *text);

/**
 * hy_copy_printable() - A copy that may be shown
 * @to:		Gets it, cut to @room with its NUL
 * @room:	At least 1
 * @from:	Any text
 */
void hy_copy_printable(char *to, size_t room, const char *from);

#endif
