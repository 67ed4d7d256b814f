/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage.c - what a process and all it has started take of the machine
 *
 * Runs in: hylics-keeper
 * Reads from: /proc
 */
#include "hylics-keeper/usage.h"

#include <fcntl.h>
#include <inttypes.h>
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

/* A program may have any name, but none has a ')' behind its end. */
static int add_stat(pid_t pid, struct usage *u)
{
	unsigned long utime, stime;
	long cutime, cstime, rss;
	char path[64], text[STAT_ROOM];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	end = read_text(path, text, sizeof(text)) ? strrchr(text, ')') : NULL;
	if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld"
			   " %*d %*d %*d %*d %*u %*u %ld", &utime, &stime, &cutime, &cstime,
			   &rss) != 5)
		return -1;
	u->cpu_us += (utime + stime + (unsigned long)cutime + (unsigned long)cstime) * US_PER_S /
		     (unsigned long)sysconf(_SC_CLK_TCK);
	u->memory += (uint64_t)rss * (unsigned long)sysconf(_SC_PAGESIZE);
	return 0;
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
		seen += add_stat(t.pid[i], u) == 0;
		add_children(&t, t.pid[i]);
	}
	return seen;
}
