/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_queue.c - the delay line's order, and the pool of slots
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

#include "lab/wire/pool.h"
#include "lab/wire/queue.h"

#define MANY 5000

static struct queue_entry heap[MANY];

static void nothing_is_never_due(void **state)
{
	struct queue q = { .heap = heap, .room = MANY };
	uint32_t slot = 7;

	(void)state;
	assert_true(queue_due(&q) == UINT64_MAX);
	assert_false(queue_pop(&q, UINT64_MAX, &slot));
	assert_int_equal(slot, 7);
}

static void leaves_in_order_of_time(void **state)
{
	struct queue q = { .heap = heap, .room = MANY };
	uint64_t last = 0, at[MANY], word = 1;
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		word = word * 6364136223846793005u + 1442695040888963407u;
		at[i] = word >> 40;
		queue_push(&q, i, at[i]);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		uint64_t due = queue_due(&q);

		assert_false(queue_pop(&q, due - 1, &slot));
		assert_true(queue_pop(&q, due, &slot));
		assert_int_equal(at[slot], due);
		assert_true(due >= last);
		last = due;
	}
	assert_int_equal(q.n, 0);
}

static void equal_times_keep_their_order(void **state)
{
	struct queue q = { .heap = heap, .room = MANY };
	uint32_t slot, next[4] = { 0, 1, 2, 3 };

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		queue_push(&q, i, i % 4);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(queue_pop(&q, 3, &slot));
		assert_int_equal(slot % 4, i / 250);
		assert_int_equal(slot, next[slot % 4]);
		next[slot % 4] += 4;
	}
}

static void pushes_and_pops_may_mix(void **state)
{
	struct queue q = { .heap = heap, .room = MANY };
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		queue_push(&q, 2 * i, 2 * i + 100);
		queue_push(&q, 2 * i + 1, 2 * i + 1);
		if (i < 100)
			continue;
		assert_true(queue_pop(&q, UINT64_MAX, &slot));
	}
	assert_int_equal(q.n, 1100);
}

static void slots_are_given_and_taken(void **state)
{
	struct pool p = { .memory = NULL };
	struct hy_err e;
	uint32_t slot[4];

	(void)state;
	assert_int_equal(pool_open(&p, 3, 1500, &e), 0);
	for (int i = 0; i < 3; i++) {
		slot[i] = pool_take(&p);
		assert_int_not_equal(slot[i], POOL_NONE);
		memset(pool_at(&p, slot[i])->bytes, i + 1, 1500);
	}
	assert_int_equal(pool_take(&p), POOL_NONE);
	assert_int_equal(p.used, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pool_at(&p, slot[i])->bytes[0], i + 1);
		assert_int_equal(pool_at(&p, slot[i])->bytes[1499], i + 1);
	}
	pool_give(&p, slot[1]);
	assert_int_equal(pool_take(&p), slot[1]);
	pool_close(&p);
	pool_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_never_due),
		cmocka_unit_test(leaves_in_order_of_time),
		cmocka_unit_test(equal_times_keep_their_order),
		cmocka_unit_test(pushes_and_pops_may_mix),
		cmocka_unit_test(slots_are_given_and_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
