/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place.c - a path of the configuration, as a directory and a name in it
 *
 * Runs in: hylicsd and its jobs
 * Reads from: configuration and records (believed)
 */
#include "hylicsd/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/own.h"

int place_open(const char *path, const char *what, const char **name, struct hy_err *e)
{
	const char *slash = strrchr(path, '/');
	hy_autofree char *parent = NULL;
	int fd;

	if (path[0] != '/' || !slash[1] || strcmp(slash, "/..") == 0 || strcmp(slash, "/.") == 0)
		return hy_err_set(e, EINVAL, "%s '%s': an absolute path without a slash at its end "
				  "is wanted", what, path);
	parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!parent)
		return hy_err_set(e, ENOMEM, "%s '%s'", what, path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return hy_err_set(e, errno, "%s '%s': open '%s'", what, path, parent);
	*name = slash + 1;
	return fd;
}
