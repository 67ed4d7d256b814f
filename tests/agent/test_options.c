/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_options.c - who a shown descriptor is, and options: in every state, by whoever may
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "tests/agent/parts.h"

static int body;

/* -- a client that has not joined -- */

static int stranger(void)
{
	char path[160];
	struct hy_err e = { 0 };
	int sock;

	snprintf(path, sizeof(path), "%s/agent.sock", scene.dir);
	sock = hy_unix_connect(path, SOCK_SEQPACKET, &e);
	if (sock < 0)
		probe_bail("%s", e.text);
	return sock;
}

/* Length of the answer, 0: the client was dropped. */
static size_t answer(int sock, uint8_t *packet)
{
	ssize_t n = 0;

	if (!UNTIL((n = recv(sock, packet, LOCAL_PACKET_MAX, MSG_DONTWAIT)) >= 0 ||
		   errno != EAGAIN))
		probe_bail("the agent does not answer");
	return n > 0 ? (size_t)n : 0;
}

/* Return: type of the answer, 0: dropped */
static unsigned int ask_who(int sock, int shown, struct local_who *who)
{
	uint8_t packet[LOCAL_PACKET_MAX];
	size_t n;

	tell_agent(sock, packet, local_encode_who(5, packet), &shown, shown >= 0);
	n = answer(sock, packet);
	if (n && packet[2] == LOCAL_WHO_IS && local_decode_who_is(packet, n, who) < 0)
		probe_bail("a wrong answer");
	return n ? packet[2] : 0;
}

static void set_as(int sock, uint32_t slot, int shown, uint8_t id, int value)
{
	struct local_option o = { .slot = slot, .value.id = id };
	uint8_t packet[LOCAL_PACKET_MAX];

	option_put_int(&o.value, value);
	tell_agent(sock, packet, local_encode_option(1, &o, packet), &shown, shown >= 0);
}

static void set(unsigned int k, uint8_t id, int value)
{
	set_as(scene.sock, k, -1, id, value);
}

static struct local_told asked(int sock, uint32_t slot, int shown, uint8_t id)
{
	const struct local_option o = { .slot = slot, .value.id = id };
	struct local_told told = { .num = UINT16_MAX };
	uint8_t packet[LOCAL_PACKET_MAX];
	size_t n;

	tell_agent(sock, packet, local_encode_option_ask(6, &o, packet), &shown, shown >= 0);
	n = answer(sock, packet);
	if (!n || packet[2] != LOCAL_OPTION_TOLD || local_decode_told(packet, n, &told) < 0)
		probe_bail("no answer to an option");
	return told;
}

static int get(unsigned int k, uint8_t id)
{
	const struct local_told told = asked(scene.sock, k, -1, id);

	return told.num ? -told.num : option_get_int(&told.value);
}

static struct player *give(unsigned int k)
{
	player_open(k);
	player_give(k);
	return &scene.player[k];
}

static struct player *move(unsigned int k)
{
	struct player *p = give(k);

	if (!UNTIL(scene.page->slot[k].state == SLOT_MOVED))
		probe_bail("connection %u is not moved", k);
	return p;
}

/* -- who -- */

static void test_who(void)
{
	const struct player *p = move(0);
	struct local_who who = { 0 };
	int pair[2], sock = stranger();
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);

	PROBE_TRY(getsockname(p->client, (struct sockaddr *)&peer, &len));
	probe_check(ask_who(sock, p->pair, &who) == LOCAL_WHO_IS && who.slot == 0,
		    "who can show it, hears who it is");
	probe_check(who.family == 4 && who.peer.port == ntohs(peer.sin_port) &&
			    memcmp(who.peer.addr, &peer.sin_addr, 4) == 0 && who.ino,
		    "its addresses and inode");
	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	probe_check(ask_who(sock, pair[0], &who) == LOCAL_ERROR, "another pair is nobody");
	probe_check(ask_who(sock, body, &who) == LOCAL_ERROR, "nor is a file");
	probe_check(ask_who(sock, p->client, &who) == LOCAL_ERROR, "nor a TCP socket");
	probe_check(ask_who(sock, -1, &who) == 0, "without a descriptor: dropped");
	close(sock);
	close(pair[0]);
	close(pair[1]);
}

