/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.h - opens a VM's tap, made if it is not there
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#ifndef HY_CLI_TAP_H
#define HY_CLI_TAP_H

#include "common/err.h"

/**
 * tap_open() - Open a tap for a QEMU that inherits it
 * @name:	Of the interface, checked
 * @bridge:	One that is made joins it; NULL: it is put up alone
 * @e:		Error: EADDRINUSE if another program has it, EINVAL if it is no tap
 *
 * What is made here goes with the last descriptor; what was there stays as it is.
 *
 * Return: descriptor, closed by exec(); -errno
 */
int tap_open(const char *name, const char *bridge, struct hy_err *e);

#endif
