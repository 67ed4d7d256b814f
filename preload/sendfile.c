/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sendfile.c - sendfile(), sendfile64()
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#include "preload/next.h"

#include "preload/gate.h"

/**
 * sendfile() - As sendfile(2)
 * @out:	From the program, all of them
 * @in:		The file
 * @offset:	In it, or NULL
 * @count:	Bytes
 *
 * Return: as sendfile(2)
 */
PRELOAD_SHOWN ssize_t (sendfile)(int out, int in, off_t *offset, size_t count)
{
	if (!gate_open())
		return next_sendfile(out, in, offset, count);
	return hylics_sendfile(out, in, offset, count);
}

/* 64-bit alone: the same function under both names. */
PRELOAD_SHOWN ssize_t (sendfile64)(int out, int in, off64_t *offset, size_t count)
	__attribute__((alias("sendfile")));
