/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_addr.c - addresses of channels, and the sockets and ports behind them
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

#include "channel/addr.h"

static char dir[] = "hylics-addr-XXXXXX";	/* in the build folder */
static char sock_path[64];
static struct hy_err e;

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "hylics-addr-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(sock_path, sizeof(sock_path), "%s/s", dir);
	e = (struct hy_err){ 0 };
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(sock_path);
	return rmdir(dir);
}

static struct chan_addr unix_at(const char *path)
{
	struct chan_addr a = { .kind = CHAN_UNIX };

	snprintf(a.path, sizeof(a.path), "%s", path);
	return a;
}

/* -- parsing -- */

static void addresses_are_read(void **state)
{
	static const struct {
		const char *text;
		enum msg_role role;
		enum chan_kind kind;
		const char *path;
		uint32_t cid, port;
	} cases[] = {
		{ "serial", ROLE_GUEST, CHAN_SERIAL, "", 2, CHAN_VSOCK_PORT },
		{ "serial:/dev/vport1p1", ROLE_GUEST, CHAN_SERIAL, "/dev/vport1p1", 2, 4950 },
		{ "serial:/run/x.sock", ROLE_HOST, CHAN_SERIAL, "/run/x.sock", 2, 4950 },
		{ "unix:/run/x.sock", ROLE_HOST, CHAN_UNIX, "/run/x.sock", 2, 4950 },
		{ "unix:x", ROLE_GUEST, CHAN_UNIX, "x", 2, 4950 },
		{ "unix:a:b", ROLE_GUEST, CHAN_UNIX, "a:b", 2, 4950 },
		{ "vsock", ROLE_GUEST, CHAN_VSOCK, "", 2, CHAN_VSOCK_PORT },
		{ "vsock:3", ROLE_HOST, CHAN_VSOCK, "", 3, CHAN_VSOCK_PORT },
		{ "vsock:4294967294:1", ROLE_HOST, CHAN_VSOCK, "", 4294967294, 1 },
		{ "vsock:3:4294967294", ROLE_GUEST, CHAN_VSOCK, "", 3, 4294967294 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chan_addr a;

		assert_int_equal(chan_addr_parse(cases[i].text, cases[i].role, &a, &e), 0);
		assert_int_equal(a.kind, cases[i].kind);
		assert_string_equal(a.path, cases[i].path);
		assert_int_equal(a.cid, cases[i].cid);
		assert_int_equal(a.port, cases[i].port);
	}
}

static void check_refused(const char *text, enum msg_role role, int rc)
{
	struct chan_addr a = { .port = 77 };

	e = (struct hy_err){ 0 };
	if (chan_addr_parse(text, role, &a, &e) == 0)
		print_message("# taken: '%s'\n", text);
	assert_int_equal(e.num, -rc);
	assert_int_equal(a.port, 77);
	assert_non_null(strstr(e.text, "channel"));
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {
		"", ":", "tcp:x", "seria", "serials", "Serial:x", "serial:", "unix", "unix:",
		"vsock:", "vsock:x", "vsock:3x", "vsock:3:", "vsock:3:0", "vsock:3:x",
		"vsock:3:5:6", "vsock:-1", "vsock:4294967295", "vsock:4294967296",
		"vsock:99999999999999999999", "vsock:3:4294967295", "vsock:0x3", ":vsock",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		check_refused(texts[i], ROLE_HOST, -EINVAL);
		check_refused(texts[i], ROLE_GUEST, -EINVAL);
	}
	check_refused("serial", ROLE_HOST, -EINVAL);	/* a host has more than one guest */
	check_refused("vsock", ROLE_HOST, -EINVAL);
}

static void a_decimal_has_no_sign_and_no_space(void **state)
{
	static const char *const texts[] = {
		"vsock:+3", "vsock: 3", "vsock: -3", "vsock:3:+5", "vsock:3: 5",
		"vsock:3:-18446744073709551615",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_refused(texts[i], ROLE_HOST, -EINVAL);
}

static void a_path_must_fit_a_socket_address(void **state)
{
	char text[200] = "unix:/";
	const size_t longest = strlen("unix:") + sizeof(((struct chan_addr *)0)->path) - 1;
	struct chan_addr a;

	(void)state;
	memset(text + 6, 'p', sizeof(text) - 7);
	text[longest] = '\0';
	assert_int_equal(chan_addr_parse(text, ROLE_HOST, &a, &e), 0);
	assert_int_equal(strlen(a.path), longest - 5);
	text[longest] = 'p';
	text[longest + 1] = '\0';
	check_refused(text, ROLE_HOST, -ENAMETOOLONG);
}

static void the_host_listens_but_for_serial(void **state)
{
	(void)state;
	for (unsigned int kind = CHAN_SERIAL; kind <= CHAN_VSOCK; kind++) {
		struct chan_addr a = { .kind = kind };

		assert_int_equal(chan_addr_listens(&a, ROLE_HOST), kind != CHAN_SERIAL);
		assert_false(chan_addr_listens(&a, ROLE_GUEST));
	}
	assert_string_equal(chan_kind_name(CHAN_SERIAL), "serial");
	assert_string_equal(chan_kind_name(CHAN_UNIX), "unix");
	assert_string_equal(chan_kind_name(CHAN_VSOCK), "vsock");
}

/* -- unix sockets -- */

static void check_descriptor(int fd)
{
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void a_listener_takes_a_connection(void **state)
{
	const struct chan_addr a = unix_at(sock_path);
	int listener = chan_addr_open(&a, ROLE_HOST, &e), guest, host;
	struct stat st;

	(void)state;
	check_descriptor(listener);
	assert_int_equal(stat(sock_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chan_addr_accept(&a, listener, &e), -EAGAIN);
	guest = chan_addr_open(&a, ROLE_GUEST, &e);
	check_descriptor(guest);
	host = chan_addr_accept(&a, listener, &e);
	check_descriptor(host);
	assert_int_equal(write(guest, "x", 1), 1);
	assert_int_equal(read(host, &(char){ 0 }, 1), 1);
	close(guest);
	close(host);
	close(listener);
	chan_addr_unlink(&a, ROLE_GUEST);	/* the other side's */
	assert_int_equal(access(sock_path, F_OK), 0);
	chan_addr_unlink(&a, ROLE_HOST);
	assert_int_equal(access(sock_path, F_OK), -1);
}

static void nobody_there_is_an_error_with_its_path(void **state)
{
	const struct chan_addr a = unix_at(sock_path);

	(void)state;
	assert_int_equal(chan_addr_open(&a, ROLE_GUEST, &e), -ENOENT);
	assert_int_equal(e.num, ENOENT);
	assert_non_null(strstr(e.text, sock_path));
}

static void a_dead_process_s_socket_is_replaced(void **state)
{
	const struct chan_addr a = unix_at(sock_path);
	int first = chan_addr_open(&a, ROLE_HOST, &e), second, guest;

	(void)state;
	assert_true(first >= 0);
	close(first);		/* as a process that was killed: the file stays */
	assert_int_equal(chan_addr_open(&a, ROLE_GUEST, &e), -ECONNREFUSED);
	second = chan_addr_open(&a, ROLE_HOST, &e);
	assert_true(second >= 0);
	guest = chan_addr_open(&a, ROLE_GUEST, &e);
	assert_true(guest >= 0);
	close(guest);
	close(second);
}

static void a_live_listener_is_not_replaced(void **state)
{
	const struct chan_addr a = unix_at(sock_path);
	int first = chan_addr_open(&a, ROLE_HOST, &e), guest;

	(void)state;
	assert_true(first >= 0);
	for (int i = 0; i < 4; i++)	/* also when nobody takes connections any more */
		assert_int_equal(chan_addr_open(&a, ROLE_HOST, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, "another process listens"));
	while ((guest = chan_addr_accept(&a, first, &e)) >= 0)
		close(guest);
	guest = chan_addr_open(&a, ROLE_GUEST, &e);
	assert_true(guest >= 0);
	close(guest);
	close(first);
}

/* Whoever is listening takes a connection for a guest, and drops the one it has. */
static void asking_whether_a_listener_lives_is_no_connection(void **state)
{
	const struct chan_addr a = unix_at(sock_path);
	int listener = chan_addr_open(&a, ROLE_HOST, &e), guest;

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(chan_addr_open(&a, ROLE_HOST, &e), -EADDRINUSE);
	guest = chan_addr_accept(&a, listener, &e);
	if (guest >= 0)
		close(guest);
	close(listener);
	assert_int_equal(guest, -EAGAIN);
}

static void what_is_no_socket_is_not_removed(void **state)
{
	const struct chan_addr a = unix_at(sock_path);
	char text[8] = "";
	int fd = open(sock_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "kept", 4), 4);
	close(fd);
	assert_int_equal(chan_addr_open(&a, ROLE_HOST, &e), -EEXIST);
	assert_non_null(strstr(e.text, "no socket"));
	fd = open(sock_path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	close(fd);
	unlink(sock_path);
	/* a link is no socket either, wherever it points */
	assert_int_equal(symlink("/nowhere", sock_path), 0);
	assert_int_equal(chan_addr_open(&a, ROLE_HOST, &e), -EEXIST);
}

static void a_missing_folder_is_told(void **state)
{
	const struct chan_addr a = unix_at("/nowhere/at/all");

	(void)state;
	assert_int_equal(chan_addr_open(&a, ROLE_HOST, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nowhere/at/all"));
}

static void listening_leaves_the_umask_as_it_was(void **state)
{
	const struct chan_addr a = unix_at(sock_path);
	mode_t before = umask(0027);
	int listener = chan_addr_open(&a, ROLE_HOST, &e);

	(void)state;
	assert_int_equal(umask(before), 0027);
	assert_true(listener >= 0);
	close(listener);
}

/* -- serial ports -- */

/* Opens the slave of a fresh pseudo terminal as a port; *master is the host's end. */
static int open_pty_port(int *master)
{
	struct chan_addr a = { .kind = CHAN_SERIAL };

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*master >= 0);
	assert_int_equal(grantpt(*master), 0);
	assert_int_equal(unlockpt(*master), 0);
	assert_int_equal(ptsname_r(*master, a.path, sizeof(a.path)), 0);
	return chan_addr_open(&a, ROLE_GUEST, &e);
}

static void a_port_is_opened_by_its_device(void **state)
{
	int master, port = open_pty_port(&master);

	(void)state;
	check_descriptor(port);
	close(port);
	close(master);
}

static void a_port_that_is_not_there_is_told(void **state)
{
	struct chan_addr a = { .kind = CHAN_SERIAL };

	(void)state;
	snprintf(a.path, sizeof(a.path), "%s", sock_path);
	assert_int_equal(chan_addr_open(&a, ROLE_GUEST, &e), -ENOENT);
	assert_non_null(strstr(e.text, sock_path));
	a.path[0] = '\0';
	assert_true(chan_addr_open(&a, ROLE_GUEST, &e) < 0);
	assert_non_null(strstr(e.text, "serial"));
}

static void the_host_goes_to_the_chardev_of_its_vm(void **state)
{
	const struct chan_addr listening = unix_at(sock_path);
	struct chan_addr a = listening;
	int chardev = chan_addr_open(&listening, ROLE_HOST, &e), host;

	(void)state;
	a.kind = CHAN_SERIAL;
	host = chan_addr_open(&a, ROLE_HOST, &e);
	check_descriptor(host);
	chan_addr_unlink(&a, ROLE_HOST);	/* QEMU's */
	assert_int_equal(access(sock_path, F_OK), 0);
	close(host);
	close(chardev);
}

#define DIR_TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_decimal_has_no_sign_and_no_space),
		cmocka_unit_test(a_path_must_fit_a_socket_address),
		cmocka_unit_test(the_host_listens_but_for_serial),
		DIR_TEST(a_listener_takes_a_connection),
		DIR_TEST(nobody_there_is_an_error_with_its_path),
		DIR_TEST(a_dead_process_s_socket_is_replaced),
		DIR_TEST(a_live_listener_is_not_replaced),
		DIR_TEST(asking_whether_a_listener_lives_is_no_connection),
		DIR_TEST(what_is_no_socket_is_not_removed),
		DIR_TEST(a_missing_folder_is_told),
		DIR_TEST(listening_leaves_the_umask_as_it_was),
		cmocka_unit_test(a_port_is_opened_by_its_device),
		DIR_TEST(a_port_that_is_not_there_is_told),
		DIR_TEST(the_host_goes_to_the_chardev_of_its_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
