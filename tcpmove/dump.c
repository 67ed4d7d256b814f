/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump.c - takes everything out of a frozen socket
 *
 * Runs in: hylics-agent (guest), hylics-worker (home again)
 * Reads from: the kernel; the bytes of the queues are nobody's business here
 *
 * DOC: The order
 *
 * With no queue chosen, or the receive queue, repair mode still transmits; with the send queue
 * chosen nothing new leaves. So the receive queue is read first, then the send queue is chosen
 * and stays so, and only then are its parts counted. The sequence numbers that the kernel gives
 * are those of the queues' ends.
 *
 * A segment that had passed the filter on another processor when it was attached may still come
 * in. So all counts are looked at again at the end, and the dump is repeated if one has moved.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "common/limits.h"
#include "tcpmove/ends.h"
#include "tcpmove/image.h"
#include "tcpmove/options.h"
#include "tcpmove/sockopt.h"

#define TRIES_MAX 8

/*
 * Repair mode overwrites SO_REUSEADDR by a value of its own that only bind() looks at. So what it
 * was is put back at once, and stands in the socket itself for whoever leaves repair mode.
 */
/* syscalls: setsockopt(_, IPPROTO_TCP), setsockopt(_, SOL_SOCKET, SO_REUSEADDR) */
static int enter_repair(int sock, struct hy_err *e)
{
	int repair = 0, reuse = 0;
	int rc = sockopt_get(sock, IPPROTO_TCP, TCP_REPAIR, &repair);

	if (!rc)
		rc = sockopt_get(sock, SOL_SOCKET, SO_REUSEADDR, &reuse);
	if (rc)
		return hy_err_set(e, -rc, "ask for TCP_REPAIR and SO_REUSEADDR");
	if (repair)
		return 0;
	rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON, e);
	return rc ? rc : sockopt_try(sock, SOL_SOCKET, SO_REUSEADDR, reuse, "SO_REUSEADDR", e);
}

/* What was sent last may be one ahead of an even millisecond that the kernel tells. */
static uint32_t next_even(uint32_t timestamp)
{
	return (timestamp + 2) & ~1u;
}

static int read_clock(int sock, const struct tcp_info *info, struct tcp_record *rec,
		      struct hy_err *e)
{
	int timestamp = 0;
	int rc;

	if (!(info->tcpi_options & TCPI_OPT_TIMESTAMPS))
		return 0;
	rc = sockopt_get(sock, IPPROTO_TCP, TCP_TIMESTAMP, &timestamp);
	if (rc)
		return hy_err_set(e, -rc, "ask for TCP_TIMESTAMP");
	rec->flags |= TCP_HAS_TIMESTAMPS;
	rec->timestamp = next_even((uint32_t)timestamp);
	if (info->tcpi_options & TCPI_OPT_USEC_TS) {
		rec->flags |= TCP_USEC_CLOCK;
		rec->timestamp |= 1;
	}
	return 0;
}

