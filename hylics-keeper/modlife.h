/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modlife.h - the life of a module: when it is started, told to end, killed, started again
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 *
 * DOC: Life of a module
 *
 *	          want                    listens
 *	stopped ---------> starting ------------------> running
 *	   ^  ^              ^  |  \                     |   |
 *	   |  |        pause |  |   \  ended, or killed  |   |
 *	   |  |         over |  |    \ after 10 s        |   |
 *	   |  |  want no     |  |     v                  |   |
 *	   |  +----------- failing <------ ended --------+   |
 *	   |                    |                            |
 *	   |        ended       |  want no                   |  want no
 *	   +----- stopping <----+----------------------------+
 *
 * Pure: what happens and the time go in, what is to be done comes out. "want no" of one that
 * starts or runs asks its program to end, and kills it after 5 s. One that is wanted again
 * meanwhile is started as soon as it has ended. The pause doubles from 100 ms to 60 s; 60 s of
 * running make it 100 ms again.
 */
#ifndef HY_KEEPER_MODLIFE_H
#define HY_KEEPER_MODLIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/modules.h"

#define MODLIFE_START_MS 10000		/* until it listens */
#define MODLIFE_STOP_MS 5000		/* from SIGTERM to SIGKILL */
#define MODLIFE_PAUSE_MIN_MS 100
#define MODLIFE_PAUSE_MAX_MS 60000
#define MODLIFE_STEADY_MS 60000

enum modlife_act { MODLIFE_NOTHING, MODLIFE_START, MODLIFE_ASK, MODLIFE_KILL };

struct modlife {
	enum modules_life state;	/* begins as 0, stopped */
	bool wanted;
	bool killed;			/* MODLIFE_KILL was said; its end is awaited */
	uint64_t since_ms;		/* of the state */
	uint64_t pause_ms;
	uint32_t starts;		/* since it was wanted */
};

/* The guest wants it, or does not. */
enum modlife_act modlife_want(struct modlife *l, bool wanted, uint64_t now_ms);

/* It listens at its port. */
void modlife_listens(struct modlife *l, uint64_t now_ms);

/* Its program is gone, or could not be started. */
enum modlife_act modlife_ended(struct modlife *l, uint64_t now_ms);

/* When modlife_due() is to be called; UINT64_MAX: never. */
uint64_t modlife_due_ms(const struct modlife *l);

/* That time has come; earlier nothing happens. */
enum modlife_act modlife_due(struct modlife *l, uint64_t now_ms);

#endif
