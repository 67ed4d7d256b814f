/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restore.c - puts a connection into a socket: a fresh one, or the one it once lived in
 *
 * Runs in: hylics-worker (host), hylics-agent (home again)
 * Reads from: a record that came from a peer was checked by tcp_record_decode(); whatever else is
 *	wrong with it the kernel refuses, or harms that one connection
 *
 * DOC: Why all of it happens behind the filter
 *
 * A copy is found by the peer's segments from connect() on. Taken in while its queues are being
 * filled, they would be put before what belongs there; acknowledged before it is the owner, they
 * would be lost if the move were taken back. So nothing gets in until tcp_live().
 *
 * DOC: The unsent part
 *
 * In repair mode the kernel books everything that is put into the send queue as sent, and would
 * send it again only after a time-out. So repair mode is left for a moment, with the peer's window
 * shut and the filter at work: what is written then is queued, and not sent. Afterwards the kernel
 * alone has the whole connection. Whoever finds it there without the image wakes it by tcp_undo().
 *
 * DOC: The last segment is said again
 *
 * The peer's acknowledgements may all have come while both sockets were frozen. The probe with
 * which repair mode ends asks for another one, but a peer answers only one such probe in 500 ms,
 * and after that nothing goes before a time-out of a second or more. A segment with data it always
 * answers. So the last segment that was in flight is restored as unsent, and goes out at once: if
 * the new congestion window has room for it (HY_AGAIN_SEGMENTS) and the peer's window has. What is
 * restored as unsent must be sent before an acknowledgement of it is believed, so both are musts.
 * What goes out is no copy of that segment: it is cut anew, perhaps shorter, as options take room,
 * and its end goes along with what is unsent, in a whole segment or not at all. So the window must
 * have room for that one, too.
 *
 * DOC: When nothing is asked
 *
 * The probe is a segment through the whole stack, before the first byte. With empty queues and
 * windows of two segments on both sides nothing can have been lost that stops anybody: what is sent
 * next is answered at once, and what the peer sent meanwhile it sends again. Then a copy just
 * begins to speak.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/limits.h"
#include "common/own.h"
#include "tcpmove/ends.h"
#include "tcpmove/image.h"
#include "tcpmove/options.h"
#include "tcpmove/sockopt.h"

/* The kernel makes one allocation per piece of a receive queue and cuts or refuses large ones. */
#define PIECE_MAX 32768u
#define PIECE_MIN 1024u
/* What buffers hold beside the bytes, at least. */
#define SPARE_BYTES 65536u
/* A copy's send buffer begins with what a first congestion window and some more fill. */
#define SNDBUF_LEAST 262144
/* TCP_MAXSEG takes no more, although a loopback's own MSS is 65483. */
#define MAXSEG_MAX 32767u

/* Option kinds of the TCP header, as TCP_REPAIR_OPTIONS takes them. */
enum { KIND_MSS = 2, KIND_WINDOW = 3, KIND_SACK = 4, KIND_TIMESTAMP = 8 };

/*
 * The most that SO_SNDBUF or SO_RCVBUF make of any wish, a limit that not everybody can see: so it
 * is tried, once, as two sockets more for each restored one would be a fifth of its time.
 */
/* syscalls: socket(AF_INET, SOCK_STREAM/0xf, 0) */
static int plain_most(int opt)
{
	static int most[2];
	int *known = &most[opt == SO_SNDBUF];
	hy_autofd sock = *known ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock >= 0 && sockopt_set(sock, SOL_SOCKET, opt, INT_MAX / 2) == 0)
		sockopt_get(sock, SOL_SOCKET, opt, known);
	return *known;
}

/* What a socket's buffers hold. */
struct buffers {
	int send, receive;
};

/* What is known of a socket before a connection is put into it. */
struct place {
	int domain;			/* its family */
	const struct tcp_options *have;	/* NULL: it may have any */
	struct buffers before;
};

/*
 * SO_SNDBUFFORCE needs a capability of the first user namespace. Who has not got it does not get it
 * later; SO_SNDBUF alone might shrink. Return: the size
 */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_RCVBUF), setsockopt(_, SOL_SOCKET, SO_RCVBUFFORCE) */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_SNDBUF), setsockopt(_, SOL_SOCKET, SO_SNDBUFFORCE) */
static int set_size(int sock, int force, int plain, int before, int bytes)
{
	static bool refused;
	int rc = refused ? -EPERM : sockopt_set(sock, SOL_SOCKET, force, bytes / 2);

	refused = rc == -EPERM;
	if (rc == 0)
		return bytes;
	if (bytes > before && plain_most(plain) <= before)
		return before;
	sockopt_set(sock, SOL_SOCKET, plain, bytes / 2);
	return bytes < plain_most(plain) ? bytes : plain_most(plain);
}

