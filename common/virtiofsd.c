/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofsd.c - which virtiofsd this machine has
 *
 * Runs in: hylicsd, hylics
 * Reads from: the vhost-user descriptions packages install (believed)
 */
#include "common/virtiofsd.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

const char *const virtiofsd_places[] = {
	"/etc/qemu/vhost-user", "/usr/local/share/qemu/vhost-user", "/usr/share/qemu/vhost-user",
	NULL,
};

static int is_description(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 5 && strcmp(d->d_name + len - 5, ".json") == 0;
}

/* Return: NULL if it describes something else, or nothing */
static char *binary_of(const char *place, const char *name)
{
	hy_autofree char *path = NULL;
	const char *type, *binary;
	char *found = NULL;
	json_t *d;

	if (asprintf(&path, "%s/%s", place, name) < 0) {
		path = NULL;
		return NULL;
	}
	d = json_load_file(path, 0, NULL);
	type = json_string_value(json_object_get(d, "type"));
	binary = json_string_value(json_object_get(d, "binary"));
	if (type && binary && strcmp(type, "fs") == 0 && binary[0] == '/')
		found = strdup(binary);
	json_decref(d);
	return found;
}

static char *find_in(const char *place)
{
	struct dirent **names;
	char *found = NULL;
	int n = scandir(place, &names, is_description, alphasort);

	for (int i = 0; i < n; i++) {
		if (!found)
			found = binary_of(place, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return found;
}

char *virtiofsd_find(const char *const *places, struct hy_err *e)
{
	const char *last = "";

	for (; *places; places++) {
		char *found = find_in(*places);

		if (found)
			return found;
		last = *places;
	}
	hy_err_set(e, ENOPKG, "virtiofsd: no file in '%s' has the type 'fs'; install virtiofsd, or "
		   "on Debian 12 qemu-system-common, or name one (virtiofsd = PATH)", last);
	return NULL;
}

char *virtiofsd_named(const char *path, struct hy_err *e)
{
	char *named = strdup(path);

	if (named && access(path, X_OK) == 0)
		return named;
	hy_err_set(e, errno == ENOENT ? ENOPKG : errno, "virtiofsd '%s': cannot be started; "
		   "install it, or name another (virtiofsd = PATH)", path);
	hy_mem_free(&named);
	return NULL;
}
