/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * told.c - what a VM's worker or keeper shows in its file
 *
 * Runs in: hylicsd
 * Reads from: files in RUN/vm/NAME: a worker's word is the guest's, in a keeper's there are words
 * of modules
 */
#include "hylicsd/told.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/own.h"
#include "common/show.h"
#include "hylicsd/vm.h"

#define LOOKS 3		/* at what somebody may be writing just now */

json_t *told_json(const struct vm *vm, const char *file)
{
	hy_autofd fd = vm->dir < 0 ? -1 : openat(vm->dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[HY_SHOW_TEXT_MAX];
	json_t *o = NULL;

	for (unsigned int i = 0; !o && fd >= 0 && i < LOOKS; i++) {
		ssize_t n = pread(fd, text, sizeof(text), 0);

		if (n > 0)
			o = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	}
	return o;
}
