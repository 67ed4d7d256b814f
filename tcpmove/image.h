/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - takes an established TCP connection out of a socket and puts it into another
 *
 * Runs in: hylics-agent (guest), hylics-worker (host)
 * Reads from: the kernel; a record that came from a peer was checked by tcp_record_decode()
 *
 * DOC: The steps of a move, and the state of both sockets after each
 *
 *	source			copy
 *	tcp_freeze()		-		source drops all that arrives
 *	tcp_dump()		-		source in repair mode, sends nothing new
 *	(frozen)		tcp_restore()	copy is complete, frozen, in repair mode: silent
 *	(frozen)		tcp_wake()	copy speaks
 *	tcp_silence()		(lives)		source is a descriptor, no connection
 *
 * and home again, into the very socket that was silenced:
 *
 *	copy			kept socket
 *	tcp_freeze(), dump()	tcp_rebuild()	both in repair mode, both frozen
 *	tcp_vanish()		(frozen)	copy is gone without a segment
 *				tcp_live()	kept socket speaks
 *
 * Between tcp_dump() and tcp_silence() (or tcp_vanish()) the source may be taken back at any time
 * with tcp_undo(): it goes on as if nothing had happened but some lost segments.
 *
 * After tcp_restore() and tcp_rebuild() the kernel has all of the connection. Whoever finds such a
 * socket without its image, because its maker died, wakes it with tcp_undo(), too: only options
 * that a fresh socket has not are then missing.
 *
 * A segment that arrives at a frozen socket is lost, and sent again by its sender. What a new owner
 * with something under way asks its peer when it begins to speak is answered at most once in
 * 500 ms: bytes that are under way in two moves in a row may wait for a time-out, of 3 s, or 1 s
 * with SACK.
 * docs/kernel.md says which behaviour of the kernel each step depends on.
 */
#ifndef HY_TCPMOVE_IMAGE_H
#define HY_TCPMOVE_IMAGE_H

#include "common/err.h"
#include "tcpmove/record.h"

/* A record with its queues: first the unread bytes, then the send queue. */
struct tcp_image {
	struct tcp_record rec;
	uint8_t *bytes;			/* the caller's; NULL if there is no room, or nothing */
	size_t room;			/* of @bytes */
};

/*
 * Why a connection cannot be carried; the words are those of docs/contracts.md, but for the last
 * two, which are counted there as limit-moves and no-twin.
 */
enum tcp_refusal {
	TCP_MOVABLE,
	TCP_NOT_TCP,
	TCP_NOT_ESTABLISHED,		/* SYN states, half-closed, closing */
	TCP_UNREAD_BYTES,		/* more of them than the caller allows */
	TCP_MPTCP,
	TCP_WITH_ULP,			/* TCP_ULP is an option of the kernel's */
	TCP_URGENT_DATA,
	TCP_OWN_FILTER,
	TCP_QUEUE_TOO_LONG,
	TCP_LINK_LOCAL,			/* an IPv6 address that is good on one link only */
	TCP_REFUSALS,
};

/**
 * tcp_refusal_name() - "not-tcp", "unread-bytes", ...: as in docs/contracts.md
 * @r:	One of the enum
 *
 * Return: a constant; "" for TCP_MOVABLE
 */
const char *tcp_refusal_name(enum tcp_refusal r);

/**
 * tcp_check() - Whether a connection can be carried at all; changes nothing
 * @sock:	Any descriptor of a program
 * @unread_max:	Unread bytes the caller is ready to carry
 *
 * Return: TCP_MOVABLE or the first reason against it
 */
enum tcp_refusal tcp_check(int sock, size_t unread_max);

/**
 * tcp_freeze() - From now on the socket drops everything that arrives
 * @sock:	Established
 * @e:		Error
 *
 * Return: 0, -errno; -EPERM without CAP_NET_ADMIN over its network namespace
 */
int tcp_freeze(int sock, struct hy_err *e);

/**
 * tcp_freeze_load() - Load a program that drops all into the kernel, which must be allowed to
 *
 * Return: its descriptor, the caller's, good for tcp_freeze_use() of any process; -errno
 */
int tcp_freeze_load(void);

/**
 * tcp_freeze_use() - From now on freezing and thawing cost a tenth
 * @program:	From tcp_freeze_load(), stays the caller's; < 0, or of another kind: each freezing
 *		has a filter of its own translated
 */
void tcp_freeze_use(int program);

/**
 * tcp_thaw() - Take back tcp_freeze()
 * @sock:	Frozen or not
 * @e:		Error
 *
 * Return: 0, -errno
 */
int tcp_thaw(int sock, struct hy_err *e);

