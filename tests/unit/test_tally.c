/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_tally.c - the agent's look at memory that a program can write
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylics-agent/tally.h"
#include "proto/reason.h"
#include "proto/tally.h"

#define NOW 1000
#define TURNS 20000

static struct hy_tally *as_program(const struct tally *t)
{
	void *at = mmap(NULL, sizeof(struct hy_tally), PROT_READ | PROT_WRITE, MAP_SHARED,
			t->memfd, 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static void a_program_may_write_but_not_cut_it(void **state)
{
	struct tally t;
	struct hy_tally *p;

	(void)state;
	assert_int_equal(tally_open(&t), 0);
	p = as_program(&t);
	assert_int_equal(p->version, HY_TALLY_VERSION);
	assert_int_equal(p->reasons, HY_TALLY_REASONS);
	assert_int_equal(ftruncate(t.memfd, 0), -1);
	assert_int_equal(ftruncate(t.memfd, 1 << 20), -1);
	p->calls[1][MOVE_ULP] = 7;
	p->calls[3][MOVE_ULP] = 8;
	assert_int_equal(tally_calls(&t, MOVE_ULP), 15);
	assert_int_equal(tally_calls(&t, MOVE_ERROR), 0);
	/* a hole is zeros */
	assert_int_equal(fallocate(t.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   sizeof(*p)), 0);
	assert_int_equal(tally_calls(&t, MOVE_ULP), 0);
	munmap(p, sizeof(*p));
	tally_close(&t);
	assert_null(t.at);
	assert_int_equal(tally_calls(&t, MOVE_ULP), 0);
}

static void no_number_of_a_program_runs_over(void **state)
{
	struct tally t;
	struct hy_tally *p;

	(void)state;
	assert_int_equal(tally_open(&t), 0);
	p = as_program(&t);
	for (unsigned int i = 0; i < HY_TALLY_STRIPES; i++)
		p->calls[i][MOVE_ULP] = UINT64_MAX - i;
	assert_true(tally_calls(&t, MOVE_ULP) == INT64_MAX);
	assert_true(tally_add(INT64_MAX, UINT64_MAX) == INT64_MAX);
	assert_true(tally_add(INT64_MAX - 1, 1) == INT64_MAX);
	assert_true(tally_add(5, 6) == 11);
	munmap(p, sizeof(*p));
	tally_close(&t);
}

static void an_example_is_believed_only_when_it_is_whole(void **state)
{
	struct why_example e = { .by = WHY_PROGRAM, .pid = 77 };
	struct hy_tally_last *last;
	struct tally t;
	struct hy_tally *p;

	(void)state;
	assert_int_equal(tally_open(&t), 0);
	p = as_program(&t);
	last = &p->last[MOVE_ULP];
	assert_false(tally_last(&t, MOVE_ULP, NOW, &e));
	*last = (struct hy_tally_last){ .turn = 3, .number = 9, .when_ms = 500, .dev = 1, .ino = 2,
					.offset = 3, .bytes = 4 };
	assert_false(tally_last(&t, MOVE_ULP, NOW, &e));
	assert_int_equal(e.number, 0);
	last->turn = 4;
	assert_true(tally_last(&t, MOVE_ULP, NOW, &e));
	assert_int_equal(e.number, 9);
	assert_int_equal(e.when_ms, 500);
	assert_int_equal(e.ino, 2);
	assert_int_equal(e.bytes, 4);
	assert_int_equal(e.pid, 77);		/* not the program's to say */
	last->when_ms = UINT64_MAX;		/* nothing lies ahead */
	assert_true(tally_last(&t, MOVE_ULP, NOW, &e));
	assert_int_equal(e.when_ms, NOW);
	munmap(p, sizeof(*p));
	tally_close(&t);
}

/* Writes examples whose numbers are all the same, as the library does. */
static void *write_examples(void *arg)
{
	struct hy_tally_last *last = arg;

	for (uint32_t i = 1; i <= TURNS; i++) {
		last->turn++;
		last->number = i;
		last->ino = i;
		last->offset = i;
		last->bytes = i;
		last->turn++;
	}
	return NULL;
}

static void half_an_example_is_never_seen(void **state)
{
	struct why_example e = { 0 };
	struct tally t;
	struct hy_tally *p;
	pthread_t writer;

	(void)state;
	assert_int_equal(tally_open(&t), 0);
	p = as_program(&t);
	assert_int_equal(pthread_create(&writer, NULL, write_examples, &p->last[1]), 0);
	while (e.number < TURNS) {
		if (!tally_last(&t, 1, NOW, &e))
			continue;
		assert_int_equal(e.ino, e.number);
		assert_int_equal(e.offset, e.number);
		assert_int_equal(e.bytes, e.number);
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	munmap(p, sizeof(*p));
	tally_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_may_write_but_not_cut_it),
		cmocka_unit_test(no_number_of_a_program_runs_over),
		cmocka_unit_test(an_example_is_believed_only_when_it_is_whole),
		cmocka_unit_test(half_an_example_is_never_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
