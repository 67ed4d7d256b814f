/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_states.h - how a VM's modules are, as its keeper wrote it down
 *
 * Runs in: hylicsd
 * Reads from: a keeper's file, in which there are words of modules
 */
#ifndef HYLICSD_MODULE_STATES_H
#define HYLICSD_MODULE_STATES_H

#include <jansson.h>

/**
 * module_states_json() - What may be shown of them
 * @from:	What a keeper wrote; may be NULL or anything
 *
 * Members of ours alone, numbers that are not negative, printable texts of bounded length.
 *
 * Return: a new array, NULL if nobody has told
 */
json_t *module_states_json(const json_t *from);

#endif
