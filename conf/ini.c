/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ini.c - INI files by tables: one table per kind of file reads it, writes it and is its manual
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator, which may be cut short or edited by hand
 */
#include "conf/ini.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"

#define WHY_MAX 320
#define SHOWN "%.64s"		/* a value in an error: the reason behind it must fit as well */
#define BLANKS " \t"

struct reading {
	const struct ini_table *t;
	const char *file;
	const char *p, *end;		/* not read yet */
	unsigned int line;		/* of what was read last */
	unsigned char *values;
	bool seen[HY_INI_KEYS_MAX];
	struct hy_err *e;
	int rc;
};

/* -- values -- */

static const struct ini_key *find_key(const struct ini_table *t, const char *name)
{
	for (const struct ini_key *k = t->keys; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* Where there is a control byte but a tab, -1 if there is none. */
static ssize_t find_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
			return (ssize_t)i;
	return -1;
}

/* Whether a text would come back from a file as it is, and may stand there. */
static int check_text(const struct ini_key *k, const char *text, char *why, size_t size)
{
	size_t len = strlen(text);

	if (len == 0)
		snprintf(why, size, "is empty");
	else if (len >= k->room)
		snprintf(why, size, "is longer than %zu bytes", k->room - 1);
	else if (find_control(text, len) >= 0)
		snprintf(why, size, "has a control byte");
	else if (strchr(BLANKS, text[0]) || strchr(BLANKS, text[len - 1]))
		snprintf(why, size, "begins or ends with a blank");
	else
		return k->check ? k->check(text, why, size) : 0;
	return -EINVAL;
}

static unsigned int list_n(const struct ini_key *k, const void *values)
{
	unsigned int n;

	memcpy(&n, (const char *)values + k->n_offset, sizeof(n));
	return n;
}

static void list_set_n(const struct ini_key *k, void *values, unsigned int n)
{
	memcpy((char *)values + k->n_offset, &n, sizeof(n));
}

static int read_text(const struct ini_key *k, const char *text, char *place, char *why, size_t size)
{
	int rc = check_text(k, text, why, size);

	if (rc < 0)
		return rc;
	memset(place, 0, k->room);	/* so that equal values are equal bytes */
	memcpy(place, text, strlen(text) + 1);
	return 0;
}

static int read_item(const struct ini_key *k, const char *text, void *values, char *why,
		     size_t size)
{
	unsigned int n = list_n(k, values);
	int rc;

	if (n >= k->items) {
		snprintf(why, size, "may be given at most %u times", k->items);
		return -EINVAL;
	}
	rc = read_text(k, text, (char *)values + k->offset + n * k->room, why, size);
	if (rc == 0)
		list_set_n(k, values, n + 1);
	return rc;
}

static int read_flag(const char *text, void *place, char *why, size_t size)
{
	const bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0) {
		snprintf(why, size, "must be yes or no");
		return -EINVAL;
	}
	memcpy(place, &yes, sizeof(yes));
	return 0;
}

static struct hy_opt as_option(const struct ini_key *k)
{
	return (struct hy_opt){ .name = k->name, .type = k->type, .min = k->min, .max = k->max,
				.choices = k->choices };
}

static int read_value(const struct ini_key *k, const char *text, void *values, char *why,
		      size_t size)
{
	const struct hy_opt o = as_option(k);
	void *place = (char *)values + k->offset;

	if (k->read)
		return k->read(text, place, why, size);
	switch (k->type) {
	case HY_OPT_STRING:
		return read_text(k, text, place, why, size);
	case HY_OPT_LIST:
		return read_item(k, text, values, why, size);
	case HY_OPT_FLAG:
		return read_flag(text, place, why, size);
	default:
		return hy_opt_read(&o, text, place, why, size);
	}
}

int ini_set(const struct ini_table *t, const char *key, const char *text, void *values,
	    struct hy_err *e)
{
	const struct ini_key *k = find_key(t, key);
	char why[WHY_MAX];

	if (!k)
		return hy_err_usage(e, key, "unknown key '" SHOWN "'", key);
	if (read_value(k, text, values, why, sizeof(why)) < 0)
		return hy_err_usage(e, key, "%s '" SHOWN "': %s", key, text, why);
	return 0;
}

/* -- reading -- */

