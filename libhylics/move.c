/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * move.c - a connection goes to the agent and comes back
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 */
#include "libhylics/move.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "libhylics/agent.h"
#include "libhylics/grow.h"
#include "libhylics/side.h"
#include "libhylics/swap.h"
#include "libhylics/tally.h"

/*
 * DOC: Coming back
 *
 * The library asks for the TCP socket when the agent serves the connection in the guest and the
 * pair is empty both ways. An agent that says yes has first stopped reading from the TCP socket,
 * has then found the pair empty as well, and sends a duplicate. It keeps its own, and the pair's
 * end, until that end is hung up: then it closes both without a word to the client, because the
 * program has the connection. If instead the program leaves agent.sock, the answer was not read,
 * and the agent goes on as if nobody had asked. So an answer that is late loses nothing.
 */

/* Bytes of the pair's send buffer: the kernel doubles them, and a marker takes 0.75 to 1 KB. */
#define PAIR_BUFFER (HY_ITEMS_MAX * 512)
#define PS_PER_NS 1000u

bool move_is_pair(struct lib_conn *c, int sock)
{
	struct stat st;

	if (!atomic_load(&c->is_pair))
		return false;
	if (fstat(sock, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == c->ino)
		return true;
	atomic_store(&c->is_pair, 0);	/* closed, and perhaps something else since */
	return false;
}

static enum lib_will read_will(void)
{
	const char *text = secure_getenv("HYLICS");

	return text && strcmp(text, "off") == 0 ? WILL_NOT : WILL_MOVE;
}

static enum move_reason page_says(struct lib_area *a)
{
	const struct hy_page *p = lib_page();
	uint32_t reason;

	if (!atomic_load(&a->join))
		return MOVE_NO_AGENT;
	if (atomic_load(&p->possible))
		return MOVE_DONE;
	reason = atomic_load(&p->reason);
	return reason > MOVE_DONE && reason < MOVE_REASONS ? (enum move_reason)reason : MOVE_ERROR;
}

enum move_reason move_allowed(void)
{
	struct lib_area *a = lib_area();
	enum move_reason reason;
	struct lib_held held;

	if (atomic_load(&a->will) == WILL_UNKNOWN)
		atomic_store(&a->will, (uint8_t)read_will());
	if (atomic_load(&a->will) == WILL_NOT)
		return MOVE_OFF_BY_OPERATOR;
	reason = page_says(a);
	if (reason == MOVE_DONE || hy_clock_ms() < atomic_load(&a->look_ms))
		return reason;
	/* the page of an agent that has died says no for ever: look whether there is another */
	lib_lock(a, &held);
	if (agent_join(a) && page_says(a) != MOVE_DONE)
		atomic_store(&a->look_ms, hy_clock_ms() + HY_LIB_AGAIN_MS);
	reason = page_says(a);
	lib_unlock(a, &held);
	return reason;
}

static bool is_established(int sock, struct tcp_info *info, socklen_t *len)
{
	*len = sizeof(*info);
	return getsockopt(sock, IPPROTO_TCP, TCP_INFO, info, len) == 0 &&
	       info->tcpi_state == TCP_ESTABLISHED;
}

static bool is_tcp(int sock)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return getsockopt(sock, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* A slot whose last connection is over, and which the agent has had time to hear of. */
static int take_slot(struct lib_area *a)
{
	const struct hy_page *p = lib_page();
	uint64_t now_ms = hy_clock_ms();
	uint32_t slots = p->slots;

	if (slots > HY_PAGE_SLOTS)
		slots = HY_PAGE_SLOTS;
	for (uint32_t i = 0; i < slots; i++) {
		uint32_t slot = a->next_slot++ % slots;

		if (a->slot_ms[slot] && (atomic_load(&p->slot[slot].state) < SLOT_GONE ||
					 now_ms - a->slot_ms[slot] < HY_LIB_SLOT_MS))
			continue;
		a->slot_ms[slot] = now_ms + 1;	/* 0 is: never */
		return (int)slot;
	}
	return -ENOSPC;
}

static int make_pair(int sock, int *ours, int *theirs, bool *blocks)
{
	const struct swap_looks fresh = { .flags = O_RDWR | O_NONBLOCK };
	const int buffer = PAIR_BUFFER;
	struct swap_looks looks;
	int ends[2], rc = swap_look(sock, &looks);

	if (rc < 0)
		return rc;
	/* signals from a pair would come at other times; what O_APPEND forbids, stays forbidden */
	if (looks.flags & (O_APPEND | O_ASYNC))
		return -EINVAL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	*ours = ends[0];
	*theirs = ends[1];
	*blocks = !(looks.flags & O_NONBLOCK);
	if (setsockopt(*ours, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) < 0)
		return -errno;
	return swap_like(*ours, &fresh, &looks);
}

static int inode_of(int fd, uint64_t *ino)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ino = st.st_ino;
	return 0;
}

static int linger_of(int sock, struct linger *l)
{
	socklen_t len = sizeof(*l);

	return getsockopt(sock, SOL_SOCKET, SO_LINGER, l, &len) < 0 ? -errno : 0;
}

static int set_linger(int sock, const struct linger *l)
{
	return setsockopt(sock, SOL_SOCKET, SO_LINGER, l, sizeof(*l)) < 0 ? -errno : 0;
}

static int32_t linger_s(const struct linger *l)
{
	if (!l->l_onoff)
		return LOCAL_LINGER_OFF;
	return l->l_linger < 0 ? INT32_MAX : l->l_linger;	/* unsigned to the kernel */
}

/* Of enough bytes to go by; the next ones are counted anew. */
static uint32_t plain_ps(struct lib_area *a)
{
	uint64_t bytes = atomic_load(&a->plain_bytes), ps;

	if (bytes < HY_COST_PLAIN_BYTES)
		return 0;
	atomic_fetch_sub(&a->plain_bytes, bytes);
	ps = atomic_exchange(&a->plain_ns, 0) * PS_PER_NS / bytes;
	return ps < UINT32_MAX ? (uint32_t)ps : UINT32_MAX;
}

/* Step 5: if the agent dies before it has read the message, the client sees a reset. */
static int hand_over(struct lib_area *a, const struct lib_conn *c, int tcp, int pair)
{
	const struct linger reset = { .l_onoff = 1 };
	struct local_move m = { .slot = c->slot, .ino = c->ino };
	struct linger own;
	int rc = linger_of(tcp, &own);

	if (rc == 0)
		rc = set_linger(tcp, &reset);
	if (rc < 0)
		return rc;
	m.linger_s = linger_s(&own);
	m.spent_ns = a->spent_ns < UINT32_MAX ? (uint32_t)a->spent_ns : UINT32_MAX;
	m.plain_ps = plain_ps(a);
	rc = agent_move(a, &m, tcp, pair);
	if (rc < 0)
		(void)set_linger(tcp, &own);
	else
		a->spent_ns = 0;
	return rc;
}

/* A call that is to be the first of a moved connection. */
struct first {
	int sock;
	struct slice *slice;
	bool may_wait;
	struct tcp_info info;		/* before the move */
	socklen_t info_len;
};

/* The five steps of swap.c; the agent is there. */
static int swap_in(struct lib_area *a, struct lib_conn *c, const struct first *f, struct users *u)
{
	hy_autofd copy = -1, ours = -1, theirs = -1;
	bool blocks = false;
	struct swap_number n;
	int rc = make_pair(f->sock, &ours, &theirs, &blocks);

	if (rc == 0)
		rc = inode_of(ours, &c->ino);
	if (rc == 0)
		rc = swap_number(f->sock, &n);
	if (rc < 0)
		return rc;
	copy = fcntl(f->sock, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	c->tcp_ino = u->ino;
	side_begin(a, c, f->sock);
	c->first = slice_first(&f->info);
	side_info(a, c, &f->info, f->info_len);
	if (u->n)
		rc = swap_try(copy, &n);
	if (rc == 0) {
		slice_begin(c, ours, f->slice, f->may_wait && blocks);
		rc = swap_do(&n, copy, ours, u);
	}
	if (rc == 0) {
		rc = hand_over(a, c, copy, theirs);
		if (rc < 0)
			(void)swap_do(&n, ours, copy, u);
	}
	if (rc < 0)
		slice_forget(f->slice);
	return rc;
}

/* What users_find() could not find out, or found. */
static enum move_reason refusal_of(int rc)
{
	if (rc == -EACCES)
		return MOVE_UNSEEN_THREADS;
	return rc == -EBUSY ? MOVE_SHARED_DESCRIPTOR : MOVE_ERROR;
}

static enum move_reason give(struct lib_area *a, struct lib_conn *c, const struct first *f)
{
	struct users u;
	int slot, rc;

	if (!agent_join(a) || page_says(a) != MOVE_DONE)
		return page_says(a);
	rc = users_find(f->sock, lib_agent()->fd, &u);
	if (rc < 0)
		return refusal_of(rc);
	slot = take_slot(a);
	if (slot < 0)
		return MOVE_LIMIT_CONNECTIONS;
	c->slot = (uint32_t)slot;
	atomic_store(&c->put, atomic_load(&lib_page()->slot[slot].taken));
	grow_new(c, a->words);
	rc = swap_in(a, c, f, &u);
	if (rc < 0) {
		a->slot_ms[slot] = 0;
		return atomic_load(&a->join) ? MOVE_ERROR : MOVE_NO_AGENT;
	}
	c->join = atomic_load(&a->join);
	atomic_store(&c->offered, 0);
	atomic_store(&c->again_ms, 0);
	atomic_store(&c->unseen_ms, 0);
	atomic_store(&c->is_pair, 1);
	return MOVE_DONE;
}

/* Was this very socket refused, and not long ago? */
static bool is_refused(struct lib_conn *c, int sock)
{
	uint64_t ino = atomic_load(&c->refused_ino), now = 0;

	return ino && hy_clock_ms() < atomic_load(&c->again_ms) && inode_of(sock, &now) == 0 &&
	       now == ino;
}

bool move_may(struct lib_conn *c, int sock)
{
	struct tcp_info info;
	socklen_t len;

	return move_is_pair(c, sock) || (move_allowed() == MOVE_DONE && !is_refused(c, sock) &&
					 is_established(sock, &info, &len));
}

static void refuse(struct lib_conn *c, uint64_t ino, uint64_t until_ms)
{
	atomic_store(&c->refused_ino, ino);
	atomic_store(&c->again_ms, until_ms);
}

/* What other threads are at changes quickly, but looking at all of them costs something. */
static uint32_t pause_ms(struct lib_conn *c, uint64_t ino, enum move_reason reason)
{
	uint32_t was = ino == atomic_load(&c->refused_ino) ? atomic_load(&c->unseen_ms) : 0;
	uint32_t ms = was ? 2 * was : HY_LIB_UNSEEN_MS;

	if (ms > HY_LIB_AGAIN_MS)
		ms = HY_LIB_AGAIN_MS;
	atomic_store(&c->unseen_ms, reason == MOVE_UNSEEN_THREADS ? ms : 0);
	return reason == MOVE_UNSEEN_THREADS ? ms : HY_LIB_AGAIN_MS;
}

enum move_reason move_give(struct lib_conn *c, int sock, struct slice *s, bool may_wait)
{
	struct first f = { .sock = sock, .slice = s, .may_wait = may_wait };
	struct lib_area *a = lib_area();
	enum move_reason reason = MOVE_SHARED_DESCRIPTOR;
	struct lib_held held;
	uint64_t ino = 0;

	if (!is_established(sock, &f.info, &f.info_len))
		return is_tcp(sock) ? MOVE_NOT_ESTABLISHED : MOVE_NOT_TCP;
	if (is_refused(c, sock))
		return atomic_load(&c->reason);
	lib_lock(a, &held);
	if (lib_alone(c)) {
		uint64_t began_ns = hy_clock_cpu_ns();

		reason = give(a, c, &f);
		a->spent_ns += hy_clock_cpu_ns() - began_ns;
		lib_not_alone(c);
	}
	lib_unlock(a, &held);
	if (reason != MOVE_DONE && inode_of(sock, &ino) == 0)
		refuse(c, ino, hy_clock_ms() + pause_ms(c, ino, reason));
	return reason;
}

void move_decided(struct lib_conn *c, int sock, enum move_reason reason, const struct slice *s)
{
	atomic_store(&c->reason, (uint8_t)reason);
	if (reason != MOVE_DONE)
		tally_plain(sock, reason, s);
}

/* -- back -- */

static bool is_idle(int sock)
{
	int out = 1, in = 1;

	return ioctl(sock, SIOCOUTQ, &out) == 0 && out == 0 && ioctl(sock, FIONREAD, &in) == 0 &&
	       in == 0;
}

/* When the connection may be offered again after the agent kept it in the guest for this reason. */
static uint64_t offer_again_ms(unsigned int reason)
{
	switch (reason) {
	case MOVE_DONE:			/* it was with the host, and is home because it was idle */
	case MOVE_BELOW_THRESHOLD:
		return 0;
	case MOVE_NOT_TCP:
	case MOVE_MPTCP:
	case MOVE_ULP:
	case MOVE_OWN_FILTER:
	case MOVE_NO_TWIN:
	case MOVE_GUEST_NAT:
	case MOVE_KERNEL_MISMATCH:
		return UINT64_MAX;
	default:
		return hy_clock_ms() + HY_LIB_AGAIN_MS;
	}
}

/* As it looked when the program had it, or by what the program has changed on the pair since. */
static int dress(int tcp, int sock)
{
	struct swap_looks is = { 0 }, as = { 0 };
	int rc = swap_look(tcp, &is);

	if (rc == 0)
		rc = swap_look(sock, &as);
	return rc < 0 ? rc : swap_like(tcp, &is, &as);
}

/* The agent is asked last: nothing that may fail comes after its yes but what was rehearsed. */
static int swap_back(struct lib_area *a, struct lib_conn *c, int sock)
{
	hy_autofd copy = -1, tcp = -1;
	struct swap_number n;
	struct users u;
	uint64_t ino = 0;
	int rc;

	if (!agent_is_there()) {
		agent_leave(a);
		return -ECONNRESET;
	}
	rc = users_find(sock, lib_agent()->fd, &u);
	if (rc == 0)
		rc = swap_number(sock, &n);
	if (rc < 0)
		return rc;
	copy = fcntl(sock, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	rc = swap_try(copy, &n);
	if (rc < 0)
		return rc;
	tcp = agent_take_back(a, c->slot);
	if (tcp < 0)
		return tcp;
	rc = inode_of(tcp, &ino);
	if (rc == 0 && ino != c->tcp_ino)
		rc = -EPROTO;
	if (rc == 0)
		rc = dress(tcp, sock);
	if (rc == 0)
		rc = swap_do(&n, copy, tcp, &u);
	if (rc < 0)
		agent_leave(a);
	return rc;
}

bool move_take_back(struct lib_conn *c, int sock)
{
	struct lib_area *a = lib_area();
	const struct hy_page *p = lib_page();
	unsigned int reason;
	struct lib_held held;
	int rc = -EBUSY;

	if (c->join != atomic_load(&a->join) ||
	    atomic_load(&p->slot[c->slot].state) != SLOT_LOCAL ||
	    hy_clock_ms() < atomic_load(&c->again_ms) || !is_idle(sock))
		return false;
	reason = atomic_load(&p->slot[c->slot].reason);
	lib_lock(a, &held);
	if (c->join == atomic_load(&a->join) && lib_alone(c)) {
		uint64_t began_ns = hy_clock_cpu_ns();

		rc = swap_back(a, c, sock);
		a->spent_ns += hy_clock_cpu_ns() - began_ns;
		if (rc == 0)
			atomic_store(&c->is_pair, 0);
		lib_not_alone(c);
	}
	lib_unlock(a, &held);
	if (rc < 0) {
		atomic_store(&c->again_ms, hy_clock_ms() + HY_LIB_AGAIN_MS);
		return false;
	}
	atomic_store(&c->reason, (uint8_t)reason);
	refuse(c, c->tcp_ino, offer_again_ms(reason));
	return true;
}

/* Nobody is told of it: a look now and then does for what is rare. */
static void wait_home(const struct lib_conn *c, uint64_t until_ms)
{
	const struct timespec pause = { .tv_nsec = HY_LIB_HOME_LOOK_MS * 1000000L };
	const struct hy_page *p = lib_page();

	while (atomic_load(&p->slot[c->slot].state) < SLOT_LOCAL && hy_clock_ms() < until_ms)
		nanosleep(&pause, NULL);
}

/* The agent that is asked for what it does not have asks the host for it. */
static void ask_home(struct lib_conn *c)
{
	struct lib_area *a = lib_area();
	struct lib_held held;
	int tcp;

	lib_lock(a, &held);
	if (c->join == atomic_load(&a->join) && agent_is_there()) {
		tcp = agent_take_back(a, c->slot);
		if (tcp >= 0)
			agent_leave(a);		/* it was home: it goes on, and so does the agent */
		hy_fd_close(&tcp);
	}
	lib_unlock(a, &held);
}

bool move_bring_home(struct lib_conn *c, int sock)
{
	uint64_t until_ms = hy_clock_ms() + HY_LIB_HOME_MS;
	const struct timespec pause = { .tv_nsec = HY_LIB_HOME_LOOK_MS * 1000000L };

	if (c->join != atomic_load(&lib_area()->join))
		return false;
	if (atomic_load(&lib_page()->slot[c->slot].state) < SLOT_LOCAL)
		ask_home(c);
	wait_home(c, until_ms);
	while (c->join == atomic_load(&lib_area()->join) && hy_clock_ms() < until_ms) {
		atomic_store(&c->again_ms, 0);
		if (move_take_back(c, sock))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}
