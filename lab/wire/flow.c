/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.c - follows the sequence numbers of TCP connections to tell retransmissions
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire, through frame_parse() (hostile)
 *
 * An open hash table of fixed size. A guest can choose addresses that fall into the same places;
 * all it gains is that its own flows are forgotten, since a search looks at few places only.
 */
#include "lab/wire/flow.h"

#include <string.h>

static uint32_t hash(const struct flow_key *k)
{
	const uint8_t *bytes = (const uint8_t *)k;
	uint64_t h = 0xcbf29ce484222325ull, word;

	for (size_t i = 0; i < sizeof(*k); i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return (uint32_t)h;
}

/* The flow, or the place it is to take: a free one, else the longest unused. */
static struct flow *find(struct flow_table *t, const struct flow_key *k)
{
	struct flow *best = NULL;
	uint32_t start = hash(k);

	for (uint32_t i = 0; i < WIRE_FLOW_PROBES; i++) {
		struct flow *f = &t->flow[(start + i) % WIRE_FLOWS];

		if (f->used && memcmp(&f->key, k, sizeof(*k)) == 0)
			return f;
		if (!best || f->used < best->used)
			best = f;
	}
	return best;
}

static void begin(struct flow_table *t, struct flow *flow, const struct flow_key *k, uint32_t end)
{
	if (flow->used)
		t->evicted++;
	*flow = (struct flow){ .key = *k, .used = t->clock, .next_seq = end };
}

bool flow_see(struct flow_table *t, const struct frame_info *f)
{
	struct flow_key k = { .src_port = f->src_port, .dst_port = f->dst_port, .vlan = f->vlan,
			      .net = (uint16_t)f->net };
	bool syn = f->tcp_flags & FRAME_TCP_SYN, fin = f->tcp_flags & FRAME_TCP_FIN;
	uint32_t end = f->seq + f->payload_len + (syn ? 1 : 0) + (fin ? 1 : 0);
	struct flow *flow;

	if (end == f->seq)
		return false;
	memcpy(k.src, f->src, sizeof(k.src));
	memcpy(k.dst, f->dst, sizeof(k.dst));
	t->clock++;
	flow = find(t, &k);
	if (!flow->used || memcmp(&flow->key, &k, sizeof(k)) != 0) {
		begin(t, flow, &k, end);
		return false;
	}
	flow->used = t->clock;
	/* The same SYN comes again, or the ports are used for a new connection. */
	if (syn && end != flow->next_seq) {
		flow->next_seq = end;
		return false;
	}
	if ((int32_t)(f->seq - flow->next_seq) < 0) {
		if ((int32_t)(end - flow->next_seq) > 0)
			flow->next_seq = end;
		return true;
	}
	flow->next_seq = end;
	return false;
}
