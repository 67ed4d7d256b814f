/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_listener.c - who listens at a port is read out of the kernel's tables
 *
 * Runs in: the unit tests
 * Reads from: tables as a kernel has written them, and the kernel's own
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylics-agent/listener.h"

#define HEADINGS "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt" \
		 "   uid  timeout inode                                                     \n"
#define REST " 00000000:00000000 00:00000000 00000000"
#define TAIL "        0 22071 1 0000000000000000 100 0 0 10 0                     \n"

static const char table4[] = HEADINGS
	"   0: 0100007F:1F90 00000000:0000 0A" REST "  1000" TAIL
	"   1: 00000000:0050 00000000:0000 0A" REST "    33" TAIL
	"   2: 0200090A:01BB 0100090A:D431 01" REST "    33" TAIL
	"   3: 00000000:0016 00000000:0000 0A" REST "     0" TAIL;

static const char table6[] = HEADINGS
	"   0: B80D0120000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A" REST
	"     7" TAIL
	"   1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A" REST
	"    33" TAIL;

/* In pieces of this length. */
static struct listener_scan look(const char *table, uint16_t port, size_t piece)
{
	struct listener_scan s = { .port = port };

	for (size_t at = 0, left = strlen(table); left; at += piece) {
		piece = piece < left ? piece : left;
		listener_feed(&s, table + at, piece);
		left -= piece;
	}
	return s;
}

static const char *who(const char *table, uint16_t port, uint32_t user)
{
	static char text[LISTENER_TEXT_MAX];
	struct listener_scan s;

	for (size_t piece = 1; piece < 400; piece += 7) {
		s = look(table, port, piece);
		if (!s.found)
			return NULL;
		assert_int_equal(s.who.user, user);
		assert_int_equal(s.who.port, port);
		listener_text(&s.who, text);
	}
	return text;
}

static void listeners_of_both_families_are_found(void **state)
{
	(void)state;
	assert_string_equal(who(table4, 80, 33), "0.0.0.0:80");
	assert_string_equal(who(table6, 443, 33), "[::]:443");
	assert_string_equal(who(table6, 8081, 7), "[2001:db8::1]:8081");
	assert_string_equal(who(table4, 8080, 1000), "127.0.0.1:8080");
}

static void others_are_not(void **state)
{
	(void)state;
	assert_null(who(table4, 443, 0));	/* a connection has it, and nobody listens */
	assert_null(who(table4, 54321, 0));	/* a peer's */
	assert_null(who(table4, 81, 0));
	assert_null(who(HEADINGS, 80, 0));
	assert_null(who("", 80, 0));
}

/* Those that listen come first, so the rest of a long table is not read. */
static void a_look_ends_where_connections_begin(void **state)
{
	(void)state;
	assert_true(look(table4, 443, 4096).over);
	assert_false(look(table6, 80, 4096).over);
	assert_true(look(table6, 443, 4096).over);
	assert_null(who(table4, 22, 0));
}

static void what_is_no_row_is_passed_over(void **state)
{
	char text[4 * LISTENER_LINE_MAX + sizeof(table4)];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[4 * LISTENER_LINE_MAX - 1] = '\n';
	memcpy(text + 4 * LISTENER_LINE_MAX, table4, sizeof(table4));
	assert_string_equal(who(text, 80, 33), "0.0.0.0:80");
	assert_null(who("   0: 00000000:0050 00000000:0000 0A\n", 80, 0));
	assert_null(who("   0: 0000000:0050 00000000:0000 0A" REST "    33" TAIL, 80, 0));
	assert_null(who("   0: 00000000 00000000:0000 0A" REST "    33" TAIL, 80, 0));
}

static uint16_t listen_at(int fd, const struct sockaddr *at, socklen_t len)
{
	struct sockaddr_in6 in6 = { 0 };
	socklen_t room = sizeof(in6);

	assert_int_equal(bind(fd, at, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in6, &room), 0);
	return ntohs(in6.sin6_port);		/* where IPv4 has it, too */
}

static void the_kernel_writes_them_so(void **state)
{
	const struct sockaddr_in loopback = { .sin_family = AF_INET,
					      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int tables[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[LISTENER_TEXT_MAX];
	struct listener found;
	uint16_t port;

	(void)state;
	listener_open(tables);		/* before there is anything to be seen */
	if (fd < 0 || tables[0] < 0)
		skip();
	port = listen_at(fd, (const struct sockaddr *)&loopback, sizeof(loopback));
	assert_true(listener_find(tables, port, &found));
	assert_int_equal(found.user, getuid());
	listener_text(&found, text);
	assert_memory_equal(text, "127.0.0.1:", 10);
	close(fd);
	assert_false(listener_find(tables, port, &found));
	listener_close(tables);
	assert_false(listener_find(tables, port, &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_of_both_families_are_found),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(a_look_ends_where_connections_begin),
		cmocka_unit_test(what_is_no_row_is_passed_over),
		cmocka_unit_test(the_kernel_writes_them_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
