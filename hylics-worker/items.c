/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * items.c - the stream towards the client: which pieces of it are accepted, and wait
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 */
#include "hylics-worker/items.h"

#include <errno.h>
#include <string.h>

#include "hylics-worker/moves.h"

/* -- what waits -- */

static struct item *last_place(struct conn *c)
{
	return &c->item[(c->first_item + c->n_items) % ITEMS_ROOM];
}

void items_pop(struct moves *m, struct conn *c)
{
	const struct item *it = &c->item[c->first_item];

	if (it->kind == ITEM_SLICE)
		files_done(m, it->file);
	c->first_item = (uint8_t)((c->first_item + 1) % ITEMS_ROOM);
	c->n_items--;
	if (c->plain_at == c->plain_end)
		c->plain_at = c->plain_end = 0;
}

void items_drop(struct moves *m, struct conn *c)
{
	while (c->n_items)
		items_pop(m, c);
	c->plain_at = c->plain_end = 0;
	c->expect = c->sent;
	c->shut = c->close_waits = false;
}

static int wait_data(struct moves *m, struct conn *c, const uint8_t *bytes, uint32_t len)
{
	uint8_t *plain = conn_plain(m, c);
	struct item *it = last_place(c);

	if (len > PLAIN_MAX - (c->plain_end - c->plain_at))
		return -EPROTO;
	if (len > PLAIN_MAX - c->plain_end) {
		memmove(plain, plain + c->plain_at, c->plain_end - c->plain_at);
		c->plain_end -= c->plain_at;
		c->plain_at = 0;
	}
	memcpy(plain + c->plain_end, bytes, len);
	c->plain_end += len;
	c->plain_used = true;
	*it = (struct item){ .kind = ITEM_DATA, .len = len };
	return 0;
}

/* @skip: of the piece's bytes, which the copy has already */
static int wait_item(struct moves *m, struct conn *c, const struct move_item *i, uint32_t skip)
{
	unsigned int most = i->kind == ITEM_SHUT || i->kind == ITEM_CLOSE ? ITEMS_ROOM :
									     HY_ITEMS_MAX;
	int rc = 0;

	if (c->n_items >= most)
		return -EPROTO;
	if (i->kind == ITEM_DATA)
		rc = wait_data(m, c, i->bytes + skip, i->bytes_len - skip);
	else if (i->kind == ITEM_SLICE)
		*last_place(c) = (struct item){ .kind = ITEM_SLICE,
						.file = files_use(m, i->file),
						.offset = i->offset + skip,
						.len = (uint32_t)i->len - skip };
	else
		*last_place(c) = (struct item){ .kind = i->kind };
	if (rc == 0 && ++c->n_items > c->most_items)
		c->most_items = c->n_items;
	return rc;
}

/* -- which are accepted -- */

static uint32_t length(const struct move_item *i)
{
	return i->kind == ITEM_DATA ? i->bytes_len : i->kind == ITEM_SLICE ? (uint32_t)i->len : 0;
}

static int pass_over(uint64_t *count)
{
	++*count;
	return 0;
}

static int accept_item(struct moves *m, struct conn *c, const struct move_item *i)
{
	uint64_t skip = c->expect - i->pos;	/* not beyond expect */
	uint32_t len = length(i);
	int rc;

	if (len ? skip >= len : skip > 0)
		return pass_over(&m->count->items_skipped);
	if (c->shut && i->kind != ITEM_CLOSE) {
		if (i->kind == ITEM_SHUT)
			return pass_over(&m->count->items_skipped);
		conn_fault(m, c, "bytes behind its end");
		return 0;
	}
	if (c->close_waits)
		return pass_over(&m->count->items_skipped);
	rc = wait_item(m, c, i, (uint32_t)skip);
	if (rc < 0)
		return rc;
	c->expect += len - skip;
	m->count->items++;
	if (i->kind == ITEM_SLICE)
		m->count->bytes_promised += len - skip;
	if (i->kind == ITEM_SHUT || i->kind == ITEM_CLOSE)
		c->shut = true;
	if (i->kind == ITEM_CLOSE) {
		c->close_waits = true;
		conn_settle(m, c);
	}
	moves_run(m, c);
	return 0;
}

/* The program has gone with bytes unread: the connection ends at once, whatever waits. */
static int reset_by_program(struct moves *m, struct conn *c)
{
	m->count->reset_by_program += c->sock >= 0;
	conn_reset(m, c);
	return 0;
}

/* The client has reset it; a program that closes does not wait for what was said before that. */
static int behind_the_end(struct moves *m, struct conn *c, const struct move_item *i)
{
	if (i->kind != ITEM_CLOSE)
		return pass_over(&m->count->items_dropped);
	conn_gone(m, c, c->end);
	return 0;
}

int items_take(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);
	struct move_item i;
	int rc = move_item_decode(msg->payload, msg->len, &i);

	if (rc < 0)
		return rc;
	if (!c || !c->known || c->state == CONN_ENDED)
		return pass_over(&m->count->items_dropped);
	if (i.kind == ITEM_RESET)
		return reset_by_program(m, c);
	if (c->end)
		return behind_the_end(m, c, &i);
	if (i.pos > c->expect)
		return pass_over(&m->count->items_dropped);
	return accept_item(m, c, &i);
}
