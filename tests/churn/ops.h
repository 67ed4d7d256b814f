/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.h - what programs do with files of a share, each thing looked at afterwards
 *
 * Runs in: tests/churn/churn, on the host or in a guest
 * Reads from: files of the test's own
 */
#ifndef CHURN_OPS_H
#define CHURN_OPS_H

#include "tests/churn/files.h"

#define FILES_MAX 16

struct hand {
	int dir;
	unsigned int number;
	uint64_t random;
	uint32_t gen;			/* the latest */
	uint64_t ids;			/* given out */
	struct file file[FILES_MAX];
	unsigned int n;
	_Atomic(const struct file *) at;	/* what it works on */
	uint8_t *kept;			/* the steady file's mapping, for all the time */
	struct file *steady;
	atomic_bool lost;		/* the share does not do what it should */
	struct tally *t;
};

/**
 * hand_begin() - Make a hand's files
 * @h:		dir, number, random and t set
 * @large:	How many of 8 MB
 *
 * Return: 0 or -1, said on stderr
 */
int hand_begin(struct hand *h, unsigned int large);

/* Do one thing, whichever; a wrong byte is counted, an error ends the hand's work (lost). */
void hand_work(struct hand *h);

/* Look at every byte of all its files. */
void hand_look(struct hand *h);

/* SIGBUS in a thread that is at work is counted, and is an error. */
void hand_on_sigbus(int signo);

#endif
