/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_door.c - a transport asked for at one end of a door, opened at the other
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel/door.h"
#include "common/own.h"

#define FLOOD 4096
#define PATIENCE 100			/* times HY_CHAN_DOOR_MS */

struct world {
	char dir[32], path[48], text[64];
	struct chan_door door;
	struct hy_err e;
	bool calls;
	pid_t keeper;
};

static void begin(struct world *w, const char *kind)
{
	*w = (struct world){ 0 };
	snprintf(w->dir, sizeof(w->dir), "hylics-door-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	snprintf(w->text, sizeof(w->text), "%s:%s", kind, w->path);
	assert_int_equal(chan_door_open(&w->door, w->text, &w->e), 0);
	assert_int_equal(chan_door_pair(&w->door, &w->e), 0);
}

static void end(struct world *w)
{
	if (w->keeper) {
		kill(w->keeper, SIGKILL);
		assert_int_equal(waitpid(w->keeper, NULL, 0), w->keeper);
	}
	chan_door_close(&w->door);
	unlink(w->path);
	assert_int_equal(rmdir(w->dir), 0);
}

/* Somebody who answers and calls, as a keeper's loop does. */
static void serve(struct chan_door *d)
{
	struct pollfd p[2] = { { .fd = d->outside, .events = POLLIN },
			       { .fd = d->watch, .events = POLLIN } };

	while (poll(p, 2, -1) > 0 && !(p[0].revents & ~POLLIN)) {
		if (p[0].revents)
			chan_door_answer(d);
		if (p[1].revents && chan_door_look(d) < 0) {
			chan_door_blind(d);
			p[1].fd = -1;
		}
	}
}

static void start_keeper(struct world *w)
{
	w->keeper = fork();
	assert_true(w->keeper >= 0);
	if (w->keeper)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	serve(&w->door);
	_exit(0);
}

static int ask_once(struct world *w)
{
	return chan_door_ask(w->door.inside, &w->door.addr, &w->calls, &w->e);
}

/* A keeper that is only slow answers in the end. */
static int ask(struct world *w)
{
	int rc;

	for (unsigned int i = 0; i < PATIENCE; i++) {
		rc = ask_once(w);
		if (rc != -ETIMEDOUT)
			break;
	}
	return rc;
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FLOOD; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void a_connection_comes_each_time_anew(void **state)
{
	struct world w;
	struct stat first, second;
	int a, b;

	(void)state;
	begin(&w, "serial");
	hy_autofd listener = hy_unix_listen(w.path, SOCK_STREAM, 0600, 4, &w.e);
	assert_true(listener >= 0);
	start_keeper(&w);
	a = ask(&w);
	b = ask(&w);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(fstat(a, &first), 0);
	assert_int_equal(fstat(b, &second), 0);
	assert_true(first.st_ino != second.st_ino);
	assert_true(fcntl(a, F_GETFL) & O_NONBLOCK);
	assert_int_equal(write(a, "x", 1), 1);
	hy_fd_close(&a);
	hy_fd_close(&b);
	end(&w);
}

static void why_it_cannot_be_opened_is_told(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "serial");
	start_keeper(&w);
	assert_int_equal(ask(&w), -ENOENT);
	assert_non_null(strstr(w.e.text, w.text));
	end(&w);
}

static bool is_called(const struct world *w, int wait_ms)
{
	struct pollfd p = { .fd = w->door.inside, .events = POLLIN };

	return poll(&p, 1, wait_ms) > 0;
}

static void a_socket_that_comes_is_told_once(void **state)
{
	struct world w;
	int fd;

	(void)state;
	begin(&w, "serial");
	start_keeper(&w);
	assert_int_equal(ask(&w), -ENOENT);
	assert_true(w.calls);
	hy_autofd listener = hy_unix_listen(w.path, SOCK_STREAM, 0600, 4, &w.e);
	assert_true(listener >= 0 && is_called(&w, PATIENCE * HY_CHAN_DOOR_MS));
	assert_int_equal(chan_door_called(w.door.inside), 0);
	fd = ask(&w);
	assert_true(fd >= 0 && w.calls);
	hy_fd_close(&fd);
	/* who has a connection is not called; the keeper has seen this when it has answered */
	assert_int_equal(chmod(w.path, 0640), 0);
	fd = ask(&w);
	assert_true(fd >= 0 && !is_called(&w, 0));
	hy_fd_close(&fd);
	end(&w);
}

static void names_of_others_are_no_news(void **state)
{
	char other[64];
	struct world w;
	int fd;

	(void)state;
	begin(&w, "serial");
	assert_true(w.door.watch >= 0);
	w.door.owed = true;
	snprintf(other, sizeof(other), "%s/other", w.dir);
	fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	hy_fd_close(&fd);
	assert_int_equal(chan_door_look(&w.door), 0);
	assert_false(is_called(&w, 0));
	assert_int_equal(rename(other, w.path), 0);
	assert_int_equal(chan_door_look(&w.door), 0);
	assert_true(is_called(&w, 0));
	end(&w);
}

/* Then the worker asks on, as where nothing can be watched. */
static void a_directory_that_goes_is_told(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "serial");
	start_keeper(&w);
	assert_int_equal(ask(&w), -ENOENT);
	assert_true(w.calls);
	assert_int_equal(rmdir(w.dir), 0);
	assert_true(is_called(&w, PATIENCE * HY_CHAN_DOOR_MS));
	assert_int_equal(ask(&w), -ENOENT);
	assert_false(w.calls);
	assert_int_equal(mkdir(w.dir, 0700), 0);
	end(&w);
}

