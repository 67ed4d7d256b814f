/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sealed.c - every system call there is, tried by a process sealed as a program's list says
 *
 * Runs in: the unit tests, once for each program that is sealed
 * Reads from: no untrusted input
 *
 * Each call is made in a child of its own, which is sealed, makes it with arguments that mean
 * nothing, and ends. A call that is refused ends it with SIGSYS.
 *
 * Calls that are listed are made too, and with a list that is broken all are. So nothing here runs
 * but in a pid namespace of its own (without rights over the machine, where a user namespace can be
 * had), and a signal is sent to a process that cannot be.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sandbox.h"
#include "proto/option.h"

#define ARGS 6
#define NUMBERS 1024			/* far more than there are */
#define X32 0x40000000u			/* what tells such a call from others */
#define NOTHING UINT64_C(0xffffffffffffffff)
#define DONE 7				/* the call came back */
#define PIDS_MAX 100000			/* of this namespace, which is young */
#define NOBODY INT32_MAX		/* no process has this number */

/* Set by iptables, as linux/netfilter_ipv4/ip_tables.h has it. */
#define REPLACE_RULES 64

typedef int (*maker)(uint32_t number, const uint64_t *arg);

static int make_call(uint32_t number, const uint64_t *arg)
{
	return (int)syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

/* Process 1 of a namespace is its parent: what it signals is in there with it. */
static _Noreturn void be_sealed(maker make, uint32_t number, const uint64_t *arg)
{
	struct hy_err e = { 0 };

	if (getppid() != 1 || getpid() > PIDS_MAX)
		_exit(1);
	setsid();			/* for vhangup() */
	signal(SIGILL, SIG_DFL);	/* the harness would report it, with calls of its own */
	alarm(60);			/* none waits for so long, however slow the machine is */
	if (hy_sandbox_sealed(hy_syscalls, &e) < 0)
		_exit(1);
	make(number, arg);
	_exit(DONE);
}

/* Return: whether the call was refused; what else can end a child is a failure */
static bool is_refused_by(maker make, uint32_t number, const uint64_t *arg)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		be_sealed(make, number, arg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_not_equal(WEXITSTATUS(status), 1);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool is_refused(uint32_t number, const uint64_t *arg)
{
	return is_refused_by(make_call, number, arg);
}

/* Arguments a row allows; beyond them, what no call can use. */
static void fill(const struct hy_syscall *s, uint64_t *arg)
{
	for (unsigned int i = 0; i < ARGS; i++)
		arg[i] = NOTHING;
	if (s->name && strcmp(s->name, "kill") == 0)
		arg[0] = NOBODY;
	for (unsigned int i = 0; i < s->n; i++)
		arg[s->arg[i].number] = (~s->arg[i].mask & NOTHING >> 33) | s->arg[i].value;
}

static const struct hy_syscall *row_of(uint32_t number)
{
	for (const struct hy_syscall *s = hy_syscalls; s->name; s++) {
		if (seccomp_syscall_resolve_name(s->name) == (int)number)
			return s;
	}
	return NULL;
}

/* As the table says it, not as the kernel does. */
static bool is_allowed(const char *name, const uint64_t *arg)
{
	for (const struct hy_syscall *s = hy_syscalls; s->name; s++) {
		bool fits = strcmp(s->name, name) == 0;

		for (unsigned int i = 0; i < s->n; i++)
			fits &= (arg[s->arg[i].number] & s->arg[i].mask) == s->arg[i].value;
		if (fits)
			return true;
	}
	return false;
}

static void only_known_names_are_listed(void **state)
{
	(void)state;
	for (const struct hy_syscall *s = hy_syscalls; s->name; s++) {
		if (seccomp_syscall_resolve_name(s->name) == __NR_SCMP_ERROR)
			fail_msg("'%s' is no system call", s->name);
	}
}

/* A process that may do these could undo what its list is for. */
static void nothing_that_would_undo_the_seal_is_listed(void **state)
{
	static const char *const never[] = {
		"bpf", "capset", "chroot", "clone", "clone3", "execve", "execveat", "fork",
		"io_uring_enter", "io_uring_setup", "kexec_load", "keyctl", "mount",
		"move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree",
		"perf_event_open", "pidfd_getfd", "pivot_root", "prctl", "process_vm_readv",
		"process_vm_writev", "ptrace", "seccomp", "setns", "setuid", "umount2", "unshare",
		"userfaultfd", "vfork",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		for (const struct hy_syscall *s = hy_syscalls; s->name; s++)
			assert_string_not_equal(s->name, never[i]);
	}
}

/*
 * uretprobe() and uprobe() of x86-64: a kernel that has them (6.11, 6.18) asks no filter about
 * them, and lets nobody do anything by them but from the page it has put a probe into.
 */
static bool is_beyond_filters(uint32_t number)
{
#ifdef __x86_64__
	return number == 335 || number == 336;
#else
	(void)number;
	return false;
#endif
}

static void check_number(uint32_t number)
{
	const struct hy_syscall *s = row_of(number);
	uint64_t arg[ARGS];

	if (is_beyond_filters(number))
		return;
	fill(s ? s : &(struct hy_syscall){ .n = 0 }, arg);
	if (is_refused(number, arg) == (s != NULL))
		fail_msg("system call %u (%s) is %s", number, s ? s->name : "not listed",
			 s ? "refused" : "not refused");
}

static void every_number_that_is_not_listed_is_refused(void **state)
{
	static const uint32_t huge[] = { 4096, 65535, 65536, X32 - 1, INT32_MAX,
					 UINT32_C(1) << 31, UINT32_MAX - 1, UINT32_MAX };

	(void)state;
	for (uint32_t number = 0; number < NUMBERS; number++)
		check_number(number);
	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++)
		check_number(huge[i]);
}

/* -- arguments -- */

static void check_arguments(const char *name, const uint64_t *arg)
{
	bool allowed = is_allowed(name, arg);

	if (is_refused((uint32_t)seccomp_syscall_resolve_name(name), arg) == allowed)
		fail_msg("%s(%#llx, %#llx, %#llx) is %s", name, (unsigned long long)arg[0],
			 (unsigned long long)arg[1], (unsigned long long)arg[2],
			 allowed ? "refused" : "not refused");
}

/* Each argument of each row: a bit that must not differ does, and it is another row's or none's. */
static void every_row_holds_for_its_arguments_alone(void **state)
{
	uint64_t arg[ARGS];

	(void)state;
	for (const struct hy_syscall *s = hy_syscalls; s->name; s++) {
		if (!s->n)
			continue;
		fill(s, arg);
		check_arguments(s->name, arg);
		for (unsigned int i = 0; i < s->n; i++) {
			const struct hy_syscall_arg *a = &s->arg[i];

			fill(s, arg);
			arg[a->number] ^= a->mask & (~a->mask + 1);
			check_arguments(s->name, arg);
			arg[a->number] = ~(uint64_t)a->value & UINT32_MAX;
			check_arguments(s->name, arg);
		}
	}
}

static void every_family_of_sockets_but_those_listed_is_refused(void **state)
{
	(void)state;
	for (uint64_t family = 0; family <= AF_MAX; family++) {
		const uint64_t stream[ARGS] = { family, SOCK_STREAM | SOCK_CLOEXEC, 0 };
		const uint64_t raw[ARGS] = { family, SOCK_RAW, IPPROTO_RAW };

		check_arguments("socket", stream);
		check_arguments("socket", raw);
		assert_false(is_allowed("socket", raw));
	}
}

static const struct { const char *name; uint64_t arg[ARGS]; } attacks[] = {
	{ "ioctl", { 0, TIOCSTI } }, { "ioctl", { 0, FIOASYNC } },
	{ "mmap", { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS } },
	{ "mprotect", { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC } },
	{ "setsockopt", { 0, IPPROTO_IP, REPLACE_RULES } },
	{ "setsockopt", { 0, IPPROTO_IPV6, REPLACE_RULES } },
	{ "setsockopt", { 0, SOL_SOCKET, SO_BINDTODEVICE } },
	{ "setsockopt", { 0, SOL_SOCKET, SO_RCVTIMEO } },
	{ "setsockopt", { 0, IPPROTO_IP, IP_OPTIONS } },
	{ "setsockopt", { 0, IPPROTO_IPV6, IPV6_RTHDR } },
	{ "socket", { AF_INET, SOCK_DGRAM, IPPROTO_ICMP } },
	{ "socket", { AF_INET, SOCK_STREAM, IPPROTO_SCTP } },
	{ "socket", { AF_PACKET, SOCK_RAW } }, { "socket", { AF_ALG, SOCK_SEQPACKET } },
	{ "kill", { NOBODY, SIGTERM } }, { "fcntl", { 0, F_SETOWN, 1 } },
};

static void what_an_attacker_would_want_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		assert_false(is_allowed(attacks[i].name, attacks[i].arg));
		check_arguments(attacks[i].name, attacks[i].arg);
	}
}

