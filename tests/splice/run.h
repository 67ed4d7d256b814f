/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - one frame handed to one of the splice's programs: what becomes of it, what is counted
 *
 * Runs in: the tests of the splice
 * Reads from: no untrusted input
 */
#ifndef HY_SPLICE_RUN_H
#define HY_SPLICE_RUN_H

#include <linux/pkt_cls.h>

#include "tests/splice/world.h"

enum prog { TO_GUEST, FROM_GUEST, FROM_TWIN };
enum verdict { PASS = TC_ACT_UNSPEC, DROP = TC_ACT_SHOT, SENT = TC_ACT_REDIRECT };

/* A frame that was run through a program. */
struct run {
	uint8_t in[FRAME_MAX];
	uint8_t out[FRAME_MAX];
	size_t in_len;
	size_t out_len;
	uint32_t mark;			/* before and after */
	int verdict;
	uint64_t before[SPLICE_COUNTS];
	uint64_t after[SPLICE_COUNTS];
};

/* Run the @r->in_len bytes of @r->in through a program, which need not hang anywhere. */
void run_bytes(struct splice *s, enum prog prog, struct run *r);
void run_frame(struct splice *s, enum prog prog, const struct frame_spec *f, struct run *r);

/* Whether @what was counted, and nothing else; next hops learnt aside. SPLICE_COUNTS: nothing */
bool run_counted_only(const struct run *r, enum splice_count what);

/* The interface came again: the next splice takes over what this one has learnt. */
void run_renew(struct splice *s);

/* Where the twin's next frame to the client would go, NULL if nowhere. */
const uint8_t *run_twins_hop(struct splice *s, struct run *r, const struct frame_spec *f);

/* Whether a connection's next frame goes to @mac; NULL: is dropped, and counted */
bool run_goes_to(struct splice *s, uint16_t port, const uint8_t *mac);

/* The guest sends a frame of its own to the client by @to_mac. */
void run_guest_sends(struct splice *s, const uint8_t *to_mac);

#endif
