/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage.c - what a process and all it has started take of the machine
 *
 * Runs in: hylics-keeper
 * Reads from: /proc
 */
#include "hylics-keeper/usage.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define STAT_ROOM 1024
#define CHILDREN_ROOM 4096
#define US_PER_S 1000000u

struct tree {
	pid_t pid[USAGE_PROCESSES_MAX];
	unsigned int n;
};

/* Return: bytes read, with a NUL behind them; 0: there is nothing */
static size_t read_text(const char *path, char *text, size_t room)
{
	hy_autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Places in /proc/PID/stat, counted from the first behind the program's name. */
enum { AT_UTIME = 11, AT_STIME, AT_CUTIME, AT_CSTIME, AT_RSS = 21 };

static uint64_t number_at(const char *text, unsigned int place)
{
	for (; place > 0; place--) {
		text += strspn(text, " ");
		text += strcspn(text, " ");
	}
	return strtoull(text, NULL, 10);
}

/* A program may have any name, but behind it there is no ')'. Return: whether it is there */
static bool add_stat(pid_t pid, struct usage *u)
{
	char path[64], text[STAT_ROOM];
	const char *name_end;
	uint64_t ticks = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	name_end = read_text(path, text, sizeof(text)) ? strrchr(text, ')') : NULL;
	if (!name_end)
		return false;
	for (unsigned int place = AT_UTIME; place <= AT_CSTIME; place++)
		ticks += number_at(name_end + 1, place);
	u->cpu_us += ticks * US_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	u->memory += number_at(name_end + 1, AT_RSS) * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

/* Those of its first thread: what our programs are. */
static void add_children(struct tree *t, pid_t pid)
{
	char path[64], text[CHILDREN_ROOM], *at = text;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (read_text(path, text, sizeof(text)) == 0)
		return;
	while (t->n < USAGE_PROCESSES_MAX) {
		char *end;
		long child = strtol(at, &end, 10);

		if (end == at || child <= 0)
			return;
		t->pid[t->n++] = (pid_t)child;
		at = end;
	}
}

unsigned int usage_read(pid_t pid, struct usage *u)
{
	struct tree t = { .pid = { pid }, .n = 1 };
	unsigned int seen = 0;

	*u = (struct usage){ 0 };
	for (unsigned int i = 0; i < t.n; i++) {
		seen += add_stat(t.pid[i], u);
		add_children(&t, t.pid[i]);
	}
	return seen;
}
