/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_module_ask.c - what is asked of the agent about modules: documented bytes, what is refused
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

#include "proto/module_ask.h"

static const uint8_t start_bytes[] = {
	1, 0, 16, 0, 9, 0, 0, 0, 0x90, 0x1f, 3, 0, 'h', 'l', 's',
};

static const uint8_t stop_bytes[] = { 1, 0, 17, 0, 9, 0, 0, 0, 3, 0, 'h', 'l', 's' };

static const uint8_t ask_bytes[] = { 1, 0, 18, 0, 9, 0, 0, 0, 7 };

static const struct local_module told = {
	.wanted = MODULE_WANTED,
	.state = {
		.list = 5, .number = 1, .of = 3, .life = MODULES_LIFE_running, .port = 80,
		.starts = 4, .since_ms = 5, .connections = 6, .cpu_us = 7, .memory = 8,
		.ports = { .n = 1, .at = { { 80, 81 } } }, .name = "hls", .why = "no",
	},
};

static const uint8_t told_bytes[] = {
	1, 0, 19, 0, 9, 0, 0, 0, 1,
	5, 0, 0, 0, 0, 0, 0, 0, 1, 3, 2, 80, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0,
	7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
	1, 80, 0, 81, 0, 3, 0, 'h', 'l', 's', 2, 0, 'n', 'o',
};

#define NAME_AT_IN_START 12
#define NAME_AT_IN_STOP 10
#define NUMBER_AT 8
#define WANTED_AT 8
#define STATE_NUMBER_AT 17

/* A decoder, and whether it left the result alone where it refused. */
struct form {
	const uint8_t *bytes;
	size_t len;
	int (*decodes)(const uint8_t *in, size_t len);
};

static int decodes_start(const uint8_t *in, size_t len)
{
	struct local_module_start m = { .port = 77 };
	int rc = module_ask_decode_start(in, len, &m);

	assert_int_equal(m.port, rc ? 77 : 8080);
	assert_string_equal(m.name, rc ? "" : "hls");
	return rc;
}

static int decodes_stop(const uint8_t *in, size_t len)
{
	struct local_module_stop m = { .name = "x" };
	int rc = module_ask_decode_stop(in, len, &m);

	assert_string_equal(m.name, rc ? "x" : "hls");
	return rc;
}

static int decodes_ask(const uint8_t *in, size_t len)
{
	struct local_ask_module m = { .number = 77 };
	int rc = module_ask_decode_ask(in, len, &m);

	assert_int_equal(m.number, rc ? 77 : in[NUMBER_AT]);
	return rc;
}

static int decodes_told(const uint8_t *in, size_t len)
{
	struct local_module m = { .wanted = 77 };
	int rc = module_ask_decode(in, len, &m);

	assert_int_equal(m.wanted, rc ? 77 : in[WANTED_AT]);
	assert_int_equal(m.state.port, rc ? 0 : 80);
	return rc;
}

static const struct form start_form = { start_bytes, sizeof(start_bytes), decodes_start };
static const struct form stop_form = { stop_bytes, sizeof(stop_bytes), decodes_stop };
static const struct form ask_form = { ask_bytes, sizeof(ask_bytes), decodes_ask };
static const struct form told_form = { told_bytes, sizeof(told_bytes), decodes_told };

/* In memory of its exact length, with one byte another. */
static void check(const struct form *f, size_t len, size_t at, uint8_t byte, int wanted)
{
	uint8_t *in = calloc(1, len);

	assert_non_null(in);
	memcpy(in, f->bytes, len < f->len ? len : f->len);
	if (at < len)
		in[at] = byte;
	assert_int_equal(f->decodes(in, len), wanted);
	free(in);
}

static void check_lengths(const struct form *f)
{
	for (size_t len = LOCAL_HEADER_LEN; len <= f->len + 1; len++)
		check(f, len, 0, f->bytes[0], len == f->len ? 0 : -EPROTO);
}

static void a_start_has_the_bytes_that_are_documented(void **state)
{
	const struct local_module_start m = { .port = 8080, .name = "hls" };
	uint8_t out[LOCAL_PACKET_MAX];

	(void)state;
	assert_int_equal(module_ask_encode_start(9, &m, out), sizeof(start_bytes));
	assert_memory_equal(out, start_bytes, sizeof(start_bytes));
	check_lengths(&start_form);
}

static void a_stop_has_the_bytes_that_are_documented(void **state)
{
	const struct local_module_stop m = { .name = "hls" };
	uint8_t out[LOCAL_PACKET_MAX];

	(void)state;
	assert_int_equal(module_ask_encode_stop(9, &m, out), sizeof(stop_bytes));
	assert_memory_equal(out, stop_bytes, sizeof(stop_bytes));
	check_lengths(&stop_form);
}

