/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * asker.c - one connection of the client: asks, uploads, checks, pauses, asks again
 *
 * Runs in: hylics-talk client
 * Reads from: the bytes of a server (hostile: compared, never believed)
 */
#include "lab/talk/asker.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "lab/talk/talk_limits.h"

/* Draws of one request. */
enum { DRAW_STREAM, DRAW_HEAD, DRAW_OFFSET, DRAW_FILE, DRAW_TAIL, DRAW_UPLOAD, DRAW_SLICE, DRAWS };

void asker_begin(struct asker *a, uint32_t index)
{
	*a = (struct asker){ .state = ASKER_IDLE, .fd = -1, .index = index };
}

void asker_request(const struct asking *s, uint32_t index, uint64_t number, struct request *r)
{
	uint64_t chance[DRAWS], room;
	uint64_t stream = pattern_word(s->seed, index);

	for (unsigned int i = 0; i < DRAWS; i++)
		chance[i] = pattern_word(stream, number * DRAWS + i);
	*r = (struct request){
		.stream = chance[DRAW_STREAM],
		.head_bytes = range_draw(&s->head, chance[DRAW_HEAD]),
		.file_offset = range_draw(&s->offset, chance[DRAW_OFFSET]),
		.file_bytes = range_draw(&s->file_bytes, chance[DRAW_FILE]),
		.tail_bytes = range_draw(&s->tail, chance[DRAW_TAIL]),
		.upload_bytes = range_draw(&s->upload, chance[DRAW_UPLOAD]),
		.slice_bytes = range_draw(&s->slice, chance[DRAW_SLICE]),
		.flags = s->flags,
	};
	if (r->file_offset > s->file_size)
		r->file_offset = s->file_size;
	room = s->file_size - r->file_offset;
	if (s->whole_file || r->file_bytes > room)
		r->file_bytes = room;
	if (r->upload_bytes && r->tail_bytes < REQUEST_VERDICT_BYTES)
		r->tail_bytes = REQUEST_VERDICT_BYTES;
}

/* A socket that nothing is expected of is not watched: epoll tells of errors even unasked. */
static void wait_for(struct asker *a, struct asking *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = a->index };
	int what = a->waits_for ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == a->waits_for)
		return;
	if (!events)
		what = EPOLL_CTL_DEL;
	if (epoll_ctl(s->epoll, what, a->fd, &ev) < 0)
		s->verdict->other_errors++;
	a->waits_for = events;
}

static void hang_up(struct asker *a, bool by_reset)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (by_reset)
		setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (a->fd >= 0)
		close(a->fd);		/* which ends epoll's watch, too */
	a->fd = -1;
	a->waits_for = 0;
}

/* The request has come to its end, good or bad. */
static void request_over(struct asker *a, const struct asking *s)
{
	if (a->state == ASKER_CONNECTING || a->state == ASKER_TALKING)
		a->next++;
	a->state = ASKER_IDLE;
	a->wake_ns = s->think_ns ? hy_clock_ns() + s->think_ns : 0;
}

static void cut(struct asker *a, struct asking *s, uint64_t *counter, bool by_reset)
{
	(*counter)++;
	verdict_note(&s->verdict->first_cut, a->index, a->next, a->checker.pos);
	hang_up(a, by_reset);
	request_over(a, s);
}

static void failed(struct asker *a, struct asking *s, int err)
{
	struct verdict *v = s->verdict;

	if (a->state == ASKER_CONNECTING)
		cut(a, s, &v->connect_failures, false);
	else
		cut(a, s, err == ECONNRESET || err == EPIPE ? &v->resets : &v->other_errors,
		    false);
}

static void begin_request(struct asker *a, struct asking *s)
{
	asker_request(s, a->index, a->next, &a->request);
	request_encode(&a->request, a->raw);
	checker_begin(&a->checker, &a->request, s->file);
	a->state = ASKER_TALKING;
	a->raw_sent = 0;
	a->uploaded = 0;
	a->said_all = false;
	a->stalled = false;
	a->first_ns = 0;
	a->asked_ns = a->progress_ns = a->rate_ns = hy_clock_ns();
	a->rate_bytes = 0;
}

static void begin_connection(struct asker *a, struct asking *s)
{
	a->state = ASKER_CONNECTING;
	a->progress_ns = hy_clock_ns();
	s->verdict->connections++;
	a->fd = socket(s->server.at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		failed(a, s, errno);
		return;
	}
	if (s->rcvbuf)
		setsockopt(a->fd, SOL_SOCKET, SO_RCVBUF, &s->rcvbuf, sizeof(s->rcvbuf));
	if (connect(a->fd, (struct sockaddr *)&s->server.at, s->server.len) < 0 &&
	    errno != EINPROGRESS)
		failed(a, s, errno);
	else
		wait_for(a, s, EPOLLOUT);
}

