/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * swap_tier.h - the swap file of the configuration: made at the start, removed when nobody needs it
 *
 * Runs in: hylicsd and its jobs
 * Reads from: configuration (believed); links in the state directory
 *
 * DOC: Which files are ours
 *
 *	none -> making -> on      -> leaving -> none
 *	               \-> failed -/
 *
 * A link STATE/swap-file points at the file from before it is made until after it is removed, so
 * that the next hylicsd finds it after a crash, after a reboot, and if its configuration has
 * another one or none. Such a former file is STATE/swap-file.old until it is gone.
 *
 * Taking a swap file out of use brings its content back into memory. Of a share that is larger
 * than its limit this would end with the kernel killing that VM's virtiofsd. So while a VM needs
 * swap nothing is taken out of use: a former file stays, and one of another size keeps that.
 */
#ifndef HYLICSD_SWAP_TIER_H
#define HYLICSD_SWAP_TIER_H

#include "common/log.h"
#include "hylicsd/config.h"
#include "hylicsd/job.h"

enum swap_tier_state { SWAP_TIER_NONE, SWAP_TIER_MAKING, SWAP_TIER_ON, SWAP_TIER_FAILED,
		       SWAP_TIER_LEAVING };

struct swap_tier {
	struct ev_loop *loop;
	const struct hy_log *log;
	const struct config *config;
	/* What was begun has come to its end, well or not. */
	void (*settled)(void *object);
	void *object;
	/* its own */
	struct job job;
	enum swap_tier_state state;
	bool needed;			/* at the time of the job */
	bool ends;			/* removed as soon as it is made */
	struct hy_err why;		/* if it failed */
};

/**
 * swap_tier_open() - Have the configured file in use, and former ones gone
 * @t:		The upper part filled, the rest zeroed
 * @needed:	Shares may be there that have content in swap
 *
 * What fails is logged and kept in @t: there is then as much swap as the machine has.
 *
 * Return: whether there is something to do, and settled() follows
 */
bool swap_tier_open(struct swap_tier *t, bool needed);

/**
 * swap_tier_end() - Nobody needs it any more
 * @t:	From swap_tier_open()
 *
 * Return: whether there is something to do, and settled() follows
 */
bool swap_tier_end(struct swap_tier *t);

/* Forget it; what is in use stays so, for the next hylicsd. */
void swap_tier_close(struct swap_tier *t);

#endif
