/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * program.h - can a program be given the preload?
 *
 * Runs in: hylics-guest
 * Reads from: the program's file: whatever it holds
 */
#ifndef HY_GUEST_PROGRAM_H
#define HY_GUEST_PROGRAM_H

#include <limits.h>
#include <stddef.h>

/**
 * program_find() - The file that execvp(3) would start
 * @name:	From the command line
 * @path:	Gets it, PATH_MAX bytes
 *
 * Return: 0; -ENOENT if there is none, or -errno of the last that could not be started
 */
int program_find(const char *name, char *path);

/**
 * program_why_not() - What keeps a program from the preload
 * @path:	Its file; a script is followed to who runs it
 * @loader:	Set if nothing does: PATH_MAX bytes, the loader of its C library
 *
 * Return: a constant, "it is statically linked", or NULL
 */
const char *program_why_not(const char *path, char *loader);

#endif
