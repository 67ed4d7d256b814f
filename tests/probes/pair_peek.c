/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pair_peek.c - a unix stream that carries descriptors can be looked through and taken out later
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"

#define ROOM 64

/* What one look or one reading has brought. */
struct got {
	ssize_t n;
	int err;			/* if n < 0 */
	unsigned int fds;
	bool same_file;			/* each descriptor is the file that was sent */
	char bytes[ROOM];
};

static int writer, reader, file;

static void make_pair(void)
{
	int pair[2];

	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	writer = pair[0];
	reader = pair[1];
}

static void end_pair(void)
{
	if (writer >= 0)
		close(writer);
	close(reader);
}

static void put(const char *bytes, unsigned int fds)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = strlen(bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	const int both[2] = { file, file };

	if (fds) {
		struct cmsghdr *c;

		msg.msg_control = ctl.bytes;
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(c), both, fds * sizeof(int));
	}
	PROBE_TRY(sendmsg(writer, &msg, MSG_NOSIGNAL));
}

static bool is_file(int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(file, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static struct got get(int flags, size_t room)
{
	struct got g = { .same_file = true };
	char ctl[256];
	struct iovec iov = { .iov_base = g.bytes, .iov_len = room };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };

	g.n = recvmsg(reader, &msg, flags | MSG_CMSG_CLOEXEC);
	g.err = g.n < 0 ? errno : 0;
	if (g.n < 0)
		return g;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			g.same_file = g.same_file && is_file(fd);
			g.fds++;
			close(fd);
		}
	}
	return g;
}

static bool is(const struct got *g, const char *bytes, unsigned int fds)
{
	return g->n == (ssize_t)strlen(bytes) && memcmp(g->bytes, bytes, strlen(bytes)) == 0 &&
	       g->fds == fds && g->same_file;
}

static void offset(int value)
{
	PROBE_TRY(setsockopt(reader, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof(value)));
}

static int offset_now(void)
{
	int value = -1;
	socklen_t len = sizeof(value);

	PROBE_TRY(getsockopt(reader, SOL_SOCKET, SO_PEEK_OFF, &value, &len));
	return value;
}

static void look_is(const char *what, size_t room, const char *bytes, unsigned int fds)
{
	struct got g = get(MSG_PEEK, room);

	probe_check(is(&g, bytes, fds), "%s: %zd bytes, %u descriptors", what, g.n, g.fds);
}

static void take_is(const char *what, size_t room, const char *bytes, unsigned int fds)
{
	struct got g = get(0, room);

	probe_check(is(&g, bytes, fds), "%s: %zd bytes, %u descriptors", what, g.n, g.fds);
}

static void fill(void)
{
	make_pair();
	offset(0);
	put("aaaa", 0);
	put("bb", 0);
	put("MMMMMMMM", 1);
	put("NNNNNNNN", 2);
	put("cc", 0);
}

static void looks_go_on(void)
{
	struct got g;

	fill();
	look_is("a look ends behind the first buffer with a descriptor", ROOM, "aaaabbMMMMMMMM", 1);
	look_is("the next look goes on there, and ends behind the next one", ROOM, "NNNNNNNN", 2);
	look_is("the rest has none", ROOM, "cc", 0);
	g = get(MSG_PEEK, ROOM);
	probe_check(g.n < 0 && g.err == EAGAIN, "then there is nothing");
	put("dd", 0);
	look_is("what comes later is seen", ROOM, "dd", 0);
	offset(0);
	look_is("set back to 0, a look brings the same, with a duplicate of its descriptor", ROOM,
		"aaaabbMMMMMMMM", 1);
	end_pair();
}

static void looks_are_cut(void)
{
	struct got g;

	fill();
	look_is("a look that ends within such a buffer brings its descriptor", 10, "aaaabbMMMM", 1);
	look_is("and so does one from there on", ROOM, "MMMM", 1);
	offset(0);
	g = get(MSG_PEEK, 6);
	probe_check(g.n == 6, "one that ends right before it shows nothing of it");
	probe_note("but brings %u of its descriptors", g.fds);
	look_is("and the one behind all of it", ROOM, "MMMMMMMM", 1);
	offset(8);
	look_is("set into it, too", ROOM, "MMMMMM", 1);
	end_pair();
}

