/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * join.c - programs that have their connections moved: page, slots, what they give and take back
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile)
 */
#include "hylics-agent/join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylics-agent/agent.h"
#include "hylics-agent/home.h"
#include "hylics-agent/offer.h"
#include "hylics-agent/pair.h"
#include "hylics-agent/serve.h"

#define ROWS_BYTES (HY_PAGE_SLOTS * sizeof(uint32_t))

int request_refuse(struct request *r, int num, const char *fmt, ...)
{
	struct local_error err = { .num = (uint16_t)num };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.words, sizeof(err.words), fmt, ap);
	va_end(ap);
	return (int)local_encode_error(r->head.id, &err, r->answer);
}

/* -- pages -- */

void program_tell(struct program *p, uint32_t slot, enum hy_slot_state state,
		  enum move_reason reason)
{
	if (!p)
		return;
	p->page->slot[slot].reason = (uint8_t)reason;
	p->page->slot[slot].state = (uint8_t)state;
}

void program_taken(struct program *p, uint32_t slot)
{
	if (p)
		p->page->slot[slot].taken++;
}

void program_slice(struct program *p, uint32_t slot, uint32_t slice)
{
	if (p)
		p->page->slot[slot].slice = slice;
}

enum move_reason join_refusal(const struct agent *a)
{
	enum move_reason r = agent_refusal(a);

	return r == MOVE_DONE && a->files.share < 0 ? MOVE_NOT_ON_SHARE : r;
}

static void tell_possible(struct agent *a, struct hy_page *page)
{
	enum move_reason r = join_refusal(a);

	page->share_dev = a->files.share_dev;
	page->reason = r;
	page->possible = r == MOVE_DONE;
}

void agent_tell_programs(struct agent *a)
{
	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++) {
		if (a->programs.at[i].page)
			tell_possible(a, a->programs.at[i].page);
	}
}

/* The seal comes after our own mapping, which stays writable: nobody else's can be. */
/* syscalls: fcntl(_, F_ADD_SEALS), ftruncate, memfd_create */
static int make_page(struct program *p)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
	hy_autofd fd = memfd_create("hylics-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *page, *rows;

	if (fd < 0 || ftruncate(fd, sizeof(struct hy_page)) < 0)
		return -errno;
	page = mmap(NULL, sizeof(struct hy_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rows = mmap(NULL, ROWS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || rows == MAP_FAILED || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		if (page != MAP_FAILED)
			munmap(page, sizeof(struct hy_page));
		if (rows != MAP_FAILED)
			munmap(rows, ROWS_BYTES);
		return -ENOMEM;
	}
	p->page = page;
	p->row_of = rows;
	p->memfd = hy_fd_steal(&fd);
	return 0;
}

/* Nothing can be opened here; but a link tells which file a process runs. */
/* syscalls: readlink */
static void find_name(struct program *p)
{
	char link[32], path[HY_PATH_MAX + 1];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)p->pid);
	n = readlink(link, path, HY_PATH_MAX);
	path[n > 0 ? n : 0] = '\0';
	name = strrchr(path, '/');
	snprintf(p->name, sizeof(p->name), "%.*s", WHY_PROGRAM_MAX, name ? name + 1 : path);
}

static void unmake_page(struct program *p)
{
	munmap(p->page, sizeof(*p->page));
	munmap(p->row_of, ROWS_BYTES);
	hy_fd_close(&p->memfd);
	*p = (struct program){ .memfd = -1 };
}

static struct program *new_program(struct agent *a, const struct request *r)
{
	struct program *p = a->programs.at;

	/* as many rows as clients: one is free */
	while (p->page)
		p++;
	*p = (struct program){ .memfd = -1, .pid = r->pid, .user = r->user,
			       .tally.memfd = -1 };
	if (make_page(p) < 0 || !p->page)
		return NULL;
	p->grow = grow_make(&a->grows);
	if (!p->grow) {
		unmake_page(p);
		return NULL;
	}
	/* without one it is moved all the same, and only not counted */
	(void)tally_open(&p->tally);
	find_name(p);
	p->page->version = HY_PAGE_VERSION;
	p->page->slots = HY_PAGE_SLOTS;
	(void)cost_tell(a, p);
	tell_possible(a, p->page);
	return p;
}

static void keep_after_all(struct agent *a, struct conn *c)
{
	c->given = false;
	conn_linger(c->kept.fd, true);
	serve_start(a, c);
}

