/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ini.c - INI files by tables: what is read, what is refused and how, and the way back
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
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/ini.h"

struct values {
	char text[16];
	uint64_t size, wait;
	int64_t count;
	bool on;
	int colour;
	unsigned int n;
	char item[2][8];
	int64_t own;
};

static int read_own(const char *text, void *place, char *why, size_t size)
{
	int64_t value = text[0] - 'a';

	if (text[0] < 'a' || text[0] > 'z' || text[1]) {
		snprintf(why, size, "must be a letter");
		return -EINVAL;
	}
	memcpy(place, &value, sizeof(value));
	return 0;
}

static void print_own(const void *place, char *text, size_t size)
{
	snprintf(text, size, "%c", (int)('a' + *(const int64_t *)place));
}

static int no_x(const char *text, char *why, size_t size)
{
	if (!strchr(text, 'x'))
		return 0;
	snprintf(why, size, "has an x");
	return -EINVAL;
}

static const char *const colours[] = { "red", "blue", NULL };

#define KEY(field) .offset = offsetof(struct values, field)

static const struct ini_key keys[] = {
	{ .name = "text", .type = HY_OPT_STRING, KEY(text), .room = 16, .check = no_x },
	{ .name = "size", .type = HY_OPT_SIZE, KEY(size), .min = 1024, .max = 1 << 20,
	  .required = true },
	{ .name = "wait", .type = HY_OPT_DURATION, KEY(wait) },
	{ .name = "count", .type = HY_OPT_INT, KEY(count), .min = -5, .max = 5 },
	{ .name = "on", .type = HY_OPT_FLAG, KEY(on) },
	{ .name = "colour", .type = HY_OPT_CHOICE, KEY(colour), .choices = colours },
	{ .name = "item", .type = HY_OPT_LIST, KEY(item), .room = 8, .items = 2,
	  .n_offset = offsetof(struct values, n), .check = no_x },
	{ .name = "own", KEY(own), .read = read_own, .print = print_own },
	{ 0 },
};

static const struct ini_table table = {
	.section = "part", .keys = keys, .values_size = sizeof(struct values), .head = "# head\n",
};

static const struct ini_table whole = {
	.section = "part", .keys = keys, .values_size = sizeof(struct values), .whole = true,
};

static int parse(const char *text, struct values *v, struct hy_err *e)
{
	return ini_read(&table, text, strlen(text), "F", v, e);
}

static void every_type_is_read(void **state)
{
	struct values v = { .n = 2, .item = { "old", "older" }, .count = 3 };
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(parse("# comment\n; another\n\n[part]\r\n"
			       " text = a b ;c # d \nsize=64K\nwait : 2m\non = yes\n"
			       "colour = blue\n\titem = one\nitem = two\nown = c", &v, &e), 0);
	assert_int_equal(e.num, 0);
	assert_string_equal(v.text, "a b ;c # d");
	assert_int_equal(v.size, 65536);
	assert_int_equal(v.wait, 120000);
	assert_int_equal(v.count, 3);
	assert_true(v.on);
	assert_int_equal(v.colour, 1);
	assert_int_equal(v.n, 2);
	assert_string_equal(v.item[0], "one");
	assert_string_equal(v.item[1], "two");
	assert_int_equal(v.own, 2);
}

static void a_list_in_a_file_replaces_the_one_before(void **state)
{
	struct values v = { .n = 2, .item = { "old", "older" } };

	(void)state;
	assert_int_equal(parse("[part]\nsize = 1K\n", &v, NULL), 0);
	assert_int_equal(v.n, 2);
	assert_int_equal(parse("[part]\nsize = 1K\nitem = new\n", &v, NULL), 0);
	assert_int_equal(v.n, 1);
	assert_string_equal(v.item[0], "new");
}

struct wrong {
	const char *text;
	const char *field;	/* of the error */
	const char *words;	/* in it */
};

static void assert_refused(const struct ini_table *t, const char *bytes, size_t len,
			   const char *field, const char *words)
{
	struct values v, before;
	struct hy_err e = { 0 };

	memset(&v, 0x5a, sizeof(v));
	v.n = 1;
	before = v;
	assert_int_equal(ini_read(t, bytes, len, "F", &v, &e), -EINVAL);
	assert_memory_equal(&v, &before, sizeof(v));
	assert_string_equal(e.field, field);
	if (!strstr(e.text, words))
		fail_msg("'%s' is not in '%s'", words, e.text);
	if (strncmp(e.text, "F:", 2) != 0)
		fail_msg("no file in '%s'", e.text);
}

#define SIZE "[part]\nsize = 1K\n"

