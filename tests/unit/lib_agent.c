/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib_agent.c - the agent of lib_world.h: its process
 *
 * Runs in: the unit tests
 * Reads from: the library that is tested
 */
#include "tests/unit/lib_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "proto/local.h"

#define CLIENTS 8
#define CONNS 512		/* a stopped agent finds some 280 moves when it goes on */
#define LOOK 16384

struct conn {
	int tcp, pair;
	uint32_t slot;
	int client;
	bool taken;		/* the program has the socket again, as soon as it has read so */
	uint64_t done;		/* bytes of the marker in front */
};

static struct {
	const struct world *w;
	int clients[CLIENTS];
	struct conn conns[CONNS];
} agent;

static void step(enum world_step at)
{
	if (atomic_load(&agent.w->agent->die_at) == (uint32_t)at)
		_exit(0);
}

static void say(const struct conn *c, enum hy_slot_state state)
{
	atomic_store(&agent.w->page->slot[c->slot].state, (uint8_t)state);
}

static void end(struct conn *c)
{
	say(c, SLOT_GONE);
	close(c->tcp);
	close(c->pair);
	c->pair = -1;
	atomic_fetch_add(&agent.w->agent->ends, 1);
}

/* -- the pair -- */

/* One look: bytes, and if descriptors came a marker as the last of them. */
static ssize_t look(int pair, uint8_t *buf, struct hy_fds *fds)
{
	ssize_t n = hy_fds_recv(pair, buf, LOOK, fds, 2, MSG_PEEK | MSG_DONTWAIT);

	if (n != LOOK || fds->n == 0)
		return n;
	hy_fds_close(fds);	/* perhaps cut */
	return hy_fds_recv(pair, buf, LOOK - (LOCAL_MARKER_LEN - 1), fds, 2,
			   MSG_PEEK | MSG_DONTWAIT);
}

static void take_out(int pair, size_t n)
{
	uint8_t buf[LOOK];

	if (recv(pair, buf, n, MSG_DONTWAIT) != (ssize_t)n)
		probe_bail("agent: %zu bytes seen are not there", n);
}

static void send_plain(struct conn *c, const uint8_t *bytes, size_t n)
{
	ssize_t sent = send(c->tcp, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent > 0) {
		atomic_fetch_add(&agent.w->agent->plain_bytes, (uint64_t)sent);
		take_out(c->pair, (size_t)sent);
	} else if (errno != EAGAIN) {
		end(c);
	}
}

static _Atomic uint64_t *word_of(const struct local_marker *m)
{
	_Atomic uint64_t *word = &agent.w->words->word[grow_place(m->grow)];

	if (!grow_is_of(atomic_load(word), m->grow))
		probe_bail("agent: a marker's word is another's");
	return word;
}

/* Nothing more is added; false: more was. */
static bool close_marker(const struct local_marker *m)
{
	uint64_t word = atomic_fetch_or(word_of(m), GROW_FINAL);

	return m->len == atomic_load(&agent.w->agent->base) + (word & GROW_ADDED);
}

static void finish_marker(struct conn *c, const struct local_marker *m, const struct hy_fds *fds)
{
	const uint64_t one = 1;
	struct world_agent *a = agent.w->agent;

	if ((m->flags & LOCAL_MARK_GROWS) && !close_marker(m))
		return;
	step(DIE_SENT);
	c->done = 0;
	if (m->flags & LOCAL_MARK_GROWS)
		atomic_fetch_or(word_of(m), GROW_OUT);
	atomic_fetch_add(&a->grown_bytes, m->len - atomic_load(&a->base));
	atomic_fetch_add(&a->markers, 1);
	atomic_fetch_add(&a->marked_bytes, m->len);
	if (m->len > atomic_load(&a->longest))
		atomic_store(&a->longest, m->len);
	take_out(c->pair, LOCAL_MARKER_LEN);
	if (m->flags & LOCAL_MARK_TELL) {
		atomic_fetch_add(&a->tells, 1);
		if (fds->n != 2 || write(fds->fd[1], &one, sizeof(one)) < 0)
			probe_bail("agent: nobody to tell");
		step(DIE_TOLD);
	}
}

