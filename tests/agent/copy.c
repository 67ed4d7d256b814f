/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy.c - the scene's worker: hears what the agent says, answers as it is told to
 *
 * Runs in: the tests of the agent
 * Reads from: the agent that is tested
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/agent/parts.h"

void say(enum msg_type type, uint32_t id, const void *payload, int len)
{
	int rc = len < 0 ? len : chan_send(&scene.chan, type, id, payload, (size_t)len);

	if (rc < 0)
		probe_bail("message %d: %s", (int)type, strerror(-rc));
}

static void say_answer(enum msg_type type, uint32_t id, enum move_reason reason)
{
	const struct move_answer m = { .reason = (uint16_t)reason };
	uint8_t out[MOVE_ANSWER_LEN];

	say(type, id, out, move_answer_encode(&m, out, sizeof(out)));
}

struct copy *copy_of(unsigned int k)
{
	return &scene.copy[k];
}

static struct copy *find(uint32_t id)
{
	for (unsigned int i = 0; i < scene.n_copies; i++) {
		if (scene.copy[i].id == id)
			return &scene.copy[i];
	}
	return NULL;
}

/* -- it comes -- */

static int arrived(struct copy *c)
{
	if (scene.answer == REFUSE)
		say_answer(MSG_REFUSED, c->id, MOVE_NO_TWIN);
	if (scene.answer == ADOPT) {
		c->there = true;
		say(MSG_ADOPTED, c->id, NULL, 0);
	}
	return 0;
}

static int take_offer(const struct message *m)
{
	struct copy *c = &scene.copy[scene.n_copies++];
	struct move_offer o;

	*c = (struct copy){ .id = m->id };
	c->heard = malloc(HEARD_MAX);
	if (!c->heard || move_offer_decode(m->payload, m->len, &o) < 0 ||
	    tcp_record_decode(o.record, o.record_len, &c->rec) < 0)
		return -EPROTO;
	c->queue_all = c->rec.recv_len + c->rec.send_len;
	if (c->queue_all != o.bytes_len + o.rest || c->queue_all > sizeof(c->queue))
		return -EPROTO;
	memcpy(c->queue, o.bytes, o.bytes_len);
	c->queue_got = o.bytes_len;
	return c->queue_got == c->queue_all ? arrived(c) : 0;
}

static int take_queue(const struct message *m)
{
	struct copy *c = find(m->id);

	if (!c || m->len > c->queue_all - c->queue_got)
		return -EPROTO;
	memcpy(c->queue + c->queue_got, m->payload, m->len);
	c->queue_got += m->len;
	return c->queue_got == c->queue_all ? arrived(c) : 0;
}

/* -- what it says -- */

static int take_file(const struct message *m)
{
	struct move_file f;
	uint8_t out[MOVE_OPENED_LEN];

	if (move_file_decode(m->payload, m->len, &f) < 0)
		return -EPROTO;
	scene.files_opened++;
	scene.file_number = m->id;
	snprintf(scene.file_path, sizeof(scene.file_path), "%s", f.path);
	say(MSG_FILE_OPENED, m->id, out, move_opened_encode(scene.file_num, out, sizeof(out)));
	return 0;
}

static void get_stuck(struct copy *c)
{
	const struct move_pos at = { .pos = c->got };
	uint8_t out[MOVE_POS_LEN];

	say(MSG_STUCK, c->id, out, move_pos_encode(&at, out, sizeof(out)));
}

static void hear(struct copy *c, const struct move_item *i, uint64_t skip)
{
	if (i->kind == ITEM_DATA) {
		memcpy(c->heard + c->got, i->bytes + skip, i->bytes_len - skip);
		c->got += i->bytes_len - skip;
	} else {
		probe_fill(c->heard + c->got, (size_t)(i->len - skip), i->offset + skip,
			   FILE_STREAM);
		c->got += i->len - skip;
		c->slices++;
	}
}

void copy_sent(struct copy *c, uint64_t pos)
{
	const struct move_pos m = { .pos = pos };
	uint8_t out[MOVE_POS_LEN];

	say(MSG_SENT, c->id, out, move_pos_encode(&m, out, sizeof(out)));
}

