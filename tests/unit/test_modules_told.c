/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_modules_told.c - how modules are, from a keeper to who asks hylicsd, also with hostile words
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/show.h"
#include "hylics-keeper/modshow.h"
#include "hylicsd/module_states.h"

#define WALL_MS 1700000000000
#define MOST (3 * HY_MODULES_MAX)

static char text[HY_SHOW_TEXT_MAX];

static json_t *told(const char *words)
{
	json_t *from = json_loads(words, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = module_states_json(from);

	json_decref(from);
	return list;
}

/* What a keeper writes goes through hylicsd. */
static json_t *seen(const struct modshow *at, unsigned int n)
{
	FILE *f = fmemopen(text, sizeof(text), "w");
	json_t *list;

	assert_non_null(f);
	modshow_print(at, n, WALL_MS, f);
	assert_int_equal(fclose(f), 0);
	list = told(text);
	assert_int_equal(json_array_size(list), n);
	return list;
}

static void assert_seen(const struct modshow *m, const char *wanted)
{
	json_t *list = seen(m, 1);
	char *words = json_dumps(json_array_get(list, 0), JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(words, wanted);
	free(words);
	json_decref(list);
}

static void each_state_has_what_is_known_of_it(void **state)
{
	struct modshow m = { .is = { .life = MODULES_LIFE_running, .port = 80, .starts = 2,
				     .since_ms = 1500, .connections = 3, .cpu_us = 4, .memory = 5,
				     .name = "hls", .why = "ended with exit code 1" } };

	(void)state;
	assert_seen(&m, "{\"changed_ms\":1699999998500,\"connections\":3,\"cpu_us\":4,"
			"\"memory\":5,\"name\":\"hls\",\"port\":80,\"starts\":2,"
			"\"state\":\"running\",\"why\":\"ended with exit code 1\"}");
	m.is.life = MODULES_LIFE_failing;
	m.is.since_ms = m.is.connections = 0;
	m.is.cpu_us = m.is.memory = 0;
	m.retry_ms = 200;
	assert_seen(&m, "{\"changed_ms\":1700000000000,\"connections\":0,\"cpu_us\":0,"
			"\"memory\":0,\"name\":\"hls\",\"port\":80,\"retry_ms\":1700000000200,"
			"\"starts\":2,\"state\":\"failing\",\"why\":\"ended with exit code 1\"}");
}

/* Nothing runs of what is wanted: somebody is in the way, or it may not be. */
static void what_does_not_run_waits_or_is_refused(void **state)
{
	struct modshow m = { .is = { .port = 81, .name = "hls", .since_ms = 9 } };

	(void)state;
	assert_seen(&m, "{\"connections\":0,\"cpu_us\":0,\"memory\":0,\"name\":\"hls\","
			"\"port\":81,\"starts\":0,\"state\":\"waiting\"}");
	memcpy(m.is.why, "no", sizeof("no"));
	assert_seen(&m, "{\"connections\":0,\"cpu_us\":0,\"memory\":0,\"name\":\"hls\","
			"\"port\":81,\"starts\":0,\"state\":\"refused\",\"why\":\"no\"}");
}

static void the_most_there_can_be_fits(void **state)
{
	static struct modshow at[MOST];

	(void)state;
	for (unsigned int i = 0; i < MOST; i++) {
		at[i] = (struct modshow){ .is = { .life = MODULES_LIFE_stopping,
						  .port = UINT16_MAX, .starts = UINT32_MAX,
						  .connections = UINT32_MAX, .cpu_us = INT64_MAX,
						  .memory = INT64_MAX },
					  .retry_ms = WALL_MS };
		memset(at[i].is.name, 'n', HY_NAME_MAX);
		memset(at[i].is.why, '"', MODULES_WHY_MAX);
	}
	json_decref(seen(at, MOST));
}

static void words_cannot_speak_to_a_terminal(void **state)
{
	json_t *list = told("{\"modules\":[{\"name\":\"a\\u001b[2J\",\"why\":\"\\n\\u009b\"}]}");
	char *words = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(words, "[{\"name\":\"a?[2J\",\"why\":\"?\?\?\"}]");
	free(words);
	json_decref(list);
}

static void what_has_another_form_is_left_out(void **state)
{
	json_t *list = told("{\"modules\":[7,{\"name\":1,\"state\":[],\"port\":-1,"
			    "\"starts\":\"1\",\"memory\":1.5,\"why\":null,\"more\":1}]}");
	char *words = json_dumps(list, JSON_COMPACT);

	(void)state;
	assert_string_equal(words, "[{},{}]");
	free(words);
	json_decref(list);
	assert_null(told("null"));
	assert_null(told("[]"));
	assert_null(told("{\"modules\":{\"0\":1}}"));
}

static void long_lists_and_texts_are_cut(void **state)
{
	char letters[1000];
	json_t *one, *from = json_object(), *many = json_array(), *list;

	(void)state;
	memset(letters, 'x', sizeof(letters));
	letters[sizeof(letters) - 1] = '\0';
	one = json_pack("{s:s, s:s}", "name", letters, "why", letters);
	for (unsigned int i = 0; i <= MOST; i++)
		json_array_append(many, one);
	json_object_set_new(from, "modules", many);
	list = module_states_json(from);
	assert_int_equal(json_array_size(list), MOST);
	assert_int_equal(json_string_length(json_object_get(json_array_get(list, 0), "name")),
			 HY_NAME_MAX);
	assert_int_equal(json_string_length(json_object_get(json_array_get(list, 0), "why")),
			 MODULES_WHY_MAX);
	json_decref(one);
	json_decref(from);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_has_what_is_known_of_it),
		cmocka_unit_test(what_does_not_run_waits_or_is_refused),
		cmocka_unit_test(the_most_there_can_be_fits),
		cmocka_unit_test(words_cannot_speak_to_a_terminal),
		cmocka_unit_test(what_has_another_form_is_left_out),
		cmocka_unit_test(long_lists_and_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
