/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * churn.c - works on a share in all ways that programs do, and looks at every byte
 *
 * Runs in: tests/system/test_pages_soak*.py, on the host or in a guest
 * Reads from: files of the test's own
 *
 *	churn work DIR LEDGER SEED HANDS LARGE
 *		each of HANDS threads makes its files in DIR, LARGE of 8 MB among them, says
 *		"ready", and works on them until a signal:
 *		SIGUSR1		every byte of all files is looked at; a line is said
 *		SIGUSR2		the share is lost and nobody moves any more: LEDGER is written, then
 *				the end, without a look
 *		SIGTERM		as SIGUSR1; LEDGER is written, then the end
 *	churn check DIR LEDGER
 *		looks whether the files are as they were left; a line is said
 *
 * A line is {"name": count, ...}. Exit code 1: something was wrong, or could not be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/churn/ops.h"

#define HANDS_MAX 16
#define QUIET_S 1

/* What threads are told, and tell. */
struct churn {
	struct hand hand[HANDS_MAX];
	unsigned int n;
	struct tally t;
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned int asked;		/* how often all was to be looked at */
	unsigned int looked[HANDS_MAX];
	bool end;
};

static struct churn all = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER,
};

static int say(struct tally *t, unsigned int looks)
{
	printf("{\"ops\": %llu, \"bytes_read\": %llu, \"bytes_written\": %llu, \"wrong\": %llu, "
	       "\"enospc\": %llu, \"sigbus\": %llu, \"errors\": %llu, \"looks\": %u}\n", t->ops,
	       t->bytes_read, t->bytes_written, t->wrong, t->enospc, t->sigbus, t->errors, looks);
	fflush(stdout);
	return t->wrong || t->enospc || t->sigbus || t->errors;
}

/* Whether it is to go on. */
static bool answer(struct hand *h)
{
	bool is_asked;

	pthread_mutex_lock(&all.lock);
	while (h->lost && all.looked[h->number] == all.asked && !all.end)
		pthread_cond_wait(&all.change, &all.lock);
	is_asked = all.looked[h->number] < all.asked;
	pthread_mutex_unlock(&all.lock);
	if (is_asked) {
		hand_look(h);
		pthread_mutex_lock(&all.lock);
		all.looked[h->number]++;
		pthread_cond_broadcast(&all.change);
		pthread_mutex_unlock(&all.lock);
	}
	return !all.end;
}

static void *run(void *object)
{
	struct hand *h = object;

	while (answer(h))
		if (!h->lost)
			hand_work(h);
	return NULL;
}

/* All hands look at all they have; with @end they then stop. */
static void look(bool end)
{
	pthread_mutex_lock(&all.lock);
	all.asked++;
	pthread_cond_broadcast(&all.change);
	for (unsigned int i = 0; i < all.n; i++)
		while (all.looked[i] < all.asked)
			pthread_cond_wait(&all.change, &all.lock);
	if (end) {
		all.end = true;
		pthread_cond_broadcast(&all.change);
	}
	pthread_mutex_unlock(&all.lock);
}

/* Threads hang in the share, or have ended: none changes what it knows. */
static void wait_quiet(void)
{
	const struct timespec pause = { .tv_sec = QUIET_S };
	unsigned long long before;

	do {
		before = all.t.ops;
		nanosleep(&pause, NULL);
	} while (all.t.ops != before);
}

static int save(const char *path)
{
	FILE *to = fopen(path, "we");
	int rc = to ? 0 : -errno;

	for (unsigned int i = 0; i < all.n && rc == 0; i++) {
		struct hand *h = &all.hand[i];

		for (unsigned int k = 0; k < h->n && rc == 0; k++) {
			h->file[k].unsure = h->at == &h->file[k];
			h->file[k].gen_most = h->gen;
			rc = file_save(&h->file[k], to);
		}
	}
	if (to && fclose(to) < 0 && rc == 0)
		rc = -errno;
	if (rc < 0)
		fprintf(stderr, "error: %s: %s\n", path, strerror(-rc));
	return rc;
}

static int serve(const char *ledger, const sigset_t *signals)
{
	pthread_t thread[HANDS_MAX];
	int signo = 0, rc;

	for (unsigned int i = 0; i < all.n; i++)
		if (pthread_create(&thread[i], NULL, run, &all.hand[i]) != 0)
			abort();
	for (;;) {
		sigwait(signals, &signo);
		if (signo == SIGUSR2)
			break;
		look(signo == SIGTERM);
		if (signo == SIGTERM)
			break;
		say(&all.t, all.asked);
	}
	if (signo == SIGUSR2)
		wait_quiet();
	for (unsigned int i = 0; i < all.n && signo == SIGTERM; i++)
		pthread_join(thread[i], NULL);
	rc = save(ledger);
	rc = say(&all.t, all.asked) || rc < 0 ? 1 : 0;
	_exit(rc);			/* some threads may never end */
}

static int work(char **word)
{
	struct sigaction on_bus = { .sa_handler = hand_on_sigbus };
	uint64_t seed = strtoull(word[2], NULL, 10);
	sigset_t signals;
	int dir = open(word[0], O_PATH | O_DIRECTORY | O_CLOEXEC);

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	sigaction(SIGBUS, &on_bus, NULL);
	all.n = (unsigned int)strtoul(word[3], NULL, 10);
	if (dir < 0 || all.n == 0 || all.n > HANDS_MAX)
		return 2;
	for (unsigned int i = 0; i < all.n; i++) {
		struct hand *h = &all.hand[i];

		h->dir = dir;
		h->number = i;
		h->random = (seed + 1) * 0x9e3779b97f4a7c15u + i;
		h->t = &all.t;
		if (hand_begin(h, (unsigned int)strtoul(word[4], NULL, 10)) < 0)
			return 1;
	}
	printf("ready\n");
	fflush(stdout);
	return serve(word[1], &signals);
}

static int check(char **word)
{
	int dir = open(word[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
	FILE *from = fopen(word[1], "re");
	struct file f;
	int rc;

	if (dir < 0 || !from)
		return 2;
	while ((rc = file_load(&f, from)) == 0) {
		all.t.ops++;
		file_look(&f, dir, &all.t);
		free(f.gen);
	}
	fclose(from);
	return say(&all.t, 1) || rc != -ENODATA || all.t.ops == 0;
}

int main(int n, char **word)
{
	if (n == 7 && strcmp(word[1], "work") == 0)
		return work(word + 2);
	if (n == 4 && strcmp(word[1], "check") == 0)
		return check(word + 2);
	fprintf(stderr, "usage: see the top of churn.c\n");
	return 2;
}