static void take_end(struct copy *c, const struct move_item *i)
{
	uint8_t out[MOVE_END_LEN];

	c->shut = c->shut || i->kind == ITEM_SHUT;
	c->closed = c->closed || i->kind == ITEM_CLOSE;
	c->reset = c->reset || i->kind == ITEM_RESET;
	if (i->kind == ITEM_CLOSE && !scene.hold_sent)
		say(MSG_ENDED, c->id, out, move_end_encode(END_CLOSED, out, sizeof(out)));
}

static int take_item(const struct message *m)
{
	struct copy *c = find(m->id);
	struct move_item i;
	uint64_t len;

	if (!c || move_item_decode(m->payload, m->len, &i) < 0)
		return -EPROTO;
	len = i.kind == ITEM_DATA ? i.bytes_len : i.kind == ITEM_SLICE ? i.len : 0;
	c->items++;
	if (i.kind == ITEM_RESET || (len == 0 && i.pos == c->got)) {
		take_end(c, &i);
		return 0;
	}
	if (i.pos > c->got || i.pos + len <= c->got || c->got + len > HEARD_MAX)
		return 0;
	if (i.kind == ITEM_SLICE && scene.file_num && c->there) {
		get_stuck(c);
		return 0;
	}
	hear(c, &i, c->got - i.pos);
	if (!scene.hold_sent && c->there)
		copy_sent(c, c->got);
	return 0;
}

bool copy_heard_right(unsigned int k)
{
	const struct player *p = &scene.player[k];
	const struct copy *c = &scene.copy[k];

	return player_judge(p, c->heard, c->got, p->before) < 0;
}

bool copy_heard_all(unsigned int k)
{
	const struct player *p = &scene.player[k];

	return copy_of(k)->got == player_said(p) - p->before && copy_heard_right(k);
}

/* -- up -- */

void copy_says_up(unsigned int k, uint64_t offset, size_t len, uint64_t pos)
{
	uint8_t bytes[MOVE_UP_BYTES_MAX], out[MOVE_UP_MAX];
	const struct move_up m = { .pos = pos, .bytes = bytes, .bytes_len = (uint32_t)len };

	probe_fill(bytes, len, offset, UP(k));
	say(MSG_UP, scene.copy[k].id, out, move_up_encode(&m, out, sizeof(out)));
}

static int take_taken(const struct message *m)
{
	struct copy *c = find(m->id);
	struct move_pos p;

	if (!c || move_pos_decode(m->payload, m->len, &p) < 0)
		return -EPROTO;
	c->taken = p.pos;
	c->again = p.again;
	return 0;
}

/* -- sessions, and home -- */

void copy_resumed(struct copy *c)
{
	const struct move_resumed r = { .known = 1, .down = c->got - c->unsent,
					.up = c->resume.up };
	uint8_t out[MOVE_RESUME_LEN];

	c->there = true;
	say(MSG_RESUMED, c->id, out, move_resumed_encode(&r, out, sizeof(out)));
}

static int take_resume(const struct message *m)
{
	struct copy *c = find(m->id);
	struct move_resume resume;	/* of one that never came here */
	const struct move_resumed r = { 0 };
	uint8_t out[MOVE_RESUME_LEN];

	if (move_resume_decode(m->payload, m->len, c ? &c->resume : &resume) < 0)
		return -EPROTO;
	if (c) {
		c->resumed = true;
		c->home_asked = c->home_taken = false;
	}
	if (scene.mute)
		return 0;
	if (c && !scene.unknown && (c->there || !scene.closes))
		copy_resumed(c);
	else
		say(MSG_RESUMED, m->id, out, move_resumed_encode(&r, out, sizeof(out)));
	return 0;
}

static void stream_done(struct chan_stream *s, int rc)
{
	(void)s;
	(void)rc;
}

/*
 * The kept socket is to go on where the program's did: with what was in its queue, and behind that
 * all that was heard, none of it sent yet.
 */
