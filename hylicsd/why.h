/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.h - why connections of a VM were not moved, as its worker wrote it down
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: partly the guest's word, or that of a worker that was taken over
 */
#ifndef HYLICSD_WHY_H
#define HYLICSD_WHY_H

#include <jansson.h>

/**
 * why_json() - What may be shown of it
 * @counters:	A worker's; may be NULL or anything
 *
 * Members of ours alone, numbers that are not negative, printable texts of bounded length.
 *
 * Return: a new object, with a member for each reason that occurred
 */
json_t *why_json(const json_t *counters);

#endif
