/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofsd.h - which virtiofsd this machine has
 *
 * Runs in: hylicsd, hylics
 * Reads from: the vhost-user descriptions packages install (believed)
 *
 * A library of its own: it needs jansson.
 */
#ifndef HY_VIRTIOFSD_H
#define HY_VIRTIOFSD_H

#include "common/err.h"

/* Where packages describe their vhost-user programs, the operator's first; ended by NULL. */
extern const char *const virtiofsd_places[];

/**
 * virtiofsd_find() - The program of the first description that has the type "fs"
 * @places:	Folders of *.json files, looked at in order of their names; ended by NULL
 * @e:		Error: ENOPKG with what to install if there is none; a description that is no JSON
 *		is passed over
 *
 * Return: the path, the caller's to free; NULL on failure
 */
char *virtiofsd_find(const char *const *places, struct hy_err *e);

/* Likewise, the one the operator has named. */
char *virtiofsd_named(const char *path, struct hy_err *e);

#endif