static int read_agreed(int sock, struct tcp_record *rec, struct hy_err *e)
{
	struct tcp_info info;
	int mss = 0;
	int rc = sockopt_info(sock, &info, e);

	if (rc)
		return rc;
	if (info.tcpi_state != TCP_SOCK_ESTABLISHED)
		return hy_err_set(e, ENOTCONN, "dump a connection in state %u", info.tcpi_state);
	rc = sockopt_get(sock, IPPROTO_TCP, TCP_MAXSEG, &mss);
	if (rc)
		return hy_err_set(e, -rc, "ask for TCP_MAXSEG");
	if (mss < TCP_MSS_LEAST)
		return hy_err_set(e, EOPNOTSUPP, "move a connection with an MSS of %d", mss);
	rec->mss = (uint32_t)mss < TCP_MSS_MOST ? (uint32_t)mss : TCP_MSS_MOST;
	if (info.tcpi_options & TCPI_OPT_SACK)
		rec->flags |= TCP_HAS_SACK;
	if (info.tcpi_options & TCPI_OPT_ECN)
		rec->flags |= TCP_HAS_ECN;
	if (info.tcpi_options & TCPI_OPT_WSCALE) {
		rec->flags |= TCP_HAS_WSCALE;
		rec->send_wscale = info.tcpi_snd_wscale;
		rec->recv_wscale = info.tcpi_rcv_wscale;
	}
	return read_clock(sock, &info, rec, e);
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
static int choose_queue(int sock, int queue, uint32_t *end, struct hy_err *e)
{
	int seq = 0;
	int rc = sockopt_try(sock, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", e);

	if (rc)
		return rc;
	rc = sockopt_get(sock, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq);
	*end = (uint32_t)seq;
	return rc ? hy_err_set(e, -rc, "ask for TCP_QUEUE_SEQ") : 0;
}

/*
 * The kernel counts and shows unread bytes up to an urgent one, even if that was read already. As
 * part of the stream it counts them all.
 */
/* syscalls: ioctl(_, SIOCINQ), setsockopt(_, SOL_SOCKET, SO_OOBINLINE) */
static int count_received(int sock, uint32_t *len, struct hy_err *e)
{
	uint32_t all = 0;
	int inline_before = 0;
	int rc = sockopt_queued(sock, SIOCINQ, len, e);

	sockopt_get(sock, SOL_SOCKET, SO_OOBINLINE, &inline_before);
	if (!rc)
		rc = SOCKOPT_TRY(sock, SOL_SOCKET, SO_OOBINLINE, 1, e);
	if (rc)
		return rc;
	rc = sockopt_queued(sock, SIOCINQ, &all, e);
	sockopt_set(sock, SOL_SOCKET, SO_OOBINLINE, inline_before);
	if (!rc && all != *len)
		rc = hy_err_set(e, EOPNOTSUPP, "urgent data among %u unread bytes", all);
	return rc;
}

static int wrong_count(ssize_t got, uint32_t wanted, const char *queue, struct hy_err *e)
{
	if (got < 0)
		return hy_err_set(e, errno, "peek at the %s queue", queue);
	return hy_err_set(e, EOPNOTSUPP, "a %s queue that shows %zd of %u bytes", queue, got,
			  wanted);
}

/* syscalls: recvfrom, setsockopt(_, SOL_SOCKET, SO_PEEK_OFF) */
static int peek_received(int sock, uint8_t *bytes, uint32_t len, struct hy_err *e)
{
	int offset = -1;
	ssize_t got;

	if (len == 0)
		return 0;
	/* a program's own offset of looking would be ours, and would move */
	sockopt_get(sock, SOL_SOCKET, SO_PEEK_OFF, &offset);
	if (offset >= 0)
		sockopt_set(sock, SOL_SOCKET, SO_PEEK_OFF, -1);
	got = recv(sock, bytes, len, MSG_PEEK | MSG_DONTWAIT);
	if (offset >= 0)
		sockopt_set(sock, SOL_SOCKET, SO_PEEK_OFF, offset);
	return got == (ssize_t)len ? 0 : wrong_count(got, len, "receive", e);
}

static int dump_received(int sock, struct tcp_image *img, struct hy_err *e)
{
	struct tcp_record *rec = &img->rec;
	uint32_t end;
	int rc = choose_queue(sock, TCP_RECV_QUEUE, &end, e);

	if (!rc)
		rc = count_received(sock, &rec->recv_len, e);
	if (rc)
		return rc;
	rec->recv_seq = end - rec->recv_len;
	return rec->recv_len <= img->room ? peek_received(sock, img->bytes, rec->recv_len, e) : 0;
}

/*
 * The kernel shows whole segments. Of the first one a part may be acknowledged already, where the
 * peer's segments were cut otherwise, as after a move: those bytes come in front and are too many.
 */
/* syscalls: recvmsg */
static int peek_sent(int sock, uint8_t *bytes, uint32_t len, struct hy_err *e)
{
	uint8_t over[TCP_MSS_MOST];
	struct iovec parts[] = { { bytes, len }, { over, sizeof(over) } };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t got = recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);
	size_t extra;

	if (got < (ssize_t)len)
		return wrong_count(got, len, "send", e);
	extra = (size_t)got - len;
	if (extra >= len) {
		memcpy(bytes, over + extra - len, len);
	} else {
		memmove(bytes, bytes + extra, len - extra);
		memcpy(bytes + len - extra, over, extra);
	}
	return 0;
}

/* syscalls: ioctl(_, SIOCOUTQ), ioctl(_, SIOCOUTQNSD) */
static int dump_sent(int sock, struct tcp_image *img, struct hy_err *e)
{
	struct tcp_record *rec = &img->rec;
	uint32_t end;
	int rc = choose_queue(sock, TCP_SEND_QUEUE, &end, e);

	if (!rc)
		rc = sockopt_queued(sock, SIOCOUTQNSD, &rec->unsent_len, e);
	if (!rc)
		rc = sockopt_queued(sock, SIOCOUTQ, &rec->send_len, e);
	if (rc)
		return rc;
	rec->send_seq = end - rec->send_len;
	if (rec->send_len > HY_TCP_QUEUE_MAX || rec->recv_len > HY_TCP_QUEUE_MAX - rec->send_len)
		return hy_err_set(e, EMSGSIZE, "queues of %u and %u bytes", rec->recv_len,
				  rec->send_len);
	if (rec->recv_len > img->room || rec->send_len > img->room - rec->recv_len)
		return hy_err_set(e, ENOBUFS, "queues of %u and %u bytes, room for %zu",
				  rec->recv_len, rec->send_len, img->room);
	return rec->send_len ? peek_sent(sock, img->bytes + rec->recv_len, rec->send_len, e) : 0;
}

/* syscalls: getsockopt */
static int read_window(int sock, struct tcp_window *window, struct hy_err *e)
{
	struct tcp_repair_window w;
	socklen_t len = sizeof(w);

	if (getsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &len) < 0)
		return hy_err_set(e, errno, "ask for TCP_REPAIR_WINDOW");
	/* the handshake's last segment may raise one and not the other; the kernel takes no such */
	*window = (struct tcp_window){
		.snd_wl1 = w.snd_wl1,
		.snd_wnd = w.snd_wnd,
		.max_window = w.max_window > w.snd_wnd ? w.max_window : w.snd_wnd,
		.rcv_wnd = w.rcv_wnd,
		.rcv_wup = w.rcv_wup,
	};
	return 0;
}

