/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_keep.c - what a parent keeps for a child that dies: table, descriptors, the last words
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * Each child is a function; which one runs depends on the table, which counts the children.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/keep.h"

#define PATIENCE_MS 20000
#define WHAT 5				/* of what is said: a number between owner and child */
#define SLOTS 500			/* more than a socket's buffer holds packets */
#define TABLE_BYTES 4096
#define HELD 4711

struct table {
	int children;
	int taken;			/* slots the last child got */
	int drops;			/* so often the next one drops each at once */
	bool stuck;			/* the next one reads nothing but the table */
	char said[64];
};

struct world {
	struct ev_loop loop;
	struct hy_log log;
	struct keep keep;
	int (*child)(struct table *t, int link);
	int finished, started, others;
	uint8_t other[KEEP_OTHER_MAX];
	size_t other_len;
	pid_t pid;
};

static struct table *map_table(int fd)
{
	struct table *t = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return t == MAP_FAILED ? NULL : t;
}

static bool is_numbered(int fd, uint32_t number)
{
	uint32_t is = ~number;

	return pread(fd, &is, sizeof(is), 0) == sizeof(is) && is == number;
}

/* Every kept descriptor's file tells its slot. */
static int take_all(int link, struct table **t)
{
	struct hy_err e = { 0 };
	struct hy_fds fds;
	uint32_t slot;
	int rc, n = 0;

	if (keep_take(link, &slot, &fds, &e) != 1 || slot != KEEP_TABLE || fds.n != 2 ||
	    !is_numbered(fds.fd[1], HELD))
		return -1;
	*t = map_table(fds.fd[0]);
	if (!*t)
		return -1;
	if ((*t)->stuck) {
		(*t)->stuck = false;
		pause();
	}
	hy_fds_close(&fds);
	for (uint32_t i = 0; i < KEEP_TOOLS; i++) {
		if (keep_take(link, &slot, &fds, &e) != 1 || slot != KEEP_TOOL + i || fds.n != 1 ||
		    !is_numbered(fds.fd[0], slot))
			return -1;
		hy_fds_close(&fds);
	}
	while ((rc = keep_take(link, &slot, &fds, &e)) == 1) {
		if (!is_numbered(fds.fd[0], slot))
			return -1;
		n++;
		for (int i = 0; i < (*t)->drops; i++)
			keep_drop(link, slot);
		hy_fds_close(&fds);
	}
	return rc < 0 ? -1 : n;
}

static int child_main(void *object, int link)
{
	struct world *w = object;
	struct table *t = NULL;
	int n = take_all(link, &t);

	if (n < 0 || !t)
		return 0;
	t->children++;
	t->taken = n;
	return w->child(t, link);
}

static void on_other(void *object, uint32_t what, const uint8_t *payload, size_t len)
{
	struct world *w = object;

	assert_int_equal(what, WHAT);
	w->others++;
	memcpy(w->other, payload, len);
	w->other_len = len;
}

static void on_start(void *object, pid_t pid)
{
	struct world *w = object;

	w->started++;
	w->pid = pid;
}

static void on_finished(void *object)
{
	struct world *w = object;

	w->finished++;
}

/* A file whose first four bytes are the number of its slot. */
static int numbered_file(uint32_t number)
{
	int fd = memfd_create("numbered", MFD_CLOEXEC);

	return fd >= 0 && write(fd, &number, sizeof(number)) == sizeof(number) ? fd : -1;
}

static int hold(void *object)
{
	(void)object;
	return numbered_file(HELD);
}

/* The same one every time: nobody closes it in between. */
static int tool(void *object, unsigned int number)
{
	static int fd[KEEP_TOOLS];

	(void)object;
	if (!fd[number])
		fd[number] = numbered_file(KEEP_TOOL + number);
	return fd[number];
}

static const struct keep_ops ops = {
	.child = child_main,
	.hold = hold,
	.tool = tool,
	.on_other = on_other,
	.on_start = on_start,
	.on_finished = on_finished,
};

static void serve_until(struct world *w, const int *count, int wanted)
{
	uint64_t end_ms = hy_clock_ms() + PATIENCE_MS;
	struct hy_err e = { 0 };

	while (*count < wanted && hy_clock_ms() < end_ms)
		assert_int_equal(ev_round(&w->loop, 100, &e), 0);
	assert_int_equal(*count, wanted);
}

static void begin(struct world *w, int (*child)(struct table *t, int link))
{
	const struct keep_config cfg = { .n_slots = SLOTS, .table_bytes = TABLE_BYTES, .ops = &ops,
					 .object = w, .loop = &w->loop, .log = &w->log };
	struct hy_err e = { 0 };

	memset(w, 0, sizeof(*w));
	w->log = (struct hy_log){ .program = "test", .level = HY_LOG_ERR };
	w->child = child;
	assert_int_equal(ev_open(&w->loop, 4096, &e), 0);
	assert_int_equal(keep_open(&w->keep, &cfg, &e), 0);
}

