/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_proc.c - a process is started with its mark, ends with a word, and is taken over
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/owner.h"
#include "hylicsd/proc.h"

#define NONE (-2)

static char sleep_path[] = "/bin/sleep", seconds[] = "1000";
static char nothing_path[] = "/nonexistent/program";
static char *const sleeper[] = { sleep_path, seconds, NULL };
static char *const nothing[] = { nothing_path, NULL };

struct world {
	struct ev_loop loop;
	char path[64];
	int dir;
	struct proc proc;
	int status;
};

static void ended(void *object, struct proc *p, int status)
{
	struct world *w = object;

	assert_false(proc_runs(p));
	w->status = status;
}

static struct proc new_proc(struct world *w)
{
	return (struct proc){ .name = "sleeper", .ended = ended, .object = w };
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->path, "/tmp/hylics-test-proc-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->dir = open(w->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dir >= 0);
	assert_int_equal(ev_open(&w->loop, 64, NULL), 0);
	w->proc = new_proc(w);
	w->status = NONE;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	unlinkat(w->dir, "sleeper.owner", 0);
	close(w->dir);
	rmdir(w->path);
	ev_close(&w->loop);
	free(w);
	return 0;
}

static void wait_for_end(struct world *w)
{
	struct hy_err e = { 0 };

	w->status = NONE;
	while (w->status == NONE)
		assert_true(ev_round(&w->loop, -1, &e) >= 0);
}

static void start(struct world *w, struct proc *p)
{
	const struct proc_spec spec = { .dir = w->dir, .argv = sleeper };
	struct hy_err e = { 0 };

	assert_int_equal(proc_start(p, &w->loop, &spec, &e), 0);
	assert_true(proc_runs(p));
}

static void ends_with_a_word(void **state)
{
	struct world *w = *state;

	start(w, &w->proc);
	assert_int_equal(getsid(w->proc.child.pid), w->proc.child.pid);
	proc_signal(&w->proc, SIGTERM);
	wait_for_end(w);
	assert_true(WIFSIGNALED(w->status));
	assert_int_equal(WTERMSIG(w->status), SIGTERM);
	proc_signal(&w->proc, SIGTERM);		/* nobody is there: nothing happens */
}

static void what_cannot_start_says_why(void **state)
{
	struct world *w = *state;
	const struct proc_spec spec = { .dir = w->dir, .argv = nothing };
	struct hy_err e = { 0 };

	assert_int_equal(proc_start(&w->proc, &w->loop, &spec, &e), -ENOENT);
	assert_false(proc_runs(&w->proc));
	assert_string_equal(e.text, "start sleeper: '/nonexistent/program'");
	assert_int_equal(proc_take_over(&w->proc, &w->loop, w->dir, &e), 0);
}

static int refuse(void *object, struct hy_err *e)
{
	(void)object;
	return hy_err_set(e, EACCES, "no room");
}

static void who_cannot_enter_its_place_does_not_run(void **state)
{
	struct world *w = *state;
	const struct proc_spec spec = { .dir = w->dir, .argv = sleeper, .enter = refuse };
	struct hy_err e = { 0 };

	assert_int_equal(proc_start(&w->proc, &w->loop, &spec, &e), -EACCES);
	assert_string_equal(e.text, "start sleeper: no room");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_mark_that_cannot_be_written_stops_it(void **state)
{
	struct world *w = *state;
	const struct proc_spec spec = { .dir = w->dir, .argv = sleeper };
	struct hy_err e = { 0 };

	assert_int_equal(symlinkat("/dev/null", w->dir, "sleeper.owner"), 0);
	assert_int_equal(proc_start(&w->proc, &w->loop, &spec, &e), -ELOOP);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Somebody else starts it and ends, as a hylicsd that is killed. */
static void start_by_another(struct world *w)
{
	pid_t pid = fork();

	if (pid == 0) {
		const struct proc_spec spec = { .dir = w->dir, .argv = sleeper };
		struct proc p = new_proc(w);

		_exit(proc_start(&p, &w->loop, &spec, NULL) == 0 ? 0 : 1);
	}
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void one_that_another_started_is_taken_over(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	start_by_another(w);
	/* the loop's descriptor was the other's too: a fresh one sees its own watches alone */
	ev_close(&w->loop);
	assert_int_equal(ev_open(&w->loop, 64, NULL), 0);
	assert_int_equal(proc_take_over(&w->proc, &w->loop, w->dir, &e), 1);
	assert_true(proc_runs(&w->proc));
	proc_signal(&w->proc, SIGKILL);
	wait_for_end(w);
	assert_int_equal(w->status, EV_CHILD_UNKNOWN);
	assert_int_equal(proc_take_over(&w->proc, &w->loop, w->dir, &e), 0);
}

static void write_mark(struct world *w, const char *text)
{
	int fd = openat(w->dir, "sleeper.owner", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void a_mark_that_is_none_finds_nobody(void **state)
{
	static const char *const marks[] = { "", "1", "1-", "abc", "1-1", "99999999999-1",
					     "1-2-3", "-1-5" };
	struct world *w = *state;
	struct hy_err e = { 0 };
	char self[HY_OWNER_TEXT_MAX], more[HY_OWNER_TEXT_MAX + 1];

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		write_mark(w, marks[i]);
		assert_int_equal(proc_take_over(&w->proc, &w->loop, w->dir, &e), 0);
	}
	assert_int_equal(hy_owner_self(self, &e), 0);
	snprintf(more, sizeof(more), "%sx", self);
	write_mark(w, more);
	assert_int_equal(proc_take_over(&w->proc, &w->loop, w->dir, &e), 0);
}

static void one_that_is_forgotten_runs_on(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	start(w, &w->proc);
	proc_forget(&w->proc);
	assert_false(proc_runs(&w->proc));
	assert_int_equal(proc_take_over(&w->proc, &w->loop, w->dir, &e), 1);
	proc_signal(&w->proc, SIGKILL);
	wait_for_end(w);
}

/* Tells that it has come here, and stays. */
static int enter_and_stay(void *object, struct hy_err *e)
{
	const int *pipe_end = object;

	if (write(*pipe_end, "x", 1) != 1)
		return hy_err_set(e, errno, "tell");
	alarm(30);		/* should it not die, this program is to end all the same */
	for (;;)
		pause();
}

static _Noreturn void be_starter(struct world *w, int tell)
{
	const struct proc_spec spec = { .dir = w->dir, .argv = sleeper, .enter = enter_and_stay,
					.object = &tell };

	proc_start(&w->proc, &w->loop, &spec, NULL);
	_exit(1);
}

/* One without its mark is known to nobody but its starter. */
static void one_without_a_mark_dies_with_its_starter(void **state)
{
	struct world *w = *state;
	struct pollfd ended_fd;
	int ends[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		be_starter(w, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	ended_fd = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	assert_int_equal(poll(&ended_fd, 1, 10000), 1);
	assert_int_equal(read(ends[0], &c, 1), 0);	/* nobody has the other end any more */
	close(ends[0]);
	assert_int_equal(faccessat(w->dir, "sleeper.owner", F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ends_with_a_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_start_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_cannot_enter_its_place_does_not_run, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_mark_that_cannot_be_written_stops_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_another_started_is_taken_over, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_mark_that_is_none_finds_nobody, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_forgotten_runs_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_without_a_mark_dies_with_its_starter, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
