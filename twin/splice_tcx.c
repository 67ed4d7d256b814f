/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_tcx.c - BPF programs at an interface without a qdisc, by links (Linux 6.6 and later)
 *
 * Runs in: hylicsd (root, in the host's network namespace)
 * Reads from: the kernel's answers
 */
#include "twin/splice_tcx.h"

#include "common/own.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the kernel's interface since 6.6; the headers may be older. */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define TCX_BEFORE (1u << 3)		/* BPF_F_BEFORE, with nobody named: before all */
#define TCX_PROGS 64			/* more at one hook the kernel does not allow */

static enum bpf_attach_type hook(bool egress)
{
	return egress ? TCX_EGRESS : TCX_INGRESS;
}

int tcx_link(unsigned int ifindex, bool egress, int prog_fd, struct hy_err *e)
{
	const struct bpf_link_create_opts opts = { .sz = sizeof(opts), .flags = TCX_BEFORE };
	int link = bpf_link_create(prog_fd, (int)ifindex, hook(egress), &opts);

	if (link == -EINVAL)		/* it has no such hook */
		link = -EOPNOTSUPP;
	if (link < 0)
		return hy_err_set(e, -link, "interface %u: making a tcx link", ifindex);
	return link;
}

void tcx_unlink(int *link)
{
	/* the interface may be gone, and what the link did with it */
	if (*link >= 0)
		bpf_link_detach(*link);
	hy_fd_close(link);
}

/* What BPF_PROG_QUERY is asked and answers, since 6.6. */
struct query {
	uint32_t ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t prog_ids;
	uint32_t count;
	uint32_t unused;
	uint64_t prog_attach_flags;
	uint64_t link_ids;
	uint64_t link_attach_flags;
	uint64_t revision;
};

struct hanging {
	uint32_t prog[TCX_PROGS];
	uint32_t link[TCX_PROGS];
	uint32_t n;
};

static struct hanging query(unsigned int ifindex, bool egress)
{
	struct hanging h = { 0 };
	struct query q = { .ifindex = ifindex, .attach_type = hook(egress), .count = TCX_PROGS,
			   .prog_ids = (uintptr_t)h.prog, .link_ids = (uintptr_t)h.link };

	if (syscall(SYS_bpf, BPF_PROG_QUERY, &q, sizeof(q)) == 0)
		h.n = q.count < TCX_PROGS ? q.count : TCX_PROGS;
	return h;
}

static bool is_named(uint32_t prog_id, const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	hy_autofd fd = bpf_prog_get_fd_by_id(prog_id);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	       strncmp(info.name, name, sizeof(info.name)) == 0;
}

bool tcx_has(unsigned int ifindex, bool egress, const char *name)
{
	const struct hanging h = query(ifindex, egress);

	for (uint32_t i = 0; i < h.n; i++) {
		if (is_named(h.prog[i], name))
			return true;
	}
	return false;
}

unsigned int tcx_sweep(unsigned int ifindex, bool egress, const char *name)
{
	const struct hanging h = query(ifindex, egress);
	unsigned int n = 0;

	for (uint32_t i = 0; i < h.n; i++) {
		hy_autofd link = is_named(h.prog[i], name) ? bpf_link_get_fd_by_id(h.link[i]) : -1;

		n += link >= 0 && bpf_link_detach(link) == 0;
	}
	return n;
}
