/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tend_json.h - what a VM's tender tells, for who asks the API
 *
 * Runs in: hylicsd
 * Reads from: what the tender tells, checked by tend.h
 */
#ifndef HYLICSD_TEND_JSON_H
#define HYLICSD_TEND_JSON_H

#include <jansson.h>

struct vm;

/* The object "files" of a VM, the caller's; NULL if no tender runs. */
json_t *tend_json(const struct vm *vm);

#endif
