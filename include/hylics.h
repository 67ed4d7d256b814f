/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hylics.h - send files and mapped files without moving their bytes through this machine
 *
 * Runs in: programs in a guest, linked with libhylics
 * Reads from: no untrusted input
 *
 * Each call does what the call of libc it is named after does. Where Hylics can, the connection
 * goes to the host for it, which sends the bytes itself; where it cannot, the call of libc is made.
 * hylics_sendfile(3) has the whole contract.
 *
 * Over UDP it sends files as datagrams, once hylics_datagrams() has said how.
 *
 * Beside them two calls mark a job, so that the host learns how long jobs take:
 * hylics_job_begin(3).
 */
#ifndef HYLICS_H
#define HYLICS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define HYLICS_CALL extern "C"
#else
#define HYLICS_CALL
#endif

/* Where a connection is. */
enum hylics_state {
	HYLICS_HERE = 0,	/* with the program, as ever */
	HYLICS_ASKED = 1,	/* given away, nobody has said yet what became of it */
	HYLICS_HOST = 2,	/* the host has it and sends for it */
	HYLICS_GUEST = 3,	/* the agent serves it in the guest, and gives it back when idle */
	HYLICS_ENDED = 4	/* it was with the host and is no more */
};

/* Why it is not with the host. The words are the same all over Hylics. */
enum hylics_reason {
	HYLICS_MOVED = 0,		/* no reason: it is, or nobody has asked yet */
	HYLICS_BELOW_THRESHOLD = 1,
	HYLICS_NOT_TCP = 2,
	HYLICS_NOT_ESTABLISHED = 3,
	HYLICS_UNREAD_BYTES = 4,
	HYLICS_MPTCP = 5,
	HYLICS_ULP = 6,
	HYLICS_URGENT_DATA = 7,
	HYLICS_OWN_FILTER = 8,
	HYLICS_SHARED_DESCRIPTOR = 9,
	HYLICS_NOT_ON_SHARE = 10,
	HYLICS_FILE_CHANGED = 11,
	HYLICS_UNREADABLE = 12,
	HYLICS_NO_TWIN = 13,
	HYLICS_GUEST_NAT = 14,
	HYLICS_LIMIT_CONNECTIONS = 15,
	HYLICS_LIMIT_MOVES = 16,
	HYLICS_NO_AGENT = 17,
	HYLICS_NO_CHANNEL = 18,
	HYLICS_NO_WORKER = 19,
	HYLICS_OFF_BY_OPERATOR = 20,
	HYLICS_DRAINING = 21,
	HYLICS_KERNEL_MISMATCH = 22,
	HYLICS_ERROR = 23,
	HYLICS_CANCELLED = 24,
	HYLICS_SANDBOXED = 25,
	HYLICS_UNSEEN_THREADS = 26,
	HYLICS_DATAGRAM_SIZE = 27
};

/* New fields are added at the end only. */
struct hylics_status {
	uint32_t state;		/* enum hylics_state */
	uint32_t reason;	/* enum hylics_reason; later versions may know more */
	uint64_t offered_bytes;	/* bytes of files handed over as such, on this connection */
	char why[32];		/* the word of reason, "moved" for none */
	uint64_t threshold;	/* bytes a file must have left for a move; 0: no agent is known */
};

/**
 * hylics_sendfile() - As sendfile(2) from a file to a socket
 * @sock:	Socket
 * @fd:		File
 * @offset:	Where in the file; advanced by what was sent. NULL: the file's position is used
 * @count:	Bytes
 *
 * Return: bytes sent, -1 with errno as sendfile(2) sets it
 */
HYLICS_CALL ssize_t hylics_sendfile(int sock, int fd, off_t *offset, size_t count);

/**
 * hylics_send() - As send(2); where @buf lies in a shared mapping of a file, the file is sent
 * @sock:	Socket
 * @buf:	Not to be changed until the peer has it, if it is mapped
 * @len:	Bytes
 * @flags:	As of send(2)
 *
 * Return: bytes sent, -1 with errno as send(2) sets it
 */
HYLICS_CALL ssize_t hylics_send(int sock, const void *buf, size_t len, int flags);

/**
 * hylics_status() - Where a connection is, and why not with the host
 * @sock:	Socket
 * @out:	Filled as far as @size goes
 * @size:	sizeof(*out); what this library does not know of it is set to 0
 *
 * Return: 0, -1 with errno EBADF, ENOTSOCK or EINVAL
 */
HYLICS_CALL int hylics_status(int sock, struct hylics_status *out, size_t size);

/**
 * hylics_datagrams() - Say how hylics_sendfile() is to cut files for a UDP socket
 * @sock:	Connected
 * @bytes:	Of each datagram, 1 to 65507; 0: forget it, sendfile(2) is called as before
 * @bytes_per_s:	Of all of them together, at most 2^34
 *
 * From here on hylics_sendfile() sends what it is asked for as datagrams of that size, the last
 * perhaps shorter, at that rate, and returns when they have left.
 *
 * Return: 0, -1 with errno
 */
HYLICS_CALL int hylics_datagrams(int sock, uint32_t bytes, uint64_t bytes_per_s);

struct hylics_job;

/**
 * hylics_job_begin() - A job begins: a piece of work that somebody waits for
 * @name:	What the host shows it as; cut to 63 letters
 * @waited_us:	How long it has waited already since it arrived, in microseconds
 *
 * Never waits, and does not touch errno. A program may have any number of jobs, in any threads.
 *
 * Return: to be given to hylics_job_end(); NULL, which may be given to it too, if the job is not
 * counted, as there is no agent for one
 */
HYLICS_CALL struct hylics_job *hylics_job_begin(const char *name, uint64_t waited_us);

/**
 * hylics_job_end() - It ends; a job that is never ended is lost with its program
 * @job:	From hylics_job_begin(), in any thread; not valid any more. NULL: nothing happens
 * @status:	0: it is done; else, up to 255, it has failed
 */
HYLICS_CALL void hylics_job_end(struct hylics_job *job, int status);

#endif