/* Return: 0, -EAGAIN if a queue has changed since it was dumped, -errno */
/* syscalls: ioctl(_, SIOCINQ), ioctl(_, SIOCOUTQ) */
static int look_again(int sock, const struct tcp_record *rec, struct hy_err *e)
{
	uint32_t unread = 0, unacked = 0;
	struct tcp_info info;
	int rc = sockopt_queued(sock, SIOCINQ, &unread, e);

	if (!rc)
		rc = sockopt_queued(sock, SIOCOUTQ, &unacked, e);
	if (!rc)
		rc = sockopt_info(sock, &info, e);
	if (rc)
		return rc;
	if (unread != rec->recv_len || unacked != rec->send_len ||
	    info.tcpi_state != TCP_SOCK_ESTABLISHED)
		return hy_err_set(e, EAGAIN, "a frozen connection that still receives");
	return 0;
}

static int dump_once(int sock, struct tcp_image *img, struct hy_err *e)
{
	int rc;

	memset(&img->rec, 0, sizeof(img->rec));
	rc = ends_read(sock, &img->rec, e);
	if (!rc && ends_are_scoped(&img->rec))
		rc = hy_err_set(e, EOPNOTSUPP, "move a connection of a link-local address");
	if (!rc)
		rc = read_agreed(sock, &img->rec, e);
	if (!rc)
		rc = dump_received(sock, img, e);
	if (!rc)
		rc = dump_sent(sock, img, e);
	if (!rc)
		rc = read_window(sock, &img->rec.window, e);
	return rc ? rc : look_again(sock, &img->rec, e);
}

int tcp_dump(int sock, struct tcp_image *img, struct hy_err *e)
{
	int rc = enter_repair(sock, e);

	if (rc)
		return rc;
	rc = dump_once(sock, img, e);
	for (int try = 1; rc == -EAGAIN && try < TRIES_MAX; try++)
		rc = dump_once(sock, img, e);
	if (!rc)
		options_read(sock, &img->rec);
	return rc;
}
