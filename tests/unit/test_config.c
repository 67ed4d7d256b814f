/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_config.c - defaults, file, drop-ins, single values: the later wins
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "hylicsd/config.h"

/* A folder with d.conf and d.conf.d/, which a test fills. */
struct world {
	char folder[32];
	char path[64];
	struct config c;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	strcpy(w->folder, "config-XXXXXX");
	*state = w;
	if (!mkdtemp(w->folder))
		return -1;
	snprintf(w->path, sizeof(w->path), "%s/d.conf", w->folder);
	config_defaults(&w->c);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[64];
	int rc;

	snprintf(command, sizeof(command), "rm -r %s", w->folder);
	rc = system(command);
	free(w);
	return rc;
}

static void put(const struct world *w, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s.d", w->path);
	if (strchr(name, '/'))
		mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s", w->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void the_defaults_go_together(void **state)
{
	struct world *w = *state;

	assert_int_equal(config_check(&w->c, NULL), 0);
	assert_string_equal(w->c.run_dir, "/run/hylics");
	assert_string_equal(w->c.vms_dir, "/etc/hylics/vms.d");
	assert_string_equal(w->c.group, "hylics");
	assert_int_equal(w->c.budget.percent, 50);
	assert_int_equal(w->c.log_level, HY_LOG_INFO);
	assert_int_equal(w->c.uids.last - w->c.uids.first, HY_UIDS_MAX - 1);
}

static void a_missing_file_means_defaults(void **state)
{
	struct world *w = *state;
	struct config before = w->c;
	struct hy_err e = { 0 };

	assert_int_equal(config_load(w->path, false, &w->c, &e), 0);
	assert_int_equal(e.num, 0);
	assert_memory_equal(&w->c, &before, sizeof(before));
	assert_int_equal(config_load(w->path, true, &w->c, &e), -ENOENT);
}

static void the_later_wins(void **state)
{
	struct world *w = *state;

	put(w, "d.conf", "[hylicsd]\nbudget = 1G\ngroup = a\nlog-level = debug\n");
	put(w, "d.conf.d/10-first.conf", "[hylicsd]\ngroup = b\ncgroup = x/y\n");
	put(w, "d.conf.d/20-second.conf", "[hylicsd]\ngroup = c\n");
	put(w, "d.conf.d/30-third.conf.off", "[hylicsd]\ngroup = d\n");
	put(w, "d.conf.d/.40-hidden.conf", "nonsense");
	assert_int_equal(config_load(w->path, true, &w->c, NULL), 0);
	assert_string_equal(w->c.group, "c");
	assert_string_equal(w->c.cgroup, "x/y");
	assert_int_equal(w->c.budget.bytes, 1 << 30);
	assert_int_equal(w->c.log_level, HY_LOG_DEBUG);
	assert_int_equal(config_set(&w->c, "group", "e", NULL), 0);
	assert_int_equal(config_set(&w->c, "cgroup", NULL, NULL), 0);
	assert_string_equal(w->c.group, "e");
	assert_string_equal(w->c.cgroup, "x/y");
}

static void drop_ins_need_no_file(void **state)
{
	struct world *w = *state;

	put(w, "d.conf.d/a.conf", "[hylicsd]\nuids = 100000-100009\n");
	assert_int_equal(config_load(w->path, false, &w->c, NULL), 0);
	assert_int_equal(w->c.uids.first, 100000);
}

static void an_error_applies_nothing(void **state)
{
	struct world *w = *state;
	const struct config before = w->c;
	struct hy_err e = { 0 };

	put(w, "d.conf", "[hylicsd]\ngroup = a\n");
	put(w, "d.conf.d/a.conf", "[hylicsd]\ngroup = b\n");
	put(w, "d.conf.d/b.conf", "[hylicsd]\n\nrundir = /x\n");
	put(w, "d.conf.d/c.conf", "[hylicsd]\ngroup = d\n");
	assert_int_equal(config_load(w->path, true, &w->c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/d.conf.d/b.conf:3: unknown key 'rundir'"));
	assert_string_equal(e.field, "rundir");
	assert_memory_equal(&w->c, &before, sizeof(before));
	put(w, "d.conf", "[hylicsd]\nbudget = 200%\n");
	assert_int_equal(config_load(w->path, true, &w->c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/d.conf:2: budget '200%': must be from 1 to 100"));
}

static void what_is_no_file_is_refused(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	assert_int_equal(mkfifo(w->path, 0600), 0);
	assert_int_equal(config_load(w->path, false, &w->c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no regular file"));
}

static void bad_values_are_refused(void **state)
{
	static const struct {
		const char *key, *text;
	} bad[] = {
		{ "run-dir", "run" }, { "run-dir", "/run/../x" }, { "run-dir", "/" },
		{ "run-dir", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			     "aaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ "group", "a b" }, { "group", "-a" }, { "group", "" }, { "cgroup", "/a" },
		{ "cgroup", "a/../b" }, { "cgroup", "a//b" }, { "cgroup", "." },
		{ "cgroup", "a b" },
		{ "uids", "5" }, { "swap-size", "0" }, { "swap-size", "1K" }, { "swap-file", "s" },
		{ "log-level", "loud" }, { "libexec-dir", "" }, { "virtiofsd", "virtiofsd" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hy_err e = { 0 };

		if (config_set(&w->c, bad[i].key, bad[i].text, &e) != -EINVAL)
			fail_msg("%s = '%s' is taken", bad[i].key, bad[i].text);
		assert_string_equal(e.field, bad[i].key);
	}
}

static void swap_has_a_file_and_a_size(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	assert_int_equal(config_set(&w->c, "swap-file", "/swap", NULL), 0);
	assert_int_equal(config_check(&w->c, &e), -EINVAL);
	assert_string_equal(e.field, "swap-size");
	assert_int_equal(config_set(&w->c, "swap-size", "1G", NULL), 0);
	assert_int_equal(config_check(&w->c, NULL), 0);
	w->c.swap_file[0] = '\0';
	assert_int_equal(config_check(&w->c, &e), -EINVAL);
	assert_string_equal(e.field, "swap-file");
}

static void records_outlive_a_reboot(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	assert_int_equal(config_set(&w->c, "vms-dir", "/run/hylics/vms.d", NULL), 0);
	assert_int_equal(config_check(&w->c, &e), -EINVAL);
	assert_string_equal(e.field, "run-dir");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_defaults_go_together),
		TEST(a_missing_file_means_defaults),
		TEST(the_later_wins),
		TEST(drop_ins_need_no_file),
		TEST(an_error_applies_nothing),
		TEST(what_is_no_file_is_refused),
		TEST(bad_values_are_refused),
		TEST(swap_has_a_file_and_a_size),
		TEST(records_outlive_a_reboot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
