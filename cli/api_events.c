/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_events.c - reads hylicsd's stream of events
 *
 * Runs in: hylics
 * Reads from: hylicsd, or whatever listens at its socket
 */
#include <errno.h>
#include <string.h>

#include "cli/api_parts.h"
#include "common/clock.h"
#include "common/own.h"

static int refused(unsigned int status, struct hy_err *e)
{
	return hy_err_set(e, status == 403 ? EACCES : status == 409 ? EBUSY : EPROTO,
			  "hylicsd gives no events (status %u)", status);
}

int api_events_open(struct api_events *s, const char *run_dir, struct hy_err *e)
{
	uint64_t deadline = hy_clock_ms() + HY_API_WAIT_MS;
	hy_autofd fd = api_ask(run_dir, "GET", "/v1/events", NULL, deadline, e);
	struct api_head h;
	size_t len;
	int rc;

	if (fd < 0)
		return fd;
	rc = api_read_head(fd, deadline, s->text, sizeof(s->text), &len, &h, e);
	if (rc == 0 && (h.status != 200 || !h.chunked))
		rc = refused(h.status, e);
	if (rc < 0)
		return rc;
	s->len = len - h.len;
	memmove(s->text, s->text + h.len, s->len);
	s->chunks = (struct api_chunks){ .left = 0 };
	rc = api_chunks_take(&s->chunks, s->text, &s->len, e);
	if (rc < 0)
		return rc;
	s->fd = hy_fd_steal(&fd);
	return 0;
}

void api_events_close(struct api_events *s)
{
	hy_fd_close(&s->fd);
}

static int take_id(const char *text, size_t len, uint64_t *id)
{
	*id = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || *id > UINT64_MAX / 10 - 1)
			return -EPROTO;
		*id = *id * 10 + (uint64_t)(text[i] - '0');
	}
	return len ? 0 : -EPROTO;
}

/* One line, without its newline; a field of no name of ours is passed over. */
static int take_line(const char *line, size_t len, struct api_event *event)
{
	if (len >= 4 && memcmp(line, "id: ", 4) == 0)
		return take_id(line + 4, len - 4, &event->id);
	if (len >= 7 && memcmp(line, "event: ", 7) == 0) {
		if (len - 7 >= sizeof(event->type) || memchr(line, '\0', len))
			return -EPROTO;
		memcpy(event->type, line + 7, len - 7);
		event->type[len - 7] = '\0';
	} else if (len >= 6 && memcmp(line, "data: ", 6) == 0) {
		if (event->data)
			return -EPROTO;
		event->data = json_loadb(line + 6, len - 6, JSON_REJECT_DUPLICATES, NULL);
		if (!event->data)
			return -EPROTO;
	}
	return 0;
}

int api_event_parse(const char *text, size_t len, struct api_event *event, struct hy_err *e)
{
	struct api_event made = { .id = 0 };
	int rc = 0;

	while (rc == 0 && len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		rc = take_line(text, n, &made);
		n += end ? 1 : 0;
		text += n;
		len -= n;
	}
	if (rc < 0 || !made.data) {
		json_decref(made.data);
		return rc < 0 ? hy_err_set(e, EPROTO, "hylicsd: an event that is none") : 0;
	}
	*event = made;
	return 1;
}

/* Takes the next event out of what has come; 0 if none is whole. */
static int take_event(struct api_events *s, struct api_event *event, struct hy_err *e)
{
	int rc = 0;

	while (rc == 0) {
		const char *end = memmem(s->text, s->len, "\n\n", 2);
		size_t len = end ? (size_t)(end - s->text) + 2 : 0;

		if (!end)
			return 0;
		rc = api_event_parse(s->text, len - 1, event, e);
		s->len -= len;
		memmove(s->text, s->text + len, s->len);
	}
	return rc;
}

int api_events_next(struct api_events *s, int wait_ms, struct api_event *event, struct hy_err *e)
{
	uint64_t deadline = wait_ms < 0 ? UINT64_MAX : hy_clock_ms() + (uint64_t)wait_ms;
	int rc;

	while ((rc = take_event(s, event, e)) == 0) {
		size_t more;
		ssize_t n;

		if (s->len == sizeof(s->text))
			return hy_err_set(e, EPROTO, "hylicsd: an event without end");
		n = api_read_some(s->fd, deadline, s->text + s->len, sizeof(s->text) - s->len, e);
		if (n == -ETIMEDOUT)
			return 0;
		if (n < 0)
			return (int)n;
		more = (size_t)n;
		rc = api_chunks_take(&s->chunks, s->text + s->len, &more, e);
		s->len += more;
		if (rc < 0)
			return rc;
		if (rc > 0 && !memmem(s->text, s->len, "\n\n", 2))
			return hy_err_set(e, ECONNRESET, "hylicsd has ended");
	}
	return rc;
}
