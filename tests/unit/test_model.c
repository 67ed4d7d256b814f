/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_model.c - models of jobs: taken whole, or refused with what is wrong, and nothing changed
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

#include "hylicsd/model.h"

#define LINES 12		/* of a file: its section and its keys */

static const char *const lines[LINES] = {
	"[model]\n", "job = pigz\n", "a = 0.41\n", "b = 52.5\n", "c = -12.0\n", "r2 = 0.98\n",
	"from = 16\n", "to = 256\n", "runs = 900\n", "na = 1\n", "nb = 0\n", "version = 1\n",
};

/* The file, with @text in the place of line @line; behind it, if @behind. */
static const char *with(unsigned int line, const char *text, bool behind)
{
	static char file[1024];
	size_t used = 0;

	file[0] = '\0';
	for (unsigned int i = 0; i < LINES; i++) {
		if (i != line || behind)
			used += (size_t)snprintf(file + used, sizeof(file) - used, "%s", lines[i]);
		if (i == line)
			used += (size_t)snprintf(file + used, sizeof(file) - used, "%s", text);
	}
	return file;
}

static const char *whole(void)
{
	return with(LINES, "", false);
}

static unsigned int line_of(const char *key)
{
	size_t len = strlen(key);

	for (unsigned int i = 1; i < LINES; i++)
		if (strncmp(lines[i], key, len) == 0 && lines[i][len] == ' ')
			return i;
	fail_msg("no key %s", key);
	return 0;
}

/* A text that is refused: it says why, names the file and the key, and leaves all as it was. */
static void refused(const char *text, size_t len, const char *field)
{
	struct model m, before;
	struct hy_err e = { 0 };

	memset(&m, 0xa5, sizeof(m));
	memset(&before, 0xa5, sizeof(before));
	if (model_read(text, len, "the-file", &m, &e) != -EINVAL)
		fail_msg("taken: %.*s", (int)len, text);
	assert_memory_equal(&m, &before, sizeof(m));
	assert_non_null(strstr(e.text, "the-file"));
	if (field && strcmp(e.field, field) != 0)
		fail_msg("'%s' about '%s', not %s", e.text, e.field, field);
}

static void what_it_says_holds(void **state)
{
	struct model m;

	(void)state;
	assert_int_equal(model_read(whole(), strlen(whole()), "m", &m, NULL), 0);
	assert_string_equal(m.job, "pigz");
	assert_true(m.curve.a > 0.409 && m.curve.a < 0.411 && m.curve.b > 52.4 &&
		    m.curve.b < 52.6 && m.curve.c > -12.1 && m.curve.c < -11.9);
	assert_true(m.curve.r2 > 0.979 && m.curve.r2 < 0.981);
	assert_true(m.from > 15.9 && m.from < 16.1 && m.to > 255.9 && m.to < 256.1);
	assert_int_equal(m.runs, 900);
	assert_int_equal(m.order.na, 1);
	assert_int_equal(m.order.nb, 0);
}

static void cut_anywhere_it_is_refused(void **state)
{
	size_t len = strlen(whole());

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		refused(whole(), cut, NULL);
}

static void every_key_is_there_once(void **state)
{
	char key[16];

	(void)state;
	for (unsigned int i = 1; i < LINES; i++) {
		const char *text = with(i, "", false);

		snprintf(key, sizeof(key), "%.*s", (int)strcspn(lines[i], " "), lines[i]);
		refused(text, strlen(text), key);
		text = with(i, lines[i], true);
		refused(text, strlen(text), key);
	}
}

static void no_number_is_refused(void **state)
{
	static const char *const keys[] = { "a", "b", "c", "r2", "from", "to", "runs", "na", "nb",
					    "version" };
	static const char *const texts[] = { "", "nan", "inf", "-inf", "1e309", "1e30", "-1e30",
					     "0x10", "1.5.2", "12 MB", "99999999999999999999" };
	char line[64];

	(void)state;
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			const char *text;

			snprintf(line, sizeof(line), "%s = %s\n", keys[k], texts[i]);
			text = with(line_of(keys[k]), line, false);
			refused(text, strlen(text), keys[k]);
		}
}

static void what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *key, *value, *field;
	} cases[] = {
		{ "a", "-0.1", "a" }, { "b", "-1", "b" }, { "c", "-16", "c" }, { "c", "-17", "c" },
		{ "r2", "-0.1", "r2" }, { "r2", "1.1", "r2" }, { "from", "-1", "from" },
		{ "from", "256", "from" }, { "from", "300", "from" }, { "to", "16", "from" },
		{ "runs", "0", "runs" }, { "runs", "-1", "runs" }, { "na", "0", "na" },
		{ "na", "5", "na" }, { "nb", "-1", "nb" }, { "nb", "4", "nb" },
		{ "version", "0", "version" }, { "version", "2", "version" }, { "job", "", "job" },
		{ "job", "a\xc3\xa9", "job" }, { "job", "a\x1b[2J", NULL },
		{ "job", "a123456789a123456789a123456789a123456789a123456789a123456789a123",
		  "job" },
	};
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text;

		snprintf(line, sizeof(line), "%s = %s\n", cases[i].key, cases[i].value);
		text = with(line_of(cases[i].key), line, false);
		refused(text, strlen(text), cases[i].field);
	}
	refused(with(0, "[vm]\n", false), strlen(with(0, "[vm]\n", false)), NULL);
	refused(with(0, "", false), strlen(with(0, "", false)), NULL);
	refused(with(1, "d = 1\n", true), strlen(with(1, "d = 1\n", true)), "d");
}

static void a_poor_one_is_one(void **state)
{
	struct model m;
	const char *text = with(line_of("r2"), "r2 = 0\n", false);

	(void)state;
	assert_int_equal(model_read(text, strlen(text), "m", &m, NULL), 0);
	assert_true(m.curve.r2 <= 0);
}

static void a_file_is_read_by_its_path(void **state)
{
	char folder[] = "model-XXXXXX", path[64];
	struct hy_err e = { 0 };
	struct model m;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/model.conf", folder);
	assert_int_equal(model_load(path, &m, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, whole(), strlen(whole())), (ssize_t)strlen(whole()));
	close(fd);
	assert_int_equal(model_load(path, &m, NULL), 0);
	assert_string_equal(m.job, "pigz");
	assert_int_equal(truncate(path, 40), 0);
	assert_int_equal(model_load(path, &m, &e), -EINVAL);
	assert_non_null(strstr(e.text, path));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(model_load(path, &m, NULL), -EINVAL);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_holds),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(every_key_is_there_once),
		cmocka_unit_test(no_number_is_refused),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_poor_one_is_one),
		cmocka_unit_test(a_file_is_read_by_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
