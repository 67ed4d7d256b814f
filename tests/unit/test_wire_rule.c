/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_rule.c - the script's language: what is understood, what is refused, what fires
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
#include <string.h>

#include <cmocka.h>

#include "lab/wire/rule.h"
#include "lab/wire/script.h"

static struct script script;
static struct hy_err e;

static const struct frame_info data = { .class = FRAME_TCP_DATA, .net = FRAME_NET_IP4,
					.tcp_flags = FRAME_TCP_ACK, .window = 100,
					.src_port = 4000, .dst_port = 80, .payload_len = 1000 };
static const struct frame_info pure_ack = { .class = FRAME_TCP_PURE_ACK, .net = FRAME_NET_IP4,
					    .tcp_flags = FRAME_TCP_ACK, .window = 0,
					    .src_port = 80, .dst_port = 4000 };
static const struct frame_info datagram = { .class = FRAME_UDP, .net = FRAME_NET_IP6,
					    .src_port = 9, .dst_port = 53, .payload_len = 20 };

static int empty(void **state)
{
	(void)state;
	memset(&script, 0, sizeof(script));
	memset(&e, 0, sizeof(e));
	return 0;
}

static void add(const char *text)
{
	if (rule_add(&script, 1, text, &e) < 0)
		fail_msg("'%s': %s", text, e.text);
}

static bool decides(int direction, const struct frame_info *f)
{
	return script_judge(&script, direction, f, false).rule != NULL;
}

static void raise_mark(const char *name)
{
	int mark;

	assert_int_equal(rule_mark_find(&script, name, &mark, &e), 0);
	script_raise(&script, mark);
}

static void whole_grammar_is_understood(void **state)
{
	static const char *const lines[] = {
		"drop", "\tdrop  dir=a\ttcp=data nth=3   # the third",
		"after mark freeze until mark thaw: drop dir=a tcp=ack count=1",
		"rule late after mark x : delay 1.5ms proto=udp dport=53 len=10-20",
		"until mark y: dup", "corrupt proto=icmp", "hold until mark go tcp=syn tcp=psh",
		"reset dir=b port=80 tcp=again", "mark seen win=0", "drop len=0-", "drop proto=arp",
		"drop proto=fragment", "drop proto=other len=60", "drop tcp=synack sport=80-90",
		"rule named: drop tcp=fin", "drop tcp=rst",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		add(lines[i]);
	assert_int_equal(script.rules, sizeof(lines) / sizeof(lines[0]));
	assert_int_equal(script.marks, 6);
	assert_int_equal(rule_find(&script, "late"), 3);
	assert_int_equal(rule_find(&script, "5"), 4);
	assert_int_equal(rule_find(&script, "nobody"), -ENOENT);
	assert_int_equal(script.rule[3].delay_ns, 1500000);
	assert_int_equal(script.rule[1].nth, 3);
	assert_int_equal(script.rule[1].count, 1);
	assert_true(script.rule[0].count == RULE_FOREVER);
	add("");
	add("   # nothing");
	assert_int_equal(script.rules, sizeof(lines) / sizeof(lines[0]));
}

static void nonsense_is_refused_and_leaves_nothing(void **state)
{
	static const char *const lines[] = {
		"drops", "drop now", "drop dir=c", "drop dir", "drop dir=", "drop =a",
		"drop dir=a dir=b", "drop nth=0", "drop count=0", "drop nth=1.5", "drop len=9-5",
		"drop len=-5", "drop len=1-2-3", "drop len=65536", "drop port=70000",
		"drop tcp=ack tcp=syn", "drop tcp=syn proto=udp", "drop win=0 proto=icmp",
		"drop port=80 proto=icmp", "reset proto=udp", "delay", "delay 5", "delay 61s",
		"hold", "hold until", "hold until mark", "hold until mark X", "hold mark x",
		"mark", "mark -x", "mark 1x", "mark x y", ":", "after: drop", "after mark: drop",
		"after mark x drop", "after mark x until mark x: drop",
		"until mark x after mark y: drop",
		"rule: drop", "rule 7: drop", "rule x drop", "after mark x:", "DROP", "drop \x01",
		"drop \xc3\xa9", "after mark x: drop: dir=a",
		"mark aaaaaaaaaabbbbbbbbbbccccccccccdd",
	};
	static struct script before;

	(void)state;
	add("rule same after mark known: drop");
	before = script;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (rule_add(&script, 9, lines[i], &e) == 0)
			fail_msg("'%s' was accepted", lines[i]);
		assert_int_equal(script.rules, before.rules);
		assert_int_equal(script.marks, before.marks);
		assert_non_null(strstr(e.text, "rule line 9: "));
	}
	assert_true(rule_add(&script, 9, "rule same: drop", &e) < 0);
}

