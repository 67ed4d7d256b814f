/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_head.c - what comes before the body of an answer, and the pieces a stream comes in
 *
 * Runs in: hylics
 * Reads from: hylicsd, or whatever listens at its socket
 */
#include "cli/api_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/limits.h"

#define STATUS_LINE_MIN 12	/* "HTTP/1.1 200" */
#define CHUNK_DIGITS_MAX 6	/* hexadecimal: 16 MB, which no chunk of ours has */

static int refuse(struct hy_err *e, const char *what)
{
	return hy_err_set(e, EPROTO, "what answers is not hylicsd: %s", what);
}

/* Where the empty line ends; 0 if it has not come. */
static size_t head_len(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int take_status(const char *line, size_t len, struct api_head *h, struct hy_err *e)
{
	if (len < STATUS_LINE_MIN || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) ||
	    line[8] != ' ' || (len > STATUS_LINE_MIN && line[STATUS_LINE_MIN] != ' '))
		return refuse(e, "no status line");
	for (unsigned int i = 9; i < STATUS_LINE_MIN; i++) {
		if (!is_digit(line[i]))
			return refuse(e, "no status line");
		h->status = h->status * 10 + (unsigned int)(line[i] - '0');
	}
	return h->status >= 200 && h->status <= 599 ? 0 : refuse(e, "no such status");
}

static int take_length(const char *text, size_t len, struct api_head *h, struct hy_err *e)
{
	h->body = 0;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return refuse(e, "no length");
		h->body = h->body * 10 + (size_t)(text[i] - '0');
		if (h->body > HY_API_BODY_MAX)
			return hy_err_set(e, EPROTO, "the answer has more than %u bytes",
					  HY_API_BODY_MAX);
	}
	return len ? 0 : refuse(e, "no length");
}

/* The value of a header, without the spaces around it, if it has that name. */
static bool is_header(const char *line, size_t len, const char *name, const char **value,
		      size_t *value_len)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	len -= n + 1;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	*value = line;
	*value_len = len;
	return true;
}

static int take_header(const char *line, size_t len, struct api_head *h, bool *sized,
		       struct hy_err *e)
{
	const char *value;
	size_t n;

	if (is_header(line, len, "Transfer-Encoding", &value, &n)) {
		if (n != 7 || strncasecmp(value, "chunked", n) != 0)
			return refuse(e, "no such encoding");
		h->chunked = true;
	} else if (is_header(line, len, "Content-Length", &value, &n)) {
		if (*sized)
			return refuse(e, "two lengths");
		*sized = true;
		return take_length(value, n, h, e);
	}
	return 0;
}

static int take_lines(const char *bytes, struct api_head *h, struct hy_err *e)
{
	size_t at = 0;
	bool sized = false;
	int rc = 0;

	while (rc == 0 && at < h->len) {
		const char *line = bytes + at;
		const char *end = memmem(line, h->len - at, "\r\n", 2);
		size_t len = end ? (size_t)(end - line) : 0;

		if (memchr(line, '\0', len))
			return refuse(e, "a NUL in its headers");
		if (at == 0)
			rc = take_status(line, len, h, e);
		else
			rc = take_header(line, len, h, &sized, e);
		at += len + 2;
	}
	if (rc == 0 && (sized ? h->chunked : !h->chunked && h->status != 204))
		return refuse(e, "it is not clear where the answer ends");
	return rc;
}

int api_head_parse(const char *bytes, size_t len, struct api_head *h, struct hy_err *e)
{
	struct api_head made = {
		.len = head_len(bytes, len < HY_API_HEAD_MAX ? len : HY_API_HEAD_MAX),
	};
	int rc;

	if (!made.len)
		return len < HY_API_HEAD_MAX ? -EAGAIN : refuse(e, "headers without end");
	rc = take_lines(bytes, &made, e);
	if (rc == 0)
		*h = made;
	return rc;
}

/* -- chunks: SIZE CR LF bytes CR LF ... 0 CR LF CR LF; no extensions, no trailers -- */

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static int take_size_byte(struct api_chunks *c, char byte, struct hy_err *e)
{
	int value = hex_value(byte);

	if (value >= 0 && !c->line && c->digits < CHUNK_DIGITS_MAX) {
		c->left = c->left * 16 + (size_t)value;
		c->digits++;
		return 0;
	}
	if (!c->digits || byte != "\r\n"[c->line])
		return refuse(e, "no chunk");
	if (++c->line < 2)
		return 0;
	c->state = c->left ? API_CHUNK_DATA : API_CHUNK_LAST;
	c->line = c->digits = 0;
	return 0;
}

/* The line that ends a chunk's bytes, or the body. */
static int take_end_byte(struct api_chunks *c, char byte, struct hy_err *e)
{
	if (c->line >= 2 || byte != "\r\n"[c->line])
		return refuse(e, "no chunk");
	if (++c->line == 2 && c->state == API_CHUNK_END) {
		c->state = API_CHUNK_SIZE;
		c->line = 0;
	}
	return 0;
}

int api_chunks_take(struct api_chunks *c, char *bytes, size_t *len, struct hy_err *e)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < *len;) {
		size_t n = *len - at;

		if (c->state == API_CHUNK_SIZE) {
			rc = take_size_byte(c, bytes[at++], e);
		} else if (c->state != API_CHUNK_DATA) {
			rc = take_end_byte(c, bytes[at++], e);
		} else {
			if (n > c->left)
				n = c->left;
			memmove(bytes + kept, bytes + at, n);
			kept += n;
			at += n;
			c->left -= n;
			if (!c->left)
				c->state = API_CHUNK_END;
		}
	}
	*len = kept;
	if (rc < 0)
		return rc;
	return c->state == API_CHUNK_LAST && c->line == 2;
}