/* Return: 0 when all is said or the socket is full, -errno. */
static int say_more(struct asker *a, struct asking *s)
{
	uint64_t left = a->request.upload_bytes - a->uploaded;
	size_t n = left < TALK_CHUNK ? (size_t)left : TALK_CHUNK;
	ssize_t sent;

	if (a->raw_sent < sizeof(a->raw)) {
		sent = send(a->fd, a->raw + a->raw_sent, sizeof(a->raw) - a->raw_sent,
			    MSG_NOSIGNAL);
	} else {
		pattern_fill(s->chunk, n, request_upload_stream(&a->request), a->uploaded);
		if (s->wrong_upload && a->uploaded <= a->request.upload_bytes / 2 &&
		    a->request.upload_bytes / 2 < a->uploaded + n)
			s->chunk[a->request.upload_bytes / 2 - a->uploaded] ^= 1;
		sent = send(a->fd, s->chunk, n, MSG_NOSIGNAL);
	}
	if (sent < 0)
		return -errno;
	if (a->raw_sent < sizeof(a->raw)) {
		a->raw_sent += (size_t)sent;
	} else {
		a->uploaded += (uint64_t)sent;
		s->verdict->upload_bytes += (uint64_t)sent;
	}
	a->progress_ns = hy_clock_ns();
	return 0;
}

static void say(struct asker *a, struct asking *s)
{
	uint64_t before = a->uploaded;
	int rc = 0;

	while (rc == 0 && !a->said_all && a->uploaded < before + TALK_TURN_BYTES) {
		if (a->raw_sent == sizeof(a->raw) && a->uploaded == a->request.upload_bytes) {
			a->said_all = true;
			if (s->half_close)
				shutdown(a->fd, SHUT_WR);
			return;
		}
		rc = say_more(a, s);
	}
	if (rc < 0 && rc != -EAGAIN && rc != -EINTR)
		failed(a, s, -rc);
}

static void answered(struct asker *a, struct asking *s)
{
	struct verdict *v = s->verdict;
	uint64_t now = hy_clock_ns(), bad_upload = checker_upload_wrong(&a->checker);

	v->requests_done++;
	samples_add(&v->first_byte, ((a->first_ns ? a->first_ns : now) - a->asked_ns) / 1000);
	samples_add(&v->response, (now - a->asked_ns) / 1000);
	if (bad_upload != PATTERN_NONE) {
		v->uploads_wrong++;
		verdict_note(&v->first_upload_wrong, a->index, a->next, bad_upload);
	}
	if (a->next + 1 < s->requests && !s->half_close && !(s->flags & REQUEST_CLOSE)) {
		request_over(a, s);
		return;
	}
	if (!s->half_close && !(s->flags & REQUEST_CLOSE))
		shutdown(a->fd, SHUT_WR);
	a->next++;
	a->state = ASKER_ENDING;
	a->progress_ns = now;
}

static void pause_reading(struct asker *a, uint64_t ns)
{
	a->wake_ns = hy_clock_ns() + ns;
}

/* How many bytes may be read now; 0: reading pauses. */
static size_t budget(struct asker *a, const struct asking *s)
{
	uint64_t room = TALK_CHUNK, half = a->checker.total / 2, pos = a->checker.pos, allowed;

	if (a->state != ASKER_TALKING)
		return TALK_CHUNK;
	if (s->stall_ns && !a->stalled && pos >= half) {
		a->stalled = true;
		pause_reading(a, s->stall_ns);
		return 0;
	}
	if (s->stall_ns && !a->stalled && half - pos < room)
		room = half - pos;
	if (s->abort_at > pos && s->abort_at - pos < room)
		room = s->abort_at - pos;
	if (s->read_rate) {
		allowed = (uint64_t)((double)(hy_clock_ns() - a->rate_ns) * (double)s->read_rate /
				     HY_NS_PER_S);
		if (allowed <= a->rate_bytes) {
			pause_reading(a, TALK_RATE_TICK_NS);
			return 0;
		}
		if (allowed - a->rate_bytes < room)
			room = allowed - a->rate_bytes;
	}
	return room;
}

