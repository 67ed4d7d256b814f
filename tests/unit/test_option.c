/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_option.c - the table of options, and how a value travels
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/option.h"

/* How the kernel's headers number them. */
#define IS(level, name) { OPTION_##name, level, name, #name }

static const struct {
	unsigned int id;
	int level, name;
	const char *word;
} kernel[] = {
	IS(SOL_SOCKET, SO_KEEPALIVE), IS(SOL_SOCKET, SO_LINGER), IS(SOL_SOCKET, SO_PRIORITY),
	IS(SOL_SOCKET, SO_MAX_PACING_RATE), IS(SOL_SOCKET, SO_REUSEADDR),
	IS(SOL_SOCKET, SO_REUSEPORT), IS(SOL_SOCKET, SO_SNDBUF), IS(SOL_SOCKET, SO_RCVBUF),
	IS(SOL_SOCKET, SO_RCVLOWAT), IS(SOL_SOCKET, SO_OOBINLINE), IS(SOL_SOCKET, SO_MARK),
	IS(SOL_SOCKET, SO_INCOMING_CPU), IS(SOL_SOCKET, SO_COOKIE), IS(SOL_SOCKET, SO_ERROR),
	IS(SOL_SOCKET, SO_DOMAIN), IS(SOL_SOCKET, SO_PROTOCOL), IS(IPPROTO_TCP, TCP_NODELAY),
	IS(IPPROTO_TCP, TCP_CORK), IS(IPPROTO_TCP, TCP_KEEPIDLE), IS(IPPROTO_TCP, TCP_KEEPINTVL),
	IS(IPPROTO_TCP, TCP_KEEPCNT), IS(IPPROTO_TCP, TCP_USER_TIMEOUT),
	IS(IPPROTO_TCP, TCP_QUICKACK), IS(IPPROTO_TCP, TCP_CONGESTION),
	IS(IPPROTO_TCP, TCP_LINGER2), IS(IPPROTO_TCP, TCP_WINDOW_CLAMP),
	IS(IPPROTO_TCP, TCP_NOTSENT_LOWAT), IS(IPPROTO_TCP, TCP_SYNCNT),
	IS(IPPROTO_TCP, TCP_DEFER_ACCEPT), IS(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS),
	IS(IPPROTO_TCP, TCP_MAXSEG), IS(IPPROTO_TCP, TCP_INFO), IS(IPPROTO_TCP, TCP_CC_INFO),
	IS(IPPROTO_IP, IP_TOS), IS(IPPROTO_IP, IP_TTL), IS(IPPROTO_IP, IP_MTU_DISCOVER),
	IS(IPPROTO_IP, IP_MTU), IS(IPPROTO_IPV6, IPV6_TCLASS),
	IS(IPPROTO_IPV6, IPV6_UNICAST_HOPS), IS(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	IS(IPPROTO_IPV6, IPV6_MTU), IS(IPPROTO_IPV6, IPV6_V6ONLY),
};

static void rows_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(sizeof(kernel) / sizeof(kernel[0]), OPTIONS - 1);
	for (unsigned int i = 0; i < OPTIONS - 1; i++) {
		const struct option_info *o = option_info(kernel[i].id);

		assert_non_null(o);
		assert_int_equal(o->id, kernel[i].id);
		assert_int_equal(o->level, kernel[i].level);
		assert_int_equal(o->name, kernel[i].name);
		assert_string_equal(o->word, kernel[i].word);
		assert_ptr_equal(option_find(o->level, o->name), o);
	}
}

static void what_has_no_row_is_no_option(void **state)
{
	(void)state;
	assert_null(option_info(0));
	assert_null(option_info(OPTIONS));
	assert_null(option_info(~0u));
	assert_null(option_find(SOL_SOCKET, SO_BINDTODEVICE));
	assert_null(option_find(IPPROTO_TCP, TCP_REPAIR));
	assert_null(option_find(IPPROTO_TCP, TCP_MD5SIG));
	assert_null(option_find(IPPROTO_TCP, TCP_ULP));
}

/* A row says what a value looks like, and whether a kernel with a TCP socket knows the option. */
static void a_kernel_knows_every_row(void **state)
{
	int sock = socket(AF_INET, SOCK_STREAM, 0), sock6 = socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	for (unsigned int id = 1; id < OPTIONS; id++) {
		const struct option_info *o = option_info(id);
		uint8_t bytes[OPTION_VALUE_MAX + 64];
		socklen_t len = sizeof(bytes);
		int of = o->level == IPPROTO_IPV6 ? sock6 : sock;

		if (getsockopt(of, o->level, o->name, bytes, &len) < 0) {
			/* of a connection alone, or an address family this kernel does not have */
			assert_true(errno == ENOTCONN || of < 0);
			continue;
		}
		if (o->form == OPTION_TEXT)
			assert_true(len <= OPTION_TEXT_MAX + 1);
		else if (o->form == OPTION_RAW)
			assert_true(len <= o->longest);
		else
			assert_int_equal(len, o->longest);
	}
	close(sock);
	if (sock6 >= 0)
		close(sock6);
}

