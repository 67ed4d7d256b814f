/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marks.h - the jobs that a guest has marked, as a worker wrote them down
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: the guest's word, or that of a worker that was taken over
 */
#ifndef HYLICSD_MARKS_H
#define HYLICSD_MARKS_H

#include <jansson.h>

/**
 * marks_json() - What may be shown of them
 * @from:	"jobs" of what a worker wrote of its guest; may be NULL or anything
 *
 * Members of ours alone, numbers that are not negative, printable texts of bounded length.
 *
 * Return: a new object, NULL if there is nothing
 */
json_t *marks_json(const json_t *from);

#endif
