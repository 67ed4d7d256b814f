/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chan.c - the channel between host and guest: one interface over serial, unix and vsock
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: the peer on the channel (hostile; in the guest the host's words are checked too)
 */
#include "channel/chan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "channel/answer.h"
#include "channel/door.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"

#define KEEPALIVE_ID 0
#define LAST_ID UINT32_MAX		/* chan_finish() */

static const char *const state_names[] = { "closed", "listening", "greeting", "up" };

const char *chan_state_name(enum chan_state state)
{
	return state_names[state];
}

/* -- openings and ends -- */

static void set_timer(struct chan *c, uint64_t ms)
{
	/* one timer per channel: a loop that has room for the channel has room for it */
	(void)ev_timer_set(c->loop, &c->timer, ms);
}

static void pause_before_open(struct chan *c)
{
	uint64_t most_ms = c->called ? HY_CHAN_CALLED_MS : HY_CHAN_BACKOFF_MAX_MS;

	c->state = CHAN_CLOSED;
	if (c->open_pause_ms > most_ms)
		c->open_pause_ms = most_ms;
	set_timer(c, c->open_pause_ms);
	c->open_pause_ms *= 2;
}

static void finish(struct chan *c)
{
	void (*finished)(void *object) = c->finished;

	c->finished = NULL;
	if (finished)
		finished(c->object);
}

/* The stream is given up; whatever was under way is told so. */
static void end_session(struct chan *c, const char *why)
{
	bool was_up = c->state == CHAN_UP;

	c->state = CHAN_CLOSED;		/* nothing is queued from within done() or down() */
	ev_timer_cancel(c->loop, &c->timer);
	ev_del(c->loop, c->fd);
	hy_fd_close(&c->fd);
	c->epoch = c->peer_epoch = 0;
	c->paused = false;
	tx_reset(&c->tx, 0);
	if (was_up) {
		hy_log_limited(c->log, &c->life_rate, HY_LOG_INFO, "channel down: %s", why);
		c->ops->down(c->object, why);
		finish(c);
	}
	if (c->over)
		return;		/* the owner has closed it, perhaps in done() or down() */
	if (chan_addr_listens(&c->cfg.addr, c->cfg.role))
		c->state = CHAN_LISTENING;
	else
		pause_before_open(c);
}

static void try_write(struct chan *c);
static void write_all(struct chan *c);

static void say_bye(struct chan *c, enum msg_bye_reason reason, const char *words)
{
	struct msg_bye bye = { .reason = (uint16_t)reason };
	uint8_t buf[MSG_BYE_MAX];
	int len;

	if (c->fd < 0)
		return;
	snprintf(bye.words, sizeof(bye.words), "%s", words);
	len = msg_bye_encode(&bye, buf, sizeof(buf));
	if (len > 0 && tx_message(&c->tx, msg_info(MSG_BYE), 0, buf, (size_t)len) == 0)
		write_all(c);		/* from a done(), too: there is no later */
}

static const char no_common_version[] = "no protocol version in common";

/* The peer sent what cannot be followed: its session ends, the program goes on. */
static void peer_fault(struct chan *c, const char *why)
{
	enum msg_bye_reason reason = why == no_common_version ? BYE_VERSION : BYE_PROTOCOL;

	c->count.faults++;
	hy_log_limited(c->log, &c->fault_rate, HY_LOG_WARN,
		       "channel closed, fault %llu of this peer: %s",
		       (unsigned long long)c->count.faults, why);
	say_bye(c, reason, why);
	end_session(c, why);
}

/* -- greeting -- */

/* syscalls: uname */
static void greet(struct chan *c)
{
	struct msg_hello hello = {
		.proto_min = MSG_PROTO_MIN,
		.proto_max = MSG_PROTO_MAX,
		.epoch = c->epoch,
		.seen = c->peer_epoch,
		.role = (uint8_t)c->cfg.role,
	};
	struct utsname uts;

	if (uname(&uts) == 0)
		snprintf(hello.kernel, sizeof(hello.kernel), "%.63s", uts.release);
	snprintf(hello.software, sizeof(hello.software), "%s", c->cfg.software);
	tx_greet(&c->tx, &hello);
}

static void start_greeting(struct chan *c)
{
	c->state = CHAN_GREETING;
	c->hello_pause_ms = HY_CHAN_HELLO_TIMEOUT_MS;
	set_timer(c, c->hello_pause_ms);
}

/* syscalls: getrandom */
static uint32_t new_epoch(void)
{
	uint32_t epoch = 0;

	while (epoch == 0) {
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			epoch = (uint32_t)hy_clock_ns();
	}
	return epoch;
}

static const struct ev_class stream_class;

/* Takes over @fd, or closes it. */
static int start_session(struct chan *c, int fd, struct hy_err *e)
{
	hy_autofd owned = fd;
	int rc = ev_add(c->loop, fd, &stream_class, c, EPOLLIN, e);

	if (rc < 0)
		return rc;
	c->fd = hy_fd_steal(&owned);
	c->events = EPOLLIN;
	c->epoch = new_epoch();
	c->heard_mark = false;
	c->heard_ms = hy_clock_ms();
	frame_rx_reset(&c->rx);
	start_greeting(c);
	greet(c);
	hy_fault(FAULT_CHAN_GREET);
	try_write(c);
	return 0;
}

static void come_up(struct chan *c, const struct msg_hello *peer)
{
	c->state = CHAN_UP;
	c->count.sessions++;
	c->open_pause_ms = HY_CHAN_BACKOFF_MIN_MS;
	set_timer(c, c->cfg.keepalive_ms);
	hy_log_limited(c->log, &c->life_rate, HY_LOG_INFO,
		       "channel up: %s, peer %s on Linux %s, session %08x",
		       chan_kind_name(c->cfg.addr.kind), peer->software, peer->kernel,
		       peer->epoch);
	hy_fault(FAULT_CHAN_UP);
	c->ops->up(c->object, peer);
}

/* A hello with a new epoch: the peer begins anew, perhaps in the middle of our session. */
static void meet(struct chan *c, const struct msg_hello *peer)
{
	if (c->state == CHAN_UP) {
		c->state = CHAN_GREETING;	/* nothing is queued from within down() */
		c->count.resyncs++;
		hy_log_limited(c->log, &c->life_rate, HY_LOG_INFO,
			       "channel down: the peer started anew");
		c->ops->down(c->object, "the peer started anew");
		finish(c);
		if (c->over)
			return;
		start_greeting(c);
	}
	c->peer_epoch = peer->epoch;
	greet(c);
}

static const char *take_hello(struct chan *c, const struct message *m)
{
	const struct msg_hello us = { .proto_min = MSG_PROTO_MIN, .proto_max = MSG_PROTO_MAX };
	struct msg_hello peer;

	if (!c->heard_mark)
		return "hello without a resync mark";
	if (msg_hello_decode(m->payload, m->len, &peer) < 0)
		return "hello cannot be read";
	if (peer.epoch != c->in.peer_epoch)
		return "hello says another session than its header";
	if (peer.role == c->cfg.role)
		return "hello from our own side";
	if (msg_agree(&us, &peer) < 0)
		return no_common_version;
	c->heard_mark = false;
	if (peer.epoch != c->peer_epoch)
		meet(c, &peer);
	if (c->over)
		return NULL;
	assemble_reset(&c->in, peer.role, peer.epoch);
	c->soak_got = 0;
	if (peer.seen == c->epoch && c->state == CHAN_GREETING)
		come_up(c, &peer);
	return NULL;
}

/* -- messages -- */

static const char *take_bye(struct chan *c, const struct message *m)
{
	struct msg_bye bye;

	if (msg_bye_decode(m->payload, m->len, &bye) < 0)
		return "bye cannot be read";
	hy_log_limited(c->log, &c->life_rate, HY_LOG_INFO, "the peer says goodbye: %s (%s)",
		       msg_bye_name(bye.reason), bye.words);
	/* in the greeting it may be meant for a predecessor; if not, the stream ends by itself */
	if (c->state == CHAN_UP)
		end_session(c, "the peer said goodbye");
	return NULL;
}

static const char *give_to_owner(struct chan *c, const struct message *m)
{
	if (m->info->type == MSG_PONG && m->id == KEEPALIVE_ID)
		return NULL;
	if (m->info->type == MSG_PONG && m->id == LAST_ID && c->last_asked) {
		c->last_asked = false;
		finish(c);
		return NULL;
	}
	return c->ops->message(c->object, m) < 0 && c->fd >= 0 ? "message refused" : NULL;
}

static const char *dispatch(struct chan *c, const struct message *m)
{
	const char *fault;

	if (m->info->type == MSG_HELLO)
		return take_hello(c, m);
	if (m->info->type == MSG_BYE)
		return take_bye(c, m);
	/* a port still holds what was said to this side's predecessor */
	if (c->state != CHAN_UP)
		return NULL;
	if (!chan_answer(c, m, &fault))
		fault = give_to_owner(c, m);
	if (!fault && m->info->lane == LANE_BULK && c->fd >= 0)
		chan_answer_taken(c, m);
	return fault;
}

/* -- the stream -- */

static const char *take_frame(struct chan *c, const struct frame *f)
{
	struct message m;
	const char *why;
	int rc;

	c->count.frames_in++;
	if (c->heard_mark) {
		if (f->type != MSG_HELLO)
			return "no hello behind the resync mark";
		/* a session that is not known yet: its first frame says its epoch itself */
		assemble_reset(&c->in, c->cfg.role == ROLE_HOST ? ROLE_GUEST : ROLE_HOST,
			       f->epoch);
	}
	rc = assemble_feed(&c->in, f, &m, &why);
	if (rc < 0)
		return why;
	return rc > 0 ? dispatch(c, &m) : NULL;
}

/* Whether there is room for an answer to whatever the peer may send; see "Who waits for whom". */
static bool can_answer(const struct chan *c)
{
	return tx_has_room(&c->tx, LANE_CONTROL) &&
	       (c->cfg.role == ROLE_GUEST || tx_has_room(&c->tx, LANE_URGENT));
}

/* Takes what is in the buffer, as long as there is room for the answers. */
static void take_frames(struct chan *c)
{
	int session_fd = c->fd;
	const char *fault = NULL;
	struct frame f;
	int rc;

	while (c->fd == session_fd && c->fd >= 0 && !fault) {
		c->paused = !can_answer(c);
		if (c->paused)
			return;
		rc = frame_rx_next(&c->rx, &f);
		if (rc == FRAME_NONE)
			return;
		if (rc == FRAME_SYNC)
			c->heard_mark = true;
		else if (rc == FRAME_READY)
			fault = take_frame(c, &f);
		else
			fault = "malformed frame";
	}
	if (fault)
		peer_fault(c, fault);
}

static void watch_for(struct chan *c, bool want_write)
{
	uint32_t events = (c->paused ? 0u : EPOLLIN) | (want_write ? EPOLLOUT : 0u);

	if (c->fd >= 0 && events != c->events && ev_mod(c->loop, c->fd, events) == 0)
		c->events = events;
}

/* What a process leaves in a port when it is killed at the worst moment. */
/* syscalls: write */
static void fault_half_frame(const struct chan *c, const uint8_t *p, size_t left)
{
	if (hy_fault_due(FAULT_CHAN_HALF_FRAME) && write(c->fd, p, left / 2) < 0)
		return;
	hy_fault(FAULT_CHAN_HALF_FRAME);
}

/* Returns whether the transport did not take all. */
/* syscalls: write */
static bool write_some(struct chan *c)
{
	const uint8_t *p;
	size_t left;

	while (c->fd >= 0 && (left = tx_next(&c->tx, &p)) > 0) {
		fault_half_frame(c, p, left);
		ssize_t n = write(c->fd, p, left);

		/* an error other than a full pipe shows as EPOLLHUP or at the next read */
		if (n <= 0)
			return true;
		c->count.bytes_out += (uint64_t)n;
		tx_written(&c->tx, (size_t)n);
	}
	return false;
}

/* What the loop does in stream_handle() also when there is nothing to write. */
static bool loop_has_work(const struct chan *c)
{
	return tx_room_is_due(&c->tx) || (c->paused && can_answer(c));
}

static void write_all(struct chan *c)
{
	bool left = write_some(c);

	watch_for(c, left || loop_has_work(c));
}

/* A ping overtakes what waits in the other lanes, so it waits until nothing does. */
static void ask_last(struct chan *c)
{
	const uint8_t *p;

	if (!c->finished || c->last_asked || tx_next(&c->tx, &p) > 0)
		return;
	c->last_asked = true;
	(void)tx_message(&c->tx, msg_info(MSG_PING), LAST_ID, NULL, 0);
	write_all(c);
}

static void try_write(struct chan *c)
{
	/* a done() that sends: the round it was called from goes on with it */
	if (c->writing || c->corked)
		return;
	c->writing = true;
	write_all(c);
	ask_last(c);
	c->writing = false;
}

static void tell_room(struct chan *c)
{
	if (tx_take_room(&c->tx) && c->state == CHAN_UP && c->ops->room)
		c->ops->room(c->object);
}

/* syscalls: read */
static int stream_read(struct chan *c)
{
	size_t room;
	uint8_t *p = frame_rx_room(&c->rx, &room);
	ssize_t n = read(c->fd, p, room);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		end_session(c, n < 0 ? strerror(errno) : "the other end was closed");
		return -1;
	}
	c->heard_ms = hy_clock_ms();
	c->count.bytes_in += (uint64_t)n;
	frame_rx_filled(&c->rx, (size_t)n);
	return 0;
}

