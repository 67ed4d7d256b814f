/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sandbox.c - the stages of the sandbox, each in a child that goes through it for good
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sandbox.h"

/* Numbers no test harness uses. */
#define STRAY_LOW 61
#define KEPT 62
#define STRAY_HIGH 99

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* Runs @stage in a child: it returns the number of the first check that did not hold, or 0. */
static int status_of(int (*stage)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(stage());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void check_stage(int (*stage)(void))
{
	int status = status_of(stage);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* -- started -- */

static int strays_are_closed(void)
{
	struct hy_err e = { 0 };

	if (dup2(0, STRAY_LOW) < 0 || dup2(0, KEPT) < 0 || dup2(0, STRAY_HIGH) < 0)
		return 1;
	if (hy_sandbox_started(KEPT, &e) < 0)
		return 2;
	if (is_open(STRAY_LOW) || is_open(STRAY_HIGH))
		return 3;
	if (!is_open(KEPT))
		return 4;
	if (hy_sandbox_started(-1, &e) < 0)
		return 5;
	for (int fd = 3; fd < 4096; fd++) {
		if (is_open(fd))
			return 6;
	}
	return is_open(0) && is_open(1) && is_open(2) ? 0 : 7;
}

static void inherited_descriptors_are_closed_but_for_the_one_named(void **state)
{
	(void)state;
	check_stage(strays_are_closed);
}

/* A kernel before 5.9, which a guest may have. */
static int strays_are_closed_by_an_old_kernel(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(close_range), 0) : -1;

	if (rc < 0 || seccomp_load(ctx) < 0)
		return 100;
	seccomp_release(ctx);
	return strays_are_closed();
}

static void inherited_descriptors_are_closed_without_close_range_too(void **state)
{
	(void)state;
	check_stage(strays_are_closed_by_an_old_kernel);
}

static int lowest_may_be_kept(void)
{
	struct hy_err e = { 0 };

	if (dup2(0, 3) < 0 || dup2(0, 4) < 0)
		return 1;
	if (hy_sandbox_started(3, &e) < 0)
		return 2;
	return is_open(3) && !is_open(4) ? 0 : 3;
}

static void a_kept_descriptor_may_be_the_lowest(void **state)
{
	(void)state;
	check_stage(lowest_may_be_kept);
}

static int closed_stdio_is_filled(void)
{
	struct hy_err e = { 0 };
	int next;

	close(0);
	close(2);
	if (hy_sandbox_started(-1, &e) < 0)
		return 1;
	if (!is_open(0) || !is_open(1) || !is_open(2))
		return 2;
	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return next == 3 ? 0 : 3;	/* and nothing more than that was opened */
}

static void a_program_started_without_stdio_gets_dev_null(void **state)
{
	(void)state;
	check_stage(closed_stdio_is_filled);
}

static int process_gives_up(void)
{
	struct hy_err e = { 0 };
	struct sigaction pipe_action;

	if (hy_sandbox_started(-1, &e) < 0)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != HY_SANITIZED)
		return 3;
	if (sigaction(SIGPIPE, NULL, &pipe_action) < 0 || pipe_action.sa_handler != SIG_IGN)
		return 4;
	return 0;
}

static void no_dumps_no_new_privileges_no_pipe_signal(void **state)
{
	(void)state;
	check_stage(process_gives_up);
}

/* -- bare -- */

struct caps {
	uint64_t effective, permitted, inheritable;
};

static bool read_caps(struct caps *caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	caps->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	caps->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	caps->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return true;
}

static bool write_effective(uint64_t set)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)set, .permitted = (uint32_t)set },
		{ .effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32) },
	};

	return syscall(SYS_capset, &head, data) == 0;
}

static int bounding_is_down_to(uint64_t keep, bool may_drop)
{
	for (int cap = 0; cap < 64 && may_drop; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && !(keep & CAP_BIT(cap)))
			return 1;
	}
	return 0;
}

static int go_bare(uint64_t keep)
{
	struct caps before, after;
	struct hy_err e = { 0 };

	if (!read_caps(&before) || hy_sandbox_bare(keep, &e) < 0 || !read_caps(&after))
		return 1;
	if (after.permitted != (before.permitted & keep) || after.effective != after.permitted)
		return 2;
	if (after.inheritable != 0)
		return 3;
	if (bounding_is_down_to(keep, before.effective & CAP_BIT(CAP_SETPCAP)))
		return 4;
	/* what was there before and is not now cannot be had back */
	if (before.permitted != after.permitted && write_effective(before.permitted))
		return 5;
	return 0;
}

static int keep_two(void)
{
	/* one of each half of the set */
	return go_bare(CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_SYSLOG));
}

static int keep_none(void)
{
	return go_bare(0);
}

static int keep_more_than_there_is(void)
{
	int rc = go_bare(CAP_BIT(CAP_NET_ADMIN));

	return rc ? rc : go_bare(~UINT64_C(0));
}

static void capabilities_are_down_to_those_named(void **state)
{
	(void)state;
	check_stage(keep_two);
	check_stage(keep_none);
}

static void naming_a_capability_does_not_give_it(void **state)
{
	(void)state;
	check_stage(keep_more_than_there_is);
}

/* -- sealed -- */

#if HY_SANITIZED

#define NOT_SEALED " # SKIP nothing is sealed in a build with a sanitizer"

static void sealing_succeeds(void **state)
{
	static const struct hy_syscall none[] = { { .name = NULL } };
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(hy_sandbox_sealed(none, &e), 0);
}

static const struct CMUnitTest sealed_tests[] = {
	{ "listed_calls_work_and_unknown_names_are_left_out" NOT_SEALED, sealing_succeeds,
	  NULL, NULL, NULL },
	{ "a_call_off_the_list_ends_the_process" NOT_SEALED, sealing_succeeds, NULL, NULL, NULL },
};

#else

static const struct hy_syscall few[] = {
	{ .name = "getppid" }, { .name = "exit_group" }, { .name = "no_call_of_this_name" },
	{ .name = NULL },
};

static int seal(const struct hy_syscall *list)
{
	struct hy_err e = { 0 };

	if (hy_sandbox_started(-1, &e) < 0)
		return 1;
	return hy_sandbox_sealed(list, &e) < 0 ? 2 : 0;
}

static int call_what_is_listed(void)
{
	int rc = seal(few);

	return rc ? rc : !(syscall(SYS_getppid) > 0);
}

static int call_what_is_not(void)
{
	int rc = seal(few);

	if (rc)
		return rc;
	syscall(SYS_getuid);
	return 3;
}

static void listed_calls_work_and_unknown_names_are_left_out(void **state)
{
	(void)state;
	check_stage(call_what_is_listed);
}

static void a_call_off_the_list_ends_the_process(void **state)
{
	int status = status_of(call_what_is_not);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static const struct CMUnitTest sealed_tests[] = {
	cmocka_unit_test(listed_calls_work_and_unknown_names_are_left_out),
	cmocka_unit_test(a_call_off_the_list_ends_the_process),
};

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inherited_descriptors_are_closed_but_for_the_one_named),
		cmocka_unit_test(inherited_descriptors_are_closed_without_close_range_too),
		cmocka_unit_test(a_kept_descriptor_may_be_the_lowest),
		cmocka_unit_test(a_program_started_without_stdio_gets_dev_null),
		cmocka_unit_test(no_dumps_no_new_privileges_no_pipe_signal),
		cmocka_unit_test(capabilities_are_down_to_those_named),
		cmocka_unit_test(naming_a_capability_does_not_give_it),
		sealed_tests[0],
		sealed_tests[1],
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
