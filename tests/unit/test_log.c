/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_log.c - log lines: form, levels, escaping of what peers wrote, rate limit with counts
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

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"

static const struct hy_log web1 = { .program = "hylicsd", .object = "vm web1",
				    .level = HY_LOG_DEBUG };
static const struct hy_log plain = { .program = "hylicsd", .level = HY_LOG_DEBUG };

static int real_stderr, captured;

static int capture(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	real_stderr = dup(STDERR_FILENO);
	captured = memfd_create("log", MFD_CLOEXEC);
	return real_stderr < 0 || captured < 0 || dup2(captured, STDERR_FILENO) < 0;
}

static int release(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(captured);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

/* What was logged since the last call; valid until the next. */
static const char *logged(void)
{
	static char text[64 * HY_LOG_LINE_MAX];
	ssize_t n = pread(captured, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(captured, 0), 0);
	lseek(captured, 0, SEEK_SET);
	return text;
}

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	while ((text = strchr(text, '\n')) != NULL) {
		text++;
		n++;
	}
	return n;
}

static void a_line_says_who_on_what(void **state)
{
	(void)state;
	hy_log(&web1, HY_LOG_INFO, "up after %d ms", 17);
	assert_string_equal(logged(), "hylicsd: vm web1: up after 17 ms\n");
	hy_log(&plain, HY_LOG_DEBUG, "words");
	assert_string_equal(logged(), "hylicsd: words\n");
	hy_log(&web1, HY_LOG_WARN, "words");
	assert_string_equal(logged(), "hylicsd: vm web1: warning: words\n");
	hy_log(&plain, HY_LOG_ERR, "words");
	assert_string_equal(logged(), "hylicsd: error: words\n");
}

static void lines_above_the_level_are_not_written(void **state)
{
	struct hy_log log = plain;
	struct hy_log_rate rate = { 0 };

	(void)state;
	for (unsigned int level = 0; level < HY_LOG_LEVELS; level++) {
		log.level = level;
		for (unsigned int i = 0; i < HY_LOG_LEVELS; i++)
			hy_log(&log, i, "words");
		assert_int_equal(count_lines(logged()), level + 1);
	}
	log.level = HY_LOG_ERR;
	hy_log_limited(&log, &rate, HY_LOG_WARN, "words");
	assert_string_equal(logged(), "");
	assert_int_equal(rate.lines, 0);
}

static void the_journal_gets_priorities(void **state)
{
	static const char *const first[] = { "<3>", "<4>", "<6>", "<7>" };

	(void)state;
	setenv("JOURNAL_STREAM", "8:1234", 1);
	for (unsigned int level = 0; level < HY_LOG_LEVELS; level++) {
		hy_log(&plain, level, "words");
		assert_memory_equal(logged(), first[level], 3);
	}
}

static void a_peers_words_cannot_forge_a_line(void **state)
{
	(void)state;
	hy_log(&plain, HY_LOG_INFO, "name '%s'", "a\nhylicsd: error: b\r\x1b[2J");
	assert_string_equal(logged(), "hylicsd: name 'a\\x0ahylicsd: error: b\\x0d\\x1b[2J'\n");
}

