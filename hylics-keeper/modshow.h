/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modshow.h - how modules are, as hylicsd reads it from a file
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 *
 * The file is written when something changes, and read at any time later: times in it are of the
 * wall clock, where a guest is told how long it has been.
 */
#ifndef HY_KEEPER_MODSHOW_H
#define HY_KEEPER_MODSHOW_H

#include <stdint.h>
#include <stdio.h>

#include "proto/modules.h"

struct modshow {
	struct modules_state is;	/* as a guest is told, but a port if it is not to have it */
	uint64_t retry_ms;		/* until it is started again; 0: nobody waits for that */
};

/**
 * modshow_print() - Write {"modules":[...]}
 * @at:		Those that are wanted, or still end
 * @n:		How many
 * @wall_ms:	Since 1970
 * @f:		Where
 */
void modshow_print(const struct modshow *at, unsigned int n, uint64_t wall_ms, FILE *f);

#endif
