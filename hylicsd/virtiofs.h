/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofs.h - the words a virtiofsd is started with
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#ifndef HYLICSD_VIRTIOFS_H
#define HYLICSD_VIRTIOFS_H

#include <stddef.h>

#include "common/virtiofsd.h"

#define VIRTIOFS_ARGS 6

/**
 * virtiofs_words() - The command line of a virtiofsd, the C one or the Rust one
 * @program:	From virtiofsd_find()
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
