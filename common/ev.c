/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ev.c - the event loop: descriptors, timers, signals and child exits of one thread
 *
 * Runs in: every daemon
 * Reads from: the kernel; what arrives on a descriptor is its handler's business
 */
#include "common/ev.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"

/* epoll's 64 bits: the descriptor below, its generation above */
static uint64_t ref_pack(int fd, uint32_t gen)
{
	return (uint64_t)gen << 32 | (uint32_t)fd;
}

int ev_open(struct ev_loop *l, unsigned int max_fds, struct hy_err *e)
{
	hy_autofd epfd = epoll_create1(EPOLL_CLOEXEC);
	hy_autofree struct ev_slot *slots = NULL;

	if (epfd < 0)
		return hy_err_set(e, errno, "event loop: epoll_create1");
	if (max_fds > HY_EV_FDS_MAX)
		max_fds = HY_EV_FDS_MAX;
	slots = calloc(max_fds, sizeof(*slots));
	if (!slots)
		return hy_err_set(e, ENOMEM, "event loop: table for %u descriptors", max_fds);
	*l = (struct ev_loop){
		.epfd = hy_fd_steal(&epfd),
		.slots = hy_ptr_steal(&slots),
		.n_slots = max_fds,
		.sigfd = -1,
	};
	return 0;
}

void ev_close(struct ev_loop *l)
{
	if (l->sigfd >= 0)
		ev_del(l, l->sigfd);
	hy_fd_close(&l->sigfd);
	hy_fd_close(&l->epfd);
	hy_mem_free(&l->slots);
	l->n_slots = 0;
}

static struct ev_slot *slot_of(struct ev_loop *l, int fd)
{
	return fd >= 0 && (unsigned int)fd < l->n_slots ? &l->slots[fd] : NULL;
}

/* syscalls: epoll_ctl */
int ev_add(struct ev_loop *l, int fd, const struct ev_class *class, void *object, uint32_t events,
	   struct hy_err *e)
{
	struct ev_slot *s = slot_of(l, fd);
	struct epoll_event ee = { .events = events };

	if (!s)
		return hy_err_set(e, EMFILE, "event loop: descriptor %d, room for %u", fd,
				  l->n_slots);
	ee.data.u64 = ref_pack(fd, s->gen + 1);
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ee) < 0)
		return hy_err_set(e, errno, "event loop: watch %s %d", class->name, fd);
	s->gen++;
	s->class = class;
	s->object = object;
	return 0;
}

/* syscalls: epoll_ctl */
int ev_mod(struct ev_loop *l, int fd, uint32_t events)
{
	struct ev_slot *s = slot_of(l, fd);
	struct epoll_event ee = { .events = events };

	if (!s || !s->class)
		return -ENOENT;
	ee.data.u64 = ref_pack(fd, s->gen);
	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, fd, &ee) < 0 ? -errno : 0;
}

/* syscalls: epoll_ctl */
void ev_del(struct ev_loop *l, int fd)
{
	struct ev_slot *s = slot_of(l, fd);

	if (!s || !s->class)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, fd, NULL);
	s->gen++;
	s->class = NULL;
	s->object = NULL;
}

/* -- timers: a binary heap, earliest at 1 -- */

static void heap_put(struct ev_loop *l, unsigned int pos, struct ev_timer *t)
{
	l->heap[pos] = t;
	t->pos = pos;
}

static void heap_up(struct ev_loop *l, unsigned int pos, struct ev_timer *t)
{
	while (pos > 1 && l->heap[pos / 2]->due_ns > t->due_ns) {
		heap_put(l, pos, l->heap[pos / 2]);
		pos /= 2;
	}
	heap_put(l, pos, t);
}

static void heap_down(struct ev_loop *l, unsigned int pos, struct ev_timer *t)
{
	unsigned int child;

	while ((child = pos * 2) <= l->n_timers) {
		if (child < l->n_timers && l->heap[child + 1]->due_ns < l->heap[child]->due_ns)
			child++;
		if (l->heap[child]->due_ns >= t->due_ns)
			break;
		heap_put(l, pos, l->heap[child]);
		pos = child;
	}
	heap_put(l, pos, t);
}

void ev_timer_cancel(struct ev_loop *l, struct ev_timer *t)
{
	unsigned int pos = t->pos;
	struct ev_timer *last;

	if (!pos)
		return;
	t->pos = 0;
	last = l->heap[l->n_timers--];
	if (last == t)
		return;
	if (pos > 1 && l->heap[pos / 2]->due_ns > last->due_ns)
		heap_up(l, pos, last);
	else
		heap_down(l, pos, last);
}

int ev_timer_set(struct ev_loop *l, struct ev_timer *t, uint64_t after_ms)
{
	ev_timer_cancel(l, t);
	if (l->n_timers == HY_EV_TIMERS_MAX)
		return -ENOSPC;
	t->due_ns = hy_clock_ns() + after_ms * HY_NS_PER_MS;
	l->n_timers++;
	heap_up(l, l->n_timers, t);
	return 0;
}

static void run_timers(struct ev_loop *l)
{
	uint64_t now = hy_clock_ns();

	while (l->n_timers && l->heap[1]->due_ns <= now) {
		struct ev_timer *t = l->heap[1];

		ev_timer_cancel(l, t);
		l->acts++;
		t->fn(t->object);
	}
}

