/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pacing.c - when datagrams are due: the rate holds, bursts and what is caught up are bounded
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/pacing.h"

#define START (1000 * (uint64_t)HY_NS_PER_S)
#define LATE_NS ((uint64_t)HY_PACE_LATE_MS * HY_NS_PER_MS)
#define ALL UINT64_MAX

static void only_what_can_be_computed_is_good(void **state)
{
	(void)state;
	assert_true(pacing_is_good(&(struct pacing){ 1, 1 }));
	assert_true(pacing_is_good(&(struct pacing){ HY_DATAGRAM_MAX, HY_PACE_RATE_MAX }));
	assert_false(pacing_is_good(&(struct pacing){ 0, 1 }));
	assert_false(pacing_is_good(&(struct pacing){ 1, 0 }));
	assert_false(pacing_is_good(&(struct pacing){ HY_DATAGRAM_MAX + 1, 1 }));
	assert_false(pacing_is_good(&(struct pacing){ 1, HY_PACE_RATE_MAX + 1 }));
}

static void the_first_is_due_at_once_and_the_next_when_its_time_has_come(void **state)
{
	const struct pacing p = { .bytes = 1000, .rate = 1000000 };	/* one in a ms */
	uint64_t due = pacing_now(0, START);

	(void)state;
	assert_int_equal(due, START);
	assert_int_equal(pacing_burst(&p, due, START, ALL), 1000);
	due = pacing_sent(&p, due, 1000);
	assert_int_equal(due, START + HY_NS_PER_MS);
	assert_int_equal(pacing_burst(&p, due, due - 1, ALL), 0);
	assert_int_equal(pacing_burst(&p, due, due, ALL), 1000);
	assert_int_equal(pacing_burst(&p, due, due + 3 * HY_NS_PER_MS - 1, ALL), 3000);
	assert_int_equal(pacing_burst(&p, due, due + 3 * HY_NS_PER_MS, ALL), 4000);
	assert_int_equal(pacing_burst(&p, due, due + 3 * HY_NS_PER_MS, 1500), 1500);
	assert_int_equal(pacing_burst(&p, due, due, 300), 300);
}

static void a_burst_is_bounded(void **state)
{
	const struct pacing small = { .bytes = 10, .rate = HY_PACE_RATE_MAX };
	const struct pacing large = { .bytes = 1400, .rate = HY_PACE_RATE_MAX };
	const struct pacing huge = { .bytes = HY_DATAGRAM_MAX, .rate = HY_PACE_RATE_MAX };

	(void)state;
	assert_int_equal(pacing_burst(&small, START, START + LATE_NS, ALL),
			 10 * HY_BURST_DATAGRAMS);
	assert_int_equal(pacing_burst(&large, START, START + LATE_NS, ALL),
			 HY_DATAGRAM_MAX / 1400 * 1400);
	assert_int_equal(pacing_burst(&huge, START, START + LATE_NS, ALL), HY_DATAGRAM_MAX);
}

static void little_is_caught_up(void **state)
{
	const struct pacing p = { .bytes = 1000, .rate = 1000000 };
	uint64_t due = pacing_sent(&p, START, 1000), now = START + 3600 * (uint64_t)HY_NS_PER_S;
	size_t n = 0, sent;

	(void)state;
	assert_int_equal(pacing_now(due, due + LATE_NS), due);
	due = pacing_now(due, now);
	assert_int_equal(due, now - LATE_NS);
	while ((sent = pacing_burst(&p, due, now, ALL)) > 0) {
		due = pacing_sent(&p, due, sent);
		n += sent;
	}
	assert_int_equal(n, (HY_PACE_LATE_MS + 1) * 1000);
	assert_true(due > now);
	assert_int_equal(pacing_now(due, now), due);	/* what is not due yet stays so */
}

/* Bytes that leave in a time, by somebody who looks as often as he is told to. */
static uint64_t sent_in(const struct pacing *p, uint64_t ns)
{
	uint64_t now = START, due = 0, all = 0;

	while (now < START + ns) {
		size_t n;

		due = pacing_now(due, now);
		while ((n = pacing_burst(p, due, now, ALL)) > 0) {
			due = pacing_sent(p, due, n);
			all += n;
		}
		now += pacing_wait_ms(due, now) * HY_NS_PER_MS;
	}
	return all;
}

static void the_rate_holds_over_a_second(void **state)
{
	static const struct pacing paces[] = {
		{ 1316, 500000 }, { 1400, 3 }, { 1, 1 }, { 7, 999983 }, { 1400, 12500000 },
		{ 65507, 125000000 }, { 1472, 1250000000 }, { 1, 3000000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paces) / sizeof(paces[0]); i++) {
		const struct pacing *p = &paces[i];
		uint64_t sent = sent_in(p, 10 * (uint64_t)HY_NS_PER_S);

		/* the first one, and what the last tick was for */
		assert_true(sent <= 10 * p->rate + p->bytes);
		assert_true(sent + p->rate / 100 + p->bytes >= 10 * p->rate);
	}
}

static void who_waits_wakes_once_for_a_tick(void **state)
{
	(void)state;
	assert_int_equal(pacing_wait_ms(START, START + 1), HY_PACE_TICK_MS);
	assert_int_equal(pacing_wait_ms(START + 1, START), HY_PACE_TICK_MS);
	assert_int_equal(pacing_wait_ms(START + 7 * HY_NS_PER_MS + 1, START), 8);
}

static void a_span_is_of_whole_datagrams(void **state)
{
	(void)state;
	assert_int_equal(pacing_span(&(struct pacing){ 1000, 1999 }, 1000), 1000);
	assert_int_equal(pacing_span(&(struct pacing){ 1000, 2001 }, 1000), 2000);
	assert_int_equal(pacing_span(&(struct pacing){ 1000, 1 }, 1000), 1000);
	assert_int_equal(pacing_span(&(struct pacing){ 1, 1500 }, 500), 750);
	assert_true(pacing_span(&(struct pacing){ 1, HY_PACE_RATE_MAX }, UINT32_MAX) <= INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_can_be_computed_is_good),
		cmocka_unit_test(the_first_is_due_at_once_and_the_next_when_its_time_has_come),
		cmocka_unit_test(a_burst_is_bounded),
		cmocka_unit_test(little_is_caught_up),
		cmocka_unit_test(the_rate_holds_over_a_second),
		cmocka_unit_test(who_waits_wakes_once_for_a_tick),
		cmocka_unit_test(a_span_is_of_whole_datagrams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
