/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_module.c - descriptions of modules: what is taken, and one that is wrong beside good ones
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

#include "conf/module.h"

#define LEAST "[module]\ncommand = /bin/a\nports = 80\n"

static struct module m;		/* large */

static int take(const char *text, struct hy_err *e)
{
	module_defaults(&m);
	return ini_read(&module_table, text, strlen(text), "m", &m, e);
}

static void what_is_said_holds(void **state)
{
	(void)state;
	assert_int_equal(take(LEAST, NULL), 0);
	assert_string_equal(m.command, "/bin/a");
	assert_string_equal(m.folder, "");
	assert_int_equal(m.n_files, 0);
	assert_true(m.memory == 256 << 20 && m.tasks == 64 && m.descriptors == 4096);
	assert_int_equal(take("[module]\ncommand = /bin/a -f \"/x y\" ${port}\n"
			      "ports = 8443 80\t8000-8999\nfolder = www/pub\nfile = /etc/a\n"
			      "file = /etc/b\nmemory = 1M\ntasks = 1\ndescriptors = 16\n",
			      NULL), 0);
	assert_string_equal(m.command, "/bin/a -f \"/x y\" ${port}");
	assert_string_equal(m.folder, "www/pub");
	assert_int_equal(m.n_files, 2);
	assert_string_equal(m.file[1], "/etc/b");
	assert_int_equal(m.ports.n, 3);
	assert_true(m.ports.at[0].first == 8443 && m.ports.at[0].last == 8443);
}

static void a_guest_may_ask_for_these_ports(void **state)
{
	(void)state;
	assert_int_equal(take("[module]\ncommand = /a\nports = 443 8000-8002 65535\n", NULL), 0);
	for (uint32_t port = 0; port <= 70000; port++)
		assert_int_equal(modules_ports_have(&m.ports, port), port == 443 || port == 65535 ||
				 (port >= 8000 && port <= 8002));
}

static void what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{ "[module]\ncommand = /bin/a\n", "ports" },
		{ "[module]\nports = 80\n", "command" },
		{ LEAST "command = /bin/b\n", "command" },
		{ "[module]\ncommand = bin/a\nports = 80\n", "command" },
		{ "[module]\ncommand = /bin/a \"b\nports = 80\n", "command" },
		{ "[module]\ncommand = ${share}/a\nports = 80\n", "command" },
		{ "[module]\ncommand = /a\nports =\n", "ports" },
		{ "[module]\ncommand = /a\nports = \t\n", "ports" },
		{ "[module]\ncommand = /a\nports = 0\n", "ports" },
		{ "[module]\ncommand = /a\nports = 65536\n", "ports" },
		{ "[module]\ncommand = /a\nports = 80,443\n", "ports" },
		{ "[module]\ncommand = /a\nports = 443-80\n", "ports" },
		{ "[module]\ncommand = /a\nports = 80-80\n", "ports" },
		{ "[module]\ncommand = /a\nports = 80-\n", "ports" },
		{ "[module]\ncommand = /a\nports = -80\n", "ports" },
		{ "[module]\ncommand = /a\nports = 80-90-99\n", "ports" },
		{ "[module]\ncommand = /a\nports = +80\n", "ports" },
		{ "[module]\ncommand = /a\nports = 4294967376\n", "ports" },
		{ "[module]\ncommand = /a\nports = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
		  "ports" },
		{ LEAST "folder = /www\n", "folder" },
		{ LEAST "folder = ../www\n", "folder" },
		{ LEAST "folder = www/\n", "folder" },
		{ LEAST "folder = a//b\n", "folder" },
		{ LEAST "file = etc/a\n", "file" },
		{ LEAST "file = /etc/../a\n", "file" },
		{ LEAST "memory = 1\n", "memory" },
		{ LEAST "tasks = 0\n", "tasks" },
		{ LEAST "descriptors = 1000000000\n", "descriptors" },
		{ LEAST "user = root\n", "user" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hy_err e = { 0 };

		if (take(cases[i].text, &e) != -EINVAL || strcmp(e.field, cases[i].field) != 0)
			fail_msg("case %zu: '%s', about '%s'", i, e.text, e.field);
	}
}

/* -- a folder -- */

static char told[512];

static void tell(const char *mark, const char *name)
{
	size_t used = strlen(told);

	snprintf(told + used, sizeof(told) - used, "%s%s ", mark, name);
}

static void tell_good(void *object, const struct module *found)
{
	(void)object;
	tell("", found->name);
}

static void tell_bad(void *object, const char *name, const struct hy_err *why)
{
	(void)object;
	assert_true(why->num && why->text[0]);
	tell("!", name);
}

static const struct module_ops ops = { tell_good, tell_bad };

static void put(const char *folder, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void one_that_is_wrong_leaves_the_others(void **state)
{
	static const char *const names[] = { "b.conf", "a.conf", "c.conf", "D.conf", "e.conf.off",
					     ".f.conf" };
	char folder[] = "modules-XXXXXX", path[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(folder, names[i], strcmp(names[i], "b.conf") == 0 ? "[module]\n" : LEAST);
	snprintf(path, sizeof(path), "%s/fifo.conf", folder);
	assert_int_equal(mkfifo(path, 0644), 0);
	told[0] = '\0';
	assert_int_equal(module_read_all(folder, &ops, NULL, NULL), 0);
	assert_string_equal(told, "!D a !b c !fifo ");
	unlink(path);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
	told[0] = '\0';
	assert_int_equal(module_read_all(folder, &ops, NULL, NULL), 0);
	assert_string_equal(told, "");
	assert_int_equal(module_read_all("/dev/null", &ops, NULL, NULL), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_holds),
		cmocka_unit_test(a_guest_may_ask_for_these_ports),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(one_that_is_wrong_leaves_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
