/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rights.c - the capabilities hylicsd keeps, for itself and for those it starts
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#include "hylicsd/rights.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sandbox.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static const struct {
	int cap;
	const char *name, *what;
} rights[] = {
#define X(cap, what) { cap, #cap, what },
	HY_RIGHTS(X)
#undef X
};

#define N_RIGHTS (sizeof(rights) / sizeof(rights[0]))

static uint64_t all_rights(void)
{
	uint64_t all = 0;

	for (size_t i = 0; i < N_RIGHTS; i++)
		all |= BIT(rights[i].cap);
	return all;
}

/* A kernel that does not know a capability asks for none, or for CAP_SYS_ADMIN instead. */
static bool is_known(int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

static uint64_t ambient(void)
{
	uint64_t set = 0;

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			set |= BIT(cap);
	}
	return set;
}

/* What was ambient, as far as it is still there, can only be so when it is inheritable too. */
static int restore_ambient(uint64_t set, uint64_t *permitted, struct hy_err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return hy_err_set(e, errno, "capabilities: read them");
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	set &= *permitted;
	data[0].inheritable = (uint32_t)set;
	data[1].inheritable = (uint32_t)(set >> 32);
	if (set && syscall(SYS_capset, &head, data) < 0)
		return hy_err_set(e, errno, "capabilities: hand them on");
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if ((set & BIT(cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return hy_err_set(e, errno, "capabilities: hand them on");
	}
	return 0;
}

static void say_missing(const struct hy_log *log, uint64_t permitted)
{
	for (size_t i = 0; i < N_RIGHTS; i++) {
		if (!(permitted & BIT(rights[i].cap)) && is_known(rights[i].cap))
			hy_log(log, HY_LOG_WARN, "no %s, which is for: %s", rights[i].name,
			       rights[i].what);
	}
}

int rights_drop(const struct hy_log *log, struct hy_err *e)
{
	uint64_t handed_on = ambient(), permitted = 0;
	int rc = hy_sandbox_bare(all_rights(), e);

	if (rc == 0)
		rc = restore_ambient(handed_on, &permitted, e);
	if (rc == 0)
		say_missing(log, permitted);
	return rc;
}
