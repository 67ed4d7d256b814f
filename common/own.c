/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * own.c - ownership: a resource is given back on every path, the success path steals it
 *
 * Runs in: every program
 * Reads from: no untrusted input
 */
#include "common/own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* syscalls: close */
void hy_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* Any pointer's address comes in, so the pointer is moved as bytes: void ** would alias wrongly. */
void hy_mem_free(void *p)
{
	free(hy_ptr_steal(p));
}

void hy_file_close(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	*f = NULL;
	errno = saved;
}

int hy_fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

void *hy_ptr_steal(void *p)
{
	void *taken;
	void *none = NULL;

	memcpy(&taken, p, sizeof(taken));
	memcpy(p, &none, sizeof(none));
	return taken;
}