static void send_marker(struct conn *c, const uint8_t *bytes, const struct hy_fds *fds)
{
	struct local_marker m;
	off_t from;
	ssize_t n;

	if (local_decode_marker(bytes, LOCAL_MARKER_LEN, &m) < 0)
		probe_bail("agent: that is no marker");
	step(DIE_MARKER);
	atomic_store(&agent.w->agent->base, m.len);
	if (m.flags & LOCAL_MARK_GROWS)
		m.len += atomic_load(word_of(&m)) & GROW_ADDED;
	from = (off_t)(m.offset + c->done);
	n = (ssize_t)(m.len - c->done);
	if (atomic_load(&agent.w->agent->die_at) == DIE_HALF)
		n = n / 2 + 1;
	/* the kernel's: in tests of the preload sendfile() is what is tested */
	n = syscall(SYS_sendfile, c->tcp, fds->fd[0], &from, (size_t)n);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(c);
		return;
	}
	step(DIE_HALF);
	c->done += (uint64_t)n;
	if (c->done == m.len)
		finish_marker(c, &m, fds);
}

static void serve_down(struct conn *c)
{
	uint8_t buf[LOOK];
	struct hy_fds fds;
	ssize_t n = look(c->pair, buf, &fds);

	if (n > 0 && fds.n == 0)
		send_plain(c, buf, (size_t)n);
	else if (n > LOCAL_MARKER_LEN)
		send_plain(c, buf, (size_t)n - LOCAL_MARKER_LEN);
	else if (n == LOCAL_MARKER_LEN)
		send_marker(c, buf, &fds);
	else if (n != -EAGAIN)
		end(c);		/* a close by the program, which has or has not its socket again */
	hy_fds_close(&fds);
}

