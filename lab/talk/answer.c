/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer.c - one connection of the server: read a request, its upload, send the answer, again
 *
 * Runs in: hylics-talk server
 * Reads from: clients (strict: who sends no request is dropped)
 */
#include "lab/talk/answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "lab/talk/pattern.h"

/* What a step inside answer_step() says; positive: ANSWER_IN or ANSWER_OUT. */
enum { STEP_ON = 0, STEP_END = -1 };

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Fails where the descriptor is no longer TCP's own: an option only shapes segments. */
static void option(const struct answer *a, int name, int value)
{
	setsockopt(a->fd, IPPROTO_TCP, name, &value, sizeof(value));
}

void answer_begin(struct answer *a, struct answerer *s, int fd)
{
	*a = (struct answer){ .fd = fd, .state = ANSWER_REQUEST };
	s->counts.connections++;
}

static void begin_sending(struct answer *a, struct answerer *s)
{
	a->state = ANSWER_SENDING;
	a->total = request_total(&a->request);
	a->sent = 0;
	a->upload = 0;
	a->upload_wrong = PATTERN_NONE;
	a->faulted = false;
	a->raw_have = 0;
	s->counts.requests++;
	option(a, TCP_NODELAY, (a->request.flags & REQUEST_NODELAY) != 0);
	if (a->request.flags & REQUEST_CORK)
		option(a, TCP_CORK, 1);
}

static int read_request(struct answer *a, struct answerer *s)
{
	ssize_t n = recv(a->fd, a->raw + a->raw_have, sizeof(a->raw) - a->raw_have, 0);

	if (n < 0 && again())
		return ANSWER_IN;
	if (n <= 0) {
		s->counts.receive_errors += n < 0;
		s->counts.closed_early += n == 0 && a->raw_have != 0;
		return STEP_END;
	}
	a->raw_have += (size_t)n;
	if (a->raw_have < sizeof(a->raw))
		return STEP_ON;
	if (request_decode(&a->request, a->raw, s->file_size)) {
		s->counts.bad_requests++;
		return STEP_END;
	}
	begin_sending(a, s);
	return STEP_ON;
}

/* One piece of the upload. @flags: MSG_DONTWAIT where it may be left for later. */
static int read_upload(struct answer *a, struct answerer *s, uint8_t *chunk, int flags)
{
	uint64_t left = a->request.upload_bytes - a->upload;
	ssize_t n = recv(a->fd, chunk, left < TALK_CHUNK ? (size_t)left : TALK_CHUNK, flags);

	if (n < 0 && again())
		return ANSWER_IN;
	if (n <= 0) {
		s->counts.receive_errors += n < 0;
		s->counts.closed_early += n == 0;
		return STEP_END;
	}
	s->counts.upload_bytes += (uint64_t)n;
	s->counts.upload_bytes_wrong += pattern_check(chunk, (size_t)n,
						      request_upload_stream(&a->request),
						      a->upload, &a->upload_wrong);
	a->upload += (uint64_t)n;
	return STEP_ON;
}

static int sent_some(struct answer *a, struct answerer *s, ssize_t n)
{
	if (n < 0 && again()) {
		s->counts.would_block++;
		return ANSWER_OUT;
	}
	if (n <= 0) {
		s->counts.send_errors++;
		return STEP_END;
	}
	a->sent += (uint64_t)n;
	s->counts.bytes_sent += (uint64_t)n;
	return STEP_ON;
}

static void remember_call(struct answerer *s)
{
	uint64_t n = atomic_fetch_add(&s->calls, 1);

	if (n < s->call_room)
		s->call_ns[n] = hy_clock_ns();
}

static int send_file(struct answer *a, struct answerer *s, uint64_t left)
{
	uint64_t slice = a->request.slice_bytes;
	off_t start = (off_t)(a->request.file_offset + a->sent - a->request.head_bytes);
	off_t offset = start;
	ssize_t n;

	if (s->call_room && a->sent == a->request.head_bytes)
		remember_call(s);
	n = s->sendfile(a->fd, s->file, &offset, slice && slice < left ? slice : left);
	s->counts.sendfile_calls++;
	s->counts.offset_wrong += offset != start + (n > 0 ? n : 0);
	if (n > 0)
		s->counts.file_bytes_sent += (uint64_t)n;
	return sent_some(a, s, n);
}

/* The verdict as request.h tells it, into the bytes of the pattern. */
static void add_verdict(const struct answer *a, uint8_t *bytes, size_t n, uint64_t left)
{
	uint64_t verdict = a->upload_wrong + 1;		/* PATTERN_NONE becomes 0 */
	size_t at = REQUEST_VERDICT_BYTES - (size_t)left;

	for (size_t i = 0; i < n; i++)
		bytes[i] ^= (uint8_t)(verdict >> (8 * (at + i)));
}

static int send_pattern(struct answer *a, struct answerer *s, uint8_t *chunk, uint64_t left,
			enum request_part part)
{
	size_t n = left < TALK_CHUNK ? (size_t)left : TALK_CHUNK;

