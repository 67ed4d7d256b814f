/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * local.c - what programs in the guest say to their agent: packets on agent.sock
 *
 * Runs in: hylics-agent, hylics-guest, libhylics
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 */
#include "proto/local.h"

#include <errno.h>
#include <string.h>

struct hy_wr local_begin(enum local_type type, uint32_t id, uint8_t *out)
{
	struct hy_wr w = { .p = out, .left = LOCAL_PACKET_MAX };

	hy_wr_le16(&w, LOCAL_VERSION);
	hy_wr_le16(&w, (uint16_t)type);
	hy_wr_le32(&w, id);
	return w;
}

size_t local_encode_ask_status(uint32_t id, uint8_t *out)
{
	return LOCAL_PACKET_MAX - local_begin(LOCAL_ASK_STATUS, id, out).left;
}

size_t local_encode_status(uint32_t id, const struct local_status *s, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_STATUS, id, out);

	hy_wr_u8(&w, s->channel_state);
	hy_wr_u8(&w, s->transport);
	hy_wr_u8(&w, s->costs.measured);
	hy_wr_u8(&w, s->share_kind);
	hy_wr_le32(&w, s->epoch);
	hy_wr_le32(&w, s->peer_epoch);
	hy_wr_le64(&w, s->sessions);
	hy_wr_le64(&w, s->resyncs);
	hy_wr_le64(&w, s->faults);
	hy_wr_le64(&w, s->silences);
	hy_wr_le64(&w, s->uptime_ms);
	hy_wr_le64(&w, s->costs.threshold);
	hy_wr_le64(&w, s->costs.lowest);
	hy_wr_le64(&w, s->costs.highest);
	hy_wr_le64(&w, s->costs.move_ns);
	hy_wr_le64(&w, s->costs.slice_ns);
	hy_wr_le64(&w, s->costs.plain_ps);
	hy_wr_le64(&w, s->costs.adopt_us);
	hy_wr_le16(&w, s->offload);
	hy_wr_text(&w, s->software);
	hy_wr_text(&w, s->peer_software);
	hy_wr_text(&w, s->share);
	return LOCAL_PACKET_MAX - w.left;
}

size_t local_encode_error(uint32_t id, const struct local_error *err, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_ERROR, id, out);

	hy_wr_le16(&w, err->num);
	hy_wr_text(&w, err->words);
	return LOCAL_PACKET_MAX - w.left;
}

int local_decode_header(const uint8_t *in, size_t len, struct local_header *h)
{
	struct hy_rd r = { .p = in, .left = len };
	uint16_t version = hy_rd_le16(&r);
	struct local_header got = { .type = hy_rd_le16(&r), .id = hy_rd_le32(&r) };

	if (r.bad || version != LOCAL_VERSION || len > LOCAL_PACKET_MAX)
		return -EPROTO;
	*h = got;
	return 0;
}

int local_decode_status(const uint8_t *in, size_t len, struct local_status *s)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_status got = { 0 };
	uint8_t measured;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.channel_state = hy_rd_u8(&r);
	got.transport = hy_rd_u8(&r);
	measured = hy_rd_u8(&r);
	got.share_kind = hy_rd_u8(&r);
	got.epoch = hy_rd_le32(&r);
	got.peer_epoch = hy_rd_le32(&r);
	got.sessions = hy_rd_le64(&r);
	got.resyncs = hy_rd_le64(&r);
	got.faults = hy_rd_le64(&r);
	got.silences = hy_rd_le64(&r);
	got.uptime_ms = hy_rd_le64(&r);
	got.costs.threshold = hy_rd_le64(&r);
	got.costs.lowest = hy_rd_le64(&r);
	got.costs.highest = hy_rd_le64(&r);
	got.costs.move_ns = hy_rd_le64(&r);
	got.costs.slice_ns = hy_rd_le64(&r);
	got.costs.plain_ps = hy_rd_le64(&r);
	got.costs.adopt_us = hy_rd_le64(&r);
	got.offload = hy_rd_le16(&r);
	hy_rd_text(&r, got.software, sizeof(got.software));
	hy_rd_text(&r, got.peer_software, sizeof(got.peer_software));
	hy_rd_text(&r, got.share, sizeof(got.share));
	if (r.bad || r.left || measured > 1)
		return -EPROTO;
	got.costs.measured = measured;
	*s = got;
	return 0;
}

