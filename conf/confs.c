/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confs.c - files of keys on the disk: one by its path, all of a folder
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator (believed, but mistakes are told)
 */
#include "conf/confs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define END ".conf"

int confs_read(const struct ini_table *t, const char *path, void *values, struct hy_err *e)
{
	hy_autofd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return hy_err_set(e, errno, "%s", path);
	return ini_read_fd(t, fd, path, values, e);
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > strlen(END) &&
	       strcmp(entry->d_name + len - strlen(END), END) == 0;
}

int confs_each(const char *folder,
	       int (*see)(void *object, const char *path, const char *name, struct hy_err *e),
	       void *object, struct hy_err *e)
{
	struct dirent **found;
	int n = scandir(folder, &found, is_conf, alphasort), rc = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : hy_err_set(e, errno, "%s", folder);
	for (int i = 0; i < n; i++) {
		char *name = found[i]->d_name;
		hy_autofree char *path = NULL;

		if (rc == 0 && asprintf(&path, "%s/%s", folder, name) < 0) {
			path = NULL;
			rc = hy_err_set(e, ENOMEM, "%s", folder);
		}
		name[strlen(name) - strlen(END)] = '\0';
		if (rc == 0)
			rc = see(object, path, name, e);
		free(found[i]);
	}
	free(found);
	return rc;
}
