/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_present.c - which connections may be in a twin: when bits are set, and when taken back
 *
 * Runs in: a network namespace of its own
 * Reads from: no untrusted input
 */
#include "hylics-worker/present.h"
#include "tests/probes/probe.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct told {
	int fd;
	struct splice_present *at;
};

static struct ev_loop loop;

static struct told tell_nobody_yet(void)
{
	struct told t = { .fd = memfd_create("present", MFD_CLOEXEC) };

	PROBE_TRY(ftruncate(t.fd, sizeof(*t.at)));
	t.at = mmap(NULL, sizeof(*t.at), PROT_READ, MAP_SHARED, t.fd, 0);
	if (t.at == MAP_FAILED)
		probe_bail("no memory");
	return t;
}

static unsigned int bits_set(const struct told *t)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SPLICE_PRESENT_BITS / 64; i++)
		n += (unsigned int)__builtin_popcountll(t->at->word[i]);
	return n;
}

static bool has_bit(const struct told *t, int family, const char *remote, uint16_t port)
{
	struct splice_addr addr = { .family = (uint32_t)family };
	uint32_t bit;

	inet_pton(family, remote, addr.word);
	bit = splice_present_bit(&addr, htons(port), htons(80));
	return t->at->word[bit / 64] >> bit % 64 & 1;
}

static void add(struct present *p, int family, const char *remote, uint16_t port)
{
	struct tcp_record rec = { .family = (uint8_t)family, .remote.port = port,
				  .local.port = 80 };

	inet_pton(family, remote, rec.remote.addr);
	present_add(p, &rec);
}

static void begin(struct present *p)
{
	int counts[2];

	present_counts(counts);
	present_open(p, &loop, counts);
}

/* A connection over lo; both ends end without a trace if they are closed with a RST. */
static void connect_ends(int family, int end[2])
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) :
					    sizeof(struct sockaddr_in6);
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET6)
		((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	PROBE_TRY(bind(listener, (struct sockaddr *)&a, len));
	PROBE_TRY(listen(listener, 1));
	PROBE_TRY(getsockname(listener, (struct sockaddr *)&a, &len));
	end[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	PROBE_TRY(connect(end[0], (struct sockaddr *)&a, len));
	end[1] = (int)PROBE_TRY(accept(listener, NULL, NULL));
	close(listener);
}

static void reset(int end[2])
{
	const struct linger now = { .l_onoff = 1 };

	for (int i = 0; i < 2; i++) {
		PROBE_TRY(setsockopt(end[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
		close(end[i]);
	}
}

static void kept_while_sockets_live(int family, const char *remote)
{
	struct told t = tell_nobody_yet();
	struct present p;
	int end[2];

	begin(&p);
	add(&p, family, remote, 4000);
	PROBE_TRY(present_map(&p, t.fd, NULL));
	present_look(&p);
	probe_check(t.at->kept == 1 && bits_set(&t) == 0, "an empty twin: kept, no bit set");
	add(&p, family, remote, 4000);
	probe_check(has_bit(&t, family, remote, 4000) && bits_set(&t) == 1 && p.again.pos,
		    "a bit is set, and will be looked after");
	connect_ends(family, end);
	present_look(&p);
	probe_check(bits_set(&t) == 1 && t.at->kept == 1, "stays while there are sockets");
	ev_timer_cancel(&loop, &p.again);
	present_look(&p);
	probe_check(p.again.pos, "which will be asked again");
	reset(end);
	ev_timer_cancel(&loop, &p.again);
	present_look(&p);
	probe_check(bits_set(&t) == 0 && t.at->kept == 1 && !p.again.pos,
		    "taken back when the last socket is gone, and that was that");
	present_close(&p);
	munmap(t.at, sizeof(*t.at));
	close(t.fd);
}

/* Another worker took its turn without a word to anybody, and left sockets. */
static void not_kept_beside_others_sockets(void)
{
	struct told t = tell_nobody_yet();
	struct present p;
	int end[2];

	connect_ends(AF_INET6, end);
	begin(&p);
	PROBE_TRY(present_map(&p, t.fd, NULL));
	present_look(&p);
	probe_check(t.at->kept == 0 && p.again.pos, "not kept as long as there are older sockets");
	reset(end);
	p.again.fn(&p);
	probe_check(t.at->kept == 1, "but then");
	ev_timer_cancel(&loop, &p.again);
	present_close(&p);
	munmap(t.at, sizeof(*t.at));
	close(t.fd);
}

/* Last, as it leaves one. */
static void time_wait_is_a_socket(void)
{
	struct told t = tell_nobody_yet();
	struct present p;
	int end[2];
	char c;

	begin(&p);
	PROBE_TRY(present_map(&p, t.fd, NULL));
	present_look(&p);
	add(&p, AF_INET, "192.0.2.1", 4000);
	connect_ends(AF_INET, end);
	shutdown(end[0], SHUT_WR);
	PROBE_TRY(read(end[1], &c, 1));
	close(end[1]);
	PROBE_TRY(read(end[0], &c, 1));
	close(end[0]);
	present_look(&p);
	probe_check(bits_set(&t) == 1, "stays for what is in TIME_WAIT");
	ev_timer_cancel(&loop, &p.again);
	present_close(&p);
	munmap(t.at, sizeof(*t.at));
	close(t.fd);
}

int main(void)
{
	struct hy_err e = { 0 };

	probe_begin(30);
	probe_private_net(0);
	PROBE_TRY(ev_open(&loop, 16, &e));
	kept_while_sockets_live(AF_INET, "192.0.2.1");
	kept_while_sockets_live(AF_INET6, "2001:db8::1");
	not_kept_beside_others_sockets();
	time_wait_is_a_socket();
	ev_close(&loop);
	return probe_end("bits are set before there is a socket, and go when there is none");
}
