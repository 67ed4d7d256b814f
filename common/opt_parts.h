/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt_parts.h - what the files of opt share among themselves; programs include opt.h
 *
 * Runs in: every program
 * Reads from: the command line of whoever started the program
 */
#ifndef HY_OPT_PARTS_H
#define HY_OPT_PARTS_H

#include "common/opt.h"

#define OPT_PATH_TEXT_MAX 256
#define OPT_VALUE_TEXT_MAX 128

/* The commands from the root down to the one in hand. */
struct opt_path {
	unsigned int n;
	const struct hy_cmd *cmd[HY_OPT_DEPTH_MAX];
};

/* The search for the name a typing mistake was meant to be. */
struct opt_nearest {
	const char *typed;
	const char *best;	/* NULL while nothing is close enough */
	unsigned int best_cost;
};

/* What every command, and what the root alone, understands beside its table. */
extern const struct hy_opt opt_help_option;
extern const struct hy_opt opt_version_option;

/**
 * opt_path_text() - "hylics vm qemu-args"
 * @p:		At least the root
 * @text:	Filled, cut off if need be
 * @size:	Room in @text
 */
void opt_path_text(const struct opt_path *p, char *text, size_t size);

/**
 * opt_nearest_try() - Offer a name to the search
 * @n:		.typed is set, the rest zero at first
 * @name:	Kept in @n if it is the closest so far
 */
void opt_nearest_try(struct opt_nearest *n, const char *name);

/**
 * opt_value_set() - Parse one value and store it where the option's table says
 * @o:		The option; not a flag
 * @text:	As typed; strings and lists keep the pointer
 * @values:	The command's value struct
 * @e:		Names the option
 *
 * Return: 0, -EINVAL
 */
int opt_value_set(const struct hy_opt *o, const char *text, void *values, struct hy_err *e);

/**
 * opt_default_text() - The value an option has when it is not given, as a user would write it
 * @cmd:	The command the option belongs to
 * @o:		The option
 * @text:	Filled with "" where there is none worth telling (unset, zero, a flag)
 * @size:	Room in @text
 */
void opt_default_text(const struct hy_cmd *cmd, const struct hy_opt *o, char *text, size_t size);

/**
 * opt_type_text() - "flag", "size", ...
 * @type:	Any
 *
 * Return: a literal
 */
const char *opt_type_text(enum hy_opt_type type);

/**
 * opt_print_help() - Print what --help shows for the last command of a path
 * @p:	At least the root
 * @f:	Where
 */
void opt_print_help(const struct opt_path *p, FILE *f);

/**
 * opt_print_options() - Print the tables as opt.h describes
 * @root:	The program
 * @f:		Where
 */
void opt_print_options(const struct hy_cmd *root, FILE *f);

typedef void (*opt_visit)(const struct opt_path *p, void *context);

/**
 * opt_each_command() - Call a function for every command of a tree, a group before its members
 * @root:	The program
 * @visit:	Called with the path that ends in the command
 * @context:	Handed through
 */
void opt_each_command(const struct hy_cmd *root, opt_visit visit, void *context);

/**
 * opt_option() - The options of a command one by one, --help and --version included
 * @p:	The path that ends in the command
 * @i:	From 0 on
 *
 * Return: the option, NULL after the last
 */
const struct hy_opt *opt_option(const struct opt_path *p, unsigned int i);

#endif