static int stream_handle(void *object, int fd, uint32_t events)
{
	struct chan *c = object;

	if ((events & EPOLLIN) && stream_read(c) < 0)
		return 0;
	if (c->fd == fd && (events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)) {
		end_session(c, "the other end was closed");
		return 0;
	}
	/* writing makes room for answers to what is left in the buffer */
	do {
		take_frames(c);
		if (c->fd >= 0)
			try_write(c);
	} while (c->fd >= 0 && c->paused && can_answer(c));
	tell_room(c);
	/* what was watched for may have been done, or be due anew */
	if (c->fd >= 0)
		try_write(c);
	return 0;
}

static void stream_drop(void *object, int fd, int rc)
{
	(void)fd;
	end_session(object, strerror(-rc));
}

static const struct ev_class stream_class = { "channel", stream_handle, stream_drop };

/* -- listener -- */

static int listener_handle(void *object, int fd, uint32_t events)
{
	struct chan *c = object;
	struct hy_err e;
	int peer = chan_addr_accept(&c->cfg.addr, fd, &e);

	(void)events;
	if (peer == -EAGAIN)
		return 0;
	if (peer >= 0 && c->fd >= 0) {
		say_bye(c, BYE_REPLACED, "another connection took this one's place");
		end_session(c, "another connection took this one's place");
	}
	if (c->over) {
		hy_fd_close(&peer);
		return 0;
	}
	if (peer < 0)
		(void)ev_rest(c->loop, &c->rest, fd, -peer);
	if (peer < 0 || start_session(c, peer, &e) < 0)
		hy_log_limited(c->log, &c->life_rate, HY_LOG_WARN, "%s: %s", e.text,
			       strerror(e.num));
	return 0;
}

