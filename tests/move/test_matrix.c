/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_matrix.c - connections of every make, with every split of their queues, out and home again
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 *
 * A case is one value of each property. Every case is moved to the twin and home again; a batch
 * of them at once, so that their retransmission timers run together. Without HYLICS_LONG=1 a
 * sample is taken in which every pair of values occurs; that it does is a check of its own.
 */
#include "tests/move/world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpmove/image.h"
#include "tests/probes/tcp_sock.h"

#define KB 1024
#define MB (1024 * KB)
#define BATCH 80
#define SAMPLE 160
#define STRIDE 1019		/* has no factor in common with the number of cases */
#define WIDE_BUFFER (16 * MB)
#define NARROW_MAX 30000	/* bytes under way that a window without scaling takes for sure */
#define INITIAL_SEGMENTS 8	/* fewer than an initial congestion window has */
#define TALK 3000
#define LIMIT_S 110
#define LONG_LIMIT_S 3600

enum property { TIMESTAMPS, SACK, WSCALE, MSS, KIND, SENT, UNSENT, UNREAD, PROPERTIES };

static const unsigned int counts[PROPERTIES] = { 2, 2, 2, 3, KINDS, 7, 7, 4 };
static const int mss_values[] = { 536, 1460, 8960 };
#define CASES (2u * 2 * 2 * 3 * KINDS * 7 * 7 * 4)
#define VALUES_MAX 7

struct test_case {
	unsigned int value[PROPERTIES];
	size_t sent, unsent, unread;
	struct tcp_record rec;		/* of the first dump */
};

static struct conn conns[BATCH];
static struct test_case cases[BATCH];
static bool seen[PROPERTIES][VALUES_MAX][PROPERTIES][VALUES_MAX];

static size_t split_size(unsigned int which, size_t mss)
{
	const size_t sizes[] = { 0, 1, mss - 1, mss, mss + mss / 2, 64 * KB, 4 * MB };

	return sizes[which];
}

static void case_choose(struct test_case *t, unsigned int number)
{
	static const size_t unread[] = { 0, 1, 64 * KB + 1000, MB };
	size_t mss;

	memset(t, 0, sizeof(*t));
	for (int p = 0; p < PROPERTIES; p++) {
		t->value[p] = number % counts[p];
		number /= counts[p];
	}
	mss = (size_t)mss_values[t->value[MSS]] - 12 * t->value[TIMESTAMPS];
	t->sent = split_size(t->value[SENT], mss);
	t->unsent = split_size(t->value[UNSENT], mss);
	t->unread = unread[t->value[UNREAD]];
	/* small segments take much memory each: some kernels do not open the window for them */
	if ((!t->value[WSCALE] || t->value[MSS] == 0) && t->unread > NARROW_MAX)
		t->unread = NARROW_MAX;
}

static void case_note_pairs(const struct test_case *t)
{
	for (int p = 0; p < PROPERTIES; p++)
		for (int q = 0; q < PROPERTIES; q++)
			seen[p][t->value[p]][q][t->value[q]] = true;
}

static unsigned int pairs_missing(void)
{
	unsigned int missing = 0;

	for (int p = 0; p < PROPERTIES; p++)
		for (int q = 0; q < p; q++)
			for (unsigned int i = 0; i < counts[p]; i++)
				for (unsigned int k = 0; k < counts[q]; k++)
					missing += !seen[p][i][q][k];
	return missing;
}

static void set_send_window(int sock, uint32_t bytes)
{
	struct tcp_repair_window window;
	socklen_t len = sizeof(window);

	PROBE_TRY(getsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len));
	window.snd_wnd = bytes;
	if (window.max_window < bytes)
		window.max_window = bytes;
	PROBE_TRY(setsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, len));
}

/*
 * What a first congestion window holds is really sent, and the client has it; more is booked as
 * sent by repair mode, and has been lost on its way.
 */
static void case_send(struct test_case *t, struct conn *c)
{
	size_t mss = tcp_sock_info(c->kept).tcpi_snd_mss;
	bool lost = t->sent > INITIAL_SEGMENTS * mss || t->sent > NARROW_MAX;

	if (!lost && t->sent) {
		conn_send_down(c, t->sent);
		if (!tcp_sock_wait_sent(c->kept))
			probe_bail("%zu bytes do not leave", t->sent);
	}
	tcp_sock_repair(c->kept, TCP_REPAIR_ON);
	if (lost) {
		tcp_sock_queue(c->kept, TCP_SEND_QUEUE);
		conn_send_down(c, t->sent);
		tcp_sock_queue(c->kept, TCP_NO_QUEUE);
	}
	set_send_window(c->kept, (uint32_t)t->sent);
	tcp_sock_repair(c->kept, TCP_REPAIR_OFF_NO_WP);
	conn_send_down(c, t->unsent);
}

static void case_prepare(struct world *w, struct test_case *t, struct conn *c)
{
	const struct wish wish = {
		.kind = (enum kind)t->value[KIND],
		.no_timestamps = !t->value[TIMESTAMPS],
		.no_sack = !t->value[SACK],
		.no_wscale = !t->value[WSCALE],
		.mss = mss_values[t->value[MSS]],
		.client_rcvbuf = WIDE_BUFFER,
		.server_rcvbuf = WIDE_BUFFER,
	};

	conn_open(w, c, &wish);
	tcp_sock_set(c->kept, IPPROTO_TCP, TCP_NODELAY, 1);
	tcp_sock_set(c->kept, SOL_SOCKET, SO_SNDBUFFORCE, WIDE_BUFFER);
	conn_send_up(c, t->unread);
	if (!tcp_sock_wait_acked(c->client))
		probe_bail("%zu unread bytes do not arrive", t->unread);
	TRY_MOVE(tcp_freeze(c->kept, &move_err));
	case_send(t, c);
}

