/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_steps.c - moves taken back, repeated, made at bad moments, and what nobody must notice
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 */
#include "tests/move/world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/probes/tcp_sock.h"

#define KB 1024
#define MB (1024 * KB)
#define LIMIT_S 100
#define ROUNDS 10
#define TALK 3000
#define EPOLL_DATA 0x1122334455667788ull
#define EPOLL_LIMIT_MS 10000
#define NARROW 16384
#define MSS 1460
#define UNSENT (16 * KB)
#define FULL_CASES 12
#define FULL_FROM 700		/* less than a segment; up to more than HY_AGAIN_SEGMENTS of them */
#define FULL_STEP 1020
#define PIECES 3
#define PIECE 1000

/* Unread, sent and unsent bytes, the source frozen. */
static void load_queues(struct conn *c)
{
	conn_send_up(c, 2000);
	if (!tcp_sock_wait_acked(c->client))
		probe_bail("unread bytes do not arrive");
	TRY_MOVE(tcp_freeze(c->kept, &move_err));
	conn_send_down(c, 5000);
	if (!tcp_sock_wait_sent(c->kept))
		probe_bail("sent bytes do not leave");
	tcp_sock_close_window(c->kept, 5000);
	conn_send_down(c, 4000);
}

static bool all_right(struct conn *c)
{
	return conn_read_down(c) && conn_read_up(c) && conn_talks(c, TALK);
}

/* --- taken back --- */

static void undo_frozen(struct world *w, struct conn *c)
{
	(void)w;
	(void)c;
}

static void undo_dumped(struct world *w, struct conn *c)
{
	(void)w;
	conn_dump(c, c->kept);
}

static void undo_no_room(struct world *w, struct conn *c)
{
	struct hy_err e = { 0 };

	(void)w;
	if (tcp_dump(c->kept, &c->img, &e) != -ENOBUFS)
		probe_bail("a dump without room: %s", e.text);
}

static void undo_dumped_twice(struct world *w, struct conn *c)
{
	undo_dumped(w, c);
	undo_dumped(w, c);
}

static void undo_restored(struct world *w, struct conn *c)
{
	conn_dump(c, c->kept);
	conn_restore(w, c);
	world_route(w, TWIN);
	/* nothing of this may be acknowledged by a copy that is not the owner */
	conn_send_up(c, TALK);
	if (!tcp_sock_wait_sent(c->client))
		probe_bail("the client does not send");
	world_route(w, GUEST);
	tcp_vanish(&c->copy);
}

struct undo_point {
	const char *name;
	void (*reach)(struct world *w, struct conn *c);
};

static const struct undo_point undo_points[] = {
	{ "only frozen", undo_frozen },
	{ "dumped", undo_dumped },
	{ "a dump without room", undo_no_room },
	{ "dumped twice", undo_dumped_twice },
	{ "restored elsewhere", undo_restored },
};

static void prove_undo(struct world *w)
{
	for (size_t i = 0; i < sizeof(undo_points) / sizeof(undo_points[0]); i++) {
		const struct wish wish = { .kind = (enum kind)(i % KINDS) };
		struct conn c;
		bool right;

		conn_open(w, &c, &wish);
		load_queues(&c);
		tcp_sock_set(c.kept, SOL_SOCKET, SO_REUSEADDR, 1);
		undo_points[i].reach(w, &c);
		TRY_MOVE(tcp_undo(c.kept, &move_err));
		right = all_right(&c);
		probe_check(right && tcp_sock_get(c.kept, SOL_SOCKET, SO_REUSEADDR) == 1,
			    "taken back, %s: it goes on, every byte right", undo_points[i].name);
		conn_close(&c);
	}
}

/* The copy is dumped for the way home, and stays after all. */
static void prove_undo_at_home(struct world *w)
{
	const struct wish wish = { .kind = KIND_MAPPED };
	struct conn c;
	bool right;

	conn_open(w, &c, &wish);
	load_queues(&c);
	conns_out(w, &c, 1);
	conn_dump(&c, c.copy);
	TRY_MOVE(tcp_rebuild(c.kept, &c.img, &move_err));
	TRY_MOVE(tcp_silence(c.kept, &move_err));
	TRY_MOVE(tcp_undo(c.copy, &move_err));
	right = all_right(&c);
	conns_home(w, &c, 1);
	probe_check(right && all_right(&c), "going home taken back, then done: every byte right");
	conn_close(&c);
}

