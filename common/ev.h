/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ev.h - the event loop: descriptors, timers, signals and child exits of one thread
 *
 * Runs in: every daemon
 * Reads from: the kernel; what arrives on a descriptor is its handler's business
 *
 * DOC: Who may be called
 *
 * epoll carries a number and a generation, never a pointer. The number is the descriptor, and the
 * loop's table says which class and object belong to it now. A handler may remove any descriptor:
 * an event of the same batch for a removed one has an old generation and is thrown away, also if
 * the kernel has given the number to somebody else in between.
 *
 * A handler that returns a negative value has lost its peer. The loop then calls the class's
 * drop(), which removes and closes that one descriptor; the daemon goes on.
 */
#ifndef HY_EV_H
#define HY_EV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/limits.h"

struct ev_class {
	const char *name;
	int (*handle)(void *object, int fd, uint32_t events);
	void (*drop)(void *object, int fd, int rc);
};

struct ev_slot {
	const struct ev_class *class;	/* NULL: not watched */
	void *object;
	uint32_t gen;
};

struct ev_timer {
	void (*fn)(void *object);
	void *object;
	uint64_t due_ns;
	unsigned int pos;	/* 1-based place in the heap, 0: not set */
};

#define EV_CHILD_UNKNOWN (-1)	/* the child ended, but how was told to somebody else */

struct ev_child {
	/* status as waitpid() gives it, or EV_CHILD_UNKNOWN */
	void (*fn)(void *object, pid_t pid, int status);
	void *object;
	pid_t pid;
	int pidfd;
	struct ev_loop *loop;
};

struct ev_loop {
	int epfd;
	struct ev_slot *slots;
	unsigned int n_slots;
	struct ev_timer *heap[HY_EV_TIMERS_MAX + 1];
	unsigned int n_timers;
	uint64_t acts;			/* events and timers served so far */
	/* Called behind each batch, if set by the owner. */
	void (*after_round)(void *object);
	void *after_object;
	int sigfd;
	void (*on_signal)(void *object, int signo);
	void *signal_object;
	bool stop;
	int exit_code;
};

/**
 * ev_open() - Make an empty loop
 * @l:		Filled on success
 * @max_fds:	Descriptor numbers from 0 to @max_fds-1 can be watched
 * @e:		Error
 */
int ev_open(struct ev_loop *l, unsigned int max_fds, struct hy_err *e);

/* Gives back what the loop itself holds; watched descriptors stay their owners'. */
void ev_close(struct ev_loop *l);

/**
 * ev_add() - Watch a descriptor
 * @l:		Loop
 * @fd:		Stays the caller's, who must ev_del() it before closing
 * @class:	What to call; must outlive the watch
 * @object:	Passed to the handlers
 * @events:	EPOLLIN, EPOLLOUT, ...; level-triggered
 * @e:		Error
 */
int ev_add(struct ev_loop *l, int fd, const struct ev_class *class, void *object, uint32_t events,
	   struct hy_err *e);
int ev_mod(struct ev_loop *l, int fd, uint32_t events);
void ev_del(struct ev_loop *l, int fd);		/* not watched: nothing happens */

/**
 * ev_timer_set() - Call t->fn(t->object) once, after a time
 * @l:		Loop
 * @t:		The caller's; fn and object filled; set again if it was set
 * @after_ms:	0: in the next round
 *
 * Return: 0, -ENOSPC past HY_EV_TIMERS_MAX
 */
int ev_timer_set(struct ev_loop *l, struct ev_timer *t, uint64_t after_ms);
void ev_timer_cancel(struct ev_loop *l, struct ev_timer *t);

/* A listener that is left alone for a while. */
struct ev_rest {
	struct ev_loop *loop;
	struct ev_timer timer;
	int fd;
};

/**
 * ev_rest() - A listener has no room for its next client: do not hear of him again and again
 * @l:		Loop
 * @r:		The caller's; zeroed before the first time
 * @fd:		The listener, watched for EPOLLIN, and again so after HY_EV_REST_MS
 * @err:	What accept4() said, positive
 *
 * Return: whether it rests: not for errors that the next accept4() may not have
 */
bool ev_rest(struct ev_loop *l, struct ev_rest *r, int fd, int err);
void ev_rest_cancel(struct ev_rest *r);		/* before the listener is closed; may not rest */

/**
 * ev_signals() - Take signals as events; they are blocked for the process from here on
 * @l:		Loop; once per loop
 * @signals:	Ended by 0
 * @fn:		Called in the loop, not in a signal handler
 * @object:	Passed to @fn
 * @e:		Error
 */
int ev_signals(struct ev_loop *l, const int *signals, void (*fn)(void *object, int signo),
	       void *object, struct hy_err *e);

/**
 * ev_child_watch() - Learn of a child's end; it is reaped by the loop
 * @l:	Loop
 * @c:	The caller's; fn, object and pid filled
 * @e:	Error
 */
int ev_child_watch(struct ev_loop *l, struct ev_child *c, struct hy_err *e);

/* Give up watching without reaping. */
void ev_child_forget(struct ev_child *c);

/**
 * ev_run() - Serve events until ev_stop()
 * @l:	Loop
 * @e:	Error
 *
 * Return: what ev_stop() was given, or -errno if epoll itself failed
 */
int ev_run(struct ev_loop *l, struct hy_err *e);
void ev_stop(struct ev_loop *l, int exit_code);

/**
 * ev_round() - Wait for events at most @max_wait_ms and serve one batch; ev_run() repeats this
 * @l:			Loop
 * @max_wait_ms:	-1: until the next timer or event
 * @e:			Error
 */
int ev_round(struct ev_loop *l, int max_wait_ms, struct hy_err *e);

#endif
