/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cursor.c - reads and writes little-endian bytes within bounds, failing once and for all
 *
 * Runs in: every program
 * Reads from: whatever the caller was sent (hostile)
 */
#include "common/cursor.h"

#include <errno.h>
#include <string.h>

const uint8_t *hy_rd_take(struct hy_rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

static uint64_t rd_le(struct hy_rd *r, size_t n)
{
	const uint8_t *p = hy_rd_take(r, n);
	uint64_t v = 0;

	while (p && n-- > 0)
		v = v << 8 | p[n];
	return v;
}

uint8_t hy_rd_u8(struct hy_rd *r)
{
	return (uint8_t)rd_le(r, 1);
}

uint16_t hy_rd_le16(struct hy_rd *r)
{
	return (uint16_t)rd_le(r, 2);
}

uint32_t hy_rd_le32(struct hy_rd *r)
{
	return (uint32_t)rd_le(r, 4);
}

uint64_t hy_rd_le64(struct hy_rd *r)
{
	return rd_le(r, 8);
}

uint64_t hy_rd_number(struct hy_rd *r)
{
	uint64_t n = hy_rd_le64(r);

	r->bad |= n > INT64_MAX;
	return n;
}

void hy_rd_text(struct hy_rd *r, char *out, size_t room)
{
	size_t n = hy_rd_le16(r);
	const uint8_t *p = hy_rd_take(r, n);

	out[0] = '\0';
	if (!p)
		return;
	if (n >= room || memchr(p, '\0', n)) {
		r->bad = true;
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

static uint8_t *wr_take(struct hy_wr *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->bad || n > w->left) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	w->left -= n;
	return p;
}

static void wr_le(struct hy_wr *w, uint64_t v, size_t n)
{
	uint8_t *p = wr_take(w, n);

	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

void hy_wr_bytes(struct hy_wr *w, const void *bytes, size_t n)
{
	uint8_t *p = wr_take(w, n);

	if (p && n)
		memcpy(p, bytes, n);
}

void hy_wr_u8(struct hy_wr *w, uint8_t v)
{
	wr_le(w, v, 1);
}

void hy_wr_le16(struct hy_wr *w, uint16_t v)
{
	wr_le(w, v, 2);
}

void hy_wr_le32(struct hy_wr *w, uint32_t v)
{
	wr_le(w, v, 4);
}

void hy_wr_le64(struct hy_wr *w, uint64_t v)
{
	wr_le(w, v, 8);
}

void hy_wr_text(struct hy_wr *w, const char *text)
{
	size_t n = strlen(text);

	if (n > UINT16_MAX) {
		w->bad = true;
		return;
	}
	hy_wr_le16(w, (uint16_t)n);
	hy_wr_bytes(w, text, n);
}

int hy_wr_written(const struct hy_wr *w, const uint8_t *out)
{
	return w->bad ? -EMSGSIZE : (int)(w->p - out);
}