static void listener_drop(void *object, int fd, int rc)
{
	struct chan *c = object;

	(void)rc;
	ev_del(c->loop, fd);
	hy_fd_close(&c->listener);
}

static const struct ev_class listener_class = { "channel listener", listener_handle,
						listener_drop };

/* -- timer -- */

static int open_transport(struct chan *c, struct hy_err *e)
{
	if (c->cfg.addr.door)
		return chan_door_ask(c->cfg.addr.door, &c->cfg.addr, &c->called, e);
	return chan_addr_open(&c->cfg.addr, c->cfg.role, e);
}

static void try_open(struct chan *c)
{
	struct hy_err e;
	int fd;

	hy_fault(FAULT_CHAN_OPEN);
	fd = open_transport(c, &e);
	if (fd >= 0 && start_session(c, fd, &e) == 0) {
		c->last_open_error = 0;
		return;
	}
	if (e.num != c->last_open_error) {
		c->last_open_error = e.num;
		hy_log(c->log, HY_LOG_INFO, "%s: %s; trying again", e.text, strerror(e.num));
	}
	if (c->called && e.num == ENOENT)
		c->open_pause_ms = HY_CHAN_CALLED_MS;	/* what is not there has to come */
	pause_before_open(c);
}

static void greet_again(struct chan *c)
{
	const uint8_t *p;

	/* what cannot be written need not be doubled */
	if (tx_next(&c->tx, &p) == 0)
		greet(c);
	if (c->hello_pause_ms < HY_CHAN_HELLO_PAUSE_MAX_MS)
		c->hello_pause_ms *= 2;
	set_timer(c, c->hello_pause_ms);
	try_write(c);
}

