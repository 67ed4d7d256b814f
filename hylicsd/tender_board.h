/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender_board.h - what hylicsd and a tender tell each other, in memory of both
 *
 * Runs in: hylicsd and its tenders
 * Reads from: the other side; hylicsd believes a tender no more than a worker's counters
 */
#ifndef HYLICSD_TENDER_BOARD_H
#define HYLICSD_TENDER_BOARD_H

#include "hylicsd/tend.h"

/* What one side writes the other reads only. */
struct tender_board {
	/* hylicsd's */
	uint64_t limit_bytes, idle_ms;
	int quiet_pid;			/* what this process opens is not used by that */
	/* the tender's */
	unsigned int turn;		/* odd: it is writing */
	struct tend_report report;
};

/* The tender's side: put up what it has found. */
void tender_board_tell(struct tender_board *b, const struct tend_report *r);

/**
 * tender_board_read() - hylicsd's side: what it tells
 * @b:	May be written to meanwhile, and say anything
 * @r:	Filled: no number above INT64_MAX, no more files than there are places, printable names
 */
void tender_board_read(const struct tender_board *b, struct tend_report *r);

#endif
