/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_python.c - hand a verb over to the lab's Python package
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 *
 * In the source tree the package lies beside the build folder, installed in share/hylics.
 */
#include "cli/lab_python.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"
#include "cli/wall.h"

#define PYTHON "/usr/bin/python3"
#define PACKAGE "hylab"
#define WORDS_MAX 64

struct words {
	unsigned int n;
	bool full;
	char *word[WORDS_MAX + 1];
};

static void __attribute__((format(printf, 2, 3)))
add(struct words *w, const char *fmt, ...)
{
	va_list ap;

	if (w->full || w->n == WORDS_MAX) {
		w->full = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&w->word[w->n], fmt, ap) < 0) {
		w->word[w->n] = NULL;
		w->full = true;
	} else {
		w->n++;
	}
	va_end(ap);
}

static void free_words(struct words *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		free(w->word[i]);
}

static void add_number(struct words *w, const struct hy_opt *o, int64_t value)
{
	if (o->type == HY_OPT_DURATION)
		add(w, "--%s=%" PRId64 ".%03d", o->name, value / 1000, (int)(value % 1000));
	else
		add(w, "--%s=%" PRId64, o->name, value);
}

/* Zero is "not given" unless the table has another default. */
static void add_option(struct words *w, const struct hy_opt *o, const struct lab_verb *v)
{
	const char *place = (const char *)v->values + o->offset;
	const char *string;
	int64_t value, standard;

	switch (o->type) {
	case HY_OPT_FLAG:
		if (*(const bool *)place)
			add(w, "--%s", o->name);
		break;
	case HY_OPT_STRING:
		memcpy(&string, place, sizeof(string));
		if (string)
			add(w, "--%s=%s", o->name, string);
		break;
	default:
		memcpy(&value, place, sizeof(value));
		memcpy(&standard, (const char *)v->defaults + o->offset, sizeof(standard));
		if (value || standard)
			add_number(w, o, value);
	}
}

static int make_words(const struct lab_verb *v, struct words *w, struct hy_err *e)
{
	add(w, PYTHON);
	add(w, "-P");	/* do not import from the current directory */
	add(w, "-m");
	add(w, PACKAGE);
	add(w, "%s", v->name);
	for (const struct hy_opt *o = v->options; o && o->name; o++)
		add_option(w, o, v);
	for (int i = 0; i < v->argc; i++)
		add(w, "%s", v->argv[i]);
	return w->full ? hy_err_set(e, ENOMEM, "lab %s: command line", v->name) : 0;
}

/* The directory this program's file lies in. */
static int own_directory(char *dir, size_t size, struct hy_err *e)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n < 0)
		return hy_err_set(e, errno, "/proc/self/exe: read link");
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (!slash)
		return hy_err_set(e, ENOENT, "/proc/self/exe: '%s' has no directory", dir);
	*slash = '\0';
	return 0;
}

static bool has_package(const char *lab)
{
	char file[PATH_MAX];
	int n = snprintf(file, sizeof(file), "%s/" PACKAGE "/__main__.py", lab);

	return n > 0 && (size_t)n < sizeof(file) && access(file, R_OK) == 0;
}

static int find_package(const char *own, char *lab, size_t size, struct hy_err *e)
{
	int n = snprintf(lab, size, "%s/../lab", own);

	if (n > 0 && (size_t)n < size && has_package(lab))
		return 0;
	snprintf(lab, size, "%s", HY_DATADIR "/lab");
	if (has_package(lab))
		return 0;
	return hy_err_set(e, ENOENT, "the lab's Python package: looked in '%s/../lab' and '%s'",
			  own, lab);
}

static int set_environment(struct hy_err *e)
{
	char own[PATH_MAX], lab[PATH_MAX];
	int rc = own_directory(own, sizeof(own), e);

	if (rc == 0)
		rc = find_package(own, lab, sizeof(lab), e);
	if (rc < 0)
		return rc;
	/* no compiled files beside the sources, which are not ours to litter */
	if (setenv("PYTHONPATH", lab, 1) < 0 || setenv("HYLICS_BUILD", own, 1) < 0 ||
	    setenv("PYTHONDONTWRITEBYTECODE", "1", 1) < 0)
		return hy_err_set(e, errno, "environment of the lab");
	return 0;
}

static int become(char **argv, struct hy_err *e)
{
	execv(argv[0], argv);
	hy_err_set(e, errno, "%s: execute", argv[0]);
	return HY_EXIT_FAILED;
}

int lab_python_run(const struct lab_verb *v, struct hy_err *e)
{
	struct words w = { 0 };
	int code;

	if (set_environment(e) < 0 || make_words(v, &w, e) < 0)
		code = HY_EXIT_FAILED;
	else
		code = v->wall ? wall_run(w.word, e) : become(w.word, e);
	free_words(&w);
	return code;
}