/* Rounded up, so that the loop does not spin through the last part of a millisecond. */
static int wait_ms(const struct ev_loop *l, int max_wait_ms)
{
	uint64_t now, left;

	if (!l->n_timers)
		return max_wait_ms;
	now = hy_clock_ns();
	if (l->heap[1]->due_ns <= now)
		return 0;
	left = (l->heap[1]->due_ns - now + HY_NS_PER_MS - 1) / HY_NS_PER_MS;
	if (max_wait_ms >= 0 && left > (uint64_t)max_wait_ms)
		return max_wait_ms;
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* -- listeners without room -- */

static void rested(void *object)
{
	struct ev_rest *r = object;

	(void)ev_mod(r->loop, r->fd, EPOLLIN);
}

bool ev_rest(struct ev_loop *l, struct ev_rest *r, int fd, int err)
{
	if (err != EMFILE && err != ENFILE && err != ENOBUFS && err != ENOMEM)
		return false;
	if (r->timer.pos)
		return true;
	*r = (struct ev_rest){ .loop = l, .fd = fd, .timer = { .fn = rested, .object = r } };
	return ev_timer_set(l, &r->timer, HY_EV_REST_MS) == 0 && ev_mod(l, fd, 0) == 0;
}

void ev_rest_cancel(struct ev_rest *r)
{
	if (r->loop)
		ev_timer_cancel(r->loop, &r->timer);
}

/* -- signals -- */

/* syscalls: read */
static int signal_handle(void *object, int fd, uint32_t events)
{
	struct ev_loop *l = object;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == sizeof(info))
		l->on_signal(l->signal_object, (int)info.ssi_signo);
	return 0;
}

static void signal_drop(void *object, int fd, int rc)
{
	(void)rc;
	ev_del(object, fd);
}

static const struct ev_class signal_class = { "signals", signal_handle, signal_drop };

int ev_signals(struct ev_loop *l, const int *signals, void (*fn)(void *object, int signo),
	       void *object, struct hy_err *e)
{
	hy_autofd fd = -1;
	sigset_t set;
	int rc;

	sigemptyset(&set);
	while (*signals)
		sigaddset(&set, *signals++);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return hy_err_set(e, errno, "event loop: block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return hy_err_set(e, errno, "event loop: signalfd");
	l->on_signal = fn;
	l->signal_object = object;
	rc = ev_add(l, fd, &signal_class, l, EPOLLIN, e);
	if (rc < 0)
		return rc;
	l->sigfd = hy_fd_steal(&fd);
	return 0;
}

/* -- children -- */

void ev_child_forget(struct ev_child *c)
{
	ev_del(c->loop, c->pidfd);
	hy_fd_close(&c->pidfd);
}

static int child_handle(void *object, int fd, uint32_t events)
{
	struct ev_child *c = object;
	int status = 0;
	pid_t pid = waitpid(c->pid, &status, WNOHANG);

	(void)fd;
	(void)events;
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return 0;
	if (pid < 0)
		status = EV_CHILD_UNKNOWN;	/* somebody else has reaped it */
	ev_child_forget(c);
	c->fn(c->object, c->pid, status);
	return 0;
}

static void child_drop(void *object, int fd, int rc)
{
	(void)fd;
	(void)rc;
	ev_child_forget(object);
}

static const struct ev_class child_class = { "child", child_handle, child_drop };

int ev_child_watch(struct ev_loop *l, struct ev_child *c, struct hy_err *e)
{
	int rc;

	/* glibc 2.36 has pidfd_open(), musl does not: the agent is to build with either */
	hy_autofd fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (fd < 0)
		return hy_err_set(e, errno, "process %d: pidfd_open", (int)c->pid);
	rc = ev_add(l, fd, &child_class, c, EPOLLIN, e);
	if (rc < 0)
		return rc;
	c->loop = l;
	c->pidfd = hy_fd_steal(&fd);
	return 0;
}

/* -- rounds -- */

static void serve(struct ev_loop *l, const struct epoll_event *ee)
{
	int fd = (int)(uint32_t)ee->data.u64;
	struct ev_slot s = l->slots[fd];	/* the handler may change the table */
	int rc;

	if (!s.class || s.gen != ee->data.u64 >> 32)
		return;		/* removed earlier in this batch */
	l->acts++;
	rc = s.class->handle(s.object, fd, ee->events);
	if (rc < 0 && l->slots[fd].gen == s.gen)
		s.class->drop(s.object, fd, rc);
}

/* syscalls: epoll_wait */
int ev_round(struct ev_loop *l, int max_wait_ms, struct hy_err *e)
{
	struct epoll_event batch[HY_EV_BATCH];
	int n = epoll_wait(l->epfd, batch, HY_EV_BATCH, wait_ms(l, max_wait_ms));

	if (n < 0 && errno != EINTR)
		return hy_err_set(e, errno, "event loop: epoll_wait");
	for (int i = 0; i < n; i++)
		serve(l, &batch[i]);
	run_timers(l);
	if (l->after_round)
		l->after_round(l->after_object);
	return 0;
}

int ev_run(struct ev_loop *l, struct hy_err *e)
{
	while (!l->stop) {
		int rc = ev_round(l, -1, e);

		if (rc < 0)
			return rc;
	}
	return l->exit_code;
}

void ev_stop(struct ev_loop *l, int exit_code)
{
	l->stop = true;
	l->exit_code = exit_code;
}
