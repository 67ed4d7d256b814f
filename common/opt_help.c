/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt_help.c - what the option tables say about themselves: --help and --print-options
 *
 * Runs in: every program
 * Reads from: no untrusted input
 */
#include <ctype.h>
#include <string.h>

#include "common/opt_parts.h"

#define WIDTH 100
#define LABEL_MAX 34	/* a longer label has its help on the next line */
#define INDENT 2

const struct hy_opt opt_help_option = {
	.name = "help", .letter = 'h', .help = "print this help and exit",
};

const struct hy_opt opt_version_option = {
	.name = "version", .help = "print the version and exit",
};

void opt_path_text(const struct opt_path *p, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < p->n && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "",
					 p->cmd[i]->name);
}

const struct hy_opt *opt_option(const struct opt_path *p, unsigned int i)
{
	const struct hy_opt *o = p->cmd[p->n - 1]->options;
	unsigned int n = 0;

	for (; o && o[n].name; n++)
		if (n == i)
			return &o[n];
	if (i == n)
		return &opt_help_option;
	return i == n + 1 && p->n == 1 ? &opt_version_option : NULL;
}

/*
 * Prints words from @column on, broken before WIDTH and continued at @indent. A newline in the text
 * stays one.
 */
static void print_wrapped(FILE *f, const char *text, size_t column, size_t indent)
{
	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column > indent && column + 1 + len > WIDTH) {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent && len) {
			fputc(' ', f);
			column++;
		}
		fwrite(text, 1, len, f);
		column += len;
		text += len;
		if (*text == '\n') {
			fprintf(f, "\n%*s", text[1] == '\n' ? 0 : (int)indent, "");
			column = indent;
		}
		text += *text != '\0';
	}
	fputc('\n', f);
}

/* Returns the length of "-m, --memory SIZE", which is put into @label. */
static size_t option_label(const struct hy_opt *o, char *label, size_t size)
{
	char letter[] = { '-', o->letter, ',', ' ', '\0' };
	int n = snprintf(label, size, "%s--%s%s%s", o->letter ? letter : "    ", o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");

	return n < 0 ? 0 : (size_t)n;
}

static void add_note(char *text, size_t size, const char *before, const char *words,
		     const char *after)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s%s", before, words, after);
}

/* The help of an option, and what its table says beside it. */
static void option_text(const struct hy_cmd *cmd, const struct hy_opt *o, char *text, size_t size)
{
	char standard[OPT_VALUE_TEXT_MAX];

	snprintf(text, size, "%s", o->help);
	for (unsigned int i = 0; o->type == HY_OPT_CHOICE && o->choices[i]; i++)
		add_note(text, size, i ? ", " : ": ", o->choices[i], "");
	if (o->type == HY_OPT_LIST)
		add_note(text, size, " (may be repeated", o->required ? "; required" : "", ")");
	else if (o->required)
		add_note(text, size, " ", "(required)", "");
	opt_default_text(cmd, o, standard, sizeof(standard));
	if (standard[0])
		add_note(text, size, " [default: ", standard, "]");
}

static void print_row(FILE *f, const char *label, const char *text, size_t column)
{
	size_t len = strlen(label);

	fprintf(f, "%*s%s", INDENT, "", label);
	if (INDENT + len + 2 > column)
		fprintf(f, "\n%*s", (int)column, "");
	else
		fprintf(f, "%*s", (int)(column - INDENT - len), "");
	print_wrapped(f, text, column, column);
}

static void print_option_rows(const struct opt_path *p, FILE *f)
{
	const struct hy_cmd *cmd = p->cmd[p->n - 1];
	const struct hy_opt *o;
	char label[OPT_VALUE_TEXT_MAX], text[1024];
	size_t widest = 0;

	for (unsigned int i = 0; (o = opt_option(p, i)); i++) {
		size_t len = option_label(o, label, sizeof(label));

		if (len > widest && len <= LABEL_MAX)
			widest = len;
	}
	fputs("\nOptions:\n", f);
	for (unsigned int i = 0; (o = opt_option(p, i)); i++) {
		option_label(o, label, sizeof(label));
		option_text(cmd, o, text, sizeof(text));
		print_row(f, label, text, INDENT + widest + 2);
	}
}