int local_decode_error(const uint8_t *in, size_t len, struct local_error *err)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_error got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.num = hy_rd_le16(&r);
	hy_rd_text(&r, got.words, sizeof(got.words));
	if (r.bad || r.left)
		return -EPROTO;
	*err = got;
	return 0;
}

/* -- moved connections -- */

size_t local_encode_join(uint32_t id, uint8_t *out)
{
	return LOCAL_PACKET_MAX - local_begin(LOCAL_JOIN, id, out).left;
}

size_t local_encode_joined(uint32_t id, uint8_t *out)
{
	return LOCAL_PACKET_MAX - local_begin(LOCAL_JOINED, id, out).left;
}

size_t local_encode_slot(enum local_type type, uint32_t id, const struct local_slot *s,
			 uint8_t *out)
{
	struct hy_wr w = local_begin(type, id, out);

	hy_wr_le32(&w, s->slot);
	return LOCAL_PACKET_MAX - w.left;
}

int local_decode_slot(const uint8_t *in, size_t len, struct local_slot *s)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_slot got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.slot = hy_rd_le32(&r);
	if (r.bad || r.left || got.slot >= HY_PAGE_SLOTS)
		return -EPROTO;
	*s = got;
	return 0;
}

size_t local_encode_move(uint32_t id, const struct local_move *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_MOVE, id, out);

	hy_wr_le32(&w, m->slot);
	hy_wr_le32(&w, (uint32_t)m->linger_s);
	hy_wr_le32(&w, m->spent_ns);
	hy_wr_le32(&w, m->plain_ps);
	hy_wr_le64(&w, m->ino);
	return LOCAL_PACKET_MAX - w.left;
}

int local_decode_move(const uint8_t *in, size_t len, struct local_move *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_move got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.slot = hy_rd_le32(&r);
	got.linger_s = (int32_t)hy_rd_le32(&r);
	got.spent_ns = hy_rd_le32(&r);
	got.plain_ps = hy_rd_le32(&r);
	got.ino = hy_rd_le64(&r);
	if (r.bad || r.left || got.slot >= HY_PAGE_SLOTS || got.linger_s < LOCAL_LINGER_OFF)
		return -EPROTO;
	*m = got;
	return 0;
}

/* -- who a descriptor is -- */

size_t local_encode_who(uint32_t id, uint8_t *out)
{
	return LOCAL_PACKET_MAX - local_begin(LOCAL_WHO, id, out).left;
}

void local_wr_end(struct hy_wr *w, const struct local_end *e)
{
	hy_wr_bytes(w, e->addr, sizeof(e->addr));
	hy_wr_le16(w, e->port);
}

size_t local_encode_who_is(uint32_t id, const struct local_who *who, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_WHO_IS, id, out);

	hy_wr_le32(&w, who->slot);
	hy_wr_u8(&w, who->family);
	hy_wr_le64(&w, who->dev);
	hy_wr_le64(&w, who->ino);
	local_wr_end(&w, &who->local);
	local_wr_end(&w, &who->peer);
	return LOCAL_PACKET_MAX - w.left;
}

void local_rd_end(struct hy_rd *r, uint8_t family, struct local_end *e)
{
	static const uint8_t zeros[12];
	const uint8_t *addr = hy_rd_take(r, sizeof(e->addr));

	e->port = hy_rd_le16(r);
	if (!addr)
		return;
	memcpy(e->addr, addr, sizeof(e->addr));
	r->bad |= family == 4 && memcmp(addr + 4, zeros, sizeof(zeros)) != 0;
}

