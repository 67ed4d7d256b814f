/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * content.c - keep=DIR: a share's content is saved into DIR, and loaded from it
 *
 * Runs in: jobs of hylicsd
 * Reads from: the share, and DIR with what came from it (hostile); DIR's path (believed)
 */
#include "hylicsd/content.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/copy.h"
#include "hylicsd/place.h"
#include "hylicsd/walk.h"

#define MARKER "hylics-content"
#define MARKER_TEXT "content of a share of Hylics, version 1\n"
#define TREE "tree"
#define LINKS "links"
#define SHARE_LINKS "hylics-links-%u"

enum kind { NOTHING, EMPTY, OURS, FOREIGN };

/* What a save works on. */
struct save {
	const char *name;		/* of DIR in parent */
	char fresh[NAME_MAX + 1];	/* of the new one beside it, later of the old one */
	int parent;
	const struct content_watch *watch;
	struct content_count *n;
};

static int remove_leaf(void *arg, int dir, const char *name, const struct stat *st,
		       struct hy_err *e)
{
	(void)arg;
	(void)st;
	return unlinkat(dir, name, 0) < 0 ? hy_err_set(e, errno, "remove a file") : 0;
}

static int remove_directory(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	(void)arg;
	(void)fd;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ?
		hy_err_set(e, errno, "remove a directory") : 0;
}

/* Removes a directory with all in it; none is fine. */
static int remove_all(int parent, const char *name, struct hy_err *e)
{
	static const struct walk_ops ops = { .leaf = remove_leaf, .leave = remove_directory };
	hy_autofd fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : hy_err_set(e, errno, "'%s': open", name);
	rc = walk_tree(fd, &ops, NULL, e);
	if (rc < 0)
		return hy_err_add(e, "'%s'", name);
	return remove_directory(NULL, parent, name, fd, e);
}

