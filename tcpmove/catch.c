/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * catch.c - a program that freezes connections, and keeps what they do not hear
 *
 * Runs in: hylics-agent, hylics-worker; loaded by hylics-agent, hylics-keeper
 * Reads from: the kernel
 *
 * The program is written by hand: 43 instructions are no reason for a compiler and a loader in
 * each guest.
 */
#include "tcpmove/catch.h"

#include <errno.h>
#include <linux/bpf.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/own.h"

/* What the program writes in front of each segment. */
struct head {
	uint64_t cookie;
	uint64_t len;
};

#define HEAD ((int)sizeof(struct head))

/*
 * The verifier wants to know the room for a record when the program is loaded, so there are three
 * sizes: for acknowledgements, for a frame of an Ethernet, for what was put together of many.
 */
#define SMALL 112
#define MIDDLE 2032
#define LARGE HY_LATE_MAX

#define SET(dst, src) { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (dst), .src_reg = (src) }
#define SET_TO(dst, value) { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (dst), .imm = (value) }
#define ADD_TO(dst, value) { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (dst), .imm = (value) }
#define LOAD32(dst, src, at) \
	{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = (dst), .src_reg = (src), .off = (at) }
#define STORE64(dst, at, src) \
	{ .code = BPF_STX | BPF_DW | BPF_MEM, .dst_reg = (dst), .src_reg = (src), .off = (at) }
#define CALL(func) { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_##func }
#define GO(by) { .code = BPF_JMP | BPF_JA, .off = (by) }
#define GO_IF(op, dst, value, by) \
	{ .code = BPF_JMP | (op) | BPF_K, .dst_reg = (dst), .imm = (value), .off = (by) }
#define RING(dst, fd) \
	{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = (dst), .src_reg = BPF_PSEUDO_MAP_FD, \
	  .imm = (fd) }, { 0 }
#define RESERVE(fd, len) \
	RING(BPF_REG_1, fd), SET_TO(BPF_REG_2, HEAD + (len)), SET_TO(BPF_REG_3, 0), \
	CALL(ringbuf_reserve)
#define END { .code = BPF_JMP | BPF_EXIT }

/* The data of a socket's filter begins with the TCP header. */
static int load(int ring)
{
	const struct bpf_insn catch_and_drop[] = {
		SET(BPF_REG_6, BPF_REG_1),
		LOAD32(BPF_REG_7, BPF_REG_6, offsetof(struct __sk_buff, len)),
		GO_IF(BPF_JLT, BPF_REG_7, (int)sizeof(struct tcphdr), 38),
		GO_IF(BPF_JGT, BPF_REG_7, SMALL, 6),
		RESERVE(ring, SMALL),
		GO(13),
		GO_IF(BPF_JGT, BPF_REG_7, MIDDLE, 6),
		RESERVE(ring, MIDDLE),
		GO(6),
		GO_IF(BPF_JGT, BPF_REG_7, LARGE, 23),
		RESERVE(ring, LARGE),
		/* 23: is there room? */
		GO_IF(BPF_JEQ, BPF_REG_0, 0, 17),
		SET(BPF_REG_8, BPF_REG_0),
		SET(BPF_REG_1, BPF_REG_6),
		CALL(get_socket_cookie),
		STORE64(BPF_REG_8, offsetof(struct head, cookie), BPF_REG_0),
		STORE64(BPF_REG_8, offsetof(struct head, len), BPF_REG_7),
		SET(BPF_REG_1, BPF_REG_6),
		SET_TO(BPF_REG_2, 0),
		SET(BPF_REG_3, BPF_REG_8),
		ADD_TO(BPF_REG_3, HEAD),
		SET(BPF_REG_4, BPF_REG_7),
		CALL(skb_load_bytes),
		SET(BPF_REG_1, BPF_REG_8),
		SET_TO(BPF_REG_2, BPF_RB_NO_WAKEUP),
		GO_IF(BPF_JNE, BPF_REG_0, 0, 2),
		CALL(ringbuf_submit),
		GO(1),
		CALL(ringbuf_discard),
		/* 41: drop */
		SET_TO(BPF_REG_0, 0),
		END,
	};
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)catch_and_drop;
	attr.insn_cnt = sizeof(catch_and_drop) / sizeof(catch_and_drop[0]);
	attr.license = (uintptr_t)"GPL";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