/* A worker sends datagrams for its guest; an agent has no business with any of its own. */
static void udp_is_the_workers_alone(void **state)
{
	const uint64_t udp[ARGS] = { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC };

	(void)state;
	assert_int_equal(is_allowed("socket", udp), CARRIES == OPTION_OF_COPY);
	check_arguments("socket", udp);
}

/* Options of connections: what this program carries out of the table it may set. */
static void options_that_are_carried_out_are_listed(void **state)
{
	(void)state;
	for (unsigned int id = 1; id < OPTIONS; id++) {
		const struct option_info *o = option_info(id);
		const uint64_t arg[ARGS] = { 0, (uint64_t)o->level, (uint64_t)o->name };

		if (o->keeper < CARRIES || !o->may_set)
			continue;
		if (!is_allowed("setsockopt", arg))
			fail_msg("%s is not listed", o->word);
		check_arguments("setsockopt", arg);
	}
}

/* -- other ABIs -- */

#ifdef __x86_64__

static void calls_of_x32_are_refused(void **state)
{
	const uint64_t arg[ARGS] = { NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING };

	(void)state;
	for (uint32_t number = 0; number < NUMBERS; number++) {
		if (!is_refused(X32 | number, arg))
			fail_msg("system call %u of x32 is not refused", number);
	}
}

