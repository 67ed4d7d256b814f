/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt.c - option tables: find the command, parse its options, run it, report what went wrong
 *
 * Runs in: every program
 * Reads from: the command line of whoever started the program
 */
#include "common/opt.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "common/opt_parts.h"
#include "version.h"

enum action { ACT_RUN, ACT_HELP, ACT_VERSION, ACT_PRINT_OPTIONS };

/* One use of the program: what it names and what is still to be read. */
struct call {
	struct opt_path path;
	const struct hy_cmd *cmd;	/* the last of the path */
	enum action action;
	int argc;			/* words not read yet */
	char **argv;
	int n_args;			/* positional arguments, moved to the front of args */
	char **args;
	bool seen[HY_OPT_TABLE_MAX];
	alignas(max_align_t) unsigned char values[HY_OPT_VALUES_MAX];
};

static bool is_root(const struct call *c)
{
	return c->path.n == 1;
}

static char *next_word(struct call *c)
{
	if (c->argc == 0)
		return NULL;
	c->argc--;
	return *c->argv++;
}

static int enter(struct call *c, const struct hy_cmd *cmd, struct hy_err *e)
{
	unsigned int n = 0;

	while (cmd->options && cmd->options[n].name)
		n++;
	if (c->path.n == HY_OPT_DEPTH_MAX || n > HY_OPT_TABLE_MAX ||
	    cmd->values_size > HY_OPT_VALUES_MAX)
		return hy_err_set(e, EOVERFLOW, "command '%s': table larger than opt.h allows",
				  cmd->name);
	c->path.cmd[c->path.n++] = cmd;
	c->cmd = cmd;
	return 0;
}

/* "; did you mean '--memory'?" or nothing */
static void suggestion(const struct opt_nearest *n, const char *dashes, char *text, size_t size)
{
	text[0] = '\0';
	if (n->best)
		snprintf(text, size, "; did you mean '%s%s'?", dashes, n->best);
}

static int unknown_command(const struct call *c, const char *word, struct hy_err *e)
{
	struct opt_nearest nearest = { .typed = word };
	char hint[OPT_PATH_TEXT_MAX];

	for (const struct hy_cmd *sub = c->cmd->sub; sub->name; sub++)
		opt_nearest_try(&nearest, sub->name);
	suggestion(&nearest, "", hint, sizeof(hint));
	return hy_err_usage(e, NULL, "unknown command '%s'%s", word, hint);
}

static int unknown_option(const struct call *c, const char *field, struct hy_err *e)
{
	struct opt_nearest nearest = { .typed = field };
	const struct hy_opt *o;
	char hint[OPT_PATH_TEXT_MAX] = "";

	if (strncmp(field, "--", 2) == 0) {
		nearest.typed += 2;
		for (unsigned int i = 0; (o = opt_option(&c->path, i)); i++)
			opt_nearest_try(&nearest, o->name);
		suggestion(&nearest, "--", hint, sizeof(hint));
	}
	return hy_err_usage(e, field, "unknown option '%s'%s", field, hint);
}

static int unknown_letter(const struct call *c, char letter, struct hy_err *e)
{
	char field[] = { '-', letter, '\0' };

	return unknown_option(c, field, e);
}

/* Options that are no part of any table. Returns false if the word is none of them. */
static bool take_builtin(struct call *c, const char *word)
{
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		c->action = ACT_HELP;
	else if (is_root(c) && strcmp(word, "--version") == 0)
		c->action = ACT_VERSION;
	else if (is_root(c) && strcmp(word, "--print-options") == 0)
		c->action = ACT_PRINT_OPTIONS;
	else
		return false;
	return true;
}

static const struct hy_cmd *find_command(const struct hy_cmd *group, const char *word)
{
	for (const struct hy_cmd *sub = group->sub; sub->name; sub++)
		if (strcmp(sub->name, word) == 0)
			return sub;
	return NULL;
}