/* Whoever made the copy or rebuilt the socket died, and the image with it. */
static void prove_wake_without_image(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct conn c;
	bool out, home;

	conn_open(w, &c, &wish);
	tcp_sock_set(c.kept, SOL_SOCKET, SO_REUSEADDR, 1);
	load_queues(&c);
	tcp_sock_set(c.kept, SOL_SOCKET, SO_REUSEADDR, 1);
	conn_dump(&c, c.kept);
	conn_restore(w, &c);
	world_route(w, TWIN);
	TRY_MOVE(tcp_undo(c.copy, &move_err));
	TRY_MOVE(tcp_silence(c.kept, &move_err));
	out = all_right(&c);
	conn_dump(&c, c.copy);
	TRY_MOVE(tcp_rebuild(c.kept, &c.img, &move_err));
	world_route(w, GUEST);
	tcp_vanish(&c.copy);
	TRY_MOVE(tcp_undo(c.kept, &move_err));
	home = all_right(&c) && tcp_sock_get(c.kept, SOL_SOCKET, SO_REUSEADDR) == 1;
	probe_check(out && home, "woken by tcp_undo() alone copy and rebuilt socket go on, unsent "
		    "bytes and all");
	conn_close(&c);
}

/* --- again and again --- */

static void prove_rounds(struct world *w)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = EPOLL_DATA };
	const struct wish wish = { .kind = KIND_MAPPED };
	int epoll = (int)PROBE_TRY(epoll_create1(EPOLL_CLOEXEC));
	int right = 0, told = 0, clean = 0;
	struct conn c;

	conn_open(w, &c, &wish);
	PROBE_TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, c.kept, &event));
	for (int i = 0; i < ROUNDS; i++) {
		conn_send_up(&c, 100 + 700 * (size_t)i);
		conns_out(w, &c, 1);
		clean += tcp_sock_get(c.kept, SOL_SOCKET, SO_ERROR) == 0;
		conn_send_down(&c, 300000);
		right += all_right(&c);
		conn_send_up(&c, 900);
		conns_home(w, &c, 1);
		event.data.u64 = 0;
		told += epoll_wait(epoll, &event, 1, EPOLL_LIMIT_MS) == 1 &&
			event.data.u64 == EPOLL_DATA && event.events == EPOLLIN;
		right += all_right(&c);
	}
	probe_check(right == 2 * ROUNDS, "one connection, %d times out and home: every byte right "
		    "(%d of %d)", ROUNDS, right, 2 * ROUNDS);
	probe_check(told == ROUNDS, "its epoll entry tells of new bytes after each (%d)", told);
	probe_check(clean == ROUNDS, "a silenced socket has no error left (%d)", clean);
	close(epoll);
	conn_close(&c);
}

/* --- bad moments --- */

static bool nothing_is_under_way(void *arg)
{
	int sock = *(int *)arg;

	return tcp_sock_unsent(sock) > 0 && tcp_sock_unsent(sock) == tcp_sock_unacked(sock);
}

