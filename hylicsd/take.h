/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * take.h - members of a JSON object into a struct, by a table
 *
 * Runs in: hylicsd
 * Reads from: clients of the API; the object comes from body_parse()
 *
 * The tables do for requests what those of common/opt.h do for command lines: they name, check and
 * document what is taken. A member that is in no table is refused by its name.
 */
#ifndef TAKE_H
#define TAKE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define TAKE_LIST_MAX 16
#define TAKE_MEMBERS_MAX 64	/* of one table: "given" has a bit for each */

enum take_type {
	TAKE_STRING,	/* const char *, points into the object; min..max bytes */
	TAKE_SIZE,	/* uint64_t bytes: 67108864 or "64M"; min..max */
	TAKE_BOOL,	/* bool */
	TAKE_LIST,	/* struct take_list of texts; min..max of them */
};

struct take_list {
	unsigned int n;
	const char *item[TAKE_LIST_MAX];	/* point into the object */
};

struct take_member {
	const char *name;	/* NULL ends the table */
	enum take_type type;
	size_t offset;		/* into the caller's struct */
	uint64_t min, max;	/* max 0: no bound */
	bool required;
};

/**
 * take_object() - Take all members of an object
 * @json:	An object; must live as long as the texts in @values are used
 * @table:	What may be there
 * @values:	Changed where a member is given; on failure partly
 * @given:	Set on success, may be NULL: bit N is set if member N of the table was given
 * @e:		Error, a wrong use, with the member as its field
 *
 * Return: 0, -EINVAL
 */
int take_object(const json_t *json, const struct take_member *table, void *values,
		uint64_t *given, struct hy_err *e);

/**
 * take_type_text() - "string", "size", ...
 * @type:	Any
 *
 * Return: a literal
 */
const char *take_type_text(enum take_type type);

#endif
