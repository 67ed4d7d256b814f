/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.h - an option of a connection, set on a TCP socket and asked of it
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel; a value to be set was checked (proto/option.h)
 */
#ifndef HY_CHANNEL_OPTION_H
#define HY_CHANNEL_OPTION_H

#include "proto/option.h"

/**
 * option_to() - Set an option
 * @sock:	TCP socket
 * @v:		Value that may be set (option_may_be_set())
 *
 * Return: 0, -errno: what this kernel does not have or does not allow stays as it is
 */
int option_to(int sock, const struct option_value *v);

/**
 * option_from() - Ask for an option
 * @sock:	TCP socket
 * @id:		Its number; it has a row
 * @v:		Set on success
 *
 * Return: 0, -errno
 */
int option_from(int sock, uint8_t id, struct option_value *v);

#endif
