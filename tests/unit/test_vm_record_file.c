/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vm_record_file.c - files of records: replaced whole, and each read for itself
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylicsd/record.h"

#define FULL "vm-record-full"

/* A directory of its own for each test, and what record_load_all() said. */
struct world {
	char path[32];
	struct record_dir dir;
	struct record good[8];
	unsigned int n_good, n_bad, n_uids;
	char bad_name[8][256];
	struct hy_err bad[8];
	uid_t uid[8];
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	strcpy(w->path, "vm-record-XXXXXX");
	*state = w;
	return mkdtemp(w->path) && record_dir_open(&w->dir, w->path, NULL) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	DIR *d = opendir(w->path);

	for (const struct dirent *e; d && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    unlinkat(w->dir.fd, e->d_name, 0) < 0)
			unlinkat(w->dir.fd, e->d_name, AT_REMOVEDIR);
	if (d)
		closedir(d);
	record_dir_close(&w->dir);
	rmdir(w->path);
	free(w);
	return 0;
}

static struct record web(const char *name, int64_t uid)
{
	struct record r;

	assert_int_equal(record_init(&r, name, NULL), 0);
	r.uid = uid;
	r.size = 256 << 20;
	return r;
}

static void put(const struct world *w, const char *file, const char *text)
{
	int fd = openat(w->dir.fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static size_t get(const struct world *w, const char *file, char *text, size_t size)
{
	int fd = openat(w->dir.fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);

	assert_true(fd >= 0 && n >= 0);
	text[n] = '\0';
	close(fd);
	return (size_t)n;
}

static bool there(const struct world *w, const char *file)
{
	struct stat st;

	return fstatat(w->dir.fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void on_good(void *object, const struct record *r)
{
	struct world *w = object;

	w->good[w->n_good++] = *r;
}

static void on_bad(void *object, const char *name, const struct hy_err *e)
{
	struct world *w = object;

	snprintf(w->bad_name[w->n_bad], sizeof(w->bad_name[0]), "%s", name);
	w->bad[w->n_bad++] = *e;
}

static void on_bad_uid(void *object, uid_t uid)
{
	struct world *w = object;

	w->uid[w->n_uids++] = uid;
}

static const struct record_ops ops = { on_good, on_bad, on_bad_uid };

static void what_is_saved_is_loaded(void **state)
{
	struct world *w = *state;
	struct record r = web("web1", 100000), again;
	char text[4096];
	struct stat st;

	r.memory = 64 << 20;
	r.inodes = 1000;
	r.cache = RECORD_CACHE_ALWAYS;
	r.offload = false;
	strcpy(r.keep, "/srv/web 1 ;#x");
	strcpy(r.domain, "web");
	r.n_nics = 2;
	strcpy(r.nic[0], "vnet3,52:54:00:00:00:01,10.0.0.2,fd00::2");
	strcpy(r.nic[1], "vnet4,52:54:00:00:00:02");
	r.n_modules = 2;
	strcpy(r.module[0], "files");
	strcpy(r.module[1], "tls");
	umask(077);
	assert_int_equal(record_save(&w->dir, &r, NULL), 0);
	umask(022);
	assert_int_equal(record_load(&w->dir, "web1", &again, NULL), 0);
	assert_memory_equal(&r, &again, sizeof(r));
	assert_int_equal(fstatat(w->dir.fd, "web1.conf", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	get(w, "web1.conf", text, sizeof(text));
	assert_non_null(strstr(text, "Written by hylics"));
	assert_non_null(strstr(text, "edited by hand holds from hylicsd"));
	assert_non_null(strstr(text, "nic = vnet4,52:54:00:00:00:02\n"
			       "module = files\nmodule = tls\nversion = 1\n"));
	assert_false(there(w, ".web1.conf.new"));
}

/* However many bytes are left: they are not taken for a record, but for the whole of it. */
static void a_truncated_one_is_refused_at_every_length(void **state)
{
	struct world *w = *state;
	struct record r = web("web1", 100000), got;
	char whole[4096];
	size_t len;

	strcpy(r.keep, "/srv/web1");
	assert_int_equal(record_save(&w->dir, &r, NULL), 0);
	len = get(w, "web1.conf", whole, sizeof(whole));
	for (size_t n = len; n-- > 0;) {
		struct hy_err e = { 0 };

		whole[n] = '\0';
		put(w, "web1.conf", whole);
		assert_int_equal(record_load(&w->dir, "web1", &got, &e), -EINVAL);
		assert_ptr_equal(strstr(e.text, w->path), e.text);
		assert_non_null(strstr(e.text, "/web1.conf:"));
	}
}

static void an_edited_one_is_told_its_line(void **state)
{
	struct world *w = *state;
	struct record got;
	struct hy_err e = { 0 };

	put(w, "web1.conf", "[vm]\nuid = 100000\nsize = 1M\nmemry = 1M\nversion = 1\n");
	assert_int_equal(record_load(&w->dir, "web1", &got, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/web1.conf:4: unknown key 'memry'"));
	assert_string_equal(e.field, "memry");
	put(w, "web1.conf", "[vm]\nuid = 100000\nsize = 1M\nmemory = 2M\nversion = 1\n");
	assert_int_equal(record_load(&w->dir, "web1", &got, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/web1.conf: memory: is more than"));
	put(w, "web1.conf", "[vm]\nuid = 100000\nsize = 2M\nmemory = 1M\nversion = 1\n");
	assert_int_equal(record_load(&w->dir, "web1", &got, NULL), 0);
	assert_int_equal(got.memory, 1 << 20);
	assert_int_equal(record_load(&w->dir, "web2", &got, &e), -ENOENT);
}

static void links_and_what_is_no_file_are_refused(void **state)
{
	struct world *w = *state;
	struct record r = web("web1", 100000), got;
	struct hy_err e = { 0 };

	assert_int_equal(record_save(&w->dir, &r, NULL), 0);
	assert_int_equal(symlinkat("web1.conf", w->dir.fd, "web2.conf"), 0);
	assert_int_equal(record_load(&w->dir, "web2", &got, &e), -EINVAL);
	assert_non_null(strstr(e.text, "web2.conf: is a link"));
	assert_int_equal(mkfifoat(w->dir.fd, "web3.conf", 0600), 0);
	assert_int_equal(record_load(&w->dir, "web3", &got, &e), -EINVAL);
	assert_int_equal(mkdirat(w->dir.fd, "web4.conf", 0700), 0);
	assert_int_equal(record_load(&w->dir, "web4", &got, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no regular file"));
}

/* A planted link is replaced, not written through; a planted directory stops it. */
static void saving_follows_no_link(void **state)
{
	struct world *w = *state;
	struct record r = web("web1", 100000);
	char text[64];

	put(w, "victim", "precious");
	assert_int_equal(symlinkat("victim", w->dir.fd, ".web1.conf.new"), 0);
	assert_int_equal(symlinkat("victim", w->dir.fd, "web1.conf"), 0);
	assert_int_equal(record_save(&w->dir, &r, NULL), 0);
	get(w, "victim", text, sizeof(text));
	assert_string_equal(text, "precious");
	assert_int_equal(record_load(&w->dir, "web1", &r, NULL), 0);
	assert_int_equal(mkdirat(w->dir.fd, ".web1.conf.new", 0700), 0);
	assert_int_equal(record_save(&w->dir, &r, NULL), -EEXIST);
	assert_int_equal(record_load(&w->dir, "web1", &r, NULL), 0);
}

static void a_wrong_one_is_not_saved(void **state)
{
	struct world *w = *state;
	struct record r = web("web1", 100000);
	struct hy_err e = { 0 };

	assert_int_equal(record_save(&w->dir, &r, NULL), 0);
	strcpy(r.keep, "/a\nsize = 1T");
	assert_int_equal(record_save(&w->dir, &r, &e), -EINVAL);
	assert_string_equal(e.field, "keep");
	r = web("web1", 100000);
	r.memory = r.size + 1;
	assert_int_equal(record_save(&w->dir, &r, &e), -EINVAL);
	assert_int_equal(record_load(&w->dir, "web1", &r, NULL), 0);
	assert_string_equal(r.keep, "");
}

static void bad_ones_do_not_keep_others_out(void **state)
{
	struct world *w = *state;
	struct record a = web("a", 100000), c = web("c", 100002);

	assert_int_equal(record_save(&w->dir, &a, NULL), 0);
	assert_int_equal(record_save(&w->dir, &c, NULL), 0);
	put(w, "b.conf", "[vm]\nuid = 100001\nsi");
	put(w, "B_.conf", "[vm]\nsize = 1M\nuid=100007");
	put(w, "d.conf", "\x7f" "ELF uid = 100008\n");
	put(w, "e.conf~", "uid = 100009\n");
	put(w, ".x.conf", "");
	put(w, ".f.conf.new", "[vm]\n");
	put(w, ".F.conf.new", "[vm]\n");
	assert_int_equal(record_load_all(&w->dir, &ops, w, NULL), 0);
	assert_int_equal(w->n_good, 2);
	assert_memory_equal(&w->good[0], &a, sizeof(a));
	assert_memory_equal(&w->good[1], &c, sizeof(c));
	assert_int_equal(w->n_bad, 3);
	assert_string_equal(w->bad_name[0], "B_");
	assert_non_null(strstr(w->bad[0].text, "B_.conf: name 'B_'"));
	assert_string_equal(w->bad_name[1], "b");
	assert_non_null(strstr(w->bad[1].text, "b.conf:3: the line does not end"));
	assert_string_equal(w->bad_name[2], "d");
	assert_int_equal(w->n_uids, 2);
	assert_int_equal(w->uid[0], 100007);
	assert_int_equal(w->uid[1], 100001);
	assert_false(there(w, ".f.conf.new"));
	assert_true(there(w, ".F.conf.new") && there(w, ".x.conf") && there(w, "e.conf~"));
}

static void a_removed_one_is_gone(void **state)
{
	struct world *w = *state;
	struct record r = web("web1", 100000);

	assert_int_equal(record_save(&w->dir, &r, NULL), 0);
	put(w, "x", "");
	assert_int_equal(record_remove(&w->dir, "../" FULL, NULL), -ENOENT);
	assert_int_equal(record_remove(&w->dir, "web1", NULL), 0);
	assert_int_equal(record_load(&w->dir, "web1", &r, NULL), -ENOENT);
	assert_int_equal(record_remove(&w->dir, "web1", NULL), -ENOENT);
}

static void the_directory_is_made(void **state)
{
	struct world *w = *state;
	char path[64];
	struct record_dir d;
	struct stat st;

	snprintf(path, sizeof(path), "%s/new", w->path);
	assert_int_equal(record_dir_open(&d, path, NULL), 0);
	assert_int_equal(record_load_all(&d, &ops, w, NULL), 0);
	assert_int_equal(w->n_good + w->n_bad, 0);
	assert_true(fstat(d.fd, &st) == 0 && S_ISDIR(st.st_mode));
	record_dir_close(&d);
	snprintf(path, sizeof(path), "%s/none/new", w->path);
	assert_int_equal(record_dir_open(&d, path, NULL), -ENOENT);
}

/* A file system with room for one page beside what is there already. */
static bool mount_small(void)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	mkdir(FULL, 0700);
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", FULL, "tmpfs", 0, "size=8k") == 0;
}

static void a_full_disk_leaves_the_old_one(void **state)
{
	struct world w = { .path = FULL };
	struct record r = web("web1", 100000), got;
	struct hy_err e = { 0 };

	(void)state;
	if (!mount_small()) {
		rmdir(FULL);
		skip();
	}
	assert_int_equal(record_dir_open(&w.dir, FULL, NULL), 0);
	assert_int_equal(record_save(&w.dir, &r, NULL), 0);
	put(&w, "filler", "x");
	r.size *= 2;
	assert_int_equal(record_save(&w.dir, &r, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "web1.conf: write"));
	assert_int_equal(record_load(&w.dir, "web1", &got, NULL), 0);
	assert_int_equal(got.size, r.size / 2);
	assert_false(there(&w, ".web1.conf.new"));
	unlinkat(w.dir.fd, "filler", 0);
	assert_int_equal(record_save(&w.dir, &r, NULL), 0);
	assert_int_equal(record_load(&w.dir, "web1", &got, NULL), 0);
	assert_int_equal(got.size, r.size);
	record_dir_close(&w.dir);
	assert_int_equal(umount(FULL), 0);
	rmdir(FULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_is_loaded),
		TEST(a_truncated_one_is_refused_at_every_length),
		TEST(an_edited_one_is_told_its_line),
		TEST(links_and_what_is_no_file_are_refused),
		TEST(saving_follows_no_link),
		TEST(a_wrong_one_is_not_saved),
		TEST(bad_ones_do_not_keep_others_out),
		TEST(a_removed_one_is_gone),
		TEST(the_directory_is_made),
		cmocka_unit_test(a_full_disk_leaves_the_old_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