static void keep_alive(struct chan *c)
{
	uint64_t silent_ms = hy_clock_ms() - c->heard_ms;

	if (silent_ms >= c->cfg.dead_ms) {
		c->count.silences++;
		end_session(c, "the peer is silent");
		return;
	}
	set_timer(c, c->cfg.keepalive_ms);
	if (silent_ms >= c->cfg.keepalive_ms) {
		(void)chan_send(c, MSG_PING, KEEPALIVE_ID, NULL, 0);
		try_write(c);
	}
}

static void on_timer(void *object)
{
	struct chan *c = object;

	if (c->state == CHAN_CLOSED)
		try_open(c);
	else if (c->state == CHAN_GREETING)
		greet_again(c);
	else if (c->state == CHAN_UP)
		keep_alive(c);
}

/* -- what the owner calls -- */

static int start_listening(struct chan *c, struct hy_err *e)
{
	int rc;

	hy_autofd fd = open_transport(c, e);
	if (fd < 0)
		return fd;
	rc = ev_add(c->loop, fd, &listener_class, c, EPOLLIN, e);
	if (rc < 0)
		return rc;
	c->listener = hy_fd_steal(&fd);
	c->state = CHAN_LISTENING;
	return 0;
}

int chan_open(struct chan *c, const struct chan_config *cfg, const struct chan_ops *ops,
	      void *object, struct ev_loop *loop, const struct hy_log *log, struct hy_err *e)
{
	memset(c, 0, sizeof(*c));
	c->cfg = *cfg;
	c->ops = ops;
	c->object = object;
	c->loop = loop;
	c->log = log;
	c->listener = c->fd = -1;
	c->open_pause_ms = HY_CHAN_BACKOFF_MIN_MS;
	c->timer = (struct ev_timer){ .fn = on_timer, .object = c };
	c->tx.last = &c->tx.first;
	if (!c->cfg.keepalive_ms)
		c->cfg.keepalive_ms = HY_CHAN_KEEPALIVE_MS;
	if (!c->cfg.dead_ms)
		c->cfg.dead_ms = HY_CHAN_DEAD_MS;
	if (chan_addr_listens(&cfg->addr, cfg->role))
		return start_listening(c, e);
	try_open(c);
	return 0;
}