static int __attribute__((format(printf, 3, 4)))
fail(struct reading *r, const char *key, const char *fmt, ...)
{
	char text[HY_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->rc = hy_err_usage(r->e, key, "%s:%u: %s", r->file, r->line, text);
	return r->rc;
}

static int take_key(struct reading *r, const char *name, const char *text)
{
	const struct ini_key *k = find_key(r->t, name);
	char why[WHY_MAX];
	bool *seen;

	if (!k)
		return fail(r, name, "unknown key '" SHOWN "'", name);
	seen = &r->seen[k - r->t->keys];
	if (*seen && k->type != HY_OPT_LIST)
		return fail(r, name, "%s is given twice", name);
	if (!*seen && k->type == HY_OPT_LIST)
		list_set_n(k, r->values, 0);
	*seen = true;
	if (read_value(k, text, r->values, why, sizeof(why)) < 0)
		return fail(r, name, "%s '" SHOWN "': %s", name, text, why);
	return 0;
}

/* libinih's call for each key; it goes on if the answer is not 0. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;

	if (!section[0])
		fail(r, name, "'" SHOWN "' stands before [%s]", name, r->t->section);
	else
		take_key(r, name, value);
	return r->rc == 0;
}

/* libinih ignores what follows the bracket, and says nothing of a section without keys. */
static int check_section(struct reading *r, const char *line, size_t len)
{
	const char *section = r->t->section;
	size_t n = strlen(section);

	while (len && strchr(BLANKS, line[len - 1]))
		len--;
	if (line[0] != '[')
		return 0;
	if (len != n + 2 || memcmp(line + 1, section, n) != 0 || line[n + 1] != ']')
		return fail(r, NULL, "unknown section; this file has [%s] alone", section);
	return 0;
}

static int check_line(struct reading *r, const char *line, size_t len, bool ended)
{
	ssize_t control = find_control(line, len);

	if (control >= 0)
		return fail(r, NULL, "control byte 0x%02x", (unsigned char)line[control]);
	if (len > HY_INI_LINE_MAX)
		return fail(r, NULL, "the line is longer than %d bytes", HY_INI_LINE_MAX);
	if (!ended && r->t->whole)
		return fail(r, NULL, "the line does not end: the file was cut short");
	while (len && strchr(BLANKS, *line)) {
		line++;
		len--;
	}
	return len ? check_section(r, line, len) : 0;
}

/* libinih's call for the next line, which must fit whole. */
static char *next_line(char *out, int room, void *user)
{
	struct reading *r = user;
	size_t left = (size_t)(r->end - r->p), len;
	const char *line = r->p, *newline;

	if (r->rc < 0 || left == 0)
		return NULL;
	newline = memchr(line, '\n', left);
	len = newline ? (size_t)(newline - line) : left;
	r->p += newline ? len + 1 : len;
	r->line++;
	if (newline && len && line[len - 1] == '\r')
		len--;
	if (check_line(r, line, len, newline != NULL) < 0)
		return NULL;
	if (len + 2 > (size_t)room) {
		fail(r, NULL, "the line is longer than %d bytes", room - 2);
		return NULL;
	}
	memcpy(out, line, len);
	out[len] = '\n';
	out[len + 1] = '\0';
	return out;
}

/* A line is a line, a value is all that follows "=", and the first error is the only one. */
static void set_up_library(void)
{
	ini_max_line = HY_INI_LINE_MAX + 3;
	ini_use_stack = true;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
}

static int check_required(struct reading *r)
{
	for (const struct ini_key *k = r->t->keys; k->name; k++)
		if (k->required && !r->seen[k - r->t->keys])
			return fail(r, k->name, "%s is missing%s", k->name,
				    r->t->whole ? ": the file was cut short, or edited" : "");
	return 0;
}

static int parse(struct reading *r)
{
	int rc;

	set_up_library();
	rc = ini_parse_stream(next_line, r, on_key, r);
	if (r->rc < 0)
		return r->rc;
	if (rc != 0)
		return fail(r, NULL, "must be KEY = VALUE, [%s] or a comment", r->t->section);
	return check_required(r);
}

int ini_read(const struct ini_table *t, const char *bytes, size_t len, const char *file,
	     void *values, struct hy_err *e)
{
	hy_autofree unsigned char *copy = malloc(t->values_size);
	struct reading r = { .t = t, .file = file, .p = bytes, .end = bytes + len,
			     .values = copy, .e = e };
	int rc;

	if (!copy)
		return hy_err_set(e, ENOMEM, "%s", file);
	if (len > HY_INI_FILE_MAX)
		return hy_err_usage(e, NULL, "%s: the file is longer than %d bytes", file,
				    HY_INI_FILE_MAX);
	memcpy(copy, values, t->values_size);
	rc = parse(&r);
	if (rc == 0)
		memcpy(values, copy, t->values_size);
	return rc;
}

/* Returns how many bytes there are, at most @room. */
static ssize_t read_all(int fd, char *bytes, size_t room)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = pread(fd, bytes + len, room - len, (off_t)len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && len < room) || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : (ssize_t)len;
}

