/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_fate.c - chance in the wire: exact counts from fixed seeds, each frame its own fate
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

#include "lab/wire/fate.h"
#include "lab/wire/frame.h"

#define PERCENT (FATE_CERTAIN / 100)

/* Computed by another implementation of the same definition. */
static void words_are_as_defined(void **state)
{
	static const struct {
		struct fate_key key;
		enum fate_draw draw;
		uint64_t word;
	} rows[] = {
		{ { 1, 0, 3, 0 }, FATE_LOSS, 0xca32e53bf572740b },
		{ { 1, 1, 5, 7 }, FATE_JITTER, 0x72066f731fc59987 },
		{ { 42, 0, 3, 99999 }, FATE_CORRUPT, 0xbb217f48b7551947 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(fate_word(&rows[i].key, rows[i].draw) == rows[i].word);
}

static void counts_are_exact(void **state)
{
	const struct fate_odds odds = { .loss = PERCENT, .reorder = PERCENT / 2,
					.duplicate = PERCENT / 10, .corrupt = 5 * PERCENT };
	unsigned int lost = 0, reordered = 0, duplicated = 0, corrupted = 0;

	(void)state;
	for (uint64_t n = 0; n < 100000; n++) {
		const struct fate_key key = { .seed = 7, .class = FRAME_UDP, .number = n };
		struct fate fate = fate_decide(&key, &odds);

		lost += fate.lost;
		reordered += fate.reordered;
		duplicated += fate.duplicated;
		corrupted += fate.corrupted;
	}
	assert_int_equal(lost, 1002);
	assert_int_equal(reordered, 496);
	assert_int_equal(duplicated, 103);
	assert_int_equal(corrupted, 4939);
}

static void never_and_always(void **state)
{
	const struct fate_odds never = { 0 }, always = { FATE_CERTAIN, FATE_CERTAIN,
							 FATE_CERTAIN, FATE_CERTAIN };

	(void)state;
	for (uint64_t n = 0; n < 10000; n++) {
		const struct fate_key key = { .seed = n * n, .number = n };
		struct fate none = fate_decide(&key, &never), all = fate_decide(&key, &always);

		assert_false(none.lost || none.reordered || none.duplicated || none.corrupted);
		assert_true(all.lost && all.reordered && all.duplicated && all.corrupted);
	}
}

/* How many of 10,000 frames two streams treat alike; 25 % of independent ones at 50 % and 50 %. */
static unsigned int both_lost(struct fate_key x, struct fate_key y)
{
	const struct fate_odds half = { .loss = 50 * PERCENT };
	unsigned int both = 0;

	for (uint64_t n = 0; n < 10000; n++) {
		x.number = y.number = n;
		both += fate_decide(&x, &half).lost && fate_decide(&y, &half).lost;
	}
	return both;
}

static void streams_are_independent(void **state)
{
	const struct fate_key one = { .seed = 1, .class = FRAME_UDP };
	const struct fate_key others[] = {
		{ .seed = 2, .class = FRAME_UDP },
		{ .seed = 1, .class = FRAME_UDP, .direction = 1 },
		{ .seed = 1, .class = FRAME_TCP_DATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_in_range(both_lost(one, others[i]), 2300, 2700);
	assert_in_range(both_lost(one, one), 4800, 5200);
}

static void jitter_stays_in_range(void **state)
{
	int64_t least = 0, most = 0, sum = 0;

	(void)state;
	for (uint64_t n = 0; n < 10000; n++) {
		const struct fate_key key = { .seed = 9, .number = n };
		int64_t jitter = fate_jitter(&key, 1000);

		least = jitter < least ? jitter : least;
		most = jitter > most ? jitter : most;
		sum += jitter;
	}
	assert_in_range(-least, 990, 1000);
	assert_in_range(most, 990, 1000);
	assert_in_range(sum / 10000 + 100, 75, 125);
	assert_int_equal(fate_jitter(&(struct fate_key){ .seed = 3 }, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_as_defined),
		cmocka_unit_test(counts_are_exact),
		cmocka_unit_test(never_and_always),
		cmocka_unit_test(streams_are_independent),
		cmocka_unit_test(jitter_stays_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