/* Bytes of a peer's window that room is made for. */
static uint32_t window_room(const struct tcp_record *rec)
{
	return rec->window.rcv_wnd < HY_TCP_QUEUE_MAX ? rec->window.rcv_wnd : HY_TCP_QUEUE_MAX;
}

/* Kernels count more than the bytes: so twice as much, and some more. */
static int filling_room(uint32_t len)
{
	return (int)(2 * (len + SPARE_BYTES));
}

/* The lock that comes with a size is taken off again. */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_BUF_LOCK) */
static struct buffers set_buffers(int sock, const struct buffers *now, const struct buffers *want)
{
	struct buffers b = *now;

	if (want->send != b.send)
		b.send = set_size(sock, SO_SNDBUFFORCE, SO_SNDBUF, b.send, want->send);
	if (want->receive != b.receive)
		b.receive = set_size(sock, SO_RCVBUFFORCE, SO_RCVBUF, b.receive, want->receive);
	if (b.send != now->send || b.receive != now->receive)
		sockopt_set(sock, SOL_SOCKET, SO_BUF_LOCK, 0);
	return b;
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

/* Room to fill the queues. */
static struct buffers widen_buffers(int sock, const struct tcp_record *rec,
				    const struct buffers *before)
{
	int receive = (int)window_room(rec) + (rec->recv_len ? filling_room(rec->recv_len) : 0);
	const struct buffers want = { .send = larger(before->send, filling_room(rec->send_len)),
				      .receive = larger(before->receive, receive) };

	return set_buffers(sock, before, &want);
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

/*
 * Left wide, buffers would be filled, and made wider by the next move, and so on. What is more
 * than a buffer holds drains, and from here on the kernel tunes them. For what the peer may send
 * into the window it was told there must be room.
 */
static void narrow_buffers(int sock, const struct tcp_record *rec, const struct buffers *before,
			   const struct buffers *wide)
{
	int told = (int)(rec->recv_len + window_room(rec));
	const struct buffers want = {
		.send = smaller(wide->send, larger(before->send, SNDBUF_LEAST)),
		.receive = smaller(wide->receive, larger(before->receive, told)),
	};

	(void)set_buffers(sock, wide, &want);
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
static int set_sequence(int sock, int queue, uint32_t seq, struct hy_err *e)
{
	int rc = sockopt_try(sock, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", e);

	return rc ? rc : sockopt_try(sock, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)seq, "TCP_QUEUE_SEQ",
				     e);
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
static int set_agreed(int sock, const struct tcp_record *rec, struct hy_err *e)
{
	struct tcp_repair_opt opts[4];
	socklen_t n = 0;

	opts[n++] = (struct tcp_repair_opt){ KIND_MSS, rec->mss };
	/* without scaling 0 and 0: else the socket's own scale would stay */
	opts[n++] = (struct tcp_repair_opt){
		KIND_WINDOW, rec->send_wscale | (uint32_t)rec->recv_wscale << 16 };
	if (rec->flags & TCP_HAS_SACK)
		opts[n++] = (struct tcp_repair_opt){ KIND_SACK, 0 };
	if (rec->flags & TCP_HAS_TIMESTAMPS)
		opts[n++] = (struct tcp_repair_opt){ KIND_TIMESTAMP, 0 };
	n *= (socklen_t)sizeof(opts[0]);
	if (setsockopt(sock, IPPROTO_TCP, TCP_REPAIR_OPTIONS, opts, n) < 0)
		return hy_err_set(e, errno, "set TCP_REPAIR_OPTIONS");
	return 0;
}

/* On kernels before 6.7 the bit that selects microseconds means nothing and shows nowhere. */
static int set_clock(int sock, const struct tcp_record *rec, struct hy_err *e)
{
	bool usec = rec->flags & TCP_USEC_CLOCK;
	uint32_t timestamp = usec ? rec->timestamp | 1 : (rec->timestamp + 1) & ~1u;
	struct tcp_info info;
	int rc;

	if (!(rec->flags & TCP_HAS_TIMESTAMPS))
		return 0;
	rc = sockopt_try(sock, IPPROTO_TCP, TCP_TIMESTAMP, (int)timestamp, "TCP_TIMESTAMP", e);
	if (rc || !usec)
		return rc;
	rc = sockopt_info(sock, &info, e);
	if (!rc && !(info.tcpi_options & TCPI_OPT_USEC_TS))
		rc = hy_err_set(e, EOPNOTSUPP, "timestamps in microseconds");
	return rc;
}

static int put_names(int sock, const struct tcp_record *rec, const struct place *at,
		     struct hy_err *e)
{
	uint32_t maxseg = rec->mss < MAXSEG_MAX ? rec->mss : MAXSEG_MAX;
	int rc = set_sequence(sock, TCP_RECV_QUEUE, rec->recv_seq, e);

	if (!rc)
		rc = set_sequence(sock, TCP_SEND_QUEUE, rec->send_seq, e);
	if (!rc)
		rc = ends_bind(sock, at->domain, rec, e);
	/* after connect() it would come too late: segments of 536 bytes */
	if (!rc)
		rc = sockopt_try(sock, IPPROTO_TCP, TCP_MAXSEG, (int)maxseg, "TCP_MAXSEG", e);
	/* a client's own wish to send data with its SYN would put connect() off */
	if (!at->have)
		sockopt_set(sock, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0);
	options_before_connect(sock, rec, at->have);
	if (!rc)
		rc = ends_connect(sock, at->domain, rec, e);
	if (!rc)
		rc = set_agreed(sock, rec, e);
	return rc ? rc : set_clock(sock, rec, e);
}

/* MSG_DONTWAIT: what does not fit would otherwise be waited for, and nobody makes room. */
/* syscalls: sendto */
static int put_bytes(int sock, const uint8_t *bytes, size_t len, struct hy_err *e)
{
	size_t piece = PIECE_MAX;

	for (size_t done = 0; done < len;) {
		size_t want = len - done < piece ? len - done : piece;
		ssize_t put = send(sock, bytes + done, want, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put > 0)
			done += (size_t)put;
		else if (errno == ENOMEM && piece > PIECE_MIN)
			piece /= 2;
		else
			return hy_err_set(e, errno == EAGAIN ? ENOBUFS : errno,
					  "put %zu of %zu bytes into a queue", len - done, len);
	}
	return 0;
}

/* Where something of the send queue begins; an image of nothing has no bytes at all. */
static const uint8_t *send_queue(const struct tcp_image *img, uint32_t offset)
{
	return img->bytes ? img->bytes + img->rec.recv_len + offset : NULL;
}

static int fill_queue(int sock, int queue, const uint8_t *bytes, size_t len, struct hy_err *e)
{
	int rc;

	if (!len)
		return 0;
	rc = sockopt_try(sock, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", e);

	return rc ? rc : put_bytes(sock, bytes, len, e);
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
static int set_window(int sock, const struct tcp_record *rec, uint32_t snd_wnd, struct hy_err *e)
{
	const struct tcp_repair_window window = {
		.snd_wl1 = rec->window.snd_wl1,
		.snd_wnd = snd_wnd,
		.max_window = rec->window.max_window,
		.rcv_wnd = rec->window.rcv_wnd,
		.rcv_wup = rec->window.rcv_wup,
	};

	if (setsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)) < 0)
		return hy_err_set(e, errno, "set TCP_REPAIR_WINDOW");
	return 0;
}

/* syscalls: setsockopt(_, IPPROTO_TCP) */
static int put_unsent(int sock, const struct tcp_image *img, uint32_t len, struct hy_err *e)
{
	const struct tcp_record *rec = &img->rec;
	const uint8_t *unsent = send_queue(img, rec->send_len - len);
	int rc = set_window(sock, rec, 0, e);

	/* a program's low mark for unsent bytes would stop us; tcp_live() sets it again */
	sockopt_set(sock, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1);
	if (!rc)
		rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP, e);
	if (!rc)
		rc = put_bytes(sock, unsent, len, e);
	return rc ? rc : SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON, e);
}

static uint32_t said_again(const struct tcp_record *rec)
{
	uint32_t sent = rec->send_len - rec->unsent_len;
	uint32_t along = rec->unsent_len < rec->mss ? rec->unsent_len : rec->mss;

	if (sent > HY_AGAIN_SEGMENTS * rec->mss || sent + along > rec->window.snd_wnd)
		return 0;
	return sent < rec->mss ? sent : rec->mss;
}

static int put_queues(int sock, const struct tcp_image *img, struct hy_err *e)
{
	const struct tcp_record *rec = &img->rec;
	uint32_t unsent = rec->unsent_len + said_again(rec);
	int rc = fill_queue(sock, TCP_RECV_QUEUE, img->bytes, rec->recv_len, e);

	if (!rc)
		rc = fill_queue(sock, TCP_SEND_QUEUE, send_queue(img, 0), rec->send_len - unsent,
				e);
	if (!rc)
		rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE, e);
	if (!rc && unsent)
		rc = put_unsent(sock, img, unsent, e);
	return rc ? rc : set_window(sock, rec, rec->window.snd_wnd, e);
}

/* syscalls: setsockopt(_, IPPROTO_TCP), setsockopt(_, SOL_SOCKET, SO_REUSEADDR) */
static int put_connection(int sock, const struct tcp_image *img, const struct place *at,
			  struct hy_err *e)
{
	const struct tcp_record *rec = &img->rec;
	struct buffers wide;
	int rc;

