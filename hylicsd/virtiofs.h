/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofs.h - which virtiofsd this machine has, and the words it is started with
 *
 * Runs in: hylicsd
 * Reads from: the vhost-user descriptions packages install (believed)
 */
#ifndef HYLICSD_VIRTIOFS_H
#define HYLICSD_VIRTIOFS_H

#include <stddef.h>

#include "common/err.h"

#define VIRTIOFS_ARGS 6

/* Where packages describe their vhost-user programs, the operator's first; ended by NULL. */
extern const char *const virtiofs_places[];

/**
 * virtiofs_find() - The program of the first description that has the type "fs"
 * @places:	Folders of *.json files, looked at in order of their names; ended by NULL
 * @e:		Error: ENOPKG with what to install if there is none; a description that is no JSON
 *		is passed over
 *
 * Return: the path, the caller's to free; NULL on failure
 */
char *virtiofs_find(const char *const *places, struct hy_err *e);

/* Likewise, the one the operator has named. */
char *virtiofs_named(const char *path, struct hy_err *e);

/**
 * virtiofs_words() - The command line of a virtiofsd, the C one or the Rust one
 * @program:	From virtiofs_find()
 * @listener:	Descriptor of a listening socket that it inherits
 * @share:	Path of the share
 * @cache:	"auto", "none" or "always"
 * @argv:	Set on success, NULL at the end; all but @program go to virtiofs_free_words()
 *
 * Return: 0, -ENOMEM
 */
int virtiofs_words(char *program, int listener, const char *share, const char *cache,
		   char *argv[VIRTIOFS_ARGS]);
void virtiofs_free_words(char *argv[VIRTIOFS_ARGS]);

#endif
