/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record_file.c - the files of records: read each for itself, replaced whole
 *
 * Runs in: hylicsd
 * Reads from: files below vms-dir, which may be cut short or edited by hand
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/name.h"
#include "common/own.h"
#include "hylicsd/record.h"
#include "hylicsd/uids.h"

#define END ".conf"
#define NEW_END END ".new"
#define FILE_NAME_MAX (1 + HY_NAME_MAX + sizeof(NEW_END))
#define DIR_MODE 0755
#define FILE_MODE 0644

int record_dir_open(struct record_dir *d, const char *path, struct hy_err *e)
{
	int fd;

	if (mkdir(path, DIR_MODE) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "'%s': make", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return hy_err_set(e, errno, "'%s': open", path);
	d->fd = fd;
	d->path = path;
	return 0;
}

void record_dir_close(struct record_dir *d)
{
	hy_fd_close(&d->fd);
}

/* A FIFO that was put there must not stop us: O_NONBLOCK; ini_read_fd() wants a regular file. */
static int open_record(const struct record_dir *d, const char *file, struct hy_err *e)
{
	int fd = openat(d->fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		return hy_err_usage(e, NULL, "%s/%s: is a link", d->path, file);
	if (fd < 0)
		return hy_err_set(e, errno, "%s/%s", d->path, file);
	return fd;
}

int record_load(const struct record_dir *d, const char *name, struct record *r, struct hy_err *e)
{
	char file[FILE_NAME_MAX], path[HY_PATH_MAX + FILE_NAME_MAX];
	hy_autofd fd = -1;
	struct record got;
	int rc;

	if (record_init(&got, name, e) < 0)
		return hy_err_add(e, "%s/%.64s" END, d->path, name);
	snprintf(file, sizeof(file), "%s" END, name);
	snprintf(path, sizeof(path), "%s/%s", d->path, file);
	fd = open_record(d, file, e);
	if (fd < 0)
		return fd;
	rc = ini_read_fd(&record_table, fd, path, &got, e);
	if (rc < 0)
		return rc;
	if (record_check(&got, e) < 0)
		return hy_err_add(e, "%s", path);
	*r = got;
	return 0;
}

/* -- all of them -- */

static bool has_end(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len > n && strcmp(name + len - n, end) == 0;
}

/* ".NAME.conf.new", as record_save() makes them */
static bool is_half_written(const char *file)
{
	char name[HY_NAME_MAX + 1] = "";
	size_t len = strlen(file);

	if (file[0] != '.' || !has_end(file, NEW_END))
		return false;
	len -= 1 + strlen(NEW_END);
	if (len > HY_NAME_MAX)
		return false;
	memcpy(name, file + 1, len);
	return hy_name_valid(name);
}

static int is_ours(const struct dirent *entry)
{
	if (entry->d_name[0] == '.')
		return is_half_written(entry->d_name);
	return has_end(entry->d_name, END);
}

/* One line for itself says which uid, whatever is wrong with the others. */
static void find_uids(const char *bytes, size_t len, const struct record_ops *ops, void *object)
{
	static const struct ini_key uid_key[] = {
		{ .name = "uid", .type = HY_OPT_INT, .max = UINT32_MAX, .required = true },
		{ 0 },
	};
	static const struct ini_table uid_table = {
		.section = "vm", .keys = uid_key, .values_size = sizeof(int64_t),
	};
	const char *end = bytes + len;

	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		size_t n = (size_t)((newline ? newline : end) - bytes);
		char text[64];
		int64_t uid;
		int used = snprintf(text, sizeof(text), "[vm]\n%.*s",
				    (int)(n < sizeof(text) ? n : sizeof(text)), bytes);

		if (used < (int)sizeof(text) &&
		    ini_read(&uid_table, text, (size_t)used, "", &uid, NULL) == 0)
			ops->bad_uid(object, (uid_t)uid);
		bytes += newline ? n + 1 : n;
	}
}

/* Of one that could not be loaded: what is known all the same. */
static void tell_uids(const struct record_dir *d, const char *file, const struct record_ops *ops,
		      void *object)
{
	hy_autofree char *bytes = malloc(HY_INI_FILE_MAX);
	hy_autofd fd = open_record(d, file, NULL);
	ssize_t n = -1;

	if (fd >= 0 && bytes)
		n = read(fd, bytes, HY_INI_FILE_MAX);
	if (n > 0)
		find_uids(bytes, (size_t)n, ops, object);
}

static void load_one(const struct record_dir *d, const char *file, const struct record_ops *ops,
		     void *object)
{
	struct hy_err why = { 0 };
	char name[NAME_MAX + 1];
	struct record r;

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(END)), file);
	if (record_load(d, name, &r, &why) == 0) {
		ops->good(object, &r);
		return;
	}
	ops->bad(object, name, &why);
	tell_uids(d, file, ops, object);
}