static void wrong_is_refused_with_line_and_key(void **state)
{
	static const struct wrong wrongs[] = {
		{ SIZE "colur = red\n", "colur", "F:3: unknown key 'colur'" },
		{ SIZE "Size = 1K\n", "Size", "F:3: unknown key" },
		{ SIZE "size = 2K\n", "size", "F:3: size is given twice" },
		{ SIZE "[part]\nsize = 2K\n", "size", "F:4: size is given twice" },
		{ "size = 1K\n", "size", "F:1: 'size' stands before [part]" },
		{ SIZE "[other]\n", "", "F:3: unknown section" },
		{ SIZE "[other]\ncolour = red\n", "", "F:3: unknown section" },
		{ "[part] size = 1K\n", "", "F:1: unknown section" },
		{ "[part\nsize = 1K\n", "", "F:1: unknown section" },
		{ "[par]\n", "", "F:1: unknown section" },
		{ "[parts]\n", "", "F:1: unknown section" },
		{ " []\n", "", "F:1: unknown section" },
		{ SIZE "colour\n", "", "F:3: must be KEY = VALUE" },
		{ SIZE "colour =\n", "colour", "must be red or blue" },
		{ SIZE "colour = green\n", "colour", "F:3: colour 'green': must be red or blue" },
		{ SIZE "text =\n", "text", "is empty" },
		{ SIZE "text = 0123456789abcdef\n", "text", "longer than 15 bytes" },
		{ SIZE "text = axe\n", "text", "has an x" },
		{ SIZE "item = axe\n", "item", "has an x" },
		{ SIZE "item = 12345678\n", "item", "longer than 7 bytes" },
		{ SIZE "item = a\nitem = b\nitem = c\n", "item", "F:5: item 'c': may be given at "
		  "most 2 times" },
		{ SIZE "on = true\n", "on", "must be yes or no" },
		{ SIZE "on = YES\n", "on", "must be yes or no" },
		{ SIZE "own = 1\n", "own", "must be a letter" },
		{ SIZE "wait = 10\n", "wait", "not a duration" },
		{ SIZE "count = 6\n", "count", "must be from -5 to 5" },
		{ SIZE "count = -6\n", "count", "must be from -5 to 5" },
		{ SIZE "count = 1x\n", "count", "not a whole number" },
		{ "[part]\nsize = 0\n", "size", "F:2: size '0': must be from 1K to 1M" },
		{ "[part]\nsize = -1\n", "size", "not a size" },
		{ "[part]\nsize = 18446744073709551616\n", "size", "too large" },
		{ "[part]\nsize = 2M\n", "size", "must be from 1K to 1M" },
		{ "[part]\nsize = many\n", "size", "not a size" },
		{ "[part]\nsize = 1K # less\n", "size", "not a size" },
		{ "[part]\n", "size", "size is missing" },
		{ "", "size", "size is missing" },
		{ SIZE "text = a\x01" "b\n", "", "F:3: control byte 0x01" },
		{ SIZE "text = a\rb\n", "", "F:3: control byte 0x0d" },
		{ SIZE "# a\x7f\n", "", "F:3: control byte 0x7f" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		assert_refused(&table, wrongs[i].text, strlen(wrongs[i].text), wrongs[i].field,
			       wrongs[i].words);
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = SIZE "text = a\0b\n";

	(void)state;
	assert_refused(&table, text, sizeof(text) - 1, "", "F:3: control byte 0x00");
}

static void a_long_line_is_refused_and_not_split(void **state)
{
	char text[HY_INI_LINE_MAX + 64] = SIZE;
	size_t len = strlen(SIZE);
	struct values v = { 0 };

	(void)state;
	memset(text + len, '#', HY_INI_LINE_MAX);
	assert_int_equal(ini_read(&table, text, len + HY_INI_LINE_MAX, "F", &v, NULL), 0);
	text[len + HY_INI_LINE_MAX] = '#';
	assert_refused(&table, text, len + HY_INI_LINE_MAX + 1, "", "F:3: the line is longer");
}

static void a_long_value_is_refused_with_its_reason(void **state)
{
	char text[64 + 1900] = SIZE "text = ";
	size_t len = strlen(text);

	(void)state;
	memset(text + len, 'a', 1900);
	assert_refused(&table, text, len + 1900, "text", "is longer than 15 bytes");
}

static void a_large_file_is_refused(void **state)
{
	char *text = malloc(HY_INI_FILE_MAX + 1);
	struct values v = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, '\n', HY_INI_FILE_MAX + 1);
	memcpy(text, SIZE, strlen(SIZE));
	assert_int_equal(ini_read(&table, text, HY_INI_FILE_MAX, "F", &v, NULL), 0);
	assert_refused(&table, text, HY_INI_FILE_MAX + 1, "", "longer than 65536 bytes");
	free(text);
}

static void a_file_that_must_be_whole_ends_its_last_line(void **state)
{
	static const char text[] = SIZE "count = 1";
	struct values v = { 0 };

	(void)state;
	assert_int_equal(ini_read(&table, text, strlen(text), "F", &v, NULL), 0);
	assert_refused(&whole, text, strlen(text), "", "F:3: the line does not end");
}

static void a_descriptor_is_read_from_its_beginning(void **state)
{
	int fd = memfd_create("ini", MFD_CLOEXEC), ends[2];
	struct values v = { 0 };
	struct hy_err e = { 0 };

	(void)state;
	assert_true(fd >= 0 && pipe(ends) == 0);
	assert_int_equal(write(fd, SIZE, strlen(SIZE)), (ssize_t)strlen(SIZE));
	assert_int_equal(ini_read_fd(&table, fd, "F", &v, &e), 0);
	assert_int_equal(v.size, 1024);
	assert_int_equal(ini_read_fd(&table, ends[0], "F", &v, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no regular file"));
	assert_int_equal(ftruncate(fd, HY_INI_FILE_MAX + 1), 0);
	assert_int_equal(ini_read_fd(&table, fd, "F", &v, &e), -EINVAL);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void one_key_is_set(void **state)
{
	struct values v = { 0 };
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(ini_set(&table, "size", "2K", &v, &e), 0);
	assert_int_equal(v.size, 2048);
	assert_int_equal(ini_set(&table, "item", "a", &v, &e), 0);
	assert_int_equal(ini_set(&table, "item", "b", &v, &e), 0);
	assert_int_equal(v.n, 2);
	assert_int_equal(ini_set(&table, "size", "0", &v, &e), -EINVAL);
	assert_string_equal(e.field, "size");
	assert_string_equal(e.text, "size '0': must be from 1K to 1M");
	assert_int_equal(ini_set(&table, "siz", "2K", &v, &e), -EINVAL);
	assert_string_equal(e.text, "unknown key 'siz'");
	/* what no line could hold comes from a client only */
	assert_int_equal(ini_set(&table, "text", "a\nb", &v, &e), -EINVAL);
	assert_int_equal(ini_set(&table, "text", " a", &v, &e), -EINVAL);
	assert_int_equal(ini_set(&table, "text", "a\t", &v, &e), -EINVAL);
	assert_int_equal(v.size, 2048);
}

static void what_is_written_is_read_again(void **state)
{
	struct values v = { .text = "a = [b] ;#c", .size = 4096, .wait = 500, .count = -2,
			    .on = true, .colour = 1, .n = 1, .item = { "i" }, .own = 25 };
	struct values again = { 0 };
	char bytes[256];
	int len;

	(void)state;
	len = ini_write(&table, &v, bytes, sizeof(bytes), NULL);
	assert_string_equal(bytes, "# head\n[part]\ntext = a = [b] ;#c\nsize = 4K\nwait = 500ms\n"
			    "count = -2\non = yes\ncolour = blue\nitem = i\nown = z\n");
	assert_int_equal(len, (int)strlen(bytes));
	assert_int_equal(ini_read(&table, bytes, (size_t)len, "F", &again, NULL), 0);
	assert_memory_equal(&v, &again, sizeof(v));
}

static void what_could_not_be_read_is_not_written(void **state)
{
	const struct values good = { .size = 4096 };
	struct values v = good;
	char bytes[256];
	struct hy_err e = { 0 };

	(void)state;
	strcpy(v.text, "a\nsize=1");
	assert_int_equal(ini_write(&table, &v, bytes, sizeof(bytes), &e), -EINVAL);
	assert_string_equal(e.field, "text");
	memset(v.text, 'a', sizeof(v.text));	/* and no NUL */
	assert_int_equal(ini_write(&table, &v, bytes, sizeof(bytes), &e), -EINVAL);
	v = good;
	v.size = UINT64_MAX;
	assert_int_equal(ini_write(&table, &v, bytes, sizeof(bytes), &e), -EINVAL);
	v.size = 0;
	assert_int_equal(ini_write(&table, &v, bytes, sizeof(bytes), &e), -EINVAL);
	assert_string_equal(e.text, "size is missing");
	v = good;
	v.n = 3;
	assert_int_equal(ini_write(&table, &v, bytes, sizeof(bytes), &e), -EINVAL);
	assert_string_equal(e.field, "item");
	v.n = 1;	/* empty */
	assert_int_equal(ini_write(&table, &v, bytes, sizeof(bytes), &e), -EINVAL);
}

static void what_does_not_fit_is_not_written(void **state)
{
	const struct values v = { .size = 4096 };
	char bytes[256];
	int len = ini_write(&table, &v, bytes, sizeof(bytes), NULL);

	(void)state;
	assert_true(len > 0);
	assert_int_equal(ini_write(&table, &v, bytes, (size_t)len + 1, NULL), len);
	for (size_t room = 1; room <= (size_t)len; room++)
		assert_int_equal(ini_write(&table, &v, bytes, room, NULL), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(a_list_in_a_file_replaces_the_one_before),
		cmocka_unit_test(wrong_is_refused_with_line_and_key),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(a_long_line_is_refused_and_not_split),
		cmocka_unit_test(a_long_value_is_refused_with_its_reason),
		cmocka_unit_test(a_large_file_is_refused),
		cmocka_unit_test(a_file_that_must_be_whole_ends_its_last_line),
		cmocka_unit_test(a_descriptor_is_read_from_its_beginning),
		cmocka_unit_test(one_key_is_set),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_could_not_be_read_is_not_written),
		cmocka_unit_test(what_does_not_fit_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