static void serve_up(struct conn *c)
{
	char buf[4096];
	ssize_t n = recv(c->tcp, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0 && send(c->pair, buf, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	if (n == 0)
		shutdown(c->pair, SHUT_WR);
	else if (n < 0 && errno != EAGAIN)
		end(c);
}

/* -- agent.sock -- */

static void move(int client, const struct local_move *m, struct hy_fds *fds)
{
	const struct linger own = { .l_onoff = m->linger_s != LOCAL_LINGER_OFF,
				    .l_linger = m->linger_s };
	struct conn *c = agent.conns;

	while (c < agent.conns + CONNS && c->pair >= 0)
		c++;
	if (c == agent.conns + CONNS)
		probe_bail("agent: no room for another connection");
	*c = (struct conn){ .tcp = fds->fd[0], .pair = fds->fd[1], .slot = m->slot,
			    .client = client };
	fcntl(c->tcp, F_SETFL, O_NONBLOCK);
	/* the real one only when it closes or gives back: what this one was told is to arrive */
	PROBE_TRY(setsockopt(c->tcp, SOL_SOCKET, SO_LINGER, &own, sizeof(own)));
	fds->n = 0;
	say(c, atomic_load(&agent.w->agent->after_move));
	atomic_store(&agent.w->agent->spent_ns, m->spent_ns);
	atomic_store(&agent.w->agent->plain_ps, m->plain_ps);
	atomic_fetch_add(&agent.w->agent->moves, 1);
}

static struct conn *find(int client, uint32_t slot)
{
	for (struct conn *c = agent.conns; c < agent.conns + CONNS; c++) {
		if (c->pair >= 0 && c->client == client && c->slot == slot)
			return c;
	}
	return NULL;
}

/* May it go back? From here on nothing more goes up. */
static bool give_back(struct conn *c)
{
	int in, out;

	if (atomic_load(&agent.w->agent->refuse_back) ||
	    ioctl(c->pair, FIONREAD, &in) < 0 || ioctl(c->pair, SIOCOUTQ, &out) < 0)
		return false;
	c->taken = in == 0 && out == 0;
	return c->taken;
}

static size_t answer(int client, const struct local_header *h, const uint8_t *in, size_t len,
		     struct hy_fds *fds, struct hy_fds *send, uint8_t *out)
{
	const struct local_error no = { .num = EBUSY, .words = "no" };
	struct local_slot s = { 0 };
	struct local_move m;
	struct conn *c;

	if (h->type == LOCAL_JOIN) {
		step(DIE_JOIN);
		atomic_fetch_add(&agent.w->agent->joins, 1);
		*send = (struct hy_fds){ .n = agent.w->no_tally ? 2 : 3,
					 .fd = { agent.w->memfd, agent.w->words_memfd,
						 agent.w->tally_memfd } };
		return local_encode_joined(h->id, out);
	}
	if (h->type == LOCAL_MOVE) {
		step(DIE_MOVE);
		if (local_decode_move(in, len, &m) < 0)
			probe_bail("agent: that is no move");
		move(client, &m, fds);
		return 0;
	}
	if (local_decode_slot(in, len, &s) < 0)
		return local_encode_error(h->id, &no, out);
	step(DIE_TAKE_BACK);
	c = find(client, s.slot);
	if (!c || !give_back(c))
		return local_encode_error(h->id, &no, out);
	atomic_fetch_add(&agent.w->agent->takes, 1);
	*send = (struct hy_fds){ .n = 1, .fd = { c->tcp } };
	return local_encode_slot(LOCAL_TAKEN, h->id, &s, out);
}

static void forget_client(int *client)
{
	for (struct conn *c = agent.conns; c < agent.conns + CONNS; c++) {
		if (c->pair >= 0 && c->client == *client) {
			c->taken = false;
			c->client = -1;
		}
	}
	close(*client);
	*client = -1;
	atomic_fetch_sub(&agent.w->agent->clients, 1);
}

static void serve_client(int *client)
{
	uint8_t in[LOCAL_PACKET_MAX], out[LOCAL_PACKET_MAX];
	struct hy_fds fds, send = { 0 };
	struct local_header h;
	ssize_t n;
	size_t len;

	if (atomic_load(&agent.w->agent->joins))
		step(DIE_MOVE_UNREAD);
	n = hy_fds_recv(*client, in, sizeof(in), &fds, 2, MSG_DONTWAIT);
	if (n <= 0 || local_decode_header(in, (size_t)n, &h) < 0) {
		forget_client(client);
		return;
	}
	len = answer(*client, &h, in, (size_t)n, &fds, &send, out);
	if (len && !atomic_load(&agent.w->agent->mute))
		(void)hy_fds_send(*client, out, len, &send, 0);
	if (h.type == LOCAL_JOIN)
		step(DIE_JOINED);
	if (h.type == LOCAL_TAKE_BACK)
		step(DIE_TAKEN);
	hy_fds_close(&fds);
}

/* -- the loop -- */

static void let_in(int listener)
{
	int *place = agent.clients;

	while (*place >= 0)
		place++;
	*place = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*place >= 0)
		atomic_fetch_add(&agent.w->agent->clients, 1);
}

static void drop_clients(void)
{
	for (unsigned int i = 0; i < CLIENTS; i++) {
		if (agent.clients[i] >= 0)
			forget_client(&agent.clients[i]);
	}
	atomic_store(&agent.w->agent->drop, 0);
}

/* What is to be waited for on a connection: room on one side only where the other has something. */
static void await(const struct conn *c, struct pollfd *pair, struct pollfd *tcp)
{
	bool hold = atomic_load(&agent.w->agent->hold);

	*pair = (struct pollfd){ .fd = hold ? -1 : c->pair, .events = POLLIN };
	*tcp = (struct pollfd){ .fd = c->pair < 0 || hold ? -1 : c->tcp };
	if (!c->taken)
		tcp->events = POLLIN;
	if (pair->fd >= 0 && poll(pair, 1, 0) > 0) {
		tcp->events |= POLLOUT;
		pair->fd = -1;
	}
}

static void serve(struct conn *c, const struct pollfd *tcp)
{
	if (c->pair >= 0 && !c->taken && (tcp->revents & (POLLIN | POLLHUP | POLLERR)))
		serve_up(c);
	if (c->pair >= 0 && (tcp->revents & POLLOUT))
		serve_down(c);
}

static void wait_and_serve(int listener)
{
	struct pollfd p[2 + CLIENTS + 2 * CONNS] = { { .fd = listener, .events = POLLIN },
						      { .fd = agent.w->wake, .events = POLLIN } };
	struct pollfd *clients = p + 2, *pairs = clients + CLIENTS, *tcps = pairs + CONNS;
	uint64_t woken;

	for (unsigned int i = 0; i < CLIENTS; i++)
		clients[i] = (struct pollfd){ .fd = agent.clients[i], .events = POLLIN };
	for (unsigned int i = 0; i < CONNS; i++)
		await(&agent.conns[i], &pairs[i], &tcps[i]);
	poll(p, sizeof(p) / sizeof(p[0]), -1);
	if (atomic_load(&agent.w->agent->drop)) {
		drop_clients();
		return;
	}
	if (p[0].revents)
		let_in(listener);
	if (p[1].revents)
		(void)!read(agent.w->wake, &woken, sizeof(woken));
	for (unsigned int i = 0; i < CONNS; i++)
		serve(&agent.conns[i], &tcps[i]);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		if (clients[i].fd >= 0 && clients[i].revents)
			serve_client(&agent.clients[i]);
	}
}

_Noreturn void agent_run(const struct world *w, int listener)
{
	agent.w = w;
	for (unsigned int i = 0; i < CLIENTS; i++)
		agent.clients[i] = -1;
	for (unsigned int i = 0; i < CONNS; i++)
		agent.conns[i].pair = -1;
	for (;;)
		wait_and_serve(listener);
}
