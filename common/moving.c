/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moving.c - whether a VM's connections are to move to the host: a word in a file
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: RUN/vm/NAME/moving, which only root writes
 */
#include "common/moving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"
#include "common/whole.h"

#define WORD_MAX 16

const char *const hy_moving_words[] = {
	[HY_MOVING_ON] = "on", [HY_MOVING_DRAIN] = "drain", [HY_MOVING_OFF] = "off",
	[HY_MOVING_OFF + 1] = NULL,
};

int hy_moving_read(int dir, const char *path, enum hy_moving *m, struct hy_err *e)
{
	hy_autofd fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char word[WORD_MAX] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, word, sizeof(word) - 1);

	if (n < 0)
		return hy_err_set(e, errno, "'%s'", path);
	word[strcspn(word, "\n")] = '\0';
	for (int i = 0; hy_moving_words[i]; i++) {
		if (strcmp(word, hy_moving_words[i]) == 0) {
			*m = (enum hy_moving)i;
			return 0;
		}
	}
	return hy_err_set(e, EINVAL, "'%s': neither on, drain nor off", path);
}

int hy_moving_write(int dir, const char *name, enum hy_moving m, struct hy_err *e)
{
	char text[WORD_MAX];

	snprintf(text, sizeof(text), "%s\n", hy_moving_words[m]);
	return hy_whole_write(dir, name, text, e);
}
