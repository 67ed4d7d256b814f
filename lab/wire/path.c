/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.c - one direction of the wire: from a frame that came in to one that leaves
 *
 * Runs in: hylics-wire
 * Reads from: the machine on the sending side (hostile)
 */
#include "lab/wire/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/own.h"
#include "lab/wire/fate.h"
#include "lab/wire/outlet.h"
#include "lab/wire/reset.h"
#include "lab/wire/script.h"

/* A frame on its way through the decisions; @bytes are the receive buffer's. */
struct arrival {
	const uint8_t *bytes;
	size_t len;
	const struct frame_info *info;
	struct fate_key key;
	uint64_t now_ns;
};

/* What was decided about one copy of it. */
struct plan {
	bool corrupt;
	bool reorder;
	bool out_of_line;	/* others are not kept behind it, nor it behind them */
	uint64_t extra_ns;
};

static int allocate(struct path *p, uint32_t slots, struct hy_err *e)
{
	p->line.heap = calloc(slots, sizeof(*p->line.heap));
	p->line.room = slots;
	p->outlet.slot = calloc(slots, sizeof(*p->outlet.slot));
	p->rate.leaves_ns = calloc(WIRE_QUEUE_MAX, sizeof(*p->rate.leaves_ns));
	p->flows = calloc(1, sizeof(*p->flows));
	if (!p->line.heap || !p->outlet.slot || !p->rate.leaves_ns || !p->flows)
		return hy_err_set(e, ENOMEM, "tables for %u frames (see --pool)", slots);
	return 0;
}

int path_open(struct path *p, int direction, const struct path_common *common,
	      const struct impair *impair, struct link *to, uint32_t slots, struct hy_err *e)
{
	struct path new = { .direction = direction, .common = common, .impair = impair, .to = to,
			    .first_held = POOL_NONE, .last_held = POOL_NONE };
	int rc = pool_open(&new.pool, slots, to->mtu + WIRE_SLOT_HEADERS, e);

	if (rc == 0)
		rc = allocate(&new, slots, e);
	if (rc < 0) {
		path_close(&new);
		return rc;
	}
	*p = new;
	return 0;
}

void path_close(struct path *p)
{
	pool_close(&p->pool);
	hy_mem_free(&p->line.heap);
	hy_mem_free(&p->outlet.slot);
	hy_mem_free(&p->rate.leaves_ns);
	hy_mem_free(&p->flows);
}

void path_record_drop(struct path *p, const uint8_t *bytes, size_t len, const char *reason)
{
	pcap_frame(p->common->dropped, p->direction, bytes, len, reason);
}

static void count_tcp(struct path *p, const struct frame_info *f, bool again)
{
	struct stats *s = &p->stats;

	s->tcp_segments++;
	s->tcp_bytes += f->payload_len;
	s->tcp_syn += (f->tcp_flags & FRAME_TCP_SYN) != 0;
	s->tcp_fin += (f->tcp_flags & FRAME_TCP_FIN) != 0;
	s->tcp_rst += (f->tcp_flags & FRAME_TCP_RST) != 0;
	s->tcp_pure_acks += f->class == FRAME_TCP_PURE_ACK;
	s->tcp_zero_windows += !f->window && !(f->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_RST));
	s->tcp_retransmissions += again;
	s->flows_forgotten = p->flows->evicted;
}

/* Returns true if the frame is a TCP retransmission. */
static bool count_arrival(struct path *p, const struct arrival *a)
{
	bool again = false;

	p->stats.frames_in++;
	p->stats.bytes_in += a->len;
	p->stats.malformed += a->info->malformed;
	if (a->info->class >= FRAME_TCP_CONTROL) {
		again = flow_see(p->flows, a->info);
		count_tcp(p, a->info, again);
	}
	return again;
}

/*
 * When the bottleneck has sent this frame; *full if no room is in the queue before it. The queue is
 * kept as the times at which frames leave it, so no timer is needed to empty it.
 */
static uint64_t pass_bottleneck(struct path *p, const struct arrival *a, bool *full)
{
	struct path_rate *r = &p->rate;
	uint64_t start = r->free_ns > a->now_ns ? r->free_ns : a->now_ns;

	*full = false;
	if (!p->impair->rate_bits)
		return a->now_ns;
	while (r->n && r->leaves_ns[r->head] <= a->now_ns) {
		r->head = (r->head + 1) % WIRE_QUEUE_MAX;
		r->n--;
	}
	*full = r->n >= p->impair->queue;
	if (*full)
		return 0;
	r->free_ns = start + a->len * 8 * HY_NS_PER_S / p->impair->rate_bits;
	r->leaves_ns[(r->head + r->n++) % WIRE_QUEUE_MAX] = r->free_ns;
	return r->free_ns;
}

