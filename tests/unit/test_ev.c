/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ev.c - the event loop: removed descriptors, timers, signals, child exits, lost peers
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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/ev.h"
#include "tests/unit/prng.h"

#define PATIENCE_MS 20000

static struct ev_loop loop;

static int open_loop(void **state)
{
	struct hy_err e = { 0 };

	(void)state;
	return ev_open(&loop, 256, &e);
}

static int close_loop(void **state)
{
	(void)state;
	ev_close(&loop);
	return 0;
}

static void serve_one_batch(void)
{
	struct hy_err e = { 0 };

	assert_int_equal(ev_round(&loop, 0, &e), 0);
}

static void serve_until(const int *count, int wanted)
{
	uint64_t end_ms = hy_clock_ms() + PATIENCE_MS;
	struct hy_err e = { 0 };

	while (*count < wanted && hy_clock_ms() < end_ms)
		assert_int_equal(ev_round(&loop, 100, &e), 0);
	assert_int_equal(*count, wanted);
}

/* A pipe with a byte in it: its reading end is ready. */
static void ready_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
}

/* -- descriptors -- */

/* What a handler saw, and what it is to do about it. */
struct watched {
	int handled, dropped, drop_rc;
	int rc;			/* what the handler returns */
	int *victims;		/* the first handler removes the other of these two */
	int reuse_fd;		/* and puts this in the place of its number, if > 0 */
	struct watched *reuse_as;
};

static int watched_handle(void *object, int fd, uint32_t events);

static void watched_drop(void *object, int fd, int rc)
{
	struct watched *w = object;

	w->dropped++;
	w->drop_rc = rc;
	ev_del(&loop, fd);
	close(fd);
}

static const struct ev_class watched_class = { "watched", watched_handle, watched_drop };

static void remove_the_other(struct watched *w, int fd)
{
	struct hy_err e = { 0 };
	int other = w->victims[0] == fd ? w->victims[1] : w->victims[0];

	ev_del(&loop, other);
	close(other);
	w->victims = NULL;
	if (w->reuse_fd <= 0)
		return;
	assert_int_equal(dup3(w->reuse_fd, other, O_CLOEXEC), other);
	assert_int_equal(ev_add(&loop, other, &watched_class, w->reuse_as, EPOLLIN, &e), 0);
}

static int watched_handle(void *object, int fd, uint32_t events)
{
	struct watched *w = object;

	(void)events;
	w->handled++;
	if (w->victims)
		remove_the_other(w, fd);
	return w->rc;
}

static void watch(int fd, struct watched *w)
{
	struct hy_err e = { 0 };

	assert_int_equal(ev_add(&loop, fd, &watched_class, w, EPOLLIN, &e), 0);
}

static void an_event_for_a_removed_descriptor_is_thrown_away(void **state)
{
	int a[2], b[2], readers[2];
	struct watched both = { 0 };

	(void)state;
	ready_pipe(a);
	ready_pipe(b);
	readers[0] = a[0];
	readers[1] = b[0];
	both.victims = readers;
	watch(a[0], &both);
	watch(b[0], &both);
	serve_one_batch();
	assert_int_equal(both.handled, 1);
	close(a[1]);
	close(b[1]);
}

static void a_reused_number_does_not_get_its_predecessors_event(void **state)
{
	int a[2], b[2], fresh[2], readers[2];
	struct watched heir = { 0 };
	struct watched both = { .reuse_as = &heir };

	(void)state;
	ready_pipe(a);
	ready_pipe(b);
	assert_int_equal(pipe2(fresh, O_CLOEXEC), 0);
	readers[0] = a[0];
	readers[1] = b[0];
	both.victims = readers;
	both.reuse_fd = fresh[0];
	watch(a[0], &both);
	watch(b[0], &both);
	serve_one_batch();
	assert_int_equal(both.handled, 1);
	assert_int_equal(heir.handled, 0);	/* its own pipe is still empty */
	assert_int_equal(write(fresh[1], "y", 1), 1);
	serve_one_batch();
	assert_int_equal(heir.handled, 1);
	close(fresh[0]);
	close(fresh[1]);
	close(a[1]);
	close(b[1]);
}

static void a_failing_handler_loses_only_its_own_peer(void **state)
{
	int bad[2], good[2];
	struct watched failing = { .rc = -EPROTO }, fine = { 0 };

	(void)state;
	ready_pipe(bad);
	ready_pipe(good);
	watch(bad[0], &failing);
	watch(good[0], &fine);
	serve_one_batch();
	serve_one_batch();
	assert_int_equal(failing.handled, 1);
	assert_int_equal(failing.dropped, 1);
	assert_int_equal(failing.drop_rc, -EPROTO);
	assert_int_equal(fine.handled, 2);
	assert_int_equal(fine.dropped, 0);
	assert_int_equal(close(bad[0]), -1);
	ev_del(&loop, good[0]);
	close(good[0]);
	close(good[1]);
	close(bad[1]);
}

