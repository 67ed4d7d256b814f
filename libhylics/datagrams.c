/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * datagrams.c - files as datagrams: which sockets want it, the plain way, the way to the agent
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * DOC: A call
 *
 * It sends plainly, burst by burst, as things become due. Where a cast may be had, the first burst
 * is one datagram; when that has left the guest, the agent is asked. Whatever ends the cast, the
 * call goes on plainly behind what was told.
 */
#include "libhylics/datagrams.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/burst.h"
#include "common/clock.h"
#include "include/hylics.h"
#include "libhylics/cast.h"
#include "libhylics/move.h"
#include "libhylics/slice.h"

/* Threads that share a socket share its pace. */
struct note {
	_Atomic uint64_t ino;		/* of the socket */
	_Atomic uint64_t rate;
	_Atomic uint64_t due_ns;	/* of the next datagram; 0: there was none */
	_Atomic uint64_t again_ms;	/* not before, the agent is asked for a cast */
	_Atomic uint32_t bytes;		/* of a datagram; 0: nothing is noted */
	_Atomic int32_t error;		/* that ended a call which had sent something */
	_Atomic uint64_t caster;	/* the thread that has a cast running, as own_name() says */
};

struct call {
	int sock, fd;
	struct note *note;
	struct lib_conn *conn;		/* NULL: all is plain */
	struct pacing pace;
	uint64_t at, left, sent;
	uint8_t *buffer;
	bool waits;			/* the socket is a blocking one */
	bool stays;			/* plain to its end, as that does not change */
	bool was_cast;
	bool singly;
};

/* One for each number; memory is touched as it is used. Kept by a forked child. */
static _Atomic(struct note *) notes;

#define NOTES_BYTES (HY_LIB_FDS_MAX * sizeof(struct note))

/* -- what was said of a socket -- */

static struct note *make_notes(void)
{
	struct note *none = NULL;
	void *made = mmap(NULL, NOTES_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (made == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong(&notes, &none, (struct note *)made))
		return made;
	munmap(made, NOTES_BYTES);
	return none;
}

static struct note *note_of(int sock)
{
	struct note *all = atomic_load_explicit(&notes, memory_order_acquire);

	return all && (unsigned int)sock < HY_LIB_FDS_MAX ? &all[sock] : NULL;
}

/* Return: 0, -errno */
static int check_socket(int sock, ino_t *ino)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer), int_len = sizeof(int);
	int protocol = 0;
	struct stat st;

	if (getsockopt(sock, SOL_SOCKET, SO_PROTOCOL, &protocol, &int_len) < 0 ||
	    fstat(sock, &st) < 0)
		return -errno;
	if (protocol != IPPROTO_UDP)
		return -EPROTOTYPE;
	if (getpeername(sock, (struct sockaddr *)&peer, &len) < 0)
		return -errno;
	*ino = st.st_ino;
	return 0;
}

static int take_note(int sock, const struct pacing *pace)
{
	struct note *n;
	ino_t ino = 0;
	int rc = check_socket(sock, &ino);

	if (rc < 0)
		return rc;
	if (!pacing_is_good(pace))
		return -EINVAL;
	if (!atomic_load(&notes) && !make_notes())
		return -ENOMEM;
	n = note_of(sock);
	if (!n)
		return -ENOMEM;
	atomic_store(&n->bytes, 0);
	if (atomic_load(&n->ino) != ino)
		atomic_store(&n->due_ns, 0);
	atomic_store(&n->again_ms, 0);
	atomic_store(&n->error, 0);
	atomic_store(&n->rate, pace->rate);
	atomic_store(&n->ino, ino);
	atomic_store(&n->bytes, pace->bytes);
	return 0;
}

int hylics_datagrams(int sock, uint32_t bytes, uint64_t bytes_per_s)
{
	const struct pacing pace = { .bytes = bytes, .rate = bytes_per_s };
	struct note *n = note_of(sock);
	int rc = 0;

	if (bytes)
		rc = take_note(sock, &pace);
	else if (n)
		atomic_store(&n->bytes, 0);
	if (rc == 0)
		return 0;
	errno = -rc;
	return -1;
}

bool datagrams_wanted(int sock)
{
	struct note *n = note_of(sock);
	struct stat st;

	if (!n || !atomic_load(&n->bytes))
		return false;
	if (fstat(sock, &st) == 0 && st.st_ino == atomic_load(&n->ino))
		return true;
	atomic_store(&n->bytes, 0);	/* closed since, and perhaps another's number */
	return false;
}

/* -- plain -- */