static void scripts_have_line_numbers(void **state)
{
	static const char good[] = "# three lines\ndrop tcp=syn\n\nmark seen tcp=fin\n";
	static const char bad[] = "drop\n\ndrop dir=a\ndrip\n", nul[] = "drop\0";

	(void)state;
	assert_int_equal(rule_add_text(&script, good, sizeof(good) - 1, &e), 0);
	assert_int_equal(script.rules, 2);
	assert_int_equal(script.rule[1].line, 4);
	assert_true(rule_add_text(&script, bad, sizeof(bad) - 1, &e) < 0);
	assert_non_null(strstr(e.text, "rule line 4: 'drip'"));
	assert_int_equal(script.rules, 2);
	assert_true(rule_add_text(&script, nul, sizeof(nul), &e) < 0);
	assert_int_equal(rule_add_text(&script, "drop", 4, &e), 0);
}

static void tables_are_bounded(void **state)
{
	char line[WIRE_LINE_MAX + 64];
	static char large[WIRE_SCRIPT_BYTES_MAX + 1];

	(void)state;
	for (int i = 0; i < WIRE_RULES_MAX; i++) {
		snprintf(line, sizeof(line), "mark m%d", i);
		add(line);
	}
	assert_int_equal(rule_add(&script, 1, "drop", &e), -ENOSPC);
	script.rules = 0;
	assert_int_equal(rule_add(&script, 1, "mark another", &e), -ENOSPC);
	memset(line, 'x', sizeof(line));
	line[WIRE_LINE_MAX + 1] = '\0';
	assert_int_equal(rule_add(&script, 1, line, &e), -E2BIG);
	memset(line, ' ', sizeof(line));
	for (int i = 0; i <= WIRE_WORDS_MAX; i++)
		line[2 * i] = 'x';
	line[2 * WIRE_WORDS_MAX + 1] = '\0';
	assert_int_equal(rule_add(&script, 1, line, &e), -E2BIG);
	memset(large, '\n', sizeof(large));
	assert_int_equal(rule_add_text(&script, large, sizeof(large), &e), -E2BIG);
	assert_int_equal(rule_add_text(&script, large, sizeof(large) - 1, &e), 0);
}

