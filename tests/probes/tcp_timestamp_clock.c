/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_timestamp_clock.c - what the lowest bit of TCP_TIMESTAMP does, and why to round up to even
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * A clock is told by its ticks between two readings, which must lie between the time that has
 * certainly passed and the time that may have passed: true however long the readings take.
 */
#include "tests/probes/tcp_image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* In tcpi_options of kernels that have the microsecond clock; Debian 12's header lacks it. */
#define OPT_USEC_TS 64
#define BASE 1000000u
#define PAUSE_MS 50
#define READINGS 8
#define PIECE 3000

enum { UP = 1, DOWN = 2 };

struct ticks {
	uint32_t first, last;
	uint64_t least_us, most_us;
	int even;			/* of READINGS values read */
	bool usec_flag;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint32_t timestamp_of(int sock)
{
	return (uint32_t)tcp_sock_get(sock, IPPROTO_TCP, TCP_TIMESTAMP);
}

/* The kernel reads its clock somewhere within each call, so four times frame the two reads. */
static struct ticks measure(int sock, uint32_t set)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	struct ticks ticks = { 0 };
	uint64_t before, after;

	tcp_sock_set(sock, IPPROTO_TCP, TCP_TIMESTAMP, (int)set);
	before = now_us();
	ticks.first = timestamp_of(sock);
	after = now_us();
	nanosleep(&pause, NULL);
	ticks.least_us = now_us() - after;
	ticks.last = timestamp_of(sock);
	ticks.most_us = now_us() - before;
	for (int i = 0; i < READINGS; i++)
		ticks.even += timestamp_of(sock) % 2 == 0;
	ticks.usec_flag = tcp_sock_info(sock).tcpi_options & OPT_USEC_TS;
	return ticks;
}

/* One tick of slack at each end for the rounding, one more for the bit that is not clock. */
static bool ticks_in(const struct ticks *ticks, uint64_t tick_us)
{
	uint64_t passed = ticks->last - ticks->first;

	return passed + 3 >= ticks->least_us / tick_us &&
	       passed <= ticks->most_us / tick_us + 3;
}

static bool kernel_has_usec_clock(void)
{
	unsigned long major, minor;
	struct utsname un;
	char *end;

	PROBE_TRY(uname(&un));
	major = strtoul(un.release, &end, 10);
	if (*end != '.')
		probe_bail("kernel release '%s' is not understood", un.release);
	minor = strtoul(end + 1, NULL, 10);
	return major > 6 || (major == 6 && minor >= 7);
}

static void prove_even(int sock)
{
	struct ticks ticks = measure(sock, BASE);

	probe_check(ticks_in(&ticks, 1000) && !ticks.usec_flag,
		    "even value: %u ticks in %llu to %llu us: the millisecond clock",
		    ticks.last - ticks.first, (unsigned long long)ticks.least_us,
		    (unsigned long long)ticks.most_us);
	probe_check(ticks.first - BASE <= ticks.most_us / 1000 + 1,
		    "it starts where it was set: %u, then %u", BASE, ticks.first);
}

static void prove_odd(int sock, bool usec_clock)
{
	struct ticks ticks = measure(sock, BASE + 1);

	probe_check(ticks_in(&ticks, usec_clock ? 1 : 1000) && ticks.usec_flag == usec_clock,
		    "odd value: %u ticks in %llu to %llu us: %s", ticks.last - ticks.first,
		    (unsigned long long)ticks.least_us, (unsigned long long)ticks.most_us,
		    usec_clock ? "the bit selects the microsecond clock"
			       : "the bit is plain value");
	if (usec_clock)
		probe_check(ticks.even == 0, "a microsecond clock reads odd: %d of %d even",
			    ticks.even, READINGS);
}

static void prove_rounding(int sock)
{
	const uint32_t values[] = { BASE, BASE + 1, 0x7fffffffu, 0xfffffffeu, 0xffffffffu };
	int count = (int)(sizeof(values) / sizeof(values[0]));
	int right = 0;

	for (int i = 0; i < count; i++) {
		struct ticks ticks = measure(sock, tcp_image_even(values[i]));

		right += ticks_in(&ticks, 1000) && !ticks.usec_flag &&
			 (int32_t)(ticks.first - values[i]) >= 0;
	}
	probe_check(right == count, "rounded up to even, %d of %d values keep the millisecond "
		    "clock and never go back, across the wrap too", right, count);
}

/* The peer drops what has an older timestamp than it has seen: data must still get through. */
static void prove_peer_accepts(struct probe_pair *pair)
{
	struct tcp_image img;
	uint32_t restored;

	tcp_sock_write(pair->server, PIECE, 0, DOWN);
	if (!tcp_sock_read_right(pair->client, PIECE, 0, DOWN) ||
	    !tcp_sock_wait_acked(pair->server))
		probe_bail("the connection does not carry data");
	tcp_sock_freeze(pair->server);
	tcp_image_dump(pair->server, &img);
	img.timestamp |= 1;			/* what half of the dumps of an older kernel are */
	close(pair->server);
	pair->server = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	tcp_image_connect(pair->server, &img, TCP_IMAGE_MAXSEG_BEFORE);
	tcp_image_fill(pair->server, &img);
	restored = timestamp_of(pair->server);
	tcp_image_live(pair->server, &img, TCP_REPAIR_OFF);
	tcp_sock_write(pair->server, PIECE, PIECE, DOWN);
	tcp_sock_write(pair->client, PIECE, 0, UP);
	probe_check((int32_t)(restored - img.timestamp) >= 0 &&
		    tcp_sock_read_right(pair->client, PIECE, PIECE, DOWN) &&
		    tcp_sock_read_right(pair->server, PIECE, 0, UP),
		    "a connection dumped at %u and restored at %u goes on, both ways",
		    img.timestamp, restored);
	tcp_image_free(&img);
}

int main(void)
{
	bool usec_clock = kernel_has_usec_clock();
	struct probe_pair pair;
	int outside = 0;

	probe_begin(50);
	probe_private_net(1500);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	probe_tcp_pair(&pair);
	outside = setsockopt(pair.server, IPPROTO_TCP, TCP_TIMESTAMP, &outside, sizeof(outside));
	probe_check(outside < 0, "outside repair mode the timestamp cannot be set");
	tcp_sock_repair(pair.client, TCP_REPAIR_ON);
	prove_even(pair.client);
	prove_odd(pair.client, usec_clock);
	prove_rounding(pair.client);
	close(pair.client);
	close(pair.server);
	close(pair.listener);
	probe_tcp_pair(&pair);
	prove_peer_accepts(&pair);
	return probe_end("the lowest bit of TCP_TIMESTAMP %s here; rounded up to even it is "
			 "milliseconds everywhere",
			 usec_clock ? "selects microseconds" : "means nothing");
}