	if (rec->send_len > img->room || rec->recv_len > img->room - rec->send_len ||
	    rec->unsent_len > rec->send_len)
		return hy_err_set(e, EINVAL, "an image that is shorter than its record says");
	rc = SOCKOPT_TRY(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON, e);
	if (rc)
		return rc;
	wide = widen_buffers(sock, rec, &at->before);
	rc = put_names(sock, rec, at, e);
	if (!rc)
		rc = put_queues(sock, img, e);
	narrow_buffers(sock, rec, &at->before, &wide);
	/* for whoever leaves repair mode, see tcp_dump() */
	return rc ? rc : sockopt_try(sock, SOL_SOCKET, SO_REUSEADDR, rec->options.reuseaddr,
				     "SO_REUSEADDR", e);
}

static int look_at(int sock, struct place *at, struct hy_err *e)
{
	sockopt_get(sock, SOL_SOCKET, SO_SNDBUF, &at->before.send);
	sockopt_get(sock, SOL_SOCKET, SO_RCVBUF, &at->before.receive);
	return ends_domain(sock, &at->domain, e);
}

int tcp_restore(int sock, const struct tcp_image *img, struct hy_err *e)
{
	struct place at = { .domain = img->rec.family, .have = options_fresh(img->rec.family) };
	int rc = tcp_freeze(sock, e);

	if (!rc && !at.have)
		rc = look_at(sock, &at, e);
	else if (!rc)
		at.before = (struct buffers){ .send = (int)at.have->sndbuf,
					      .receive = (int)at.have->rcvbuf };
	return rc ? rc : put_connection(sock, img, &at, e);
}

int tcp_rebuild(int sock, const struct tcp_image *img, struct hy_err *e)
{
	struct place at = { .have = NULL };
	int rc = look_at(sock, &at, e);

	return rc ? rc : put_connection(sock, img, &at, e);
}

/*
 * Leaving repair mode sends nothing of the queue, and a queue longer than its buffer gives nobody a
 * reason to write. Taking off a cork does: as Nagle wants it, who would keep what is said again
 * until the acknowledgement that it is to bring. Less than a segment may wait for what follows it
 * in a socket that is corked.
 */
static void push(int sock, const struct tcp_record *rec)
{
	if (said_again(rec)) {
		sockopt_set(sock, IPPROTO_TCP, TCP_NODELAY, 1);
	} else if (rec->unsent_len >= rec->mss || (rec->unsent_len && !rec->options.cork)) {
		sockopt_set(sock, IPPROTO_TCP, TCP_CORK, 1);
		sockopt_set(sock, IPPROTO_TCP, TCP_CORK, 0);
	}
}

int tcp_live(int sock, const struct tcp_image *img, struct hy_err *e)
{
	int rc;

	options_before_live(sock, &img->rec);
	rc = tcp_undo(sock, e);
	if (rc)
		return rc;
	push(sock, &img->rec);
	options_live(sock, &img->rec, NULL);
	return 0;
}

/* Whether what the peer said meanwhile, and nobody heard, may be missed before it says it again. */
static bool must_ask(const struct tcp_record *rec)
{
	return rec->send_len || rec->recv_len || rec->window.snd_wnd < 2 * rec->mss ||
	       rec->window.rcv_wnd < 2 * rec->mss;
}

/* What a restored socket has now that nobody has set more at it than the steps above. */
static struct tcp_options have_now(const struct tcp_options *fresh, const struct tcp_record *rec)
{
	struct tcp_options now = *fresh;

