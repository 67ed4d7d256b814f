/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_frame.c - any bytes as the stream of a channel, cut into reads in any way
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 *
 * The first byte says how the stream is cut into reads, the second how often it is repeated, so
 * that a short input can make a long stream. What follows goes the way of channel/chan.c:
 * receiver, assembly, decoders.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/assemble.h"
#include "proto/frame_rx.h"
#include "proto/msg.h"

#define FIELDS_LEN 2
#define REPEAT_FROM 248		/* below: once, so that most inputs are fast */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct frame_rx rx;
static struct assemble parts;

static struct {
	uint64_t fed, taken;	/* bytes into the receiver; in marks and frames out of it */
	bool synced, heard_mark;
} run;

/* Gets every payload, so that an address sanitizer sees all of its bytes being read. */
static uint8_t delivered[HY_CHUNK_MAX];

static void require(int holds)
{
	if (!holds)
		abort();
}

static bool lies_in(const uint8_t *p, size_t n, const uint8_t *area, size_t size)
{
	return p >= area && n <= size && (size_t)(p - area) <= size - n;
}

static void decode(const struct message *m)
{
	struct msg_hello hello;
	struct msg_bye bye;
	uint64_t count;

	switch (m->info->type) {
	case MSG_HELLO:
		if (msg_hello_decode(m->payload, m->len, &hello) == 0)
			require(strlen(hello.software) < sizeof(hello.software) &&
				strlen(hello.kernel) < sizeof(hello.kernel) && hello.epoch);
		break;
	case MSG_BYE:
		if (msg_bye_decode(m->payload, m->len, &bye) == 0)
			require(strlen(bye.words) < sizeof(bye.words) && msg_bye_name(bye.reason));
		break;
	case MSG_CREDIT:
	case MSG_SOAK_DONE:
		require(msg_count_decode(m->payload, m->len, &count) == 0);
		break;
	default:
		break;
	}
}

static void check_message(const struct message *m)
{
	require(m->info && m->total >= m->info->min && m->total <= m->info->max);
	require(m->offset <= m->total && m->len <= m->total - m->offset);
	if (m->info->lane != LANE_BULK)
		require(m->offset == 0 && m->len == m->total && m->len <= ASSEMBLE_WHOLE_MAX);
	require(m->len == 0 || lies_in(m->payload, m->len, rx.buf, rx.tail) ||
		lies_in(m->payload, m->len, parts.whole[m->info->lane], ASSEMBLE_WHOLE_MAX));
	memcpy(delivered, m->payload, m->len);
	decode(m);
}

/* Returns false where a channel would end the session. */
static bool take_frame(const struct frame *f)
{
	static uint8_t again[FRAME_LEN_MAX];
	const char *why = NULL;
	struct message m;
	int rc;

	require(run.synced && f->len <= HY_CHUNK_MAX && f->len <= f->total - f->offset);
	require(lies_in(f->payload, f->len, rx.buf, rx.head));
	require(memcmp(again, f->payload - FRAME_HEADER_LEN, frame_encode(f, again)) == 0);
	require(frame_chunk_len(f->payload, f->len, HY_CHUNK_MAX) == f->len);
	if (run.heard_mark)
		assemble_reset(&parts, ROLE_GUEST, f->epoch);
	run.heard_mark = false;
	rc = assemble_feed(&parts, f, &m, &why);
	require(rc == 0 || rc == 1 || why);
	if (rc == 1)
		check_message(&m);
	return rc >= 0;
}

/* Returns false at the end of the session. */
static bool take_all(void)
{
	struct frame f;
	int rc;

	while ((rc = frame_rx_next(&rx, &f)) != FRAME_NONE) {
		require(rx.head <= rx.tail && rx.tail <= sizeof(rx.buf));
		if (rc < 0)
			return false;
		run.taken += rc == FRAME_SYNC ? FRAME_MARK_LEN : FRAME_OVERHEAD + (size_t)f.len;
		run.heard_mark = run.heard_mark || rc == FRAME_SYNC;
		run.synced = run.synced || rc == FRAME_SYNC;
		if (rc == FRAME_READY && !take_frame(&f))
			return false;
	}
	require(run.fed == run.taken + rx.discarded + (rx.tail - rx.head));
	return true;
}

/* 0: as much as fits; 1: byte by byte; else lengths that grow with it, no two the same. */
static size_t read_len(uint8_t cut, uint64_t fed)
{
	if (cut == 0)
		return SIZE_MAX;
	return cut == 1 ? 1 : 1 + (size_t)(fed * 2654435761u >> 7) % (cut * 4u);
}

static bool feed(const uint8_t *bytes, size_t len, uint8_t cut)
{
	while (len > 0) {
		size_t room, n = read_len(cut, run.fed);
		uint8_t *into = frame_rx_room(&rx, &room);

		require(lies_in(into, room, rx.buf, sizeof(rx.buf)) && room >= FRAME_LEN_MAX);
		n = n < room ? n : room;
		n = n < len ? n : len;
		memcpy(into, bytes, n);
		frame_rx_filled(&rx, n);
		run.fed += n;
		bytes += n;
		len -= n;
		if (!take_all())
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	unsigned int times;

	if (len < FIELDS_LEN)
		return 0;
	memset(&run, 0, sizeof(run));
	frame_rx_reset(&rx);
	rx.discarded = 0;
	assemble_reset(&parts, ROLE_GUEST, 0);
	times = bytes[1] < REPEAT_FROM ? 1 : 2u + bytes[1] - REPEAT_FROM;
	while (times-- > 0 && feed(bytes + FIELDS_LEN, len - FIELDS_LEN, bytes[0]))
		;
	return 0;
}
