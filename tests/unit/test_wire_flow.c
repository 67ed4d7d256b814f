/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_flow.c - what the wire takes for a TCP retransmission
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
#include <string.h>

#include <cmocka.h>

#include "lab/wire/flow.h"

static struct flow_table table;

static int empty(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	return 0;
}

static bool see(uint16_t port, uint32_t seq, uint32_t len, uint8_t flags)
{
	const struct frame_info f = { .class = FRAME_TCP_DATA, .net = FRAME_NET_IP4,
				      .src_port = port, .dst_port = 80, .seq = seq,
				      .payload_len = len, .tcp_flags = flags };

	return flow_see(&table, &f);
}

static void new_bytes_are_new(void **state)
{
	(void)state;
	assert_false(see(1, 100, 50, 0));
	assert_false(see(1, 150, 50, 0));
	assert_false(see(1, 300, 50, 0));	/* a gap: something was lost before us */
	assert_false(see(2, 100, 50, 0));	/* another connection */
}

static void repeated_bytes_are_seen(void **state)
{
	(void)state;
	see(1, 100, 100, 0);
	assert_true(see(1, 100, 100, 0));
	assert_true(see(1, 150, 10, 0));
	assert_true(see(1, 150, 100, 0));	/* old and new ones */
	assert_false(see(1, 250, 10, 0));
	assert_false(see(1, 100, 0, FRAME_TCP_ACK));	/* without any */
}

static void numbers_wrap_around(void **state)
{
	(void)state;
	assert_false(see(1, 0xffffffc0, 0x80, 0));
	assert_false(see(1, 0x40, 10, 0));
	assert_true(see(1, 0xffffffc0, 0x80, 0));
	assert_true(see(1, 0x10, 10, 0));
}

static void syn_and_fin_have_numbers(void **state)
{
	(void)state;
	assert_false(see(1, 99, 0, FRAME_TCP_SYN));
	assert_true(see(1, 99, 0, FRAME_TCP_SYN));
	assert_false(see(1, 100, 10, 0));
	assert_false(see(1, 110, 0, FRAME_TCP_FIN));
	assert_true(see(1, 110, 0, FRAME_TCP_FIN));
	assert_true(see(1, 100, 10, FRAME_TCP_FIN));
}

static void ports_can_be_used_again(void **state)
{
	(void)state;
	see(1, 5000, 100, 0);
	assert_false(see(1, 1000, 0, FRAME_TCP_SYN));
	assert_false(see(1, 1001, 10, 0));
	assert_true(see(1, 1001, 10, 0));
}

static void table_is_bounded_and_forgets_the_oldest(void **state)
{
	(void)state;
	for (uint32_t port = 0; port < 60000; port++)
		assert_false(see((uint16_t)port, 100, 10, 0));
	assert_true(table.evicted >= 60000 - WIRE_FLOWS);
	assert_true(see(59999, 100, 10, 0));
	assert_false(see(0, 100, 10, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(new_bytes_are_new, empty),
		cmocka_unit_test_setup(repeated_bytes_are_seen, empty),
		cmocka_unit_test_setup(numbers_wrap_around, empty),
		cmocka_unit_test_setup(syn_and_fin_have_numbers, empty),
		cmocka_unit_test_setup(ports_can_be_used_again, empty),
		cmocka_unit_test_setup(table_is_bounded_and_forgets_the_oldest, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
