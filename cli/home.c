/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * home.c - waits until all connections of a VM are home
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/home.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define LOOK_MIN_MS 10
#define LOOK_MAX_MS 200

const struct home_values home_defaults = { .timeout_ms = 30000 };

/* Return: how many; -1: the worker has not said yet */
static long long away(const json_t *vm)
{
	const json_t *n = json_object_get(vm, "away");

	return json_is_integer(n) ? (long long)json_integer_value(n) : -1;
}

static void show(long long n, bool last)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (n >= 0)
		fprintf(stderr, "\r%lld connections away \033[K", n);
	if (last)
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

static int late(const char *name, const json_t *vm, struct hy_err *e)
{
	const char *why = json_string_value(json_object_get(vm, "why"));
	long long n = away(vm);

	if (n >= 0)
		return hy_err_set(e, ETIMEDOUT, "vm '%s': %lld connections are still away; they "
				  "come home when they can, new ones stay in the guest", name, n);
	return hy_err_set(e, ETIMEDOUT, "vm '%s': its worker does not say how many are away; "
			  "new ones stay in the guest%s%s", name, why ? ": " : "", why ? why : "");
}

static int look_again(const struct home_values *v, const char *name, json_t **vm, struct hy_err *e)
{
	json_t *fresh = NULL;
	int rc = ask_vm(&v->ask, "GET", name, "", NULL, &fresh, e);

	if (rc < 0)
		return rc;
	json_decref(*vm);
	*vm = fresh;
	return 0;
}

int home_wait(const struct home_values *v, const char *name, json_t **vm, struct hy_err *e)
{
	uint64_t end_ms = hy_clock_ms() + v->timeout_ms, pause_ms = 0;
	int rc = 0;

	while (v->timeout_ms && rc == 0 && away(*vm) != 0) {
		if (hy_clock_ms() >= end_ms) {
			rc = late(name, *vm, e);
			break;
		}
		show(away(*vm), false);
		pause_ms = hy_clock_pause(pause_ms, LOOK_MIN_MS, LOOK_MAX_MS);
		nanosleep(&(struct timespec){ .tv_nsec = (long)pause_ms * 1000000 }, NULL);
		rc = look_again(v, name, vm, e);
	}
	show(-1, true);
	return rc;
}