static int make_ring(void)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_RINGBUF;
	attr.max_entries = HY_LATE_RING;
	fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

int tcp_catch_load(int *ring, struct hy_err *e)
{
	hy_autofd fd = make_ring();
	int program;

	if (fd < 0)
		return hy_err_set(e, -fd, "a ring for what frozen connections do not hear");
	program = load(fd);
	if (program < 0)
		return hy_err_set(e, -program, "load a program that freezes connections");
	*ring = hy_fd_steal(&fd);
	return program;
}

/* One page for us to write, one for the kernel to, and the records, mapped twice. */
int tcp_catch_open(struct tcp_catch *c, int ring, struct hy_err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *own = MAP_FAILED, *its;

	*c = (struct tcp_catch){ 0 };
	its = mmap(NULL, page + 2 * (size_t)HY_LATE_RING, PROT_READ, MAP_SHARED, ring, (off_t)page);
	if (its != MAP_FAILED)
		own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	if (own == MAP_FAILED) {
		int rc = hy_err_set(e, errno, "map what frozen connections do not hear");

		if (its != MAP_FAILED)
			munmap(its, page + 2 * (size_t)HY_LATE_RING);
		return rc;
	}
	c->forgotten = own;
	c->end = its;
	c->records = (const uint8_t *)its + page;
	return 0;
}

void tcp_catch_close(struct tcp_catch *c)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (c->forgotten) {
		munmap(c->forgotten, page);
		munmap((void *)(uintptr_t)c->end, page + 2 * (size_t)HY_LATE_RING);
	}
	*c = (struct tcp_catch){ 0 };
}

bool tcp_catch_is_open(const struct tcp_catch *c)
{
	return c->forgotten;
}

/* syscalls: getsockopt */
uint64_t tcp_catch_cookie(int sock)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

uint64_t tcp_catch_end(const struct tcp_catch *c)
{
	return __atomic_load_n(c->end, __ATOMIC_ACQUIRE);
}

/* Before each record the kernel writes its length and two bits about it, and 4 bytes of its own. */
static uint32_t mark_at(const struct tcp_catch *c, uint64_t place)
{
	const uint32_t *mark = (const void *)(c->records + place % HY_LATE_RING);

	return __atomic_load_n(mark, __ATOMIC_ACQUIRE);
}

static uint64_t behind(uint64_t place, uint32_t mark)
{
	uint64_t len = (mark & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)) +
		       (uint64_t)BPF_RINGBUF_HDR_SZ;

	return place + (len + 7) / 8 * 8;
}

bool tcp_catch_next(const struct tcp_catch *c, uint64_t *place, struct tcp_caught *got)
{
	uint64_t first = *c->forgotten, end = tcp_catch_end(c);

	if (*place < first)
		*place = first;
	while (*place < end) {
		uint32_t mark = mark_at(c, *place);
		const uint8_t *record = c->records + *place % HY_LATE_RING + BPF_RINGBUF_HDR_SZ;
		struct head h;

		if (mark & BPF_RINGBUF_BUSY_BIT)
			return false;
		*place = behind(*place, mark);
		if (mark & BPF_RINGBUF_DISCARD_BIT)
			continue;
		memcpy(&h, record, sizeof(h));
		*got = (struct tcp_caught){ h.cookie, record + HEAD, h.len };
		return true;
	}
	return false;
}

/* Not over one that is just being copied: the kernel would write another into it. */
void tcp_catch_forget(const struct tcp_catch *c, uint64_t place)
{
	uint64_t first = *c->forgotten, at = first;

	while (at < place) {
		uint32_t mark = mark_at(c, at);

		if (mark & BPF_RINGBUF_BUSY_BIT)
			break;
		at = behind(at, mark);
	}
	if (at != first)
		__atomic_store_n(c->forgotten, at, __ATOMIC_RELEASE);
}