	pattern_fill(chunk, n, a->request.stream, a->sent);
	if (part == PART_VERDICT)
		add_verdict(a, chunk, n, left);
	return sent_some(a, s, send(a->fd, chunk, n, MSG_NOSIGNAL));
}

/* Where it comes is past the beginning, so that something right was seen before. */
static bool fault_due(const struct answer *a, const struct answerer *s)
{
	uint64_t at = s->fault == FAULT_EXTRA ? a->total : a->total / 2;

	return s->fault != FAULT_NONE && !a->faulted && a->total && a->sent >= at;
}

static int make_wrong_byte(struct answer *a, struct answerer *s)
{
	uint64_t left;
	uint8_t byte = 0;

	if (request_part(&a->request, a->sent, &left) == PART_FILE) {
		off_t at = (off_t)(a->request.file_offset + a->sent - a->request.head_bytes);

		if (pread(s->file, &byte, 1, at) != 1)
			return STEP_END;
	} else {
		pattern_fill(&byte, 1, a->request.stream, a->sent);
	}
	byte ^= 0x10;
	return sent_some(a, s, send(a->fd, &byte, 1, MSG_NOSIGNAL));
}

static int make_fault(struct answer *a, struct answerer *s)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int rc = STEP_ON;

	switch (s->fault) {
	case FAULT_WRONG:
		rc = make_wrong_byte(a, s);
		a->faulted = rc == STEP_ON;
		return rc;
	case FAULT_SHORT:
		shutdown(a->fd, SHUT_WR);
		a->state = ANSWER_ENDING;
		return STEP_ON;
	case FAULT_RESET:
		setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		return STEP_END;
	case FAULT_STUCK:
		a->state = ANSWER_ENDING;
		return STEP_ON;
	case FAULT_EXTRA:
		a->faulted = true;
		send(a->fd, "extra", 5, MSG_NOSIGNAL);
		return STEP_ON;
	default:
		return STEP_ON;
	}
}

static int finish(struct answer *a)
{
	if (a->request.flags & REQUEST_CORK)
		option(a, TCP_CORK, 0);
	a->state = ANSWER_REQUEST;
	return a->request.flags & REQUEST_CLOSE ? STEP_END : STEP_ON;
}

/* One piece of the answer. */
static int send_piece(struct answer *a, struct answerer *s, uint8_t *chunk)
{
	uint64_t left, until_fault = a->total / 2 - a->sent;
	enum request_part part = request_part(&a->request, a->sent, &left);

	if (s->fault != FAULT_NONE && a->sent < a->total / 2 && left > until_fault)
		left = until_fault;
	if (part == PART_FILE)
		return send_file(a, s, left);
	return send_pattern(a, s, chunk, left, part);
}

static int send_answer(struct answer *a, struct answerer *s, uint8_t *chunk)
{
	bool uploading = a->upload < a->request.upload_bytes;
	bool during = a->request.flags & REQUEST_UPLOAD_DURING;
	uint64_t left;
	int rc;

	if (fault_due(a, s)) {
		rc = make_fault(a, s);
		if (rc != STEP_ON || a->state != ANSWER_SENDING || s->fault != FAULT_EXTRA)
			return rc;
	}
	if (uploading && during && request_part(&a->request, a->sent, &left) != PART_VERDICT) {
		rc = read_upload(a, s, chunk, MSG_DONTWAIT);
		if (rc == STEP_END)
			return rc;
		rc = send_piece(a, s, chunk);
		return rc == ANSWER_OUT ? ANSWER_IN | ANSWER_OUT : rc;
	}
	if (uploading)
		return read_upload(a, s, chunk, 0);
	return a->sent == a->total ? finish(a) : send_piece(a, s, chunk);
}

/* Nothing more is said; the client's end is waited for, so that no RST cuts what was sent. */
static int await_end(struct answer *a, uint8_t *chunk)
{
	ssize_t n = recv(a->fd, chunk, TALK_CHUNK, 0);

	if (n < 0 && again())
		return ANSWER_IN;
	return n > 0 ? STEP_ON : STEP_END;
}

int answer_step(struct answer *a, struct answerer *s, uint8_t *chunk)
{
	uint64_t before = a->sent + a->upload;
	int rc = STEP_ON;

	while (rc == STEP_ON) {
		if (a->state == ANSWER_REQUEST)
			rc = read_request(a, s);
		else if (a->state == ANSWER_ENDING)
			rc = await_end(a, chunk);
		else
			rc = send_answer(a, s, chunk);
		/* enough for one turn; a level-triggered epoll comes back at once */
		if (rc == STEP_ON && a->state == ANSWER_SENDING &&
		    a->sent + a->upload >= before + TALK_TURN_BYTES)
			return ANSWER_IN | ANSWER_OUT;
	}
	return rc == STEP_END ? ANSWER_END : rc;
}
