/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.c - what is known of a job before it runs here: a file that `hylics lab run identify` wrote
 *
 * Runs in: hylicsd
 * Reads from: files of the operator, which may be cut, edited or of another job
 */
#include "hylicsd/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/decimal.h"
#include "common/printable.h"
#include "conf/confs.h"

/* A year, in s; and MB of the largest share. What is beyond them is a typing mistake. */
#define S_MAX 3.2e7
#define MB_MAX ((double)(HY_SHARE_MAX >> 20))

/* As it stands in the file. */
struct content {
	char job[HY_NAME_MAX + 1];
	double a, b, c, r2, from, to;
	int64_t runs, na, nb, version;
};

static int check_job(const char *text, char *why, size_t size)
{
	if (hy_is_printable(text))
		return 0;
	snprintf(why, size, "must be letters of ASCII alone, as the names of marks are");
	return -EINVAL;
}

static int read_a(const char *text, void *place, char *why, size_t size)
{
	return hy_decimal(text, 0, S_MAX, place, why, size);
}

static int read_b(const char *text, void *place, char *why, size_t size)
{
	return hy_decimal(text, 0, S_MAX * MB_MAX, place, why, size);
}

static int read_c(const char *text, void *place, char *why, size_t size)
{
	return hy_decimal(text, -MB_MAX, MB_MAX, place, why, size);
}

static int read_r2(const char *text, void *place, char *why, size_t size)
{
	return hy_decimal(text, 0, 1, place, why, size);
}

static int read_mb(const char *text, void *place, char *why, size_t size)
{
	return hy_decimal(text, 0, MB_MAX, place, why, size);
}

#define KEY(field) .offset = offsetof(struct content, field), .required = true

static const struct ini_key keys[] = {
	{ .name = "job", .type = HY_OPT_STRING, KEY(job), .room = HY_NAME_MAX + 1, .arg = "NAME",
	  .check = check_job, .help = "the name its marks have" },
	{ .name = "a", KEY(a), .arg = "S", .read = read_a,
	  .help = "service time at memory m: a + b / (m + c)" },
	{ .name = "b", KEY(b), .arg = "S*MB", .read = read_b, .help = "likewise" },
	{ .name = "c", KEY(c), .arg = "MB", .read = read_c, .help = "likewise" },
	{ .name = "r2", KEY(r2), .arg = "0-1", .read = read_r2, .help = "how well that fits" },
	{ .name = "from", KEY(from), .arg = "MB", .read = read_mb,
	  .help = "least memory with which it was measured" },
	{ .name = "to", KEY(to), .arg = "MB", .read = read_mb, .help = "the most" },
	{ .name = "runs", .type = HY_OPT_INT, KEY(runs), .arg = "N", .min = 1,
	  .help = "how many jobs were measured" },
	{ .name = "na", .type = HY_OPT_INT, KEY(na), .arg = "N", .min = 1, .max = HY_RLS_NA_MAX,
	  .help = "outputs of before that foretell the next" },
	{ .name = "nb", .type = HY_OPT_INT, KEY(nb), .arg = "N", .min = 0, .max = HY_RLS_NB_MAX,
	  .help = "inputs of before that do" },
	{ .name = "version", .type = HY_OPT_INT, KEY(version), .arg = "N", .min = MODEL_VERSION,
	  .max = MODEL_VERSION, .help = "of the format; the last line" },
	{ 0 },
};

static const struct ini_table table = {
	.section = "model",
	.keys = keys,
	.values_size = sizeof(struct content),
	.whole = true,
};

/* What no line alone is to blame for. */
static int check(const struct content *f, const char *file, struct model *m, struct hy_err *e)
{
	struct model found = {
		.curve = { .a = f->a, .b = f->b, .c = f->c, .r2 = f->r2 },
		.from = f->from, .to = f->to, .runs = (uint64_t)f->runs,
		.order = { .na = (unsigned int)f->na, .nb = (unsigned int)f->nb },
	};

	if (f->from >= f->to)
		return hy_err_usage(e, "from", "%s: from is %g MB, and must be less than to, which "
				    "is %g MB", file, f->from, f->to);
	if (!curve_is_good(&found.curve, f->from))
		return hy_err_usage(e, "c", "%s: a, b and c are no curve: from + c must be above "
				    "0, and is %g", file, f->from + f->c);
	memcpy(found.job, f->job, sizeof(found.job));
	*m = found;
	return 0;
}

int model_read(const char *bytes, size_t len, const char *file, struct model *m,
	       struct hy_err *e)
{
	struct content f = { 0 };
	int rc = ini_read(&table, bytes, len, file, &f, e);

	return rc < 0 ? rc : check(&f, file, m, e);
}

int model_load(const char *path, struct model *m, struct hy_err *e)
{
	struct content f = { 0 };
	int rc = confs_read(&table, path, &f, e);

	return rc < 0 ? rc : check(&f, path, m, e);
}