int local_decode_who_is(const uint8_t *in, size_t len, struct local_who *who)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_who got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.slot = hy_rd_le32(&r);
	got.family = hy_rd_u8(&r);
	got.dev = hy_rd_le64(&r);
	got.ino = hy_rd_le64(&r);
	local_rd_end(&r, got.family, &got.local);
	local_rd_end(&r, got.family, &got.peer);
	if (r.bad || r.left || (got.family != 4 && got.family != 6))
		return -EPROTO;
	*who = got;
	return 0;
}

/* -- options -- */

static bool is_slot(uint32_t slot)
{
	return slot < HY_PAGE_SLOTS || slot == LOCAL_SLOT_SHOWN;
}

size_t local_encode_option(uint32_t id, const struct local_option *o, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_OPTION, id, out);

	hy_wr_le32(&w, o->slot);
	hy_wr_u8(&w, o->value.id);
	hy_wr_bytes(&w, o->value.bytes, o->value.len);
	return LOCAL_PACKET_MAX - w.left;
}

int local_decode_option(const uint8_t *in, size_t len, struct local_option *o)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_option got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.slot = hy_rd_le32(&r);
	if (r.bad || !is_slot(got.slot) || option_set_decode(r.p, r.left, &got.value) < 0)
		return -EPROTO;
	*o = got;
	return 0;
}

size_t local_encode_option_ask(uint32_t id, const struct local_option *o, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_OPTION_ASK, id, out);

	hy_wr_le32(&w, o->slot);
	hy_wr_u8(&w, o->value.id);
	return LOCAL_PACKET_MAX - w.left;
}

int local_decode_option_ask(const uint8_t *in, size_t len, struct local_option *o)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_option got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.slot = hy_rd_le32(&r);
	got.value.id = hy_rd_u8(&r);
	if (r.bad || r.left || !is_slot(got.slot) || !option_info(got.value.id))
		return -EPROTO;
	*o = got;
	return 0;
}

size_t local_encode_told(uint32_t id, const struct local_told *t, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_OPTION_TOLD, id, out);

	hy_wr_le16(&w, t->num);
	hy_wr_u8(&w, t->value.id);
	hy_wr_bytes(&w, t->value.bytes, t->value.len);
	return LOCAL_PACKET_MAX - w.left;
}

int local_decode_told(const uint8_t *in, size_t len, struct local_told *t)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_told got = { 0 };
	const struct option_info *o;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.num = hy_rd_le16(&r);
	got.value.id = hy_rd_u8(&r);
	o = option_info(got.value.id);
	if (r.bad || !o || r.left > o->longest || (got.num && r.left))
		return -EPROTO;
	got.value.len = (uint16_t)r.left;
	memcpy(got.value.bytes, r.p, r.left);
	*t = got;
	return 0;
}

/* -- markers -- */

void local_encode_marker(const struct local_marker *m, uint8_t *out)
{
	struct hy_wr w = { .p = out, .left = LOCAL_MARKER_LEN };

	hy_wr_bytes(&w, LOCAL_MARKER_MAGIC, LOCAL_MARKER_MAGIC_LEN);
	hy_wr_le64(&w, m->offset);
	hy_wr_le64(&w, m->len);
	hy_wr_le32(&w, m->flags);
	hy_wr_le32(&w, m->grow);
}

int local_decode_marker(const uint8_t *in, size_t len, struct local_marker *m)
{
	struct hy_rd r = { .p = in, .left = len };
	const uint8_t *magic = hy_rd_take(&r, LOCAL_MARKER_MAGIC_LEN);
	struct local_marker got = { .offset = hy_rd_le64(&r), .len = hy_rd_le64(&r) };

	got.flags = hy_rd_le32(&r);
	got.grow = hy_rd_le32(&r);
	if (r.bad || r.left || memcmp(magic, LOCAL_MARKER_MAGIC, LOCAL_MARKER_MAGIC_LEN) != 0)
		return -EPROTO;
	if (got.flags > LOCAL_MARK_GROWS || (got.grow && got.flags != LOCAL_MARK_GROWS))
		return -EPROTO;
	if (got.len == 0 || got.len > HY_SLICE_MAX)
		return -EPROTO;
	if (got.offset > INT64_MAX - got.len)
		return -EPROTO;
	*m = got;
	return 0;
}
