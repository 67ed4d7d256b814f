/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern.c - bytes that tell a lost, doubled, moved, mixed-up or altered byte
 *
 * Runs in: hylics-talk
 * Reads from: the other side's bytes, which are compared and nothing else
 */
#include "lab/talk/pattern.h"

#include <endian.h>
#include <string.h>

#define WORD sizeof(uint64_t)
#define CHECK_BYTES 4096

/* The output function of splitmix64: every bit of the result depends on every bit of its input. */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

uint64_t pattern_word(uint64_t stream, uint64_t index)
{
	return mix(mix(stream + 1) + index * 0x9e3779b97f4a7c15ull);
}

void pattern_fill(uint8_t *out, size_t len, uint64_t stream, uint64_t pos)
{
	while (len) {
		uint64_t word = htole64(pattern_word(stream, pos / WORD));
		size_t skip = pos % WORD;
		size_t n = len < WORD - skip ? len : WORD - skip;

		memcpy(out, (const uint8_t *)&word + skip, n);
		out += n;
		pos += n;
		len -= n;
	}
}

size_t pattern_diff(const uint8_t *got, const uint8_t *want, size_t len, uint64_t pos,
		    uint64_t *first)
{
	size_t wrong = 0;

	if (memcmp(got, want, len) == 0)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (got[i] == want[i])
			continue;
		wrong++;
		if (*first == PATTERN_NONE)
			*first = pos + i;
	}
	return wrong;
}

size_t pattern_check(const uint8_t *got, size_t len, uint64_t stream, uint64_t pos,
		     uint64_t *first)
{
	uint8_t want[CHECK_BYTES];
	size_t wrong = 0;

	while (len) {
		size_t n = len < sizeof(want) ? len : sizeof(want);

		pattern_fill(want, n, stream, pos);
		wrong += pattern_diff(got, want, n, pos, first);
		got += n;
		pos += n;
		len -= n;
	}
	return wrong;
}
