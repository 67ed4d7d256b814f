/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * range.c - a size, or a range of sizes of which each request draws one
 *
 * Runs in: hylics-talk client
 * Reads from: the command line
 */
#include "lab/talk/range.h"

#include <string.h>

#include "common/opt.h"
#include "lab/talk/talk_limits.h"

int range_parse(struct range *r, const char *text, const char *option, struct hy_err *e)
{
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	struct range got = { 0, 0 };
	char low[32];
	int rc = -1;

	if (len < sizeof(low)) {
		memcpy(low, text, len);
		low[len] = '\0';
		rc = hy_opt_size(low, &got.low);
	}
	if (rc == 0)
		rc = hy_opt_size(dash ? dash + 1 : low, &got.high);
	if (rc < 0 || got.low > got.high || got.high > TALK_PART_MAX)
		return hy_err_usage(e, option, "%s '%s': want a size such as 64K, or two with a "
				    "dash between them, the smaller first, 1T at most", option,
				    text);
	*r = got;
	return 0;
}

uint64_t range_draw(const struct range *r, uint64_t chance)
{
	return r->low + chance % (r->high - r->low + 1);
}