/* Nobody reads: the client's window is shut when the connection moves, both ways. */
static void prove_shut_windows(struct world *w)
{
	const struct wish wish = { .mss = 536, .client_rcvbuf = NARROW, .server_rcvbuf = NARROW };
	struct tcp_record rec;
	unsigned int shut;
	struct conn c;
	bool out;

	conn_open(w, &c, &wish);
	PROBE_TRY(fcntl(c.client, F_SETFL, O_NONBLOCK));
	PROBE_TRY(fcntl(c.kept, F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 2; i++) {
		int sock = i ? c.client : c.kept;
		uint64_t *sent = i ? &c.up_sent : &c.down_sent;
		unsigned char buf[1000];
		ssize_t put;

		do {
			probe_fill(buf, sizeof(buf), *sent, i ? c.up : c.down);
			put = send(sock, buf, sizeof(buf), 0);
			*sent += put > 0 ? (uint64_t)put : 0;
		} while (put > 0);
	}
	PROBE_TRY(fcntl(c.client, F_SETFL, 0));
	PROBE_TRY(fcntl(c.kept, F_SETFL, 0));
	if (!probe_wait_until(nothing_is_under_way, &c.client) ||
	    !probe_wait_until(nothing_is_under_way, &c.kept))
		probe_bail("the windows do not shut");
	shut = tcp_sock_info(c.client).tcpi_snd_wnd;
	conns_out(w, &c, 1);
	rec = c.img.rec;
	out = all_right(&c);
	conns_home(w, &c, 1);
	probe_check(rec.unsent_len && rec.recv_len && out && all_right(&c), "windows of %u and %u "
		    "bytes, %u unsent, %u unread: every byte right", rec.window.snd_wnd, shut,
		    rec.unsent_len, rec.recv_len);
	conn_close(&c);
}

/*
 * The client has all that its window takes, to the last byte, and said so when nobody listened.
 * What it acknowledges is believed only if all of that is sent as far as the new socket knows.
 */
static bool goes_on_full(struct world *w, size_t sent, bool timestamps)
{
	const struct wish wish = { .no_timestamps = !timestamps, .mss = MSS };
	struct conn c;
	bool good;

	conn_open(w, &c, &wish);
	tcp_sock_set(c.kept, IPPROTO_TCP, TCP_NODELAY, 1);
	TRY_MOVE(tcp_freeze(c.kept, &move_err));
	conn_send_down(&c, sent);
	if (!tcp_sock_wait_sent(c.kept))
		probe_bail("%zu bytes do not leave", sent);
	tcp_sock_close_window(c.kept, sent);
	conn_send_down(&c, UNSENT);
	conns_out(w, &c, 1);
	good = tcp_sock_unsent(c.copy) <= (int)c.img.rec.unsent_len;
	if (!good)
		probe_note("of %zu bytes that were sent the copy takes some for unsent", sent);
	good = conn_read_down(&c) && conn_talks(&c, TALK) && good;
	conns_home(w, &c, 1);
	conn_close(&c);
	return good;
}

static void prove_full_windows(struct world *w)
{
	int good = 0;

	for (int i = 0; i < FULL_CASES; i++)
		good += goes_on_full(w, FULL_FROM + FULL_STEP * (size_t)i, i % 2);
	probe_check(good == FULL_CASES, "a window filled to its last byte: %d of %d sent as before",
		    good, FULL_CASES);
}

/* Three segments are sent, and the client, frozen behind the first, gets only that. */
static void send_pieces(struct conn *c)
{
	tcp_sock_set(c->kept, IPPROTO_TCP, TCP_NODELAY, 1);
	TRY_MOVE(tcp_freeze(c->kept, &move_err));
	for (int i = 0; i < PIECES; i++) {
		conn_send_down(c, PIECE);
		if (!tcp_sock_wait_sent(c->kept))
			probe_bail("a piece does not leave");
		if (i == 0)
			TRY_MOVE(tcp_freeze(c->client, &move_err));
	}
}

/* The copy has the pieces as one segment; the client's own word is that it has the first. */
static void acknowledge_one(struct world *w, struct conn *c)
{
	conn_dump(c, c->kept);
	conn_restore(w, c);
	world_route(w, TWIN);
	TRY_MOVE(tcp_live(c->copy, &c->img, &move_err));
	TRY_MOVE(tcp_silence(c->kept, &move_err));
	TRY_MOVE(tcp_thaw(c->client, &move_err));
	conn_send_up(c, 1);
	if (!conn_read_up(c))
		probe_bail("the client's byte does not come");
	TRY_MOVE(tcp_freeze(c->client, &move_err));
}

static void prove_half_acked(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct conn c;
	bool right;

	conn_open(w, &c, &wish);
	send_pieces(&c);
	acknowledge_one(w, &c);
	conn_dump(&c, c.copy);
	right = c.img.rec.send_len == (PIECES - 1) * PIECE &&
		probe_first_wrong(c.img.bytes, c.img.rec.send_len, PIECE, c.down) < 0;
	probe_check(right, "of a segment acknowledged in part %u bytes are dumped, the right ones",
		    c.img.rec.send_len);
	TRY_MOVE(tcp_rebuild(c.kept, &c.img, &move_err));
	world_route(w, GUEST);
	tcp_vanish(&c.copy);
	TRY_MOVE(tcp_thaw(c.client, &move_err));
	TRY_MOVE(tcp_live(c.kept, &c.img, &move_err));
	probe_check(all_right(&c), "and go on, every byte right");
	conn_close(&c);
}

/* The client has data for a copy that is not the owner yet: it waits, and comes later. */
static void prove_early_data(struct world *w)
{
	const struct wish wish = { .kind = KIND_V6 };
	struct conn c;
	bool kept_out;

	conn_open(w, &c, &wish);
	load_queues(&c);
	conn_dump(&c, c.kept);
	conn_restore(w, &c);
	world_route(w, TWIN);
	conn_send_up(&c, TALK);
	if (!tcp_sock_wait_drop(c.copy, 0))
		probe_bail("the client's bytes do not reach the copy");
	kept_out = tcp_sock_unread(c.copy) == (int)c.img.rec.recv_len;
	TRY_MOVE(tcp_live(c.copy, &c.img, &move_err));
	TRY_MOVE(tcp_silence(c.kept, &move_err));
	probe_check(kept_out && all_right(&c),
		    "what comes before a copy is live stays out, and comes again");
	conn_close(&c);
	world_route(w, GUEST);
}

/* A program that looks ahead with an offset of its own. */
static void prove_peek_offset(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	int offset = 700;
	struct conn c;

	conn_open(w, &c, &wish);
	if (setsockopt(c.kept, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0) {
		probe_skip("a program's SO_PEEK_OFF is left alone", "%s", strerror(errno));
	} else {
		load_queues(&c);
		conn_dump(&c, c.kept);
		probe_check(c.img.rec.recv_len == 2000 &&
			    probe_first_wrong(c.img.bytes, 2000, 0, c.up) < 0 &&
			    tcp_sock_get(c.kept, SOL_SOCKET, SO_PEEK_OFF) == offset,
			    "a program's SO_PEEK_OFF is neither used nor moved");
	}
	conn_close(&c);
}

/* --- what a mover must not leave --- */

static void prove_vanish(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct conn c;
	long segments;
	int other;

	conn_open(w, &c, &wish);
	load_queues(&c);
	TRY_MOVE(tcp_freeze(c.client, &move_err));
	conns_out(w, &c, 1);
	if (!tcp_sock_wait_drop(c.client, 0))
		probe_bail("the copy's probe does not come");
	other = (int)PROBE_TRY(dup(c.copy));
	world_enter(w, TWIN);
	segments = tcp_sock_snmp("OutSegs");
	tcp_vanish(&c.copy);
	segments = tcp_sock_snmp("OutSegs") - segments;
	probe_check(c.copy == -1 && segments == 0 &&
		    tcp_sock_info(other).tcpi_state == TCP_SOCK_CLOSE,
		    "a vanished copy sends nothing (%ld) and is gone for other holders too",
		    segments);
	world_leave(w);
	close(other);
	conn_close(&c);
	world_route(w, GUEST);
}

/* --- segments --- */

static unsigned int segments_for_mb(struct conn *c)
{
	int sock = conn_sock(c);
	unsigned int before = tcp_sock_new_segments(sock);

	tcp_sock_set(sock, SOL_SOCKET, SO_SNDBUFFORCE, 4 * MB);
	conn_send_down(c, MB);
	if (!conn_read_down(c))
		probe_bail("a megabyte does not arrive");
	return tcp_sock_new_segments(sock) - before;
}

static void prove_segments(struct world *w)
{
	static const int mss[] = { 536, 1460, 8960 };

	for (unsigned int i = 0; i < 6; i++) {
		const struct wish wish = { .kind = (enum kind)(i % KINDS), .mss = mss[i % 3],
					   .client_rcvbuf = 8 * MB,
					   .no_timestamps = i >= 3 };
		unsigned int plain, out, home, most;
		struct conn c;

		conn_open(w, &c, &wish);
		plain = segments_for_mb(&c);
		conns_out(w, &c, 1);
		out = segments_for_mb(&c);
		conns_home(w, &c, 1);
		home = segments_for_mb(&c);
		most = plain + plain / 20 + 2;
		probe_check(out <= most && home <= most,
			    "MSS %d%s: %u segments per MB, in the twin %u, home again %u", wish.mss,
			    wish.no_timestamps ? " without timestamps" : "", plain, out, home);
		conn_close(&c);
	}
}

int main(void)
{
	struct world w = world_begin(LIMIT_S);
	long resets;
	int time_waits;

	prove_undo(&w);
	prove_undo_at_home(&w);
	prove_wake_without_image(&w);
	prove_rounds(&w);
	prove_shut_windows(&w);
	prove_full_windows(&w);
	prove_half_acked(&w);
	prove_early_data(&w);
	prove_peek_offset(&w);
	prove_vanish(&w);
	prove_segments(&w);
	resets = world_resets(&w);
	time_waits = world_time_waits(&w);
	probe_check(resets == 0, "no RST was sent (%ld)", resets);
	probe_check(time_waits == 0, "no TIME_WAIT is left (%d)", time_waits);
	return probe_end("moves taken back, repeated or made at bad moments lose no byte");
}