static int pause_for(uint64_t ms)
{
	return poll(NULL, 0, ms < INT32_MAX ? (int)ms : INT32_MAX) < 0 ? -errno : 0;
}

/* What is due now, and nobody else's from here on; 0: nothing, and @wait_ms is set. */
static size_t take_due(const struct call *k, uint64_t most, uint64_t *wait_ms)
{
	uint64_t now_ns = hy_clock_ns(), was = atomic_load(&k->note->due_ns), due;
	size_t n;

	do {
		due = pacing_now(was, now_ns);
		n = pacing_burst(&k->pace, due, now_ns, most);
		*wait_ms = pacing_wait_ms(due, now_ns);
	} while (n && !atomic_compare_exchange_weak(&k->note->due_ns, &was,
						    pacing_sent(&k->pace, due, n)));
	return n;
}

/* Return: bytes; 0 at the end of the file; -errno as from sendfile(2) */
static ssize_t fill(const struct call *k, size_t want)
{
	size_t got = 0;

	while (got < want) {
		ssize_t n = pread(k->fd, k->buffer + got, want - got, (off_t)(k->at + got));

		if (n < 0 && !got)
			return errno == ESPIPE ? -EINVAL : -errno;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static void went(struct call *k, uint64_t n)
{
	k->at += n;
	k->left -= n;
	k->sent += n;
}

/* One burst, or a wait. Return: 0, -errno */
static int plain_step(struct call *k, uint64_t most)
{
	uint64_t wait_ms;
	size_t want = take_due(k, most, &wait_ms);
	ssize_t n;

	if (!want)
		return k->waits ? pause_for(wait_ms) : -EAGAIN;
	n = fill(k, want);
	if (n <= 0) {
		k->left = 0;
		return (int)n;
	}
	if ((size_t)n < want)
		k->left = (uint64_t)n;	/* the end of the file, wherever it will be next */
	n = burst_send(k->sock, k->buffer, (size_t)n, k->pace.bytes, 0, &k->singly);
	if (n < 0)
		return (int)n;
	went(k, (uint64_t)n);
	return 0;
}

/* -- by the host -- */

static bool is_on_share(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_dev == atomic_load(&lib_page()->share_dev);
}

/* Why not even to ask; MOVE_DONE: ask. */
static enum move_reason may_cast(const struct call *k)
{
	struct pollfd p = { .fd = k->sock };
	enum move_reason reason = move_allowed();

	if (reason == MOVE_DONE && k->left < HY_CAST_MIN)
		reason = MOVE_BELOW_THRESHOLD;
	if (reason == MOVE_DONE && !is_on_share(k->fd))
		reason = MOVE_NOT_ON_SHARE;
	/* an error that waits there would end it at once */
	if (reason == MOVE_DONE && poll(&p, 1, 0) != 0)
		reason = MOVE_ERROR;
	return reason;
}

/* The first datagram finds the next hop. Return: 1: it has left; 0: it takes too long; -errno */
static int wait_for_hop(const struct call *k)
{
	uint64_t until_ms = hy_clock_ms() + HY_CAST_HOP_MS;
	int waits, rc = 0;

	while (rc == 0) {
		if (ioctl(k->sock, SIOCOUTQ, &waits) < 0)
			return 0;
		if (waits == 0)
			return 1;
		if (hy_clock_ms() > until_ms)
			return 0;
		rc = pause_for(1);
	}
	return rc;
}

static struct cast_part next_part(const struct call *k)
{
	uint64_t span = pacing_span(&k->pace, HY_CAST_MS);

	return (struct cast_part){ .offset = k->at, .pace = k->pace,
				   .count = k->left < span ? k->left : span };
}

/* It was with the host: what is due is one behind the last that left there. */
static void pace_on(const struct call *k)
{
	atomic_store(&k->note->due_ns, pacing_sent(&k->pace, hy_clock_ns(), k->pace.bytes));
}

static bool is_of_the_call(enum move_reason reason)
{
	return reason == MOVE_BELOW_THRESHOLD || reason == MOVE_NOT_ON_SHARE;
}

/* The rest of a call that was with the host is short, which is no news. */
static void decided(struct call *k, enum move_reason reason)
{
	const struct slice s = { .file = k->fd, .offset = k->at, .len = k->left, .tell = -1 };

	k->stays = is_of_the_call(reason);
	if (reason != MOVE_DONE && !k->stays)
		atomic_store(&k->note->again_ms, hy_clock_ms() + HY_LIB_AGAIN_MS);
	if (!k->stays || !k->was_cast)
		move_decided(k->conn, k->sock, reason, &s);
	k->was_cast |= reason == MOVE_DONE;
}

/* -- one cast of a socket at a time, or threads would add up their rates -- */

static uint64_t own_name(void)
{
	return (uint64_t)getpid() << 32 | (uint32_t)syscall(SYS_gettid);
}

/*
 * Whether another thread of this process has one. A signal handler is not to wait for what it has
 * interrupted; and of a parent's thread a forked child has the name alone.
 */
static bool is_taken(const struct call *k)
{
	uint64_t caster = atomic_load(&k->note->caster), own = caster ? own_name() : 0;

	return caster != own && caster >> 32 == own >> 32;
}

static bool take_turn(const struct call *k)
{
	uint64_t caster = atomic_load(&k->note->caster);

	return !is_taken(k) && caster != own_name() &&
	       atomic_compare_exchange_strong(&k->note->caster, &caster, own_name());
}

static int cast(struct call *k)
{
	struct cast_part part = next_part(k);
	uint64_t sent;
	int rc;

	if (!take_turn(k)) {
		k->stays = !is_taken(k);
		return 0;
	}
	rc = cast_run(k->sock, k->fd, &part, &sent);
	atomic_store(&k->note->caster, 0);
	went(k, sent);
	if (sent)
		pace_on(k);
	if (rc >= 0)
		decided(k, (enum move_reason)rc);
	return rc < 0 ? rc : 0;
}

/* The datagram that opens the way, and the cast behind it, if all is well. */
static int open_and_cast(struct call *k)
{
	uint64_t before = k->sent;
	int rc = 0;

	while (rc == 0 && k->left && k->sent == before)
		rc = plain_step(k, k->left < k->pace.bytes ? k->left : k->pace.bytes);
	if (rc < 0 || k->left < HY_CAST_MIN)
		return rc;
	rc = wait_for_hop(k);
	if (rc > 0)
		return cast(k);
	if (rc == 0)
		decided(k, MOVE_NO_TWIN);
	return rc;
}

static int step(struct call *k)
{
	enum move_reason reason;

	if (is_taken(k))
		return k->waits ? pause_for(HY_PACE_TICK_MS) : -EAGAIN;
	if (!k->conn || !k->waits || k->stays || hy_clock_ms() < atomic_load(&k->note->again_ms))
		return plain_step(k, k->left);
	reason = may_cast(k);
	if (reason == MOVE_DONE)
		return open_and_cast(k);
	decided(k, reason);
	return plain_step(k, k->left);
}

/* -- the call -- */

static int send_all(struct call *k)
{
	int rc = -atomic_exchange(&k->note->error, 0);

	while (rc == 0 && k->left)
		rc = step(k);
	return rc;
}

/*
 * Of what has sent something the count counts, as from any call. An error that the socket has told
 * is told again by the next call; a signal, or a full socket, was meant for this one.
 */
static ssize_t result(struct call *k, int rc)
{
	if (rc < 0 && !k->sent) {
		errno = -rc;
		return -1;
	}
	if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EIO)
		atomic_store(&k->note->error, -rc);
	return (ssize_t)k->sent;
}

/* Return: 0, -errno */
static int find_place(struct call *k, const off_t *offset, size_t count)
{
	off_t at = offset ? *offset : lseek(k->fd, 0, SEEK_CUR);
	int flags = fcntl(k->sock, F_GETFL);

	if (at < 0 || flags < 0)
		return offset || errno == ESPIPE ? -EINVAL : -errno;
	k->at = (uint64_t)at;
	k->left = count < (size_t)(INT64_MAX - at) ? count : (uint64_t)(INT64_MAX - at);
	k->waits = !(flags & O_NONBLOCK);
	k->pace = (struct pacing){ .bytes = atomic_load(&k->note->bytes),
				   .rate = atomic_load(&k->note->rate) };
	return pacing_is_good(&k->pace) ? 0 : -EINVAL;	/* forgotten just now */
}

ssize_t datagrams_send(int sock, int fd, off_t *offset, size_t count)
{
	struct call k = { .sock = sock, .fd = fd, .note = note_of(sock) };
	int cancel, rc = find_place(&k, offset, count);
	ssize_t n;

	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	k.buffer = malloc(k.left < HY_DATAGRAM_MAX ? k.left + 1 : HY_DATAGRAM_MAX);
	if (!k.buffer) {
		errno = ENOMEM;
		return -1;
	}
	k.conn = lib_enter(sock, &cancel);
	n = result(&k, send_all(&k));
	lib_leave(k.conn, cancel);
	free(k.buffer);
	if (n > 0 && offset)
		*offset = (off_t)k.at;
	else if (n > 0)
		(void)lseek(fd, (off_t)k.at, SEEK_SET);
	return n;
}