static void keys_must_all_fit(void **state)
{
	static const struct {
		const char *line;
		bool data, ack, datagram;	/* in direction a */
	} rows[] = {
		{ "drop", true, true, true }, { "drop dir=b", false, false, false },
		{ "drop proto=tcp", true, true, false }, { "drop proto=udp", false, false, true },
		{ "drop tcp=data", true, false, false }, { "drop tcp=ack", false, true, false },
		{ "drop tcp=syn", false, false, false }, { "drop len=20", false, false, true },
		{ "drop len=20-", true, false, true }, { "drop len=0-19", false, true, false },
		{ "drop win=0", false, true, false }, { "drop win=1-", true, false, false },
		{ "drop port=80", true, true, false }, { "drop dport=80", true, false, false },
		{ "drop sport=80", false, true, false }, { "drop port=53-80", true, true, true },
		{ "drop dport=80 tcp=psh", false, false, false },
		{ "drop proto=other", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		empty(NULL);
		add(rows[i].line);
		assert_int_equal(decides(0, &data), rows[i].data);
		assert_int_equal(decides(0, &pure_ack), rows[i].ack);
		assert_int_equal(decides(0, &datagram), rows[i].datagram);
	}
}

static void flags_of_tcp(void **state)
{
	struct frame_info f = { .class = FRAME_TCP_CONTROL, .net = FRAME_NET_IP4 };

	(void)state;
	add("rule s: drop tcp=synack");
	add("rule t: drop tcp=syn");
	add("rule u: drop tcp=fin tcp=psh");
	add("rule v: drop tcp=rst");
	f.tcp_flags = FRAME_TCP_SYN | FRAME_TCP_ACK;
	assert_string_equal(script_judge(&script, 0, &f, false).rule->name, "s");
	f.tcp_flags = FRAME_TCP_SYN;
	assert_string_equal(script_judge(&script, 0, &f, false).rule->name, "t");
	f.tcp_flags = FRAME_TCP_FIN | FRAME_TCP_PSH;
	assert_string_equal(script_judge(&script, 0, &f, false).rule->name, "u");
	f.tcp_flags = FRAME_TCP_RST;
	assert_string_equal(script_judge(&script, 0, &f, false).rule->name, "v");
	f.tcp_flags = FRAME_TCP_FIN;
	assert_null(script_judge(&script, 0, &f, false).rule);
}

static void retransmissions_can_be_named(void **state)
{
	(void)state;
	add("drop tcp=again");
	assert_null(script_judge(&script, 0, &data, false).rule);
	assert_non_null(script_judge(&script, 0, &data, true).rule);
}

static void nth_and_count(void **state)
{
	(void)state;
	add("drop tcp=data nth=3 count=2");
	for (int n = 1; n <= 6; n++) {
		assert_int_equal(decides(0, &data), n == 3 || n == 4);
		assert_false(decides(0, &datagram));
	}
	assert_int_equal(script.state[0].fired, 2);
}

static void marks_open_and_close(void **state)
{
	(void)state;
	add("after mark freeze until mark thaw: drop tcp=ack count=1");
	assert_false(decides(0, &pure_ack));
	raise_mark("freeze");
	assert_false(decides(0, &data));
	assert_true(decides(0, &pure_ack));
	assert_false(decides(0, &pure_ack));
	raise_mark("freeze");			/* open already: counts go on */
	assert_false(decides(0, &pure_ack));
	raise_mark("thaw");
	assert_false(decides(0, &pure_ack));
	raise_mark("freeze");			/* opened anew: counts begin anew */
	assert_true(decides(0, &pure_ack));
	assert_int_equal(script.state[0].fired, 2);
}

static void until_alone_is_open_from_the_start(void **state)
{
	(void)state;
	add("until mark over: drop");
	assert_true(decides(0, &data));
	raise_mark("over");
	assert_false(decides(0, &data));
}

static void a_frame_raises_marks_for_later_frames(void **state)
{
	struct script_verdict v;

	(void)state;
	add("mark first tcp=data nth=1");
	add("after mark first: drop tcp=data count=1");
	v = script_judge(&script, 0, &data, false);
	assert_null(v.rule);
	assert_int_equal(v.raised, 1);
	assert_int_equal(script.mark[0].raised, 1);
	assert_true(decides(0, &data));
	assert_false(decides(0, &data));
}

static void first_that_fires_decides(void **state)
{
	(void)state;
	add("rule one: drop tcp=data count=1");
	add("rule two: dup tcp=data");
	assert_string_equal(script_judge(&script, 0, &data, false).rule->name, "one");
	assert_string_equal(script_judge(&script, 0, &data, false).rule->name, "two");
	assert_int_equal(script.state[1].matched, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_grammar_is_understood),
		TEST(nonsense_is_refused_and_leaves_nothing),
		TEST(scripts_have_line_numbers),
		TEST(tables_are_bounded),
		TEST(keys_must_all_fit),
		TEST(flags_of_tcp),
		TEST(retransmissions_can_be_named),
		TEST(nth_and_count),
		TEST(marks_open_and_close),
		TEST(until_alone_is_open_from_the_start),
		TEST(a_frame_raises_marks_for_later_frames),
		TEST(first_that_fires_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
