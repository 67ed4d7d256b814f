/* SPDX-License-Identifier: GPL-2.0-or-later */
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

uint8_t hy_rd_u8(struct hy_rd *r);
uint16_t hy_rd_le16(struct hy_rd *r);
uint32_t hy_rd_le32(struct hy_rd *r);
uint64_t hy_rd_le64(struct hy_rd *r);

/**
 * hy_rd_text() - Take a text: a 16-bit length, then that many bytes
 * @r:		Cursor
 * @out:	Gets the text and a NUL; empty if the cursor is or goes bad
 * @room:	Size of @out; a longer text, or one with a NUL inside, makes the cursor bad
 */
void hy_rd_text(struct hy_rd *r, char *out, size_t room);

void hy_wr_bytes(struct hy_wr *w, const void *bytes, size_t n);
void hy_wr_u8(struct hy_wr *w, uint8_t v);
void hy_wr_le16(struct hy_wr *w, uint16_t v);
void hy_wr_le32(struct hy_wr *w, uint32_t v);
void hy_wr_le64(struct hy_wr *w, uint64_t v);
void hy_wr_text(struct hy_wr *w, const char *text);	/* at most 65535 bytes */

#endif
