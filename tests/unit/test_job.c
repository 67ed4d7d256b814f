/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_job.c - a job says how it ended, holds nothing it was not given, and may be killed
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylicsd/job.h"

struct world {
	struct ev_loop loop;
	struct job job;
	bool done;
	int rc;
	struct hy_err e;
	int kept[2], other;		/* descriptors of this process */
};

static void done(void *object, int rc, const struct hy_err *e)
{
	struct world *w = object;

	assert_false(job_runs(&w->job));
	w->done = true;
	w->rc = rc;
	w->e = *e;
}

static void begin(struct world *w, int (*work)(void *, struct hy_err *))
{
	const struct job_spec spec = { .name = "test", .work = work, .object = w,
				       .keep = { w->kept[0], w->kept[1] }, .n_keep = 2 };

	assert_int_equal(job_start(&w->job, &w->loop, &spec, NULL), 0);
	assert_true(job_runs(&w->job));
	w->done = false;
}

static void wait_for_end(struct world *w)
{
	while (!w->done)
		assert_true(ev_round(&w->loop, -1, NULL) >= 0);
}

static void run(struct world *w, int (*work)(void *, struct hy_err *))
{
	begin(w, work);
	wait_for_end(w);
}

static int set_up(void **state)
{
	static struct world w;
	const int high = 200;

	memset(&w, 0, sizeof(w));
	assert_int_equal(ev_open(&w.loop, 64, NULL), 0);
	w.job = (struct job){ .done = done, .object = &w, .hear = -1 };
	w.kept[0] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, high);
	w.kept[1] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	w.other = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	close(w->kept[0]);
	close(w->kept[1]);
	close(w->other);
	ev_close(&w->loop);
	return 0;
}

static int succeed(void *object, struct hy_err *e)
{
	(void)object;
	hy_err_set(e, EIO, "a step that was tried again");
	return 0;
}

static int refuse(void *object, struct hy_err *e)
{
	(void)object;
	return hy_err_set(e, ENOSPC, "disk '%s'", "full");
}

static int die(void *object, struct hy_err *e)
{
	(void)object;
	(void)e;
	raise(SIGKILL);
	return 0;
}

static int leave(void *object, struct hy_err *e)
{
	(void)object;
	(void)e;
	_exit(0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int look(void *object, struct hy_err *e)
{
	const struct world *w = object;

	if (!is_open(STDERR_FILENO) || !is_open(w->kept[0]) || !is_open(w->kept[1]))
		return hy_err_set(e, EBADF, "a kept one is closed");
	if (is_open(w->other) || is_open(w->loop.epfd))
		return hy_err_set(e, EBUSY, "another one is open");
	return 0;
}

static int wait_for_ever(void *object, struct hy_err *e)
{
	(void)object;
	(void)e;
	while (pause())
		;
	return 0;
}

static void says_how_it_ended(void **state)
{
	struct world *w = *state;

	run(w, succeed);
	assert_int_equal(w->rc, 0);
	assert_int_equal(w->e.num, 0);
	run(w, refuse);
	assert_int_equal(w->rc, -ENOSPC);
	assert_string_equal(w->e.text, "disk 'full'");
}

static void one_that_dies_has_failed(void **state)
{
	struct world *w = *state;

	run(w, die);
	assert_int_equal(w->rc, -EIO);
	assert_string_equal(w->e.text, "killed by signal 9");
	run(w, leave);
	assert_int_equal(w->rc, -EIO);
	assert_string_equal(w->e.text, "ended without a word");
}

static void holds_what_it_was_given_and_nothing_else(void **state)
{
	struct world *w = *state;

	run(w, look);
	assert_string_equal(w->e.text, "");
	assert_int_equal(w->rc, 0);
}

static void may_be_killed(void **state)
{
	struct world *w = *state;

	begin(w, wait_for_ever);
	job_cancel(&w->job);
	wait_for_end(w);
	assert_int_equal(w->rc, -EIO);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	job_cancel(&w->job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_how_it_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_dies_has_failed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holds_what_it_was_given_and_nothing_else, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(may_be_killed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
