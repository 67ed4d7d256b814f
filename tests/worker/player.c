/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * player.c - one connection on the stage, and what the agent says about it
 *
 * Runs in: the tests of the worker, in network namespaces of their own
 * Reads from: no untrusted input
 */
#include "tests/worker/stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"
#include "tests/move/wire_up.h"

#define PORT 80
#define PIECE 65536

struct tcp_record player_rec;

static void player_try(int rc, const struct hy_err *e, const char *what)
{
	if (rc < 0)
		probe_bail("%s: %s", what, e->text);
}

static struct sockaddr_in address_of(unsigned int k)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	sin.sin_addr.s_addr = htonl(10u << 24 | 1u << 16 | k);
	return sin;
}

static void route(unsigned int k, const char *link)
{
	char addr[32];

	snprintf(addr, sizeof(addr), "10.1.0.%u", k);
	wire_up_route(link, addr);
}

void player_route_home(unsigned int k)
{
	route(k, "c0");
}

void player_open(unsigned int k)
{
	struct player *p = &stage.player[k];
	struct sockaddr_in sin = address_of(k);
	int listener, one = 1;

	player_close(k);
	route(k, "c0");
	probe_netns_enter(stage.guest_ns);
	listener = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	PROBE_TRY(bind(listener, (struct sockaddr *)&sin, sizeof(sin)));
	PROBE_TRY(listen(listener, 4));
	probe_netns_enter(stage.client_ns);
	p->client = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(connect(p->client, (struct sockaddr *)&sin, sizeof(sin)));
	PROBE_TRY(fcntl(p->client, F_SETFL, O_NONBLOCK));
	p->kept = (int)PROBE_TRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	close(listener);
}

void player_close(unsigned int k)
{
	struct player *p = &stage.player[k];

	tcp_vanish(&p->kept);
	tcp_vanish(&p->client);
	hy_mem_free(&p->home.bytes);
	memset(p, 0, sizeof(*p));
	p->client = p->kept = -1;
}

void player_freeze(unsigned int k)
{
	struct tcp_image img = { .bytes = stage.bytes, .room = ROOM_BYTES };
	struct player *p = &stage.player[k];
	struct hy_err e = { 0 };

	player_try(tcp_freeze(p->kept, &e), &e, "freeze");
	player_try(tcp_dump(p->kept, &img, &e), &e, "dump");
	player_rec = img.rec;
}

static void queue_sent(struct chan_stream *s, int rc)
{
	(void)rc;
	*(bool *)s->object = true;
}

void player_offer(unsigned int k, uint32_t id)
{
	uint8_t record[TCP_RECORD_MAX], payload[MOVE_OFFER_MAX];
	uint32_t all = player_rec.recv_len + player_rec.send_len, most;
	struct move_offer o = { .record = record, .bytes = stage.bytes };
	struct chan_stream s = { .type = MSG_QUEUE, .id = id, .done = queue_sent };
	bool sent = false;

	(void)k;
	o.record_len = (uint16_t)tcp_record_encode(&player_rec, record, sizeof(record));
	most = MOVE_OFFER_ROOM - o.record_len;
	o.bytes_len = all < most ? all : most;
	o.rest = all - o.bytes_len;
	say(MSG_OFFER, id, payload, move_offer_encode(&o, payload, sizeof(payload)));
	if (!o.rest)
		return;
	if (stage.before_rest)
		stage.before_rest();
	s.data = stage.bytes + o.bytes_len;
	s.total = o.rest;
	s.object = &sent;
	if (chan_send_stream(&stage.chan, &s) < 0 || !UNTIL(sent))
		probe_bail("the queues do not leave");
}

bool player_move(unsigned int k)
{
	struct player *p = &stage.player[k];
	struct hy_err e = { 0 };

	player_freeze(k);
	route(k, "c1");
	player_offer(k, k);
	if (!UNTIL(p->adopted || p->refused || !stage.up) || !p->adopted)
		return false;
	player_try(tcp_silence(p->kept, &e), &e, "silence");
	return true;
}

bool player_home(unsigned int k)
{
	struct player *p = &stage.player[k];
	struct hy_err e = { 0 };
	uint64_t skip = p->up - p->home_up;

	player_try(tcp_rebuild(p->kept, &p->home, &e), &e, "rebuild");
	say_home_taken(k, MOVE_DONE);
	if (!UNTIL(p->home_done))
		return false;
	route(k, "c0");
	player_try(tcp_thaw(p->kept, &e), &e, "thaw");
	player_try(tcp_live(p->kept, &p->home, &e), &e, "live");
	return skip == 0 || recv(p->kept, NULL, skip, MSG_TRUNC) == (ssize_t)skip;
}

/* -- the client -- */

