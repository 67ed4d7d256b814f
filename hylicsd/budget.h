/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * budget.h - how much of the machine's memory all shares together may have
 *
 * Runs in: hylicsd
 * Reads from: records
 */
#ifndef HY_BUDGET_H
#define HY_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "hylicsd/record.h"

/* As the operator says it: a size, or a part of the machine's memory. */
struct budget_rule {
	uint64_t bytes;			/* 0: @percent holds */
	unsigned int percent;
};

struct budget {
	uint64_t limit;
	uint64_t used;
};

/**
 * budget_read_rule() - Read "50%" or "8G", as a table of keys calls it
 * @text:	As typed
 * @place:	A struct budget_rule, set on success
 * @why:	Filled on failure
 * @size:	Room in @why
 *
 * Return: 0, -EINVAL
 */
int budget_read_rule(const char *text, void *place, char *why, size_t size);

/**
 * budget_print_rule() - The way back
 * @place:	A struct budget_rule
 * @text:	Filled
 * @size:	Room in @text
 */
void budget_print_rule(const void *place, char *text, size_t size);

/**
 * budget_limit() - What a rule allows
 * @rule:	From budget_read_rule()
 * @machine:	Bytes of memory the machine has
 *
 * Return: bytes; never more than the machine has
 */
uint64_t budget_limit(const struct budget_rule *rule, uint64_t machine);

/**
 * budget_need() - What a VM takes of the machine's memory whatever is decided
 * @r:	Checked record
 *
 * Its memory, or with control=dynamic the least of it, and what is beside it.
 *
 * Return: bytes
 */
uint64_t budget_need(const struct record *r);

/* Count a VM in; the sum stays at its largest where it would wrap round. */
void budget_add(struct budget *b, const struct record *r);

/**
 * budget_check() - Whether a VM fits beside those that are counted in
 * @b:		With every other VM, not with @r itself
 * @r:		Checked record
 * @e:		Error: tells what is left
 *
 * Return: 0, -EDQUOT
 */
int budget_check(const struct budget *b, const struct record *r, struct hy_err *e);

#endif
