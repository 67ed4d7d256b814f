/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * budget.c - how much of the machine's memory all shares together may have
 *
 * Runs in: hylicsd
 * Reads from: records
 */
#include "hylicsd/budget.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/opt.h"

#define PERCENT_DIGITS 4	/* more than "100", so that 1000% is told its bounds */
#define SIZE_TEXT_MAX 32

static const struct hy_opt rule_size = { .type = HY_OPT_SIZE, .min = HY_SHARE_MIN };
static const struct hy_opt rule_percent = { .type = HY_OPT_INT, .min = 1, .max = 100 };

int budget_read_rule(const char *text, void *place, char *why, size_t size)
{
	struct budget_rule *rule = place;
	const char *percent = strchr(text, '%');
	char digits[PERCENT_DIGITS + 1] = "";
	int64_t number = 0;
	uint64_t bytes = 0;
	int rc;

	if (percent && !percent[1] && percent - text <= PERCENT_DIGITS) {
		memcpy(digits, text, (size_t)(percent - text));
		rc = hy_opt_read(&rule_percent, digits, &number, why, size);
	} else {
		rc = hy_opt_read(&rule_size, text, &bytes, why, size);
	}
	if (rc < 0)
		return rc;
	/* each for itself: what lies between the members stays as it is */
	rule->bytes = bytes;
	rule->percent = (unsigned int)number;
	return 0;
}

void budget_print_rule(const void *place, char *text, size_t size)
{
	const struct budget_rule *rule = place;

	if (rule->bytes)
		hy_opt_text(&rule_size, &rule->bytes, text, size);
	else
		snprintf(text, size, "%u%%", rule->percent);
}

uint64_t budget_limit(const struct budget_rule *rule, uint64_t machine)
{
	if (!rule->bytes)
		return machine / 100 * rule->percent;
	return rule->bytes < machine ? rule->bytes : machine;
}

uint64_t budget_need(const struct record *r)
{
	return record_least(r) + HY_VM_OVERHEAD;
}

void budget_add(struct budget *b, const struct record *r)
{
	if (__builtin_add_overflow(b->used, budget_need(r), &b->used))
		b->used = UINT64_MAX;
}

/* In whole MB, as nobody reads "8589934591"; rounded up what is wanted, down what is left. */
static void megabytes(uint64_t bytes, char *text, size_t size)
{
	const uint64_t whole = bytes >> 20 << 20;

	hy_opt_text(&rule_size, &whole, text, size);
}

int budget_check(const struct budget *b, const struct record *r, struct hy_err *e)
{
	uint64_t left = b->limit > b->used ? b->limit - b->used : 0;
	uint64_t most = left > HY_VM_OVERHEAD ? left - HY_VM_OVERHEAD : 0;
	char limit[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX], rest[SIZE_TEXT_MAX];
	int rc;

	if (budget_need(r) <= left)
		return 0;
	megabytes(b->limit, limit, sizeof(limit));
	megabytes(record_least(r) + (1u << 20) - 1, want, sizeof(want));
	megabytes(most, rest, sizeof(rest));
	rc = hy_err_set(e, EDQUOT, "'%s': %s of memory and %uM beside it; of the budget of %s "
			"there is room for a VM with %s", r->name, want, HY_VM_OVERHEAD >> 20,
			limit, rest);
	if (e)
		snprintf(e->field, sizeof(e->field), "%s",
			 r->control == RECORD_CONTROL_DYNAMIC ? "memory-min" : "memory");
	return rc;
}