int record_load_all(const struct record_dir *d, const struct record_ops *ops, void *object,
		    struct hy_err *e)
{
	struct dirent **found;
	int n = scandirat(d->fd, ".", &found, is_ours, alphasort);

	if (n < 0)
		return hy_err_set(e, errno, "'%s': read", d->path);
	for (int i = 0; i < n; i++) {
		if (found[i]->d_name[0] == '.')
			unlinkat(d->fd, found[i]->d_name, 0);
		else
			load_one(d, found[i]->d_name, ops, object);
		free(found[i]);
	}
	free(found);
	return 0;
}

/* -- writing -- */

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* What a crash left of the last one is of no use, and neither is what somebody planted there. */
static int open_new(const struct record_dir *d, const char *file)
{
	unlinkat(d->fd, file, 0);
	return openat(d->fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
}

/* With the mode it is to have, whatever the umask is, and on the disk. */
static int fill(int fd, const char *bytes, size_t len)
{
	int rc = write_all(fd, bytes, len);

	if (rc == 0 && (fchmod(fd, FILE_MODE) < 0 || fsync(fd) < 0))
		rc = -errno;
	return rc;
}

static int replace(const struct record_dir *d, const char *name, const char *bytes, size_t len)
{
	char file[FILE_NAME_MAX], new[FILE_NAME_MAX];
	hy_autofd fd = -1;
	int rc;

	snprintf(file, sizeof(file), "%s" END, name);
	snprintf(new, sizeof(new), ".%s" NEW_END, name);
	fd = open_new(d, new);
	if (fd < 0)
		return -errno;
	rc = fill(fd, bytes, len);
	if (rc == 0 && renameat(d->fd, new, d->fd, file) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(d->fd, new, 0);
	else if (fsync(d->fd) < 0)
		rc = -errno;
	return rc;
}

int record_save(const struct record_dir *d, const struct record *r, struct hy_err *e)
{
	hy_autofree char *bytes = malloc(HY_INI_FILE_MAX);
	int rc = record_check(r, e), len;

	if (rc < 0)
		return rc;
	if (!bytes)
		return hy_err_set(e, ENOMEM, "record of '%s'", r->name);
	len = ini_write(&record_table, r, bytes, HY_INI_FILE_MAX, e);
	if (len < 0)
		return len;
	rc = replace(d, r->name, bytes, (size_t)len);
	return rc < 0 ? hy_err_set(e, -rc, "%s/%s" END ": write", d->path, r->name) : 0;
}

int record_remove(const struct record_dir *d, const char *name, struct hy_err *e)
{
	char file[FILE_NAME_MAX];

	if (!hy_name_valid(name))
		return hy_err_set(e, ENOENT, "no VM '%.64s'", name);
	snprintf(file, sizeof(file), "%s" END, name);
	if (unlinkat(d->fd, file, 0) < 0)
		return hy_err_set(e, errno, "%s/%s", d->path, file);
	if (fsync(d->fd) < 0)
		return hy_err_set(e, errno, "'%s': write", d->path);
	return 0;
}
