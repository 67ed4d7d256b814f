/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * name.h - which texts may name a VM or an interface of the host
 *
 * Runs in: hylics, hylics-keeper, hylicsd
 * Reads from: command line, configuration, API clients
 *
 * Both become parts of paths, of command lines and of names in the kernel; so both have letters
 * that mean nothing there.
 */
#ifndef HY_NAME_H
#define HY_NAME_H

#include <stdbool.h>
#include <stddef.h>

/**
 * hy_name_valid() - Whether a text may be a VM's name: [a-z0-9][a-z0-9-]{0,62}
 * @name:	Any text
 *
 * Return: true if so
 */
bool hy_name_valid(const char *name);

/**
 * hy_ifname_valid() - Whether a text may name an interface: 1 to 15 letters, digits, '.', '_', '-'
 * @name:	Any text; the kernel allows more, and like us neither "." nor ".."
 * @len:	Its length, which need not be all of it
 *
 * Return: true if so
 */
bool hy_ifname_valid(const char *name, size_t len);

#endif