static void takes(void)
{
	fill();
	look_is("look", ROOM, "aaaabbMMMMMMMM", 1);
	take_is("bytes that were looked at are taken out", 3, "aaa", 0);
	probe_check(offset_now() == 11, "and the offset counts from the new head");
	look_is("so that the next look goes on where it was", ROOM, "NNNNNNNN", 2);
	take_is("exactly the plain bytes", 3, "abb", 0);
	take_is("exactly the next buffer, and its descriptor", 8, "MMMMMMMM", 1);
	take_is("with two", 8, "NNNNNNNN", 2);
	probe_check(offset_now() == 0, "the offset is at the head again");
	take_is("more than was looked at", ROOM, "cc", 0);
	probe_check(offset_now() == 0, "and stays there");
	put("ee", 0);
	look_is("a look begins at the head", ROOM, "ee", 0);
	end_pair();
	fill();
	take_is("plain bytes", 6, "aaaabb", 0);
	take_is("half of such a buffer brings its descriptor", 4, "MMMM", 1);
	take_is("the other half none any more", 4, "MMMM", 0);
	end_pair();
}

static void ends(void)
{
	struct got g;
	int err = 0;
	socklen_t len = sizeof(err);

	fill();
	close(writer);
	writer = -1;
	look_is("with the writer gone a look brings all the same", ROOM, "aaaabbMMMMMMMM", 1);
	look_is("look", ROOM, "NNNNNNNN", 2);
	look_is("look", ROOM, "cc", 0);
	g = get(MSG_PEEK, ROOM);
	probe_check(g.n == 0, "behind the last byte a look sees the end");
	take_is("what was looked at is still there", 6, "aaaabb", 0);
	g = get(MSG_PEEK, ROOM);
	probe_check(g.n == 0, "and the end where it was");
	end_pair();
	fill();
	PROBE_TRY(send(reader, "up", 2, 0));
	close(writer);
	writer = -1;
	PROBE_TRY(getsockopt(reader, SOL_SOCKET, SO_ERROR, &err, &len));
	probe_check(err == ECONNRESET, "a writer that goes with bytes unread leaves an error");
	look_is("which, once read, hides nothing", ROOM, "aaaabbMMMMMMMM", 1);
	end_pair();
}

static void put_apart(const char *bytes)
{
	const struct hy_fds fds = { .n = 1, .fd = { file } };
	const struct ucred me = { .pid = getpid(), .uid = geteuid(), .gid = getegid() };

	PROBE_TRY(hy_fds_send_once(writer, bytes, strlen(bytes), &fds, &me, 0));
}

/* The next look shows nothing of what sendfile() brought, and the one behind it only that. */
static void sendfile_behind(void)
{
	hy_autofd data = memfd_create("data", MFD_CLOEXEC);
	off_t at = 0;
	struct got g;

	PROBE_TRY(write(data, "ssss", 4));
	make_pair();
	offset(0);
	put("MMMMMMMM", 1);
	PROBE_TRY(sendfile(writer, data, &at, 4));
	g = get(MSG_PEEK, ROOM);
	probe_note("sendfile() behind a buffer with a descriptor: the look shows %zd bytes", g.n);
	end_pair();
	make_pair();
	offset(0);
	put_apart("MMMMMMMM");
	at = 0;
	PROBE_TRY(sendfile(writer, data, &at, 4));
	look_is("behind one that names its sender, sendfile()'s bytes stay apart", ROOM, "MMMMMMMM",
		1);
	look_is("and come next", ROOM, "ssss", 0);
	end_pair();
}

int main(void)
{
	probe_begin(30);
	file = (int)PROBE_TRY(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	looks_go_on();
	looks_are_cut();
	takes();
	ends();
	sendfile_behind();
	return probe_end("a pair is looked through with SO_PEEK_OFF, markers and all, and taken "
			 "out later, buffer by buffer");
}