int ini_read_fd(const struct ini_table *t, int fd, const char *file, void *values,
		struct hy_err *e)
{
	hy_autofree char *bytes = malloc(HY_INI_FILE_MAX + 1);
	struct stat st;
	ssize_t len;

	if (!bytes)
		return hy_err_set(e, ENOMEM, "%s", file);
	if (fstat(fd, &st) < 0)
		return hy_err_set(e, errno, "%s", file);
	if (!S_ISREG(st.st_mode))
		return hy_err_usage(e, NULL, "%s: is no regular file", file);
	len = read_all(fd, bytes, HY_INI_FILE_MAX + 1);
	if (len < 0)
		return hy_err_set(e, errno, "%s: read", file);
	return ini_read(t, bytes, (size_t)len, file, values, e);
}

/* -- writing -- */

void ini_text(const struct ini_key *k, const void *values, char *text, size_t size)
{
	const struct hy_opt o = as_option(k);
	const char *place = (const char *)values + k->offset;
	int64_t number = 0;

	text[0] = '\0';
	if (k->print) {
		k->print(place, text, size);
	} else if (k->type == HY_OPT_STRING) {
		snprintf(text, size, "%.*s", (int)k->room, place);
	} else if (k->type == HY_OPT_FLAG) {
		snprintf(text, size, "%s", *(const bool *)place ? "yes" : "no");
	} else if (k->type == HY_OPT_CHOICE) {
		hy_opt_text(&o, place, text, size);
	} else if (k->type != HY_OPT_LIST) {
		memcpy(&number, place, sizeof(number));
		if (number || k->min <= 0)
			hy_opt_text(&o, place, text, size);
	}
}

/* One value, or one of a list, as another text that must be readable again. */
static int check_again(const struct ini_key *k, const char *text, struct hy_err *e)
{
	const struct hy_opt o = as_option(k);
	char why[WHY_MAX];
	int64_t number;
	int rc = 0;

	if (k->read)
		return 0;	/* its print makes what its read takes */
	if (k->type == HY_OPT_STRING || k->type == HY_OPT_LIST)
		rc = check_text(k, text, why, sizeof(why));
	else if (k->type != HY_OPT_FLAG && k->type != HY_OPT_CHOICE)
		rc = hy_opt_read(&o, text, &number, why, sizeof(why));
	if (rc < 0)
		return hy_err_usage(e, k->name, "%s '" SHOWN "': %s", k->name, text, why);
	return 0;
}

static const char *item(const struct ini_key *k, const void *values, unsigned int i)
{
	return (const char *)values + k->offset + i * k->room;
}

static int check_list(const struct ini_key *k, const void *values, struct hy_err *e)
{
	unsigned int n = list_n(k, values);
	int rc = 0;

	if (n > k->items)
		return hy_err_usage(e, k->name, "%s: more than %u", k->name, k->items);
	for (unsigned int i = 0; i < n && rc == 0; i++)
		rc = check_again(k, item(k, values, i), e);
	return rc;
}

int ini_check(const struct ini_table *t, const void *values, struct hy_err *e)
{
	char text[HY_INI_LINE_MAX];
	int rc = 0;

	for (const struct ini_key *k = t->keys; k->name && rc == 0; k++) {
		if (k->type == HY_OPT_LIST) {
			rc = check_list(k, values, e);
			continue;
		}
		ini_text(k, values, text, sizeof(text));
		if (text[0])
			rc = check_again(k, text, e);
		else if (k->required)
			rc = hy_err_usage(e, k->name, "%s is missing", k->name);
	}
	return rc;
}

static void write_key(const struct ini_key *k, const void *values, FILE *f)
{
	char text[HY_INI_LINE_MAX];

	if (k->type == HY_OPT_LIST) {
		for (unsigned int i = 0; i < list_n(k, values); i++)
			fprintf(f, "%s = %s\n", k->name, item(k, values, i));
		return;
	}
	ini_text(k, values, text, sizeof(text));
	if (text[0])
		fprintf(f, "%s = %s\n", k->name, text);
}

int ini_write(const struct ini_table *t, const void *values, char *bytes, size_t size,
	      struct hy_err *e)
{
	int rc = ini_check(t, values, e);
	hy_autofile *f = NULL;
	long len;

	if (rc < 0)
		return rc;
	f = fmemopen(bytes, size, "we");
	if (!f)
		return hy_err_set(e, errno, "[%s]: write", t->section);
	fprintf(f, "%s[%s]\n", t->head ? t->head : "", t->section);
	for (const struct ini_key *k = t->keys; k->name; k++)
		write_key(k, values, f);
	len = ftell(f);
	if (fflush(f) != 0 || ferror(f) || len < 0 || (size_t)len >= size)
		return hy_err_set(e, EMSGSIZE, "[%s]: does not fit", t->section);
	return (int)len;
}
