/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * player.c - a connection of the scene: its client, and the program that serves it
 *
 * Runs in: the tests of the agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "tests/agent/parts.h"

#define GUEST "10.9.0.2"
#define BUF 65536
#define PAIR_BYTES 16384		/* as a library would: some ten markers */

/* -- what is said, and whether it is what is heard -- */

static void add_segment(struct player *p, unsigned int stream, uint64_t offset, uint64_t len)
{
	struct segment *last = p->n_said ? &p->said[p->n_said - 1] : NULL;

	if (last && last->stream == stream && last->offset + last->len == offset) {
		last->len += len;
		return;
	}
	if (p->n_said == SEGMENTS)
		probe_bail("more segments than there is room for");
	p->said[p->n_said++] = (struct segment){ stream, offset, len };
}

uint64_t player_said(const struct player *p)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < p->n_said; i++)
		n += p->said[i].len;
	return n;
}

ssize_t player_judge(const struct player *p, const uint8_t *bytes, size_t len, uint64_t pos)
{
	uint64_t begin = 0;
	size_t done = 0;

	for (unsigned int i = 0; i < p->n_said && done < len; i++) {
		const struct segment *s = &p->said[i];
		uint64_t at = pos + done;

		if (at >= begin && at < begin + s->len) {
			uint64_t left = begin + s->len - at;
			size_t n = left < len - done ? (size_t)left : len - done;
			ssize_t wrong = probe_first_wrong(bytes + done, n, s->offset + at - begin,
							  s->stream);

			if (wrong >= 0)
				return (ssize_t)done + wrong;
			done += n;
		}
		begin += s->len;
	}
	return done < len ? (ssize_t)done : -1;
}

/* -- reading -- */

static void read_client(struct player *p)
{
	uint8_t buf[BUF];
	ssize_t n;

	while (p->client >= 0 && !p->eof && !p->error) {
		n = recv(p->client, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			p->error = errno;
		if (n == 0)
			p->eof = true;
		if (n <= 0)
			return;
		if (player_judge(p, buf, (size_t)n, p->read) >= 0)
			p->read_wrong = true;
		p->read += (uint64_t)n;
	}
}

static void read_program(struct player *p, unsigned int k)
{
	uint8_t buf[BUF];
	ssize_t n;

	while (p->pair >= 0 && !p->up_eof && !p->up_error && !p->reads_not) {
		n = recv(p->pair, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			p->up_error = errno;
		if (n == 0)
			p->up_eof = true;
		if (n <= 0)
			return;
		if (probe_first_wrong(buf, (size_t)n, p->up_read, UP(k)) >= 0)
			p->up_wrong = true;
		p->up_read += (uint64_t)n;
	}
}

void player_read(struct player *p, unsigned int k)
{
	if (!p->stalls)
		read_client(p);
	read_program(p, k);
}

bool player_all_read(unsigned int k)
{
	const struct player *p = &scene.player[k];

	return !p->read_wrong && p->read == player_said(p);
}

bool player_ended(const struct player *p)
{
	return p->up_eof || p->up_error;
}

/* -- the program -- */

void player_open(unsigned int k)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80),
				  .sin_addr.s_addr = inet_addr(GUEST) };
	struct player *p = &scene.player[k];

	*p = (struct player){ .pair = -1 };
	p->client = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(connect(p->client, (struct sockaddr *)&to, sizeof(to)));
	p->server = (int)PROBE_TRY(accept4(scene.listener, NULL, NULL, SOCK_CLOEXEC));
}

void player_plain(unsigned int k, size_t len)
{
	struct player *p = &scene.player[k];
	uint8_t buf[BUF];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);
		bool given = p->pair >= 0;
		ssize_t sent;

		probe_fill(buf, n, p->plain_said, PLAIN(k));
		sent = send(given ? p->pair : p->server, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			scene_patience();
			scene_round();
			continue;
		}
		PROBE_TRY(sent);
		add_segment(p, PLAIN(k), p->plain_said, (uint64_t)sent);
		p->plain_said += (uint64_t)sent;
		p->before += given ? 0 : (uint64_t)sent;
		len -= (size_t)sent;
	}
}

void tell_agent(int sock, const uint8_t *packet, size_t len, const int *fds, unsigned int n)
{
	struct hy_fds out = { .n = n };

	for (unsigned int i = 0; i < n; i++)
		out.fd[i] = fds[i];
	if (hy_fds_send(sock, packet, len, &out, 0) != (ssize_t)len)
		probe_bail("agent.sock does not take a packet");
}

