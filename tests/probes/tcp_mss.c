/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_mss.c - a restored socket sends full segments only if TCP_MAXSEG came before connect
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 */
#include "tests/probes/tcp_image.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MTU 1500
#define BODY (1024 * 1024)
#define DEFAULT_MSS 536
#define MAXSEG_LIMIT 32767
#define BUFFER (4 * BODY)		/* so that the body is written without a reader */

enum { DOWN = 2 };

struct count {
	unsigned int mss_before, mss_dumped;
	unsigned int mss;		/* TCP's own idea of it after the restore */
	unsigned int segments;		/* new data segments for BODY bytes */
	bool right;
};

static struct probe_pair new_pair(void)
{
	struct probe_pair pair;

	probe_tcp_pair(&pair);
	close(pair.listener);
	tcp_sock_set(pair.client, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER);
	return pair;
}

static void send_body(int sock, int peer, struct count *count)
{
	unsigned int before = tcp_sock_new_segments(sock);

	tcp_sock_set(sock, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER);
	tcp_sock_write(sock, BODY, 0, DOWN);
	count->right = tcp_sock_read_right(peer, BODY, 0, DOWN);
	count->segments = tcp_sock_new_segments(sock) - before;
	count->mss = tcp_sock_info(sock).tcpi_snd_mss;
}

static struct count count_plain(void)
{
	struct probe_pair pair = new_pair();
	struct count count = { 0 };

	send_body(pair.server, pair.client, &count);
	close(pair.client);
	close(pair.server);
	return count;
}

static struct count count_restored(enum tcp_image_maxseg maxseg)
{
	struct probe_pair pair = new_pair();
	struct count count = { 0 };
	struct tcp_image img;
	int copy;

	count.mss_before = tcp_sock_info(pair.server).tcpi_snd_mss;
	tcp_sock_freeze(pair.server);
	tcp_image_dump(pair.server, &img);
	count.mss_dumped = img.mss;
	close(pair.server);
	copy = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	tcp_image_connect(copy, &img, maxseg);
	tcp_image_fill(copy, &img);
	tcp_image_live(copy, &img, TCP_REPAIR_OFF);
	tcp_image_free(&img);
	send_body(copy, pair.client, &count);
	close(copy);
	close(pair.client);
	return count;
}

static unsigned int segments_of(unsigned int mss)
{
	return (BODY + mss - 1) / mss;
}

static void prove_small(const char *how, const struct count *count)
{
	probe_check(count->mss <= DEFAULT_MSS && count->segments >= segments_of(DEFAULT_MSS),
		    "%s: segments of %u bytes, %u of them", how, count->mss, count->segments);
}

static void prove_limit(void)
{
	int sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	int over = MAXSEG_LIMIT + 1;
	int err;

	tcp_sock_set(sock, IPPROTO_TCP, TCP_MAXSEG, MAXSEG_LIMIT);
	err = setsockopt(sock, IPPROTO_TCP, TCP_MAXSEG, &over, sizeof(over)) ? errno : 0;
	probe_check(err == EINVAL, "TCP_MAXSEG takes %d and refuses %d: %s", MAXSEG_LIMIT, over,
		    strerror(err));
	close(sock);
}

int main(void)
{
	struct count plain, before, after, never;

	probe_begin(50);
	probe_private_net(MTU);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	plain = count_plain();
	before = count_restored(TCP_IMAGE_MAXSEG_BEFORE);
	after = count_restored(TCP_IMAGE_MAXSEG_AFTER);
	never = count_restored(TCP_IMAGE_MAXSEG_NEVER);
	probe_check(plain.right && before.right && after.right && never.right,
		    "all %d bytes arrive, right, in every case", BODY);
	probe_check(before.mss == before.mss_before,
		    "TCP_MAXSEG %u before connect: segments of %u bytes, as before the move (%u)",
		    before.mss_dumped, before.mss, before.mss_before);
	probe_check(before.segments <= segments_of(before.mss) * 5 / 4,
		    "%u segments, at most a quarter above %u full ones (never moved: %u)",
		    before.segments, segments_of(before.mss), plain.segments);
	prove_small("without it", &never);
	prove_small("after connect it comes too late", &after);
	prove_limit();
	return probe_end("%d bytes take %u segments restored with TCP_MAXSEG before connect, %u "
			 "without, %u unmoved", BODY, before.segments, never.segments,
			 plain.segments);
}
