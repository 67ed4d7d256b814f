/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * err.c - the error object: a code, and a sentence that grows context on its way up
 *
 * Runs in: every program
 * Reads from: no untrusted input
 */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/json.h"

#define CODE_BAD_OPTION "bad-option"
#define CODE_BAD_USAGE "bad-usage"

static const struct {
	int num;
	const char *code;
	enum hy_exit exit;
} kinds[] = {
	{ ENOENT, "not-found", HY_EXIT_NO_OBJECT },
	{ ECONNREFUSED, "not-reachable", HY_EXIT_NO_DAEMON },
	{ EBUSY, "busy", HY_EXIT_REFUSED },
	{ EAGAIN, "try-again", HY_EXIT_REFUSED },
	{ EADDRINUSE, "in-use", HY_EXIT_REFUSED },
	{ EEXIST, "exists", HY_EXIT_REFUSED },
	{ EDQUOT, "over-budget", HY_EXIT_REFUSED },
	{ EPERM, "not-allowed", HY_EXIT_FAILED },
	{ EACCES, "not-allowed", HY_EXIT_FAILED },
	{ ENOMEM, "no-memory", HY_EXIT_FAILED },
	{ ENOSPC, "no-space", HY_EXIT_FAILED },
	{ ETIMEDOUT, "timeout", HY_EXIT_FAILED },
};

static void __attribute__((format(printf, 2, 0)))
set_text(struct hy_err *e, const char *fmt, va_list ap)
{
	char text[HY_ERR_TEXT_MAX];	/* an argument may point into the old text */

	vsnprintf(text, sizeof(text), fmt, ap);
	hy_json_mend(text);
	memcpy(e->text, text, sizeof(e->text));
}

int hy_err_set(struct hy_err *e, int num, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -num;
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	e->num = num;
	e->code = NULL;
	e->field[0] = '\0';
	e->whole = false;
	return -num;
}

int hy_err_usage(struct hy_err *e, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -EINVAL;
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	e->num = EINVAL;
	e->code = field ? CODE_BAD_OPTION : CODE_BAD_USAGE;
	snprintf(e->field, sizeof(e->field), "%s", field ? field : "");
	e->whole = false;
	return -EINVAL;
}

int hy_err_told(struct hy_err *e, const char *code, const char *field, const char *message)
{
	int num = EIO;

	if (strcmp(code, CODE_BAD_OPTION) == 0 || strcmp(code, CODE_BAD_USAGE) == 0)
		num = EINVAL;
	for (size_t i = 0; num == EIO && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].code, code) == 0)
			num = kinds[i].num;
	if (num == EINVAL)
		hy_err_usage(e, field, "%s", message);
	else
		hy_err_set(e, num, "%s", message);
	snprintf(e->field, sizeof(e->field), "%s", field ? field : "");
	e->whole = true;
	return -num;
}

int hy_err_add(struct hy_err *e, const char *fmt, ...)
{
	char inner[HY_ERR_TEXT_MAX];
	size_t used;
	va_list ap;

	if (!e || !e->num)
		return -EIO;
	memcpy(inner, e->text, sizeof(inner));
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, ": %s", inner);
	return -e->num;
}

static bool is_usage(const struct hy_err *e)
{
	return e->code && (strcmp(e->code, CODE_BAD_OPTION) == 0 ||
			   strcmp(e->code, CODE_BAD_USAGE) == 0);
}

/* Returns what follows the sentence: the errno's words, or nothing where they would add none. */
static const char *errno_words(const struct hy_err *e)
{
	return e->whole || is_usage(e) ? NULL : strerror(e->num);
}

/* A file's name must not be able to speak to the reader's terminal. */
static void print_visibly(FILE *f, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			fprintf(f, "\\x%02x", *c);
		else
			fputc(*c, f);
	}
}

/* syscalls: write */
void hy_err_print(const char *program, const struct hy_err *e)
{
	const char *words = errno_words(e);

	fprintf(stderr, "%s: ", program);
	print_visibly(stderr, e->text);
	fprintf(stderr, "%s%s\n", words ? ": " : "", words ? words : "");
}

void hy_err_message(const struct hy_err *e, char message[HY_ERR_MESSAGE_MAX])
{
	const char *words = errno_words(e);

	snprintf(message, HY_ERR_MESSAGE_MAX, "%s%s%s", e->text, words ? ": " : "",
		 words ? words : "");
}

void hy_err_print_json(FILE *f, const struct hy_err *e)
{
	char message[HY_ERR_MESSAGE_MAX];

	hy_err_message(e, message);
	fputs("{\"error\":{\"code\":", f);
	hy_json_string(f, hy_err_code(e));
	fputs(",\"message\":", f);
	hy_json_string(f, message);
	if (e->field[0]) {
		fputs(",\"field\":", f);
		hy_json_string(f, e->field);
	}
	fputs("}}\n", f);
}

const char *hy_err_code(const struct hy_err *e)
{
	if (e->code)
		return e->code;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].num == e->num)
			return kinds[i].code;
	return "failed";
}

int hy_err_exit(const struct hy_err *e)
{
	if (!e->num)
		return HY_EXIT_OK;
	if (is_usage(e))
		return HY_EXIT_USAGE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].num == e->num)
			return kinds[i].exit;
	return HY_EXIT_FAILED;
}
