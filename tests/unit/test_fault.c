/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fault.c - fault steps: each action, at the time asked for and once, and malformed orders
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/fault.h"

#define SURVIVED 42

static int forget_order(void **state)
{
	(void)state;
	unsetenv("HYLICS_FAULT");
	return hy_fault_init() != NULL;
}

static void order(const char *text)
{
	setenv("HYLICS_FAULT", text, 1);
	assert_null(hy_fault_init());
}

static void without_an_order_nothing_happens(void **state)
{
	(void)state;
	for (unsigned int step = 0; step < FAULT_STEPS; step++) {
		assert_false(hy_fault_due(step));
		assert_int_equal(hy_fault(step), 0);
	}
}

static void fail_and_drop_act_once(void **state)
{
	(void)state;
	order("chan.open:fail");
	assert_true(hy_fault_due(FAULT_CHAN_OPEN));
	assert_int_equal(hy_fault(FAULT_CHAN_OPEN), -EIO);
	assert_false(hy_fault_due(FAULT_CHAN_OPEN));
	assert_int_equal(hy_fault(FAULT_CHAN_OPEN), 0);
	order("chan.up:drop");
	assert_int_equal(hy_fault(FAULT_CHAN_UP), -ECANCELED);
	assert_int_equal(hy_fault(FAULT_CHAN_UP), 0);
}

static void every_step_can_be_named(void **state)
{
#define X(step, name, what) { step, name ":fail" },
	static const struct {
		enum hy_fault_step step;
		const char *order;
	} steps[] = { HY_FAULT_STEPS(X) };
#undef X

	(void)state;
	for (unsigned int i = 0; i < FAULT_STEPS; i++) {
		order(steps[i].order);
		for (unsigned int step = 0; step < FAULT_STEPS; step++) {
			if (step != steps[i].step)
				assert_int_equal(hy_fault(step), 0);
		}
		assert_int_equal(hy_fault(steps[i].step), -EIO);
	}
}

static void count_says_at_which_time(void **state)
{
	(void)state;
	order("soak.middle:fail:3");
	for (int time = 1; time <= 5; time++) {
		assert_int_equal(hy_fault_due(FAULT_SOAK_MIDDLE), time == 3);
		assert_int_equal(hy_fault_due(FAULT_SOAK_MIDDLE), time == 3);	/* only looks */
		assert_int_equal(hy_fault(FAULT_CHAN_UP), 0);	/* another step's time */
		assert_int_equal(hy_fault(FAULT_SOAK_MIDDLE), time == 3 ? -EIO : 0);
	}
}

static void several_orders_act_each_at_its_time(void **state)
{
	(void)state;
	order("chan.up:fail:2,chan.open:drop,chan.up:drop:3,chan.greet:fail");
	assert_int_equal(hy_fault(FAULT_CHAN_UP), 0);
	assert_true(hy_fault_due(FAULT_CHAN_UP));
	assert_int_equal(hy_fault(FAULT_CHAN_OPEN), -ECANCELED);
	assert_int_equal(hy_fault(FAULT_CHAN_UP), -EIO);
	assert_int_equal(hy_fault(FAULT_CHAN_UP), -ECANCELED);
	assert_int_equal(hy_fault(FAULT_CHAN_UP), 0);
	assert_int_equal(hy_fault(FAULT_CHAN_GREET), -EIO);
}

/* A child that comes to a step under an order; its status as waitpid() gives it. */
static int child_at_step(const char *text, int wait_flags, pid_t *pid)
{
	int status;

	order(text);
	*pid = fork();
	assert_true(*pid >= 0);
	if (*pid == 0) {
		hy_fault(FAULT_CHAN_GREET);
		_exit(SURVIVED);
	}
	assert_int_equal(waitpid(*pid, &status, wait_flags), *pid);
	return status;
}

static void kill_ends_the_process(void **state)
{
	pid_t pid;
	int status = child_at_step("chan.greet:kill", 0, &pid);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	status = child_at_step("chan.greet:kill:2", 0, &pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SURVIVED);
}

static void stop_stops_the_process_until_it_is_continued(void **state)
{
	pid_t pid;
	int status = child_at_step("chan.greet:stop", WUNTRACED, &pid);

	(void)state;
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGSTOP);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), SURVIVED);
}

static void delay_goes_on_after_a_while(void **state)
{
	uint64_t from_ms;

	(void)state;
	order("chan.up:delay-30");
	from_ms = hy_clock_ms();
	assert_int_equal(hy_fault(FAULT_CHAN_UP), 0);
	assert_true(hy_clock_ms() - from_ms >= 29);	/* both ends are rounded down */
	order("chan.up:delay-0");
	assert_int_equal(hy_fault(FAULT_CHAN_UP), 0);
}

/* Every one of these would make a kill test pass without having killed anything. */
static void check_refused(const char *const *texts)
{
	for (; *texts; texts++) {
		setenv("HYLICS_FAULT", *texts, 1);
		if (!hy_fault_init())
			print_message("# taken: '%s'\n", *texts);
		assert_non_null(hy_fault_init());
	}
}

static void unknown_steps_and_actions_are_told(void **state)
{
	static const char *const texts[] = {
		"", ":", "kill", "chan.open", "chan.open:", "chan.ope:kill", "chan.openn:kill",
		"CHAN.OPEN:kill", "chan.open:kil", "chan.open:killl", "chan.open::1",
		"chan.open:delay", "chan.open:delay-5x", "chan.open: kill", ",",
		"chan.open:kill,", ",chan.open:kill", "chan.open,kill", "chan.open:kill,chan.up",
		"chan.up:kill,chan.up:kill,chan.up:kill,chan.up:kill,chan.up:kill", NULL,
	};

	(void)state;
	check_refused(texts);
	assert_false(hy_fault_ordered());
}

static void malformed_numbers_are_told(void **state)
{
	static const char *const texts[] = {
		"chan.open:kill:", "chan.open:kill:0", "chan.open:kill:x", "chan.open:kill:1x",
		"chan.open:kill:1:2", "chan.open:kill:-1", "chan.open:delay-",
		"chan.open:delay--1", "chan.open:kill:99999999999999999999", NULL,
	};

	(void)state;
	check_refused(texts);
}

#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, forget_order, forget_order)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULT_TEST(without_an_order_nothing_happens),
		FAULT_TEST(fail_and_drop_act_once),
		FAULT_TEST(every_step_can_be_named),
		FAULT_TEST(count_says_at_which_time),
		FAULT_TEST(several_orders_act_each_at_its_time),
		FAULT_TEST(kill_ends_the_process),
		FAULT_TEST(stop_stops_the_process_until_it_is_continued),
		FAULT_TEST(delay_goes_on_after_a_while),
		FAULT_TEST(unknown_steps_and_actions_are_told),
		FAULT_TEST(malformed_numbers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
