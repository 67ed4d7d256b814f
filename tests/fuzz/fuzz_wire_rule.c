/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_wire_rule.c - any bytes as a script of the wire: refused without a trace, or usable
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lab/wire/rule.h"
#include "lab/wire/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* Every rule that was accepted can be asked about every kind of frame. */
static void use(struct script *s)
{
	struct frame_info f = { .payload_len = 3, .src_port = 80, .dst_port = 53 };

	for (int class = 0; class < FRAME_CLASSES; class++) {
		f.class = (enum frame_class)class;
		f.tcp_flags = (uint8_t)(class * 5);
		for (int direction = 0; direction < WIRE_DIRECTIONS; direction++) {
			struct script_verdict v = script_judge(s, direction, &f, class % 2);

			require(!v.rule || v.rule->action != RULE_MARK);
			require(s->marks == WIRE_MARKS_MAX || v.raised >> s->marks == 0);
		}
	}
	for (unsigned int i = 0; i < s->marks; i++)
		script_raise(s, (int)i);
}

static void check_table(const struct script *s)
{
	require(s->rules <= WIRE_RULES_MAX && s->marks <= WIRE_MARKS_MAX);
	for (unsigned int i = 0; i < s->rules; i++) {
		const struct rule *r = &s->rule[i];

		require(strlen(r->name) > 0 && rule_find(s, r->name) == (int)i);
		require(r->after < (int)s->marks && r->until < (int)s->marks);
		require(r->mark < (int)s->marks && r->nth > 0 && r->count > 0);
		require(r->delay_ns <= WIRE_TIME_MAX_NS);
		if (r->action == RULE_MARK || r->action == RULE_HOLD)
			require(r->mark >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct script script;
	struct hy_err e = { .num = 0 };
	int rc;

	script.rules = script.marks = 0;
	rc = rule_add_text(&script, (const char *)bytes, len, &e);
	if (rc < 0)
		require(script.rules == 0 && script.marks == 0 && e.num == -rc && e.text[0]);
	check_table(&script);
	use(&script);
	return 0;
}
