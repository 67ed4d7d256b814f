/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake.c - the beginning of a direction: make frames a real wire could carry
 *
 * Runs in: hylics-wire
 * Reads from: the machine on the sending side (hostile): frame and offload fields
 */
#include "lab/wire/intake.h"

#include <errno.h>

#include "lab/wire/csum.h"
#include "lab/wire/segment.h"

static uint64_t refuse(struct path *p, const struct link_frame *f, const char *reason)
{
	p->stats.refused++;
	path_record_drop(p, f->bytes, f->len, reason);
	return 0;
}

static uint64_t take_cut(struct path *p, const struct link_frame *f, uint64_t now_ns)
{
	static uint8_t bytes[WIRE_FRAME_MAX];
	uint64_t raised = 0;
	struct segment s;
	size_t len;

	if (segment_start(&s, f->bytes, f->len, f->segment_kind, f->segment_size) < 0)
		return refuse(p, f, "cannot be cut into segments");
	p->stats.super_frames++;
	while ((len = segment_next(&s, bytes, sizeof(bytes))) > 0)
		raised |= path_take(p, bytes, len, now_ns);
	return raised;
}

/* SCTP's checksum is another one, and the offload fields do not say so. */
static int finish(struct link_frame *f)
{
	struct frame_info info;

	frame_parse(f->bytes, f->len, &info);
	if (info.proto == FRAME_PROTO_SCTP)
		return -EPROTONOSUPPORT;
	return csum_finish(f->bytes, f->len, f->csum_start, f->csum_field);
}

uint64_t intake_frame(struct path *p, struct link_frame *f, uint64_t now_ns)
{
	if (f->cut_short)
		return refuse(p, f, "longer than an IP datagram can be");
	if (f->segment_kind != SEGMENT_NONE)
		return take_cut(p, f, now_ns);
	if (f->unfinished) {
		if (finish(f) < 0)
			return refuse(p, f, "checksum cannot be finished");
		p->stats.unfinished++;
	}
	return path_take(p, f->bytes, f->len, now_ns);
}
