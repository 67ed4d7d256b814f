/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_rebuild.c - a connection is put back into the very socket it once lived in
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * Both ends are frozen while the socket is unconnected and the peer has nothing unacknowledged,
 * so that no segment can meet a port without a socket, however slow the machine is.
 */
#include "tests/probes/tcp_image.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 3
#define UNREAD 3000
#define SENT 2000
#define UNSENT 1500
#define LATE 700			/* sent by the peer before the filter goes */
#define AFTER 900			/* and after the rebuild, for the epoll entry to tell */
#define EPOLL_DATA 0x1122334455667788ull
#define EPOLL_LIMIT_MS 10000

enum { UP = 1, DOWN = 2 };

/* The socket that is rebuilt, the other end, and how far their streams are. */
struct subject {
	const char *name;
	int sock, peer, epoll;
	uint64_t up, down;
	struct sockaddr_in local, remote;
	int bind_err[ROUNDS];
	int so_error;
	uint32_t transient_events;
	int right, filtered, told;	/* rounds in which it held */
};

/*
 * Integer options of a socket, in an order that matters: IP_TOS sets a priority of its own.
 * Those marked lost are set again by the mover; that they are lost is told, not demanded.
 */
struct option {
	const char *name;
	int level, opt, value;
	bool lost;
};

static const struct option options[] = {
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1, false },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, 77, false },
	{ "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1, false },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 2, false },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 900000000, false },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1, true },
	{ "IP_TOS", IPPROTO_IP, IP_TOS, 0x10, false },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3, false },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 33, false },
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT, false },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1, false },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 111, false },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 22, false },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 5, false },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 4, false },
	{ "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, 33, false },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 54321, false },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 99999, false },
	{ "TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1, false },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 50000, true },
};

#define OPTIONS ((int)(sizeof(options) / sizeof(options[0])))

static void names_of(int sock, struct sockaddr_in *local, struct sockaddr_in *remote)
{
	socklen_t len = sizeof(*local);

	PROBE_TRY(getsockname(sock, (struct sockaddr *)local, &len));
	len = sizeof(*remote);
	PROBE_TRY(getpeername(sock, (struct sockaddr *)remote, &len));
}

static void subject_start(struct subject *subject)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = EPOLL_DATA };

	names_of(subject->sock, &subject->local, &subject->remote);
	for (int i = 0; i < OPTIONS; i++)
		tcp_sock_set(subject->sock, options[i].level, options[i].opt, options[i].value);
	PROBE_TRY(setsockopt(subject->sock, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	PROBE_TRY(fcntl(subject->sock, F_SETFD, FD_CLOEXEC));
	subject->epoll = (int)PROBE_TRY(epoll_create1(EPOLL_CLOEXEC));
	PROBE_TRY(epoll_ctl(subject->epoll, EPOLL_CTL_ADD, subject->sock, &event));
}

/* Unread, sent and unsent bytes in the socket, everything frozen. */
static void load_queues(struct subject *subject)
{
	tcp_sock_write(subject->peer, UNREAD, subject->up, UP);
	if (!tcp_sock_wait_acked(subject->peer))
		probe_bail("the unread bytes do not arrive");
	tcp_sock_freeze(subject->sock);
	tcp_sock_freeze(subject->peer);
	tcp_sock_write(subject->sock, SENT, subject->down, DOWN);
	if (!tcp_sock_wait_sent(subject->sock))
		probe_bail("the sent bytes do not leave");
	tcp_sock_close_window(subject->sock, SENT);
	tcp_sock_write(subject->sock, UNSENT, subject->down + SENT, DOWN);
}

static void rebuild(struct subject *subject, struct tcp_image *img, int round)
{
	struct epoll_event event = { 0 };

	tcp_image_dump(subject->sock, img);
	if (img->recv_len != UNREAD || img->send_len != SENT + UNSENT || img->unsent != UNSENT)
		probe_bail("the queues hold %zu unread, %zu unacknowledged, %zu unsent bytes",
			   img->recv_len, img->send_len, img->unsent);
	subject->so_error = tcp_image_disconnect(subject->sock);
	if (epoll_wait(subject->epoll, &event, 1, 0) > 0)
		subject->transient_events |= event.events;
	subject->bind_err[round] = tcp_image_connect(subject->sock, img, TCP_IMAGE_MAXSEG_BEFORE);
	tcp_image_fill(subject->sock, img);
}

/* The filter of the freeze is still at work in the rebuilt socket. */
static bool still_filtered(struct subject *subject)
{
	uint32_t dropped = tcp_sock_drops(subject->sock);

	tcp_sock_write(subject->peer, LATE, subject->up + UNREAD, UP);
	return tcp_sock_wait_drop(subject->sock, dropped) &&
	       tcp_sock_unread(subject->sock) == UNREAD;
}

/* The registration that was made before the first rebuild tells of new data. */
static bool epoll_tells(struct subject *subject)
{
	struct epoll_event event = { 0 };

	tcp_sock_write(subject->peer, AFTER, subject->up, UP);
	return epoll_wait(subject->epoll, &event, 1, EPOLL_LIMIT_MS) == 1 &&
	       event.events == EPOLLIN && event.data.u64 == EPOLL_DATA;
}

static void subject_round(struct subject *subject, int round)
{
	struct tcp_image img;
	bool told;

	load_queues(subject);
	rebuild(subject, &img, round);
	tcp_sock_thaw(subject->peer);
	subject->filtered += still_filtered(subject);
	tcp_sock_thaw(subject->sock);
	tcp_image_live(subject->sock, &img, TCP_REPAIR_OFF);
	tcp_image_free(&img);
	subject->right +=
		tcp_sock_read_right(subject->sock, UNREAD + LATE, subject->up, UP) &&
		tcp_sock_read_right(subject->peer, SENT + UNSENT, subject->down, DOWN);
	subject->up += UNREAD + LATE;
	subject->down += SENT + UNSENT;
	told = epoll_tells(subject);
	subject->told += tcp_sock_read_right(subject->sock, AFTER, subject->up, UP) && told;
	subject->up += AFTER;
}

static void judge_options(const struct subject *subject)
{
	char congestion[16] = { 0 };
	socklen_t len = sizeof(congestion);
	int kept = 0, wanted = 0;

	for (int i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];
		int now = tcp_sock_get(subject->sock, o->level, o->opt);

		if (now != o->value)
			probe_note("%s: %s was %d, is %d", subject->name, o->name, o->value, now);
		kept += !o->lost && now == o->value;
		wanted += !o->lost;
	}
	PROBE_TRY(getsockopt(subject->sock, IPPROTO_TCP, TCP_CONGESTION, congestion, &len));
	probe_check(kept == wanted && !strcmp(congestion, "reno"),
		    "%s: %d of %d options and the congestion control (%s) survive",
		    subject->name, kept, wanted, congestion);
}

