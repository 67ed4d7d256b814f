/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sendfile.h - the two ways to send a file: of hylics.h, and of the preload
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_SENDFILE_H
#define HY_LIB_SENDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * lib_sendfile() - hylics_sendfile(), for calls that are known not to be worth a move as well
 * @sock:	From the program, as the next three
 * @fd:		File
 * @offset:	In it, or NULL
 * @count:	Bytes
 * @stay:	It moves no connection, but goes as a slice if that was moved before
 *
 * Return: as sendfile(2)
 */
ssize_t lib_sendfile(int sock, int fd, off_t *offset, size_t count, bool stay);

#endif