/* From the root down to a leaf, or to the group that was asked for help. */
static int walk(struct call *c, struct hy_err *e)
{
	while (c->cmd->sub && c->action == ACT_RUN) {
		const char *word = next_word(c);
		const struct hy_cmd *sub;
		int rc;

		if (!word)
			return hy_err_usage(e, NULL, "a command is missing");
		if (take_builtin(c, word))
			return 0;
		if (word[0] == '-')
			return unknown_option(c, word, e);
		sub = find_command(c->cmd, word);
		if (!sub)
			return unknown_command(c, word, e);
		rc = enter(c, sub, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct hy_opt *find_long(const struct hy_cmd *cmd, const char *name, size_t len)
{
	for (const struct hy_opt *o = cmd->options; o && o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct hy_opt *find_letter(const struct hy_cmd *cmd, char letter)
{
	for (const struct hy_opt *o = cmd->options; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static int take_flag(struct call *c, const struct hy_opt *o)
{
	bool set = true;

	c->seen[o - c->cmd->options] = true;
	memcpy(c->values + o->offset, &set, sizeof(set));
	return 0;
}

/* @text is NULL where the value is the next word. */
static int take_value(struct call *c, const struct hy_opt *o, const char *text, struct hy_err *e)
{
	bool *seen = &c->seen[o - c->cmd->options];
	char field[HY_ERR_FIELD_MAX];

	snprintf(field, sizeof(field), "--%s", o->name);
	if (*seen && o->type != HY_OPT_LIST)
		return hy_err_usage(e, field, "%s is given more than once", field);
	if (!text) {
		if (c->argc == 0)
			return hy_err_usage(e, field, "%s needs a value: %s", field, o->arg);
		if (strncmp(c->argv[0], "--", 2) == 0)
			return hy_err_usage(e, field,
					    "%s needs a value: %s (if it is '%s', write %s=%s)",
					    field, o->arg, c->argv[0], field, c->argv[0]);
		text = next_word(c);
	}
	*seen = true;
	return opt_value_set(o, text, c->values, e);
}

static int take_long(struct call *c, const char *word, struct hy_err *e)
{
	const char *name = word + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct hy_opt *o = find_long(c->cmd, name, len);
	char field[HY_ERR_FIELD_MAX];

	snprintf(field, sizeof(field), "--%.*s", (int)(len < sizeof(field) ? len : sizeof(field)),
		 name);
	if (!o)
		return unknown_option(c, field, e);
	if (o->type != HY_OPT_FLAG)
		return take_value(c, o, equals ? equals + 1 : NULL, e);
	if (equals)
		return hy_err_usage(e, field, "%s takes no value", field);
	return take_flag(c, o);
}

/* "-o VALUE", "-oVALUE", and flags together as in "-qv" */
static int take_short(struct call *c, const char *word, struct hy_err *e)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct hy_opt *o = find_letter(c->cmd, *letter);

		if (!o)
			return unknown_letter(c, *letter, e);
		if (o->type != HY_OPT_FLAG)
			return take_value(c, o, letter[1] ? letter + 1 : NULL, e);
		take_flag(c, o);
	}
	return 0;
}

/* What is left are arguments, whatever they look like. */
static void take_rest(struct call *c)
{
	char *word;

	while ((word = next_word(c)))
		c->args[c->n_args++] = word;
}

static int parse_leaf(struct call *c, struct hy_err *e)
{
	char *word;
	int rc = 0;

	c->args = c->argv;
	if (c->cmd->defaults)
		memcpy(c->values, c->cmd->defaults, c->cmd->values_size);
	while (rc == 0 && (word = next_word(c))) {
		if (strcmp(word, "--") == 0) {
			take_rest(c);
		} else if (take_builtin(c, word)) {
			return 0;
		} else if (word[0] != '-' || word[1] == '\0') {
			c->args[c->n_args++] = word;
			if (c->cmd->max_args < 0)
				take_rest(c);
		} else if (word[1] == '-') {
			rc = take_long(c, word, e);
		} else {
			rc = take_short(c, word, e);
		}
	}
	/* room there is: main()'s argv ends in NULL, and words only ever move forward */
	c->args[c->n_args] = NULL;
	return rc;
}

static int check_complete(const struct call *c, struct hy_err *e)
{
	const struct hy_cmd *cmd = c->cmd;
	char field[HY_ERR_FIELD_MAX];

	for (const struct hy_opt *o = cmd->options; o && o->name; o++) {
		if (!o->required || c->seen[o - cmd->options])
			continue;
		snprintf(field, sizeof(field), "--%s", o->name);
		return hy_err_usage(e, field, "%s %s is required", field, o->arg);
	}
	if (c->n_args < cmd->min_args)
		return hy_err_usage(e, NULL, "too few arguments: expected %s", cmd->args);
	if (cmd->max_args >= 0 && c->n_args > cmd->max_args)
		return hy_err_usage(e, NULL, "unexpected argument '%s'", c->args[cmd->max_args]);
	return 0;
}

static int parse(struct call *c, struct hy_err *e)
{
	int rc = walk(c, e);

	if (rc < 0 || c->action != ACT_RUN)
		return rc;
	rc = parse_leaf(c, e);
	if (rc < 0 || c->action != ACT_RUN)
		return rc;
	return check_complete(c, e);
}

/* A wrong option may stand before --json: whoever asked for JSON gets it all the same. */
static bool wants_json(const struct call *c)
{
	const struct hy_opt *o = find_long(c->cmd, "json", 4);

	if (!o || o->type != HY_OPT_FLAG)
		return false;
	for (int i = 0; i < c->argc && strcmp(c->argv[i], "--") != 0; i++)
		if (strcmp(c->argv[i], "--json") == 0)
			return true;
	return c->seen[o - c->cmd->options];
}

static void report(const struct call *c, int code, const struct hy_err *e)
{
	char program[OPT_PATH_TEXT_MAX];

	opt_path_text(&c->path, program, sizeof(program));
	if (wants_json(c))
		hy_err_print_json(stdout, e);
	fflush(stdout);
	hy_err_print(program, e);
	if (code == HY_EXIT_USAGE)
		fprintf(stderr, "Try '%s --help'.\n", program);
}

static int act(struct call *c, struct hy_err *e)
{
	switch (c->action) {
	case ACT_HELP:
		opt_print_help(&c->path, stdout);
		return HY_EXIT_OK;
	case ACT_VERSION:
		printf("%s %s\n", c->cmd->name, HY_VERSION);
		return HY_EXIT_OK;
	case ACT_PRINT_OPTIONS:
		opt_print_options(c->cmd, stdout);
		return HY_EXIT_OK;
	default:
		return c->cmd->run(c->values, c->n_args, c->args, e);
	}
}

int hy_opt_main(const struct hy_cmd *root, int argc, char **argv)
{
	struct call c = {
		.cmd = root, .argc = argc > 0 ? argc - 1 : 0, .argv = argv + (argc > 0),
	};
	struct hy_err e = { 0 };
	int code;

	if (enter(&c, root, &e) < 0 || parse(&c, &e) < 0)
		code = hy_err_exit(&e);
	else
		code = act(&c, &e);
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == HY_EXIT_OK) {
		hy_err_set(&e, errno, "standard output: write");
		code = HY_EXIT_FAILED;
	}
	if (code != HY_EXIT_OK && e.num)
		report(&c, code, &e);
	return code;
}
