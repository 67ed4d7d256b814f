/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_local.c - any bytes as a packet on the agent's socket: refused, or written again the same
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 *
 * Every input is tried as a marker, too: its magic is no header's version.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cast.h"
#include "proto/job.h"
#include "proto/module_ask.h"
#include "proto/reason.h"
#include "proto/why.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void try_status(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_status s;

	if (local_decode_status(in, len, &s) < 0)
		return;
	require(local_encode_status(id, &s, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_error(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_error err;

	if (local_decode_error(in, len, &err) < 0)
		return;
	require(local_encode_error(id, &err, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_slot(const struct local_header *h, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_slot s;

	if (local_decode_slot(in, len, &s) < 0)
		return;
	require(s.slot < HY_PAGE_SLOTS);
	require(local_encode_slot((enum local_type)h->type, h->id, &s, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_move(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_move m;

	if (local_decode_move(in, len, &m) < 0)
		return;
	require(m.slot < HY_PAGE_SLOTS && m.linger_s >= LOCAL_LINGER_OFF);
	require(local_encode_move(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_ask_why(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_ask_why m;

	if (why_decode_ask(in, len, &m) < 0)
		return;
	require(m.reason > MOVE_DONE && m.reason < MOVE_REASONS);
	require(why_encode_ask(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_why(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_why m;

	if (why_decode(in, len, &m) < 0)
		return;
	require(m.reason < MOVE_REASONS && m.seen < WHY_SEENS && m.last.by < WHY_BYS);
	require(memchr(m.last.path, 0, sizeof(m.last.path)) != NULL);
	require(memchr(m.last.program, 0, sizeof(m.last.program)) != NULL);
	require(why_encode(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_module_start(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_module_start m;

	if (module_ask_decode_start(in, len, &m) < 0)
		return;
	require(m.name[0] && memchr(m.name, 0, sizeof(m.name)) != NULL);
	require(module_ask_encode_start(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_module_stop(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_module_stop m;

	if (module_ask_decode_stop(in, len, &m) < 0)
		return;
	require(m.name[0] && memchr(m.name, 0, sizeof(m.name)) != NULL);
	require(module_ask_encode_stop(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_ask_module(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_ask_module m;

	if (module_ask_decode_ask(in, len, &m) < 0)
		return;
	require(m.number < HY_MODULES_MAX);
	require(module_ask_encode_ask(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_module(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_module m;

	if (module_ask_decode(in, len, &m) < 0)
		return;
	require((m.wanted & ~(MODULE_WANTED | MODULE_UNHEARD)) == 0);
	require(m.state.of <= HY_MODULES_MAX && m.state.life < MODULES_LIVES);
	require(module_ask_encode(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_job_begin(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_job_begin m;

	if (job_decode_begin(in, len, &m) < 0)
		return;
	require(m.waited_us <= HY_JOB_US_MAX && m.name[0]);
	require(memchr(m.name, 0, sizeof(m.name)) != NULL);
	require(job_encode_begin(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_job_end(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_job_end m;

	if (job_decode_end(in, len, &m) < 0)
		return;
	require(m.state == JOB_EXITED || (m.state == JOB_KILLED && m.code));
	require(m.ran_us <= HY_JOB_US_MAX);
	require(job_encode_end(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void require_part(const struct cast_part *p)
{
	require(p->count > 0 && p->offset <= INT64_MAX - p->count && pacing_is_good(&p->pace));
	require(pacing_span(&p->pace, HY_CAST_MS) <= INT64_MAX);
}

static void try_cast(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct cast_part m;

	if (cast_decode_ask(in, len, &m) < 0)
		return;
	require_part(&m);
	require(cast_encode_ask(id, &m, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_cast_told(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct cast_told m;

	if (cast_decode_local_told(in, len, &m) < 0)
		return;
	require(m.state < CAST_STATES && m.reason < MOVE_REASONS && m.sent <= INT64_MAX);
	require(cast_encode_local_told(id, &m, out) == len);
	if (m.reason != MOVE_ERROR)
		require(memcmp(in, out, len) == 0);
}

static void try_who_is(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_who who;

	if (local_decode_who_is(in, len, &who) < 0)
		return;
	require(who.family == 4 || who.family == 6);
	require(local_encode_who_is(id, &who, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void require_option(const struct local_option *o)
{
	require(o->slot < HY_PAGE_SLOTS || o->slot == LOCAL_SLOT_SHOWN);
	require(option_info(o->value.id) != NULL);
}

static void try_option(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_option o;

	if (local_decode_option(in, len, &o) < 0)
		return;
	require_option(&o);
	require(option_may_be_set(&o.value));
	require(local_encode_option(id, &o, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_option_ask(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_option o;

	if (local_decode_option_ask(in, len, &o) < 0)
		return;
	require_option(&o);
	require(local_encode_option_ask(id, &o, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_told(uint32_t id, const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_told t;

	if (local_decode_told(in, len, &t) < 0)
		return;
	require(t.value.len <= option_info(t.value.id)->longest && (!t.num || !t.value.len));
	require(local_encode_told(id, &t, out) == len);
	require(memcmp(in, out, len) == 0);
}

static void try_marker(const uint8_t *in, size_t len)
{
	uint8_t out[LOCAL_MARKER_LEN];
	struct local_marker m;

	if (local_decode_marker(in, len, &m) < 0)
		return;
	require(len == LOCAL_MARKER_LEN);
	require(m.len > 0 && m.len <= HY_SLICE_MAX && m.offset <= INT64_MAX - m.len);
	local_encode_marker(&m, out);
	require(memcmp(in, out, len) == 0);
}

static void check_bare(const uint8_t *in, size_t (*encode)(uint32_t id, uint8_t *out), uint32_t id)
{
	uint8_t out[LOCAL_PACKET_MAX];

	require(encode(id, out) == LOCAL_HEADER_LEN);
	require(memcmp(in, out, LOCAL_HEADER_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct local_header h;

	try_marker(bytes, len);
	if (local_decode_header(bytes, len, &h) < 0)
		return 0;
	if (h.type == LOCAL_CAST)
		try_cast(h.id, bytes, len);
	if (h.type == LOCAL_CAST_TOLD)
		try_cast_told(h.id, bytes, len);
	require(len >= LOCAL_HEADER_LEN && len <= LOCAL_PACKET_MAX);
	switch (h.type) {
	case LOCAL_ASK_STATUS:
		check_bare(bytes, local_encode_ask_status, h.id);
		break;
	case LOCAL_JOIN:
		check_bare(bytes, local_encode_join, h.id);
		break;
	case LOCAL_JOINED:
		check_bare(bytes, local_encode_joined, h.id);
		break;
	case LOCAL_MOVE:
		try_move(h.id, bytes, len);
		break;
	case LOCAL_TAKE_BACK:
	case LOCAL_TAKEN:
		try_slot(&h, bytes, len);
		break;
	case LOCAL_ASK_WHY:
		try_ask_why(h.id, bytes, len);
		break;
	case LOCAL_WHY:
		try_why(h.id, bytes, len);
		break;
	case LOCAL_MODULE_START:
		try_module_start(h.id, bytes, len);
		break;
	case LOCAL_MODULE_STOP:
		try_module_stop(h.id, bytes, len);
		break;
	case LOCAL_ASK_MODULE:
		try_ask_module(h.id, bytes, len);
		break;
	case LOCAL_MODULE:
		try_module(h.id, bytes, len);
		break;
	case LOCAL_JOB_BEGIN:
		try_job_begin(h.id, bytes, len);
		break;
	case LOCAL_JOB_END:
		try_job_end(h.id, bytes, len);
		break;
	case LOCAL_WHO:
		check_bare(bytes, local_encode_who, h.id);
		break;
	case LOCAL_WHO_IS:
		try_who_is(h.id, bytes, len);
		break;
	case LOCAL_OPTION:
		try_option(h.id, bytes, len);
		break;
	case LOCAL_OPTION_ASK:
		try_option_ask(h.id, bytes, len);
		break;
	case LOCAL_OPTION_TOLD:
		try_told(h.id, bytes, len);
		break;
	case LOCAL_STATUS:
		try_status(h.id, bytes, len);
		break;
	case LOCAL_ERROR:
		try_error(h.id, bytes, len);
		break;
	default:
		break;
	}
	return 0;
}