/* Removes itself, and fails on top of it. */
static int leaving_handle(void *object, int fd, uint32_t events)
{
	struct watched *w = object;

	(void)events;
	w->handled++;
	ev_del(&loop, fd);
	return -EPROTO;
}

static void who_removed_itself_is_not_dropped(void **state)
{
	static const struct ev_class leaving_class = { "leaving", leaving_handle, watched_drop };
	struct watched w = { 0 };
	struct hy_err e = { 0 };
	int ends[2];

	(void)state;
	ready_pipe(ends);
	assert_int_equal(ev_add(&loop, ends[0], &leaving_class, &w, EPOLLIN, &e), 0);
	serve_one_batch();
	serve_one_batch();
	assert_int_equal(w.handled, 1);
	assert_int_equal(w.dropped, 0);
	close(ends[0]);
	close(ends[1]);
}

static void events_can_be_changed(void **state)
{
	struct watched w = { 0 };
	int ends[2];

	(void)state;
	ready_pipe(ends);
	watch(ends[0], &w);
	assert_int_equal(ev_mod(&loop, ends[0], 0), 0);
	serve_one_batch();
	assert_int_equal(w.handled, 0);
	assert_int_equal(ev_mod(&loop, ends[0], EPOLLIN), 0);
	serve_one_batch();
	assert_int_equal(w.handled, 1);
	ev_del(&loop, ends[0]);
	assert_int_equal(ev_mod(&loop, ends[0], EPOLLIN), -ENOENT);
	serve_one_batch();
	assert_int_equal(w.handled, 1);
	close(ends[0]);
	close(ends[1]);
}

static void descriptors_outside_the_table_are_refused(void **state)
{
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(ev_add(&loop, 256, &watched_class, NULL, EPOLLIN, &e), -EMFILE);
	assert_int_equal(e.num, EMFILE);
	assert_int_equal(ev_add(&loop, -1, &watched_class, NULL, EPOLLIN, &e), -EMFILE);
	assert_int_equal(ev_add(&loop, 255, &watched_class, NULL, EPOLLIN, &e), -EBADF);
	assert_int_equal(ev_mod(&loop, 256, EPOLLIN), -ENOENT);
	assert_int_equal(ev_mod(&loop, -1, EPOLLIN), -ENOENT);
	ev_del(&loop, -1);
	ev_del(&loop, 256);
	ev_del(&loop, 3);
}

/* -- timers -- */

struct alarm_clock {
	struct ev_timer timer;
	int fired;
	uint64_t fired_ns;
	struct alarm_clock *cancels;
	int again;		/* how often it sets itself again */
};

static int n_fired;
static struct alarm_clock *fired_order[HY_EV_TIMERS_MAX];

static void ring(void *object)
{
	struct alarm_clock *a = object;

	a->fired++;
	a->fired_ns = hy_clock_ns();
	if (n_fired < HY_EV_TIMERS_MAX)
		fired_order[n_fired] = a;
	n_fired++;
	if (a->cancels)
		ev_timer_cancel(&loop, &a->cancels->timer);
	if (a->again-- > 0)
		assert_int_equal(ev_timer_set(&loop, &a->timer, 0), 0);
}

static void wind(struct alarm_clock *a)
{
	*a = (struct alarm_clock){ .timer = { .fn = ring, .object = a } };
	n_fired = 0;
}

static void timers_fire_in_order_and_never_early(void **state)
{
	static struct alarm_clock clocks[HY_EV_TIMERS_MAX];
	uint32_t random = 1;

	(void)state;
	for (int i = 0; i < HY_EV_TIMERS_MAX; i++) {
		wind(&clocks[i]);
		assert_int_equal(ev_timer_set(&loop, &clocks[i].timer, prng_below(&random, 40)), 0);
	}
	serve_until(&n_fired, HY_EV_TIMERS_MAX);
	for (int i = 0; i < HY_EV_TIMERS_MAX; i++) {
		assert_int_equal(clocks[i].fired, 1);
		assert_int_equal(clocks[i].timer.pos, 0);
		assert_true(clocks[i].fired_ns >= clocks[i].timer.due_ns);
		if (i > 0)
			assert_true(fired_order[i - 1]->timer.due_ns <=
				    fired_order[i]->timer.due_ns);
	}
}

