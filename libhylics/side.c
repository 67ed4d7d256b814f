/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * side.c - what a moved descriptor was as a TCP socket, and its options
 *
 * Runs in: programs in a guest
 * Reads from: the agent and its page (checked)
 */
#include "libhylics/side.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "libhylics/agent.h"

_Static_assert(sizeof(struct tcp_info) <= LIB_INFO_MAX, "room for what is known at the move");

/* -- what it was -- */

static void take_end(const struct sockaddr_storage *from, struct local_end *e)
{
	struct sockaddr_in in = { 0 };
	struct sockaddr_in6 in6 = { 0 };

	if (from->ss_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		memcpy(e->addr, &in.sin_addr, sizeof(in.sin_addr));
		e->port = ntohs(in.sin_port);
	} else {
		memcpy(&in6, from, sizeof(in6));
		memcpy(e->addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
		e->port = ntohs(in6.sin6_port);
	}
}

/* Of all sockets of a kernel. */
static dev_t device_of(struct lib_area *a, int sock)
{
	struct stat st;

	if (!a->sock_dev && fstat(sock, &st) == 0)
		a->sock_dev = st.st_dev;
	return a->sock_dev;
}

void side_begin(struct lib_area *a, const struct lib_conn *c, int sock)
{
	struct lib_side *s = &a->side[c->slot];
	struct sockaddr_storage local = { 0 }, peer = { 0 };
	socklen_t local_len = sizeof(local), peer_len = sizeof(peer);

	memset(s, 0, sizeof(*s));
	if (getsockname(sock, (struct sockaddr *)&local, &local_len) < 0 ||
	    getpeername(sock, (struct sockaddr *)&peer, &peer_len) < 0)
		return;
	s->who = (struct local_who){ .slot = c->slot, .dev = device_of(a, sock),
				     .ino = c->tcp_ino,
				     .family = local.ss_family == AF_INET ? 4 : 6 };
	take_end(&local, &s->who.local);
	take_end(&peer, &s->who.peer);
	s->ino = c->ino;
}

void side_info(struct lib_area *a, const struct lib_conn *c, const void *info, size_t len)
{
	struct lib_side *s = &a->side[c->slot];

	s->info_len = (uint8_t)(len < sizeof(s->info) ? len : sizeof(s->info));
	memcpy(s->info, info, s->info_len);
}

/* -- whose it is -- */

static uint64_t inode_of(int sock)
{
	struct stat st;

	return fstat(sock, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

static bool is_own(struct lib_area *a, struct lib_conn *c, int sock, struct side *s)
{
	struct lib_side *own;
	uint64_t ino;

	if (!atomic_load(&c->is_pair))
		return false;
	ino = inode_of(sock);
	if (!ino || ino != c->ino || c->slot >= HY_PAGE_SLOTS)
		return false;
	own = &a->side[c->slot];
	*s = (struct side){ .sock = sock, .ino = ino, .conn = c, .who = &own->who, .own = own };
	return own->ino == ino;
}

static struct lib_foreign *foreign_of(struct lib_area *a, int sock)
{
	return &a->foreign[(unsigned int)sock % LIB_FOREIGNERS];
}

static bool is_foreign(const struct lib_foreign *f, int sock, uint64_t ino, struct side *s)
{
	if (!f->known || f->sock != sock || f->ino != ino)
		return false;
	*s = (struct side){ .sock = sock, .ino = ino, .who = &f->who };
	return true;
}

bool side_may_be(int sock)
{
	const struct lib_conn *c = lib_look(sock);

	return c && (atomic_load(&c->is_pair) || foreign_of(lib_area(), sock)->known);
}

bool side_known(int sock, struct side *s)
{
	struct lib_conn *c = lib_look(sock);
	const struct lib_foreign *f;
	struct lib_area *a;

	if (!c)
		return false;
	a = lib_area();
	if (is_own(a, c, sock, s))
		return true;
	f = foreign_of(a, sock);
	return f->known && f->sock == sock && is_foreign(f, sock, inode_of(sock), s);
}

static void ask_who(struct lib_area *a, struct lib_foreign *f, int sock, uint64_t ino)
{
	struct local_who who;
	int rc;

	if (!agent_join(a))
		return;
	rc = agent_who(a, sock, &who);
	if (rc < 0 && rc != -ENOENT)
		return;
	*f = (struct lib_foreign){ .ino = ino, .sock = sock, .known = rc == 0 };
	if (rc == 0)
		f->who = who;
}

bool side_find(int sock, struct side *s)
{
	struct lib_area *a;
	struct lib_foreign *f;
	struct lib_held held;
	uint64_t ino;

	if (side_known(sock, s))
		return true;
	if (!lib_look(sock))
		return false;
	a = lib_area();
	ino = inode_of(sock);
	if (!ino)
		return false;
	lib_lock(a, &held);
	f = foreign_of(a, sock);
	if (f->ino != ino || f->sock != sock)
		ask_who(a, f, sock, ino);
	lib_unlock(a, &held);
	return is_foreign(f, sock, ino, s);
}

/* -- its end -- */

/* 0 if it has not, or another agent serves it, which has no slot of it. */
static unsigned int end_of(const struct side *s)
{
	unsigned int state;

	if (!s->own || s->conn->join != atomic_load(&lib_area()->join))
		return 0;
	state = atomic_load(&lib_page()->slot[s->conn->slot].state);
	return state == SLOT_RESET || state == SLOT_TIMED_OUT ? state : 0;
}

bool side_has_failed(const struct side *s)
{
	return end_of(s) != 0;
}

int side_over(const struct side *s, bool tell)
{
	unsigned int state = end_of(s);

	if (!state || (tell ? atomic_exchange(&s->own->told, 1) : atomic_load(&s->own->told)))
		return 0;
	return state == SLOT_RESET ? ECONNRESET : ETIMEDOUT;
}

/* -- its options; the area's lock is held -- */

/* By slot as long as it is the agent we gave it to, else the descriptor is shown. */
static uint32_t slot_of(const struct lib_area *a, const struct side *s)
{
	return s->conn && s->conn->join == atomic_load(&a->join) ? s->conn->slot :
								   LOCAL_SLOT_SHOWN;
}

static int say(struct lib_area *a, const struct side *s, const struct option_value *v)
{
	const struct local_option o = { .slot = slot_of(a, s), .value = *v };

	return agent_option(a, &o, o.slot == LOCAL_SLOT_SHOWN ? s->sock : -1);
}

/* What the last agent did not hear. */
static void say_unsaid(struct lib_area *a)
{
	for (unsigned int i = 0; i < HY_LIB_UNSAID_MAX && a->n_unsaid; i++) {
		struct lib_unsaid *u = &a->unsaid[i];
		struct local_option o = { .slot = LOCAL_SLOT_SHOWN };

		if (!u->ino)
			continue;
		o.value.id = u->id;
		o.value.len = u->len;
		memcpy(o.value.bytes, u->bytes, u->len);
		if (inode_of(u->sock) == u->ino && agent_option(a, &o, u->sock) < 0)
			return;
		u->ino = 0;
		a->n_unsaid--;
	}
}

/* The place of the same option of the same connection, or a free one. */
static struct lib_unsaid *place_for(struct lib_area *a, const struct side *s, uint8_t id)
{
	struct lib_unsaid *free = NULL;

	for (unsigned int i = 0; i < HY_LIB_UNSAID_MAX; i++) {
		struct lib_unsaid *u = &a->unsaid[i];

		if (u->ino == s->ino && u->id == id)
			return u;
		if (!u->ino && !free)
			free = u;
	}
	return free;
}

static void remember(struct lib_area *a, const struct side *s, const struct option_value *v)
{
	struct lib_unsaid *u = place_for(a, s, v->id);

	if (!u || v->len > sizeof(u->bytes))
		return;
	a->n_unsaid += !u->ino;
	*u = (struct lib_unsaid){ .ino = s->ino, .sock = s->sock, .id = v->id,
				  .len = (uint8_t)v->len };
	memcpy(u->bytes, v->bytes, v->len);
}

static bool join(struct lib_area *a)
{
	if (!agent_join(a))
		return false;
	if (a->n_unsaid)
		say_unsaid(a);
	return true;
}

void side_set(const struct side *s, const struct option_value *v)
{
	struct lib_area *a = lib_area();
	struct lib_held held;

	lib_lock(a, &held);
	if (!join(a) || say(a, s, v) < 0)
		remember(a, s, v);
	lib_unlock(a, &held);
}

int side_ask(const struct side *s, uint8_t id, struct option_value *v)
{
	struct lib_area *a = lib_area();
	struct local_option o = { .value.id = id };
	struct local_told told;
	struct lib_held held;
	int rc = -ECONNRESET;

	lib_lock(a, &held);
	if (join(a)) {
		o.slot = slot_of(a, s);
		rc = agent_option_ask(a, &o, o.slot == LOCAL_SLOT_SHOWN ? s->sock : -1, &told);
	}
	lib_unlock(a, &held);
	if (rc == 0)
		*v = told.value;
	return rc;
}
