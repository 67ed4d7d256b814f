/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_opt.c - option tables: every type and its limits, mistakes and the words for them, help
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/opt.h"

#define WORDS_MAX 40
#define OUTPUT_MAX 16384

enum colour { RED, GREEN, BLUE };

struct values {
	bool quick, verbose, json;
	const char *name, *text;
	int64_t count, offset;
	uint64_t memory, limit, wait_ms;
	int colour;
	struct hy_opt_list tags;
};

static const char *const colours[] = { "red", "green", "blue", NULL };

#define AT(member) .offset = offsetof(struct values, member)

static const struct hy_opt options[] = {
	{ .name = "quick", .letter = 'q', .type = HY_OPT_FLAG, AT(quick), .help = "be quick" },
	{ .name = "verbose", .letter = 'v', .type = HY_OPT_FLAG, AT(verbose), .help = "say more" },
	{ .name = "name", .letter = 'n', .type = HY_OPT_STRING, AT(name), .arg = "NAME",
	  .help = "its name", .required = true },
	{ .name = "text", .letter = 't', .type = HY_OPT_STRING, AT(text), .arg = "STRING",
	  .help = "any text" },
	{ .name = "count", .letter = 'c', .type = HY_OPT_INT, AT(count), .arg = "N",
	  .help = "how many", .min = 1, .max = 100 },
	{ .name = "offset", .type = HY_OPT_INT, AT(offset), .arg = "N", .help = "where",
	  .min = -10, .max = 10 },
	{ .name = "memory", .letter = 'm', .type = HY_OPT_SIZE, AT(memory), .arg = "SIZE",
	  .help = "how large", .min = 1 << 20, .max = INT64_C(1) << 40 },
	{ .name = "limit", .type = HY_OPT_SIZE, AT(limit), .arg = "SIZE", .help = "unbounded" },
	{ .name = "wait", .letter = 'w', .type = HY_OPT_DURATION, AT(wait_ms), .arg = "TIME",
	  .help = "how long", .min = 10, .max = 60000 },
	{ .name = "colour", .type = HY_OPT_CHOICE, AT(colour), .arg = "COLOUR",
	  .help = "its colour", .choices = colours },
	{ .name = "tag", .type = HY_OPT_LIST, AT(tags), .arg = "TAG=DIR",
	  .help = "a tag whose help is so long that it does not fit into one line of a terminal "
		  "of one hundred columns" },
	{ .name = "json", .type = HY_OPT_FLAG, AT(json), .help = "print JSON" },
	{ .name = NULL },
};

static const struct values standard = { .count = 7, .memory = 64 << 20, .text = "x",
					.wait_ms = 1500, .colour = GREEN };

/* What the last run was given. */
static struct {
	unsigned int runs;
	struct values v;
	int argc;
	char *argv[WORDS_MAX];
	int answer;
	int error;
} last;

static int keep(const void *values, int argc, char **argv, struct hy_err *e)
{
	last.runs++;
	last.v = *(const struct values *)values;
	last.argc = argc;
	memcpy(last.argv, argv, (size_t)argc * sizeof(*argv));
	if (last.error)
		hy_err_set(e, last.error, "thing '%s'", last.v.name);
	return last.answer;
}

static int take_nothing(const void *values, int argc, char **argv, struct hy_err *e)
{
	(void)values;
	(void)e;
	last.runs++;
	last.argc = argc;
	memcpy(last.argv, argv, (size_t)argc * sizeof(*argv));
	return HY_EXIT_OK;
}

static const struct hy_cmd things[] = {
	{ .name = "make", .args = "THING", .summary = "make a thing", .options = options,
	  .details = "Of any kind.\n\nBut small.", .values_size = sizeof(struct values),
	  .defaults = &standard, .max_args = 1, .run = keep },
	{ .name = "exec", .args = "-- CMD...", .summary = "run a command", .min_args = 1,
	  .max_args = -1, .run = take_nothing },
	{ .name = "sweep", .summary = "clean", .run = take_nothing },
	{ .name = NULL },
};

