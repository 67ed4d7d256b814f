/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - one frame handed to one of the splice's programs: what becomes of it, what is counted
 *
 * Runs in: the tests of the splice
 * Reads from: no untrusted input
 */
#include "tests/splice/run.h"

#include "twin/bpf/splice.skel.h"

#include <bpf/bpf.h>
#include <string.h>

static int prog_fd(const struct splice *s, enum prog prog)
{
	const struct bpf_program *progs[] = {
		[TO_GUEST] = s->bpf->progs.hy_to_guest,
		[FROM_GUEST] = s->bpf->progs.hy_from_guest,
		[FROM_TWIN] = s->bpf->progs.hy_from_twin,
	};

	return bpf_program__fd(progs[prog]);
}

void run_bytes(struct splice *s, enum prog prog, struct run *r)
{
	struct __sk_buff skb = { .mark = r->mark };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = r->in,
		.data_size_in = (uint32_t)r->in_len,
		.data_out = r->out,
		.data_size_out = sizeof(r->out),
		.ctx_in = &skb,
		.ctx_size_in = sizeof(skb),
		.ctx_out = &skb,
		.ctx_size_out = sizeof(skb),
		.repeat = 1,
	};

	PROBE_TRY(splice_counts(s, r->before));
	PROBE_TRY(bpf_prog_test_run_opts(prog_fd(s, prog), &opts));
	PROBE_TRY(splice_counts(s, r->after));
	r->verdict = (int)opts.retval;
	r->out_len = opts.data_size_out;
	r->mark = skb.mark;
}

void run_frame(struct splice *s, enum prog prog, const struct frame_spec *f, struct run *r)
{
	r->in_len = frame_make(f, r->in);
	run_bytes(s, prog, r);
}

bool run_counted_only(const struct run *r, enum splice_count what)
{
	for (int i = 0; i < SPLICE_COUNTS; i++)
		if (i != SPLICE_HOP_NEW && r->after[i] - r->before[i] != (i == (int)what))
			return false;
	return true;
}

const uint8_t *run_twins_hop(struct splice *s, struct run *r, const struct frame_spec *f)
{
	run_frame(s, FROM_TWIN, f, r);
	return r->verdict == SENT ? r->out : NULL;
}

bool run_goes_to(struct splice *s, uint16_t port, const uint8_t *mac)
{
	struct frame_spec f = { .outgoing = true, .guest_port = port };
	struct run r = { 0 };
	const uint8_t *hop = run_twins_hop(s, &r, &f);

	return mac ? hop && !memcmp(hop, mac, ETH_ALEN) :
		     !hop && run_counted_only(&r, SPLICE_DROP_NO_HOP);
}

void run_guest_sends(struct splice *s, const uint8_t *to_mac)
{
	struct frame_spec f = { .outgoing = true, .guest_port = FREE_PORT, .to_mac = to_mac };
	struct run r = { 0 };

	run_frame(s, FROM_GUEST, &f, &r);
}

void run_renew(struct splice *s)
{
	struct splice next;

	world_reopen(&next, &s->cfg, s);
	splice_close(s);
	*s = next;
}
