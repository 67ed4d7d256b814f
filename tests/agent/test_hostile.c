/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_hostile.c - programs that send the agent what they like: theirs ends, others go on
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "common/unixsock.h"

#define SLICE (100u << 10)

static int body;
static unsigned int next;

static struct player *served(void)
{
	unsigned int k = next++;

	player_open(k);
	player_plain(k, 10);
	player_give(k);
	(void)player_slice(k, body, 0, SLICE, -1);
	if (!UNTIL(player_all_read(k)))
		probe_bail("a good program is not served");
	return &scene.player[k];
}

/* Another program, which is served as if nothing had been. */
static bool agent_lives(void)
{
	pid_t pid = scene_agent_pid();

	served();
	player_close(next - 1);
	return pid > 0 && pid == scene_agent_pid();
}

static bool was_reset(const struct player *p)
{
	return UNTIL(p->error || p->eof) && p->error == ECONNRESET && (p->up_eof || p->up_error ||
	       UNTIL(p->up_eof || p->up_error));
}

/* The tally may be NULL. */
static int join_again(int *memfd, int *tally)
{
	uint8_t packet[LOCAL_PACKET_MAX];
	struct hy_err e = { 0 };
	struct hy_fds fds = { 0 };
	char path[160];
	int sock;

	snprintf(path, sizeof(path), "%s/agent.sock", scene.dir);
	sock = hy_unix_connect(path, SOCK_SEQPACKET, &e);
	tell_agent(sock, packet, local_encode_join(1, packet), NULL, 0);
	if (!UNTIL(recv(sock, packet, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) ||
	    hy_fds_recv(sock, packet, sizeof(packet), &fds, HY_FDS_PER_MESSAGE_MAX, 0) <= 0 ||
	    fds.n != 3)
		probe_bail("no page, no words or no tally");
	*memfd = fds.fd[0];
	if (tally)
		*tally = hy_fd_steal(&fds.fd[2]);
	fds.fd[0] = -1;
	hy_fds_close(&fds);
	return sock;
}

static bool is_dropped(int sock)
{
	uint8_t byte;

	return UNTIL(recv(sock, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN);
}

static void test_page(void)
{
	int memfd, tally, sock = join_again(&memfd, &tally);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

	probe_check(at == MAP_FAILED, "a page cannot be mapped for writing");
	probe_check(pwrite(memfd, "x", 1, 0) < 0 && ftruncate(memfd, 0) < 0,
		    "nor written, nor cut");
	probe_check(ftruncate(tally, 0) < 0 && ftruncate(tally, 1 << 20) < 0,
		    "a tally can be written, but not cut");
	close(memfd);
	close(tally);
	close(sock);
}

/* @fds go along with a LOCAL_MOVE under @slot; the client must be dropped. */
static void refused_move(const char *what, uint32_t slot, const int *fds, unsigned int n)
{
	const struct local_move m = { .slot = slot, .linger_s = LOCAL_LINGER_OFF };
	uint8_t packet[LOCAL_PACKET_MAX];
	int memfd, sock = join_again(&memfd, NULL);

	tell_agent(sock, packet, local_encode_move(1, &m, packet), fds, n);
	probe_check(is_dropped(sock), "%s: the client is dropped", what);
	close(sock);
	close(memfd);
}

static int named_socket(void)
{
	char path[128];
	struct hy_err e = { 0 };
	int to, listener;

	snprintf(path, sizeof(path), "%s/other.sock", scene.dir);
	listener = hy_unix_listen(path, SOCK_STREAM, 0600, 1, &e);
	to = hy_unix_connect(path, SOCK_STREAM, &e);
	unlink(path);
	close(listener);
	return to;
}

static void test_moves(void)
{
	uint8_t packet[LOCAL_PACKET_MAX];
	const struct local_slot s = { .slot = 3 };
	int pair[2], pipes[2], seq[2], named = named_socket(), fds[3], sock, memfd;

	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	PROBE_TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, seq));
	PROBE_TRY(pipe2(pipes, O_CLOEXEC));
	refused_move("no descriptor", 1, NULL, 0);
	refused_move("one descriptor", 1, pair, 1);
	fds[0] = pair[0];
	fds[1] = pair[1];
	refused_move("no TCP socket", 1, fds, 2);
	refused_move("two pipes", 1, pipes, 2);
	fds[0] = scene.listener;
	refused_move("a listener", 1, fds, 2);
	player_open(next);
	fds[0] = scene.player[next].server;
	fds[1] = pipes[0];
	refused_move("a pipe as pair", 1, fds, 2);
	fds[1] = seq[0];
	refused_move("a pair of packets", 1, fds, 2);
	fds[1] = named;
	refused_move("a connection to somebody else as pair", 1, fds, 2);
	sock = join_again(&memfd, NULL);
	tell_agent(sock, packet, local_encode_slot(LOCAL_TAKE_BACK, 1, &s, packet), NULL, 0);
	probe_check(UNTIL(recv(sock, packet, sizeof(packet), MSG_DONTWAIT) > 0) &&
			    packet[2] == LOCAL_ERROR,
		    "nothing to take back: an error");
	tell_agent(sock, packet, local_encode_join(1, packet), pipes, 2);
	probe_check(is_dropped(sock), "a join with descriptors: the client is dropped");
	close(sock);
	close(memfd);
	player_close(next);
	for (unsigned int i = 0; i < 2; i++) {
		close(pair[i]);
		close(pipes[i]);
		close(seq[i]);
	}
	close(named);
	probe_check(agent_lives(), "the agent serves others");
}

