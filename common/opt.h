/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt.h - option tables: one table per command gives parser, help, completion and man-page check
 *
 * Runs in: every program
 * Reads from: the command line of whoever started the program
 *
 * A command is a const struct hy_cmd. A leaf has run() and options, whose values land in a struct
 * of the command's own at the offsets the table names; a group has sub-commands instead. Every
 * command understands --help (-h); a program's root also --version and (not in its help)
 * --print-options.
 *
 * Values are written "--opt VALUE", "--opt=VALUE", "-o VALUE" or "-oVALUE"; a VALUE of its own that
 * starts with two dashes is taken for a forgotten value, so it needs the form with "=". Names are
 * not shortened. "--" ends the options. Only a LIST may be given more than once, and flags.
 *
 * --print-options writes one line per command and per option, for the man-page test. A line is
 * nine fields with tabs between them, "-" where a field has nothing to say:
 *
 *	1 command path	"hylics vm qemu-args"
 *	2 option	"--memory"; "-" on the line of the command itself, which comes first
 *	3 short form	"-m"
 *	4 type		flag string int size duration choice list; of the command: group command
 *	5 argument	"SIZE"; of the command: what follows its options
 *	6 given		"required", "optional" or "repeatable"
 *	7 default	as a user would write it
 *	8 choices	"auto|kvm|tcg"
 *	9 help		the option's help, the command's summary
 */
#ifndef HY_OPT_H
#define HY_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

enum hy_opt_type {
	HY_OPT_FLAG,		/* bool, set true */
	HY_OPT_STRING,		/* const char *, points into argv */
	HY_OPT_INT,		/* int64_t within min..max */
	HY_OPT_SIZE,		/* uint64_t bytes: 4096, 64K, 64M, 2G (binary units), min..max */
	HY_OPT_DURATION,	/* uint64_t milliseconds: 250ms, 10s, 5m, 2h (no bare numbers) */
	HY_OPT_CHOICE,		/* int, index into choices */
	HY_OPT_LIST,		/* struct hy_opt_list, may be repeated */
};

#define HY_OPT_LIST_MAX 16
#define HY_OPT_TABLE_MAX 64	/* options of one command */
#define HY_OPT_DEPTH_MAX 8	/* commands in commands */

struct hy_opt_list {
	unsigned int n;
	const char *item[HY_OPT_LIST_MAX];	/* point into argv */
};

struct hy_opt {
	const char *name;		/* long name without dashes; NULL ends the table */
	char letter;			/* short form, 0 for none */
	enum hy_opt_type type;
	size_t offset;			/* into the command's value struct */
	const char *arg;		/* word for the value in help: "PATH" */
	const char *help;		/* one line */
	int64_t min, max;		/* for INT, SIZE, DURATION; max 0 means no bound */
	const char *const *choices;	/* for CHOICE, NULL-terminated */
	bool required;
};

struct hy_cmd {
	const char *name;
	const char *args;		/* what follows the options in usage: "NAME [-- CMD...]" */
	const char *summary;		/* one line, starts with a small letter */
	const char *details;		/* further paragraphs for --help, or NULL */
	const struct hy_opt *options;	/* may be NULL */
	const struct hy_cmd *sub;	/* sub-commands, ended by a NULL name; NULL for a leaf */
	size_t values_size;		/* size of the value struct, at most HY_OPT_VALUES_MAX */
	const void *defaults;		/* a value struct to start from, or NULL for all zero */
	/*
	 * Positional arguments, which may stand between options. max -1: any number, and all from
	 * the first of them on is taken as is, as "env" and "nohup" do with a command.
	 */
	int min_args, max_args;
	/* for completion: words of the same program that print what the first may be; or NULL */
	const char *names;
	/*
	 * argv ends in NULL. Returns an enum hy_exit and sets @e for every one but OK (main prints
	 * it). A command that stands for another program returns that one's exit code and leaves
	 * @e alone.
	 */
	int (*run)(const void *values, int argc, char **argv, struct hy_err *e);
};

#define HY_OPT_VALUES_MAX 4096

/**
 * hy_opt_main() - Parse the command line by the tables and run what it names
 * @root:	The program
 * @argc:	As main() got it
 * @argv:	As main() got it
 *
 * Prints help, version, usage errors (with the nearest name for a typing mistake) and the error
 * of a failed run. With a flag option named "json" given to the leaf, errors are printed as
 * {"error":{"code":...,"message":...,"field":...}} on stdout as well.
 *
 * Return: the exit code for main()
 */
int hy_opt_main(const struct hy_cmd *root, int argc, char **argv);

/**
 * hy_opt_print_bash() - Print a completion script for bash, made from the tables
 * @root:	The program
 * @f:		Where
 */
void hy_opt_print_bash(const struct hy_cmd *root, FILE *f);

/**
 * hy_opt_nearest() - Which name a typing mistake was meant to be
 * @typed:	As typed
 * @names:	Ended by NULL
 *
 * Return: one of @names, NULL if none is close enough
 */
const char *hy_opt_nearest(const char *typed, const char *const *names);

/**
 * hy_opt_size() - Parse a size: digits, then nothing or one of K M G T (binary units)
 * @text:	From the command line or the configuration
 * @bytes:	Set on success
 *
 * Return: 0, -EINVAL for anything else, -ERANGE past 2^63-1
 */
int hy_opt_size(const char *text, uint64_t *bytes);

/**
 * hy_opt_duration() - Parse a duration: digits and one of ms s m h
 * @text:	From the command line or the configuration
 * @ms:		Set on success
 *
 * Return: 0, -EINVAL for anything else, -ERANGE past 2^63-1
 */
int hy_opt_duration(const char *text, uint64_t *ms);

/**
 * hy_opt_read() - Read an INT, SIZE, DURATION or CHOICE, wherever its text comes from
 * @o:		Type, bounds and choices; the rest is not looked at
 * @text:	As typed
 * @place:	Set on success
 * @why:	Filled on failure: "must be from 1M to 16T"
 * @size:	Room in @why
 *
 * Return: 0, -EINVAL
 */
int hy_opt_read(const struct hy_opt *o, const char *text, void *place, char *why, size_t size);

/**
 * hy_opt_text() - The way back: a value as it would be typed
 * @o:		As for hy_opt_read()
 * @place:	The value
 * @text:	Filled, 128 bytes are enough
 * @size:	Room in @text
 */
void hy_opt_text(const struct hy_opt *o, const void *place, char *text, size_t size);

#endif