static bool is_empty(int dir)
{
	hy_autofd fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	bool empty = true;
	DIR *d;

	if (fd < 0)
		return false;
	d = fdopendir(fd);
	if (!d)
		return false;
	hy_fd_steal(&fd);
	while (empty && (entry = readdir(d)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(d);
	return empty;
}

static bool has_marker(int dir)
{
	hy_autofd fd = openat(dir, MARKER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[sizeof(MARKER_TEXT)];
	size_t len = sizeof(MARKER_TEXT) - 1;

	return fd >= 0 && read(fd, text, sizeof(text)) == (ssize_t)len &&
	       memcmp(text, MARKER_TEXT, len) == 0;
}

/* Opens what may be content of ours, and tells what it is. */
static enum kind look(int parent, const char *name, int *dir)
{
	struct stat st;

	*dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dir < 0)
		return errno == ENOENT ? NOTHING : FOREIGN;
	if (is_empty(*dir))
		return EMPTY;
	if (fstat(*dir, &st) < 0 || st.st_uid != geteuid() || st.st_mode & 077 ||
	    !has_marker(*dir))
		return FOREIGN;
	return OURS;
}

/* Removes content of ours, marker last, so that a crash leaves what is still known as ours. */
static int remove_content(const struct save *s, const char *name, struct hy_err *e)
{
	hy_autofd dir = -1;
	enum kind kind = look(s->parent, name, &dir);
	int rc = 0;

	if (kind == NOTHING)
		return 0;
	if (kind == FOREIGN)
		return hy_err_set(e, EEXIST, "'%s': not made by hylicsd, so it is left alone",
				  name);
	if (kind == OURS)
		rc = remove_all(dir, TREE, e);
	if (rc == 0 && kind == OURS)
		rc = remove_all(dir, LINKS, e);
	if (rc == 0 && kind == OURS && unlinkat(dir, MARKER, 0) < 0)
		rc = hy_err_set(e, errno, "'%s': remove its marker", name);
	return rc == 0 ? remove_directory(NULL, s->parent, name, dir, e) : rc;
}

static int make_marker(int dir)
{
	hy_autofd fd = openat(dir, MARKER, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = sizeof(MARKER_TEXT) - 1;

	if (fd < 0)
		return -errno;
	return write(fd, MARKER_TEXT, len) == (ssize_t)len ? 0 : errno ? -errno : -ENOSPC;
}

static int make_directory(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int tell(const struct save *s, enum content_step step, struct hy_err *e)
{
	if (s->watch->progress && s->watch->progress(s->watch->arg, step, s->n) != 0)
		return hy_err_set(e, ECANCELED, "given up");
	return 0;
}

/* Fills the new directory, all of it on the disk at the end. */
static int fill(const struct save *s, int share, int dir, struct hy_err *e)
{
	hy_autofd tree = make_directory(dir, TREE);
	hy_autofd links = make_directory(dir, LINKS);
	int rc;

	if (tree < 0 || links < 0)
		return hy_err_set(e, -(tree < 0 ? tree : links), "make directories");
	rc = copy_tree(share, tree, links, s->watch, s->n, e);
	if (rc == 0)
		rc = copy_owner(share, tree, s->n, e);
	if (rc == 0)
		rc = remove_all(dir, LINKS, e);
	if (rc == 0)
		rc = tell(s, CONTENT_SYNC, e);
	if (rc == 0 && syncfs(dir) < 0)
		rc = hy_err_set(e, errno, "write everything to the disk");
	return rc;
}

static int make_fresh(const struct save *s, int share, struct hy_err *e)
{
	hy_autofd dir = make_directory(s->parent, s->fresh);
	int rc;

	if (dir < 0)
		return hy_err_set(e, -dir, "make '%s'", s->fresh);
	rc = make_marker(dir);
	if (rc < 0)
		return hy_err_set(e, -rc, "make '%s/%s'", s->fresh, MARKER);
	return fill(s, share, dir, e);
}

/* The one step in which DIR becomes the new content. */
static int exchange(const struct save *s, enum kind old, struct hy_err *e)
{
	unsigned int how = old == NOTHING ? RENAME_NOREPLACE : RENAME_EXCHANGE;
	int rc = tell(s, CONTENT_EXCHANGE, e);

	if (rc < 0)
		return rc;
	if (renameat2(s->parent, s->fresh, s->parent, s->name, how) < 0)
		return hy_err_set(e, errno, "put the new content in its place%s",
				  errno == EINVAL ? ": this file system cannot exchange two "
						    "directories" : "");
	return fsync(s->parent) < 0 ? hy_err_set(e, errno, "write the new name to the disk") : 0;
}

static int save(const struct save *s, int share, struct hy_err *e)
{
	hy_autofd dir = -1;
	enum kind old = look(s->parent, s->name, &dir);
	int rc;

	if (old == FOREIGN)
		return hy_err_set(e, EEXIST, "what is there was not made by hylicsd, so it is left "
				  "alone");
	rc = remove_content(s, s->fresh, e);
	if (rc < 0)
		return rc;
	rc = make_fresh(s, share, e);
	if (rc == 0)
		rc = exchange(s, old, e);
	if (rc < 0) {
		remove_content(s, s->fresh, NULL);
		return rc;
	}
	/* it is saved: what cannot be removed now, the next save removes */
	if (tell(s, CONTENT_REMOVE, NULL) == 0)
		remove_content(s, s->fresh, NULL);
	return 0;
}

int content_save(int share, const char *dir, const struct content_watch *watch,
		 struct content_count *n, struct hy_err *e)
{
	struct save s = { .watch = watch, .n = n };
	hy_autofd parent = place_open(dir, "keep", &s.name, e);
	int len;

	*n = (struct content_count){ 0 };
	if (parent < 0)
		return parent;
	s.parent = parent;
	len = snprintf(s.fresh, sizeof(s.fresh), ".%s.hylics-new", s.name);
	if (len < 0 || (size_t)len >= sizeof(s.fresh))
		return hy_err_set(e, ENAMETOOLONG, "keep '%s'", dir);
	return save(&s, share, e) < 0 ? hy_err_add(e, "keep '%s'", dir) : 0;
}

/* A name in the share that no file of the content has. */
static int free_name(int tree, char name[NAME_MAX + 1])
{
	for (unsigned int i = 0; i < UINT_MAX; i++) {
		snprintf(name, NAME_MAX + 1, SHARE_LINKS, i);
		if (faccessat(tree, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

static int load_tree(int tree, int share, const struct content_watch *watch,
		     struct content_count *n, struct hy_err *e)
{
	char name[NAME_MAX + 1];
	hy_autofd links = -1;
	int rc = free_name(tree, name);

	if (rc == 0) {
		links = make_directory(share, name);
		rc = links < 0 ? links : 0;
	}
	if (rc < 0)
		return hy_err_set(e, -rc, "make a directory for links in the share");
	rc = copy_tree(tree, share, links, watch, n, e);
	if (rc == 0)
		rc = remove_all(share, name, e);
	return rc == 0 ? copy_owner(tree, share, n, e) : rc;
}

static int load(int parent, const char *name, int share, const struct content_watch *watch,
		struct content_count *n, struct hy_err *e)
{
	hy_autofd dir = -1;
	hy_autofd tree = -1;
	enum kind kind = look(parent, name, &dir);

	if (!is_empty(share))
		return hy_err_set(e, ENOTEMPTY, "something is in the share already");
	if (kind == NOTHING || kind == EMPTY)
		return 0;
	if (kind == FOREIGN)
		return hy_err_set(e, EEXIST, "what is there was not made by hylicsd, or by "
				  "another version");
	tree = openat(dir, TREE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return hy_err_set(e, errno, "open '%s'", TREE);
	return load_tree(tree, share, watch, n, e);
}

int content_load(int share, const char *dir, const struct content_watch *watch,
		 struct content_count *n, struct hy_err *e)
{
	const char *name = NULL;
	hy_autofd parent = place_open(dir, "keep", &name, e);

	*n = (struct content_count){ 0 };
	if (parent < 0)
		return parent;
	return load(parent, name, share, watch, n, e) < 0 ? hy_err_add(e, "keep '%s'", dir) : 0;
}

int content_room(const char *dir, struct hy_err *e)
{
	const char *name = NULL;
	hy_autofd parent = place_open(dir, "keep", &name, e);
	hy_autofd fd = -1;
	enum kind kind;

	if (parent < 0)
		return parent;
	kind = look(parent, name, &fd);
	if (kind == NOTHING || kind == EMPTY)
		return 0;
	return hy_err_set(e, EEXIST, "keep '%s': %s", dir, kind == FOREIGN ?
			  "what is there was not made by hylicsd" :
			  "it holds a share's content, which this one's would replace; move it "
			  "away, or name another directory");
}