static void a_question_has_the_bytes_that_are_documented(void **state)
{
	const struct local_ask_module m = { .number = HY_MODULES_MAX - 1 };
	uint8_t out[LOCAL_PACKET_MAX];

	(void)state;
	assert_int_equal(module_ask_encode_ask(9, &m, out), sizeof(ask_bytes));
	assert_memory_equal(out, ask_bytes, sizeof(ask_bytes));
	check_lengths(&ask_form);
}

static void an_answer_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_module m;

	(void)state;
	assert_int_equal(module_ask_encode(9, &told, out), sizeof(told_bytes));
	assert_memory_equal(out, told_bytes, sizeof(told_bytes));
	check_lengths(&told_form);
	assert_int_equal(module_ask_decode(told_bytes, sizeof(told_bytes), &m), 0);
	assert_memory_equal(&m.state, &told.state, sizeof(m.state));
}

static void a_name_that_is_none_is_refused(void **state)
{
	static const uint8_t wrong[] = { '-', '.', '/', 'A', '_', ' ', 0, 0x80 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong); i++) {
		check(&start_form, start_form.len, NAME_AT_IN_START, wrong[i], -EPROTO);
		check(&stop_form, stop_form.len, NAME_AT_IN_STOP, wrong[i], -EPROTO);
	}
}

static void names_are_as_long_as_they_may_be(void **state)
{
	struct local_module_start m = { .port = 1 }, got;
	uint8_t out[LOCAL_PACKET_MAX];
	size_t len;

	(void)state;
	memset(m.name, 'n', HY_NAME_MAX);
	len = module_ask_encode_start(1, &m, out);
	assert_int_equal(module_ask_decode_start(out, len, &got), 0);
	assert_int_equal(strlen(got.name), HY_NAME_MAX);
	out[LOCAL_HEADER_LEN + 2]++;		/* a letter more */
	out[len++] = 'n';
	assert_int_equal(module_ask_decode_start(out, len, &got), -EPROTO);
}

static void numbers_and_bits_that_are_none_are_refused(void **state)
{
	(void)state;
	check(&ask_form, ask_form.len, NUMBER_AT, 0, 0);
	check(&ask_form, ask_form.len, NUMBER_AT, HY_MODULES_MAX, -EPROTO);
	check(&ask_form, ask_form.len, NUMBER_AT, 255, -EPROTO);
	for (unsigned int i = 0; i < 256; i++)
		check(&told_form, told_form.len, WANTED_AT, (uint8_t)i, i <= 3 ? 0 : -EPROTO);
	check(&told_form, told_form.len, STATE_NUMBER_AT, 3, -EPROTO);	/* number 3 of 3 */
	check(&told_form, told_form.len, told_form.len - 1, '\033', -EPROTO);
}

static void a_vm_without_modules_is_told_so(void **state)
{
	const struct local_module none = { .wanted = 0 };
	struct local_module got;
	uint8_t out[LOCAL_PACKET_MAX];
	size_t len = module_ask_encode(1, &none, out);

	(void)state;
	assert_int_equal(len, LOCAL_HEADER_LEN + 1 + MODULES_STATE_MIN);
	assert_int_equal(module_ask_decode(out, len, &got), 0);
	assert_int_equal(got.state.of, 0);
}

static void the_longest_answer_fits(void **state)
{
	struct local_module m = told, got;
	uint8_t out[LOCAL_PACKET_MAX];
	size_t len;

	(void)state;
	memset(m.state.name, 'n', HY_NAME_MAX);
	memset(m.state.why, 'w', MODULES_WHY_MAX);
	m.state.ports.n = HY_MODULE_PORTS_MAX;
	for (unsigned int i = 0; i < HY_MODULE_PORTS_MAX; i++)
		m.state.ports.at[i] = (struct modules_port){ 1, 65535 };
	len = module_ask_encode(1, &m, out);
	assert_int_equal(len, LOCAL_HEADER_LEN + 1 + MODULES_STATE_MAX);
	assert_int_equal(module_ask_decode(out, len, &got), 0);
	assert_string_equal(got.state.why, m.state.why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_stop_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_question_has_the_bytes_that_are_documented),
		cmocka_unit_test(an_answer_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_name_that_is_none_is_refused),
		cmocka_unit_test(names_are_as_long_as_they_may_be),
		cmocka_unit_test(numbers_and_bits_that_are_none_are_refused),
		cmocka_unit_test(a_vm_without_modules_is_told_so),
		cmocka_unit_test(the_longest_answer_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