void player_give(unsigned int k)
{
	const struct linger reset = { .l_onoff = 1 };
	struct local_move m = { .slot = k, .linger_s = LOCAL_LINGER_OFF };
	struct player *p = &scene.player[k];
	uint8_t packet[LOCAL_PACKET_MAX];
	int pair[2], fds[2], small = PAIR_BYTES;
	struct linger own;
	struct stat st;
	socklen_t len = sizeof(own);

	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	PROBE_TRY(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	fds[0] = p->server;
	fds[1] = pair[1];
	PROBE_TRY(fstat(pair[0], &st));
	m.ino = st.st_ino;
	PROBE_TRY(getsockopt(p->server, SOL_SOCKET, SO_LINGER, &own, &len));
	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	if (own.l_onoff)
		m.linger_s = own.l_linger;
	tell_agent(scene.sock, packet, local_encode_move(1, &m, packet), fds, 2);
	close(pair[1]);
	hy_fd_close(&p->server);
	p->pair = pair[0];
}

static bool put_marker(struct player *p, const struct local_marker *m, const struct hy_fds *fds)
{
	uint8_t bytes[LOCAL_MARKER_LEN];
	ssize_t n;

	local_encode_marker(m, bytes);
	n = hy_fds_send(p->pair, bytes, sizeof(bytes), fds, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return false;
	if (n != sizeof(bytes))
		probe_bail("the pair takes no marker: %zd", n);
	add_segment(p, FILE_STREAM, m->offset, m->len);
	return true;
}

bool player_slice(unsigned int k, int file, uint64_t offset, uint64_t len, int tell)
{
	const struct local_marker m = { .offset = offset, .len = len,
					.flags = tell >= 0 ? LOCAL_MARK_TELL : 0 };
	const struct hy_fds fds = { .n = tell >= 0 ? 2 : 1, .fd = { file, tell } };

	return put_marker(&scene.player[k], &m, &fds);
}

bool player_grows(unsigned int k, int file, uint64_t offset, uint64_t len)
{
	uint64_t number = ++scene.markers;
	const struct local_marker m = { .offset = offset, .len = len, .flags = LOCAL_MARK_GROWS,
					.grow = grow_name(k, number) };
	const struct hy_fds fds = { .n = 1, .fd = { file } };

	atomic_store(&scene.words->word[k], number << GROW_NUMBER_AT);
	scene.player[k].grown_to = offset + len;
	return put_marker(&scene.player[k], &m, &fds);
}

bool player_adds(unsigned int k, uint64_t n)
{
	struct player *p = &scene.player[k];
	uint64_t word = atomic_load(&scene.words->word[k]);

	if ((word & (GROW_FINAL | GROW_OUT)) ||
	    !atomic_compare_exchange_strong(&scene.words->word[k], &word, word + n))
		return false;
	add_segment(p, FILE_STREAM, p->grown_to, n);
	p->grown_to += n;
	return true;
}

uint64_t player_word(unsigned int k)
{
	return atomic_load(&scene.words->word[k]);
}

void player_raw(unsigned int k, const void *bytes, size_t len, const int *fds, unsigned int n)
{
	tell_agent(scene.player[k].pair, bytes, len, fds, n);
}

void player_close(unsigned int k)
{
	struct player *p = &scene.player[k];

	hy_fd_close(&p->client);
	hy_fd_close(&p->server);
	hy_fd_close(&p->pair);
}

void player_client_sends(unsigned int k, size_t len, uint64_t offset)
{
	uint8_t buf[BUF];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);
		ssize_t sent;

		probe_fill(buf, n, offset, UP(k));
		sent = send(scene.player[k].client, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			scene_patience();
			scene_round();
			continue;
		}
		PROBE_TRY(sent);
		offset += (uint64_t)sent;
		len -= (size_t)sent;
	}
}

/* -- the agent's socket -- */

static ssize_t ask(uint8_t *packet, size_t len, struct hy_fds *fds)
{
	ssize_t n;

	fds->n = 0;
	if (send(scene.sock, packet, len, MSG_NOSIGNAL) < 0)
		return -errno;
	scene_patience();
	do {
		n = hy_fds_recv(scene.sock, packet, LOCAL_PACKET_MAX, fds, HY_FDS_PER_MESSAGE_MAX,
				MSG_DONTWAIT);
	} while (n == -EAGAIN && scene_round());
	return n;
}

void scene_join(void)
{
	uint8_t packet[LOCAL_PACKET_MAX];
	struct hy_fds fds;
	struct hy_err e = { 0 };
	char path[160];

	snprintf(path, sizeof(path), "%s/agent.sock", scene.dir);
	scene.sock = hy_unix_connect(path, SOCK_SEQPACKET, &e);
	if (scene.sock < 0)
		probe_bail("%s: %s", e.text, strerror(e.num));
	if (ask(packet, local_encode_join(7, packet), &fds) <= 0 || fds.n != 3)
		probe_bail("no page, no words or no tally");
	scene.page = mmap(NULL, sizeof(*scene.page), PROT_READ, MAP_SHARED, fds.fd[0], 0);
	if (scene.page == MAP_FAILED)
		probe_bail("the page cannot be mapped: %s", strerror(errno));
	scene.words = mmap(NULL, sizeof(*scene.words), PROT_READ | PROT_WRITE, MAP_SHARED,
			   fds.fd[1], 0);
	if (scene.words == MAP_FAILED)
		probe_bail("the words cannot be mapped: %s", strerror(errno));
	hy_fds_close(&fds);
}

int player_take_back(unsigned int k)
{
	const struct local_slot slot = { .slot = k };
	uint8_t packet[LOCAL_PACKET_MAX];
	struct hy_fds fds;

	if (ask(packet, local_encode_slot(LOCAL_TAKE_BACK, 9, &slot, packet), &fds) <= 0)
		return -1;
	if (fds.n == 0)
		return 0;
	hy_fd_close(&scene.player[k].pair);
	scene.player[k].server = fds.fd[0];
	return 1;
}
