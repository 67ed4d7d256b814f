/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern.h - bytes that tell a lost, doubled, moved, mixed-up or altered byte
 *
 * Runs in: hylics-talk
 * Reads from: the other side's bytes, which are compared and nothing else
 */
#ifndef TALK_PATTERN_H
#define TALK_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_NONE UINT64_MAX		/* as a position: there is no wrong byte */

/**
 * pattern_word() - Eight bytes of a stream, or a number drawn by chance
 * @stream:	Which one
 * @index:	Position / 8
 */
uint64_t pattern_word(uint64_t stream, uint64_t index);

/**
 * pattern_fill() - The bytes of a stream
 * @out:	Filled
 * @len:	Bytes
 * @stream:	Streams with different numbers have different bytes
 * @pos:	Position of @out[0] in the stream
 */
void pattern_fill(uint8_t *out, size_t len, uint64_t stream, uint64_t pos);

/**
 * pattern_diff() - Compare with what was to come
 * @got:	What came
 * @want:	What was to come
 * @len:	Bytes
 * @pos:	Position of @got[0]
 * @first:	Set to the first wrong position, unless it already names one
 *
 * Return: how many bytes differ
 */
size_t pattern_diff(const uint8_t *got, const uint8_t *want, size_t len, uint64_t pos,
		    uint64_t *first);

/**
 * pattern_check() - Compare with a stream
 * @got:	What came
 * @len:	Bytes
 * @stream:	As for pattern_fill()
 * @pos:	As for pattern_fill()
 * @first:	As for pattern_diff()
 *
 * Return: how many bytes differ
 */
size_t pattern_check(const uint8_t *got, size_t len, uint64_t stream, uint64_t pos,
		     uint64_t *first);

#endif
