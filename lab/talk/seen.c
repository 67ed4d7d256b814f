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

static struct flow_key key_of(const struct frame_info *info)
{
	struct flow_key key = { .src_port = info->src_port, .dst_port = info->dst_port,
				.vlan = info->vlan, .net = (uint16_t)info->net };

	memcpy(key.src, info->src, sizeof(key.src));
	memcpy(key.dst, info->dst, sizeof(key.dst));
	return key;
}

static struct flow_key turned_round(const struct flow_key *k)
{
	struct flow_key key = *k;

	key.src_port = k->dst_port;
	key.dst_port = k->src_port;
	memcpy(key.src, k->dst, sizeof(key.src));
	memcpy(key.dst, k->src, sizeof(key.dst));
	return key;
}

static size_t place_number(const struct flow_key *key)
{
	uint64_t h = 0xcbf29ce484222325ull, word;

	for (size_t i = 0; i < sizeof(*key); i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)key + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h % TALK_FLOW_PLACES;
}

/* Return: NULL if it has no place, or no longer */
static const struct flow_place *find_place(const struct seen *s, const struct flow_key *key)
{
	const struct flow_place *p = &s->places[place_number(key)];

	return p->used && memcmp(&p->key, key, sizeof(*key)) == 0 ? p : NULL;
}

/*
 * Return: whether it says the same number and window again, and nothing else: something is missing
 * before it
 */
static bool note_ack(struct seen *s, const struct frame_info *info)
{
	const struct flow_key key = key_of(info);
	struct flow_place *p = &s->places[place_number(&key)];
	bool known = find_place(s, &key) != NULL;
	bool repeats = known && info->class == FRAME_TCP_PURE_ACK && info->ack == p->ack &&
		       info->window == p->window;

	s->acks_evicted += p->used && !known;
	if (!known)
		*p = (struct flow_place){ .key = key, .used = true };
	p->ack = info->ack;
	p->window = info->window;
	if (info->tcp_flags & FRAME_TCP_FIN) {
		p->end = info->seq + info->payload_len + 1;
		p->ended = true;
	}
	return repeats;
}

/* A place that serves a new connection knows nothing of the earlier one's end. */
static void forget_end(struct seen *s, const struct frame_info *info)
{
	const struct flow_key key = key_of(info);
	struct flow_place *p = &s->places[place_number(&key)];

	if (find_place(s, &key))
		p->ended = false;
}

static bool is_late(const struct seen *s, const struct seen *back, const struct frame_info *info)
{
	const struct flow_key key = key_of(info), turned = turned_round(&key);
	const struct flow_place *its = find_place(s, &key), *other = find_place(back, &turned);

	return its && other && its->ended && other->ended && other->ack == its->end;
}

static uint64_t segments(const struct seen_frame *f, uint32_t payload)
{
	if (!f->segment_bytes || payload <= f->segment_bytes)
		return 1;
	return (payload + f->segment_bytes - 1) / f->segment_bytes;
}

static void take_tcp(struct seen *s, const struct seen *back, const struct seen_frame *f,
		     const struct frame_info *info)
{
	struct seen_counts *c = &s->counts;
	bool control = info->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_RST);

	c->segments += segments(f, info->payload_len);
	c->payload_bytes += info->payload_len;
	c->syn += (info->tcp_flags & FRAME_TCP_SYN) != 0;
	c->fin += (info->tcp_flags & FRAME_TCP_FIN) != 0;
	if (info->tcp_flags & FRAME_TCP_SYN)
		forget_end(s, info);
	if (info->tcp_flags & FRAME_TCP_RST) {
		c->rst++;
		c->rst_late += is_late(s, back, info);
	}
	c->retransmitted += flow_see(&s->flows, info) && info->payload_len;
	c->zero_windows += info->window == 0 && !control;
	if (info->tcp_flags & FRAME_TCP_ACK && !control)
		c->dup_acks += note_ack(s, info);
}

void seen_take(struct seen *s, const struct seen *back, const struct seen_frame *f)
{
	struct seen_counts *c = &s->counts;
	struct frame_info info;

	parse(f, &info);
	if (f->port && (!is_tcp(&info) || (info.src_port != f->port && info.dst_port != f->port)))
		return;
	c->frames++;
	c->frame_bytes += f->len;
	if (is_tcp(&info))
		take_tcp(s, back, f, &info);
	else if (info.malformed)
		c->malformed++;
	else if (info.class == FRAME_FRAGMENT)
		c->fragments++;
	else
		c->other++;
}
