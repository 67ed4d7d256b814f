/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - the stages in which a process gives up what it does not need
 *
 * Runs in: every daemon
 * Reads from: no untrusted input
 *
 * DOC: Stages
 *
 * started	First thing in main(). No descriptors but 0, 1, 2 and those the starter named;
 *		no core dump or ptrace by the same user; no new privileges by exec; SIGPIPE ignored.
 *		May: read configuration, open files and sockets. Must not: read from a peer.
 * bare		Capabilities are down to a given set, and cannot come back.
 *		May: what those few allow. Must not: gain any other.
 * sealed	System calls are down to a list. May: serve. Must not: make a call that is not on
 *		the list; one ends the process.
 *
 * A process goes through them in this order and never back. (Namespaces are set by whoever
 * starts the process; into its own root it goes between started and bare: room.h.)
 */
#ifndef HY_SANDBOX_H
#define HY_SANDBOX_H

#include <stdint.h>

#include "common/err.h"

/* A sanitizer needs system calls of its own, and its leak check attaches to the process. */
#if defined(__SANITIZE_ADDRESS__)
#define HY_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HY_SANITIZED 1
#endif
#endif
#ifndef HY_SANITIZED
#define HY_SANITIZED 0
#endif

/**
 * hy_sandbox_started() - First stage
 * @keep_fd:	A descriptor above 2 that was handed over on purpose, or -1
 * @e:		Error
 */
int hy_sandbox_started(int keep_fd, struct hy_err *e);

/**
 * hy_sandbox_bare() - Second stage: drop capabilities
 * @keep:	Bits (1 << CAP_X) that stay in the effective and permitted sets, if they are there
 * @e:		Error
 */
int hy_sandbox_bare(uint64_t keep, struct hy_err *e);

/**
 * hy_sandbox_bounded() - A part of that: what is executed from here on has no others
 * @keep:	Bits (1 << CAP_X) that it may have
 * @e:		Error
 */
int hy_sandbox_bounded(uint64_t keep, struct hy_err *e);

#define HY_SYSCALL_ARGS_MAX 3

/* An argument must be @value under @mask: of 32 bits, as the kernel looks at no more of these. */
struct hy_syscall_arg {
	unsigned int number;		/* 0 is the first */
	uint32_t mask;
	uint32_t value;
};

/* A call that is allowed when all its @n arguments are as they must; one may have several rows. */
struct hy_syscall {
	const char *name;
	unsigned int n;
	struct hy_syscall_arg arg[HY_SYSCALL_ARGS_MAX];
};

/*
 * What a program may call once it is sealed, ended by a row without a name. The build makes it of
 * the notes beside the code the program is linked of (generated/syscalls.py):
 *
 *	syscalls: close, socket(AF_INET, SOCK_STREAM/0xf, 0), mmap(_, _, !PROT_EXEC)
 *
 * in a comment of its own, /MASK, any (_) and none of these bits (!BITS). A library's note stands
 * where it calls for sealed programs; "syscalls of hylics-agent: ..." holds for one of them.
 */
extern const struct hy_syscall hy_syscalls[];

/**
 * hy_sandbox_sealed() - Third stage: allow only listed system calls
 * @list:	Ended by a row without a name; a call unknown to this machine is left out
 * @e:		Error
 *
 * In builds with a sanitizer, which needs calls of its own, nothing is sealed (and the process
 * stays dumpable for its leak check).
 */
int hy_sandbox_sealed(const struct hy_syscall *list, struct hy_err *e);

#endif
