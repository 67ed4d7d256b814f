/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_options.c - what a connection takes along beside its bytes: options, cork, clock, buffers
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 */
#include "tests/move/world.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/probes/tcp_sock.h"

#define KB 1024
#define LIMIT_S 60
#define TALK 3000
#define CORKED 100
#define USEC_OPTION 64		/* TCPI_OPT_USEC_TS */
#define QUEUED (200 * KB)

/* In an order that matters: IP_TOS sets a priority of its own. */
struct option {
	const char *name;
	int level, opt, value;
};

static const struct option common_options[] = {
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1 },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 111 },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 22 },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 5 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 54321 },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 99999 },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1 },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1 },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, 77 },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3 },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 900000000 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 100000 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 150000 },
};

static const struct option v4_options[] = {
	{ "IP_TOS", IPPROTO_IP, IP_TOS, 0x10 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 33 },
};

static const struct option v6_options[] = {
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 0x20 },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The kernel doubles buffers, and no other of these. */
static int as_told(const struct option *o)
{
	return o->opt == SO_SNDBUF || o->opt == SO_RCVBUF ? 2 * o->value : o->value;
}

static void set_all(int sock, const struct option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tcp_sock_set(sock, options[i].level, options[i].opt, options[i].value);
}

static size_t count_right(int sock, const struct option *options, size_t n, const char *where)
{
	size_t right = 0;

	for (size_t i = 0; i < n; i++) {
		int now = tcp_sock_get(sock, options[i].level, options[i].opt);

		right += now == as_told(&options[i]);
		if (now != as_told(&options[i]))
			probe_note("%s: %s was %d, is %d", where, options[i].name,
				   as_told(&options[i]), now);
	}
	return right;
}

static bool has_reno(int sock)
{
	char congestion[16] = { 0 };
	socklen_t len = sizeof(congestion);

	PROBE_TRY(getsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, congestion, &len));
	return strcmp(congestion, "reno") == 0;
}

static size_t options_right(const struct conn *c, const char *where)
{
	const struct option *own = c->kind == KIND_V6 ? v6_options : v4_options;
	int sock = conn_sock(c);

	return count_right(sock, common_options, COUNT(common_options), where) +
	       count_right(sock, own, COUNT(v4_options), where) + has_reno(sock);
}

/* More than 32 bits of it; what the kernel paces by is what the program asked for. */
static bool has_rate(int sock, uint64_t rate)
{
	uint64_t now = 0;
	socklen_t len = sizeof(now);

	PROBE_TRY(getsockopt(sock, SOL_SOCKET, SO_MAX_PACING_RATE, &now, &len));
	return now == rate && len == sizeof(now) &&
	       tcp_sock_info(sock).tcpi_max_pacing_rate == rate;
}

static void prove_rates(struct world *w)
{
	static const uint64_t rates[] = { 100000, 5000000000u, UINT64_MAX };
	const struct wish wish = { .kind = KIND_V4 };
	unsigned int out = 0, home = 0;
	struct conn c;

	for (unsigned int i = 0; i < COUNT(rates); i++) {
		conn_open(w, &c, &wish);
		PROBE_TRY(setsockopt(c.kept, SOL_SOCKET, SO_MAX_PACING_RATE, &rates[i],
				     sizeof(rates[i])));
		conns_out(w, &c, 1);
		out += has_rate(c.copy, rates[i]);
		conns_home(w, &c, 1);
		home += has_rate(c.kept, rates[i]);
		conn_close(&c);
	}
	probe_check(out == COUNT(rates) && home == COUNT(rates),
		    "rates to pace by, slow, fast and none: %u of 3 in the twin, %u home again",
		    out, home);
}

