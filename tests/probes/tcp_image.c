/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_image.c - dump, restore and rebuild of a connection, for the tcp_* probes
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#include "tests/probes/tcp_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel makes one allocation per piece: it cuts larger ones short, or refuses them. */
#define QUEUE_PIECE 32768
#define SPARE_BUFFER 65536
/* TCP_MAXSEG takes no more, although a loopback's own MSS is 65483. */
#define MAXSEG_MAX 32767

/* Option kinds of the TCP header, as TCP_REPAIR_OPTIONS takes them. */
enum { KIND_MSS = 2, KIND_WINDOW = 3, KIND_SACK = 4, KIND_TIMESTAMP = 8 };

static uint32_t queue_end(int sock)
{
	return (uint32_t)tcp_sock_get(sock, IPPROTO_TCP, TCP_QUEUE_SEQ);
}

static unsigned char *peek_queue(int sock, size_t len)
{
	unsigned char *bytes = malloc(len + 1);

	if (!bytes)
		probe_bail("no memory for a queue of %zu bytes", len);
	if (len && recv(sock, bytes, len, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)len)
		probe_bail("peek at a queue of %zu bytes: %s", len, strerror(errno));
	return bytes;
}

static void dump_names(int sock, struct tcp_image *img)
{
	struct tcp_info info = tcp_sock_info(sock);
	socklen_t len = sizeof(img->local);

	PROBE_TRY(getsockname(sock, (struct sockaddr *)&img->local, &len));
	len = sizeof(img->remote);
	PROBE_TRY(getpeername(sock, (struct sockaddr *)&img->remote, &len));
	img->options = info.tcpi_options;
	img->send_wscale = info.tcpi_snd_wscale;
	img->recv_wscale = info.tcpi_rcv_wscale;
	img->mss = (uint32_t)tcp_sock_get(sock, IPPROTO_TCP, TCP_MAXSEG);
	img->timestamp = (uint32_t)tcp_sock_get(sock, IPPROTO_TCP, TCP_TIMESTAMP);
}

void tcp_image_dump(int sock, struct tcp_image *img)
{
	socklen_t len = sizeof(img->window);

	memset(img, 0, sizeof(*img));
	tcp_sock_repair(sock, TCP_REPAIR_ON);
	dump_names(sock, img);

	tcp_sock_queue(sock, TCP_RECV_QUEUE);
	img->recv_len = (size_t)tcp_sock_unread(sock);
	img->recv_seq = queue_end(sock) - (uint32_t)img->recv_len;
	img->recv = peek_queue(sock, img->recv_len);

	/* only from here on does the kernel send nothing new: so the counts come after it */
	tcp_sock_queue(sock, TCP_SEND_QUEUE);
	img->unsent = (size_t)tcp_sock_unsent(sock);
	img->send_len = (size_t)tcp_sock_unacked(sock);
	img->send_seq = queue_end(sock) - (uint32_t)img->send_len;
	img->send = peek_queue(sock, img->send_len);
	PROBE_TRY(getsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &img->window, &len));
}

void tcp_image_free(struct tcp_image *img)
{
	free(img->recv);
	free(img->send);
	memset(img, 0, sizeof(*img));
}

uint32_t tcp_image_even(uint32_t timestamp)
{
	return (timestamp + 1) & ~1u;
}

static void set_sequence(int sock, int queue, uint32_t seq)
{
	tcp_sock_queue(sock, queue);
	tcp_sock_set(sock, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)seq);
}

/* A socket that was bound on purpose, or rebuilt before, still has its address: EINVAL. */
static int bind_local(int sock, const struct tcp_image *img)
{
	struct sockaddr_in now = { 0 };
	socklen_t len = sizeof(now);
	int rc = bind(sock, (const struct sockaddr *)&img->local, sizeof(img->local));
	int err = rc < 0 ? errno : 0;

	if (err && err != EINVAL)
		probe_bail("bind in repair mode: %s", strerror(err));
	PROBE_TRY(getsockname(sock, (struct sockaddr *)&now, &len));
	if (now.sin_port != img->local.sin_port ||
	    now.sin_addr.s_addr != img->local.sin_addr.s_addr)
		probe_bail("bind in repair mode left another address");
	return err;
}