/**
 * tcp_dump() - Take everything out of a frozen socket
 * @sock:	Frozen; left in repair mode, with SEND_QUEUE chosen so that nothing new leaves
 * @img:	bytes and room set; the rest filled
 * @e:		Error
 *
 * May be called again with more room: img->rec.recv_len and send_len say how much it takes.
 *
 * Return: 0, -ENOBUFS if the queues need more room, -EMSGSIZE above HY_TCP_QUEUE_MAX, -ENOTCONN if
 * it is no longer established, -EOPNOTSUPP for what cannot be carried and tcp_check() did not see
 * (urgent data, an MSS below TCP_MSS_LEAST), -EAGAIN if it still receives, -errno
 */
int tcp_dump(int sock, struct tcp_image *img, struct hy_err *e);

/**
 * tcp_undo() - A dumped socket goes on as if nothing had been
 * @sock:	From tcp_dump(), whether or not it succeeded; or only frozen; or from tcp_restore()
 *		or tcp_rebuild() when their image is lost
 * @e:		Error
 *
 * Return: 0, -errno
 */
int tcp_undo(int sock, struct hy_err *e);

/**
 * tcp_restore() - Put a connection into a fresh socket
 * @sock:	From socket() and as that made it, of the record's family, in the network namespace
 *		it shall live in
 * @img:	From tcp_dump(), perhaps of another machine
 * @e:		Error
 *
 * Works without CAP_NET_ADMIN of the initial user namespace: buffers grow as far as the
 * namespace's own limits let them. A local port below 1024 needs CAP_NET_BIND_SERVICE, or the
 * namespace's ip_unprivileged_port_start set to 0. The socket is frozen here and stays so: the copy
 * is silent until tcp_wake(). What sockets of a namespace begin with is looked at once in a process
 * and taken for granted from then on. Set SO_LINGER afterwards: for some microseconds, while unsent
 * bytes are queued, the socket is not in repair mode. A duplicate elsewhere keeps the kernel from
 * closing it in its own way, should the caller be killed just then.
 *
 * Return: 0, -ENOBUFS if a queue does not fit, -EOPNOTSUPP for a clock this kernel does not have,
 * -errno: the socket is good for nothing but tcp_vanish()
 */
int tcp_restore(int sock, const struct tcp_image *img, struct hy_err *e);

/**
 * tcp_live() - Leave repair mode: the connection speaks from here
 * @sock:	From tcp_restore() or tcp_rebuild(), frozen or thawed
 * @img:	The same; only its options are looked at
 * @e:		Error
 *
 * Thaws. Sets all carried options, as far as this kernel allows; SO_LINGER is none of them.
 *
 * Return: 0, -errno
 */
int tcp_live(int sock, const struct tcp_image *img, struct hy_err *e);

/**
 * tcp_wake() - The same for a socket that this process has just restored, in fewer steps
 * @sock:	From tcp_restore(), and nothing of what a connection carries was set since
 * @img:	The same
 * @e:		Error
 *
 * Return: 0, -errno
 */
int tcp_wake(int sock, const struct tcp_image *img, struct hy_err *e);

/**
 * tcp_silence() - End a connection without a segment, and keep the descriptor for tcp_rebuild()
 * @sock:	Frozen, in repair mode; stays frozen
 * @e:		Error
 *
 * epoll sees a transient error and hang-up on it; SO_ERROR is left clear.
 *
 * Return: 0, -errno; -EBUSY on some kernels while a thread waits in a call on the socket
 */
int tcp_silence(int sock, struct hy_err *e);

/**
 * tcp_rebuild() - Put a connection into a socket that tcp_silence() was called for
 * @sock:	Silenced; left in repair mode and frozen: tcp_live() wakes it
 * @img:	From tcp_dump() of the copy
 * @e:		Error
 *
 * An IPv4 connection goes into an IPv6 socket too, if it came from one: by mapped addresses.
 *
 * Return: 0, -errno: tcp_silence() makes it ready for another try
 */
int tcp_rebuild(int sock, const struct tcp_image *img, struct hy_err *e);

/**
 * tcp_vanish() - Close a socket without a segment and without a TIME_WAIT
 * @sock:	Any state; closed and set to -1
 *
 * Ended for whoever else holds a duplicate, too.
 */
void tcp_vanish(int *sock);

/**
 * tcp_stream_counts() - How much has passed through a living copy since tcp_restore()
 * @sock:	From tcp_live(); changed in nothing
 * @img_send_len:	send_len of the record it was restored from
 * @queued:	Set: bytes put into the socket by send() or sendfile(), acknowledged or not; the
 *		restored send queue does not count
 * @read:	Set: bytes a reader has taken out, the restored unread ones included
 * @e:		Error
 *
 * Whoever takes a socket over after another process's death learns here, from the kernel and
 * exactly, how far that one had come. Uses no repair mode: that would disturb a living socket.
 * Holds half-closed either way, too: a FIN is no byte.
 *
 * Return: 0, -ENOTCONN if the connection has ended, -ERANGE if it was never restored whole,
 * -EAGAIN, -errno
 */
int tcp_stream_counts(int sock, uint32_t img_send_len, uint64_t *queued, uint64_t *read,
		      struct hy_err *e);

#endif
