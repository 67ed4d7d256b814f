/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * told.h - what a VM's worker or keeper shows in its file
 *
 * Runs in: hylicsd
 * Reads from: files in RUN/vm/NAME: a worker's word is the guest's, in a keeper's there are words
 * of modules
 */
#ifndef HYLICSD_TOLD_H
#define HYLICSD_TOLD_H

#include <jansson.h>

struct vm;

/**
 * told_json() - Read it
 * @vm:		VM
 * @file:	In its directory: VM_STATS, VM_MODULES_STATE
 *
 * Numbers and texts below names of ours are all that may be taken of it.
 *
 * Return: the caller's, NULL if there is none, or none whole
 */
json_t *told_json(const struct vm *vm, const char *file);

#endif
