/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * err.h - the error object: a code, and a sentence that grows context on its way up
 *
 * Runs in: every program
 * Reads from: no untrusted input
 *
 * The caller owns a struct hy_err, passes it last, and only main() prints it. A function that
 * fails fills it and returns the same negative errno in one expression:
 *
 *	if (fd < 0)
 *		return hy_err_set(e, errno, "share '%s': open", path);
 *	...
 *	return hy_err_add(e, "vm '%s'", name);
 *
 * which prints "vm 'web1': share '/srv/x': open: No such file or directory".
 *
 * Start from a zeroed object. A wrong use of a program is no system error: hy_err_usage() names
 * the option it is about, and no errno's words follow the sentence.
 */
#ifndef HY_ERR_H
#define HY_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define HY_ERR_TEXT_MAX 512
#define HY_ERR_FIELD_MAX 64
#define HY_ERR_MESSAGE_MAX (HY_ERR_TEXT_MAX + 128)

struct hy_err {
	int num;			/* positive errno, 0 while nothing failed */
	const char *code;		/* a literal such as "bad-option"; NULL: follows from num */
	char field[HY_ERR_FIELD_MAX];	/* the option or key at fault, "" if none */
	char text[HY_ERR_TEXT_MAX];	/* without the errno's own words */
	bool whole;			/* but with all words there are: another process's error */
};

/* The exit codes of every command; docs/contracts.md holds the same table. */
enum hy_exit {
	HY_EXIT_OK = 0,
	HY_EXIT_FAILED = 1,
	HY_EXIT_USAGE = 2,
	HY_EXIT_NO_OBJECT = 3,
	HY_EXIT_NO_DAEMON = 4,
	HY_EXIT_REFUSED = 5,
	HY_EXIT_SKIPPED = 77,
};

/**
 * hy_err_set() - Record a failure
 * @e:		Filled unless NULL; what it held is replaced
 * @num:	Positive errno
 * @fmt:	What was tried, on what; not the errno's own words
 *
 * Return: -@num, so that a failing function ends in one expression
 */
int hy_err_set(struct hy_err *e, int num, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * hy_err_add() - Put context in front of a failure that is on its way up
 * @e:		Already set; may be NULL
 * @fmt:	The object the caller was working on
 *
 * Return: the negative errno recorded in @e, -EIO if @e is NULL or was never set
 */
int hy_err_add(struct hy_err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * hy_err_usage() - Record that a command line is wrong
 * @e:		Filled unless NULL; what it held is replaced
 * @field:	The option at fault with its dashes ("--memory"), NULL if it is none
 * @fmt:	What is wrong and what would be right
 *
 * Return: -EINVAL
 */
int hy_err_usage(struct hy_err *e, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * hy_err_code() - The word for scripts: "bad-option", "not-found", "busy", ...
 * @e:	Set by the call that failed
 *
 * Return: a literal, "failed" where the errno has no word of its own
 */
const char *hy_err_code(const struct hy_err *e);

/**
 * hy_err_message() - The whole sentence, as it is printed and sent: the text and the errno's words
 * @e:		Set by the call that failed
 * @message:	Filled
 */
void hy_err_message(const struct hy_err *e, char message[HY_ERR_MESSAGE_MAX]);

/**
 * hy_err_told() - Record a failure that another process told of
 * @e:		Filled; what it held is replaced
 * @code:	Its word, as hy_err_code() gives it; one that is not known here counts as "failed"
 * @field:	The option or key at fault, NULL if none
 * @message:	Its whole sentence; nothing is added behind it
 *
 * Return: the negative errno that has the code, -EINVAL for a wrong use, else -EIO
 */
int hy_err_told(struct hy_err *e, const char *code, const char *field, const char *message);

/**
 * hy_err_print() - Print "PROGRAM: context: what was tried: errno's words" on stderr
 * @program:	Name in front; only main() calls this
 * @e:		Set by the call that failed
 */
void hy_err_print(const char *program, const struct hy_err *e);

/**
 * hy_err_print_json() - Print {"error":{"code":...,"message":...,"field":...}} and a newline
 * @f:	Where; commands print it on stdout, beside the sentence on stderr
 * @e:	Set by the call that failed; the field is left out where there is none
 */
void hy_err_print_json(FILE *f, const struct hy_err *e);

/**
 * hy_err_exit() - The exit code that tells a script what kind of failure this was
 * @e:	Set by the call that failed
 *
 * Return: one of enum hy_exit
 */
int hy_err_exit(const struct hy_err *e);

#endif
