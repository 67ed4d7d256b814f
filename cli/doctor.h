/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.h - what hylics doctor looks at, one small function each
 *
 * Runs in: hylics; in its tests over trees that stand for machines
 * Reads from: /proc, /sys, /etc, /dev (believed); hylicsd
 */
#ifndef HY_CLI_DOCTOR_H
#define HY_CLI_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"

#define DOCTOR_TEXT_MAX 320

enum doctor_state { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_BAD, DOCTOR_SKIPPED };

/* "ok", "warning", "bad", "skipped". */
extern const char *const doctor_state_names[];

/* Where it looks. */
struct doctor {
	const char *root;		/* before every path; "": this machine */
	const char *run_dir;		/* hylicsd's */
	bool live;			/* the kernel may be asked, programs for their version */
	const json_t *host, *vms;	/* hylicsd's answers, NULL: it gave none */
	struct hy_err no_host;		/* why */
};

struct finding {
	enum doctor_state state;
	char found[DOCTOR_TEXT_MAX];
	char mend[DOCTOR_TEXT_MAX];	/* "": nothing to mend */
};

struct doctor_check {
	const char *name;
	void (*look)(const struct doctor *d, struct finding *f);
};

extern const struct doctor_check doctor_checks[];	/* ended by a NULL name */

/* Fill a finding: its state and what was found; how to mend it. */
void doctor_found(struct finding *f, enum doctor_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_mend(struct finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Open a file of the machine; NULL if it is not there. */
FILE *doctor_open(const struct doctor *d, const char *path);

/* The first line of a file of the machine; whether there is one. */
bool doctor_line(const struct doctor *d, const char *path, char *line, size_t size);

/* Whether a path is there. */
bool doctor_there(const struct doctor *d, const char *path);

/* Those that ask the kernel, see doctor_live.c. */
void doctor_bpf(const struct doctor *d, struct finding *f);
void doctor_namespaces(const struct doctor *d, struct finding *f);
void doctor_repair(const struct doctor *d, struct finding *f);

/**
 * doctor_version() - The first line a program prints for --version
 * @d:		Not live: nothing is started
 * @program:	Path
 * @line:	Filled, empty if it says nothing within five seconds
 * @size:	Of @line
 */
void doctor_version(const struct doctor *d, const char *program, char *line, size_t size);

#endif
