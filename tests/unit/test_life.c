/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_life.c - pieces come in order, go in reverse, and nothing half made is left
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

#include "hylicsd/life.h"

#define PIECES 3

/* A VM whose pieces do as they are told and write down what was done: "+a +b -b". */
struct world {
	struct life life;
	char story[256];
	int make_rc[PIECES], unmake_rc[PIECES];
	bool there[PIECES], forced;
	unsigned int settled;
	int rc;
	struct hy_err e;
};

static void tell(struct world *w, char sign, unsigned int i)
{
	size_t len = strlen(w->story);

	snprintf(w->story + len, sizeof(w->story) - len, "%s%c%c", len ? " " : "", sign,
		 (char)('a' + i));
}

static int make(struct world *w, unsigned int i, struct hy_err *e)
{
	tell(w, '+', i);
	if (w->make_rc[i] < 0)
		return hy_err_set(e, -w->make_rc[i], "make %u", i);
	w->there[i] = w->make_rc[i] == 0;
	return w->make_rc[i];
}

static int unmake(struct world *w, unsigned int i, bool force, struct hy_err *e)
{
	tell(w, '-', i);
	w->forced = force;
	if (w->unmake_rc[i] < 0)
		return hy_err_set(e, -w->unmake_rc[i], "unmake %u", i);
	w->there[i] = false;
	return w->unmake_rc[i];
}

static int make_a(void *w, struct hy_err *e) { return make(w, 0, e); }
static int make_b(void *w, struct hy_err *e) { return make(w, 1, e); }
static int make_c(void *w, struct hy_err *e) { return make(w, 2, e); }
static int unmake_a(void *w, bool force, struct hy_err *e) { return unmake(w, 0, force, e); }
static int unmake_c(void *w, bool force, struct hy_err *e) { return unmake(w, 2, force, e); }

static const struct life_piece pieces[PIECES] = {
	{ "a", make_a, unmake_a }, { "b", make_b, NULL }, { "c", make_c, unmake_c },
};

static void settled(void *object, int rc, const struct hy_err *e)
{
	struct world *w = object;

	w->settled++;
	w->rc = rc;
	w->e = *e;
}

static struct world new_world(void)
{
	return (struct world){ .life = { .pieces = pieces, .n = PIECES, .settled = settled } };
}

static void begin(struct world *w)
{
	w->life.vm = w;
	w->story[0] = '\0';
	w->settled = 0;
}

static void make_all(struct world *w, bool first)
{
	begin(w);
	assert_int_equal(life_make(&w->life, first, NULL), 0);
}

static void in_order_and_back(void **state)
{
	struct world w = new_world();

	(void)state;
	make_all(&w, true);
	assert_string_equal(w.story, "+a +b +c");
	assert_int_equal(w.life.state, LIFE_READY);
	assert_int_equal(w.settled, 1);
	assert_int_equal(w.rc, 0);
	begin(&w);
	assert_int_equal(life_unmake(&w.life, false, NULL), 0);
	assert_string_equal(w.story, "-c -a");
	assert_int_equal(w.life.state, LIFE_ABSENT);
	assert_int_equal(w.settled, 1);
	assert_int_equal(w.rc, 0);
	assert_false(w.forced);
}

static void a_first_failure_leaves_nothing_and_is_what_is_told(void **state)
{
	struct world w = new_world();

	(void)state;
	w.make_rc[1] = -ENOSPC;
	w.unmake_rc[2] = 0;
	make_all(&w, true);
	assert_string_equal(w.story, "+a +b -c -a");
	assert_int_equal(w.life.state, LIFE_ABSENT);
	assert_int_equal(w.settled, 1);
	assert_int_equal(w.rc, -ENOSPC);
	assert_string_equal(w.e.text, "b: make 1");
	assert_true(w.forced);
}

static void a_failure_of_the_undoing_does_not_hide_the_first(void **state)
{
	struct world w = new_world();

	(void)state;
	w.make_rc[2] = -ENOSPC;
	w.unmake_rc[0] = -EBUSY;
	make_all(&w, true);
	assert_string_equal(w.story, "+a +b +c -c -a");
	assert_int_equal(w.life.state, LIFE_DEGRADED);
	assert_int_equal(w.rc, -ENOSPC);
	begin(&w);
	w.unmake_rc[0] = 0;
	assert_int_equal(life_unmake(&w.life, true, NULL), 0);
	assert_int_equal(w.life.state, LIFE_ABSENT);
	assert_int_equal(w.rc, 0);
}

