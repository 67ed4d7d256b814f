/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_sendfile_nocopy.c - sendfile() from tmpfs to TCP sends the file's pages, not a copy of them
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * No timing and no counter is needed to see it: the file is changed after sendfile() has returned
 * and before the peer reads. What the peer then gets is the change; after write() it is not.
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_tmpfs.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLICE (64 * 1024)
#define STREAM_BEFORE 1
#define STREAM_AFTER 2

/* The two patterns agree in one byte of 256, so the two counts may add up to more than SLICE. */
struct seen {
	size_t as_sent;
	size_t as_changed;
};

typedef size_t (*send_way)(int sock, int file);

static unsigned char buf[SLICE];

static size_t by_sendfile(int sock, int file)
{
	off_t at = 0;

	return (size_t)PROBE_TRY(sendfile(sock, file, &at, SLICE));
}

static size_t by_write(int sock, int file)
{
	PROBE_TRY(pread(file, buf, SLICE, 0));
	return (size_t)PROBE_TRY(write(sock, buf, SLICE));
}

static void change_file(int file)
{
	probe_fill(buf, SLICE, 0, STREAM_AFTER);
	if (pwrite(file, buf, SLICE, 0) != SLICE)
		probe_bail("the file could not be overwritten as a whole");
}

static bool has_arrived(void *arg)
{
	int waiting = 0;

	PROBE_TRY(ioctl(*(int *)arg, FIONREAD, &waiting));
	return waiting == SLICE;
}

/* Send, change the file, only then let the peer read: what does it get? */
static struct seen send_then_change(int dir, const char *name, send_way way)
{
	int file = mem_file_filled(dir, name, SLICE, STREAM_BEFORE);
	struct seen seen = { 0 };
	struct probe_pair pair;

	probe_tcp_pair(&pair);
	if (way(pair.server, file) != SLICE || !probe_wait_until(has_arrived, &pair.client))
		probe_bail("%s: the %d bytes did not reach the peer's queue", name, SLICE);
	change_file(file);
	if (recv(pair.client, buf, SLICE, MSG_WAITALL) != SLICE)
		probe_bail("%s: the peer could not read %d bytes", name, SLICE);
	for (size_t i = 0; i < SLICE; i++) {
		seen.as_sent += probe_first_wrong(buf + i, 1, i, STREAM_BEFORE) < 0;
		seen.as_changed += probe_first_wrong(buf + i, 1, i, STREAM_AFTER) < 0;
	}
	close(pair.listener);
	close(pair.client);
	close(pair.server);
	close(file);
	return seen;
}

int main(void)
{
	struct seen nocopy;
	struct seen copy;
	int dir;

	probe_begin(30);
	dir = mem_tmpfs(16 * SLICE);
	probe_private_net(0);
	nocopy = send_then_change(dir, "sendfile", by_sendfile);
	copy = send_then_change(dir, "write", by_write);
	probe_check(nocopy.as_changed == SLICE,
		    "the peer of sendfile() reads %zu of %d bytes as changed afterwards",
		    nocopy.as_changed, SLICE);
	probe_check(copy.as_sent == SLICE,
		    "the peer of write() reads %zu of %d bytes as they were when sent",
		    copy.as_sent, SLICE);
	return probe_end("sendfile() from tmpfs to TCP sends the file's own pages; write() copies");
}