/* It was on its way back to a program that has left: did it arrive? */
/* syscalls: poll */
static void take_again(struct agent *a, struct conn *c)
{
	struct pollfd p = { .fd = c->pair.fd };

	if (poll(&p, 1, 0) != 0 || table_new(a, c) < 0) {
		conn_end(a, c);
		return;
	}
	table_state(a, c);
	keep_after_all(a, c);
}

void join_leave(struct agent *a, struct program *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < HY_PAGE_SLOTS; i++) {
		struct conn *c = p->row_of[i] ? &a->conns.at[p->row_of[i] - 1] : NULL;

		if (!c)
			continue;
		c->program = NULL;
		if (c->given)
			take_again(a, c);
	}
	why_leaves(a, p);
	hy_fd_close(&p->grow->memfd);
	grow_done(&a->grows, p->grow);
	tally_close(&p->tally);
	unmake_page(p);
}

void join_close(struct agent *a)
{
	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++) {
		if (a->programs.at[i].page)
			join_leave(a, &a->programs.at[i]);
	}
}

/* -- users: one of them must not take all connections -- */

static struct user *user_of(struct agent *a, uid_t uid)
{
	struct user *free = NULL;

	for (unsigned int i = 0; i < HY_LOCAL_USERS_MAX; i++) {
		struct user *u = &a->programs.user[i];

		if (u->conns && u->uid == uid)
			return u;
		if (!u->conns && !free)
			free = u;
	}
	if (free)
		free->uid = uid;
	return free;
}

void program_forget(struct agent *a, struct conn *c)
{
	/* first: the slot's next connection has a client of its own */
	program_slice(c->program, c->slot, 0);
	program_tell(c->program, c->slot, c->over ? (enum hy_slot_state)c->over : SLOT_GONE,
		     (enum move_reason)c->reason);
	if (c->program)
		c->program->row_of[c->slot] = 0;
	if (c->user)
		a->programs.user[c->user - 1].conns--;
	c->program = NULL;
	c->user = 0;
}

/* -- what a program gives -- */

/* syscalls: getsockopt */
static int sockopt(int fd, int opt)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, opt, &value, &len) < 0 ? -1 : value;
}

static bool unnamed(int fd, int (*name)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	return name(fd, (struct sockaddr *)&sun, &len) == 0 &&
	       len == offsetof(struct sockaddr_un, sun_path);
}

/*
 * A socketpair that this very process has made, and no connection to somebody who takes what the
 * agent writes there for root's own words.
 */
/* syscalls: getpeername, getsockname, getsockopt */
static bool is_pair(int fd, pid_t pid)
{
	struct ucred maker;
	socklen_t len = sizeof(maker);

	if (sockopt(fd, SO_DOMAIN) != AF_UNIX || sockopt(fd, SO_TYPE) != SOCK_STREAM)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &len) < 0 || maker.pid != pid || !pid)
		return false;
	return unnamed(fd, getsockname) && unnamed(fd, getpeername);
}

static bool is_stream(int fd)
{
	int domain = sockopt(fd, SO_DOMAIN);

	return (domain == AF_INET || domain == AF_INET6) && sockopt(fd, SO_TYPE) == SOCK_STREAM &&
	       sockopt(fd, SO_ACCEPTCONN) == 0;
}

/* syscalls: fcntl(_, F_GETFL) */
static void remember_options(struct conn *c, int32_t linger_s)
{
	c->flags = fcntl(c->kept.fd, F_GETFL);
	/* a time is forgotten: a close() by us, for others or as the last one, must never wait */
	c->resets = linger_s == 0;
	/*
	 * Should agent and holder die, nobody may take half a body for a whole one. The library
	 * has set it already; but what a program does is not relied upon.
	 */
	conn_linger(c->kept.fd, true);
}

static struct conn *new_conn(struct agent *a, struct request *r, uint32_t slot)
{
	struct user *u = user_of(a, r->user);
	struct conn *c;

	if (!u || u->conns >= HY_CONNS_PER_USER_MAX)
		return NULL;
	c = conn_new(a, r->fds->fd[0], r->fds->fd[1]);
	if (!c)
		return NULL;
	r->fds->n = 0;
	u->conns++;
	c->user = (uint32_t)(u - a->programs.user) + 1;
	c->program = *r->program;
	c->grow = grow_use(c->program->grow);
	c->slot = slot;
	program_slice(c->program, slot, 0);
	c->program->row_of[slot] = conn_row(a, c) + 1;
	return c;
}