static void a_listener_outlives_workers(void **state)
{
	struct world w;
	struct stat first, second;
	int a, b;

	(void)state;
	begin(&w, "unix");
	assert_int_equal(access(w.path, F_OK), 0);
	start_keeper(&w);
	a = ask(&w);
	b = ask(&w);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(fstat(a, &first), 0);
	assert_int_equal(fstat(b, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	hy_fd_close(&a);
	hy_fd_close(&b);
	end(&w);
	assert_int_equal(access(w.path, F_OK), -1);	/* and goes with the keeper */
}

static void a_second_listener_is_refused(void **state)
{
	struct chan_door second;
	struct world w;

	(void)state;
	begin(&w, "unix");
	assert_int_equal(chan_door_open(&second, w.text, &w.e), -EADDRINUSE);
	chan_door_close(&second);
	assert_int_equal(access(w.path, F_OK), 0);
	end(&w);
}

/* What came too late is no answer to the next question. */
static void a_keeper_that_does_not_answer_is_not_waited_for(void **state)
{
	unsigned int fds;
	struct world w;

	(void)state;
	begin(&w, "unix");
	fds = count_fds();
	assert_int_equal(ask_once(&w), -ETIMEDOUT);
	assert_int_equal(ask_once(&w), -ETIMEDOUT);
	chan_door_answer(&w.door);
	chan_door_answer(&w.door);
	assert_int_equal(ask_once(&w), -ETIMEDOUT);
	assert_int_equal(count_fds(), fds);
	hy_fd_close(&w.door.outside);
	assert_int_equal(ask_once(&w), -EPIPE);
	end(&w);
}

/* A worker that was taken over asks on and on, says what is no question, and reads nothing. */
static void one_who_asks_on_and_on_gets_no_more(void **state)
{
	unsigned int fds, asked = 0;
	struct world w;

	(void)state;
	begin(&w, "unix");
	fds = count_fds();
	for (int i = 0; i < FLOOD; i++) {
		asked += send(w.door.inside, "what?", (size_t)(i % 6), MSG_DONTWAIT) >= 0;
		chan_door_answer(&w.door);
	}
	assert_true(asked > 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(chan_door_pair(&w.door, &w.e), 0);	/* the next worker's */
	start_keeper(&w);
	hy_autofd fd = ask(&w);
	assert_true(fd >= 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_comes_each_time_anew),
		cmocka_unit_test(why_it_cannot_be_opened_is_told),
		cmocka_unit_test(a_socket_that_comes_is_told_once),
		cmocka_unit_test(names_of_others_are_no_news),
		cmocka_unit_test(a_directory_that_goes_is_told),
		cmocka_unit_test(a_listener_outlives_workers),
		cmocka_unit_test(a_second_listener_is_refused),
		cmocka_unit_test(a_keeper_that_does_not_answer_is_not_waited_for),
		cmocka_unit_test(one_who_asks_on_and_on_gets_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
