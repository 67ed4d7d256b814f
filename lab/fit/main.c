/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-fit: what control/ makes of measurements, for experiments
 *
 * Runs in: hylics-fit
 * Reads from: its command line and standard input, which an experiment wrote
 */
#include <errno.h>
#include <stdlib.h>

#include "common/opt.h"
#include "common/own.h"
#include "control/curve.h"
#include "control/order.h"
#include "lab/fit/rows.h"

#define PERCENT 100

struct order_values {
	int64_t learnt_pct, f0;
};

static int fit_curve(const struct rows *r, struct curve *c)
{
	hy_autofree struct curve_point *at = calloc(r->n ? r->n : 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		at[i] = (struct curve_point){ .m = r->first[i], .x = r->second[i] };
	return curve_fit(at, r->n, c);
}

static int print_curve(const struct rows *r, struct hy_err *e)
{
	struct curve c;

	if (fit_curve(r, &c) < 0) {
		hy_err_set(e, EINVAL, "no curve fits: it takes numbers that are not negative, and "
			   "three memory sizes");
		return HY_EXIT_FAILED;
	}
	printf("{\"a\":%.17g,\"b\":%.17g,\"c\":%.17g,\"r2\":%.17g}\n", c.a, c.b, c.c, c.r2);
	return HY_EXIT_OK;
}

static int curve_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	struct rows r = { 0 };
	int code = HY_EXIT_USAGE;

	(void)values;
	(void)argc;
	(void)argv;
	if (rows_read(stdin, &r, e) == 0)
		code = print_curve(&r, e);
	rows_free(&r);
	return code;
}

static int print_order(const struct rows *r, const struct order_values *v, struct hy_err *e)
{
	const struct order_series s = { .y = r->first, .u = r->second, .n = r->n,
					.learnt = r->n * (size_t)v->learnt_pct / PERCENT };
	double r2;
	struct rls_order order = order_choose(&s, (double)v->f0, &r2);

	if (!order.na) {
		hy_err_set(e, EINVAL, "no order can be judged: %zu steps are too few, or all are "
			   "the same", s.n);
		return HY_EXIT_FAILED;
	}
	printf("{\"na\":%u,\"nb\":%u,\"r2\":%.17g}\n", order.na, order.nb, r2);
	return HY_EXIT_OK;
}

static int order_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	struct rows r = { 0 };
	int code = HY_EXIT_USAGE;

	(void)argc;
	(void)argv;
	if (rows_read(stdin, &r, e) == 0)
		code = print_order(&r, values, e);
	rows_free(&r);
	return code;
}

#define AT(member) .offset = offsetof(struct order_values, member)

static const struct hy_opt order_options[] = {
	{ .name = "learnt", .type = HY_OPT_INT, AT(learnt_pct), .arg = "PERCENT",
	  .help = "of the steps: what orders learn from, and are not judged by",
	  .min = 1, .max = 99 },
	{ .name = "f0", .type = HY_OPT_INT, AT(f0), .arg = "N",
	  .help = "how little is believed at the beginning", .min = 1, .max = 1000000000 },
	{ .name = NULL },
};

static const struct order_values order_defaults = { .learnt_pct = 60, .f0 = 100 };

static const struct hy_cmd commands[] = {
	{ .name = "curve", .summary = "the curve of service times over memory",
	  .details = "Reads lines of two numbers: memory in MB, service time in seconds.",
	  .run = curve_run },
	{ .name = "order", .summary = "how many outputs and inputs of before foretell the next",
	  .details = "Reads lines of two numbers, a step each: what came out, then what was put "
		     "in.",
	  .options = order_options, .values_size = sizeof(struct order_values),
	  .defaults = &order_defaults, .run = order_run },
	{ .name = NULL },
};

static const struct hy_cmd root = {
	.name = "hylics-fit",
	.summary = "what the laws of control make of measurements",
	.sub = commands,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&root, argc, argv);
}
