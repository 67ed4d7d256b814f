/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chan_world.c - a loop, a folder, and the two kinds of sides a channel test needs
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/chan_world.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"

#define PATIENCE_MS 20000
#define SETTLE_ROUNDS_MAX 100000

struct ev_loop world_loop;
struct side host, guest;
struct raw_peer raw = { .fd = -1 };

static const struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };
static char dir[32];
static char path[64];
static uint64_t patience_end_ms;

int world_open(void **state)
{
	struct hy_err e = { 0 };

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof(dir), "hylics-chan-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/channel.sock", dir);
	return ev_open(&world_loop, 1024, &e);
}

static void side_shut(struct side *s)
{
	if (s->chan.loop)
		chan_close(&s->chan);
	memset(s, 0, sizeof(*s));
}

int world_close(void **state)
{
	(void)state;
	side_shut(&host);
	side_shut(&guest);
	raw_close(&raw);
	ev_close(&world_loop);
	unlink(path);
	return rmdir(dir);
}

const char *world_path(void)
{
	return path;
}

/* -- sides -- */

static void side_up(void *object, const struct msg_hello *peer)
{
	struct side *s = object;

	s->ups++;
	snprintf(s->peer_software, sizeof(s->peer_software), "%s", peer->software);
	if (s->on_up)
		s->on_up(s);
}

static void side_down(void *object, const char *why)
{
	struct side *s = object;

	s->downs++;
	snprintf(s->why, sizeof(s->why), "%s", why);
	if (s->on_down)
		s->on_down(s);
}

static int side_message(void *object, const struct message *m)
{
	struct side *s = object;

	s->messages++;
	s->last_type = m->info->type;
	s->last_id = m->id;
	s->last_len = m->len;
	if (m->len <= sizeof(s->last_payload))
		memcpy(s->last_payload, m->payload, m->len);
	if (s->on_message)
		s->on_message(s);
	return s->refuse;
}

static void side_room(void *object)
{
	struct side *s = object;

	s->rooms++;
	if (s->on_room)
		s->on_room(s);
}

static const struct chan_ops side_ops = { side_up, side_down, side_message, side_room };

void side_open_with(struct side *s, const struct chan_config *cfg)
{
	struct hy_err e = { 0 };

	memset(s, 0, sizeof(*s));
	assert_int_equal(chan_open(&s->chan, cfg, &side_ops, s, &world_loop, &quiet, &e), 0);
}

void side_open(struct side *s, enum msg_role role, enum chan_kind kind)
{
	struct chan_config cfg = {
		.role = role, .addr = { .kind = kind },
		.software = role == ROLE_HOST ? "test host" : "test guest",
	};

	snprintf(cfg.addr.path, sizeof(cfg.addr.path), "%s", path);
	side_open_with(s, &cfg);
}

void side_timer(struct side *s)
{
	assert_true(s->chan.timer.pos != 0);
	ev_timer_cancel(&world_loop, &s->chan.timer);
	s->chan.timer.fn(s->chan.timer.object);
}

/* -- time -- */

void world_settle(void)
{
	struct epoll_event ready;
	struct hy_err e = { 0 };
	int rounds = 0;

	while (epoll_wait(world_loop.epfd, &ready, 1, 0) > 0) {
		assert_true(rounds++ < SETTLE_ROUNDS_MAX);
		assert_int_equal(ev_round(&world_loop, 0, &e), 0);
	}
}

void world_patience(void)
{
	patience_end_ms = hy_clock_ms() + PATIENCE_MS;
}

void world_round(void)
{
	struct hy_err e = { 0 };

	assert_true(hy_clock_ms() < patience_end_ms);
	assert_int_equal(ev_round(&world_loop, 5, &e), 0);
}

/* -- raw peers -- */

static struct sockaddr_un unix_addr(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	return sun;
}

