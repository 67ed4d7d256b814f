/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ini.h - INI files by tables: one table per kind of file reads it, writes it and is its manual
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator, which may be cut short or edited by hand
 *
 * A kind of file has one section and a table of keys, whose values land in a struct of its own at
 * the offsets the table names. Lines are "[SECTION]", "KEY = VALUE", empty, or begin with # or ;
 * as comments do. Nothing else is taken: an unknown or repeated key, a value out of range, a line
 * that is too long, a control byte. Then the values stay as they were, and the error tells file,
 * line and key.
 *
 * Splitting lines into keys and values is libinih's work. It keeps its settings in variables of its
 * own, so one thread alone may use this.
 */
#ifndef HY_INI_H
#define HY_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "common/opt.h"

struct ini_key {
	const char *name;		/* NULL ends the table */
	/*
	 * As for options, but values hold no pointers: a FLAG is "yes" or "no", a STRING an array
	 * of char, a LIST (a key that may be repeated) an array of such arrays.
	 */
	enum hy_opt_type type;
	size_t offset;
	size_t room;			/* STRING: bytes with the NUL; LIST: of each */
	unsigned int items;		/* LIST: at most so many */
	size_t n_offset;		/* LIST: where their number is, an unsigned int */
	const char *arg;		/* word for the value: "SIZE" */
	const char *help;		/* one line */
	/*
	 * Numbers: bounds, where max 0 means none. With min above 0 a value of 0 stands for a key
	 * that is not given.
	 */
	int64_t min, max;
	const char *const *choices;	/* for CHOICE, NULL-terminated */
	bool required;
	/* STRING, LIST: what else a text must be, -EINVAL with the reason; NULL: nothing */
	int (*check)(const char *text, char *why, size_t size);
	/* A form of its own, whatever @type says; an empty text stands for one not given. */
	int (*read)(const char *text, void *place, char *why, size_t size);
	void (*print)(const void *place, char *text, size_t size);
};

struct ini_table {
	const char *section;
	const struct ini_key *keys;	/* at most HY_INI_KEYS_MAX */
	size_t values_size;
	bool whole;			/* a last line without its end means: the file was cut */
	const char *head;		/* comments at the top of what is written, or NULL */
};

/**
 * ini_read() - Read the bytes of a file
 * @t:		Kind of file
 * @bytes:	As they are in the file; not believed
 * @len:	How many
 * @file:	Its name, for errors
 * @values:	Struct of the kind, with what is to hold where the file says nothing
 * @e:		Error: names file, line and key; its field is the key
 *
 * A list in the file replaces the one in @values.
 *
 * Return: 0, -EINVAL, -ENOMEM; then @values is as it was
 */
int ini_read(const struct ini_table *t, const char *bytes, size_t len, const char *file,
	     void *values, struct hy_err *e);

/**
 * ini_read_fd() - Likewise, from the beginning of a file
 * @t:		Kind of file
 * @fd:		Regular file, read to its end; stays the caller's
 * @file:	Its name, for errors
 * @values:	As for ini_read()
 * @e:		Error
 *
 * Return: 0, or -errno
 */
int ini_read_fd(const struct ini_table *t, int fd, const char *file, void *values,
		struct hy_err *e);

/**
 * ini_set() - Give one key a value
 * @t:		Kind of file
 * @key:	May be unknown
 * @text:	As it would stand in the file; added, if the key is a list
 * @values:	Struct of the kind; untouched on failure
 * @e:		Error: its field is the key
 *
 * Return: 0, -EINVAL
 */
int ini_set(const struct ini_table *t, const char *key, const char *text, void *values,
	    struct hy_err *e);

/**
 * ini_check() - Whether each value could stand in a file
 * @t:		Kind of file
 * @values:	Struct of the kind, filled by anybody
 * @e:		Error: its field is the key
 *
 * Return: 0, -EINVAL
 */
int ini_check(const struct ini_table *t, const void *values, struct hy_err *e);

/**
 * ini_text() - A value as it stands in a file
 * @k:		Key; no list
 * @values:	Struct of the kind
 * @text:	Filled; empty where the key is not given
 * @size:	Room in @text, HY_INI_LINE_MAX is enough
 */
void ini_text(const struct ini_key *k, const void *values, char *text, size_t size);

/**
 * ini_write() - Make a file's bytes
 * @t:		Kind of file
 * @values:	Struct of the kind
 * @bytes:	Filled with what ini_read() takes for the same values, and a NUL
 * @size:	Room in @bytes, HY_INI_FILE_MAX is enough
 * @e:		Error
 *
 * Return: how many, -EINVAL for what ini_check() refuses, -EMSGSIZE
 */
int ini_write(const struct ini_table *t, const void *values, char *bytes, size_t size,
	      struct hy_err *e);

#endif