/* There is no answer: what cannot be taken is closed, which the pair tells by itself. */
static int take_move(struct agent *a, struct request *r, bool timed, uint32_t *id)
{
	uint64_t now = hy_clock_ns();
	struct local_move m;
	struct conn *c;

	if (!*r->program || r->fds->n != 2 || local_decode_move(r->packet, r->len, &m) < 0 ||
	    (*r->program)->row_of[m.slot])
		return -EPROTO;
	if (!is_stream(r->fds->fd[0]) || !is_pair(r->fds->fd[1], r->pid) ||
	    pair_prepare(r->fds->fd[1]) < 0)
		return -EPROTO;
	cost_told(a, *r->program, &m);
	c = new_conn(a, r, m.slot);
	if (!c) {
		conn_linger(r->fds->fd[0], true);
		program_tell(*r->program, m.slot, SLOT_GONE, MOVE_LIMIT_CONNECTIONS);
		why_not_taken(a, r, MOVE_LIMIT_CONNECTIONS);
		return 0;
	}
	c->taken_ns = now;
	c->timed = timed;
	*id = c->id;
	remember_options(c, m.linger_s);
	options_begin(a, c, &m);
	if (table_new(a, c) < 0) {
		conn_reset(a, c, "the holder is gone");
		return 0;
	}
	offer(a, c);
	return 0;
}

static int time_move(struct agent *a, struct request *r)
{
	bool timed = cost_connection(a);
	uint64_t began = cost_begin(a, timed);
	uint32_t id = 0;
	int rc = take_move(a, r, timed, &id);

	cost_offer(a, began, id);
	return rc;
}

/* -- what it takes back -- */

static struct conn *conn_in(struct agent *a, const struct program *p, uint32_t slot)
{
	return p->row_of[slot] ? &a->conns.at[p->row_of[slot] - 1] : NULL;
}

/* syscalls: fcntl(_, F_SETFL) */
static int take_back(struct agent *a, struct request *r)
{
	struct local_slot s;
	struct conn *c;

	if (!*r->program || local_decode_slot(r->packet, r->len, &s) < 0)
		return -EPROTO;
	c = conn_in(a, *r->program, s.slot);
	if (!c)
		return request_refuse(r, ENOENT, "no connection has this slot");
	if (c->state == CONN_MOVED)
		home_ask(a, c);
	if (c->given || !serve_is_idle(a, c))
		return request_refuse(r, EBUSY, "bytes are under way");
	hy_fault(FAULT_GIVE_BACK);
	conn_linger(c->kept.fd, c->resets);
	if (c->flags >= 0)
		fcntl(c->kept.fd, F_SETFL, c->flags);
	r->answer_fds = (struct hy_fds){ .n = 1, .fd = { c->kept.fd } };
	return (int)local_encode_slot(LOCAL_TAKEN, r->head.id, &s, r->answer);
}

/*
 * The program may have stopped waiting, and then the answer is lost with its socket. It has taken
 * the answer when its end of the pair is gone; until then both are held here, and nothing is read.
 * A successor knows nothing of it: what the program took must not be served once more.
 */
static void give(struct agent *a, struct conn *c)
{
	a->count.given_back++;
	c->given = true;
	table_free(a, conn_row(a, c));
	conn_unwatch(a, c);
}

void join_answered(struct agent *a, struct request *r, bool sent)
{
	struct local_slot s;
	struct conn *c;

	if (r->head.type != LOCAL_TAKE_BACK || r->answer_fds.n == 0 ||
	    local_decode_slot(r->packet, r->len, &s) < 0)
		return;
	c = conn_in(a, *r->program, s.slot);
	if (sent)
		give(a, c);
	else
		keep_after_all(a, c);
}

/* -- requests -- */

static int take_join(struct agent *a, struct request *r)
{
	if (r->len != LOCAL_HEADER_LEN)
		return request_refuse(r, EPROTO, "a join is bare");
	if (!*r->program)
		*r->program = new_program(a, r);
	if (!*r->program)
		return request_refuse(r, ENOMEM, "no memory for a page");
	r->answer_fds = (struct hy_fds){ .n = (*r->program)->tally.at ? 3 : 2,
					 .fd = { (*r->program)->memfd,
						 (*r->program)->grow->memfd,
						 (*r->program)->tally.memfd } };
	return (int)local_encode_joined(r->head.id, r->answer);
}

int join_request(struct agent *a, struct request *r)
{
	if (r->head.type == LOCAL_MOVE)
		return time_move(a, r);
	if (r->fds->n)
		return -EPROTO;
	return r->head.type == LOCAL_JOIN ? take_join(a, r) : take_back(a, r);
}
