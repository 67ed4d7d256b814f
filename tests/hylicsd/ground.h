/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ground.h - where tests of shares stand: a mount namespace, tmpfs and directories of their own
 *
 * Runs in: the tests of hylicsd
 * Reads from: no untrusted input
 */
#ifndef TESTS_HYLICSD_GROUND_H
#define TESTS_HYLICSD_GROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cgroup.h"
#include "common/err.h"

/**
 * ground_private() - Go into a mount namespace whose mounts nobody else sees
 *
 * Skips the whole test where that is not allowed.
 */
void ground_private(void);

/**
 * ground_make() - Mount a tmpfs over /mnt, which is then the test's place
 *
 * Return: descriptor of its root directory
 */
int ground_make(void);

/**
 * ground_try() - End the test unless a call of the project succeeded
 * @rc:	Of the call
 * @e:	Its error
 */
void ground_try(int rc, const struct hy_err *e);

/**
 * ground_write() - Make a file with bytes of probe_fill()
 * @dir:	Directory it is in
 * @name:	Of the file
 * @len:	Bytes
 * @stream:	As for probe_fill()
 *
 * Return: 0, -errno of the write
 */
int ground_write(int dir, const char *name, uint64_t len, unsigned int stream);

/**
 * ground_cgroups() - Open GROUP for a test, inside the lab's if there is one
 * @c:	Filled
 *
 * Mounts version 2 if this mount namespace has no hierarchy. Skips the whole test if there is no
 * memory controller.
 */
void ground_cgroups(struct cgroups *c);

/* Removes GROUP, which has to be empty; @c is closed. Return: whether it is gone */
bool ground_cgroups_end(struct cgroups *c);

#endif