static void a_full_table_refuses_one_more_timer(void **state)
{
	static struct alarm_clock clocks[HY_EV_TIMERS_MAX + 1];
	struct alarm_clock *one_more = &clocks[HY_EV_TIMERS_MAX];

	(void)state;
	for (int i = 0; i <= HY_EV_TIMERS_MAX; i++)
		wind(&clocks[i]);
	for (int i = 0; i < HY_EV_TIMERS_MAX; i++)
		assert_int_equal(ev_timer_set(&loop, &clocks[i].timer, 60000), 0);
	assert_int_equal(ev_timer_set(&loop, &one_more->timer, 0), -ENOSPC);
	assert_int_equal(one_more->timer.pos, 0);
	/* one that is set already takes no second place */
	assert_int_equal(ev_timer_set(&loop, &clocks[7].timer, 50000), 0);
	ev_timer_cancel(&loop, &clocks[3].timer);
	assert_int_equal(ev_timer_set(&loop, &one_more->timer, 0), 0);
	serve_until(&n_fired, 1);
	assert_int_equal(one_more->fired, 1);
}

static void check_heap(void)
{
	for (unsigned int i = 1; i <= loop.n_timers; i++) {
		assert_int_equal(loop.heap[i]->pos, i);
		if (i > 1)
			assert_true(loop.heap[i / 2]->due_ns <= loop.heap[i]->due_ns);
	}
}

static void the_heap_stays_one_under_random_sets_and_cancels(void **state)
{
	static struct alarm_clock clocks[HY_EV_TIMERS_MAX];
	uint32_t random = 2;
	uint64_t last_due = 0;
	bool is_set[HY_EV_TIMERS_MAX] = { false };
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < HY_EV_TIMERS_MAX; i++)
		wind(&clocks[i]);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = prng_below(&random, HY_EV_TIMERS_MAX);
		bool sets = prng_below(&random, 5) < 3;

		n += (unsigned int)sets - (unsigned int)is_set[i];
		is_set[i] = sets;
		if (sets)
			ev_timer_set(&loop, &clocks[i].timer, 60000 + prng_below(&random, 10000));
		else
			ev_timer_cancel(&loop, &clocks[i].timer);
		assert_int_equal(loop.n_timers, n);
		check_heap();
	}
	while (loop.n_timers) {
		assert_true(loop.heap[1]->due_ns >= last_due);
		last_due = loop.heap[1]->due_ns;
		ev_timer_cancel(&loop, loop.heap[1]);
		check_heap();
	}
}

static void a_timer_can_cancel_one_that_is_due_too(void **state)
{
	struct alarm_clock first, second;

	(void)state;
	wind(&first);
	wind(&second);
	first.cancels = &second;
	second.cancels = &first;
	ev_timer_set(&loop, &first.timer, 0);
	ev_timer_set(&loop, &second.timer, 0);
	serve_until(&n_fired, 1);
	serve_one_batch();
	assert_int_equal(first.fired + second.fired, 1);
	assert_int_equal(loop.n_timers, 0);
	ev_timer_cancel(&loop, &first.timer);	/* not set: nothing happens */
}

static void a_timer_set_again_from_itself_waits_for_the_next_round(void **state)
{
	struct alarm_clock a;

	(void)state;
	wind(&a);
	a.again = 3;
	ev_timer_set(&loop, &a.timer, 0);
	serve_one_batch();
	assert_int_equal(a.fired, 1);
	serve_until(&a.fired, 4);
	assert_int_equal(loop.n_timers, 0);
}

/* -- children -- */

struct ending {
	int told;
	pid_t pid;
	int status;
};

static void take_ending(void *object, pid_t pid, int status)
{
	struct ending *end = object;

	end->told++;
	end->pid = pid;
	end->status = status;
}

/* A child that ends when the caller closes *hold. */
static pid_t child_on_hold(int *hold, int exit_code)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? exit_code : 99);
	}
	close(ends[0]);
	*hold = ends[1];
	return pid;
}

