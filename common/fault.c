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

/* One order per process, read once at start; there is nobody else to own it. */
static struct {
	enum hy_fault_step step;
	enum action action;
	unsigned long delay_ms;
	unsigned long left;	/* times still to pass; 0: done */
} order;

/* All of @n characters are digits, at most nine of them. */
static bool parse_number(const char *word, size_t n, unsigned long *number)
{
	if (n == 0 || n > 9 || strspn(word, "0123456789") < n)
		return false;
	*number = strtoul(word, NULL, 10);
	return true;
}

static bool parse_action(const char *word, size_t n)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strlen(actions[i].name) == n && strncmp(word, actions[i].name, n) == 0) {
			order.action = actions[i].action;
			return true;
		}
	}
	if (n < 6 || strncmp(word, "delay-", 6) != 0)
		return false;
	order.action = DELAY;
	return parse_number(word + 6, n - 6, &order.delay_ms);
}

/* ":COUNT" or nothing */
static bool parse_count(const char *text)
{
	order.left = 1;
	if (!*text)
		return true;
	return parse_number(text + 1, strlen(text + 1), &order.left) && order.left > 0;
}

const char *hy_fault_init(void)
{
	const char *text = getenv("HYLICS_FAULT");
	size_t n;

	order.action = NONE;
	if (!text)
		return NULL;
	n = strcspn(text, ":");
	for (order.step = 0; order.step < FAULT_STEPS; order.step++) {
		if (strlen(step_names[order.step]) == n &&
		    strncmp(text, step_names[order.step], n) == 0)
			break;
	}
	if (order.step == FAULT_STEPS)
		return "HYLICS_FAULT names no step; the steps are in common/fault.h";
	text += n + (text[n] == ':');
	n = strcspn(text, ":");
	if (!parse_action(text, n)) {
		order.action = NONE;
		return "HYLICS_FAULT: the action is kill, stop, fail, drop or delay-MS";
	}
	if (!parse_count(text + n)) {
		order.action = NONE;
		return "HYLICS_FAULT: the count is a number from 1";
	}
	return NULL;
}

bool hy_fault_ordered(void)
{
	return order.action != NONE;
}

bool hy_fault_due(enum hy_fault_step step)
{
	return order.action != NONE && order.step == step && order.left == 1;
}

/* syscalls: clock_nanosleep, getpid, kill(_, SIGKILL), kill(_, SIGSTOP), nanosleep */
static int act(void)
{
	struct timespec pause = { .tv_sec = (time_t)(order.delay_ms / 1000),
				  .tv_nsec = (long)(order.delay_ms % 1000) * 1000000 };

	switch (order.action) {
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
	if (order.action == NONE || order.step != step || order.left == 0)
		return 0;
	return --order.left == 0 ? act() : 0;
}

#endif
