/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grow.c - a marker that is the last thing in the pair takes the next slice along
 *
 * Runs in: programs in a guest
 * Reads from: the words shared with the agent (checked)
 */
#include "libhylics/grow.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* tail: puts under way, and above them the last marker: its number, and its place in the ring */
#define TAIL_PUTS UINT64_C(0xffff)
#define TAIL_LAST_AT 16
#define TAIL_PLACE_BITS 5
#define TAIL_MIXED (UINT64_MAX >> TAIL_LAST_AT)
_Static_assert(GROW_RING == 1 << TAIL_PLACE_BITS, "a place in the ring");

#define NUMBER_MAX ((UINT64_C(1) << (64 - GROW_NUMBER_AT)) - 1)

static _Atomic int charge;	/* of a marker, bytes; 0: not known. The same in a forked child */

static _Atomic uint64_t *word_at(const struct lib_conn *c, uint32_t place)
{
	return &c->words->word[c->slot * GROW_RING + place];
}

static bool is_out(uint64_t word)
{
	return word == 0 || (word & GROW_OUT);
}

void grow_new(struct lib_conn *c, struct hy_grow *words)
{
	c->words = words;
	atomic_store(&c->tail, 0);
	for (uint32_t i = 0; words && i < GROW_RING; i++)
		atomic_store(word_at(c, i), 0);
}

void grow_learn(int pair)
{
	int n = 0;

	if (!atomic_load(&charge) && ioctl(pair, SIOCOUTQ, &n) == 0)
		atomic_store(&charge, n);
}

/* -- puts -- */

static uint64_t one_more(uint64_t tail)
{
	uint64_t puts = tail & TAIL_PUTS;

	return (puts ? TAIL_MIXED : 0) << TAIL_LAST_AT | (puts + 1);
}

static uint64_t one_less(uint64_t tail, uint64_t last)
{
	uint64_t puts = tail & TAIL_PUTS, was = tail >> TAIL_LAST_AT;

	if (puts == 1)
		was = was == TAIL_MIXED ? 0 : last;
	return was << TAIL_LAST_AT | (puts - 1);
}

/* A word whose last marker may still be in the pair is not free. */
static uint64_t take_word(struct lib_conn *c, uint32_t *place)
{
	uint64_t number = atomic_fetch_add(&lib_area()->markers, 1) % NUMBER_MAX + 1;
	uint64_t word;

	*place = atomic_fetch_add(&c->places, 1) % GROW_RING;
	word = atomic_load(word_at(c, *place));
	if (!is_out(word) ||
	    !atomic_compare_exchange_strong(word_at(c, *place), &word, number << GROW_NUMBER_AT))
		return 0;
	return number;
}

void grow_begin(struct lib_conn *c, struct grow_put *p, struct local_marker *m)
{
	*p = (struct grow_put){ .before = atomic_load(&c->tail) };
	while (!atomic_compare_exchange_weak(&c->tail, &p->before, one_more(p->before)))
		;
	if (!c->words || m->flags)
		return;
	p->number = take_word(c, &p->place);
	if (p->number == 0)
		return;
	m->flags = LOCAL_MARK_GROWS;
	m->grow = grow_name(c->slot * GROW_RING + p->place, p->number);
}

static void remember(struct lib_conn *c, const struct slice *s, const struct local_marker *m)
{
	atomic_store(&c->last_dev, (uint64_t)s->dev);
	atomic_store(&c->last_ino, (uint64_t)s->ino);
	atomic_store(&c->last_offset, m->offset);
	atomic_store(&c->last_len, m->len);
}

void grow_end(struct lib_conn *c, const struct grow_put *p, const struct slice *s,
	      const struct local_marker *m)
{
	uint64_t last = p->before >> TAIL_LAST_AT, tail = atomic_load(&c->tail);

	if (s) {
		last = p->number ? p->number << TAIL_PLACE_BITS | p->place : 0;
		remember(c, s, m);
	} else if (p->number) {
		atomic_store(word_at(c, p->place), 0);
	}
	while (!atomic_compare_exchange_weak(&c->tail, &tail, one_less(tail, last)))
		;
}

/* -- growing -- */

/* How many of our markers may be in the pair. */
static int count_in(const struct lib_conn *c)
{
	int n = 0;

	for (uint32_t i = 0; i < GROW_RING; i++)
		n += !is_out(atomic_load(word_at(c, i)));
	return n;
}

/* Steps 2 to 4. Return: how many markers the pair has, 0: something else, too, or nobody knows */
static int only_markers(struct lib_conn *c, int sock, uint64_t tail)
{
	int charged = 0, n;

	if (!atomic_load(&charge) || ioctl(sock, SIOCOUTQ, &charged) < 0)
		return 0;
	atomic_thread_fence(memory_order_seq_cst);
	n = count_in(c);
	return charged == n * atomic_load(&charge) && atomic_load(&c->tail) == tail ? n : 0;
}

/* Would a write be refused? A stream socket says so without a byte. */
static bool takes_bytes(int sock)
{
	return send(sock, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == 0;
}

static bool goes_on(struct lib_conn *c, const struct slice *s, uint64_t len)
{
	return atomic_load(&c->last_dev) == s->dev && atomic_load(&c->last_ino) == s->ino &&
	       atomic_load(&c->last_offset) + len == s->offset + s->done;
}

uint64_t grow_add(struct lib_conn *c, int sock, const struct slice *s, const uint64_t max[2])
{
	uint64_t tail = atomic_load(&c->tail), last = tail >> TAIL_LAST_AT;
	uint64_t left = s->len - s->done, len, most, n, word;
	uint32_t place = last & (GROW_RING - 1);
	int in;

	if ((tail & TAIL_PUTS) || last == 0 || !c->words)
		return 0;
	word = atomic_load(word_at(c, place));
	if ((word & (GROW_FINAL | GROW_OUT)) || word >> GROW_NUMBER_AT != last >> TAIL_PLACE_BITS)
		return 0;
	len = atomic_load(&c->last_len) + (word & GROW_ADDED);
	if (!goes_on(c, s, len) || (len >= max[0] && len >= max[1]))
		return 0;
	in = only_markers(c, sock, tail);
	most = in ? max[in == 1] : 0;
	if (len >= most || !takes_bytes(sock))
		return 0;
	n = left < most - len ? left : most - len;
	return atomic_compare_exchange_strong(word_at(c, place), &word, word + n) ? n : 0;
}