static void set_options(int sock, const struct tcp_image *img)
{
	struct tcp_repair_opt opts[4];
	unsigned int n = 0;

	opts[n++] = (struct tcp_repair_opt){ KIND_MSS, img->mss };
	if (img->options & TCPI_OPT_WSCALE)
		opts[n++] = (struct tcp_repair_opt){
			KIND_WINDOW, img->send_wscale | img->recv_wscale << 16 };
	if (img->options & TCPI_OPT_SACK)
		opts[n++] = (struct tcp_repair_opt){ KIND_SACK, 0 };
	if (img->options & TCPI_OPT_TIMESTAMPS)
		opts[n++] = (struct tcp_repair_opt){ KIND_TIMESTAMP, 0 };
	PROBE_TRY(setsockopt(sock, IPPROTO_TCP, TCP_REPAIR_OPTIONS, opts, n * sizeof(opts[0])));
	if (img->options & TCPI_OPT_TIMESTAMPS)
		tcp_sock_set(sock, IPPROTO_TCP, TCP_TIMESTAMP, (int)tcp_image_even(img->timestamp));
}

static void set_maxseg(int sock, const struct tcp_image *img)
{
	tcp_sock_set(sock, IPPROTO_TCP, TCP_MAXSEG,
		     img->mss < MAXSEG_MAX ? (int)img->mss : MAXSEG_MAX);
}

int tcp_image_connect(int sock, const struct tcp_image *img, enum tcp_image_maxseg maxseg)
{
	int bind_err;

	tcp_sock_repair(sock, TCP_REPAIR_ON);
	set_sequence(sock, TCP_RECV_QUEUE, img->recv_seq);
	set_sequence(sock, TCP_SEND_QUEUE, img->send_seq);
	bind_err = bind_local(sock, img);
	if (maxseg == TCP_IMAGE_MAXSEG_BEFORE)
		set_maxseg(sock, img);
	PROBE_TRY(connect(sock, (const struct sockaddr *)&img->remote, sizeof(img->remote)));
	if (maxseg == TCP_IMAGE_MAXSEG_AFTER)
		set_maxseg(sock, img);
	set_options(sock, img);
	return bind_err;
}

static void fill_queue(int sock, int queue, const unsigned char *bytes, size_t len)
{
	tcp_sock_queue(sock, queue);
	for (size_t done = 0; done < len;) {
		size_t piece = len - done < QUEUE_PIECE ? len - done : QUEUE_PIECE;

		done += (size_t)PROBE_TRY(send(sock, bytes + done, piece, 0));
	}
}

/* A fresh socket's buffers hold less than a queue may; the lock is given back afterwards. */
static void widen_buffers(int sock, const struct tcp_image *img)
{
	tcp_sock_set(sock, SOL_SOCKET, SO_SNDBUFFORCE, (int)(2 * img->send_len) + SPARE_BUFFER);
	tcp_sock_set(sock, SOL_SOCKET, SO_RCVBUFFORCE, (int)(2 * img->recv_len) + SPARE_BUFFER);
	tcp_sock_set(sock, SOL_SOCKET, SO_BUF_LOCK, 0);
}

void tcp_image_fill(int sock, const struct tcp_image *img)
{
	widen_buffers(sock, img);
	fill_queue(sock, TCP_RECV_QUEUE, img->recv, img->recv_len);
	fill_queue(sock, TCP_SEND_QUEUE, img->send, img->send_len - img->unsent);
	tcp_sock_queue(sock, TCP_NO_QUEUE);
	PROBE_TRY(setsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &img->window,
			     sizeof(img->window)));
}

void tcp_image_live(int sock, const struct tcp_image *img, int off)
{
	const unsigned char *unsent = img->send + img->send_len - img->unsent;

	tcp_sock_repair(sock, off);
	for (size_t done = 0; done < img->unsent;)
		done += (size_t)PROBE_TRY(send(sock, unsent + done, img->unsent - done, 0));
}

int tcp_image_disconnect(int sock)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int err;

	PROBE_TRY(connect(sock, &nobody, sizeof(nobody)));
	err = tcp_sock_get(sock, SOL_SOCKET, SO_ERROR);
	tcp_sock_repair(sock, TCP_REPAIR_ON);
	return err;
}
