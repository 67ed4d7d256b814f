/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_move.c - any bytes as a message about moved connections: refused, or written again the same
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 *
 * The first byte is the message's type. What was decoded must also keep its promises: what others
 * compute with without looking again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cast.h"
#include "proto/move.h"
#include "proto/msg.h"
#include "proto/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static uint8_t out[HY_CHUNK_MAX];

static void require(int holds)
{
	if (!holds)
		abort();
}

static void require_same(int written, const uint8_t *in, size_t len)
{
	require(written == (int)len && memcmp(in, out, len) == 0);
}

static void require_within(const uint8_t *p, size_t n, const uint8_t *in, size_t len)
{
	require(p >= in && n <= len && (size_t)(p - in) <= len - n);
}

static void try_offer(const uint8_t *in, size_t len)
{
	struct move_offer m;

	if (move_offer_decode(in, len, &m) < 0)
		return;
	require_within(m.record, m.record_len, in, len);
	require_within(m.bytes, m.bytes_len, in, len);
	require(m.record_len > 0 && m.down <= INT64_MAX && m.up <= INT64_MAX);
	require((uint64_t)m.bytes_len + m.rest <= HY_TCP_QUEUE_MAX);
	require_same(move_offer_encode(&m, out, sizeof(out)), in, len);
	require(move_offer_encode(&m, out, len - 1) == -EMSGSIZE);
}

static void try_answer(const uint8_t *in, size_t len)
{
	struct move_answer m;

	if (move_answer_decode(in, len, &m) < 0)
		return;
	require(m.reason < MOVE_REASONS && move_reason_name(m.reason)[0]);
	if (m.reason != MOVE_ERROR)
		require_same(move_answer_encode(&m, out, sizeof(out)), in, len);
	require(move_answer_encode(&m, out, len - 1) == -EMSGSIZE);
}

static void require_leads_down(const char *path)
{
	char framed[HY_PATH_MAX + 3];

	require(path[0] != '\0' && strlen(path) <= HY_PATH_MAX);
	snprintf(framed, sizeof(framed), "/%s/", path);
	require(!strstr(framed, "//") && !strstr(framed, "/./") && !strstr(framed, "/../"));
}

static void try_file(const uint8_t *in, size_t len)
{
	struct move_file m;

	if (move_file_decode(in, len, &m) < 0)
		return;
	require_leads_down(m.path);
	require(m.size <= INT64_MAX && m.by_inode <= 1);
	require_same(move_file_encode(&m, out, sizeof(out)), in, len);
	require(move_file_encode(&m, out, len - 1) == -EMSGSIZE);
}

static void try_opened(const uint8_t *in, size_t len)
{
	uint16_t num;

	if (move_opened_decode(in, len, &num) == 0)
		require_same(move_opened_encode(num, out, sizeof(out)), in, len);
}

static void try_end(const uint8_t *in, size_t len)
{
	uint16_t end;

	if (move_end_decode(in, len, &end) < 0)
		return;
	require(end >= END_CLOSED && end <= END_TIMED_OUT);
	require_same(move_end_encode(end, out, sizeof(out)), in, len);
}

static void try_item(const uint8_t *in, size_t len)
{
	struct move_item m;
	uint64_t n;

	if (move_item_decode(in, len, &m) < 0)
		return;
	require(m.kind >= ITEM_DATA && m.kind <= ITEM_RESET);
	n = m.kind == ITEM_SLICE ? m.len : m.bytes_len;
	require((n > 0) == (m.kind == ITEM_DATA || m.kind == ITEM_SLICE));
	require(m.pos <= INT64_MAX - n && m.len <= HY_SLICE_MAX);
	require(m.offset <= INT64_MAX - m.len);
	if (m.kind == ITEM_DATA)
		require_within(m.bytes, m.bytes_len, in, len);
	require_same(move_item_encode(&m, out, sizeof(out)), in, len);
	require(move_item_encode(&m, out, len - 1) == -EMSGSIZE);
}

static void try_pos(const uint8_t *in, size_t len)
{
	struct move_pos m;

	if (move_pos_decode(in, len, &m) < 0)
		return;
	require(m.pos <= INT64_MAX && m.again <= 1);
	require_same(move_pos_encode(&m, out, sizeof(out)), in, len);
}

static void try_up(const uint8_t *in, size_t len)
{
	struct move_up m;

	if (move_up_decode(in, len, &m) < 0)
		return;
	require_within(m.bytes, m.bytes_len, in, len);
	require(m.pos <= INT64_MAX - (uint64_t)m.bytes_len);
	require_same(move_up_encode(&m, out, sizeof(out)), in, len);
}

static void try_resume(const uint8_t *in, size_t len)
{
	struct move_resume m;

	if (move_resume_decode(in, len, &m) < 0)
		return;
	require(m.held >= HELD_OFFERED && m.held <= HELD_REBUILT);
	require(m.down <= INT64_MAX && m.up <= INT64_MAX);
	require_same(move_resume_encode(&m, out, sizeof(out)), in, len);
}

