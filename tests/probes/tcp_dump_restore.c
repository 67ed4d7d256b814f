/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_dump_restore.c - a connection is taken out of one socket and goes on in another
 *
 * Runs in: network namespaces of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * Done in two places. In one namespace the old socket must go before the new one can have its
 * addresses. Between two namespaces with the same address the old one stays, frozen, until the
 * new one is live, and the client's route changes before. Either way there is a moment when the
 * client's segments (late acknowledgements) meet no socket of their own: a listener that drops
 * everything takes them, so that nobody answers with a RST. In the first place repair mode is
 * left without the window probe: the copy knows of the windows only what was restored.
 */
#include "tests/probes/tcp_image.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define KB 1024
#define MB (1024 * KB)
#define MTU 1500
#define SIZES 5
#define EXACT_MOVES (SIZES * SIZES * SIZES)
#define MOVES (EXACT_MOVES + 2)		/* and 1 MB all sent, and 1 MB split by real windows */
#define TAIL 5000			/* what both ends send after the move, before their FIN */
#define WARM_MIN (64 * KB)
#define WARM_SPARE (32 * KB)		/* segments that are not full count as full ones */
#define WARM_ROUNDS_MAX 200
#define SEND_ATTEMPTS 20
#define WIDE_BUFFER (4 * MB)
#define NARROW_BUFFER (64 * KB)
#define STALL_MS 15000

/* One end of a connection after the move: what it still sends, what it must get. */
struct end {
	int sock;
	unsigned int send_stream, recv_stream;
	size_t send_at, send_end;
	size_t recv_at, recv_end;
	bool shut;			/* our FIN is sent */
	bool ended;			/* theirs has come, or the socket failed */
	bool wrong;
};

struct move {
	size_t sent, unsent, unread;
	bool lost;			/* the sent part never reached the client */
	int client, source, copy;
	unsigned int down, up;		/* stream numbers: to the client, from the client */
	struct tcp_image image;
	struct end ends[2];
};

struct place {
	const char *name;
	int client_ns, source_ns, copy_ns;
	int listener;
	int leave;			/* how repair mode is left */
	int catcher;			/* the listener that drops everything meanwhile */
	struct sockaddr_in addr;
	size_t sizes[SIZES];
	struct move *moves;
};

static bool same_place(const struct place *place)
{
	return place->source_ns == place->copy_ns;
}

/* Congestion window back to the start after a pause would make "sent" depend on time. */
static void keep_congestion_window(void)
{
	int fd = (int)PROBE_TRY(open("/proc/sys/net/ipv4/tcp_slow_start_after_idle", O_WRONLY));

	PROBE_TRY(write(fd, "0", 1));
	close(fd);
}

static void place_listen(struct place *place, const char *addr)
{
	socklen_t len = sizeof(place->addr);

	probe_netns_enter(place->source_ns);
	keep_congestion_window();
	place->addr.sin_family = AF_INET;
	PROBE_TRY(inet_pton(AF_INET, addr, &place->addr.sin_addr));
	place->listener = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	tcp_sock_set(place->listener, SOL_SOCKET, SO_RCVBUFFORCE, WIDE_BUFFER);
	PROBE_TRY(bind(place->listener, (struct sockaddr *)&place->addr, len));
	PROBE_TRY(listen(place->listener, 8));
	PROBE_TRY(getsockname(place->listener, (struct sockaddr *)&place->addr, &len));
	probe_netns_enter(place->client_ns);
}