static void subject_judge(const struct subject *subject)
{
	struct sockaddr_in local, remote;

	names_of(subject->sock, &local, &remote);
	probe_check(subject->right == ROUNDS,
		    "%s: rebuilt %d of %d times, unread, sent, unsent and later bytes right",
		    subject->name, subject->right, ROUNDS);
	probe_check(subject->filtered == ROUNDS, "%s: the filter stays until it is taken away",
		    subject->name);
	probe_check(subject->told == ROUNDS,
		    "%s: the epoll entry and its data survive (events 0x%x while unconnected)",
		    subject->name, subject->transient_events);
	probe_check(!memcmp(&local, &subject->local, sizeof(local)) &&
		    !memcmp(&remote, &subject->remote, sizeof(remote)),
		    "%s: both addresses are the old ones (bind: %s, then %s)", subject->name,
		    subject->bind_err[0] ? "EINVAL" : "ok",
		    subject->bind_err[1] ? "EINVAL" : "ok");
	probe_check(subject->so_error == ECONNABORTED,
		    "%s: SO_ERROR after the disconnect is %d, ECONNABORTED", subject->name,
		    subject->so_error);
	judge_options(subject);
}

static void prove_for(struct subject *subject)
{
	subject_start(subject);
	for (int round = 0; round < ROUNDS; round++)
		subject_round(subject, round);
	subject_judge(subject);
	close(subject->epoll);
	close(subject->sock);
	close(subject->peer);
}

/* A server that listens on every address: its sockets are not bound on purpose to one. */
static struct subject accepted_from_any(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	struct subject subject = { .name = "accepted, listener on any address" };
	int listener = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));

	PROBE_TRY(bind(listener, (struct sockaddr *)&addr, len));
	PROBE_TRY(listen(listener, 1));
	PROBE_TRY(getsockname(listener, (struct sockaddr *)&addr, &len));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	subject.peer = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	PROBE_TRY(connect(subject.peer, (struct sockaddr *)&addr, len));
	subject.sock = (int)PROBE_TRY(accept(listener, NULL, NULL));
	close(listener);
	return subject;
}

int main(void)
{
	struct probe_pair accepting, connecting;
	struct subject accepted = { .name = "accepted, listener on one address" };
	struct subject connected = { .name = "connected" };
	struct subject any;
	long resets;

	probe_begin(50);
	probe_private_net(1500);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	resets = tcp_sock_snmp("OutRsts");
	probe_tcp_pair(&accepting);
	accepted.sock = accepting.server;
	accepted.peer = accepting.client;
	prove_for(&accepted);
	probe_tcp_pair(&connecting);
	connected.sock = connecting.client;
	connected.peer = connecting.server;
	prove_for(&connected);
	any = accepted_from_any();
	prove_for(&any);
	resets = tcp_sock_snmp("OutRsts") - resets;
	probe_check(resets == 0, "no RST was sent (%ld)", resets);
	return probe_end("an fd kept its epoll entry, options and addresses through %d rebuilds "
			 "in each of three roles, every byte right; what it lost is listed above",
			 ROUNDS);
}