static void try_resumed(const uint8_t *in, size_t len)
{
	struct move_resumed m;

	if (move_resumed_decode(in, len, &m) < 0)
		return;
	require(m.known == 1 || (m.known == 0 && m.down == 0 && m.up == 0));
	require(m.down <= INT64_MAX && m.up <= INT64_MAX);
	require_same(move_resumed_encode(&m, out, sizeof(out)), in, len);
}

static void try_addresses(const uint8_t *in, size_t len)
{
	struct move_address a[HY_TWIN_ADDRS_MAX];
	unsigned int n;

	if (move_addresses_decode(in, len, a, &n) < 0)
		return;
	require(n <= HY_TWIN_ADDRS_MAX);
	for (unsigned int i = 0; i < n; i++)
		require(a[i].family == MOVE_FAMILY_IP4 || a[i].family == MOVE_FAMILY_IP6);
	require_same(move_addresses_encode(a, n, out, sizeof(out)), in, len);
}

static void try_option(const uint8_t *in, size_t len)
{
	struct option_value v;

	if (option_set_decode(in, len, &v) < 0)
		return;
	require(option_may_be_set(&v) && v.len <= option_info(v.id)->longest);
	require(option_find(option_info(v.id)->level, option_info(v.id)->name)->id == v.id);
	require(!option_find(-1, -1));
	if (option_info(v.id)->form == OPTION_INT)
		option_put_int(&v, option_get_int(&v));
	require_same(option_set_encode(&v, out, sizeof(out)), in, len);
	require(option_set_encode(&v, out, len - 1) == -EMSGSIZE);
}

static void try_option_ask(const uint8_t *in, size_t len)
{
	struct option_ask m;

	if (option_ask_decode(in, len, &m) < 0)
		return;
	require(option_info(m.id) != NULL);
	require_same(option_ask_encode(&m, out, sizeof(out)), in, len);
}

static void try_option_told(const uint8_t *in, size_t len)
{
	struct option_told m;

	if (option_told_decode(in, len, &m) < 0)
		return;
	require(m.value.len <= option_info(m.value.id)->longest && (!m.num || !m.value.len));
	require_same(option_told_encode(&m, out, sizeof(out)), in, len);
	require(option_told_encode(&m, out, len - 1) == -EMSGSIZE);
}

/* What is due must stay within bounds, whatever the pace. */
static void require_pace(const struct cast_part *p)
{
	const uint64_t now_ns = UINT64_MAX / 4;
	size_t n = pacing_burst(&p->pace, pacing_now(1, now_ns), now_ns, p->count);

	require(p->count > 0 && p->offset <= INT64_MAX - p->count && pacing_is_good(&p->pace));
	require(n > 0 && n <= HY_DATAGRAM_MAX && n <= p->count);
	require(n <= (size_t)p->pace.bytes * HY_BURST_DATAGRAMS);
	require(pacing_sent(&p->pace, now_ns, n) > now_ns);
}

static void try_cast(const uint8_t *in, size_t len)
{
	struct cast m;

	if (cast_decode(in, len, &m) < 0)
		return;
	require((m.family == 4 || m.family == 6) && m.ttl && m.local.port && m.peer.port);
	require_pace(&m.part);
	require_same(cast_encode(&m, out, sizeof(out)), in, len);
	require(cast_encode(&m, out, len - 1) == -EMSGSIZE);
}

static void try_cast_told(const uint8_t *in, size_t len)
{
	struct cast_told m;

	if (cast_decode_told(in, len, &m) < 0)
		return;
	require(m.state < CAST_STATES && m.sent <= INT64_MAX && m.reason < MOVE_REASONS);
	require((m.reason == MOVE_DONE) == (m.state <= CAST_DONE));
	if (m.reason != MOVE_ERROR)
		require_same(cast_encode_told(&m, out, sizeof(out)), in, len);
	require(cast_encode_told(&m, out, len - 1) == -EMSGSIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static void (*const tries[])(const uint8_t *in, size_t len) = {
		[MSG_OFFER] = try_offer,
		[MSG_REFUSED] = try_answer,
		[MSG_FILE_OPEN] = try_file,
		[MSG_FILE_OPENED] = try_opened,
		[MSG_ITEM] = try_item,
		[MSG_SENT] = try_pos,
		[MSG_STUCK] = try_pos,
		[MSG_UP] = try_up,
		[MSG_TAKEN] = try_pos,
		[MSG_ENDED] = try_end,
		[MSG_CAST] = try_cast,
		[MSG_CAST_TOLD] = try_cast_told,
		[MSG_RESUME] = try_resume,
		[MSG_RESUMED] = try_resumed,
		[MSG_HOME_OFFER] = try_offer,
		[MSG_HOME_TAKEN] = try_answer,
		[MSG_ADDRESSES] = try_addresses,
		[MSG_OPTION] = try_option,
		[MSG_OPTION_ASK] = try_option_ask,
		[MSG_OPTION_TOLD] = try_option_told,
	};

	if (len > 0 && bytes[0] < sizeof(tries) / sizeof(tries[0]) && tries[bytes[0]])
		tries[bytes[0]](bytes + 1, len - 1);
	return 0;
}