static int make_old_call(uint32_t number, const uint64_t *arg)
{
	int rc;

	__asm__ volatile("int $0x80" : "=a"(rc) : "0"(number), "b"((uint32_t)arg[0]),
			 "c"((uint32_t)arg[1]), "d"((uint32_t)arg[2]) : "memory");
	return rc;
}

/* A kernel without such calls ends the process in a way of its own. */
static bool has_old_calls(void)
{
	const uint64_t none[ARGS] = { 0 };
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(make_old_call(20, none) == getpid() ? 0 : 1);	/* getpid() of i386 */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void calls_by_int_80_are_refused(void **state)
{
	const uint64_t arg[ARGS] = { NOTHING, NOTHING, NOTHING };

	(void)state;
	if (!has_old_calls())
		skip();
	for (uint32_t number = 0; number < NUMBERS / 2; number++) {
		if (!is_refused_by(make_old_call, number, arg))
			fail_msg("system call %u of i386 is not refused", number);
	}
}

#endif

/* A thousand processes that end badly are to leave no core dumps. */
static int no_dumps(void **state)
{
	const struct rlimit none = { 0, 0 };

	(void)state;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -1;
	return setrlimit(RLIMIT_CORE, &none);
}

static int try_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_known_names_are_listed),
		cmocka_unit_test(nothing_that_would_undo_the_seal_is_listed),
		cmocka_unit_test(every_number_that_is_not_listed_is_refused),
		cmocka_unit_test(every_row_holds_for_its_arguments_alone),
		cmocka_unit_test(every_family_of_sockets_but_those_listed_is_refused),
		cmocka_unit_test(what_an_attacker_would_want_is_refused),
		cmocka_unit_test(udp_is_the_workers_alone),
		cmocka_unit_test(options_that_are_carried_out_are_listed),
#ifdef __x86_64__
		cmocka_unit_test(calls_of_x32_are_refused),
		cmocka_unit_test(calls_by_int_80_are_refused),
#endif
	};

	return cmocka_run_group_tests(tests, no_dumps, NULL);
}

/* Process 1 of a namespace runs the tests: whatever they signal is in there with it. */
int main(void)
{
	int status = 1;
	pid_t pid;

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0 && unshare(CLONE_NEWPID) < 0) {
		printf("1..0 # SKIP no pid namespace can be made: %s\n", strerror(errno));
		return 0;
	}
	pid = fork();
	if (pid == 0)
		exit(getpid() == 1 ? try_all() : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
