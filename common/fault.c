/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.c - named steps at which a test can kill, stop, delay or fail a process
 *
 * Runs in: every daemon, in builds with -Dfaults=true
 * Reads from: the environment of whoever started the process
 */
#include "common/fault.h"

#ifdef HY_FAULTS

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum action { NONE, KILL, STOP, FAIL, DROP, DELAY };

#define X(step, name, what) name,
static const char *const step_names[] = { HY_FAULT_STEPS(X) };
#undef X

static const struct {
	const char *name;
	enum action action;
} actions[] = {
	{ "kill", KILL }, { "stop", STOP }, { "fail", FAIL }, { "drop", DROP },
};

#define ORDERS_MAX 4

/* Read once at start; there is nobody else to own them. */
static struct order {
	enum hy_fault_step step;
	enum action action;
	unsigned long delay_ms;
	unsigned long left;	/* times still to pass; 0: done */
} orders[ORDERS_MAX];
static unsigned int n_orders;

/* All of @n characters are digits, at most nine of them. */
static bool parse_number(const char *word, size_t n, unsigned long *number)
{
	if (n == 0 || n > 9 || strspn(word, "0123456789") < n)
		return false;
	*number = strtoul(word, NULL, 10);
	return true;
}

static bool parse_action(const char *word, size_t n, struct order *o)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strlen(actions[i].name) == n && strncmp(word, actions[i].name, n) == 0) {
			o->action = actions[i].action;
			return true;
		}
	}
	if (n < 6 || strncmp(word, "delay-", 6) != 0)
		return false;
	o->action = DELAY;
	return parse_number(word + 6, n - 6, &o->delay_ms);
}

/* ":COUNT" or nothing */
static bool parse_count(const char *text, size_t n, struct order *o)
{
	o->left = 1;
	if (n == 0)
		return true;
	return parse_number(text + 1, n - 1, &o->left) && o->left > 0;
}

static bool parse_step(const char *word, size_t n, struct order *o)
{
	for (o->step = 0; o->step < FAULT_STEPS; o->step++)
		if (strlen(step_names[o->step]) == n && strncmp(word, step_names[o->step], n) == 0)
			return true;
	return false;
}

/* Of @n characters. */
static const char *parse_order(const char *text, size_t n, struct order *o)
{
	const char *end = text + n;

	n = strcspn(text, ":,");
	if (!parse_step(text, n, o))
		return "HYLICS_FAULT names no step; the steps are in common/fault.h";
	text += n + (text[n] == ':');
	n = strcspn(text, ":,");
	if (!parse_action(text, n, o))
		return "HYLICS_FAULT: the action is kill, stop, fail, drop or delay-MS";
	text += n;
	if (!parse_count(text, (size_t)(end - text), o))
		return "HYLICS_FAULT: the count is a number from 1";
	return NULL;
}

const char *hy_fault_init(void)
{
	const char *text = getenv("HYLICS_FAULT"), *wrong = NULL;

	n_orders = 0;
	while (text && !wrong) {
		size_t n = strcspn(text, ",");

		if (n_orders == ORDERS_MAX)
			wrong = "HYLICS_FAULT has more orders than a process takes";
		else
			wrong = parse_order(text, n, &orders[n_orders++]);
		text = text[n] ? text + n + 1 : NULL;
	}
	if (wrong)
		n_orders = 0;
	return wrong;
}

bool hy_fault_ordered(void)
{
	return n_orders > 0;
}

bool hy_fault_due(enum hy_fault_step step)
{
	for (unsigned int i = 0; i < n_orders; i++)
		if (orders[i].step == step && orders[i].left == 1)
			return true;
	return false;
}

/* syscalls: clock_nanosleep, getpid, kill(_, SIGKILL), kill(_, SIGSTOP), nanosleep */
static int act(const struct order *o)
{
	struct timespec pause = { .tv_sec = (time_t)(o->delay_ms / 1000),
				  .tv_nsec = (long)(o->delay_ms % 1000) * 1000000 };

	switch (o->action) {
	case KILL:
		kill(getpid(), SIGKILL);
		return 0;
	case STOP:
		kill(getpid(), SIGSTOP);
		return 0;
	case DELAY:
		nanosleep(&pause, NULL);
		return 0;
	case FAIL:
		return -EIO;
	case DROP:
		return -ECANCELED;
	default:
		return 0;
	}
}

int hy_fault(enum hy_fault_step step)
{
	int rc = 0;

	for (unsigned int i = 0; i < n_orders; i++)
		if (orders[i].step == step && orders[i].left > 0 && --orders[i].left == 0 && !rc)
			rc = act(&orders[i]);
	return rc;
}

#endif