static void a_later_failure_leaves_what_is_there(void **state)
{
	struct world w = new_world();

	(void)state;
	w.make_rc[2] = -EIO;
	make_all(&w, false);
	assert_string_equal(w.story, "+a +b +c");
	assert_int_equal(w.life.state, LIFE_DEGRADED);
	assert_int_equal(w.rc, -EIO);
	w.make_rc[2] = 0;
	make_all(&w, false);
	assert_string_equal(w.story, "+a +b +c");
	assert_int_equal(w.life.state, LIFE_READY);
	assert_int_equal(w.life.why.num, 0);
}

static void what_takes_its_time_keeps_others_away(void **state)
{
	struct world w = new_world();
	struct hy_err e = { 0 };

	(void)state;
	w.make_rc[1] = LIFE_LATER;
	make_all(&w, true);
	assert_int_equal(w.life.state, LIFE_MAKING);
	assert_int_equal(w.settled, 0);
	assert_string_equal(life_piece_name(&w.life), "b");
	assert_int_equal(life_make(&w.life, false, &e), -EBUSY);
	assert_int_equal(life_unmake(&w.life, true, &e), -EBUSY);
	assert_string_equal(e.text, "making is under way ('b')");
	life_done(&w.life, 0, NULL);
	assert_string_equal(w.story, "+a +b +c");
	assert_int_equal(w.life.state, LIFE_READY);
	assert_int_equal(w.settled, 1);
	assert_null(life_piece_name(&w.life));
}

static void what_fails_later_is_undone_too(void **state)
{
	struct world w = new_world();
	struct hy_err e = { 0 };

	(void)state;
	w.make_rc[2] = LIFE_LATER;
	w.unmake_rc[2] = LIFE_LATER;
	make_all(&w, true);
	hy_err_set(&e, ENOMEM, "copy");
	life_done(&w.life, -ENOMEM, &e);
	assert_string_equal(w.story, "+a +b +c -c");
	assert_int_equal(w.life.state, LIFE_UNMAKING);
	life_done(&w.life, 0, NULL);
	assert_string_equal(w.story, "+a +b +c -c -a");
	assert_int_equal(w.life.state, LIFE_ABSENT);
	assert_int_equal(w.rc, -ENOMEM);
	assert_string_equal(w.e.text, "c: copy");
}

static void what_would_not_go_stays_and_may_be_tried_again(void **state)
{
	struct world w = new_world();

	(void)state;
	make_all(&w, true);
	w.unmake_rc[2] = -EBUSY;
	begin(&w);
	assert_int_equal(life_unmake(&w.life, false, NULL), 0);
	assert_string_equal(w.story, "-c");
	assert_int_equal(w.life.state, LIFE_DEGRADED);
	assert_int_equal(w.rc, -EBUSY);
	assert_true(w.there[0]);
	make_all(&w, false);
	assert_int_equal(w.life.state, LIFE_READY);
}

static void a_lost_piece_is_told_until_it_is_made_again(void **state)
{
	struct world w = new_world();
	struct hy_err e = { 0 };

	(void)state;
	make_all(&w, true);
	hy_err_set(&e, ESRCH, "keeper: killed by signal 9");
	life_lost(&w.life, &e);
	assert_int_equal(w.life.state, LIFE_DEGRADED);
	assert_string_equal(w.life.why.text, "keeper: killed by signal 9");
	make_all(&w, false);
	assert_int_equal(w.life.state, LIFE_READY);
	assert_int_equal(w.life.why.num, 0);
}

static void a_loss_while_something_is_under_way_is_not_the_states_business(void **state)
{
	struct world w = new_world();
	struct hy_err e = { 0 };

	(void)state;
	w.make_rc[2] = LIFE_LATER;
	make_all(&w, true);
	hy_err_set(&e, ESRCH, "gone");
	life_lost(&w.life, &e);
	assert_int_equal(w.life.state, LIFE_MAKING);
	life_done(&w.life, 0, NULL);
	assert_int_equal(w.life.state, LIFE_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_and_back),
		cmocka_unit_test(a_first_failure_leaves_nothing_and_is_what_is_told),
		cmocka_unit_test(a_failure_of_the_undoing_does_not_hide_the_first),
		cmocka_unit_test(a_later_failure_leaves_what_is_there),
		cmocka_unit_test(what_takes_its_time_keeps_others_away),
		cmocka_unit_test(what_fails_later_is_undone_too),
		cmocka_unit_test(what_would_not_go_stays_and_may_be_tried_again),
		cmocka_unit_test(a_lost_piece_is_told_until_it_is_made_again),
		cmocka_unit_test(a_loss_while_something_is_under_way_is_not_the_states_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