int raw_listen(void)
{
	struct sockaddr_un sun = unix_addr();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

void raw_attach(struct raw_peer *p, int fd, enum msg_role role)
{
	assert_true(fd >= 0);
	raw_close(p);
	p->fd = fd;
	p->role = role;
	p->epoch = 0x1000;
	p->ended = false;
	frame_rx_reset(&p->rx);
}

static bool accept_one(int listener, int *fd)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	*fd = accept4(listener, (struct sockaddr *)&sun, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return *fd >= 0;
}

void raw_accept(struct raw_peer *p, int listener, enum msg_role role)
{
	int fd;

	RUN_UNTIL(accept_one(listener, &fd));
	raw_attach(p, fd, role);
}

void raw_connect(struct raw_peer *p, enum msg_role role)
{
	struct sockaddr_un sun = unix_addr();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	raw_attach(p, fd, role);
}

void raw_close(struct raw_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void raw_bytes(struct raw_peer *p, const void *bytes, size_t n)
{
	assert_int_equal(write(p->fd, bytes, n), n);
}

size_t raw_build(const struct raw_peer *p, uint8_t *out, enum msg_type type, uint32_t id,
		 const void *payload, uint16_t len)
{
	struct frame f = { .type = (uint16_t)type, .id = id, .epoch = p->epoch, .total = len,
			   .len = len, .payload = payload };

	return frame_encode(&f, out);
}

void raw_send(struct raw_peer *p, enum msg_type type, uint32_t id, const void *payload,
	      uint16_t len)
{
	uint8_t out[FRAME_LEN_MAX];

	raw_bytes(p, out, raw_build(p, out, type, id, payload, len));
}

uint16_t raw_hello_payload(const struct raw_peer *p, uint32_t seen, struct msg_hello *m,
			   uint8_t *out)
{
	*m = (struct msg_hello){ .proto_min = MSG_PROTO_MIN, .proto_max = MSG_PROTO_MAX,
				 .epoch = p->epoch, .seen = seen, .role = (uint8_t)p->role,
				 .software = "raw", .kernel = "0" };
	return (uint16_t)msg_hello_encode(m, out, MSG_HELLO_MAX);
}

void raw_hello(struct raw_peer *p, uint32_t seen)
{
	uint8_t out[FRAME_MARK_LEN + FRAME_OVERHEAD + MSG_HELLO_MAX], payload[MSG_HELLO_MAX];
	struct msg_hello m;
	uint16_t len = raw_hello_payload(p, seen, &m, payload);

	memcpy(out, FRAME_MARK, FRAME_MARK_LEN);
	raw_bytes(p, out, FRAME_MARK_LEN +
			  raw_build(p, out + FRAME_MARK_LEN, MSG_HELLO, 0, payload, len));
}

/* Whether there may be something more in the buffer now. */
static bool raw_read(struct raw_peer *p)
{
	size_t room;
	uint8_t *into = frame_rx_room(&p->rx, &room);
	ssize_t n = read(p->fd, into, room);

	if (n > 0)
		frame_rx_filled(&p->rx, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		p->ended = true;
	return n > 0;
}

bool raw_take(struct raw_peer *p, struct frame *f)
{
	int rc;

	do {
		while ((rc = frame_rx_next(&p->rx, f)) == FRAME_SYNC)
			;
		assert_true(rc >= 0);
	} while (rc == FRAME_NONE && raw_read(p));
	return rc == FRAME_READY;
}

void raw_expect(struct raw_peer *p, enum msg_type type, struct frame *f)
{
	RUN_UNTIL(raw_take(p, f) && f->type == type);
}

void raw_expect_end(struct raw_peer *p)
{
	struct frame f;

	RUN_UNTIL((raw_take(p, &f), p->ended));
}

void raw_greet(struct raw_peer *p, struct side *s)
{
	struct frame f;

	raw_expect(p, MSG_HELLO, &f);
	raw_hello(p, f.epoch);
	RUN_UNTIL(s->chan.state == CHAN_UP);
}
