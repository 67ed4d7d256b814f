/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_notify.c - a service manager made of a socket hears what is said, and hands over another
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
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/notify.h"

#define HANDED_OVER 3

/* A manager's socket, at a path or an abstract name of its own. */
static int manager(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	len += offsetof(struct sockaddr_un, sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, (socklen_t)len), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void hears(int fd, const char *wanted)
{
	char text[128];
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(text, wanted, n);
}

static void said_at_a_path(void **state)
{
	char folder[] = "/tmp/test-notify-XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	fd = manager(path);
	assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), 1);
	hears(fd, "READY=1");
	assert_int_equal(hy_notify("STOPPING=1\nSTATUS=two words", NULL), 1);
	hears(fd, "STOPPING=1\nSTATUS=two words");
	close(fd);
	assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), -ECONNREFUSED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), -ENOENT);
}

static void said_to_an_abstract_name(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
	fd = manager(name);
	assert_int_equal(hy_notify(HY_NOTIFY_STOPPING, NULL), 1);
	hears(fd, "STOPPING=1");
	close(fd);
}

static void never_waits(void **state)
{
	char name[64];
	int fd, rc = 1;

	(void)state;
	snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
	fd = manager(name);
	for (int i = 0; i < 100000 && rc == 1; i++)
		rc = hy_notify(HY_NOTIFY_READY, NULL);
	assert_int_equal(rc, -EAGAIN);
	close(fd);
}

static void nobody_is_no_error_and_nonsense_is_one(void **state)
{
	static const char *const wrong[] = { "relative", "@", "/", "tcp:1" };
	char longest[200];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("NOTIFY_SOCKET", wrong[i], 1);
		assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), -EINVAL);
	}
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(hy_notify(HY_NOTIFY_READY, NULL), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
}

/* In a child, as descriptor 3 is not free here; its exit code is what the call made of it. */
static int handed_over(int fd, const char *pid, const char *n)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		char own[16];
		int rc;

		snprintf(own, sizeof(own), "%d", (int)getpid());
		dup2(fd, HANDED_OVER);
		setenv("LISTEN_PID", pid ? pid : own, 1);
		setenv("LISTEN_FDS", n, 1);
		rc = hy_notify_listener(NULL);
		if (getenv("LISTEN_PID") || getenv("LISTEN_FDS"))
			_exit(100);
		if (rc >= 0 && !(fcntl(rc, F_GETFL) & O_NONBLOCK))
			_exit(101);
		if (rc >= 0 && !(fcntl(rc, F_GETFD) & FD_CLOEXEC))
			_exit(102);
		_exit(rc < 0 ? -rc : rc);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void takes_one_listening_socket(void **state)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), plain = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)state;
	/* a name the kernel chooses */
	assert_int_equal(bind(listener, (struct sockaddr *)&sun, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(handed_over(listener, NULL, "1"), HANDED_OVER);
	assert_int_equal(handed_over(listener, "1", "1"), ENOENT);
	assert_int_equal(handed_over(listener, "", "1"), ENOENT);
	assert_int_equal(handed_over(listener, NULL, "0"), ENOENT);
	assert_int_equal(handed_over(listener, NULL, "2"), EINVAL);
	assert_int_equal(handed_over(listener, NULL, "1x"), EINVAL);
	assert_int_equal(handed_over(plain, NULL, "1"), EINVAL);
	close(listener);
	close(plain);
	unsetenv("LISTEN_PID");
	assert_int_equal(hy_notify_listener(NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(said_at_a_path),
		cmocka_unit_test(said_to_an_abstract_name),
		cmocka_unit_test(never_waits),
		cmocka_unit_test(nobody_is_no_error_and_nonsense_is_one),
		cmocka_unit_test(takes_one_listening_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
