/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_guest_told.c - a guest's word on its way to who asks hylicsd, also a hostile one
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
#include <sys/socket.h>

#include <cmocka.h>

#include "hylics-worker/guest.h"
#include "hylics-worker/why.h"
#include "hylicsd/guest.h"
#include "hylicsd/why.h"

/* What hylicsd makes of a worker's words, as sorted text; freed by the caller. */
static char *shown(const char *counters)
{
	json_t *from = json_loads(counters, 0, NULL);
	json_t *o = guest_json(from);
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(from);
	json_decref(o);
	return text;
}

static void assert_shown(const char *counters, const char *wanted)
{
	char *text = shown(counters);

	if (wanted)
		assert_string_equal(text, wanted);
	else
		assert_null(text);
	free(text);
}

/* What a worker writes of @g, between a counter and the end. */
static void assert_goes_through(const struct guest *g, const char *wanted)
{
	char text[8192];
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(f);
	fputs("{\"told\":1", f);
	guest_print(g, f);
	fputs("}", f);
	fclose(f);
	assert_shown(text, wanted);
}

static void an_honest_guest_is_shown(void **state)
{
	const struct msg_hello hello = { .software = "hylics-agent 1", .kernel = "6.1.0" };
	const struct report report = { .share = REPORT_SHARE_VIRTIOFS, .cpus = 2, .load_100 = 150,
				       .memory_total = 1 << 20, .memory_available = 1 << 19,
				       .cpu_ms = { 5, 0, 7 } };
	uint8_t bytes[REPORT_LEN];
	struct guest g;

	(void)state;
	guest_up(&g, &hello);
	assert_goes_through(&g, "{\"addresses\":[],\"cpu_ms\":{},\"kernel\":\"6.1.0\","
				"\"software\":\"hylics-agent 1\"}");
	report_encode(&report, bytes, sizeof(bytes));
	assert_int_equal(guest_take_report(&g, bytes, sizeof(bytes)), 0);
	g.n_addresses = 2;
	g.address[0] = (struct move_address){ .mac = { 0x52, 0x54, 0, 1, 2, 3 },
					      .family = MOVE_FAMILY_IP4, .addr = { 192, 0, 2, 1 } };
	g.address[1] = (struct move_address){ .mac = { 0x52, 0x54, 0, 1, 2, 0xff },
					      .family = MOVE_FAMILY_IP6,
					      .addr = { 0x20, 1, 0x0d, 0xb8, [15] = 1 } };
	assert_goes_through(&g, "{\"addresses\":[\"52:54:00:01:02:03,192.0.2.1\","
				"\"52:54:00:01:02:ff,2001:db8::1\"],"
				"\"cpu_ms\":{\"idle\":7,\"user\":5},\"cpus\":2,"
				"\"kernel\":\"6.1.0\",\"load_100\":150,"
				"\"memory_available\":524288,\"memory_total\":1048576,"
				"\"share\":\"virtiofs\",\"software\":\"hylics-agent 1\"}");
	guest_down(&g);
	assert_goes_through(&g, NULL);
	guest_up(&g, &hello);			/* nothing of the session before */
	assert_goes_through(&g, "{\"addresses\":[],\"cpu_ms\":{},\"kernel\":\"6.1.0\","
				"\"software\":\"hylics-agent 1\"}");
}

static void texts_cannot_speak_to_a_terminal_or_end_the_object(void **state)
{
	const struct msg_hello hello = { .software = "\",\"live\":0,\"x\":\"\n\x1b[2J\xff",
					 .kernel = "\xc3\xa9\\" };
	struct guest g;

	(void)state;
	guest_up(&g, &hello);
	assert_goes_through(&g, "{\"addresses\":[],\"cpu_ms\":{},\"kernel\":\"?\?\\\\\","
				"\"software\":\"\\\",\\\"live\\\":0,\\\"x\\\":\\\"?"
				"?[2J???\"}");
}

static void the_most_there_can_be_fits(void **state)
{
	static const struct msg_hello hello;
	struct guest g;
	char *text;

	(void)state;
	guest_up(&g, &hello);
	memset(g.software, 0xff, sizeof(g.software) - 1);
	g.n_addresses = HY_TWIN_ADDRS_MAX;
	for (unsigned int i = 0; i < HY_TWIN_ADDRS_MAX; i++) {
		g.address[i].family = MOVE_FAMILY_IP6;
		memset(g.address[i].addr, 0xff, 16);
	}
	char out[8192] = "";
	FILE *f = fmemopen(out, sizeof(out), "w");
	assert_non_null(f);
	fputs("{\"told\":1", f);
	guest_print(&g, f);
	fputs("}", f);
	assert_int_equal(fclose(f), 0);
	text = shown(out);
	assert_non_null(strstr(text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\"]"));
	free(text);
}

