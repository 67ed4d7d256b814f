/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.c - a string as JSON writes it, for programs that link no JSON library
 *
 * Runs in: every program
 * Reads from: any text; bytes that are not UTF-8 are replaced
 */
#include "common/json.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Which first bytes start a sequence of several, and the smallest code point it may carry. */
static const struct {
	unsigned char mask, lead;
	unsigned int len;
	uint32_t least;
} shapes[] = {
	{ 0xe0, 0xc0, 2, 0x80 },
	{ 0xf0, 0xe0, 3, 0x800 },
	{ 0xf8, 0xf0, 4, 0x10000 },
};

static bool code_point_valid(uint32_t point, uint32_t least)
{
	return point >= least && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
}

/* Returns the length of the UTF-8 sequence at @s, 0 if there is none. */
static unsigned int utf8_len(const unsigned char *s)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		uint32_t point = s[0] & (unsigned char)~shapes[i].mask;

		if ((s[0] & shapes[i].mask) != shapes[i].lead)
			continue;
		for (unsigned int k = 1; k < shapes[i].len; k++) {
			if ((s[k] & 0xc0) != 0x80)	/* stops at the final zero too */
				return 0;
			point = point << 6 | (s[k] & 0x3f);
		}
		return code_point_valid(point, shapes[i].least) ? shapes[i].len : 0;
	}
	return 0;
}

static void put_ascii(FILE *f, unsigned char c)
{
	static const char named[] = "\"\\\b\f\n\r\t";
	static const char letter[] = "\"\\bfnrt";
	const char *at = strchr(named, c);

	if (at)
		fprintf(f, "\\%c", letter[at - named]);
	else if (c < 0x20 || c == 0x7f)
		fprintf(f, "\\u%04x", c);
	else
		fputc(c, f);
}

bool hy_json_lossless(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		unsigned int len = *s < 0x80 ? 1 : utf8_len(s);

		if (!len)
			return false;
		s += len;
	}
	return true;
}

void hy_json_mend(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s) {
		unsigned int len = *s < 0x80 ? 1 : utf8_len(s);

		if (!len)
			*s = '?';
		s += len ? len : 1;
	}
}

void hy_json_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', f);
	while (*s) {
		unsigned int len = utf8_len(s);

		if (*s < 0x80) {
			put_ascii(f, *s++);
		} else if (len) {
			fwrite(s, 1, len, f);
			s += len;
		} else {
			fputs("\\ufffd", f);
			s++;
		}
	}
	fputc('"', f);
}
