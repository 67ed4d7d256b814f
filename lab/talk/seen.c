/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen.c - what a watch counts of the frames it is shown
 *
 * Runs in: hylics-talk watch
 * Reads from: frames of whoever is on the wire (hostile); at least their first bytes
 */
#include "lab/talk/seen.h"

#include <string.h>

#include "lab/wire/wire_limits.h"

/*
 * The parser is told of the whole frame, so that it knows how much payload there is; behind the
 * captured bytes it finds zeros, also where headers are so long that they were not captured.
 */
static void parse(const struct seen_frame *f, struct frame_info *info)
{
	static uint8_t whole[WIRE_FRAME_MAX];
	size_t n = f->captured < TALK_SNAP_BYTES ? f->captured : TALK_SNAP_BYTES;

	memset(whole, 0, TALK_SNAP_BYTES);
	memcpy(whole, f->bytes, n);
	frame_parse(whole, f->len < sizeof(whole) ? f->len : sizeof(whole), info);
}

static bool is_tcp(const struct frame_info *info)
{
	return info->class == FRAME_TCP_CONTROL || info->class == FRAME_TCP_DATA ||
	       info->class == FRAME_TCP_PURE_ACK;
}

static struct ack_place *ack_place(struct seen *s, const struct frame_info *info,
				   struct flow_key *key)
{
	uint64_t h = 0xcbf29ce484222325ull, word;

	*key = (struct flow_key){ .src_port = info->src_port, .dst_port = info->dst_port,
				  .vlan = info->vlan, .net = (uint16_t)info->net };
	memcpy(key->src, info->src, sizeof(key->src));
	memcpy(key->dst, info->dst, sizeof(key->dst));
	for (size_t i = 0; i < sizeof(*key); i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)key + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return &s->acks[h % TALK_ACK_PLACES];
}

/* The same number and window again, with nothing else to say: something was missing before it. */
static bool repeats_ack(struct seen *s, const struct frame_info *info)
{
	struct flow_key key;
	struct ack_place *p = ack_place(s, info, &key);
	bool known = p->used && memcmp(&p->key, &key, sizeof(key)) == 0;
	bool repeats = known && info->class == FRAME_TCP_PURE_ACK && info->ack == p->ack &&
		       info->window == p->window;

	s->acks_evicted += p->used && !known;
	*p = (struct ack_place){ .key = key, .ack = info->ack, .window = info->window, .used = 1 };
	return repeats;
}

static uint64_t segments(const struct seen_frame *f, uint32_t payload)
{
	if (!f->segment_bytes || payload <= f->segment_bytes)
		return 1;
	return (payload + f->segment_bytes - 1) / f->segment_bytes;
}

static void take_tcp(struct seen *s, const struct seen_frame *f, const struct frame_info *info)
{
	struct seen_counts *c = &s->counts;
	bool control = info->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_RST);

	c->segments += segments(f, info->payload_len);
	c->payload_bytes += info->payload_len;
	c->syn += (info->tcp_flags & FRAME_TCP_SYN) != 0;
	c->fin += (info->tcp_flags & FRAME_TCP_FIN) != 0;
	c->rst += (info->tcp_flags & FRAME_TCP_RST) != 0;
	c->retransmitted += flow_see(&s->flows, info) && info->payload_len;
	c->zero_windows += info->window == 0 && !control;
	if (info->tcp_flags & FRAME_TCP_ACK && !control)
		c->dup_acks += repeats_ack(s, info);
}

void seen_take(struct seen *s, const struct seen_frame *f)
{
	struct seen_counts *c = &s->counts;
	struct frame_info info;

	parse(f, &info);
	if (f->port && (!is_tcp(&info) || (info.src_port != f->port && info.dst_port != f->port)))
		return;
	c->frames++;
	c->frame_bytes += f->len;
	if (is_tcp(&info))
		take_tcp(s, f, &info);
	else if (info.malformed)
		c->malformed++;
	else if (info.class == FRAME_FRAGMENT)
		c->fragments++;
	else
		c->other++;
}