static void prove_options(struct world *w, enum kind kind, const char *name)
{
	const struct wish wish = { .kind = kind };
	const size_t all = COUNT(common_options) + COUNT(v4_options) + 1;
	size_t out, home;
	struct conn c;

	conn_open(w, &c, &wish);
	PROBE_TRY(setsockopt(c.kept, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	if (kind == KIND_V6)
		set_all(c.kept, v6_options, COUNT(v6_options));
	else
		set_all(c.kept, v4_options, COUNT(v4_options));
	set_all(c.kept, common_options, COUNT(common_options));
	conns_out(w, &c, 1);
	out = options_right(&c, "in the twin");
	/* what the program has done to its connection meanwhile comes home */
	tcp_sock_set(c.copy, IPPROTO_TCP, TCP_KEEPCNT, 8);
	conns_home(w, &c, 1);
	probe_check(tcp_sock_get(c.kept, IPPROTO_TCP, TCP_KEEPCNT) == 8,
		    "%s: what was changed in the twin comes home", name);
	tcp_sock_set(c.kept, IPPROTO_TCP, TCP_KEEPCNT, 5);
	home = options_right(&c, "home again");
	probe_check(out == all && home == all && conn_talks(&c, TALK),
		    "%s: %zu of %zu options in the twin, %zu home again", name, out, all, home);
	conn_close(&c);
}

static void prove_defaults(struct world *w)
{
	const struct wish wish = { .kind = KIND_MAPPED };
	unsigned int asked;
	struct conn c;
	int locks;

	conn_open(w, &c, &wish);
	conns_out(w, &c, 1);
	asked = tcp_sock_info(c.copy).tcpi_segs_out;
	probe_check(asked == 0, "with nothing to say a copy says nothing (%u)", asked);
	locks = tcp_sock_get(c.copy, SOL_SOCKET, SO_BUF_LOCK);
	probe_check(locks == 0 && !tcp_sock_get(c.copy, IPPROTO_TCP, TCP_NODELAY) &&
		    !tcp_sock_get(c.copy, IPPROTO_TCP, TCP_NOTSENT_LOWAT) &&
		    !tcp_sock_get(c.copy, SOL_SOCKET, SO_REUSEADDR) &&
		    !tcp_sock_get(c.copy, SOL_SOCKET, SO_KEEPALIVE),
		    "what was never set is not set, buffers tune themselves (%d)", locks);
	conns_home(w, &c, 1);
	locks = tcp_sock_get(c.kept, SOL_SOCKET, SO_BUF_LOCK);
	probe_check(locks == 0 && !tcp_sock_get(c.kept, SOL_SOCKET, SO_REUSEADDR),
		    "nor home again (%d)", locks);
	conn_close(&c);
}

/* A window that had no room for two segments may be open by now. */
static void prove_asks(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	unsigned int asked, small;
	struct conn c;

	conn_open(w, &c, &wish);
	conn_send_up(&c, TALK);
	if (!tcp_sock_wait_acked(c.client))
		probe_bail("the client's bytes do not arrive");
	conns_out(w, &c, 1);
	asked = tcp_sock_info(c.copy).tcpi_segs_out;
	probe_check(asked == 1 && conn_read_up(&c) && conn_talks(&c, TALK),
		    "with unread bytes a copy asks its peer once (%u)", asked);
	conn_close(&c);
	world_route(w, GUEST);
	conn_open(w, &c, &wish);
	conn_dump(&c, c.kept);
	c.img.rec.window.snd_wnd = 2 * c.img.rec.mss - 1;
	conn_restore(w, &c);
	world_route(w, TWIN);
	TRY_MOVE(tcp_wake(c.copy, &c.img, &move_err));
	small = tcp_sock_info(c.copy).tcpi_segs_out;
	TRY_MOVE(tcp_silence(c.kept, &move_err));
	probe_check(small == 1 && conn_talks(&c, TALK),
		    "with a small window too (%u)", small);
	conn_close(&c);
	world_route(w, GUEST);
}

/* What a fresh socket has is not set again: neither of these two may be taken for the other. */
static void prove_tos_alone(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct conn c;

	conn_open(w, &c, &wish);
	tcp_sock_set(c.kept, IPPROTO_IP, IP_TOS, 0x10);
	tcp_sock_set(c.kept, SOL_SOCKET, SO_PRIORITY, 0);
	conns_out(w, &c, 1);
	probe_check(tcp_sock_get(c.copy, IPPROTO_IP, IP_TOS) == 0x10 &&
		    tcp_sock_get(c.copy, SOL_SOCKET, SO_PRIORITY) == 0,
		    "IP_TOS goes along without the priority that it sets");
	conns_home(w, &c, 1);
	conn_close(&c);
}

/* A move sets options of its own while it says something again, or puts down what is unsent. */
static bool has_defaults(int sock)
{
	return !tcp_sock_get(sock, IPPROTO_TCP, TCP_NODELAY) &&
	       !tcp_sock_get(sock, IPPROTO_TCP, TCP_CORK) &&
	       !tcp_sock_get(sock, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
}

static void prove_said_again(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct conn c;

	conn_open(w, &c, &wish);
	tcp_sock_freeze(c.kept);
	conn_send_down(&c, TALK);
	conns_out(w, &c, 1);
	probe_check(c.img.rec.send_len == TALK && !c.img.rec.unsent_len && has_defaults(c.copy) &&
		    conn_read_down(&c), "what says bytes under way again is taken back");
	conn_close(&c);
	world_route(w, GUEST);
}

/* Whoever holds a copy decides what its kernel does when it is closed. */
static void prove_linger(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct linger linger = { .l_onoff = 1 };
	socklen_t len = sizeof(linger);
	struct conn c;

	conn_open(w, &c, &wish);
	conn_dump(&c, c.kept);
	conn_restore(w, &c);
	PROBE_TRY(setsockopt(c.copy, SOL_SOCKET, SO_LINGER, &linger, len));
	world_route(w, TWIN);
	TRY_MOVE(tcp_live(c.copy, &c.img, &move_err));
	TRY_MOVE(tcp_silence(c.kept, &move_err));
	linger.l_onoff = 0;
	linger.l_linger = 1;
	PROBE_TRY(getsockopt(c.copy, SOL_SOCKET, SO_LINGER, &linger, &len));
	probe_check(linger.l_onoff == 1 && linger.l_linger == 0 && conn_talks(&c, TALK),
		    "SO_LINGER of a copy is its holder's business");
	conn_close(&c);
	world_route(w, GUEST);
}

/* A response header, corked, of which nothing has left. */
static void prove_cork(struct world *w)
{
	const struct wish wish = { .kind = KIND_MAPPED, .mss = 1460 };
	unsigned int before, after;
	struct conn c;

	conn_open(w, &c, &wish);
	tcp_sock_set(c.kept, IPPROTO_TCP, TCP_CORK, 1);
	conn_send_down(&c, CORKED);
	conns_out(w, &c, 1);
	conn_send_up(&c, TALK);
	if (!conn_read_up(&c) || !tcp_sock_wait_acked(c.client))
		probe_bail("the client's bytes do not arrive");
	before = tcp_sock_new_segments(c.copy);
	probe_check(c.img.rec.unsent_len == CORKED && before == 0,
		    "corked bytes stay corked in the copy (%u segments)", before);
	conn_send_down(&c, 1000);
	tcp_sock_set(c.copy, IPPROTO_TCP, TCP_CORK, 0);
	after = tcp_sock_new_segments(c.copy);
	probe_check(conn_read_down(&c) && after == 1,
		    "and leave with what follows, in one segment (%u)", after);
	conn_close(&c);
	world_route(w, GUEST);
}

/* Nagle's: behind something unacknowledged the rest waits, in the copy too, and then goes. */
static void prove_unsent_leaves(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	unsigned int segments;
	struct conn c;

	conn_open(w, &c, &wish);
	TRY_MOVE(tcp_freeze(c.kept, &move_err));
	tcp_sock_close_window(c.kept, 0);
	conn_send_down(&c, CORKED);
	conns_out(w, &c, 1);
	if (!conn_read_down(&c))
		probe_bail("unsent bytes do not leave");
	segments = tcp_sock_new_segments(c.copy);
	probe_check(c.img.rec.unsent_len == CORKED && segments == 1 && has_defaults(c.copy),
		    "without cork unsent bytes leave at once (%u segment)", segments);
	conn_close(&c);
	world_route(w, GUEST);
}

static void prove_clock(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct conn c;
	uint32_t first;
	bool usec;

	conn_open(w, &c, &wish);
	first = (uint32_t)tcp_sock_get(c.kept, IPPROTO_TCP, TCP_TIMESTAMP);
	conns_out(w, &c, 1);
	probe_check(!(c.img.rec.flags & TCP_USEC_CLOCK) && !(c.img.rec.timestamp & 1) &&
		    (int32_t)(c.img.rec.timestamp - first) > 0 && conn_talks(&c, TALK),
		    "a clock of milliseconds stays even and never goes back");
	conns_home(w, &c, 1);
	tcp_sock_repair(c.kept, TCP_REPAIR_ON);
	tcp_sock_set(c.kept, IPPROTO_TCP, TCP_TIMESTAMP, (int)(c.img.rec.timestamp | 1) + 1000000);
	tcp_sock_repair(c.kept, TCP_REPAIR_OFF);
	if (!(tcp_sock_info(c.kept).tcpi_options & USEC_OPTION)) {
		probe_skip("a clock of microseconds goes along", "this kernel has none");
	} else {
		conns_out(w, &c, 1);
		usec = tcp_sock_info(c.copy).tcpi_options & USEC_OPTION;
		probe_check(c.img.rec.flags & TCP_USEC_CLOCK && usec && conn_talks(&c, TALK),
			    "a clock of microseconds goes along");
	}
	conn_close(&c);
	world_route(w, GUEST);
}

/* Without scaling a window of some bytes would be told, and everything would work, slowly. */
static void prove_no_scale(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4, .no_wscale = true };
	unsigned int before, out, home;
	struct conn c;
	bool right;

	conn_open(w, &c, &wish);
	right = conn_talks(&c, TALK);
	before = tcp_sock_info(c.client).tcpi_snd_wnd;
	conns_out(w, &c, 1);
	right = right && conn_talks(&c, TALK) && conn_talks(&c, TALK);
	out = tcp_sock_info(c.client).tcpi_snd_wnd;
	conns_home(w, &c, 1);
	right = right && conn_talks(&c, TALK) && conn_talks(&c, TALK);
	home = tcp_sock_info(c.client).tcpi_snd_wnd;
	probe_check(right && out > before / 2 && home > before / 2,
		    "without scaling the client is told windows of %u, %u and %u bytes", before,
		    out, home);
	conn_close(&c);
}

/* --- a worker: one capability over the twin, none over the machine --- */

struct outcome {
	int low_port, low_port_open, restored, live, sndbuf;
};

static void keep_net_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	data[0].effective = 1u << CAP_NET_ADMIN;
	data[0].permitted = data[0].effective;
	PROBE_TRY(syscall(SYS_capset, &head, data));
}

/* A twin of its own, that its user namespace owns; nobody answers there. */
static void as_worker(struct conn *c, struct outcome *found)
{
	struct hy_err e = { 0 };
	struct tcp_record *rec = &c->img.rec;
	int sock;

	PROBE_TRY(unshare(CLONE_NEWUSER | CLONE_NEWNET));
	probe_if_up("lo", "127.0.0.1", "255.0.0.0");
	memcpy(rec->local.addr, (uint8_t[]){ 127, 0, 0, 1 }, 4);
	memcpy(rec->remote.addr, (uint8_t[]){ 127, 0, 0, 2 }, 4);
	world_sysctl("ipv4/tcp_wmem", "4096 16384 4194304");
	rec->local.port = 80;
	keep_net_admin();
	sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	found->low_port = tcp_restore(sock, &c->img, &e);
	tcp_vanish(&sock);
	world_sysctl("ipv4/ip_unprivileged_port_start", "0");
	sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	found->low_port_open = tcp_restore(sock, &c->img, &e);
	tcp_vanish(&sock);
	rec->local.port = 8080;
	sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	found->restored = tcp_restore(sock, &c->img, &e);
	if (found->restored)
		probe_note("restore: %s", e.text);
	found->sndbuf = tcp_sock_get(sock, SOL_SOCKET, SO_SNDBUF);
	found->live = tcp_live(sock, &c->img, &e);
	tcp_vanish(&sock);
}

static void prove_worker(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct outcome *found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct conn c;
	pid_t child;

	if (found == MAP_FAILED)
		probe_bail("no shared memory");
	conn_open(w, &c, &wish);
	tcp_sock_set(c.kept, SOL_SOCKET, SO_SNDBUFFORCE, 4 * QUEUED);
	TRY_MOVE(tcp_freeze(c.kept, &move_err));
	conn_send_down(&c, QUEUED);
	conn_dump(&c, c.kept);
	child = probe_fork();
	if (!child) {
		as_worker(&c, found);
		_exit(0);
	}
	if (probe_join(child) != 0)
		probe_bail("a worker could not take its measures");
	probe_check(found->restored == 0 && found->live == 0,
		    "CAP_NET_ADMIN over the twin alone restores %u bytes, %u unsent, with a buffer "
		    "of %d", c.img.rec.send_len, c.img.rec.unsent_len, found->sndbuf);
	probe_check(found->low_port == -EACCES && found->low_port_open == 0,
		    "to port 80 only with the twin's ip_unprivileged_port_start 0: %d, then %d",
		    found->low_port, found->low_port_open);
	conn_close(&c);
}

int main(void)
{
	struct world w = world_begin(LIMIT_S);
	long resets;

	prove_options(&w, KIND_V4, "IPv4");
	prove_options(&w, KIND_V6, "IPv6");
	prove_options(&w, KIND_MAPPED, "IPv4 in IPv6");
	prove_rates(&w);
	prove_defaults(&w);
	prove_asks(&w);
	prove_tos_alone(&w);
	prove_said_again(&w);
	prove_linger(&w);
	prove_cork(&w);
	prove_unsent_leaves(&w);
	prove_clock(&w);
	prove_no_scale(&w);
	prove_worker(&w);
	resets = world_resets(&w);
	probe_check(resets == 0, "no RST was sent (%ld)", resets);
	return probe_end("a connection's options go to the twin and come home");
}