/* The time the delay line gives a frame that leaves the bottleneck at @from_ns. */
static uint64_t due_after(struct path *p, const struct arrival *a, const struct plan *plan,
			  uint64_t from_ns)
{
	const struct impair *i = p->impair;
	int64_t delay = (int64_t)(i->delay_ns + plan->extra_ns);
	uint64_t due;

	if (i->jitter_ns)
		delay += fate_jitter(&a->key, i->jitter_ns);
	p->stats.delayed += i->delay_ns || i->jitter_ns || plan->extra_ns;
	due = from_ns + (uint64_t)(delay > 0 ? delay : 0);
	if (plan->out_of_line)
		return due;
	if (due < p->last_due_ns)
		due = p->last_due_ns;
	p->last_due_ns = due;
	return due;
}

/* Sends a late frame on, at @due_ns or when its bound has come. */
static void release_late(struct path *p, uint32_t i, uint64_t due_ns)
{
	uint32_t slot = p->late[i];
	struct pool_slot *s = pool_at(&p->pool, slot);

	if (due_ns > s->due_ns)
		due_ns = s->due_ns;
	if (s->overtaken_ns <= due_ns)
		p->stats.reordered++;
	else
		p->stats.reorder_missed++;
	p->n_late--;
	memmove(&p->late[i], &p->late[i + 1], (p->n_late - i) * sizeof(p->late[0]));
	queue_push(&p->line, slot, due_ns);
}

/* A frame due at @due_ns went into the line: the late ones have been overtaken once more. */
static void overtake(struct path *p, uint64_t due_ns)
{
	uint32_t i = 0;

	while (i < p->n_late) {
		struct pool_slot *s = pool_at(&p->pool, p->late[i]);

		if (s->overtaken_ns == UINT64_MAX)
			s->overtaken_ns = due_ns;
		if (--s->left == 0)
			release_late(p, i, due_ns);
		else
			i++;
	}
}

static void make_late(struct path *p, uint32_t slot, uint64_t due_ns)
{
	struct pool_slot *s = pool_at(&p->pool, slot);

	s->left = p->impair->reorder_gap;
	s->due_ns = due_ns + p->impair->reorder_bound_ns;
	s->overtaken_ns = UINT64_MAX;
	p->late[p->n_late++] = slot;
}

/*
 * The receiver's checksum is to catch it, so the bit lies in what the checksum covers: in the
 * payload, or in the transport header of a frame without one.
 */
