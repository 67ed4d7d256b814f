/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grow.c - markers that become longer while they stand in the pair
 *
 * Runs in: hylics-agent
 * Reads from: words that programs write (hostile): each is read once, and checked
 */
#include "hylics-agent/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/own.h"
#include "hylics-agent/agent.h"

#define ROWS (HY_CONNS_MAX + HY_LOCAL_CLIENTS_MAX)

/* -- mappings -- */

int grows_open(struct grows *t, struct hy_err *e)
{
	t->at = calloc(ROWS, sizeof(*t->at));
	t->free = calloc(ROWS, sizeof(*t->free));
	t->n_free = t->top = 0;
	return t->at && t->free ? 0 : hy_err_set(e, ENOMEM, "table of words");
}

static void unmap(struct grow *g)
{
	munmap(g->words, sizeof(*g->words));
	hy_fd_close(&g->memfd);
	*g = (struct grow){ .memfd = -1 };
}

void grows_close(struct grows *t)
{
	for (uint32_t i = 0; t->at && i < t->top; i++) {
		if (t->at[i].words)
			unmap(&t->at[i]);
	}
	hy_mem_free(&t->at);
	hy_mem_free(&t->free);
}

/* There is a row for each that could use one. */
static struct grow *map(struct grows *t, int memfd)
{
	void *words = mmap(NULL, sizeof(struct hy_grow), PROT_READ | PROT_WRITE, MAP_SHARED, memfd,
			   0);
	struct grow *g;

	if (words == MAP_FAILED)
		return NULL;
	g = &t->at[t->n_free ? t->free[--t->n_free] : t->top++];
	*g = (struct grow){ .words = words, .users = 1, .memfd = -1 };
	return g;
}

/* syscalls: fcntl(_, F_ADD_SEALS), ftruncate, memfd_create */
struct grow *grow_make(struct grows *t)
{
	hy_autofd fd = memfd_create("hylics-words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct grow *g;

	if (fd < 0 || ftruncate(fd, sizeof(struct hy_grow)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return NULL;
	g = map(t, fd);
	if (g)
		g->memfd = hy_fd_steal(&fd);
	return g;
}

struct grow *grow_kept(struct grows *t, int memfd)
{
	struct grow *g = map(t, memfd);

	hy_fd_close(&memfd);
	return g;
}

struct grow *grow_use(struct grow *g)
{
	if (g)
		g->users++;
	return g;
}

void grow_done(struct grows *t, struct grow *g)
{
	if (!g || --g->users)
		return;
	unmap(g);
	t->free[t->n_free++] = (uint32_t)(g - t->at);
}

/* -- words -- */

/* The length by a word as it was read, into @whole; never less than was known. */
static int measure(struct item *it, uint64_t word)
{
	uint64_t whole = it->base + (word & GROW_ADDED);

	if (!grow_is_of(word, it->name) || whole < it->whole || whole > HY_SLICE_MAX ||
	    it->offset > INT64_MAX - whole)
		return -EPROTO;
	it->whole = whole;
	if (word & (GROW_FINAL | GROW_OUT))
		it->grows = false;
	return 0;
}

int grow_item(const struct conn *c, const struct local_marker *m, struct item *it)
{
	it->base = it->whole = it->len;
	if (!(m->flags & LOCAL_MARK_GROWS))
		return 0;
	if (!c->grow)
		return -EPROTO;
	it->name = m->grow;
	it->word = &c->grow->words->word[grow_place(m->grow)];
	it->grows = true;
	if (measure(it, atomic_load(it->word)) < 0)
		return -EPROTO;
	it->len = it->whole;
	return 0;
}

int grow_end(struct item *it)
{
	int rc = measure(it, atomic_fetch_or(it->word, GROW_FINAL));

	it->grows = false;
	hy_fault(FAULT_GROW_CLOSE);
	return rc;
}

int grow_look(struct item *it)
{
	int rc = measure(it, atomic_load(it->word));

	return rc == 0 && it->grows && it->whole == it->len ? grow_end(it) : rc;
}

void grow_out(const struct item *it)
{
	if (it->word)
		atomic_fetch_or(it->word, GROW_OUT);
}
