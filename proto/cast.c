/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cast.c - casts: what programs ask of the agent, and what agent and host say of them
 *
 * Runs in: hylics-agent, libhylics, hylics-worker
 * Reads from: any program of the guest (hostile to the agent); the guest (hostile to the host)
 */
#include "proto/cast.h"

#include <errno.h>

#define IP4_HEADERS 28		/* of a datagram: what stands before its bytes in the MTU */
#define IP6_HEADERS 48

static void wr_part(struct hy_wr *w, const struct cast_part *p)
{
	hy_wr_le64(w, p->offset);
	hy_wr_le64(w, p->count);
	hy_wr_le32(w, p->pace.bytes);
	hy_wr_le64(w, p->pace.rate);
}

static void rd_part(struct hy_rd *r, struct cast_part *p)
{
	p->offset = hy_rd_number(r);
	p->count = hy_rd_number(r);
	p->pace.bytes = hy_rd_le32(r);
	p->pace.rate = hy_rd_le64(r);
	r->bad |= !p->count || p->offset > INT64_MAX - p->count || !pacing_is_good(&p->pace);
}

static void wr_told(struct hy_wr *w, const struct cast_told *m)
{
	hy_wr_le64(w, m->sent);
	hy_wr_u8(w, m->state);
	hy_wr_le16(w, m->reason);
}

/* A newer peer may know reasons that are none here. */
static void rd_told(struct hy_rd *r, struct cast_told *m)
{
	bool ended_badly;

	m->sent = hy_rd_number(r);
	m->state = hy_rd_u8(r);
	m->reason = hy_rd_le16(r);
	ended_badly = m->state == CAST_REFUSED || m->state == CAST_BROKEN;
	r->bad |= m->state >= CAST_STATES || ended_badly != (m->reason != MOVE_DONE) ||
		  (m->state == CAST_REFUSED && m->sent);
	if (m->reason >= MOVE_REASONS)
		m->reason = MOVE_ERROR;
}

/* -- on the agent's socket -- */

size_t cast_encode_ask(uint32_t id, const struct cast_part *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_CAST, id, out);

	wr_part(&w, m);
	return LOCAL_PACKET_MAX - w.left;
}

int cast_decode_ask(const uint8_t *in, size_t len, struct cast_part *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct cast_part got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	rd_part(&r, &got);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}

size_t cast_encode_local_told(uint32_t id, const struct cast_told *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_CAST_TOLD, id, out);

	wr_told(&w, m);
	return LOCAL_PACKET_MAX - w.left;
}

int cast_decode_local_told(const uint8_t *in, size_t len, struct cast_told *m)
{
	struct hy_rd r = { .p = in, .left = len };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	return r.bad ? -EPROTO : cast_decode_told(r.p, r.left, m);
}

/* -- on the channel -- */

int cast_encode(const struct cast *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_u8(&w, m->family);
	hy_wr_u8(&w, m->tos);
	hy_wr_u8(&w, m->ttl);
	local_wr_end(&w, &m->local);
	local_wr_end(&w, &m->peer);
	hy_wr_le32(&w, m->file);
	wr_part(&w, &m->part);
	return hy_wr_written(&w, out);
}

int cast_decode(const uint8_t *in, size_t len, struct cast *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct cast got = { .family = hy_rd_u8(&r) };

	got.tos = hy_rd_u8(&r);
	got.ttl = hy_rd_u8(&r);
	local_rd_end(&r, got.family, &got.local);
	local_rd_end(&r, got.family, &got.peer);
	got.file = hy_rd_le32(&r);
	rd_part(&r, &got.part);
	if (r.bad || r.left || (got.family != 4 && got.family != 6) || !got.ttl ||
	    !got.local.port || !got.peer.port)
		return -EPROTO;
	*m = got;
	return 0;
}

bool cast_fits(const struct cast *m, int mtu)
{
	int headers = m->family == 4 ? IP4_HEADERS : IP6_HEADERS;

	return (int64_t)m->part.pace.bytes + headers <= mtu;
}

int cast_encode_told(const struct cast_told *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	wr_told(&w, m);
	return hy_wr_written(&w, out);
}

int cast_decode_told(const uint8_t *in, size_t len, struct cast_told *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct cast_told got;

	rd_told(&r, &got);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}
