/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script.c - which rule of the script, if any, decides about a frame
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire, through frame_parse() (hostile)
 */
#include "lab/wire/script.h"

static bool is_tcp(const struct frame_info *f)
{
	return f->class >= FRAME_TCP_CONTROL;
}

static bool has_ports(const struct frame_info *f)
{
	return is_tcp(f) || f->class == FRAME_UDP;
}

static bool proto_fits(enum rule_proto want, const struct frame_info *f)
{
	switch (want) {
	case RULE_ANY_PROTO:
		return true;
	case RULE_TCP:
		return is_tcp(f);
	case RULE_UDP:
		return f->class == FRAME_UDP;
	case RULE_ICMP:
		return f->class == FRAME_ICMP;
	case RULE_ARP:
		return f->net == FRAME_NET_ARP;
	case RULE_FRAGMENT:
		return f->class == FRAME_FRAGMENT;
	case RULE_OTHER:
		return f->class == FRAME_OTHER && f->net != FRAME_NET_ARP;
	}
	return false;
}

static unsigned int tcp_bits(const struct frame_info *f, bool again)
{
	unsigned int bits = again ? RULE_TCP_AGAIN : 0;

	if (f->tcp_flags & FRAME_TCP_SYN)
		bits |= f->tcp_flags & FRAME_TCP_ACK ? RULE_TCP_SYN | RULE_TCP_SYNACK
						     : RULE_TCP_SYN;
	if (f->tcp_flags & FRAME_TCP_FIN)
		bits |= RULE_TCP_FIN;
	if (f->tcp_flags & FRAME_TCP_RST)
		bits |= RULE_TCP_RST;
	if (f->tcp_flags & FRAME_TCP_PSH)
		bits |= RULE_TCP_PSH;
	if (f->class == FRAME_TCP_PURE_ACK)
		bits |= RULE_TCP_PURE_ACK;
	if (f->payload_len)
		bits |= RULE_TCP_DATA;
	return bits;
}

static bool within(const struct rule_bounds *b, uint32_t value)
{
	return value >= b->low && value <= b->high;
}

static bool range_fits(const struct rule *r, enum rule_range which, const struct frame_info *f)
{
	const struct rule_bounds *b = &r->range[which];

	if (!b->asked)
		return true;
	switch (which) {
	case RULE_LEN:
		return within(b, f->payload_len);
	case RULE_WIN:
		return is_tcp(f) && within(b, f->window);
	case RULE_SPORT:
		return has_ports(f) && within(b, f->src_port);
	case RULE_DPORT:
		return has_ports(f) && within(b, f->dst_port);
	case RULE_PORT:
		return has_ports(f) && (within(b, f->src_port) || within(b, f->dst_port));
	case RULE_RANGES:
		break;
	}
	return false;
}

static bool matches(const struct rule *r, int direction, const struct frame_info *f, bool again)
{
	if (r->direction != RULE_BOTH_DIRECTIONS && r->direction != direction)
		return false;
	if (!proto_fits(r->proto, f) || (r->tcp && (tcp_bits(f, again) & r->tcp) != r->tcp))
		return false;
	for (int i = 0; i < RULE_RANGES; i++) {
		if (!range_fits(r, (enum rule_range)i, f))
			return false;
	}
	return true;
}

/* The frame matches: does the rule act on this one? */
static bool fires(const struct rule *r, struct rule_state *state)
{
	state->matched++;
	if (state->matched < r->nth || state->fired_open >= r->count)
		return false;
	state->fired_open++;
	state->fired++;
	return true;
}

static void raise_all(struct script *s, uint64_t marks)
{
	for (unsigned int i = 0; i < s->marks; i++) {
		if (marks >> i & 1)
			script_raise(s, (int)i);
	}
}

struct script_verdict script_judge(struct script *s, int direction, const struct frame_info *f,
				   bool again)
{
	struct script_verdict v = { .rule = NULL };

	for (unsigned int i = 0; i < s->rules && !v.rule; i++) {
		const struct rule *r = &s->rule[i];

		if (!s->state[i].open || !matches(r, direction, f, again) ||
		    !fires(r, &s->state[i]))
			continue;
		if (r->action == RULE_MARK)
			v.raised |= 1ull << r->mark;
		else
			v.rule = r;
	}
	if (v.raised)
		raise_all(s, v.raised);
	return v;
}

void script_raise(struct script *s, int mark)
{
	s->mark[mark].raised++;
	for (unsigned int i = 0; i < s->rules; i++) {
		struct rule_state *state = &s->state[i];

		if (s->rule[i].until == mark)
			state->open = false;
		if (s->rule[i].after == mark && !state->open) {
			state->open = true;
			state->matched = state->fired_open = 0;
		}
	}
}