static const struct hy_cmd groups[] = {
	{ .name = "thing", .summary = "things", .sub = things },
	{ .name = "alone", .summary = "no group", .run = take_nothing },
	{ .name = NULL },
};

static const struct hy_cmd root = { .name = "prog", .summary = "try the tables", .sub = groups };

static char out[OUTPUT_MAX], err[OUTPUT_MAX];

/* Puts a memory file in the place of a descriptor; returns a duplicate of what was there. */
static int divert(int fd, int *file)
{
	int saved = dup(fd);

	*file = memfd_create("output", MFD_CLOEXEC);
	assert_true(saved >= 0 && *file >= 0);
	assert_int_equal(dup2(*file, fd), fd);
	return saved;
}

static void restore(int fd, int saved, int file, char *text)
{
	ssize_t n = pread(file, text, OUTPUT_MAX - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	dup2(saved, fd);
	close(saved);
	close(file);
}

/* Runs "prog WORDS" split at single spaces ("_" stands for an empty word). */
static int run_program(const struct hy_cmd *program, const char *words)
{
	static char line[1024];
	static char name[] = "prog", empty[] = "";
	char *argv[WORDS_MAX] = { name }, *rest = line, *word;
	int argc = 1, code, out_file, err_file, saved_out, saved_err;

	snprintf(line, sizeof(line), "%s", words);
	while ((word = strsep(&rest, " ")) && argc < WORDS_MAX - 1)
		if (*word)
			argv[argc++] = strcmp(word, "_") == 0 ? empty : word;
	memset(&last.v, 0, sizeof(last.v));
	last.runs = 0;
	fflush(stdout);
	saved_out = divert(STDOUT_FILENO, &out_file);
	saved_err = divert(STDERR_FILENO, &err_file);
	code = hy_opt_main(program, argc, argv);
	fflush(stdout);
	restore(STDOUT_FILENO, saved_out, out_file, out);
	restore(STDERR_FILENO, saved_err, err_file, err);
	return code;
}

static int run(const char *words)
{
	return run_program(&root, words);
}

static void assert_starts(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("expected a text that starts with \"%s\", got \"%s\"", start, text);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("expected \"%s\" in \"%s\"", part, text);
}

static void assert_refused(const char *words, const char *message)
{
	if (run(words) != HY_EXIT_USAGE || last.runs || !strstr(err, message))
		fail_msg("'%s': expected exit 2 and \"%s\", got \"%s\"", words, message, err);
	assert_has(err, "--help'.\n");
}

static void values_of_every_type(void **state)
{
	(void)state;
	assert_int_equal(run("thing make -q --name web --text=a=b --count 3 --offset -4 "
			     "--memory 2G --limit 5T --wait 250ms --colour blue --tag a=/x "
			     "--tag=b=/y"), 0);
	assert_string_equal(err, "");
	assert_true(last.v.quick);
	assert_false(last.v.verbose);
	assert_string_equal(last.v.name, "web");
	assert_string_equal(last.v.text, "a=b");
	assert_int_equal(last.v.count, 3);
	assert_int_equal(last.v.offset, -4);
	assert_true(last.v.memory == UINT64_C(2) << 30);
	assert_true(last.v.limit == UINT64_C(5) << 40);
	assert_int_equal(last.v.wait_ms, 250);
	assert_int_equal(last.v.colour, BLUE);
	assert_int_equal(last.v.tags.n, 2);
	assert_string_equal(last.v.tags.item[1], "b=/y");
}

static void defaults_stay_where_nothing_is_given(void **state)
{
	(void)state;
	assert_int_equal(run("thing make --name=web"), 0);
	assert_int_equal(last.v.count, 7);
	assert_int_equal(last.v.memory, 64 << 20);
	assert_int_equal(last.v.colour, GREEN);
	assert_string_equal(last.v.text, "x");
	assert_int_equal(last.v.tags.n, 0);
	assert_int_equal(standard.tags.n, 0);
}

static void short_forms(void **state)
{
	(void)state;
	assert_int_equal(run("thing make -n web -c12 -qv -m1M"), 0);
	assert_string_equal(last.v.name, "web");
	assert_int_equal(last.v.count, 12);
	assert_true(last.v.quick && last.v.verbose);
	assert_int_equal(last.v.memory, 1 << 20);
	assert_int_equal(run("thing make -qnweb"), 0);
	assert_string_equal(last.v.name, "web");
	assert_refused("thing make -n web -x", "unknown option '-x'");
	assert_refused("thing make -n web -qx", "unknown option '-x'");
	assert_refused("thing make -n", "--name needs a value: NAME");
}

static void sizes_are_strict(void **state)
{
	static const char *const wrong[] = {
		"_", "-1", "+1", "1k", "1KB", "1.5G", "0x10", "1M1", "M", "1e3", "1\t",
	};
	char words[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(words, sizeof(words), "thing make -n w --memory %s", wrong[i]);
		assert_refused(words, "--memory '");
		assert_has(err, "not a size");
	}
	assert_refused("thing make -n w --limit 9223372036854775808", "--limit '92");
	assert_has(err, "too large");
	assert_refused("thing make -n w --limit 8388608T", "too large");
	assert_refused("thing make -n w --limit 99999999999999999999999", "too large");
	assert_int_equal(run("thing make -n w --limit 9223372036854775807"), 0);
	assert_true(last.v.limit == INT64_MAX);
	assert_refused("thing make -n w -m 1023K", "must be from 1M to 1T");
	assert_refused("thing make -n w -m 1025G", "must be from 1M to 1T");
	assert_int_equal(run("thing make -n w -m 1T"), 0);
	assert_int_equal(run("thing make -n w -m 1024K"), 0);
}

static void durations_are_strict(void **state)
{
	static const char *const wrong[] = { "_", "10", "s", "-1s", "1.5s", "10sec", "1S", "1us" };
	char words[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(words, sizeof(words), "thing make -n w --wait %s", wrong[i]);
		assert_refused(words, "not a duration");
	}
	assert_int_equal(run("thing make -n w --wait 1m"), 0);
	assert_int_equal(last.v.wait_ms, 60000);
	assert_refused("thing make -n w --wait 61s", "must be from 10ms to 1m");
	assert_refused("thing make -n w --wait 9ms", "must be from 10ms to 1m");
	assert_refused("thing make -n w --wait 9223372036854775807h", "too large");
}

static void the_parsers_alone(void **state)
{
	uint64_t v = 5;

	(void)state;
	assert_int_equal(hy_opt_size("", &v), -EINVAL);
	assert_int_equal(hy_opt_size(" 1", &v), -EINVAL);
	assert_int_equal(hy_opt_size("9223372036854775808", &v), -ERANGE);
	assert_int_equal(hy_opt_duration("1", &v), -EINVAL);
	assert_int_equal(v, 5);
	assert_int_equal(hy_opt_size("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(hy_opt_size("3K", &v), 0);
	assert_int_equal(v, 3072);
	assert_int_equal(hy_opt_duration("2h", &v), 0);
	assert_int_equal(v, 7200000);
}

static void integers_are_strict(void **state)
{
	static const char *const wrong[] = { "_", "x", "1x", "1.0", "+1", "1K", "--count", "- 1" };
	char words[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(words, sizeof(words), "thing make -n w --count=%s", wrong[i]);
		assert_int_equal(run(words), HY_EXIT_USAGE);
		assert_has(err, "--count '");
	}
	assert_refused("thing make -n w --count 0", "must be from 1 to 100");
	assert_refused("thing make -n w --count 101", "must be from 1 to 100");
	assert_refused("thing make -n w --count 9223372036854775808", "too large");
	assert_refused("thing make -n w --offset -11", "must be from -10 to 10");
	assert_int_equal(run("thing make -n w --offset=-10 --count 100"), 0);
	assert_int_equal(last.v.offset, -10);
}

static void choices_and_flags(void **state)
{
	(void)state;
	assert_refused("thing make -n w --colour pink",
		       "--colour 'pink': must be red, green or blue");
	assert_refused("thing make -n w --colour _", "must be red, green or blue");
	assert_refused("thing make -n w --quick=yes", "--quick takes no value");
	assert_int_equal(run("thing make -n w --quick --quick -q"), 0);
}

static void repeated_options(void **state)
{
	char words[512] = "thing make -n w";
	size_t used = strlen(words);

	(void)state;
	assert_refused("thing make -n w --name v", "--name is given more than once");
	for (int i = 0; i < HY_OPT_LIST_MAX; i++)
		used += (size_t)snprintf(words + used, sizeof(words) - used, " --tag a=b");
	assert_int_equal(run(words), 0);
	assert_int_equal(last.v.tags.n, HY_OPT_LIST_MAX);
	snprintf(words + used, sizeof(words) - used, " --tag a=b");
	assert_refused(words, "--tag 'a=b': may be given at most 16 times");
}

static void missing_things(void **state)
{
	(void)state;
	assert_refused("thing make", "--name NAME is required");
	assert_refused("thing make --name", "--name needs a value");
	assert_refused("thing make --name --quick", "write --name=--quick");
	assert_int_equal(run("thing make --name=--quick"), 0);
	assert_string_equal(last.v.name, "--quick");
	assert_refused("thing make -n w --text --", "--text needs a value");
	assert_int_equal(run("thing make -n w --text -"), 0);
	assert_refused("thing exec", "too few arguments: expected -- CMD...");
	assert_refused("thing", "a command is missing");
	assert_refused("_", "unknown command ''");
}

static void typing_mistakes_get_a_suggestion(void **state)
{
	(void)state;
	assert_refused("thing make --memry 1G",
		       "unknown option '--memry'; did you mean '--memory'?");
	assert_refused("thing make --mem=1G", "unknown option '--mem'; did you mean '--memory'?");
	assert_refused("thing make --nmae x", "did you mean '--name'?");
	assert_refused("thing mkae", "unknown command 'mkae'; did you mean 'make'?");
	assert_refused("thign make", "did you mean 'thing'?");
	assert_refused("thing make --hlep", "did you mean '--help'?");
	assert_refused("--verson", "did you mean '--version'?");
	assert_refused("thing make --tga x", "did you mean '--tag'?");
	assert_refused("thing make --zzzzz", "unknown option '--zzzzz'\n");
	assert_refused("thing make --offxyz", "unknown option '--offxyz'\n");
	assert_refused("thing x", "unknown command 'x'\n");
	assert_has(err, "prog thing: ");
	assert_has(err, "Try 'prog thing --help'.\n");
	assert_refused("thing make --a-name-so-long-that-nothing-could-possibly-have-been-meant-"
		       "by-it-at-all", "unknown option '--a-name");
}

static void arguments(void **state)
{
	(void)state;
	assert_int_equal(run("thing make one -n w"), 0);
	assert_int_equal(last.argc, 1);
	assert_string_equal(last.argv[0], "one");
	assert_int_equal(run("thing make -n w -- --quick"), 0);
	assert_false(last.v.quick);
	assert_string_equal(last.argv[0], "--quick");
	assert_refused("thing make one -n w two", "unexpected argument 'two'");
	assert_refused("thing sweep x", "unexpected argument 'x'");
	assert_refused("thing sweep --quick", "unknown option '--quick'");
}

static void a_command_is_taken_as_is(void **state)
{
	(void)state;
	assert_int_equal(run("thing exec -- ls -l -- x --help"), 0);
	assert_int_equal(last.argc, 5);
	assert_string_equal(last.argv[0], "ls");
	assert_string_equal(last.argv[2], "--");
	assert_string_equal(last.argv[4], "--help");
	assert_int_equal(run("thing exec ls -l --help"), 0);
	assert_int_equal(last.argc, 3);
	assert_string_equal(last.argv[1], "-l");
}

static void assert_lines_fit(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		assert_true(len <= 100);
		assert_true(len == 0 || text[len - 1] != ' ');
		text += len + (text[len] != '\0');
	}
}

static void help_of_a_command(void **state)
{
	(void)state;
	assert_int_equal(run("thing make --bad-order-does-not-matter=1 --help"), HY_EXIT_USAGE);
	assert_int_equal(run("thing make --help"), 0);
	assert_int_equal(last.runs, 0);
	assert_string_equal(err, "");
	assert_lines_fit(out);
	assert_starts(out, "Usage: prog thing make [OPTIONS] THING\n\nMake a thing.\n\n"
		      "Of any kind.\n\nBut small.\n\nOptions:\n");
	assert_has(out, "\n  -q, --quick          be quick\n");
	assert_has(out, "\n  -n, --name NAME      its name (required)\n");
	assert_has(out, "\n  -m, --memory SIZE    how large [default: 64M]\n");
	assert_has(out, "how long [default: 1500ms]\n");
	assert_has(out, "its colour: red, green, blue [default: green]\n");
	assert_has(out, "a terminal\n                       of one hundred columns "
		   "(may be repeated)\n");
	assert_has(out, "\n  -h, --help           print this help and exit\n");
	assert_null(strstr(out, "--version"));
	assert_int_equal(run("thing make -h"), 0);
	assert_has(out, "Usage: prog thing make");
}

static void help_of_a_group(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_string_equal(out, "Usage: prog COMMAND ...\n\nTry the tables.\n\nCommands:\n"
			    "  thing  things\n  alone  no group\n\nOptions:\n"
			    "  -h, --help     print this help and exit\n"
			    "      --version  print the version and exit\n");
	assert_int_equal(run("thing -h"), 0);
	assert_has(out, "\n  sweep  clean\n");
	assert_null(strstr(out, "--version"));
}

static void version_belongs_to_the_root(void **state)
{
	(void)state;
	assert_int_equal(run("--version"), 0);
	assert_starts(out, "prog ");
	assert_refused("thing --version", "unknown option '--version'");
}

static void options_as_lines(void **state)
{
	(void)state;
	assert_int_equal(run("--print-options"), 0);
	assert_starts(out, "prog\t-\t-\tgroup\t-\t-\t-\t-\ttry the tables\n");
	assert_has(out, "\nprog\t--version\t-\tflag\t-\toptional\t-\t-\tprint the");
	assert_has(out, "\nprog thing make\t-\t-\tcommand\tTHING\t-\t-\t-\tmake a thing\n");
	assert_has(out, "\nprog thing make\t--memory\t-m\tsize\tSIZE\toptional\t64M\t-\t"
		   "how large\n");
	assert_has(out, "\nprog thing make\t--name\t-n\tstring\tNAME\trequired\t-\t-\t");
	assert_has(out, "--colour\t-\tchoice\tCOLOUR\toptional\tgreen\tred|green|blue\t");
	assert_has(out, "--tag\t-\tlist\tTAG=DIR\trepeatable\t-\t-\t");
	assert_has(out, "\nprog alone\t--help\t-h\tflag\t");
	for (char *at = out; *at; at = strchr(at, '\n') + 1) {
		unsigned int tabs = 0;

		for (const char *c = at; *c != '\n'; c++)
			tabs += *c == '\t';
		assert_int_equal(tabs, 8);
	}
}

static void errors_as_json(void **state)
{
	(void)state;
	assert_int_equal(run("thing make --json -n w --memory 1X"), HY_EXIT_USAGE);
	assert_starts(out, "{\"error\":{\"code\":\"bad-option\",\"message\":\"--memory '1X': "
		      "not a size");
	assert_has(out, ",\"field\":\"--memory\"}}\n");
	assert_has(err, "prog thing make: --memory '1X'");
	assert_int_equal(run("thing make --memry 1G --json"), HY_EXIT_USAGE);
	assert_has(out, ",\"field\":\"--memry\"}}\n");
	assert_int_equal(run("thing make --json"), HY_EXIT_USAGE);
	assert_has(out, ",\"field\":\"--name\"}}\n");
	assert_int_equal(run("thing make --memry 1G -- --json"), HY_EXIT_USAGE);
	assert_string_equal(out, "");
	assert_int_equal(run("thing make --name --json"), HY_EXIT_USAGE);
	assert_has(out, "bad-option");
}

static void errors_of_a_run(void **state)
{
	(void)state;
	last.error = EBUSY;
	last.answer = HY_EXIT_REFUSED;
	assert_int_equal(run("thing make -n w --json"), HY_EXIT_REFUSED);
	assert_string_equal(err, "prog thing make: thing 'w': Device or resource busy\n");
	assert_string_equal(out, "{\"error\":{\"code\":\"busy\",\"message\":\"thing 'w': Device or "
				 "resource busy\"}}\n");
	assert_int_equal(run("thing make -n \033[2Jw\n"), HY_EXIT_REFUSED);
	assert_has(err, "thing '\\x1b[2Jw\\x0a': Device");
	last.error = 0;
	last.answer = 42;	/* another program's exit code, which that one has explained */
	assert_int_equal(run("thing make -n w"), 42);
	assert_string_equal(err, "");
	last.answer = 0;
}

static void a_leaf_may_be_the_root(void **state)
{
	struct hy_cmd leaf = things[0];

	(void)state;
	leaf.name = "prog";
	assert_int_equal(run_program(&leaf, "-n w"), 0);
	assert_int_equal(last.runs, 1);
	assert_int_equal(run_program(&leaf, "--version"), 0);
	assert_starts(out, "prog ");
	assert_int_equal(run_program(&leaf, "--print-options"), 0);
	assert_starts(out, "prog\t-\t-\tcommand\tTHING\t");
	leaf.values_size = HY_OPT_VALUES_MAX + 1;
	assert_int_equal(run_program(&leaf, "-n w"), HY_EXIT_FAILED);
	assert_int_equal(last.runs, 0);
}

static void completion_for_bash(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	hy_opt_print_bash(&root, f);
	fclose(f);
	assert_has(text, "\n_prog()\n{\n");
	assert_has(text, "\t'prog thing make --colour') words='red green blue' ;;\n");
	assert_has(text, "\t'prog thing make --memory'|'prog thing make -m') words= ;;");
	assert_has(text, "\t'prog thing make --tag') return ;;\n");
	assert_has(text, "\t'prog thing') words='make exec sweep --help' ;;\n");
	assert_has(text, "\t'prog thing exec') words='--help' args=1 ;;\n");
	assert_has(text, " -F _prog prog\n");
	free(text);
}

static void a_name_that_was_meant(void **state)
{
	static const char *const names[] = { "hls", "lighttpd", "tls", NULL };

	(void)state;
	assert_ptr_equal(hy_opt_nearest("lightpd", names), names[1]);
	assert_ptr_equal(hy_opt_nearest("lighttpd", names), names[1]);
	assert_ptr_equal(hy_opt_nearest("tsl", names), names[2]);
	assert_null(hy_opt_nearest("nginx", names));
	assert_null(hy_opt_nearest("hls", names + 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_type),
		cmocka_unit_test(defaults_stay_where_nothing_is_given),
		cmocka_unit_test(short_forms),
		cmocka_unit_test(sizes_are_strict),
		cmocka_unit_test(durations_are_strict),
		cmocka_unit_test(the_parsers_alone),
		cmocka_unit_test(integers_are_strict),
		cmocka_unit_test(choices_and_flags),
		cmocka_unit_test(repeated_options),
		cmocka_unit_test(missing_things),
		cmocka_unit_test(typing_mistakes_get_a_suggestion),
		cmocka_unit_test(arguments),
		cmocka_unit_test(a_command_is_taken_as_is),
		cmocka_unit_test(help_of_a_command),
		cmocka_unit_test(help_of_a_group),
		cmocka_unit_test(version_belongs_to_the_root),
		cmocka_unit_test(options_as_lines),
		cmocka_unit_test(errors_as_json),
		cmocka_unit_test(errors_of_a_run),
		cmocka_unit_test(a_leaf_may_be_the_root),
		cmocka_unit_test(completion_for_bash),
		cmocka_unit_test(a_name_that_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
