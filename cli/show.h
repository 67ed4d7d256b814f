/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show.h - what all parts of a VM that `hylics vm show` prints are printed with
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#ifndef HY_CLI_SHOW_H
#define HY_CLI_SHOW_H

#include <jansson.h>

#define SHOW_COLUMN "%-10s "		/* what a line is about */
#define SHOW_MS_PER_S 1000

json_int_t shown_number(const json_t *o, const char *key);	/* 0 if there is none */
const char *shown_text(const json_t *o, const char *key);	/* "" if there is none */

/* Print words, and a time in ms since 1970 behind them. */
void show_when(const char *words, json_int_t when_ms);

#endif