/* A process of its own, with a pair of its own, which says that its inode is @ino. */
static _Noreturn void be_liar(int tcp, uint64_t ino, int done)
{
	struct local_move m = { .slot = 9, .linger_s = LOCAL_LINGER_OFF, .ino = ino };
	uint8_t packet[LOCAL_PACKET_MAX];
	int pair[2], fds[2], sock = stranger();

	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	fds[0] = tcp;
	fds[1] = pair[1];
	tell_agent(sock, packet, local_encode_join(1, packet), NULL, 0);
	PROBE_TRY(recv(sock, packet, sizeof(packet), 0));
	tell_agent(sock, packet, local_encode_move(1, &m, packet), fds, 2);
	tell_agent(sock, packet, local_encode_ask_status(1, packet), NULL, 0);
	PROBE_TRY(recv(sock, packet, sizeof(packet), 0));
	PROBE_TRY(write(done, "", 1));
	for (;;)
		pause();
}

static void test_liar(void)
{
	const struct player *p = move(1);
	struct local_who who = { 0 };
	int sock = stranger(), pipes[2];
	struct stat st;
	pid_t pid;
	char byte;

	player_open(5);
	PROBE_TRY(fstat(p->pair, &st));
	PROBE_TRY(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
	pid = probe_fork();
	if (pid == 0)
		be_liar(scene.player[5].server, st.st_ino, pipes[1]);
	hy_fd_close(&scene.player[5].server);
	UNTIL(read(pipes[0], &byte, 1) == 1);
	probe_check(ask_who(sock, p->pair, &who) == LOCAL_WHO_IS && who.slot == 1,
		    "who lies about its inode is not taken for its owner");
	kill(pid, SIGKILL);
	probe_join(pid);
	close(pipes[0]);
	close(pipes[1]);
	close(sock);
	player_close(5);
	player_close(1);
}

/* -- options -- */

static void test_moved(void)
{
	const struct player *p = &scene.player[0];
	const struct copy *c = copy_of(0);
	int sock = stranger();

	set(0, OPTION_TCP_KEEPIDLE, 77);
	probe_check(UNTIL(option_get_int(&c->set[OPTION_TCP_KEEPIDLE]) == 77),
		    "an option that is set reaches the host");
	probe_check(get(0, OPTION_TCP_KEEPIDLE) == 77, "and is told as it was set");
	set(0, OPTION_SO_SNDBUF, 50000);
	probe_check(get(0, OPTION_SO_SNDBUF) == 100000, "one for the way back stays here");
	set(0, OPTION_TCP_NODELAY, 1);
	probe_check(UNTIL(c->set[OPTION_TCP_NODELAY].len) && !c->set[OPTION_SO_SNDBUF].len,
		    "and is not told to the host");
	set_as(sock, LOCAL_SLOT_SHOWN, p->pair, OPTION_TCP_KEEPCNT, 4);
	probe_check(UNTIL(option_get_int(&c->set[OPTION_TCP_KEEPCNT]) == 4),
		    "who shows the descriptor may set");
	probe_check(asked(sock, LOCAL_SLOT_SHOWN, p->pair, OPTION_TCP_INFO).value.bytes[0] == 42,
		    "and ask the host");
	probe_check(asked(sock, LOCAL_SLOT_SHOWN, p->client, OPTION_TCP_INFO).num == ENOTCONN,
		    "who shows another one may not");
	probe_check(asked(sock, 0, -1, OPTION_TCP_KEEPCNT).num == ENOTCONN,
		    "nor who has not given it, by slot");
	set_as(sock, 0, -1, OPTION_TCP_KEEPCNT, 9);
	scene.tells_not = true;
	probe_check(asked(scene.sock, 0, -1, OPTION_TCP_INFO).num == ETIMEDOUT &&
			    get(0, OPTION_TCP_KEEPCNT) == 4,
		    "a host that does not tell is not waited for");
	scene.tells_not = false;
	close(sock);
}

/* What the kernel would send at once waits until it is known who has the connection. */
static void test_offered(void)
{
	struct copy *c;

	scene.answer = SILENT;
	player_open(2);
	player_plain(2, 100);
	player_give(2);
	c = copy_of(scene.n_copies);
	UNTIL(scene.page->slot[2].state == SLOT_ASKED && c->id);
	set(2, OPTION_TCP_NODELAY, 1);
	set(2, OPTION_TCP_KEEPINTVL, 21);
	probe_check(get(2, OPTION_TCP_NODELAY) == 1 && get(2, OPTION_TCP_KEEPINTVL) == 21,
		    "offered: told as they were set");
	probe_check(c->options == 0, "the host is not told yet");
	scene.answer = ADOPT;
	c->there = true;
	say(MSG_ADOPTED, c->id, NULL, 0);
	probe_check(UNTIL(option_get_int(&c->set[OPTION_TCP_NODELAY]) == 1 &&
			  option_get_int(&c->set[OPTION_TCP_KEEPINTVL]) == 21),
		    "adopted: it is");
	scene_kill_agent();
	c->options = 0;
	probe_check(UNTIL(c->options >= 2), "another agent tells all of them again");
	scene_join();
}

static int int_of(int sock, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	PROBE_TRY(getsockopt(sock, level, name, &value, &len));
	return value;
}

static void test_refused(void)
{
	const struct copy *c = copy_of(scene.n_copies);
	int sock;

	scene.answer = SILENT;
	player_open(3);
	player_plain(3, 100);
	player_give(3);
	UNTIL(scene.page->slot[3].state == SLOT_ASKED && c->id);
	set(3, OPTION_TCP_NODELAY, 1);
	set(3, OPTION_SO_KEEPALIVE, 1);
	scene.answer = REFUSE;
	say(MSG_REFUSED, c->id, (uint8_t[]){ MOVE_NO_TWIN, 0 },
	    MOVE_ANSWER_LEN);
	UNTIL(scene.page->slot[3].state == SLOT_LOCAL);
	probe_check(UNTIL(player_all_read(3)), "refused: what waited goes out");
	probe_check(UNTIL(player_take_back(3) == 1), "and it goes back");
	sock = scene.player[3].server;
	probe_check(int_of(sock, IPPROTO_TCP, TCP_NODELAY) &&
			    int_of(sock, SOL_SOCKET, SO_KEEPALIVE),
		    "with what was set meanwhile");
	scene.answer = ADOPT;
	player_close(3);
}

/* Without rights that the program has not. */
static void test_rights(void)
{
	struct local_option o = { .slot = 4, .value = { .id = OPTION_TCP_CONGESTION, .len = 6,
							.bytes = "nobody" } };
	uint8_t packet[LOCAL_PACKET_MAX];
	int sock = stranger();

	move(4);
	tell_agent(scene.sock, packet, local_encode_option(1, &o, packet), NULL, 0);
	set(4, OPTION_SO_PRIORITY, 6);
	probe_check(get(4, OPTION_SO_PRIORITY) == 6, "what anybody may set, is set");
	set_as(sock, 4, -1, OPTION_SO_PRIORITY, 7);
	probe_check(answer(sock, packet) == 0, "what is for administrators: dropped");
	close(sock);
	player_close(4);
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	scene_start(NULL, NULL);
	scene_join();
	body = scene_file("body", O_RDONLY);
	test_who();
	test_liar();
	test_moved();
	test_rights();
	test_refused();
	test_offered();
	player_close(0);
	player_close(2);
	scene_stop();
	scene_close();
	return probe_end("an option is set wherever the connection is, by who has it");
}