static bool case_is_dumped_right(const struct test_case *t, const struct conn *c)
{
	const struct tcp_record *rec = &c->img.rec;
	bool agreed = !(rec->flags & TCP_HAS_TIMESTAMPS) == !t->value[TIMESTAMPS] &&
		      !(rec->flags & TCP_HAS_SACK) == !t->value[SACK] &&
		      !(rec->flags & TCP_HAS_WSCALE) == !t->value[WSCALE] &&
		      rec->family == (c->kind == KIND_V6 ? AF_INET6 : AF_INET);

	return agreed && rec->recv_len == t->unread && rec->send_len == t->sent + t->unsent &&
	       rec->unsent_len == t->unsent &&
	       (!c->img.bytes ||
		(probe_first_wrong(c->img.bytes, rec->recv_len, c->up_read, c->up) < 0 &&
		 probe_first_wrong(c->img.bytes + rec->recv_len, rec->send_len, c->down_read,
				   c->down) < 0));
}

/* What the ends agreed on is in the copy what it was in the guest. */
static bool case_is_agreed(const struct test_case *t, const struct conn *c)
{
	const uint32_t flags = TCP_HAS_TIMESTAMPS | TCP_HAS_SACK | TCP_USEC_CLOCK;
	const struct tcp_record *first = &t->rec, *second = &c->img.rec;

	return !((first->flags ^ second->flags) & flags) && first->mss == second->mss &&
	       first->send_wscale == second->send_wscale &&
	       first->recv_wscale == second->recv_wscale && first->family == second->family;
}

static void case_tell(const struct test_case *t, const char *what)
{
	probe_note("%s: timestamps %u sack %u wscale %u mss %d kind %u sent %zu unsent %zu "
		   "unread %zu", what, t->value[TIMESTAMPS], t->value[SACK], t->value[WSCALE],
		   mss_values[t->value[MSS]], t->value[KIND], t->sent, t->unsent, t->unread);
}

static int batch_reads(int n, const char *where)
{
	int right = 0;

	for (int i = 0; i < n; i++) {
		bool holds = conn_read_down(&conns[i]) && conn_read_up(&conns[i]) &&
			     conn_talks(&conns[i], TALK);

		right += holds;
		if (!holds)
			case_tell(&cases[i], where);
	}
	return right;
}

struct sums {
	int cases, dumped, out, agreed, home;
};

static void batch_run(struct world *w, int n, struct sums *sums)
{
	for (int i = 0; i < n; i++)
		case_prepare(w, &cases[i], &conns[i]);
	conns_out(w, conns, n);
	for (int i = 0; i < n; i++) {
		bool right = case_is_dumped_right(&cases[i], &conns[i]);

		cases[i].rec = conns[i].img.rec;
		sums->dumped += right;
		if (!right)
			case_tell(&cases[i], "dump");
	}
	sums->out += batch_reads(n, "in the twin");
	conns_home(w, conns, n);
	for (int i = 0; i < n; i++)
		sums->agreed += case_is_agreed(&cases[i], &conns[i]);
	sums->home += batch_reads(n, "home again");
	sums->cases += n;
	for (int i = 0; i < n; i++)
		conn_close(&conns[i]);
}

int main(void)
{
	bool all = getenv("HYLICS_LONG") != NULL;
	struct world w = world_begin(all ? LONG_LIMIT_S : LIMIT_S);
	unsigned int wanted = all ? CASES : SAMPLE;
	struct sums sums = { 0 };
	unsigned int missing;
	int time_waits;
	long resets;

	for (unsigned int i = 0; i < wanted; i += BATCH) {
		int n = wanted - i < BATCH ? (int)(wanted - i) : BATCH;

		for (int k = 0; k < n; k++) {
			case_choose(&cases[k], (i + (unsigned int)k) * STRIDE % CASES);
			case_note_pairs(&cases[k]);
		}
		batch_run(&w, n, &sums);
		probe_note("%d of %u cases", sums.cases, wanted);
	}
	missing = pairs_missing();
	resets = world_resets(&w);
	time_waits = world_time_waits(&w);
	probe_check(missing == 0, "every pair of values occurs in a case (%u do not)", missing);
	probe_check(sums.dumped == sums.cases, "%d of %d dumps hold each part in its length, "
		    "bytes and agreed options right", sums.dumped, sums.cases);
	probe_check(sums.out == sums.cases, "%d of %d copies in the twin go on, every byte right "
		    "both ways", sums.out, sums.cases);
	probe_check(sums.agreed == sums.cases, "%d of %d copies keep what the ends agreed on",
		    sums.agreed, sums.cases);
	probe_check(sums.home == sums.cases, "%d of %d rebuilt sockets go on, every byte right "
		    "both ways", sums.home, sums.cases);
	probe_check(resets == 0, "no RST was sent (%ld)", resets);
	probe_check(time_waits == 0, "no TIME_WAIT is left (%d)", time_waits);
	return probe_end("%d connections of every make moved to another namespace and home",
			 sums.cases);
}
