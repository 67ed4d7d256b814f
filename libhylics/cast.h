/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cast.h - the library's side of a cast: the agent is asked for one, and tells how far it is
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 */
#ifndef HY_LIB_CAST_H
#define HY_LIB_CAST_H

#include "proto/cast.h"

/**
 * cast_run() - Have a part of a file sent by the host, and wait for its end
 * @sock:	Connected UDP socket; an error that comes for it ends the cast
 * @fd:		File
 * @part:	What, and how
 * @sent:	Set: bytes that were told as sent; the rest is the caller's
 *
 * Return: MOVE_DONE, or why the host does not send the rest; -EINTR: a signal came; -EIO: an error
 * came for the socket, which has it still
 */
int cast_run(int sock, int fd, const struct cast_part *part, uint64_t *sent);

#endif