static void end(struct world *w)
{
	keep_close(&w->keep);
	ev_close(&w->loop);
}

static int put_numbered(int link, uint32_t slot)
{
	struct hy_fds fds = { .n = 1, .fd = { numbered_file(slot) } };
	int rc = keep_put(link, slot, &fds);

	hy_fds_close(&fds);
	return rc;
}

static int fills_and_dies(struct table *t, int link)
{
	if (t->children == 2)
		return 0;
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		if (put_numbered(link, slot) < 0)
			return 0;
	keep_drop(link, 7);
	strcpy(t->said, "remember me");
	kill(getpid(), SIGKILL);
	return 0;
}

static void successor_gets_everything(void **state)
{
	struct world w;
	struct table *t;

	(void)state;
	begin(&w, fills_and_dies);
	serve_until(&w, &w.finished, 1);
	t = map_table(w.keep.table);
	assert_non_null(t);
	if (!t)
		return;
	assert_int_equal(t->children, 2);
	assert_int_equal(t->taken, SLOTS - 1);
	assert_string_equal(t->said, "remember me");
	assert_int_equal(w.started, 2);
	munmap(t, TABLE_BYTES);
	end(&w);
}

static int fills_for_one_that_drops(struct table *t, int link)
{
	t->drops = 3;
	return fills_and_dies(t, link);
}

/* Neither reads all before it writes: what is under way between them is more than there is room. */
static void what_is_dropped_while_it_is_handed_over(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fills_for_one_that_drops);
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.started, 2);		/* none was killed for being stuck */
	for (unsigned int i = 0; i < SLOTS; i++)
		assert_int_equal(w.keep.slots[i].n, 0);
	end(&w);
}

static int fills_for_one_that_is_stuck(struct table *t, int link)
{
	t->stuck = true;
	return fills_and_dies(t, link);
}

static void who_takes_nothing_is_killed(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fills_for_one_that_is_stuck);
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.started, 3);
	end(&w);
}

static int says_and_leaves(struct table *t, int link)
{
	(void)t;
	keep_other(link, WHAT, "hello", 5);
	return 0;
}

static void last_words_count(void **state)
{
	struct world w;

	(void)state;
	begin(&w, says_and_leaves);
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.others, 1);
	assert_memory_equal(w.other, "hello", 5);
	assert_int_equal(w.other_len, 5);
	end(&w);
}

static int waits_for_end(struct table *t, int link)
{
	(void)t;
	keep_other(link, WHAT, "up", 2);
	pause();
	return 0;
}

static void stopped_is_finished(void **state)
{
	struct world w;

	(void)state;
	begin(&w, waits_for_end);
	serve_until(&w, &w.others, 1);
	keep_stop(&w.keep);
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.started, 1);
	end(&w);
}