/* Bytes of the answer, or behind its end. */
static void take(struct asker *a, struct asking *s, size_t n)
{
	struct verdict *v = s->verdict;
	uint64_t wrong = a->checker.wrong, extra = a->checker.extra;

	a->progress_ns = hy_clock_ns();
	if (!a->first_ns)
		a->first_ns = a->progress_ns;
	a->rate_bytes += n;
	v->bytes += n;
	checker_feed(&a->checker, s->chunk, n);
	v->bytes_wrong += a->checker.wrong - wrong;
	v->bytes_extra += a->checker.extra - extra;
	if (a->checker.first_wrong != PATTERN_NONE)
		verdict_note(&v->first_wrong, a->index, a->next, a->checker.first_wrong);
}

static void server_ended(struct asker *a, struct asking *s)
{
	if (a->state == ASKER_TALKING) {
		cut(a, s, &s->verdict->early_fins, false);
	} else {
		hang_up(a, false);
		request_over(a, s);
	}
}

/* One read; whether there may be more. */
static bool listen_once(struct asker *a, struct asking *s)
{
	size_t room = budget(a, s);
	ssize_t n;

	if (!room)
		return false;
	n = recv(a->fd, s->chunk, room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0)
		failed(a, s, errno);
	else if (n == 0)
		server_ended(a, s);
	else
		take(a, s, (size_t)n);
	if (n <= 0)
		return false;
	if (a->state == ASKER_TALKING && a->checker.pos == s->abort_at &&
	    a->checker.pos < a->checker.total) {
		s->verdict->aborted++;
		hang_up(a, true);
		request_over(a, s);
		return false;
	}
	return true;
}

static bool answer_whole(const struct asker *a)
{
	return a->state == ASKER_TALKING && a->said_all && a->checker.pos == a->checker.total;
}

static void talk(struct asker *a, struct asking *s)
{
	uint64_t before = s->verdict->bytes;
	bool more = !a->wake_ns;

	if (a->state == ASKER_TALKING)
		say(a, s);
	if (answer_whole(a))
		answered(a, s);		/* of no bytes */
	while (more && (a->state == ASKER_TALKING || a->state == ASKER_ENDING) &&
	       s->verdict->bytes < before + TALK_TURN_BYTES) {
		more = listen_once(a, s);
		if (answer_whole(a))
			answered(a, s);
	}
}

static void connected(struct asker *a, struct asking *s)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err)
		failed(a, s, err);
	else
		begin_request(a, s);
}

static void choose_events(struct asker *a, struct asking *s)
{
	uint32_t events = a->wake_ns ? 0 : EPOLLIN;

	if (a->fd < 0 || a->state == ASKER_CONNECTING)
		return;
	if (a->state == ASKER_IDLE)
		events = 0;
	else if (a->state == ASKER_TALKING && !a->said_all)
		events |= EPOLLOUT;
	wait_for(a, s, events);
}

void asker_event(struct asker *a, struct asking *s)
{
	if (a->state == ASKER_CONNECTING)
		connected(a, s);
	if (a->state == ASKER_TALKING || a->state == ASKER_ENDING)
		talk(a, s);
	choose_events(a, s);
}

static void wake(struct asker *a, struct asking *s)
{
	a->wake_ns = 0;
	a->progress_ns = hy_clock_ns();		/* the pause was ours */
	if (a->state == ASKER_IDLE && a->next >= s->requests) {
		hang_up(a, false);
		a->state = ASKER_DONE;
	} else if (a->state == ASKER_IDLE && a->fd >= 0) {
		begin_request(a, s);
	} else if (a->state == ASKER_IDLE) {
		begin_connection(a, s);
		return;
	}
	asker_event(a, s);
}

uint64_t asker_clock(struct asker *a, struct asking *s, uint64_t now_ns)
{
	if (a->state == ASKER_DONE)
		return UINT64_MAX;
	if (a->wake_ns ? a->wake_ns <= now_ns : a->state == ASKER_IDLE)
		wake(a, s);
	else if (!a->wake_ns && s->stuck_ns && now_ns >= a->progress_ns + s->stuck_ns)
		cut(a, s, a->state == ASKER_CONNECTING ? &s->verdict->connect_failures :
			  &s->verdict->stuck, true);
	if (a->state == ASKER_DONE)
		return UINT64_MAX;
	if (a->state == ASKER_IDLE && !a->wake_ns)
		return now_ns;
	if (a->wake_ns)
		return a->wake_ns;
	return s->stuck_ns ? a->progress_ns + s->stuck_ns : UINT64_MAX;
}
