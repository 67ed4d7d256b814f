/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.c - the event loop: two sides, two directions, one timer, signals and the control socket
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends (hostile)
 */
#include "lab/wire/wire.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "lab/wire/event.h"
#include "lab/wire/intake.h"
#include "lab/wire/outlet.h"
#include "lab/wire/script.h"

static int open_sides(struct wire *w, struct hy_err *e)
{
	int rc;

	for (int i = 0; i < WIRE_DIRECTIONS; i++) {
		rc = link_open(&w->side[i], w->config.name[i], w->config.tap[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_paths(struct wire *w, struct hy_err *e)
{
	int rc;

	w->common = (struct path_common){ .seed = w->config.seed, .script = &w->script,
					  .passed = &w->passed, .dropped = &w->dropped };
	for (int i = 0; i < WIRE_DIRECTIONS; i++) {
		rc = path_open(&w->path[i], i, &w->common, &w->config.impair[i],
			       &w->side[!i], w->config.pool, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_records(struct wire *w, struct hy_err *e)
{
	int rc = pcap_open(&w->passed, w->config.pcap, w->config.name, e);

	if (rc == 0)
		rc = pcap_open(&w->dropped, w->config.pcap_dropped, w->config.name, e);
	return rc;
}

static int open_signals(struct hy_err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? hy_err_set(e, errno, "receive signals") : fd;
}

static int open_loop(struct wire *w, struct hy_err *e)
{
	w->signal_fd = open_signals(e);
	if (w->signal_fd < 0)
		return w->signal_fd;
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->timer_fd < 0)
		return hy_err_set(e, errno, "make a timer");
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return hy_err_set(e, errno, "make an epoll set");
	return 0;
}

static int watch_all(struct wire *w, struct hy_err *e)
{
	const struct {
		int fd;
		struct event event;
	} watched[] = {
		{ w->side[0].fd, { EVENT_SIDE, 0, 0 } },
		{ w->side[1].fd, { EVENT_SIDE, 1, 0 } },
		{ w->timer_fd, { EVENT_TIMER, 0, 0 } },
		{ w->signal_fd, { EVENT_SIGNAL, 0, 0 } },
	};
	int rc;

	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		rc = event_watch(w->epoll_fd, EPOLL_CTL_ADD, watched[i].fd, watched[i].event,
				 EPOLLIN);
		if (rc < 0)
			return hy_err_set(e, -rc, "watch descriptor %d", watched[i].fd);
	}
	return 0;
}

int wire_open(struct wire *w, struct hy_err *e)
{
	int rc;

	w->epoll_fd = w->timer_fd = w->signal_fd = w->control.fd = -1;
	w->side[0].fd = w->side[1].fd = -1;
	w->log = (struct hy_log){ .program = "hylics-wire", .level = HY_LOG_INFO };
	rc = open_loop(w, e);
	if (rc == 0)
		rc = open_records(w, e);
	if (rc == 0)
		rc = open_sides(w, e);
	if (rc == 0)
		rc = open_paths(w, e);
	if (rc == 0)
		rc = watch_all(w, e);
	if (rc == 0)
		rc = control_open(&w->control, w, w->config.control, e);
	return rc;
}

int wire_close(struct wire *w, struct hy_err *e)
{
	int rc = pcap_close(&w->passed, e), other = pcap_close(&w->dropped, rc < 0 ? NULL : e);

	control_close(&w->control);
	for (int i = 0; i < WIRE_DIRECTIONS; i++) {
		path_close(&w->path[i]);
		link_close(&w->side[i]);
	}
	hy_fd_close(&w->epoll_fd);
	hy_fd_close(&w->timer_fd);
	hy_fd_close(&w->signal_fd);
	return rc < 0 ? rc : other;
}

void wire_raise(struct wire *w, int mark)
{
	uint64_t now_ns = hy_clock_ns();

	script_raise(&w->script, mark);
	for (int i = 0; i < WIRE_DIRECTIONS; i++)
		path_mark(&w->path[i], mark, now_ns);
}

/* Marks that a frame raised; the script knows already. */
static void release_held(struct wire *w, uint64_t raised, uint64_t now_ns)
{
	for (int mark = 0; mark < WIRE_MARKS_MAX; mark++) {
		if (!(raised >> mark & 1))
			continue;
		for (int i = 0; i < WIRE_DIRECTIONS; i++)
			path_mark(&w->path[i], mark, now_ns);
	}
}

static void advance(struct wire *w, int direction, uint64_t now_ns)
{
	path_advance(&w->path[direction], now_ns);
	outlet_send(&w->path[direction], now_ns);
}

static void fail(struct wire *w, int num, const char *name)
{
	hy_err_set(&w->gone, num, "interface '%s' is gone", name);
	w->stop = true;
}

/* Returns how many frames there were. */
static int take_batch(struct wire *w, int side)
{
	int n = link_receive(&w->side[side], &w->batch);
	uint64_t now_ns = hy_clock_ns(), raised;

	if (n == -ENODEV)
		fail(w, ENODEV, w->config.name[side]);
	else if (n < 0)
		hy_log_limited(&w->log, &w->down_rate, HY_LOG_WARN, "interface '%s' is down",
			       w->config.name[side]);
	for (int i = 0; i < n; i++) {
		raised = intake_frame(&w->path[side], &w->batch.frame[i], now_ns);
		if (raised)
			release_held(w, raised, now_ns);
	}
	advance(w, side, now_ns);
	return n;
}

void wire_drain(struct wire *w)
{
	for (int side = 0; side < WIRE_DIRECTIONS; side++) {
		for (int i = 0; i < WIRE_DRAIN_BATCHES && take_batch(w, side) > 0; i++)
			;
	}
}

bool wire_empty(const struct wire *w)
{
	return w->path[0].pool.used == 0 && w->path[1].pool.used == 0;
}

static void gather(struct wire *w, struct stats out[WIRE_DIRECTIONS])
{
	for (int i = 0; i < WIRE_DIRECTIONS; i++) {
		struct stats *s = &w->path[i].stats;

		link_count_missed(&w->side[i]);
		s->missed = w->side[i].missed;
		s->waiting = w->path[i].pool.used;
		out[i] = *s;
	}
}

void wire_report(struct wire *w, FILE *out)
{
	struct stats now[WIRE_DIRECTIONS];

	gather(w, now);
	stats_write(out, now, w->config.seed, &w->script);
	pcap_flush(&w->passed);
	pcap_flush(&w->dropped);
}

static int save_report(struct wire *w, struct hy_err *e)
{
	struct stats now[WIRE_DIRECTIONS];

	if (w->config.stats) {
		gather(w, now);
		return stats_save(w->config.stats, now, w->config.seed, &w->script, e);
	}
	wire_report(w, stdout);
	if (fflush(stdout) != 0)
		return hy_err_set(e, errno, "write statistics to standard output");
	return 0;
}

static void on_side(struct wire *w, struct event ev, uint32_t events)
{
	(void)events;
	for (int i = 0; i < WIRE_TURN_BATCHES; i++) {
		if (take_batch(w, (int)ev.index) < WIRE_BATCH)
			break;
	}
}

static void on_timer(struct wire *w, struct event ev, uint32_t events)
{
	uint64_t expired;

	(void)ev;
	(void)events;
	if (read(w->timer_fd, &expired, sizeof(expired)) == sizeof(expired))
		w->armed_ns = 0;
}

static void on_signal(struct wire *w, struct event ev, uint32_t events)
{
	struct signalfd_siginfo info;
	struct hy_err e;

	(void)ev;
	(void)events;
	if (read(w->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGUSR1) {
		w->stop = true;
		return;
	}
	if (save_report(w, &e) < 0)
		hy_log(&w->log, HY_LOG_ERR, "%s: %s", e.text, strerror(e.num));
}

static void on_listener(struct wire *w, struct event ev, uint32_t events)
{
	(void)ev;
	(void)events;
	control_accept(&w->control);
}

static void on_client(struct wire *w, struct event ev, uint32_t events)
{
	control_event(&w->control, ev.index, ev.generation, events);
}

static void (*const handlers[EVENT_KINDS])(struct wire *w, struct event ev, uint32_t events) = {
	[EVENT_SIDE] = on_side,
	[EVENT_TIMER] = on_timer,
	[EVENT_SIGNAL] = on_signal,
	[EVENT_LISTENER] = on_listener,
	[EVENT_CLIENT] = on_client,
};

/* When there is work that no descriptor will tell of. */
static uint64_t next_work_ns(const struct wire *w, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < WIRE_DIRECTIONS; i++) {
		uint64_t due = path_next_ns(&w->path[i]);
		uint64_t retry = outlet_next_ns(&w->path[i], now_ns);

		if (due < next)
			next = due;
		if (retry < next)
			next = retry;
	}
	return next;
}

static void arm(struct wire *w, uint64_t now_ns)
{
	uint64_t next = next_work_ns(w, now_ns);
	struct itimerspec when = { .it_value = { 0, 0 } };

	if (next == UINT64_MAX)
		next = 0;
	if (next == w->armed_ns)
		return;
	when.it_value.tv_sec = (time_t)(next / HY_NS_PER_S);
	when.it_value.tv_nsec = (long)(next % HY_NS_PER_S);
	timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	w->armed_ns = next;
}

static int one_round(struct wire *w, struct hy_err *e)
{
	struct epoll_event events[EVENT_KINDS + WIRE_CLIENTS_MAX];
	int n = epoll_wait(w->epoll_fd, events, EVENT_KINDS + WIRE_CLIENTS_MAX, -1);
	uint64_t now_ns;

	if (n < 0 && errno != EINTR)
		return hy_err_set(e, errno, "wait for events");
	for (int i = 0; i < n; i++) {
		struct event ev = event_unpack(events[i].data.u64);

		handlers[ev.kind](w, ev, events[i].events);
	}
	now_ns = hy_clock_ns();
	for (int i = 0; i < WIRE_DIRECTIONS; i++)
		advance(w, i, now_ns);
	control_check_waits(&w->control);
	arm(w, now_ns);
	return 0;
}

static int say_ready(const struct wire *w, struct hy_err *e)
{
	static const char word[] = "ready\n";
	int fd = w->config.ready_fd;

	if (write(fd, word, sizeof(word) - 1) != (ssize_t)sizeof(word) - 1)
		return hy_err_set(e, errno, "write 'ready' to descriptor %d", fd);
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

int wire_run(struct wire *w, struct hy_err *e)
{
	struct hy_err unsaved;
	int rc = say_ready(w, e), saved;

	while (rc == 0 && !w->stop)
		rc = one_round(w, e);
	saved = save_report(w, &unsaved);
	if (rc == 0 && w->gone.num) {
		*e = w->gone;
		rc = -w->gone.num;
	} else if (rc == 0 && saved < 0) {
		*e = unsaved;
		rc = saved;
	}
	return rc;
}