static void a_worker_that_lies_about_the_form_is_not_believed(void **state)
{
	(void)state;
	assert_shown("null", NULL);
	assert_shown("[]", NULL);
	assert_shown("{\"guest\":7}", NULL);
	assert_shown("{\"guest\":{\"cpus\":-1,\"load_100\":\"1\",\"software\":[],\"more\":1,"
		     "\"cpu_ms\":{\"user\":-5,\"system\":3,\"other\":9},"
		     "\"addresses\":[1,{},\"a\\u0007b\"]}}",
		     "{\"addresses\":[\"a?b\"],\"cpu_ms\":{\"system\":3}}");
	assert_shown("{\"guest\":{\"cpu_ms\":[1],\"addresses\":{\"0\":\"a\"}}}",
		     "{\"addresses\":[],\"cpu_ms\":{}}");
}

static void long_lists_and_texts_are_cut(void **state)
{
	json_t *list = json_array(), *o;
	char long_text[300];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		json_array_append_new(list, json_string(long_text));
	o = json_pack("{s:{s:o, s:s}}", "guest", "addresses", list, "kernel", long_text);
	json_t *out = guest_json(o);
	assert_int_equal(json_array_size(json_object_get(out, "addresses")), HY_TWIN_ADDRS_MAX);
	assert_int_equal(json_string_length(json_object_get(out, "kernel")), HY_NAME_MAX);
	json_decref(o);
	json_decref(out);
}

/* What hylicsd makes of a worker's words about refusals, as sorted text. */
static void assert_why(const char *counters, const char *wanted)
{
	json_t *from = json_loads(counters, 0, NULL), *o = why_json(from);
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, wanted);
	free(text);
	json_decref(from);
	json_decref(o);
}

static void of_refusals_only_what_is_ours_goes_through(void **state)
{
	(void)state;
	assert_why("null", "{}");
	assert_why("{\"refused\":[1],\"guest\":7,\"refused_last\":\"x\"}", "{}");
	assert_why("{\"refused\":{\"no-twin\":2,\"bad\\u001b\":5,\"moved\":9,\"ulp\":-1,"
		   "\"mptcp\":\"7\"},\"guest\":{\"not_offered\":{\"ulp\":4,\"no-twin\":1}},"
		   "\"refused_last\":{\"no-twin\":{\"when_ms\":5,\"queued\":-3,"
		   "\"peer\":\"\\u001b[2J\",\"local\":7,\"more\":1},\"mptcp\":{}}}",
		   "{\"no-twin\":{\"last\":{\"peer\":\"?[2J\",\"when_ms\":5},\"not_offered\":1,"
		   "\"refused\":2},\"ulp\":{\"not_offered\":4,\"refused\":0}}");
}

static void a_refusal_is_written_with_its_addresses(void **state)
{
	struct tcp_record rec = { .family = AF_INET, .send_len = 200, .recv_len = 40,
				  .local = { .addr = { 192, 0, 2, 1 }, .port = 80 },
				  .remote = { .addr = { 192, 0, 2, 2 }, .port = 4000 } };
	struct why_last last[MOVE_REASONS] = { 0 };
	char text[4096] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	why_note(last, MOVE_NO_TWIN, &rec);
	rec.family = AF_INET6;
	rec.remote = (struct tcp_end){ .addr = { 0x20, 1, 0x0d, 0xb8, [15] = 1 }, .port = 1 };
	why_note(last, MOVE_DRAINING, &rec);
	fputs("{\"told\":1", f);
	why_print(last, f);
	fputs("}", f);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, "\"queued\":240,\"local\":\"192.0.2.1:80\","
				     "\"peer\":\"192.0.2.2:4000\"}"));
	assert_non_null(strstr(text, "\"peer\":\"[2001:db8::1]:1\"}}}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_guest_is_shown),
		cmocka_unit_test(texts_cannot_speak_to_a_terminal_or_end_the_object),
		cmocka_unit_test(the_most_there_can_be_fits),
		cmocka_unit_test(a_worker_that_lies_about_the_form_is_not_believed),
		cmocka_unit_test(long_lists_and_texts_are_cut),
		cmocka_unit_test(of_refusals_only_what_is_ours_goes_through),
		cmocka_unit_test(a_refusal_is_written_with_its_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