static void closing_kills(void **state)
{
	struct world w;

	(void)state;
	begin(&w, waits_for_end);
	serve_until(&w, &w.others, 1);
	end(&w);
	assert_int_equal(kill(w.pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static int wait_for_word(int link)
{
	struct pollfd p = { .fd = link, .events = POLLIN };
	struct keep_later later;

	return poll(&p, 1, PATIENCE_MS) == 1 && keep_take_later(link, &later) == 0 &&
	       later.kind == KEEP_LATER_WORD ? (int)later.word : -1;
}

/* The first hears one word and dies, the second hears that one, and then another. */
static int listens(struct table *t, int link)
{
	t->taken = wait_for_word(link);
	keep_other(link, WHAT, "heard", 5);
	if (t->children == 1) {
		kill(getpid(), SIGKILL);
		return 0;
	}
	t->drops = wait_for_word(link);
	return 0;
}

static void each_child_hears_the_last_word(void **state)
{
	const struct table *t;
	struct world w;

	(void)state;
	begin(&w, listens);
	keep_tell(&w.keep, 7);
	serve_until(&w, &w.others, 2);
	keep_tell(&w.keep, 9);
	serve_until(&w, &w.finished, 1);
	t = map_table(w.keep.table);
	assert_non_null(t);
	if (!t)
		return;
	assert_int_equal(t->children, 2);
	assert_int_equal(t->taken, 7);
	assert_int_equal(t->drops, 9);
	munmap((void *)(uintptr_t)t, TABLE_BYTES);
	end(&w);
}

/* Says what it has heard, when it has heard it. */
static int repeats(struct table *t, int link)
{
	struct pollfd p = { .fd = link, .events = POLLIN };
	struct keep_later l;

	keep_other(link, WHAT, "up", 2);
	if (poll(&p, 1, PATIENCE_MS) != 1 || keep_take_later(link, &l) < 0)
		return 0;
	t->taken = l.kind == KEEP_LATER_OTHER ? (int)l.word : -1;
	keep_other(link, WHAT, l.payload, l.len);
	return 0;
}

static void what_the_owner_says_comes_whole(void **state)
{
	uint8_t said[KEEP_OTHER_MAX];
	const struct table *t;
	struct world w;

	(void)state;
	memset(said, 'x', sizeof(said));
	begin(&w, repeats);
	assert_int_equal(keep_say(&w.keep, 77, said, sizeof(said) + 1), -EAGAIN);
	serve_until(&w, &w.others, 1);
	assert_int_equal(keep_say(&w.keep, 77, said, sizeof(said)), 0);
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.other_len, sizeof(said));
	assert_memory_equal(w.other, said, sizeof(said));
	assert_int_equal(keep_say(&w.keep, 77, "late", 4), -EAGAIN);
	t = map_table(w.keep.table);
	assert_non_null(t);
	if (t)
		assert_int_equal(t->taken, 77);
	munmap((void *)(uintptr_t)t, TABLE_BYTES);
	end(&w);
}

/* A child that reads nothing keeps nobody from anything. */
static int hears_nothing(struct table *t, int link)
{
	struct pollfd p = { .fd = link, .events = 0 };

	(void)t;
	keep_other(link, WHAT, "up", 2);
	poll(&p, 1, -1);
	return 0;
}

static void a_child_that_reads_nothing_holds_nobody_up(void **state)
{
	struct world w;
	int said = 0;

	(void)state;
	begin(&w, hears_nothing);
	serve_until(&w, &w.others, 1);
	while (keep_say(&w.keep, 1, "more", 4) == 0)
		said++;
	assert_true(said > 0);
	end(&w);
}

static int sends_nonsense(struct table *t, int link)
{
	static const uint8_t zeros[KEEP_OTHER_MAX];

	(void)t;
	send(link, "x", 1, 0);
	send(link, zeros, 8, 0);
	send(link, zeros, 100, 0);
	keep_drop(link, SLOTS);
	put_numbered(link, UINT32_MAX);
	put_numbered(link, 3);
	keep_other(link, WHAT, "sane", 4);
	return 0;
}

static void nonsense_is_survived(void **state)
{
	struct world w;

	(void)state;
	begin(&w, sends_nonsense);
	w.log.level = HY_LOG_ERR;
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.others, 1);
	assert_int_equal(w.keep.slots[3].n, 1);
	for (unsigned int i = 0; i < SLOTS; i++)
		assert_int_equal(w.keep.slots[i].n, i == 3);
	end(&w);
}

static int replaces(struct table *t, int link)
{
	(void)t;
	for (int i = 0; i < 100; i++)
		put_numbered(link, 1);
	return 0;
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void replaced_is_closed(void **state)
{
	int before = open_descriptors();
	struct world w;

	(void)state;
	begin(&w, replaces);
	serve_until(&w, &w.finished, 1);
	assert_int_equal(w.keep.slots[1].n, 1);
	end(&w);
	assert_int_equal(open_descriptors(), before);
}

/* The first of a pid namespace has no use for the signal yet when it comes. */
static int looks_for_sigterm(struct table *t, int link)
{
	char packet[16];
	sigset_t waiting;

	if (recv(link, packet, sizeof(packet), 0) <= 0 || sigpending(&waiting) < 0)
		return 1;
	snprintf(t->said, sizeof(t->said), "process %d, SIGTERM %s", (int)getpid(),
		 sigismember(&waiting, SIGTERM) ? "waits" : "is lost");
	return 0;
}

static void told_to_stop_before_it_listens(void **state)
{
	struct world w = { .child = looks_for_sigterm };
	const struct keep_config cfg = { .n_slots = SLOTS, .table_bytes = TABLE_BYTES, .ops = &ops,
					 .object = &w, .loop = &w.loop, .log = &w.log,
					 .spaces = CLONE_NEWPID };
	struct hy_err e = { 0 };
	sigset_t term, before;
	struct table *t;
	int rc;

	(void)state;
	w.log = (struct hy_log){ .program = "test", .level = HY_LOG_ERR };
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);		/* as who has ev_signals() */
	assert_int_equal(ev_open(&w.loop, 4096, &e), 0);
	rc = keep_open(&w.keep, &cfg, &e);
	if (rc == 0) {
		keep_stop(&w.keep);
		keep_hold_again(&w.keep);
		serve_until(&w, &w.finished, 1);
		t = map_table(w.keep.table);
		assert_non_null(t);
		assert_string_equal(t->said, "process 1, SIGTERM waits");
		munmap(t, TABLE_BYTES);
		keep_close(&w.keep);
	}
	ev_close(&w.loop);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(successor_gets_everything),
		cmocka_unit_test(what_is_dropped_while_it_is_handed_over),
		cmocka_unit_test(who_takes_nothing_is_killed),
		cmocka_unit_test(last_words_count),
		cmocka_unit_test(stopped_is_finished),
		cmocka_unit_test(closing_kills),
		cmocka_unit_test(each_child_hears_the_last_word),
		cmocka_unit_test(what_the_owner_says_comes_whole),
		cmocka_unit_test(a_child_that_reads_nothing_holds_nobody_up),
		cmocka_unit_test(nonsense_is_survived),
		cmocka_unit_test(replaced_is_closed),
		cmocka_unit_test(told_to_stop_before_it_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