/* A socket whose last close() would wait a minute: the scene's patience is shorter. */
static int lingering_socket(unsigned int k)
{
	const struct linger own = { .l_onoff = 1, .l_linger = 60 };
	struct player *p = &scene.player[k];

	player_open(k);
	p->stalls = true;
	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_LINGER, &own, sizeof(own)));
	while (send(p->server, &(uint8_t[4096]){ 0 }, 4096, MSG_DONTWAIT) > 0)
		;
	return hy_fd_steal(&p->server);
}

static void refused_sockets(const char *what, unsigned int n)
{
	const struct local_move m = { .slot = 1, .linger_s = LOCAL_LINGER_OFF };
	uint8_t packet[LOCAL_PACKET_MAX];
	int fds[3], memfd, sock = join_again(&memfd, NULL);

	for (unsigned int i = 0; i < n; i++)
		fds[i] = lingering_socket(next++);
	tell_agent(sock, packet, local_encode_move(1, &m, packet), fds, n);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	probe_check(is_dropped(sock) && agent_lives(), "%s that linger: nobody waits", what);
	close(sock);
	close(memfd);
}

static void reset_by_marker(const char *what, int fd)
{
	const struct player *p = served();
	const struct local_marker m = { .len = 100 };
	uint8_t bytes[LOCAL_MARKER_LEN];

	local_encode_marker(&m, bytes);
	player_raw(next - 1, bytes, sizeof(bytes), &fd, 1);
	close(fd);
	probe_check(was_reset(p), "%s as file: a reset", what);
	player_close(next - 1);
}

static void test_markers(void)
{
	char path[128];
	int pipes[2];

	snprintf(path, sizeof(path), "%s/share/pipe", scene.dir);
	PROBE_TRY(mkfifo(path, 0600));
	reset_by_marker("a named pipe", (int)PROBE_TRY(open(path, O_RDWR | O_CLOEXEC)));
	reset_by_marker("a directory", (int)PROBE_TRY(open(scene.dir, O_RDONLY | O_CLOEXEC)));
	reset_by_marker("a file for writing", scene_file("body", O_WRONLY));
	reset_by_marker("a path", scene_file("body", O_PATH));
	reset_by_marker("a socket", (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0)));
	reset_by_marker("a socket that lingers", lingering_socket(next++));
	reset_by_marker("a file of /proc", (int)PROBE_TRY(open("/proc/version", O_RDONLY)));
	PROBE_TRY(pipe2(pipes, O_CLOEXEC));
	close(pipes[1]);
	reset_by_marker("a pipe", pipes[0]);
	probe_check(agent_lives(), "the agent serves others");
}

