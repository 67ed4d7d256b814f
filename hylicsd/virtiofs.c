/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofs.c - which virtiofsd this machine has, and the words it is started with
 *
 * Runs in: hylicsd
 * Reads from: the vhost-user descriptions packages install (believed)
 *
 * The Rust virtiofsd understands the C one's -o options, so one command line does for both. Neither
 * serves a second connection: it ends when QEMU disconnects.
 */
#include "hylicsd/virtiofs.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

const char *const virtiofs_places[] = {
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

char *virtiofs_find(const char *const *places, struct hy_err *e)
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

char *virtiofs_named(const char *path, struct hy_err *e)
{
	char *named = strdup(path);

	if (named && access(path, X_OK) == 0)
		return named;
	hy_err_set(e, errno == ENOENT ? ENOPKG : errno, "virtiofsd '%s': cannot be started; "
		   "install it, or name another (virtiofsd = PATH)", path);
	hy_mem_free(&named);
	return NULL;
}

/* Its options are split at commas. */
static char *source_of(const char *share)
{
	char *text = malloc(2 * strlen(share) + 1), *to = text;

	for (; text && *share; share++) {
		if (*share == ',' || *share == '\\')
			*to++ = '\\';
		*to++ = *share;
	}
	if (text)
		*to = '\0';
	return text;
}

/* NULL when there is no memory, whatever asprintf() leaves behind then. */
static char *word(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *word(const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

int virtiofs_words(char *program, int listener, const char *share, const char *cache,
		   char *argv[VIRTIOFS_ARGS])
{
	hy_autofree char *source = source_of(share);

	argv[0] = program;
	argv[1] = word("--fd=%d", listener);
	argv[2] = word("-f");
	argv[3] = word("-o");
	argv[4] = source ? word("source=%s,cache=%s,sandbox=namespace,xattr", source, cache) : NULL;
	argv[5] = NULL;
	if (argv[1] && argv[2] && argv[3] && argv[4])
		return 0;
	virtiofs_free_words(argv);
	return -ENOMEM;
}

void virtiofs_free_words(char *argv[VIRTIOFS_ARGS])
{
	for (unsigned int i = 1; i < VIRTIOFS_ARGS; i++)
		hy_mem_free(&argv[i]);
}
