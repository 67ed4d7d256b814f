/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule.h - the script's language: one rule per line, parsed strictly into a bounded table
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 */
#ifndef WIRE_RULE_H
#define WIRE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "lab/wire/frame.h"
#include "lab/wire/wire_limits.h"

#define RULE_NO_MARK (-1)
#define RULE_BOTH_DIRECTIONS (-1)
#define RULE_FOREVER UINT64_MAX

enum rule_action {
	RULE_DROP,
	RULE_DELAY,
	RULE_DUP,
	RULE_CORRUPT,
	RULE_HOLD,
	RULE_RESET,
	RULE_MARK,
};

enum rule_proto {
	RULE_ANY_PROTO,
	RULE_TCP,
	RULE_UDP,
	RULE_ICMP,
	RULE_ARP,
	RULE_FRAGMENT,
	RULE_OTHER,
};

/* What a rule may ask of a TCP segment; bits, all asked for must hold. */
enum rule_tcp {
	RULE_TCP_SYN = 1 << 0,
	RULE_TCP_SYNACK = 1 << 1,
	RULE_TCP_FIN = 1 << 2,
	RULE_TCP_RST = 1 << 3,
	RULE_TCP_PSH = 1 << 4,
	RULE_TCP_PURE_ACK = 1 << 5,
	RULE_TCP_DATA = 1 << 6,
	RULE_TCP_AGAIN = 1 << 7,	/* a retransmission */
};

/* The ranges a rule may ask for; a frame must have the value and it must lie within. */
enum rule_range {
	RULE_LEN,
	RULE_WIN,
	RULE_SPORT,
	RULE_DPORT,
	RULE_PORT,		/* either of the two */
	RULE_RANGES,
};

struct rule_bounds {
	bool asked;
	uint32_t low, high;
};

struct rule {
	char name[WIRE_NAME_MAX + 1];	/* its place in the table from 1, unless given */
	unsigned int line;
	enum rule_action action;
	uint64_t delay_ns;		/* RULE_DELAY */
	int mark;			/* RULE_HOLD, RULE_MARK: index of the mark */
	int after, until;		/* marks that open and close the rule, or RULE_NO_MARK */
	int direction;			/* 0, 1 or RULE_BOTH_DIRECTIONS */
	enum rule_proto proto;
	unsigned int tcp;		/* bits of enum rule_tcp */
	struct rule_bounds range[RULE_RANGES];
	uint64_t nth;			/* first match that counts, from 1 */
	uint64_t count;			/* how often it fires each time it is open */
};

/* What has happened to a rule so far. */
struct rule_state {
	bool open;
	uint64_t matched;		/* since it was opened */
	uint64_t fired_open;		/* since it was opened */
	uint64_t fired;			/* in all */
};

struct rule_mark {
	char name[WIRE_NAME_MAX + 1];
	uint64_t raised;
};

struct script {
	unsigned int rules;
	unsigned int marks;
	struct rule rule[WIRE_RULES_MAX];
	struct rule_state state[WIRE_RULES_MAX];
	struct rule_mark mark[WIRE_MARKS_MAX];
};

/**
 * rule_add() - Parse one line and append the rule in it
 * @s:		Untouched on failure
 * @line:	Its number, for messages
 * @text:	The line without its end; an empty one or a comment adds nothing
 * @e:		Error, names line and word
 *
 * Return: 0, -EINVAL, -ERANGE, -ENOSPC
 */
int rule_add(struct script *s, unsigned int line, const char *text, struct hy_err *e);

/**
 * rule_add_text() - Parse a script of many lines
 * @s:		Untouched on failure
 * @text:	The lines; need not end in NUL
 * @len:	Their length
 * @e:		Error, names line and word
 *
 * Return: 0, -EINVAL, -ERANGE, -ENOSPC, -E2BIG
 */
int rule_add_text(struct script *s, const char *text, size_t len, struct hy_err *e);

/**
 * rule_mark_find() - The index of a mark, made if it is new
 * @s:		Script
 * @name:	Checked here
 * @mark:	Set on success
 * @e:		Error
 *
 * Return: 0, -EINVAL for a name that may not be, -ENOSPC
 */
int rule_mark_find(struct script *s, const char *name, int *mark, struct hy_err *e);

/* The index of the rule with this name, -ENOENT. */
int rule_find(const struct script *s, const char *name);

/* "drop", "delay", ... */
const char *rule_action_name(enum rule_action action);

#endif
