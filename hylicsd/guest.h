/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - what a guest tells of itself, as a worker wrote it down
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: the guest's word, or that of a worker that was taken over
 */
#ifndef HYLICSD_GUEST_H
#define HYLICSD_GUEST_H

#include <jansson.h>

/**
 * guest_json() - What may be shown of it
 * @counters:	A worker's; may be NULL or anything
 *
 * Members of ours alone, numbers that are not negative, printable texts of bounded length.
 *
 * Return: a new object, NULL if there is no guest
 */
json_t *guest_json(const json_t *counters);

/* Adds such a number, if @from has it; and such texts, of a list of names that ends with NULL. */
void guest_add_number(json_t *o, const char *name, const json_t *from);
void guest_add_texts(json_t *o, const char *const *names, const json_t *from);

#define GUEST_TEXT_MAX 255

/* The same with one text, cut to @most bytes, GUEST_TEXT_MAX at most. */
void guest_add_text(json_t *o, const char *name, size_t most, const json_t *from);

#endif