static void move_connect(const struct place *place, struct move *move, int client_buffer)
{
	move->client = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	tcp_sock_set(move->client, SOL_SOCKET, SO_RCVBUFFORCE, client_buffer);
	PROBE_TRY(connect(move->client, (const struct sockaddr *)&place->addr,
			  sizeof(place->addr)));
	move->source = (int)PROBE_TRY(accept(place->listener, NULL, NULL));
	PROBE_TRY(setsockopt(move->source, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	tcp_sock_set(move->source, IPPROTO_TCP, TCP_NODELAY, 1);
	tcp_sock_set(move->source, SOL_SOCKET, SO_SNDBUFFORCE, WIDE_BUFFER);
}

/*
 * Until both windows take the sent part at once. A congestion window grows only when it is used
 * up, which takes one large send(): acknowledgements are not looked at before it returns.
 */
static void move_warm_up(struct move *move)
{
	static unsigned char buf[2 * MB];
	size_t len = move->sent > WARM_MIN ? 2 * move->sent : 2 * WARM_MIN;

	probe_fill(buf, len, 0, move->down);
	for (int round = 0; round < WARM_ROUNDS_MAX; round++) {
		struct tcp_info info = tcp_sock_info(move->source);

		if (info.tcpi_snd_cwnd * info.tcpi_snd_mss >= move->sent + WARM_SPARE &&
		    info.tcpi_snd_wnd >= move->sent)
			return;
		PROBE_TRY(send(move->source, buf, len, 0));
		if (!tcp_sock_read_right(move->client, len, 0, move->down) ||
		    !tcp_sock_wait_acked(move->source))
			probe_bail("the warm-up's bytes do not arrive");
	}
	probe_bail("the windows do not open in %d rounds", WARM_ROUNDS_MAX);
}

static void move_take_unread(struct move *move)
{
	tcp_sock_write(move->client, move->unread, 0, move->up);
	if (!tcp_sock_wait_acked(move->client))
		probe_bail("%zu unread bytes do not get into the source", move->unread);
	tcp_sock_freeze(move->source);
}

static bool sent_or_timed_out(void *arg)
{
	int sock = *(int *)arg;

	return tcp_sock_unsent(sock) == 0 || tcp_sock_info(sock).tcpi_retransmits > 0;
}

/*
 * A retransmission time-out shrinks the congestion window to nothing: on a busy machine it may
 * come before everything has left, as nothing is acknowledged to a frozen socket.
 *
 * Return: false if that happened
 */
static bool move_try_send(const struct place *place, struct move *move)
{
	move_connect(place, move, WIDE_BUFFER);
	move_warm_up(move);
	move_take_unread(move);
	if (move->lost)
		tcp_sock_freeze(move->client);
	tcp_sock_write(move->source, move->sent, 0, move->down);
	return probe_wait_until(sent_or_timed_out, &move->source) &&
	       tcp_sock_unsent(move->source) == 0;
}

static void close_silently(int sock)
{
	tcp_sock_repair(sock, TCP_REPAIR_ON);
	close(sock);
}

/* A connection with exactly so many bytes in each part, dumped, its source still frozen. */
static void move_prepare_exact(const struct place *place, struct move *move)
{
	for (int attempt = 0; !move_try_send(place, move); attempt++) {
		if (attempt == SEND_ATTEMPTS)
			probe_bail("%d of %zu bytes do not leave", tcp_sock_unsent(move->source),
				   move->sent);
		tcp_sock_freeze(move->client);
		close_silently(move->source);
		close_silently(move->client);
	}
	tcp_sock_close_window(move->source, move->sent);
	tcp_sock_write(move->source, move->unsent, move->sent, move->down);
	tcp_image_dump(move->source, &move->image);
}

/* 1 MB each way; how much of it is sent is the kernel's business. */
static void move_prepare_free(const struct place *place, struct move *move)
{
	move_connect(place, move, NARROW_BUFFER);
	move_take_unread(move);
	tcp_sock_write(move->source, MB, 0, move->down);
	tcp_image_dump(move->source, &move->image);
	move->unsent = move->image.unsent;
	move->sent = MB - move->unsent;
}

static bool image_is_right(const struct move *move)
{
	const struct tcp_image *img = &move->image;

	return img->recv_len == move->unread && img->send_len == move->sent + move->unsent &&
	       img->unsent == move->unsent &&
	       probe_first_wrong(img->recv, img->recv_len, 0, move->up) < 0 &&
	       probe_first_wrong(img->send, img->send_len, 0, move->down) < 0;
}

static void place_choose_splits(struct place *place)
{
	for (unsigned int i = 0; i < MOVES; i++) {
		struct move *move = &place->moves[i];

		move->down = 2 * i;
		move->up = 2 * i + 1;
		move->lost = i % 2;
		move->sent = i < EXACT_MOVES ? place->sizes[i / SIZES / SIZES] : MB;
		move->unsent = i < EXACT_MOVES ? place->sizes[i / SIZES % SIZES] : 0;
		move->unread = i < EXACT_MOVES ? place->sizes[i % SIZES] : MB;
	}
}

static void place_prepare(struct place *place)
{
	struct move *free_split = &place->moves[MOVES - 1];
	int right = 0;

	for (struct move *move = place->moves; move < free_split; move++) {
		move_prepare_exact(place, move);
		right += image_is_right(move);
	}
	move_prepare_free(place, free_split);
	right += image_is_right(free_split);
	probe_check(right == MOVES, "%s: %d of %d dumps hold each part in its length, bytes right",
		    place->name, right, MOVES);
	probe_check(free_split->sent && free_split->unsent,
		    "%s: of 1 MB the kernel had sent %zu bytes, %zu not", place->name,
		    free_split->sent, free_split->unsent);
}

static void close_source(struct move *move)
{
	close(move->source);
	move->source = -1;
}

static void move_restore(const struct place *place, struct move *move)
{
	if (same_place(place))
		close_source(move);
	if (move->lost)
		tcp_sock_thaw(move->client);
	probe_netns_enter(place->copy_ns);
	move->copy = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	tcp_image_connect(move->copy, &move->image, TCP_IMAGE_MAXSEG_BEFORE);
	tcp_image_fill(move->copy, &move->image);
	tcp_image_live(move->copy, &move->image, place->leave);
	if (!same_place(place))
		close_source(move);
	probe_netns_enter(place->client_ns);
}

static void cut_old_route(void)
{
	struct ifreq ifr = { .ifr_name = "c0" };
	int fd = (int)PROBE_TRY(socket(AF_INET, SOCK_DGRAM, 0));

	PROBE_TRY(ioctl(fd, SIOCGIFFLAGS, &ifr));
	ifr.ifr_flags &= ~IFF_UP;
	PROBE_TRY(ioctl(fd, SIOCSIFFLAGS, &ifr));
	close(fd);
}

static void move_start_ends(struct move *move)
{
	size_t down = move->sent + move->unsent;
	struct end client = {
		.sock = move->client, .send_stream = move->up, .recv_stream = move->down,
		.send_at = move->unread, .send_end = move->unread + TAIL, .recv_end = down + TAIL,
	};
	struct end copy = {
		.sock = move->copy, .send_stream = move->down, .recv_stream = move->up,
		.send_at = down, .send_end = down + TAIL, .recv_end = move->unread + TAIL,
	};

	fcntl(client.sock, F_SETFL, O_NONBLOCK);
	fcntl(copy.sock, F_SETFL, O_NONBLOCK);
	move->ends[0] = client;
	move->ends[1] = copy;
}

static void end_send(struct end *end)
{
	unsigned char buf[TAIL];
	size_t len = end->send_end - end->send_at;
	ssize_t put;

	probe_fill(buf, len, end->send_at, end->send_stream);
	put = send(end->sock, buf, len, 0);
	if (put > 0)
		end->send_at += (size_t)put;
	else if (errno != EAGAIN)
		end->ended = true;
	if (end->send_at == end->send_end)
		end->shut = shutdown(end->sock, SHUT_WR) == 0;
}

static void end_recv(struct end *end)
{
	static unsigned char buf[256 * KB];
	ssize_t got = recv(end->sock, buf, sizeof(buf), 0);

	if (got > 0) {
		if (probe_first_wrong(buf, (size_t)got, end->recv_at, end->recv_stream) >= 0)
			end->wrong = true;
		end->recv_at += (size_t)got;
	} else if (got == 0 || errno != EAGAIN) {
		end->ended = true;
		end->wrong |= got != 0;
	}
}

static short end_wants(const struct end *end)
{
	return (short)((end->ended ? 0 : POLLIN) | (end->shut ? 0 : POLLOUT));
}

/* Both ends of all connections at once, so that their retransmission timers run together. */
static void place_carry_on(struct place *place)
{
	struct pollfd polls[2 * MOVES];
	struct end *ends[2 * MOVES];
	nfds_t busy;

	for (;;) {
		busy = 0;
		for (int i = 0; i < 2 * MOVES; i++) {
			struct end *end = &place->moves[i / 2].ends[i % 2];

			if (!end_wants(end))
				continue;
			ends[busy] = end;
			polls[busy++] = (struct pollfd){ end->sock, end_wants(end), 0 };
		}
		if (!busy || poll(polls, busy, STALL_MS) <= 0)
			return;
		for (nfds_t i = 0; i < busy; i++) {
			if (polls[i].revents & POLLOUT)
				end_send(ends[i]);
			if (polls[i].revents & (POLLIN | POLLERR | POLLHUP))
				end_recv(ends[i]);
		}
	}
}

static bool move_is_right(const struct move *move)
{
	for (int i = 0; i < 2; i++) {
		const struct end *end = &move->ends[i];

		if (end->ended && !end->wrong && end->recv_at == end->recv_end)
			continue;
		probe_note("sent %zu unsent %zu unread %zu%s: the %s got %zu of %zu bytes%s%s",
			   move->sent, move->unsent, move->unread, move->lost ? " lost" : "",
			   i ? "copy" : "client", end->recv_at, end->recv_end,
			   end->wrong ? ", wrong" : "", end->ended ? "" : ", no end");
		return false;
	}
	return true;
}

static int place_count_resets(const struct place *place)
{
	const int namespaces[] = { place->source_ns, place->copy_ns, place->client_ns };
	long resets = 0;

	for (int i = same_place(place) ? 2 : 0; i < 3; i++) {
		probe_netns_enter(namespaces[i]);
		resets += tcp_sock_snmp("OutRsts");
	}
	return (int)resets;
}

static void place_judge(const struct place *place, long resets_before)
{
	long resets;

	for (int row = 0; row < SIZES; row++) {
		int right = 0;

		for (int i = 0; i < SIZES * SIZES; i++)
			right += move_is_right(&place->moves[row * SIZES * SIZES + i]);
		probe_check(right == SIZES * SIZES,
			    "%s: sent %zu: every byte once and in order, both ways, on %d of %d",
			    place->name, place->sizes[row], right, SIZES * SIZES);
	}
	probe_check(move_is_right(&place->moves[EXACT_MOVES]),
		    "%s: sent 1 MB, unread 1 MB: every byte once and in order", place->name);
	probe_check(move_is_right(&place->moves[EXACT_MOVES + 1]),
		    "%s: split by the kernel, unread 1 MB: every byte once and in order",
		    place->name);
	resets = place_count_resets(place) - resets_before;
	probe_check(resets == 0, "%s: no RST was sent (%ld)", place->name, resets);
}

static void place_close(struct place *place)
{
	for (int i = 0; i < MOVES; i++) {
		tcp_image_free(&place->moves[i].image);
		close(place->moves[i].client);
		close(place->moves[i].copy);
	}
	close(place->catcher);
	close(place->listener);
	free(place->moves);
}

static void place_choose_sizes(struct place *place)
{
	struct move first = { 0 };
	size_t mss;

	move_connect(place, &first, WIDE_BUFFER);
	mss = tcp_sock_info(first.source).tcpi_snd_mss;
	close(first.client);
	close(first.source);
	memcpy(place->sizes, (size_t[SIZES]){ 0, 1, mss - 1, mss, 64 * KB }, sizeof(place->sizes));
}

static void place_catch_strays(struct place *place)
{
	probe_netns_enter(place->copy_ns);
	if (same_place(place)) {
		place->catcher = (int)PROBE_TRY(dup(place->listener));
	} else {
		place->catcher = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
		PROBE_TRY(bind(place->catcher, (struct sockaddr *)&place->addr,
			       sizeof(place->addr)));
		PROBE_TRY(listen(place->catcher, 1));
	}
	tcp_sock_freeze(place->catcher);
	probe_netns_enter(place->client_ns);
}

static void place_run(struct place *place, const char *addr)
{
	long resets_before = place_count_resets(place);

	place->moves = calloc(MOVES, sizeof(*place->moves));
	if (!place->moves)
		probe_bail("no memory");
	place_listen(place, addr);
	place_choose_sizes(place);
	place_choose_splits(place);
	place_prepare(place);
	place_catch_strays(place);
	if (!same_place(place))
		cut_old_route();
	for (int i = 0; i < MOVES; i++)
		move_restore(place, &place->moves[i]);
	for (int i = 0; i < MOVES; i++)
		move_start_ends(&place->moves[i]);
	place_carry_on(place);
	place_judge(place, resets_before);
	place_close(place);
}

static int attach(const char *here, const char *there, int netns, int home)
{
	int rc = probe_veth(here, there, netns);

	if (rc)
		return rc;
	probe_if_up(here, "10.77.0.1", "255.255.255.0");
	probe_netns_enter(netns);
	probe_if_up(there, "10.77.0.2", "255.255.255.0");
	probe_netns_enter(home);
	return 0;
}

static void run_between_namespaces(int here)
{
	struct place place = { .name = "two namespaces", .client_ns = here,
			       .leave = TCP_REPAIR_OFF,
			       .source_ns = probe_netns_new(), .copy_ns = probe_netns_new() };
	int rc = attach("c0", "g0", place.source_ns, here);

	if (!rc)
		rc = attach("c1", "t0", place.copy_ns, here);
	if (rc)
		probe_skip("between two namespaces", "veth: %s", strerror(-rc));
	else
		place_run(&place, "10.77.0.2");
}

/* For probe_wait_until(): the client takes what has come, until the source's state is reached. */
struct drain {
	int client, source;
	uint32_t window_before;
};

static void drain_client(const struct drain *drain)
{
	static unsigned char buf[256 * KB];

	while (recv(drain->client, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static bool drained_all_sent(void *arg)
{
	const struct drain *drain = arg;

	drain_client(drain);
	return tcp_sock_unsent(drain->source) == 0;
}

static bool drained_window_open(void *arg)
{
	const struct drain *drain = arg;

	drain_client(drain);
	return tcp_sock_info(drain->source).tcpi_snd_wnd > drain->window_before;
}

static struct drain window_bound(const struct place *place)
{
	struct move move = { .client = -1 };

	move_connect(place, &move, NARROW_BUFFER);
	tcp_sock_write(move.source, MB, 0, 0);
	return (struct drain){ move.client, move.source, 0 };
}

/* Why the dump reads the receive queue first and the send queue's counts after SEND_QUEUE. */
static void prove_order(int here)
{
	struct place place = { .client_ns = here, .source_ns = here, .copy_ns = here };
	struct drain drain;
	unsigned int before, sent;
	int unsent;
	bool open;

	place_listen(&place, "127.0.0.1");
	drain = window_bound(&place);
	tcp_sock_repair(drain.source, TCP_REPAIR_ON);
	before = tcp_sock_new_segments(drain.source);
	open = probe_wait_until(drained_all_sent, &drain);
	sent = tcp_sock_new_segments(drain.source) - before;
	probe_check(open && sent > 0, "repair mode with no queue chosen still transmits: %u new "
		    "segments when the window opens", sent);

	drain = window_bound(&place);
	tcp_sock_repair(drain.source, TCP_REPAIR_ON);
	tcp_sock_queue(drain.source, TCP_SEND_QUEUE);
	drain.window_before = tcp_sock_info(drain.source).tcpi_snd_wnd;
	before = tcp_sock_new_segments(drain.source);
	unsent = tcp_sock_unsent(drain.source);
	open = probe_wait_until(drained_window_open, &drain);
	sent = tcp_sock_new_segments(drain.source) - before;
	probe_check(open && sent == 0, "with the send queue chosen nothing new leaves: %u segments",
		    sent);
	probe_note("but %d unsent bytes have become %d: a socket that is not frozen books them "
		   "as sent", unsent, tcp_sock_unsent(drain.source));
}

int main(void)
{
	struct place here = { .name = "one namespace", .leave = TCP_REPAIR_OFF_NO_WP };
	int netns;

	probe_begin(55);
	probe_private_net(MTU);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	netns = probe_netns_here();
	here.client_ns = here.source_ns = here.copy_ns = netns;
	prove_order(netns);
	place_run(&here, "127.0.0.1");
	run_between_namespaces(netns);
	return probe_end("2 x %d connections moved, every split of sent, unsent and unread, half "
			 "of the sent parts lost: no byte lost, doubled or out of order, no RST",
			 MOVES);
}
