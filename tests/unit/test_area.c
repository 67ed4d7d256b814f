/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_area.c - queues are collected piece by piece, and memory is given back when nobody uses it
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "channel/area.h"

#define AHEAD 4096u
#define BYTES (HY_MOVES_MAX * (AHEAD + (size_t)HY_TCP_QUEUE_MAX))

static struct areas areas;
static uint8_t *memory;

static int open_areas(void **state)
{
	(void)state;
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	areas_open(&areas, memory, AHEAD, MADV_DONTNEED);
	return memory == MAP_FAILED ? -1 : 0;
}

static int close_areas(void **state)
{
	(void)state;
	return munmap(memory, BYTES);
}

static int collect(struct area *a, uint32_t total, uint32_t offset, const char *piece)
{
	const struct message msg = { .total = total, .offset = offset,
				     .len = (uint32_t)strlen(piece),
				     .payload = (const uint8_t *)piece };

	return area_collect(a, &msg);
}

static struct area *expect(const char *head, uint32_t rest)
{
	const struct tcp_record rec = { .recv_len = (uint32_t)strlen(head), .send_len = rest };
	const struct move_offer o = { .bytes = (const uint8_t *)head,
				      .bytes_len = (uint32_t)strlen(head), .rest = rest };
	struct area *a = area_take(&areas);

	assert_non_null(a);
	assert_true(area_fits(&o, &rec));
	area_expect(a, &o, &rec);
	return a;
}

static void pieces_come_behind_each_other(void **state)
{
	struct area *a = expect("head", 5);

	(void)state;
	assert_int_equal(collect(a, 5, 0, "re"), 0);
	assert_int_equal(collect(a, 5, 2, "st!"), 1);
	assert_memory_equal(a->img.bytes, "headrest!", 9);
	assert_int_equal(a->img.rec.recv_len, 4);
}

static void another_piece_is_refused(void **state)
{
	struct area *a = expect("head", 5);

	(void)state;
	assert_int_equal(collect(a, 4, 0, "rest"), -EPROTO);
	assert_int_equal(collect(a, 6, 0, "re"), -EPROTO);
	assert_int_equal(collect(a, 5, 1, "re"), -EPROTO);
	assert_int_equal(collect(a, 5, 0, "rest!!"), -EPROTO);
	assert_int_equal(collect(a, 5, 0, "re"), 0);
	assert_int_equal(collect(a, 5, 0, "re"), -EPROTO);
	assert_int_equal(collect(a, 5, 2, "st!!"), -EPROTO);
	assert_int_equal(collect(a, 5, 2, "st!"), 1);
}

static void lengths_that_do_not_fit(void **state)
{
	const struct tcp_record rec = { .recv_len = 3, .send_len = 4 };
	const struct tcp_record round = { .recv_len = 2, .send_len = UINT32_MAX };
	struct move_offer o = { .bytes_len = 3, .rest = 4 };

	(void)state;
	assert_true(area_fits(&o, &rec));
	o.rest = 5;
	assert_false(area_fits(&o, &rec));
	o.rest = 3;
	assert_false(area_fits(&o, &rec));
	o = (struct move_offer){ .bytes_len = 2, .rest = UINT32_MAX };
	assert_false(area_fits(&o, &round));
	o = (struct move_offer){ .bytes_len = 1, .rest = 0 };
	assert_false(area_fits(&o, &round));
}

static void each_is_taken_once(void **state)
{
	struct area *all[HY_MOVES_MAX];

	(void)state;
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		all[i] = area_take(&areas);
		assert_non_null(all[i]);
		assert_int_equal(area_number(&areas, all[i]), i);
		assert_true(all[i]->img.bytes + HY_TCP_QUEUE_MAX <= memory + BYTES);
	}
	assert_null(area_take(&areas));
	assert_null(area_again(&areas, 3));
	area_release(all[3]);
	assert_ptr_equal(area_again(&areas, 3), all[3]);
	assert_null(area_again(&areas, HY_MOVES_MAX));
	area_release(all[5]);
	assert_ptr_equal(area_take(&areas), all[5]);
	area_release(NULL);
}

/* What stands ahead goes with the bytes: a record of a connection that is gone is no record. */
static void memory_is_zero_when_it_is_given_back(void **state)
{
	struct area *a = expect("head", 5);
	uint8_t *ahead = a->memory;

	(void)state;
	ahead[0] = 1;
	area_release(a);
	assert_int_equal(ahead[0], 0);
	assert_int_equal(a->img.bytes[0], 0);
}

static void what_is_being_sent_stays(void **state)
{
	struct area *a = expect("head", 5);

	(void)state;
	a->sending = true;
	area_release(a);
	assert_memory_equal(a->img.bytes, "head", 4);
	assert_ptr_not_equal(area_take(&areas), a);
}

int main(void)
{
#define ON_AREAS(test) cmocka_unit_test_setup_teardown(test, open_areas, close_areas)
	const struct CMUnitTest tests[] = {
		ON_AREAS(pieces_come_behind_each_other),
		ON_AREAS(another_piece_is_refused),
		ON_AREAS(lengths_that_do_not_fit),
		ON_AREAS(each_is_taken_once),
		ON_AREAS(memory_is_zero_when_it_is_given_back),
		ON_AREAS(what_is_being_sent_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
