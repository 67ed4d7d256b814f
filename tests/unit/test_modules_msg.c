/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_modules_msg.c - what guest and host say of modules: documented bytes, what is refused
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "proto/modules.h"

static const struct modules_wanted wanted = {
	.number = 0x0807060504030201,
	.n = 2, .at = { { .name = "hls", .port = 8080 }, { .name = "a", .port = 0x0102 } },
};

static const uint8_t wanted_bytes[] = {
	1, 2, 3, 4, 5, 6, 7, 8, 2, 0x90, 0x1f, 3, 0, 'h', 'l', 's', 2, 1, 1, 0, 'a',
};

static const struct modules_state state = {
	.list = 0x0807060504030201, .number = 1, .of = 3, .life = MODULES_LIFE_failing,
	.port = 80, .starts = 0x01020304,
	.since_ms = 0x0102030405060708, .connections = 5, .cpu_us = 6, .memory = 7,
	.ports = { .n = 2, .at = { { 80, 80 }, { 8000, 8999 } } },
	.name = "hls", .why = "no",
};

static const uint8_t state_bytes[] = {
	1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 80, 0, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 5, 0, 0, 0,
	6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
	2, 80, 0, 80, 0, 0x40, 0x1f, 0x27, 0x23, 3, 0, 'h', 'l', 's', 2, 0, 'n', 'o',
};

#define LIST_HIGH_AT 7
#define WANTED_N_AT 8
#define WANTED_NAME_AT 13
#define STATE_NUMBER_AT 8
#define STATE_OF_AT 9
#define STATE_LIFE_AT 10
#define STATE_PORT_AT 11
#define STATE_SINCE_AT 17
#define STATE_PORTS_AT 45

static void wanted_has_the_bytes_that_are_documented(void **unused)
{
	uint8_t out[MODULES_WANTED_MAX];
	struct modules_wanted got;

	(void)unused;
	assert_int_equal(modules_wanted_encode(&wanted, out, sizeof(out)), sizeof(wanted_bytes));
	assert_memory_equal(out, wanted_bytes, sizeof(wanted_bytes));
	assert_int_equal(modules_wanted_decode(out, sizeof(wanted_bytes), &got), 0);
	assert_memory_equal(&got, &wanted, sizeof(got));
}

static void a_state_has_the_bytes_that_are_documented(void **unused)
{
	uint8_t out[MODULES_STATE_MAX];
	struct modules_state got;

	(void)unused;
	assert_int_equal(modules_state_encode(&state, out, sizeof(out)), sizeof(state_bytes));
	assert_memory_equal(out, state_bytes, sizeof(state_bytes));
	assert_int_equal(modules_state_decode(out, sizeof(state_bytes), &got), 0);
	assert_memory_equal(&got, &state, sizeof(got));
}

/* The longest there can be is as long as the table of messages says. */
static void the_longest_fit_to_the_byte(void **unused)
{
	uint8_t out[MODULES_STATE_MAX > MODULES_WANTED_MAX ? MODULES_STATE_MAX :
							     MODULES_WANTED_MAX];
	struct modules_state s = state;
	struct modules_wanted w = { .n = HY_MODULES_MAX };

	(void)unused;
	s.ports.n = HY_MODULE_PORTS_MAX;
	memset(s.name, 'n', HY_NAME_MAX);
	memset(s.why, 'w', MODULES_WHY_MAX);
	for (unsigned int i = 0; i < w.n; i++)
		memset(w.at[i].name, 'a' + (int)i, HY_NAME_MAX);
	assert_int_equal(modules_state_encode(&s, out, sizeof(out)), MODULES_STATE_MAX);
	assert_int_equal(modules_wanted_encode(&w, out, sizeof(out)), MODULES_WANTED_MAX);
	w.n++;
	assert_int_equal(modules_wanted_encode(&w, out, sizeof(out)), -EMSGSIZE);
	s.ports.n++;
	assert_int_equal(modules_state_encode(&s, out, sizeof(out)), -EMSGSIZE);
}

static void a_vm_without_modules_is_told_so(void **unused)
{
	const struct modules_state none = { .list = 7 };
	struct modules_state got;
	uint8_t out[MODULES_STATE_MAX];

	(void)unused;
	assert_int_equal(modules_state_encode(&none, out, sizeof(out)), MODULES_STATE_MIN);
	assert_int_equal(modules_state_decode(out, MODULES_STATE_MIN, &got), 0);
	assert_int_equal(got.of, 0);
	assert_int_equal(got.list, 7);
	out[STATE_NUMBER_AT] = 1;
	assert_int_equal(modules_state_decode(out, MODULES_STATE_MIN, &got), -EPROTO);
}

