/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_virtiofs.c - the virtiofsd of the descriptions is found, and gets its words
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylicsd/virtiofs.h"

#define FS(path) "{\"type\": \"fs\", \"binary\": \"" path "\"}"

struct world {
	char first[64], second[64];
	const char *places[4];
};

static int set_up(void **state)
{
	static struct world w;

	strcpy(w.first, "/tmp/hylics-test-virtiofs-XXXXXX");
	strcpy(w.second, "/tmp/hylics-test-virtiofs-XXXXXX");
	assert_non_null(mkdtemp(w.first));
	assert_non_null(mkdtemp(w.second));
	w.places[0] = "/nonexistent";
	w.places[1] = w.first;
	w.places[2] = w.second;
	*state = &w;
	return 0;
}

static void each_file(const char *dir, void (*fn)(const char *path))
{
	static const char *const names[] = { "10-a.json", "50-b.json", "c.txt" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		fn(path);
	}
}

static void remove_file(const char *path)
{
	(void)!unlink(path);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	each_file(w->first, remove_file);
	each_file(w->second, remove_file);
	assert_int_equal(rmdir(w->first) + rmdir(w->second), 0);
	return 0;
}

static void describe(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void is_found(struct world *w, const char *wanted)
{
	struct hy_err e = { 0 };
	char *found = virtiofsd_find(w->places, &e);

	assert_non_null(found);
	assert_string_equal(found, wanted);
	free(found);
}

static void the_first_of_the_type_is_taken(void **state)
{
	struct world *w = *state;

	describe(w->second, "50-b.json", FS("/usr/b"));
	is_found(w, "/usr/b");
	describe(w->second, "10-a.json", "{\"type\": \"gpu\", \"binary\": \"/usr/gpu\"}");
	is_found(w, "/usr/b");
	describe(w->first, "50-b.json", FS("/etc/b"));
	is_found(w, "/etc/b");
	describe(w->first, "10-a.json", FS("/etc/a"));
	is_found(w, "/etc/a");
}

static void what_describes_nothing_is_passed_over(void **state)
{
	struct world *w = *state;

	describe(w->first, "10-a.json", "{\"type\": \"fs\", \"binary\":");
	describe(w->first, "50-b.json", FS("relative/path"));
	describe(w->first, "c.txt", FS("/etc/no-json"));
	describe(w->second, "10-a.json", "[1, 2]");
	describe(w->second, "50-b.json", FS("/usr/b"));
	is_found(w, "/usr/b");
}

static void a_machine_without_one_is_told_what_to_install(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	assert_null(virtiofsd_find(w->places, &e));
	assert_non_null(strstr(e.text, "install virtiofsd"));
	assert_non_null(strstr(e.text, w->second));
}

static void one_that_was_named_has_to_be_there(void **state)
{
	struct hy_err e = { 0 };
	char *found = virtiofsd_named("/proc/self/exe", &e);

	(void)state;
	assert_string_equal(found, "/proc/self/exe");
	free(found);
	assert_null(virtiofsd_named("/nonexistent/virtiofsd", &e));
	assert_int_equal(e.num, ENOPKG);
	assert_non_null(strstr(e.text, "'/nonexistent/virtiofsd'"));
	assert_non_null(strstr(e.text, "install it"));
}

static void its_words_split_where_they_should(void **state)
{
	char program[] = "/usr/libexec/virtiofsd", *argv[VIRTIOFS_ARGS];

	(void)state;
	assert_int_equal(virtiofs_words(program, 7, "/run/a,b\\c/share", "auto", argv), 0);
	assert_string_equal(argv[0], program);
	assert_string_equal(argv[1], "--fd=7");
	assert_string_equal(argv[2], "-f");
	assert_string_equal(argv[3], "-o");
	assert_string_equal(argv[4], "source=/run/a\\,b\\\\c/share,cache=auto,sandbox=namespace,"
			    "xattr");
	assert_null(argv[5]);
	virtiofs_free_words(argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_of_the_type_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_describes_nothing_is_passed_over, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_machine_without_one_is_told_what_to_install,
						set_up, tear_down),
		cmocka_unit_test(one_that_was_named_has_to_be_there),
		cmocka_unit_test(its_words_split_where_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