/* What waits for a reader is written to without waiting. */
static void tell_with(const char *what, int tell)
{
	struct player *p = served();

	UNTIL(player_slice(next - 1, body, 0, 1000, tell));
	probe_check(UNTIL(player_all_read(next - 1)), "%s to be told: nobody waits", what);
	probe_check(agent_lives(), "and the agent serves others");
	(void)p;
	player_close(next - 1);
}

static void test_tells(void)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = (int)PROBE_TRY(eventfd(0, EFD_CLOEXEC)), pipes[2];

	PROBE_TRY(write(fd, &full, sizeof(full)));
	tell_with("a full eventfd", fd);
	close(fd);
	PROBE_TRY(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
	while (write(pipes[1], &full, sizeof(full)) > 0)
		;
	PROBE_TRY(fcntl(pipes[1], F_SETFL, 0));
	tell_with("a full pipe", pipes[1]);
	close(pipes[0]);
	close(pipes[1]);
}

/* A program that has kept the socket, and a client that reads nothing. */
static void test_socket_that_waits(void)
{
	const int small = 65536;
	unsigned int k = next++;
	struct player *p = &scene.player[k];

	player_open(k);
	PROBE_TRY(setsockopt(p->client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	hy_autofd kept = fcntl(p->server, F_DUPFD_CLOEXEC, 0);
	player_give(k);
	(void)player_slice(k, body, 0, SLICE, -1);
	UNTIL(player_all_read(k));
	p->stalls = true;
	PROBE_TRY(fcntl(kept, F_SETFL, 0));
	for (unsigned int i = 0; i < 4; i++)
		UNTIL(player_slice(k, body, 0, FILE_BYTES, -1));
	probe_check(agent_lives(), "a socket that is made to wait: nobody waits");
	p->stalls = false;
	probe_check(UNTIL(player_all_read(k)), "and its own bytes come");
	player_close(k);
}

static void test_marker_with_more_behind_it(void)
{
	const struct local_marker m = { .len = 100 };
	const struct player *p = served();
	uint8_t bytes[LOCAL_MARKER_LEN + 10] = { 0 };

	local_encode_marker(&m, bytes);
	player_raw(next - 1, bytes, sizeof(bytes), &body, 1);
	probe_check(was_reset(p), "more behind a marker in one buffer: a reset, no wrong byte");
	player_close(next - 1);
}

static void test_bytes_with_descriptors(void)
{
	struct player *p = served();
	uint8_t bytes[50];

	/* said as plain bytes: the scene's judge expects them there */
	probe_fill(bytes, sizeof(bytes), p->plain_said, PLAIN(next - 1));
	player_raw(next - 1, bytes, sizeof(bytes), &body, 1);
	p->said[p->n_said++] = (struct segment){ PLAIN(next - 1), p->plain_said, sizeof(bytes) };
	p->plain_said += sizeof(bytes);
	player_plain(next - 1, 100);
	probe_check(UNTIL(player_all_read(next - 1)), "other bytes with a descriptor are bytes");
	PROBE_TRY(send(p->pair, "!", 1, MSG_OOB));
	UNTIL(p->read == player_said(p) + 1 || p->error || p->eof);
	player_close(next - 1);
	probe_check(agent_lives(), "a byte out of band: the agent serves others");
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	scene.answer = REFUSE;
	scene_start(NULL, NULL);
	scene_join();
	body = scene_file("body", O_RDONLY);
	test_page();
	test_moves();
	refused_sockets("two sockets", 2);
	refused_sockets("too many sockets", 3);
	test_markers();
	next = 0;
	scene_stop();
	scene.answer = REFUSE;
	scene_start(NULL, NULL);
	scene_join();
	test_tells();
	test_bytes_with_descriptors();
	test_socket_that_waits();
	test_marker_with_more_behind_it();
	scene_stop();
	scene_close();
	return probe_end("hostile programs end their own connections");
}