static void the_end_of_a_child_is_told_once_and_reaped(void **state)
{
	struct ending end = { 0 };
	struct ev_child c = { .fn = take_ending, .object = &end };
	struct hy_err e = { 0 };
	int hold;

	(void)state;
	c.pid = child_on_hold(&hold, 7);
	assert_int_equal(ev_child_watch(&loop, &c, &e), 0);
	serve_one_batch();
	assert_int_equal(end.told, 0);
	close(hold);
	serve_until(&end.told, 1);
	assert_int_equal(end.pid, c.pid);
	assert_true(WIFEXITED(end.status));
	assert_int_equal(WEXITSTATUS(end.status), 7);
	assert_int_equal(waitpid(c.pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	serve_one_batch();
	assert_int_equal(end.told, 1);
}

static void a_childs_signal_is_told(void **state)
{
	struct ending end = { 0 };
	struct ev_child c = { .fn = take_ending, .object = &end };
	struct hy_err e = { 0 };
	int hold;

	(void)state;
	c.pid = child_on_hold(&hold, 0);
	assert_int_equal(ev_child_watch(&loop, &c, &e), 0);
	kill(c.pid, SIGKILL);
	serve_until(&end.told, 1);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGKILL);
	close(hold);
}

static void a_forgotten_child_is_neither_told_nor_reaped(void **state)
{
	struct ending end = { 0 };
	struct ev_child c = { .fn = take_ending, .object = &end };
	struct hy_err e = { 0 };
	int hold, status;

	(void)state;
	c.pid = child_on_hold(&hold, 0);
	assert_int_equal(ev_child_watch(&loop, &c, &e), 0);
	ev_child_forget(&c);
	close(hold);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	serve_one_batch();
	assert_int_equal(end.told, 0);
	assert_int_equal(ev_child_watch(&loop, &c, &e), -ESRCH);
	assert_int_equal(e.num, ESRCH);
}

/* What a parent that ignores SIGCHLD hands down: nobody can be waited for. */
static void a_child_that_was_reaped_elsewhere_does_not_keep_the_loop_busy(void **state)
{
	struct ending end = { 0 };
	struct ev_child c = { .fn = take_ending, .object = &end };
	struct epoll_event ready;
	struct hy_err e = { 0 };
	int hold;

	(void)state;
	c.pid = child_on_hold(&hold, 0);
	assert_int_equal(ev_child_watch(&loop, &c, &e), 0);
	close(hold);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
	serve_one_batch();
	assert_int_equal(epoll_wait(loop.epfd, &ready, 1, 0), 0);
	if (c.pidfd >= 0)
		ev_child_forget(&c);
}

/* -- signals, end -- */

static int signals_seen;
static int last_signal;

static void on_signal(void *object, int signo)
{
	assert_ptr_equal(object, &signals_seen);
	signals_seen++;
	last_signal = signo;
}

static void signals_come_as_events(void **state)
{
	static const int wanted[] = { SIGUSR1, SIGUSR2, 0 };
	struct hy_err e = { 0 };
	sigset_t before;

	(void)state;
	sigprocmask(SIG_BLOCK, NULL, &before);
	assert_int_equal(ev_signals(&loop, wanted, on_signal, &signals_seen, &e), 0);
	serve_one_batch();
	assert_int_equal(signals_seen, 0);
	kill(getpid(), SIGUSR1);	/* blocked: it would end the process otherwise */
	assert_int_equal(signals_seen, 0);
	serve_until(&signals_seen, 1);
	assert_int_equal(last_signal, SIGUSR1);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	serve_until(&signals_seen, 3);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void stop_now(void *object)
{
	ev_stop(object, 5);
}

static void run_returns_what_stop_was_given(void **state)
{
	struct ev_timer t = { .fn = stop_now, .object = &loop };
	struct hy_err e = { 0 };

	(void)state;
	ev_timer_set(&loop, &t, 0);
	assert_int_equal(ev_run(&loop, &e), 5);
}

static void the_table_has_a_largest_size(void **state)
{
	struct ev_loop large;
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(ev_open(&large, HY_EV_FDS_MAX + 1, &e), 0);
	assert_int_equal(large.n_slots, HY_EV_FDS_MAX);
	ev_close(&large);
	assert_int_equal(large.epfd, -1);
	assert_null(large.slots);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(an_event_for_a_removed_descriptor_is_thrown_away),
		LOOP_TEST(a_reused_number_does_not_get_its_predecessors_event),
		LOOP_TEST(a_failing_handler_loses_only_its_own_peer),
		LOOP_TEST(who_removed_itself_is_not_dropped),
		LOOP_TEST(events_can_be_changed),
		LOOP_TEST(descriptors_outside_the_table_are_refused),
		LOOP_TEST(timers_fire_in_order_and_never_early),
		LOOP_TEST(a_full_table_refuses_one_more_timer),
		LOOP_TEST(the_heap_stays_one_under_random_sets_and_cancels),
		LOOP_TEST(a_timer_can_cancel_one_that_is_due_too),
		LOOP_TEST(a_timer_set_again_from_itself_waits_for_the_next_round),
		LOOP_TEST(the_end_of_a_child_is_told_once_and_reaped),
		LOOP_TEST(a_childs_signal_is_told),
		LOOP_TEST(a_forgotten_child_is_neither_told_nor_reaped),
		LOOP_TEST(a_child_that_was_reaped_elsewhere_does_not_keep_the_loop_busy),
		LOOP_TEST(signals_come_as_events),
		LOOP_TEST(run_returns_what_stop_was_given),
		cmocka_unit_test(the_table_has_a_largest_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