	now.cork = rec->options.cork;
	if (rec->unsent_len || said_again(rec)) {	/* see push() and put_unsent() */
		now.cork = 1;
		now.nodelay = !rec->options.nodelay;
		now.notsent_lowat = UINT32_MAX;
	}
	return now;
}

int tcp_wake(int sock, const struct tcp_image *img, struct hy_err *e)
{
	const struct tcp_record *rec = &img->rec;
	const struct tcp_options *fresh = options_fresh(rec->family);
	struct tcp_options now;
	int rc;

	if (!fresh)
		return tcp_live(sock, img, e);
	options_before_live(sock, rec);
	rc = tcp_thaw(sock, e);
	if (!rc)
		rc = sockopt_try(sock, IPPROTO_TCP, TCP_REPAIR,
				 must_ask(rec) ? TCP_REPAIR_OFF : TCP_REPAIR_OFF_NO_WP,
				 "TCP_REPAIR off", e);
	/* leaving repair mode has cleared it */
	if (!rc && rec->options.reuseaddr)
		rc = SOCKOPT_TRY(sock, SOL_SOCKET, SO_REUSEADDR, 1, e);
	if (rc)
		return rc;
	push(sock, rec);
	now = have_now(fresh, rec);
	options_live(sock, rec, &now);
	return 0;
}