static void print_command_rows(const struct hy_cmd *group, FILE *f)
{
	size_t widest = 0;

	for (const struct hy_cmd *sub = group->sub; sub->name; sub++)
		if (strlen(sub->name) > widest)
			widest = strlen(sub->name);
	fputs("\nCommands:\n", f);
	for (const struct hy_cmd *sub = group->sub; sub->name; sub++)
		print_row(f, sub->name, sub->summary, INDENT + widest + 2);
}

void opt_print_help(const struct opt_path *p, FILE *f)
{
	const struct hy_cmd *cmd = p->cmd[p->n - 1];
	char path[OPT_PATH_TEXT_MAX];

	opt_path_text(p, path, sizeof(path));
	fprintf(f, "Usage: %s %s%s%s\n\n", path, cmd->sub ? "COMMAND ..." : "[OPTIONS]",
		cmd->args ? " " : "", cmd->args ? cmd->args : "");
	fprintf(f, "%c%s.\n", toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
	if (cmd->details) {
		fputc('\n', f);
		print_wrapped(f, cmd->details, 0, 0);
	}
	if (cmd->sub)
		print_command_rows(cmd, f);
	print_option_rows(p, f);
}

/* NOLINTNEXTLINE(misc-no-recursion): a path has at most HY_OPT_DEPTH_MAX commands */
static void visit_below(struct opt_path *p, opt_visit visit, void *context)
{
	const struct hy_cmd *cmd = p->cmd[p->n - 1];

	visit(p, context);
	for (const struct hy_cmd *sub = cmd->sub; sub && sub->name; sub++) {
		if (p->n == HY_OPT_DEPTH_MAX)
			return;
		p->cmd[p->n++] = sub;
		visit_below(p, visit, context);
		p->n--;
	}
}

void opt_each_command(const struct hy_cmd *root, opt_visit visit, void *context)
{
	struct opt_path p = { .n = 1, .cmd = { root } };

	visit_below(&p, visit, context);
}

static const char *or_dash(const char *text)
{
	return text && text[0] ? text : "-";
}

static const char *given_text(const struct hy_opt *o)
{
	if (o->required)
		return "required";
	return o->type == HY_OPT_LIST ? "repeatable" : "optional";
}

static void print_option_line(const struct opt_path *p, const struct hy_opt *o, const char *path,
			      FILE *f)
{
	char standard[OPT_VALUE_TEXT_MAX], letter[] = { '-', o->letter, '\0' };

	opt_default_text(p->cmd[p->n - 1], o, standard, sizeof(standard));
	fprintf(f, "%s\t--%s\t%s\t%s\t%s\t%s\t%s\t", path, o->name, letter,
		opt_type_text(o->type), or_dash(o->arg), given_text(o), or_dash(standard));
	if (o->type != HY_OPT_CHOICE)
		fputc('-', f);
	for (unsigned int i = 0; o->type == HY_OPT_CHOICE && o->choices[i]; i++)
		fprintf(f, "%s%s", i ? "|" : "", o->choices[i]);
	fprintf(f, "\t%s\n", o->help);
}

static void print_command_lines(const struct opt_path *p, void *context)
{
	const struct hy_cmd *cmd = p->cmd[p->n - 1];
	const struct hy_opt *o;
	FILE *f = context;
	char path[OPT_PATH_TEXT_MAX];

	opt_path_text(p, path, sizeof(path));
	fprintf(f, "%s\t-\t-\t%s\t%s\t-\t-\t-\t%s\n", path, cmd->sub ? "group" : "command",
		or_dash(cmd->args), cmd->summary);
	for (unsigned int i = 0; (o = opt_option(p, i)); i++)
		print_option_line(p, o, path, f);
}

void opt_print_options(const struct hy_cmd *root, FILE *f)
{
	opt_each_command(root, print_command_lines, f);
}
