/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib.c - what the library remembers: its agent's page, one entry per descriptor number
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#include "libhylics/lib.h"

#include <errno.h>
#include <sys/mman.h>

/* All that is global; the rest is in the area, of which the kernel touches what is used. */
struct lib_now lib_now;

static struct {
	_Atomic bool no_area;		/* there was none to be had: not asked for again */
	struct lib_agent agent;		/* under the area's lock */
} lib = { .agent = { .fd = -1, .answer_ms = HY_LIB_ANSWER_MS } };

#define PAGES(bytes) (((bytes) + 0xffffu) & ~(size_t)0xffffu)	/* of any size up to 64 KB */
#define AREA_BYTES PAGES(sizeof(struct lib_area))
#define PAGE_BYTES PAGES(sizeof(struct hy_page))
#define TALLY_BYTES PAGES(sizeof(struct hy_tally))
#define ALL_BYTES (AREA_BYTES + PAGE_BYTES + TALLY_BYTES)

struct lib_area *lib_make_area(void)
{
	struct lib_area *none = NULL;
	void *made;

	if (atomic_load(&lib.no_area))
		return NULL;
	made = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED) {
		atomic_store(&lib.no_area, true);
		return NULL;
	}
	/* zeros are a valid area: the mutex of glibc and musl is free, all else unused */
	if (madvise(made, AREA_BYTES, MADV_WIPEONFORK) < 0) {
		atomic_store(&lib.no_area, true);
		munmap(made, ALL_BYTES);
		return NULL;
	}
	if (atomic_compare_exchange_strong(&lib_now.area, &none, (struct lib_area *)made))
		return made;
	munmap(made, ALL_BYTES);
	return none;
}

static void *page_place(void)
{
	return (char *)atomic_load_explicit(&lib_now.area, memory_order_acquire) + AREA_BYTES;
}

const struct hy_page *lib_page(void)
{
	return page_place();
}

int lib_map_page(int memfd)
{
	int flags = memfd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	/* over the old one in one step: another thread may be reading it */
	const void *page = mmap(page_place(), sizeof(struct hy_page), PROT_READ,
				flags | MAP_FIXED, memfd, 0);

	return page == MAP_FAILED ? -errno : 0;
}

struct hy_tally *lib_map_tally(int memfd)
{
	void *tally = mmap((char *)page_place() + PAGE_BYTES, sizeof(struct hy_tally),
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd, 0);

	return tally == MAP_FAILED ? NULL : tally;
}

struct hy_grow *lib_map_words(struct lib_area *a, int memfd)
{
	void *words;

	if (a->n_words >= HY_LIB_WORDS_MAX)
		return NULL;
	words = mmap(NULL, sizeof(struct hy_grow), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (words == MAP_FAILED)
		return NULL;
	a->n_words++;
	return words;
}

struct lib_agent *lib_agent(void)
{
	return &lib.agent;
}

void lib_shut(enum move_reason why)
{
	atomic_store(&lib_now.shut, (uint8_t)why);
}

void lib_wait_swap(void)
{
	struct lib_area *a = atomic_load_explicit(&lib_now.area, memory_order_acquire);
	struct lib_held held;

	if (!a)
		return;
	lib_lock(a, &held);
	lib_unlock(a, &held);
}

void lib_lock(struct lib_area *a, struct lib_held *held)
{
	sigset_t all;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &held->cancel);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &held->signals);
	pthread_mutex_lock(&a->lock);
}

void lib_unlock(struct lib_area *a, const struct lib_held *held)
{
	pthread_mutex_unlock(&a->lock);
	pthread_sigmask(SIG_SETMASK, &held->signals, NULL);
	pthread_setcancelstate(held->cancel, NULL);
}

struct lib_conn *lib_enter(int sock, int *cancel)
{
	struct lib_conn *c = lib_area() ? lib_look(sock) : NULL;

	*cancel = PTHREAD_CANCEL_ENABLE;
	if (!c)
		return NULL;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel);
	lib_count(c);
	return c;
}

void lib_count_later(struct lib_conn *c)
{
	do {
		lib_uncount(c);
		lib_wait_swap();
	} while (atomic_fetch_add(&c->users, 1) < 0);
}

void lib_leave(struct lib_conn *c, int cancel)
{
	if (!c)
		return;
	lib_uncount(c);
	pthread_setcancelstate(cancel, NULL);
}

bool lib_alone(struct lib_conn *c)
{
	int32_t me = 1;

	return atomic_compare_exchange_strong(&c->users, &me, LIB_ALONE);
}

void lib_not_alone(struct lib_conn *c)
{
	/* not 1: who comes counts himself before he sees that he has to wait */
	atomic_fetch_add(&c->users, 1 - LIB_ALONE);
}
