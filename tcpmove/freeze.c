/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * freeze.c - a connection stops, goes on, or ends, and the peer sees none of it
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/own.h"
#include "tcpmove/image.h"
#include "tcpmove/sockopt.h"

static int loaded = -1;			/* a program that drops all */

int tcp_freeze_load(void)
{
	static const struct bpf_insn drop_all[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)drop_all;
	attr.insn_cnt = sizeof(drop_all) / sizeof(drop_all[0]);
	attr.license = (uintptr_t)"GPL";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

void tcp_freeze_use(int program)
{
	loaded = program;
}

/* syscalls: setsockopt(_, SOL_SOCKET, SO_ATTACH_BPF) */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_ATTACH_FILTER) */
int tcp_freeze(int sock, struct hy_err *e)
{
	struct sock_filter drop_all = { .code = BPF_RET | BPF_K, .k = 0 };
	struct sock_fprog prog = { .len = 1, .filter = &drop_all };

	if (loaded >= 0 && sockopt_set(sock, SOL_SOCKET, SO_ATTACH_BPF, loaded) == 0)
		return 0;
	if (setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return hy_err_set(e, errno, "freeze a connection");
	return 0;
}

/* syscalls: setsockopt(_, SOL_SOCKET, SO_DETACH_FILTER) */
int tcp_thaw(int sock, struct hy_err *e)
{
	int rc = sockopt_set(sock, SOL_SOCKET, SO_DETACH_FILTER, 0);

	return rc && rc != -ENOENT ? hy_err_set(e, -rc, "thaw a connection") : 0;
}

/*
 * The queue is given up while nothing arrives: with SEND_QUEUE chosen the first acknowledgement
 * would book all unsent bytes as sent. Repair mode is left when things arrive again: it asks the
 * peer, whose answer tells what it acknowledged meanwhile, and makes the kernel go on sending.
 * Leaving repair mode clears SO_REUSEADDR; what it was stands there, see tcp_dump().
 */
/* syscalls: setsockopt(_, IPPROTO_TCP), setsockopt(_, SOL_SOCKET, SO_REUSEADDR) */
static int leave_repair(int sock, struct hy_err *e)
{
	int reuse = 0;
	int rc = sockopt_get(sock, SOL_SOCKET, SO_REUSEADDR, &reuse);

	if (rc)
		return hy_err_set(e, -rc, "ask for SO_REUSEADDR");
	rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE, e);
	if (!rc)
		rc = tcp_thaw(sock, e);
	if (!rc)
		rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF, e);
	if (!rc)
		rc = sockopt_try(sock, SOL_SOCKET, SO_REUSEADDR, reuse == 1, "SO_REUSEADDR", e);
	return rc;
}

int tcp_undo(int sock, struct hy_err *e)
{
	int repair = 0;
	int rc = sockopt_get(sock, IPPROTO_TCP, TCP_REPAIR, &repair);

	if (rc)
		return hy_err_set(e, -rc, "ask for TCP_REPAIR");
	return repair ? leave_repair(sock, e) : tcp_thaw(sock, e);
}

/* syscalls: connect */
static int disconnect(int sock)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	return connect(sock, &nobody, sizeof(nobody)) < 0 ? -errno : 0;
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
int tcp_silence(int sock, struct hy_err *e)
{
	int aborted = 0;
	int rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON, e);

	if (rc)
		return rc;
	rc = disconnect(sock);
	if (rc)
		return hy_err_set(e, -rc, "disconnect in repair mode");
	/* reading ECONNABORTED clears it: the program never did anything wrong */
	sockopt_get(sock, SOL_SOCKET, SO_ERROR, &aborted);
	return 0;
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
void tcp_vanish(int *sock)
{
	/* a duplicate elsewhere would keep the connection: so it is ended, not only closed */
	if (*sock >= 0 && sockopt_set(*sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON) == 0)
		disconnect(*sock);
	hy_fd_close(sock);
}
