/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule.c - the script's language: one rule per line, parsed strictly into a bounded table
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 *
 * DOC: The grammar
 *
 *	line   = [ [ "rule" NAME ] [ "after" "mark" NAME ] [ "until" "mark" NAME ] ":" ] action key*
 *	action = "drop" | "delay" TIME | "dup" | "corrupt" | "hold" "until" "mark" NAME
 *	       | "reset" | "mark" NAME
 *	key    = WORD "=" VALUE
 *
 * README.md says what the keys mean. A rule is parsed into a copy, and marks it names for the
 * first time are forgotten again if it turns out to be wrong.
 */
#include "lab/wire/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab/wire/value.h"
#include "lab/wire/words.h"

#define PORT_MAX 65535

/* A line being read. */
struct reader {
	struct words words;
	unsigned int at;
	struct script *script;
	struct rule *rule;
	struct hy_err *e;
};

static const char *peek(const struct reader *r)
{
	return r->at < r->words.n ? r->words.word[r->at] : "";
}

static bool take_word(struct reader *r, const char *word)
{
	if (strcmp(peek(r), word) != 0)
		return false;
	r->at++;
	return true;
}

static int wrong(struct reader *r, const char *want)
{
	if (r->at < r->words.n)
		return hy_err_set(r->e, EINVAL, "'%s': want %s", peek(r), want);
	return hy_err_set(r->e, EINVAL, "line ends: want %s", want);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyz"

static bool name_ok(const char *name)
{
	size_t n = strspn(name, LETTERS "0123456789-_");

	return strspn(name, LETTERS) > 0 && n <= WIRE_NAME_MAX && n == strlen(name);
}

static int take_name(struct reader *r, char out[WIRE_NAME_MAX + 1])
{
	if (!name_ok(peek(r)))
		return wrong(r, "a name: a letter, then at most 30 of a-z, 0-9, '-' and '_'");
	memcpy(out, peek(r), strlen(peek(r)) + 1);
	r->at++;
	return 0;
}

int rule_mark_find(struct script *s, const char *name, int *mark, struct hy_err *e)
{
	if (!name_ok(name))
		return hy_err_set(e, EINVAL, "mark '%s': not a name", name);
	for (unsigned int i = 0; i < s->marks; i++) {
		if (strcmp(s->mark[i].name, name) == 0) {
			*mark = (int)i;
			return 0;
		}
	}
	if (s->marks == WIRE_MARKS_MAX)
		return hy_err_set(e, ENOSPC, "mark '%s': more than %d marks", name,
				  WIRE_MARKS_MAX);
	s->mark[s->marks] = (struct rule_mark){ .raised = 0 };
	memcpy(s->mark[s->marks].name, name, strlen(name) + 1);
	*mark = (int)s->marks++;
	return 0;
}

static int take_mark(struct reader *r, int *mark)
{
	char name[WIRE_NAME_MAX + 1];
	int rc = take_name(r, name);

	return rc < 0 ? rc : rule_mark_find(r->script, name, mark, r->e);
}

static int take_phrase(struct reader *r, const char *word, int *mark)
{
	if (!take_word(r, word))
		return 0;
	if (!take_word(r, "mark"))
		return wrong(r, "'mark'");
	return take_mark(r, mark);
}

int rule_find(const struct script *s, const char *name)
{
	for (unsigned int i = 0; i < s->rules; i++) {
		if (strcmp(s->rule[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

/* What stands before the colon, if there is one. */
static int take_head(struct reader *r)
{
	struct rule *rule = r->rule;
	unsigned int start = r->at;
	int rc = 0;

	if (take_word(r, "rule"))
		rc = take_name(r, rule->name);
	if (rc == 0)
		rc = take_phrase(r, "after", &rule->after);
	if (rc == 0)
		rc = take_phrase(r, "until", &rule->until);
	if (rc < 0 || r->at == start)
		return rc;
	if (!take_word(r, ":"))
		return wrong(r, "':' before the action");
	if (rule->after != RULE_NO_MARK && rule->after == rule->until)
		return hy_err_set(r->e, EINVAL, "the mark that opens the rule also closes it");
	return 0;
}

static int take_delay(struct reader *r)
{
	if (value_time(peek(r), &r->rule->delay_ns) < 0)
		return wrong(r, "a time of at most 60s, such as 20ms");
	r->at++;
	return 0;
}

static int take_hold(struct reader *r)
{
	if (strcmp(peek(r), "until") != 0)
		return wrong(r, "'until mark NAME'");
	return take_phrase(r, "until", &r->rule->mark);
}

static int take_raise(struct reader *r)
{
	return take_mark(r, &r->rule->mark);
}

static const struct {
	const char *word;
	int (*operand)(struct reader *r);
} actions[] = {
	[RULE_DROP] = { "drop", NULL },
	[RULE_DELAY] = { "delay", take_delay },
	[RULE_DUP] = { "dup", NULL },
	[RULE_CORRUPT] = { "corrupt", NULL },
	[RULE_HOLD] = { "hold", take_hold },
	[RULE_RESET] = { "reset", NULL },
	[RULE_MARK] = { "mark", take_raise },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

const char *rule_action_name(enum rule_action action)
{
	return actions[action].word;
}

static int take_action(struct reader *r)
{
	for (unsigned int i = 0; i < N_ACTIONS; i++) {
		if (take_word(r, actions[i].word)) {
			r->rule->action = i;
			return actions[i].operand ? actions[i].operand(r) : 0;
		}
	}
	return wrong(r, "an action: drop, delay, dup, corrupt, hold, reset or mark");
}

/* One word of a closed list, and the number it stands for. */
struct choice {
	const char *word;
	int number;
};

static const struct choice directions[] = { { "a", 0 }, { "b", 1 }, { NULL, 0 } };

static const struct choice protos[] = {
	{ "tcp", RULE_TCP }, { "udp", RULE_UDP }, { "icmp", RULE_ICMP }, { "arp", RULE_ARP },
	{ "fragment", RULE_FRAGMENT }, { "other", RULE_OTHER }, { NULL, 0 },
};

static const struct choice tcp_kinds[] = {
	{ "syn", RULE_TCP_SYN }, { "synack", RULE_TCP_SYNACK }, { "fin", RULE_TCP_FIN },
	{ "rst", RULE_TCP_RST }, { "psh", RULE_TCP_PSH }, { "ack", RULE_TCP_PURE_ACK },
	{ "data", RULE_TCP_DATA }, { "again", RULE_TCP_AGAIN }, { NULL, 0 },
};

static int parse_choice(const struct choice *c, const char *text, int *number)
{
	for (; c->word; c++) {
		if (strcmp(c->word, text) == 0) {
			*number = c->number;
			return 0;
		}
	}
	return -EINVAL;
}

static int key_dir(struct rule *rule, const char *text)
{
	return parse_choice(directions, text, &rule->direction);
}

static int key_proto(struct rule *rule, const char *text)
{
	int number, rc = parse_choice(protos, text, &number);

	if (rc == 0)
		rule->proto = (enum rule_proto)number;
	return rc;
}

static int key_tcp(struct rule *rule, const char *text)
{
	int number, rc = parse_choice(tcp_kinds, text, &number);

	if (rc == 0)
		rule->tcp |= (unsigned int)number;
	return rc;
}

static int key_nth(struct rule *rule, const char *text)
{
	int rc = value_count(text, UINT32_MAX, &rule->nth);

	return rc == 0 && rule->nth == 0 ? -ERANGE : rc;
}

static int key_count(struct rule *rule, const char *text)
{
	int rc = value_count(text, UINT32_MAX, &rule->count);

	return rc == 0 && rule->count == 0 ? -ERANGE : rc;
}

/* "5", "5-9" or "5-": the last has no upper end. */
static int parse_bounds(struct rule_bounds *b, const char *text)
{
	const char *dash = strchr(text, '-');
	char low_text[WIRE_LINE_MAX + 1];
	uint64_t low = 0, high;
	int rc;

	snprintf(low_text, sizeof(low_text), "%.*s",
		 dash ? (int)(dash - text) : WIRE_LINE_MAX, text);
	rc = value_count(low_text, PORT_MAX, &low);
	high = low;
	if (rc == 0 && dash && dash[1])
		rc = value_count(dash + 1, PORT_MAX, &high);
	else if (dash)
		high = PORT_MAX;
	if (rc == 0 && low > high)
		rc = -ERANGE;
	if (rc == 0)
		*b = (struct rule_bounds){ .asked = true, .low = (uint32_t)low,
					   .high = (uint32_t)high };
	return rc;
}

static const struct {
	const char *word;
	int (*parse)(struct rule *rule, const char *text);	/* NULL: a range */
	enum rule_range range;
	bool repeats;
	const char *want;
} keys[] = {
	{ "dir", key_dir, 0, false, "a or b" },
	{ "proto", key_proto, 0, false, "tcp, udp, icmp, arp, fragment or other" },
	{ "tcp", key_tcp, 0, true, "syn, synack, fin, rst, psh, ack, data or again" },
	{ "nth", key_nth, 0, false, "a number from 1" },
	{ "count", key_count, 0, false, "a number from 1" },
	{ "len", NULL, RULE_LEN, false, "N, N-M or N-, at most 65535" },
	{ "win", NULL, RULE_WIN, false, "N, N-M or N-, at most 65535" },
	{ "sport", NULL, RULE_SPORT, false, "N, N-M or N-, at most 65535" },
	{ "dport", NULL, RULE_DPORT, false, "N, N-M or N-, at most 65535" },
	{ "port", NULL, RULE_PORT, false, "N, N-M or N-, at most 65535" },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static int parse_key(struct reader *r, unsigned int k, const char *text)
{
	int rc = keys[k].parse ? keys[k].parse(r->rule, text)
			       : parse_bounds(&r->rule->range[keys[k].range], text);

	if (rc < 0)
		return hy_err_set(r->e, -rc, "'%s': want %s", peek(r), keys[k].want);
	r->at++;
	return 0;
}

static int take_key(struct reader *r, unsigned int *seen)
{
	const char *equals = strchr(peek(r), '=');
	size_t len = equals ? (size_t)(equals - peek(r)) : 0;

	for (unsigned int k = 0; equals && k < N_KEYS; k++) {
		if (strlen(keys[k].word) != len || strncmp(keys[k].word, peek(r), len) != 0)
			continue;
		if (*seen & 1u << k && !keys[k].repeats)
			return hy_err_set(r->e, EINVAL, "'%s': given twice", peek(r));
		*seen |= 1u << k;
		return parse_key(r, k, equals + 1);
	}
	return wrong(r, "KEY=VALUE with dir, proto, tcp, len, win, sport, dport, port, nth, count");
}

static bool asks_ports(const struct rule *rule)
{
	return rule->range[RULE_SPORT].asked || rule->range[RULE_DPORT].asked ||
	       rule->range[RULE_PORT].asked;
}

/* A rule that can never match is a mistake of whoever wrote it. */
static int check_sense(struct reader *r)
{
	struct rule *rule = r->rule;
	bool needs_tcp = rule->tcp || rule->range[RULE_WIN].asked || rule->action == RULE_RESET;

	if (needs_tcp && rule->proto == RULE_ANY_PROTO)
		rule->proto = RULE_TCP;
	if (needs_tcp && rule->proto != RULE_TCP)
		return hy_err_set(r->e, EINVAL, "tcp=, win= and reset are for proto=tcp");
	if (asks_ports(rule) && rule->proto > RULE_UDP)
		return hy_err_set(r->e, EINVAL, "ports are for proto=tcp and proto=udp");
	if (rule->tcp & RULE_TCP_PURE_ACK && rule->tcp & ~(unsigned int)RULE_TCP_PURE_ACK)
		return hy_err_set(r->e, EINVAL, "tcp=ack is an ACK with nothing else in it");
	return 0;
}

static int take_rule(struct reader *r)
{
	unsigned int seen = 0;
	int rc = take_head(r);

	if (rc == 0)
		rc = take_action(r);
	while (rc == 0 && r->at < r->words.n)
		rc = take_key(r, &seen);
	if (rc == 0)
		rc = check_sense(r);
	if (rc < 0)
		return rc;
	if (!r->rule->nth)
		r->rule->nth = 1;
	else if (!r->rule->count)
		r->rule->count = 1;
	if (!r->rule->count)
		r->rule->count = RULE_FOREVER;
	return 0;
}

static int append(struct script *s, const struct rule *rule, struct hy_err *e)
{
	if (rule_find(s, rule->name) >= 0)
		return hy_err_set(e, EINVAL, "another rule is called '%s'", rule->name);
	if (s->rules == WIRE_RULES_MAX)
		return hy_err_set(e, ENOSPC, "more than %d rules", WIRE_RULES_MAX);
	s->state[s->rules] = (struct rule_state){ .open = rule->after == RULE_NO_MARK };
	s->rule[s->rules++] = *rule;
	return 0;
}

int rule_add(struct script *s, unsigned int line, const char *text, struct hy_err *e)
{
	struct rule rule = { .line = line, .mark = RULE_NO_MARK, .after = RULE_NO_MARK,
			     .until = RULE_NO_MARK, .direction = RULE_BOTH_DIRECTIONS };
	struct reader r = { .script = s, .rule = &rule, .e = e };
	unsigned int marks = s->marks;
	int rc = words_split(&r.words, text, e);

	if (rc == 0 && r.words.n == 0)
		return 0;
	/* Names given begin with a letter, so this one is free. */
	snprintf(rule.name, sizeof(rule.name), "%u", s->rules + 1);
	if (rc == 0)
		rc = take_rule(&r);
	if (rc == 0)
		rc = append(s, &rule, e);
	if (rc == 0)
		return 0;
	s->marks = marks;
	return hy_err_add(e, "rule line %u", line);
}

static int add_line(struct script *s, unsigned int line, const char *text, size_t len,
		    struct hy_err *e)
{
	char copy[WIRE_LINE_MAX + 1];

	if (len > WIRE_LINE_MAX)
		return hy_err_set(e, E2BIG, "rule line %u: longer than %d bytes", line,
				  WIRE_LINE_MAX);
	if (memchr(text, '\0', len))
		return hy_err_set(e, EINVAL, "rule line %u: a NUL byte", line);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return rule_add(s, line, copy, e);
}

int rule_add_text(struct script *s, const char *text, size_t len, struct hy_err *e)
{
	unsigned int rules = s->rules, marks = s->marks, line = 1;
	const char *end;
	size_t n;
	int rc;

	if (len > WIRE_SCRIPT_BYTES_MAX)
		return hy_err_set(e, E2BIG, "script of %zu bytes, at most %d can be", len,
				  WIRE_SCRIPT_BYTES_MAX);
	for (; len > 0; line++) {
		end = memchr(text, '\n', len);
		n = end ? (size_t)(end - text) : len;
		rc = add_line(s, line, text, n, e);
		if (rc < 0) {
			s->rules = rules;
			s->marks = marks;
			return rc;
		}
		text += n + (end ? 1 : 0);
		len -= n + (end ? 1 : 0);
	}
	return 0;
}
