/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cursor.h - reads and writes little-endian bytes within bounds, failing once and for all
 *
 * Runs in: every program
 * Reads from: whatever the caller was sent (hostile); the bytes must be a private copy
 *
 * A cursor that would pass its end sets bad and stays there: every later read gives 0 or NULL, so
 * a parser reads all its fields and checks once, r.bad || r.left, at the end.
 */
#ifndef HY_CURSOR_H
#define HY_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hy_rd {
	const uint8_t *p;
	size_t left;
	bool bad;
};

struct hy_wr {
	uint8_t *p;
	size_t left;
	bool bad;
};

/**
 * hy_rd_take() - Take @n bytes
 * @r:	Cursor
 * @n:	May come from the peer
 *
 * Return: the first of them, NULL (and bad set) if fewer are left
 */
const uint8_t *hy_rd_take(struct hy_rd *r, size_t n);

/**
 * hy_rd_u8() - Take a number; likewise hy_rd_le16(), hy_rd_le32(), hy_rd_le64()
 * @r:	Cursor
 *
 * Return: the number, 0 if the cursor is or goes bad
 */
uint8_t hy_rd_u8(struct hy_rd *r);
uint16_t hy_rd_le16(struct hy_rd *r);
uint32_t hy_rd_le32(struct hy_rd *r);
uint64_t hy_rd_le64(struct hy_rd *r);

/* The same as hy_rd_le64(), for whoever shows it or counts on: 2^63 and more makes it bad. */
uint64_t hy_rd_number(struct hy_rd *r);

/**
 * hy_rd_text() - Take a text: a 16-bit length, then that many bytes
 * @r:		Cursor
 * @out:	Gets the text and a NUL; empty if the cursor is or goes bad
 * @room:	Size of @out; a longer text, or one with a NUL inside, makes the cursor bad
 */
void hy_rd_text(struct hy_rd *r, char *out, size_t room);

/**
 * hy_wr_bytes() - Write bytes as they are
 * @w:		Cursor; goes bad if they do not fit
 * @bytes:	May be NULL if @n is 0
 * @n:		How many
 */
void hy_wr_bytes(struct hy_wr *w, const void *bytes, size_t n);

/**
 * hy_wr_u8() - Write a number; likewise hy_wr_le16(), hy_wr_le32(), hy_wr_le64()
 * @w:	Cursor; goes bad if it does not fit
 * @v:	Number
 */
void hy_wr_u8(struct hy_wr *w, uint8_t v);
void hy_wr_le16(struct hy_wr *w, uint16_t v);
void hy_wr_le32(struct hy_wr *w, uint32_t v);
void hy_wr_le64(struct hy_wr *w, uint64_t v);

/**
 * hy_wr_text() - Write a text: a 16-bit length, then its bytes
 * @w:		Cursor; goes bad if it does not fit
 * @text:	At most 65535 bytes
 */
void hy_wr_text(struct hy_wr *w, const char *text);

/**
 * hy_wr_written() - How an encoder ends
 * @w:		Cursor
 * @out:	Where it began
 *
 * Return: bytes written, -EMSGSIZE
 */
int hy_wr_written(const struct hy_wr *w, const uint8_t *out);

#endif