static void flip_bit(uint8_t *bytes, const struct frame_info *f, uint64_t word)
{
	uint32_t start = f->payload_len ? f->payload : f->l4;
	uint32_t bits = (f->payload + f->payload_len - start) * 8;
	uint32_t bit = bits ? (uint32_t)(word % bits) : 0;

	if (bits)
		bytes[start + bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void refuse(struct path *p, const struct arrival *a, uint64_t *counter, const char *reason)
{
	(*counter)++;
	path_record_drop(p, a->bytes, a->len, reason);
}

/* Copies a frame into a slot. Return: the slot, POOL_NONE if it was dropped and counted. */
static uint32_t store(struct path *p, const struct arrival *a)
{
	struct pool_slot *s;
	uint32_t slot;

	if (a->len > p->pool.room) {
		refuse(p, a, &p->stats.unsent, "longer than the receiver's MTU");
		return POOL_NONE;
	}
	slot = pool_take(&p->pool);
	if (slot == POOL_NONE) {
		refuse(p, a, &p->stats.pool_full, "too many frames on their way");
		return POOL_NONE;
	}
	s = pool_at(&p->pool, slot);
	s->len = (uint32_t)a->len;
	memcpy(s->bytes, a->bytes, a->len);
	return slot;
}

static void send_on(struct path *p, const struct arrival *a, const struct plan *plan)
{
	uint32_t slot = store(p, a);
	uint64_t from_ns, due_ns;
	bool full;

	if (slot == POOL_NONE)
		return;
	from_ns = pass_bottleneck(p, a, &full);
	if (full) {
		pool_give(&p->pool, slot);
		refuse(p, a, &p->stats.queue_full, "queue full");
		return;
	}
	if (plan->corrupt) {
		p->stats.corrupted++;
		flip_bit(pool_at(&p->pool, slot)->bytes, a->info,
			 fate_word(&a->key, FATE_CORRUPT_BIT));
	}
	due_ns = due_after(p, a, plan, from_ns);
	if (plan->reorder && p->n_late < WIRE_LATE_MAX) {
		make_late(p, slot, due_ns);
		return;
	}
	queue_push(&p->line, slot, due_ns);
	if (!plan->out_of_line)
		overtake(p, due_ns);
}

static void twice(struct path *p, const struct arrival *a, const struct plan *plan)
{
	struct plan copy = { .corrupt = plan->corrupt };

	send_on(p, a, plan);
	p->stats.duplicated++;
	send_on(p, a, &copy);
}

static void by_chance(struct path *p, const struct arrival *a)
{
	struct fate fate = fate_decide(&a->key, &p->impair->odds);
	struct plan plan = { .corrupt = fate.corrupted, .reorder = fate.reordered };

	if (fate.lost)
		refuse(p, a, &p->stats.lost, "lost");
	else if (fate.duplicated)
		twice(p, a, &plan);
	else
		send_on(p, a, &plan);
}

static void append_held(struct path *p, uint32_t slot)
{
	pool_at(&p->pool, slot)->next = POOL_NONE;
	if (p->last_held == POOL_NONE)
		p->first_held = slot;
	else
		pool_at(&p->pool, p->last_held)->next = slot;
	p->last_held = slot;
}

static void hold(struct path *p, const struct arrival *a, int mark)
{
	uint32_t slot = store(p, a);

	if (slot == POOL_NONE)
		return;
	pool_at(&p->pool, slot)->mark = mark;
	append_held(p, slot);
	p->stats.held++;
}

void path_mark(struct path *p, int mark, uint64_t now_ns)
{
	uint32_t slot = p->first_held, next;

	p->first_held = p->last_held = POOL_NONE;
	for (; slot != POOL_NONE; slot = next) {
		next = pool_at(&p->pool, slot)->next;
		if (pool_at(&p->pool, slot)->mark == mark)
			queue_push(&p->line, slot, now_ns);
		else
			append_held(p, slot);
	}
}

/* The frame's place is taken by a reset that its sender might have sent. */
static void replace_by_reset(struct path *p, const struct arrival *a)
{
	uint8_t bytes[RESET_LEN_MAX];
	struct frame_info info;
	struct arrival reset = *a;
	struct plan plain = { .corrupt = false };
	size_t len = reset_make(a->bytes, a->info, bytes);

	refuse(p, a, &p->stats.scripted, "replaced by a reset");
	if (len == 0)
		return;
	frame_parse(bytes, len, &info);
	reset.bytes = bytes;
	reset.len = len;
	reset.info = &info;
	p->stats.injected++;
	send_on(p, &reset, &plain);
}

static void by_rule(struct path *p, const struct arrival *a, const struct rule *rule)
{
	struct plan plan = { .corrupt = rule->action == RULE_CORRUPT,
			     .out_of_line = rule->action == RULE_DELAY,
			     .extra_ns = rule->delay_ns };

	switch (rule->action) {
	case RULE_DROP:
		refuse(p, a, &p->stats.scripted, "dropped by a rule");
		break;
	case RULE_DELAY:
	case RULE_CORRUPT:
		send_on(p, a, &plan);
		break;
	case RULE_DUP:
		twice(p, a, &plan);
		break;
	case RULE_HOLD:
		hold(p, a, rule->mark);
		break;
	case RULE_RESET:
		replace_by_reset(p, a);
		break;
	case RULE_MARK:
		break;
	}
}

uint64_t path_take(struct path *p, const uint8_t *bytes, size_t len, uint64_t now_ns)
{
	struct frame_info info;
	struct arrival a = { .bytes = bytes, .len = len, .info = &info, .now_ns = now_ns };
	struct script_verdict verdict;
	bool again;

	frame_parse(bytes, len, &info);
	again = count_arrival(p, &a);
	a.key = (struct fate_key){ .seed = p->common->seed, .direction = (uint32_t)p->direction,
				   .class = info.class, .number = p->number[info.class]++ };
	verdict = script_judge(p->common->script, p->direction, &info, again);
	if (verdict.rule)
		by_rule(p, &a, verdict.rule);
	else
		by_chance(p, &a);
	return verdict.raised;
}

void path_advance(struct path *p, uint64_t now_ns)
{
	uint32_t slot, i = 0;

	while (i < p->n_late) {
		if (pool_at(&p->pool, p->late[i])->due_ns <= now_ns)
			release_late(p, i, now_ns);
		else
			i++;
	}
	while (queue_pop(&p->line, now_ns, &slot))
		outlet_add(p, slot);
}

uint64_t path_next_ns(const struct path *p)
{
	uint64_t next = queue_due(&p->line);

	for (uint32_t i = 0; i < p->n_late; i++) {
		uint64_t due = pool_at(&p->pool, p->late[i])->due_ns;

		if (due < next)
			next = due;
	}
	return next;
}
