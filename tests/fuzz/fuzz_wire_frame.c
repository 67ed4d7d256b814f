/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_wire_frame.c - any bytes as a frame with offload fields: parsed, cut, finished, reset
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 *
 * The first eight bytes are what the kernel tells beside a frame: kind and size of its segments,
 * start and place of its checksum.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lab/wire/csum.h"
#include "lab/wire/flow.h"
#include "lab/wire/frame.h"
#include "lab/wire/reset.h"
#include "lab/wire/segment.h"

#define FIELDS_LEN 8
#define SEGMENTS_MAX 128	/* one byte each would make an input slow, not interesting */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct flow_table flows;

static void require(int holds)
{
	if (!holds)
		abort();
}

static void check_offsets(const struct frame_info *f, size_t len)
{
	require(f->l3 <= f->l4 && f->l4 <= f->payload && f->payload <= len);
	require(f->payload_len <= len - f->payload);
	require(f->class < FRAME_CLASSES && f->tags <= WIRE_VLAN_TAGS_MAX);
	require(!f->malformed || f->class == FRAME_OTHER);
}

static void cut(const uint8_t *frame, size_t len, uint8_t kind, uint16_t size)
{
	static uint8_t out[WIRE_FRAME_MAX];
	struct frame_info f;
	struct segment s;
	size_t got, payload = 0;

	if (segment_start(&s, frame, len, kind, size) < 0)
		return;
	for (int n = 0; n < SEGMENTS_MAX && (got = segment_next(&s, out, sizeof(out))) > 0; n++) {
		frame_parse(out, got, &f);
		check_offsets(&f, got);
		require(!f.malformed && f.payload_len <= size);
		payload += f.payload_len;
	}
	require(payload <= s.info.payload_len);
}

static void make_reset(const uint8_t *frame, const struct frame_info *f)
{
	uint8_t out[RESET_LEN_MAX];
	struct frame_info r;
	size_t len = reset_make(frame, f, out);

	if (len == 0)
		return;
	frame_parse(out, len, &r);
	require(r.class == FRAME_TCP_CONTROL && r.seq == f->seq && r.payload_len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static uint8_t frame[WIRE_FRAME_MAX];
	struct frame_info f;

	if (len < FIELDS_LEN || len - FIELDS_LEN > sizeof(frame))
		return 0;
	len -= FIELDS_LEN;
	memcpy(frame, bytes + FIELDS_LEN, len);
	frame_parse(frame, len, &f);
	check_offsets(&f, len);
	if (f.class >= FRAME_TCP_CONTROL) {
		flow_see(&flows, &f);
		make_reset(frame, &f);
	}
	cut(frame, len, bytes[0], (uint16_t)(bytes[1] << 8 | bytes[2]));
	csum_finish(frame, len, (size_t)(bytes[4] << 8 | bytes[5]),
		    (size_t)(bytes[6] << 8 | bytes[7]));
	return 0;
}
