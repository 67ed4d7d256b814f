/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_listens.c - a listening socket is told from all others by its table
 *
 * Runs in: the unit tests
 * Reads from: a table that the test has written, and the kernel's
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylicsd/listens.h"

#define TABLE "listens-table"

static void write_table(const char *text)
{
	FILE *f = fopen(TABLE, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void by_a_table(void **state)
{
	(void)state;
	write_table("Num       RefCount Protocol Flags    Type St Inode Path\n"
		    "ffff0001: 00000003 00000000 00000000 0001 03 10001\n"
		    "ffff0002: 00000003 00000000 00000000 0001 03 10002 /run/connected\n"
		    "ffff0003: 00000002 00000000 00010000 0001 01 10003 /run/listening\n"
		    "ffff0004: 00000002 00000000 00010000 0001 01 10004 /run/with blank\n"
		    "ffff0005: 00000002 00000000 00010000 0001 01\n"
		    "nonsense\n\n"
		    "ffff0006: 00000002 00000000 00010000 0001 01 10006 /run/no newline");
	assert_true(listens_at(TABLE, "/run/listening"));
	assert_true(listens_at(TABLE, "/run/with blank"));
	assert_true(listens_at(TABLE, "/run/no newline"));
	assert_false(listens_at(TABLE, "/run/connected"));
	assert_false(listens_at(TABLE, "/run/listen"));
	assert_false(listens_at(TABLE, "/run/with"));
	assert_false(listens_at(TABLE, ""));
	unlink(TABLE);
	assert_false(listens_at(TABLE, "/run/listening"));
}

static void by_the_kernel(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "listens-%d.sock", (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_false(listens_at("/proc/net/unix", at.sun_path));
	assert_int_equal(listen(fd, 1), 0);
	assert_true(listens_at("/proc/net/unix", at.sun_path));
	close(fd);
	assert_false(listens_at("/proc/net/unix", at.sun_path));
	unlink(at.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_table),
		cmocka_unit_test(by_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