void copy_home(unsigned int k)
{
	struct copy *c = &scene.copy[k];
	uint64_t sent = c->got - c->unsent;
	struct tcp_record rec = c->rec;
	static uint8_t bytes[sizeof(c->queue) + HEARD_MAX], out[MOVE_OFFER_MAX];
	static struct chan_stream rest;
	uint8_t record[TCP_RECORD_MAX];
	struct move_offer o = { .down = sent, .up = c->taken, .record = record, .bytes = bytes };
	uint32_t all;

	rec.recv_seq += (uint32_t)c->taken;
	rec.recv_len -= (uint32_t)c->taken;
	rec.send_len += (uint32_t)sent;
	rec.unsent_len += (uint32_t)sent;
	all = rec.recv_len + rec.send_len;
	memcpy(bytes, c->queue + c->taken, c->queue_all - c->taken);
	memcpy(bytes + (c->queue_all - c->taken), c->heard, sent);
	o.record_len = (uint16_t)tcp_record_encode(&rec, record, sizeof(record));
	o.bytes_len = MOVE_OFFER_ROOM - (uint32_t)o.record_len;
	if (o.bytes_len > all)
		o.bytes_len = all;
	o.rest = all - o.bytes_len;
	say(MSG_HOME_OFFER, c->id, out, move_offer_encode(&o, out, sizeof(out)));
	rest = (struct chan_stream){ .type = MSG_QUEUE, .id = c->id, .data = bytes + o.bytes_len,
				     .total = o.rest - scene.short_queue, .done = stream_done };
	if (o.rest && chan_send_stream(&scene.chan, &rest) < 0)
		probe_bail("the queue cannot be sent");
}

static int take_home(const struct message *m)
{
	struct copy *c = find(m->id);

	if (!c)
		return -EPROTO;
	c->home_asked = true;
	return 0;
}

static int take_home_taken(const struct message *m)
{
	struct copy *c = find(m->id);
	struct move_answer a;

	if (!c || move_answer_decode(m->payload, m->len, &a) < 0)
		return -EPROTO;
	c->home_taken = true;
	c->home_answer = a.reason;
	if (scene.closes && a.reason == MOVE_DONE) {
		c->there = false;
		say(MSG_HOME_DONE, c->id, NULL, 0);
	}
	return 0;
}

static int take_option(const struct message *m)
{
	struct copy *c = find(m->id);

	if (!c || !c->there || option_set_decode(m->payload, m->len, &c->option) < 0)
		return -EPROTO;
	c->set[c->option.id] = c->option;
	c->options++;
	return 0;
}

/* TCP_INFO is a lone 42. */
static int take_option_ask(const struct message *m)
{
	struct option_told told = { .value = { .len = 1, .bytes = { 42 } } };
	uint8_t out[OPTION_TOLD_MAX];
	struct option_ask ask;

	if (option_ask_decode(m->payload, m->len, &ask) < 0)
		return -EPROTO;
	told.ask = ask.ask;
	told.value.id = ask.id;
	if (!scene.tells_not)
		say(MSG_OPTION_TOLD, m->id, out, option_told_encode(&told, out, sizeof(out)));
	return 0;
}

static int take_cancel(const struct message *m)
{
	struct copy *c = find(m->id);

	if (!c)
		return -EPROTO;
	c->cancelled = true;
	say_answer(MSG_REFUSED, c->id, MOVE_ERROR);
	return 0;
}

/* -- the channel -- */

static void on_up(void *object, const struct msg_hello *peer)
{
	(void)object;
	(void)peer;
	scene.up = true;
	scene.ups++;
}

static void on_down(void *object, const char *why)
{
	(void)object;
	(void)why;
	scene.up = false;
	scene.downs++;
}

static int on_message(void *object, const struct message *m)
{
	(void)object;
	switch (m->info->type) {
	case MSG_OFFER:
		return take_offer(m);
	case MSG_QUEUE:
		return take_queue(m);
	case MSG_FILE_OPEN:
		return take_file(m);
	case MSG_FILE_CLOSE:
		scene.files_closed++;
		return 0;
	case MSG_ITEM:
		return take_item(m);
	case MSG_TAKEN:
		return take_taken(m);
	case MSG_RESUME:
		return take_resume(m);
	case MSG_HOME:
		return take_home(m);
	case MSG_HOME_TAKEN:
		return take_home_taken(m);
	case MSG_CANCEL:
		return take_cancel(m);
	case MSG_OPTION:
		return take_option(m);
	case MSG_OPTION_ASK:
		return take_option_ask(m);
	case MSG_ADDRESSES:
		scene.addresses++;
		return 0;
	case MSG_REPORT:
		scene.reports++;
		return report_decode(m->payload, m->len, &scene.report);
	case MSG_MODULES_WANTED:	/* tests/system/test_guest_modules.py is about them */
	case MSG_LATE:			/* as if it were lost once more */
		return 0;
	default:
		return -EPROTO;
	}
}

const struct chan_ops worker_ops = { on_up, on_down, on_message, NULL };