static struct option_value value_of(unsigned int id, const void *bytes, size_t len)
{
	struct option_value v = { .id = (uint8_t)id, .len = (uint16_t)len };

	memcpy(v.bytes, bytes, len);
	return v;
}

static void what_may_be_set(void **state)
{
	struct option_value v = value_of(OPTION_SO_PRIORITY, "\6\0\0\0", 4);

	(void)state;
	assert_true(option_may_be_set(&v));
	option_put_int(&v, 7);		/* for administrators */
	assert_false(option_may_be_set(&v));
	option_put_int(&v, -1);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_SO_MARK, "\1\0\0\0", 4);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_TCP_INFO, "\1\0\0\0", 4);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_TCP_CORK, "\1\0\0\0\0", 5);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_TCP_CONGESTION, "cubic", 5);
	assert_true(option_may_be_set(&v));
	v = value_of(OPTION_TCP_CONGESTION, "cu/ic", 5);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_TCP_CONGESTION, "cu\0ic", 5);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_TCP_CONGESTION, "", 0);
	assert_false(option_may_be_set(&v));
	v = value_of(OPTION_TCP_CONGESTION, "abcdefghijklmnop", 16);
	assert_false(option_may_be_set(&v));
}

static void messages_come_out_as_they_went_in(void **state)
{
	uint8_t bytes[OPTION_TOLD_MAX];
	struct option_told told = { .ask = 0x01020304, .value = { .id = OPTION_TCP_INFO } }, told2;
	const struct option_ask ask = { .ask = 77, .id = OPTION_IP_MTU };
	struct option_value set = { .id = OPTION_IP_TTL }, set2;
	struct option_ask ask2;
	int n;

	(void)state;
	option_put_int(&set, -1);
	n = option_set_encode(&set, bytes, sizeof(bytes));
	assert_int_equal(n, 5);
	assert_int_equal(option_set_decode(bytes, (size_t)n, &set2), 0);
	assert_int_equal(option_get_int(&set2), -1);
	assert_int_equal(option_set_encode(&set, bytes, 4), -EMSGSIZE);
	n = option_ask_encode(&ask, bytes, sizeof(bytes));
	assert_int_equal(n, OPTION_ASK_LEN);
	assert_int_equal(option_ask_decode(bytes, (size_t)n, &ask2), 0);
	assert_int_equal(ask2.ask, ask.ask);
	assert_int_equal(ask2.id, ask.id);
	told.value.len = OPTION_VALUE_MAX;
	memset(told.value.bytes, 9, OPTION_VALUE_MAX);
	n = option_told_encode(&told, bytes, sizeof(bytes));
	assert_int_equal(n, OPTION_TOLD_MAX);
	assert_int_equal(option_told_decode(bytes, (size_t)n, &told2), 0);
	assert_int_equal(told2.ask, told.ask);
	assert_memory_equal(told2.value.bytes, told.value.bytes, OPTION_VALUE_MAX);
	bytes[4] = 1;			/* an errno, and a value too */
	assert_int_equal(option_told_decode(bytes, (size_t)n, &told2), -EPROTO);
}

static void a_value_that_is_too_long_is_refused(void **state)
{
	uint8_t bytes[OPTION_TOLD_MAX + 8] = { 0 };
	struct option_told told;
	struct option_value v;

	(void)state;
	bytes[6] = OPTION_TCP_NODELAY;
	assert_int_equal(option_told_decode(bytes, OPTION_TOLD_MIN + 4, &told), 0);
	assert_int_equal(option_told_decode(bytes, OPTION_TOLD_MIN + 5, &told), -EPROTO);
	bytes[6] = OPTION_TCP_INFO;
	assert_int_equal(option_told_decode(bytes, OPTION_TOLD_MAX, &told), 0);
	assert_int_equal(option_told_decode(bytes, OPTION_TOLD_MAX + 1, &told), -EPROTO);
	bytes[0] = OPTION_TCP_NODELAY;
	assert_int_equal(option_set_decode(bytes, 5, &v), 0);
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_true(n == 5 || option_set_decode(bytes, n, &v) == -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_the_kernels),
		cmocka_unit_test(what_has_no_row_is_no_option),
		cmocka_unit_test(a_kernel_knows_every_row),
		cmocka_unit_test(what_may_be_set),
		cmocka_unit_test(messages_come_out_as_they_went_in),
		cmocka_unit_test(a_value_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
