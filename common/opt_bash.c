/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt_bash.c - a completion script for bash, made from the option tables
 *
 * Runs in: every program that offers one
 * Reads from: no untrusted input
 */
#include <string.h>

#include "common/opt_parts.h"

/* A command's path grows word by word for as long as the words name commands. */
static void print_path_case(const struct opt_path *p, void *context)
{
	char path[OPT_PATH_TEXT_MAX];

	opt_path_text(p, path, sizeof(path));
	if (p->n > 1)
		fprintf(context, "\t\t'%s') path='%s' ;;\n", path, path);
}

/* Values that name files are left to bash, which knows best how to quote them. */
static bool names_a_file(const struct hy_opt *o)
{
	static const char *const words[] = { "FILE", "DIR", "PATH", "SOCKET" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(o->arg, words[i]))
			return true;
	return false;
}

static void print_value_case(const char *path, const struct hy_opt *o, FILE *f)
{
	fprintf(f, "\t'%s --%s'", path, o->name);
	if (o->letter)
		fprintf(f, "|'%s -%c'", path, o->letter);
	fputc(')', f);
	if (o->type == HY_OPT_CHOICE) {
		fputs(" words='", f);
		for (unsigned int i = 0; o->choices[i]; i++)
			fprintf(f, "%s%s", i ? " " : "", o->choices[i]);
		fputs("'", f);
	} else if (names_a_file(o)) {
		fputs(" return", f);
	} else {
		fputs(" words=", f);	/* nothing can be guessed */
	}
	fputs(" ;;\n", f);
}

static void print_value_cases(const struct opt_path *p, void *context)
{
	const struct hy_opt *o;
	char path[OPT_PATH_TEXT_MAX];

	opt_path_text(p, path, sizeof(path));
	for (unsigned int i = 0; (o = opt_option(p, i)); i++)
		if (o->type != HY_OPT_FLAG)
			print_value_case(path, o, context);
}

/* What may stand next: sub-commands and options. */
static void print_word_case(const struct opt_path *p, void *context)
{
	const struct hy_cmd *cmd = p->cmd[p->n - 1];
	const struct hy_opt *o;
	char path[OPT_PATH_TEXT_MAX];
	FILE *f = context;

	opt_path_text(p, path, sizeof(path));
	fprintf(f, "\t'%s') words='", path);
	for (const struct hy_cmd *sub = cmd->sub; sub && sub->name; sub++)
		fprintf(f, "%s ", sub->name);
	for (unsigned int i = 0; (o = opt_option(p, i)); i++)
		fprintf(f, "%s--%s", i ? " " : "", o->name);
	fprintf(f, "'%s", cmd->max_args ? " args=1" : "");
	if (cmd->names)
		fprintf(f, " names='%s'", cmd->names);
	fputs(" ;;\n", f);
}

static void print_opening(const struct hy_cmd *root, FILE *f)
{
	fprintf(f, "# Completion of %s for bash, made by '%s completion bash'.\n", root->name,
		root->name);
	fprintf(f, "_%s()\n{\n", root->name);
	fprintf(f, "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		   "\tlocal path='%s' words='' args='' names='' given='' i\n\n", root->name);
	fputs("\tCOMPREPLY=()\n"
	      "\t# bash splits \"--option=value\" at the equals sign\n"
	      "\tif [[ $cur == '=' ]]; then\n"
	      "\t\tcur=\n"
	      "\telif [[ $prev == '=' ]]; then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tfi\n", f);
}

void hy_opt_print_bash(const struct hy_cmd *root, FILE *f)
{
	print_opening(root, f);
	fputs("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase \"$path ${COMP_WORDS[i]}\" in\n", f);
	opt_each_command(root, print_path_case, f);
	fputs("\t\t*' --') return ;;\n"
	      "\t\t*)\n"
	      "\t\t\t# neither a command nor an option, nor an option's value\n"
	      "\t\t\t[[ ${COMP_WORDS[i]} == [-=]* || ${COMP_WORDS[i-1]} == [-=]* ]] ||\n"
	      "\t\t\t\tgiven=1 ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tcase \"$path $prev\" in\n", f);
	opt_each_command(root, print_value_cases, f);
	fputs("\t*)\n"
	      "\t\tcase \"$path\" in\n", f);
	opt_each_command(root, print_word_case, f);
	fputs("\t\tesac\n"
	      "\t\tif [[ $names && ! $given && $cur != -* ]]; then\n"
	      "\t\t\t# shellcheck disable=SC2086 # words\n"
	      "\t\t\twords=$(timeout 1 \"${COMP_WORDS[0]}\" $names 2>/dev/null) args=''\n"
	      "\t\tfi\n"
	      "\t\t# a word that is no option may be an argument: leave it to bash\n"
	      "\t\t[[ $args && $cur != -* ]] && return ;;\n"
	      "\tesac\n"
	      "\tcompopt +o default 2>/dev/null\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	      "}\n", f);
	fprintf(f, "complete -o bashdefault -o default -F _%s %s\n", root->name, root->name);
}
