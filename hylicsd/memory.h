/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.h - how a VM's memory is kept, for who asks
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input: names of jobs were made printable
 */
#ifndef HYLICSD_MEMORY_H
#define HYLICSD_MEMORY_H

#include <jansson.h>

struct vm;

/**
 * memory_json() - What was set, and with control=dynamic the last decision
 * @vm:	VM
 *
 * Return: a new object
 */
json_t *memory_json(const struct vm *vm);

#endif
