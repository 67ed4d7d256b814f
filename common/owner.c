/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner.c - who made something that may outlive him: process id and start time, as text
 *
 * Runs in: every program that leaves marks in the kernel
 * Reads from: names that may be anybody's; /proc
 */
#include "common/owner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define STAT_STATE 3		/* fields of /proc/PID/stat, counted from 1 as proc(5) does */
#define STAT_START_TIME 22

/* Takes digits from the front of a text. Returns false if there are none, or too many. */
static bool take_number(const char **text, uint64_t *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0;
}

/* Returns what stands behind a number of spaces, NULL if there are fewer. */
static const char *skip_fields(const char *text, unsigned int n)
{
	while (text && n--) {
		text = strchr(text, ' ');
		text += text != NULL;
	}
	return text;
}

/*
 * Fields are counted from behind the last ')': the name before it may hold spaces and brackets.
 * Returns 0 if there is no such process, or one that has ended and was not waited for.
 */
static uint64_t start_time(uint64_t pid)
{
	char path[64];
	uint64_t ticks;
	hy_autofile *f = NULL;
	hy_autofree char *line = NULL;
	size_t size = 0;
	const char *state, *field;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
	f = fopen(path, "re");
	if (!f || getline(&line, &size, f) < 0)
		return 0;
	state = skip_fields(strrchr(line, ')'), 1);
	field = skip_fields(state, STAT_START_TIME - STAT_STATE);
	if (!field || !take_number(&field, &ticks))
		return 0;
	return *state == 'Z' || *state == 'X' ? 0 : ticks;
}

int hy_owner_self(char text[HY_OWNER_TEXT_MAX], struct hy_err *e)
{
	uint64_t pid = (uint64_t)getpid();
	uint64_t ticks = start_time(pid);

	if (!ticks)
		return hy_err_set(e, EIO, "/proc/%d/stat: reading the start time", (int)getpid());
	snprintf(text, HY_OWNER_TEXT_MAX, "%" PRIu64 "-%" PRIu64, pid, ticks);
	return 0;
}

bool hy_owner_take(const char **text, struct hy_owner *o)
{
	const char *at = *text;
	struct hy_owner found;

	if (!take_number(&at, &found.pid) || *at++ != '-' ||
	    !take_number(&at, &found.start_ticks))
		return false;
	*o = found;
	*text = at;
	return true;
}

bool hy_owner_lives(const struct hy_owner *o)
{
	return o->start_ticks && start_time(o->pid) == o->start_ticks;
}
