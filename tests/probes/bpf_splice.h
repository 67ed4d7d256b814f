/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf_splice.h - what the splice programs count, shared with the probe that reads it
 *
 * Runs in: the kernel (BPF) and the probe
 * Reads from: no untrusted input
 */
#ifndef HY_BPF_SPLICE_H
#define HY_BPF_SPLICE_H

enum splice_count {
	TO_GUEST,		/* TCP to the guest, no socket in the twin: let through */
	TO_TWIN,		/* TCP to the guest, redirected into the twin */
	FROM_TWIN,		/* sent by the twin, put in at the guest's edge */
	DROP_FOREIGN,		/* sent by the twin with a source that is not the guest's */
	DROP_NO_HOP,		/* sent by the twin to somebody the guest never heard from */
	DROP_OTHER,		/* sent by the twin, not TCP over IPv4 */
	REENTERED,		/* FROM_TWIN, seen again at the edge's own ingress hook */
	DROP_LATE,		/* sent by the guest for a connection that lives in the twin */
	SPLICE_COUNTS,
};

#endif