static void pump(unsigned int k)
{
	struct player *p = &stage.player[k];
	uint8_t piece[PIECE];
	ssize_t n = 1;

	while (!p->eof && !p->error && n > 0) {
		n = recv(p->client, piece, sizeof(piece), 0);
		if (n == 0)
			p->eof = true;
		else if (n < 0 && errno != EAGAIN)
			p->error = errno;
		else if (n > 0 && probe_first_wrong(piece, (size_t)n, p->read, DOWN(k)) >= 0)
			p->read_wrong = true;
		p->read += n > 0 ? (uint64_t)n : 0;
	}
}

bool player_client_has(unsigned int k, uint64_t bytes)
{
	pump(k);
	return stage.player[k].read >= bytes;
}

bool player_client_ended(unsigned int k)
{
	pump(k);
	return stage.player[k].eof || stage.player[k].error;
}

void player_client_sends(unsigned int k, uint64_t offset, size_t len)
{
	uint8_t piece[PIECE];

	for (size_t at = 0; at < len; at += PIECE) {
		size_t n = len - at < PIECE ? len - at : PIECE;

		probe_fill(piece, n, offset + at, UP(k));
		if (send(stage.player[k].client, piece, n, MSG_NOSIGNAL) != (ssize_t)n)
			probe_bail("the client cannot send: %s", strerror(errno));
	}
}

/* -- what the agent says -- */

void say(enum msg_type type, uint32_t id, const void *payload, int len)
{
	int rc;

	if (len < 0)
		probe_bail("message %d cannot be written", type);
	stage_patience();
	do {
		rc = chan_send(&stage.chan, type, id, payload, (size_t)len);
	} while (rc == -EAGAIN && stage_round());
	if (rc == -EAGAIN)
		probe_bail("the channel takes nothing");
}

void say_data(unsigned int k, uint64_t pos, uint32_t len)
{
	uint8_t bytes[MOVE_DATA_MAX], payload[MOVE_ITEM_MAX];
	struct move_item i = { .pos = pos, .kind = ITEM_DATA, .bytes = bytes, .bytes_len = len };

	probe_fill(bytes, len, pos, DOWN(k));
	say(MSG_ITEM, k, payload, move_item_encode(&i, payload, sizeof(payload)));
}

void say_slice(unsigned int k, uint64_t pos, uint32_t file, uint64_t len)
{
	struct move_item i = { .pos = pos, .kind = ITEM_SLICE, .file = file, .offset = pos,
			       .len = len };
	uint8_t payload[64];

	say(MSG_ITEM, k, payload, move_item_encode(&i, payload, sizeof(payload)));
}

void say_end(unsigned int k, uint64_t pos, enum move_item_kind kind)
{
	struct move_item i = { .pos = pos, .kind = (uint8_t)kind };
	uint8_t payload[64];

	say(MSG_ITEM, k, payload, move_item_encode(&i, payload, sizeof(payload)));
}

void say_taken(unsigned int k, uint64_t pos, bool again)
{
	struct move_pos p = { .pos = pos, .again = again };
	uint8_t payload[MOVE_POS_LEN];

	say(MSG_TAKEN, k, payload, move_pos_encode(&p, payload, sizeof(payload)));
}

void say_resume(unsigned int k, enum move_held held, uint64_t down, uint64_t up)
{
	struct move_resume r = { .held = (uint8_t)held, .down = down, .up = up };
	uint8_t payload[MOVE_RESUME_LEN];

	stage.player[k].resumed = stage.player[k].unknown = false;
	say(MSG_RESUME, k, payload, move_resume_encode(&r, payload, sizeof(payload)));
}

void say_home_taken(unsigned int k, enum move_reason reason)
{
	struct move_answer a = { .reason = (uint16_t)reason };
	uint8_t payload[MOVE_ANSWER_LEN];

	say(MSG_HOME_TAKEN, k, payload, move_answer_encode(&a, payload, sizeof(payload)));
}

int say_file_as(uint32_t id, const struct move_file *f)
{
	uint8_t payload[MOVE_FILE_MAX];

	stage.has_opened = false;
	say(MSG_FILE_OPEN, id, payload, move_file_encode(f, payload, sizeof(payload)));
	if (!UNTIL(stage.has_opened || !stage.up))
		probe_bail("no answer to file-open");
	return stage.has_opened ? stage.opened : -1;
}

int say_file(uint32_t id, const char *path)
{
	struct move_file f = { .by_inode = 1 };
	struct stat st;
	char at[128];

	snprintf(at, sizeof(at), "%s/%s", stage.share, path);
	PROBE_TRY(stat(at, &st));
	f.inode = st.st_ino;
	snprintf(f.path, sizeof(f.path), "%s", path);
	return say_file_as(id, &f);
}