void chan_open_now(struct chan *c)
{
	if (c->state != CHAN_CLOSED || c->over)
		return;
	c->open_pause_ms = HY_CHAN_BACKOFF_MIN_MS;
	set_timer(c, 0);
}

int chan_finish(struct chan *c, void (*finished)(void *object))
{
	if (c->state != CHAN_UP)
		return -ENOTCONN;
	c->finished = finished;
	c->last_asked = false;
	try_write(c);
	return 0;
}

void chan_close(struct chan *c)
{
	c->over = true;
	c->finished = NULL;
	say_bye(c, BYE_STOPPING, "the program ends");
	if (c->fd >= 0)
		end_session(c, "closed");
	ev_timer_cancel(c->loop, &c->timer);
	ev_rest_cancel(&c->rest);
	if (c->listener >= 0) {
		ev_del(c->loop, c->listener);
		hy_fd_close(&c->listener);
		if (!c->cfg.addr.door)
			chan_addr_unlink(&c->cfg.addr, c->cfg.role);
	}
	c->state = CHAN_CLOSED;
}

int chan_send(struct chan *c, enum msg_type type, uint32_t id, const void *payload, size_t len)
{
	int rc;

	if (c->state != CHAN_UP)
		return -ENOTCONN;
	rc = tx_message(&c->tx, msg_info((uint16_t)type), id, payload, len);
	if (rc == 0)
		try_write(c);
	return rc;
}

bool chan_cork(struct chan *c)
{
	bool first = !c->corked;

	c->corked = true;
	return first;
}

void chan_uncork(struct chan *c)
{
	if (!c->corked)
		return;
	c->corked = false;
	if (c->fd >= 0)
		try_write(c);
}

int chan_send_stream(struct chan *c, struct chan_stream *s)
{
	const struct msg_info *info = msg_info(s->type);

	if (c->state != CHAN_UP)
		return -ENOTCONN;
	if (!info || info->lane != LANE_BULK || s->total < info->min || s->total > info->max)
		return -EINVAL;
	tx_stream(&c->tx, s);
	try_write(c);
	return 0;
}