static void only_printable_ascii_is_left_as_it_is(void **state)
{
	char words[256], expected[1100] = "hylicsd: ";
	size_t at = strlen(expected);

	(void)state;
	for (unsigned int c = 1; c < 256; c++) {
		words[c - 1] = (char)c;
		at += (size_t)snprintf(expected + at, sizeof(expected) - at,
				       c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
	}
	words[255] = '\0';
	snprintf(expected + at, sizeof(expected) - at, "\n");
	hy_log(&plain, HY_LOG_INFO, "%s", words);
	assert_string_equal(logged(), expected);
}

/* Logs @n times the byte @c; returns the length of the line, which must be one. */
static size_t long_line(const struct hy_log *log, char c, size_t n)
{
	char *words = malloc(n + 1);
	const char *line;

	assert_non_null(words);
	memset(words, c, n);
	words[n] = '\0';
	hy_log(log, HY_LOG_ERR, "%s", words);
	free(words);
	line = logged();
	assert_int_equal(count_lines(line), 1);
	assert_int_equal(line[strlen(line) - 1], '\n');
	return strlen(line);
}

static void long_lines_are_cut_and_still_end(void **state)
{
	static char program[2 * HY_LOG_LINE_MAX];
	const struct hy_log wordy = { .program = program, .object = program };
	size_t prefix = strlen("hylicsd: error: "), len;

	(void)state;
	for (size_t n = HY_LOG_LINE_MAX - 40; n < HY_LOG_LINE_MAX + 40; n++)
		assert_true(long_line(&plain, 'w', n) <= HY_LOG_LINE_MAX);
	for (size_t n = HY_LOG_LINE_MAX / 4 - 20; n < HY_LOG_LINE_MAX; n++) {
		len = long_line(&plain, '\1', n);
		assert_true(len <= HY_LOG_LINE_MAX);
		assert_int_equal((len - prefix - 1) % 4, 0);	/* no half escape */
	}
	memset(program, 'p', sizeof(program) - 1);
	len = long_line(&wordy, 'w', 3 * HY_LOG_LINE_MAX);
	assert_true(len > HY_LOG_LINE_MAX / 2 && len <= HY_LOG_LINE_MAX);
}

static void log_many(struct hy_log_rate *rate, unsigned int n)
{
	while (n-- > 0)
		hy_log_limited(&plain, rate, HY_LOG_WARN, "fault");
}

static void a_burst_is_cut_and_counted(void **state)
{
	struct hy_log_rate rate = { 0 };

	(void)state;
	log_many(&rate, HY_LOG_BURST);
	assert_int_equal(count_lines(logged()), HY_LOG_BURST);
	log_many(&rate, 15);
	assert_string_equal(logged(), "");
	assert_int_equal(rate.hidden, 15);

	rate.since_ms -= HY_LOG_PERIOD_MS;	/* as if so much time had gone by */
	log_many(&rate, 2);
	assert_string_equal(logged(), "hylicsd: warning: fault (15 like it not shown)\n"
				      "hylicsd: warning: fault\n");
	assert_int_equal(rate.hidden, 0);
}

static void causes_have_buckets_of_their_own(void **state)
{
	struct hy_log_rate one = { 0 }, other = { 0 };

	(void)state;
	log_many(&one, HY_LOG_BURST + 5);
	logged();
	log_many(&other, 1);
	assert_int_equal(count_lines(logged()), 1);
	assert_int_equal(other.hidden, 0);
}

static void a_quiet_period_tells_of_nothing_hidden(void **state)
{
	struct hy_log_rate rate = { 0 };

	(void)state;
	log_many(&rate, 1);
	rate.since_ms -= HY_LOG_PERIOD_MS;
	logged();
	log_many(&rate, 1);
	assert_string_equal(logged(), "hylicsd: warning: fault\n");
}

static void errno_is_left_alone(void **state)
{
	struct hy_log_rate rate = { 0 };

	(void)state;
	close(STDERR_FILENO);
	errno = ENOTTY;
	hy_log(&plain, HY_LOG_ERR, "nobody reads this");
	assert_int_equal(errno, ENOTTY);
	hy_log_limited(&plain, &rate, HY_LOG_ERR, "nor this");
	assert_int_equal(errno, ENOTTY);
}

static void levels_have_words(void **state)
{
	static const char *const words[] = { "error", "warning", "info", "debug" };
	enum hy_log_level level = HY_LOG_LEVELS;

	(void)state;
	assert_int_equal(hy_log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(hy_log_level_parse("", &level), -EINVAL);
	assert_int_equal(hy_log_level_parse("Info", &level), -EINVAL);
	assert_int_equal(level, HY_LOG_LEVELS);
	for (unsigned int i = 0; i < HY_LOG_LEVELS; i++) {
		assert_int_equal(hy_log_level_parse(words[i], &level), 0);
		assert_int_equal(level, i);
	}
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, capture, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(a_line_says_who_on_what),
		LOG_TEST(lines_above_the_level_are_not_written),
		LOG_TEST(the_journal_gets_priorities),
		LOG_TEST(a_peers_words_cannot_forge_a_line),
		LOG_TEST(only_printable_ascii_is_left_as_it_is),
		LOG_TEST(long_lines_are_cut_and_still_end),
		LOG_TEST(a_burst_is_cut_and_counted),
		LOG_TEST(causes_have_buckets_of_their_own),
		LOG_TEST(a_quiet_period_tells_of_nothing_hidden),
		LOG_TEST(errno_is_left_alone),
		LOG_TEST(levels_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