/* Cut anywhere, with a byte more, and with one byte that says what cannot be. */
static void refuse_wanted(size_t at, uint8_t byte, size_t len)
{
	uint8_t *copy = malloc(sizeof(wanted_bytes) + 1);
	struct modules_wanted got, before = { .n = 77 };

	assert_non_null(copy);
	memcpy(copy, wanted_bytes, sizeof(wanted_bytes));
	copy[sizeof(wanted_bytes)] = 0;
	copy[at] = byte;
	got = before;
	assert_int_equal(modules_wanted_decode(copy, len, &got), -EPROTO);
	assert_memory_equal(&got, &before, sizeof(got));
	free(copy);
}

static void wanted_that_cannot_be_is_refused(void **unused)
{
	const size_t len = sizeof(wanted_bytes);

	(void)unused;
	for (size_t n = 0; n < len; n++)
		refuse_wanted(0, wanted_bytes[0], n);
	refuse_wanted(0, wanted_bytes[0], len + 1);
	refuse_wanted(LIST_HIGH_AT, 0x80, len);			/* 2^63 */
	refuse_wanted(WANTED_N_AT, HY_MODULES_MAX + 1, len);
	refuse_wanted(WANTED_NAME_AT, '/', len);
	refuse_wanted(WANTED_NAME_AT, '\0', len);
}

static void a_port_0_or_a_name_twice_is_refused(void **unused)
{
	struct modules_wanted w = wanted, got;
	uint8_t out[MODULES_WANTED_MAX];
	int len;

	(void)unused;
	w.at[1].port = 0;
	len = modules_wanted_encode(&w, out, sizeof(out));
	assert_int_equal(modules_wanted_decode(out, (size_t)len, &got), -EPROTO);
	w = wanted;
	memcpy(w.at[1].name, w.at[0].name, sizeof(w.at[1].name));
	len = modules_wanted_encode(&w, out, sizeof(out));
	assert_int_equal(modules_wanted_decode(out, (size_t)len, &got), -EPROTO);
}

static void refuse_state(size_t at, uint8_t byte, size_t len)
{
	uint8_t *copy = malloc(sizeof(state_bytes) + 1);
	struct modules_state got, before = { .starts = 77 };

	assert_non_null(copy);
	memcpy(copy, state_bytes, sizeof(state_bytes));
	copy[sizeof(state_bytes)] = 0;
	copy[at] = byte;
	got = before;
	assert_int_equal(modules_state_decode(copy, len, &got), -EPROTO);
	assert_memory_equal(&got, &before, sizeof(got));
	free(copy);
}

static void a_state_that_cannot_be_is_refused(void **unused)
{
	const size_t len = sizeof(state_bytes);

	(void)unused;
	for (size_t n = 0; n < len; n++)
		refuse_state(0, state_bytes[0], n);
	refuse_state(0, state_bytes[0], len + 1);
	refuse_state(LIST_HIGH_AT, 0x80, len);
	refuse_state(STATE_NUMBER_AT, 3, len);			/* 3 of 3 */
	refuse_state(STATE_OF_AT, HY_MODULES_MAX + 1, len);
	refuse_state(STATE_LIFE_AT, MODULES_LIVES, len);
	refuse_state(STATE_LIFE_AT, MODULES_LIFE_stopped, len);	/* with a port */
	refuse_state(STATE_PORT_AT, 0, len);			/* failing without one */
	refuse_state(STATE_SINCE_AT + 7, 0x80, len);		/* 2^63 */
	refuse_state(STATE_PORTS_AT, 0, len);
	refuse_state(STATE_PORTS_AT, HY_MODULE_PORTS_MAX + 1, len);
	refuse_state(STATE_PORTS_AT + 1, 81, len);		/* 81 to 80 */
	refuse_state(len - 1, '\033', len);
	refuse_state(len - 1, 0x80, len);
}

static void ports_are_printed_as_an_operator_writes_them(void **unused)
{
	char text[32];

	(void)unused;
	assert_int_equal(modules_ports_print(&state.ports, text, sizeof(text)), 12);
	assert_string_equal(text, "80 8000-8999");
	assert_int_equal(modules_ports_print(&state.ports, text, 5), 12);
	assert_string_equal(text, "80 8");
	assert_int_equal(modules_ports_print(&state.ports, text, 1), 12);
	assert_string_equal(text, "");
}

static void each_state_has_its_name(void **unused)
{
	(void)unused;
	assert_string_equal(modules_life_name(MODULES_LIFE_stopped), "stopped");
	assert_string_equal(modules_life_name(MODULES_LIFE_stopping), "stopping");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wanted_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_state_has_the_bytes_that_are_documented),
		cmocka_unit_test(the_longest_fit_to_the_byte),
		cmocka_unit_test(a_vm_without_modules_is_told_so),
		cmocka_unit_test(wanted_that_cannot_be_is_refused),
		cmocka_unit_test(a_port_0_or_a_name_twice_is_refused),
		cmocka_unit_test(a_state_that_cannot_be_is_refused),
		cmocka_unit_test(ports_are_printed_as_an_operator_writes_them),
		cmocka_unit_test(each_state_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
