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

#include "common/err.h"

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

/**
 * program_not_started() - What env(1) makes of a program that could not be started
 * @name:	From the command line
 * @err:	What execvp(3) said, positive
 * @e:		Error
 *
 * Return: exit code, 127 if there is none, else 126
 */
int program_not_started(const char *name, int err, struct hy_err *e);

/* The last part of what it was called by. */
const char *program_name(const char *path);

#endif
