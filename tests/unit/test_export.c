/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_export.c - a virtiofsd comes with its guest, goes with it, and survives its hylicsd
 *
 * Runs in: the unit tests; as the virtiofsd too, which takes one guest and stays until it goes
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/unixsock.h"
#include "hylicsd/export.h"

#define OPTION "--fd="

struct world {
	struct ev_loop loop;
	struct hy_log log;
	char dir[64], path[80];
	struct export_config cfg;
	struct export export;
	bool entered_fails;
	int began, ended, seen, status;
};

/* What a virtiofsd does: take its QEMU, let go of the socket, serve until QEMU goes. */
static int be_virtiofsd(const char *option)
{
	int listener = atoi(option + strlen(OPTION));
	int guest = accept(listener, NULL, NULL);
	char byte;

	close(listener);
	if (guest < 0 || write(guest, "+", 1) != 1)
		return 1;
	return read(guest, &byte, 1) == 0 ? 0 : 1;
}

static int enter(void *object, struct hy_err *e)
{
	const struct world *w = object;

	return w->entered_fails ? hy_err_set(e, EACCES, "no room") : 0;
}

static void changed(void *object, bool serving, int status)
{
	struct world *w = object;

	if (serving)
		w->began++;
	else
		w->ended++;
	w->status = status;
}

static void open_it(struct world *w)
{
	struct hy_err e = { 0 };
	int rc;

	w->export.listener = -1;
	rc = export_open(&w->export, &w->cfg, &e);
	assert_string_equal(e.text, "");
	assert_int_equal(rc, 0);
}

static int set_up(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.log = (struct hy_log){ .program = "test", .level = HY_LOG_ERR };
	strcpy(w.dir, "/tmp/hylics-test-export-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.path, sizeof(w.path), "%s/virtiofs.sock", w.dir);
	assert_int_equal(ev_open(&w.loop, 64, NULL), 0);
	w.cfg = (struct export_config){
		.dir = open(w.dir, O_PATH | O_DIRECTORY | O_CLOEXEC), .path = w.path,
		.program = "/proc/self/exe", .share = w.dir, .cache = "auto", .enter = enter,
		.changed = changed, .object = &w, .loop = &w.loop, .log = &w.log,
	};
	open_it(&w);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	while (!export_close(&w->export))
		ev_round(&w->loop, -1, NULL);
	assert_int_equal(access(w->path, F_OK), -1);
	unlinkat(w->cfg.dir, "virtiofsd.owner", 0);
	close(w->cfg.dir);
	assert_int_equal(rmdir(w->dir), 0);
	ev_close(&w->loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return 0;
}

static int come(struct world *w)
{
	int guest = hy_unix_connect(w->path, SOCK_STREAM, NULL);

	assert_true(guest >= 0);
	return guest;
}

static void is_served(int guest)
{
	char byte = 0;

	assert_int_equal(read(guest, &byte, 1), 1);
	assert_int_equal(byte, '+');
}

/* Until it has been told once more that something changed. */
static void run(struct world *w)
{
	w->seen++;
	while (w->began + w->ended < w->seen)
		assert_true(ev_round(&w->loop, -1, NULL) >= 0);
}

static void comes_with_its_guest_and_goes_with_it(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_false(export_serves(&w->export));
	for (int i = 1; i <= 3; i++) {
		int guest = come(w);

		run(w);
		assert_int_equal(w->began, i);
		assert_true(export_serves(&w->export));
		is_served(guest);
		close(guest);
		run(w);
		assert_int_equal(w->ended, i);
		assert_int_equal(w->status, 0);
		assert_false(export_serves(&w->export));
	}
}

static void a_second_guest_waits_for_the_first(void **state)
{
	struct world *w = *state;
	int first = come(w), second;

	run(w);
	is_served(first);
	second = come(w);
	close(first);
	run(w);
	run(w);
	is_served(second);
	assert_int_equal(w->began, 2);
	close(second);
}

static void one_that_cannot_start_is_tried_again_with_pauses(void **state)
{
	struct world *w = *state;
	int guest = come(w);

	w->entered_fails = true;
	assert_true(ev_round(&w->loop, -1, NULL) >= 0);
	assert_int_equal(w->began, 0);
	assert_int_equal(w->export.pause_ms, 10);
	while (w->export.pause_ms == 10)
		assert_true(ev_round(&w->loop, -1, NULL) >= 0);
	assert_int_equal(w->export.pause_ms, 20);
	w->entered_fails = false;
	run(w);
	is_served(guest);
	close(guest);
}

static void one_that_is_killed_is_told(void **state)
{
	struct world *w = *state;
	int guest = come(w);

	run(w);
	is_served(guest);
	proc_signal(&w->export.proc, SIGKILL);
	run(w);
	assert_int_equal(w->ended, 1);
	assert_int_equal(WTERMSIG(w->status), SIGKILL);
	close(guest);
}

static void survives_its_hylicsd(void **state)
{
	struct world *w = *state;
	int guest = come(w), next;

	run(w);
	is_served(guest);
	export_leave(&w->export);
	open_it(w);
	assert_true(export_serves(&w->export));
	next = come(w);
	close(guest);
	run(w);
	assert_int_equal(w->ended, 1);
	run(w);
	is_served(next);
	close(next);
}

static void another_cache_mode_is_for_the_next_one(void **state)
{
	struct world *w = *state;
	struct export_config cfg = w->cfg;
	int guest;

	cfg.cache = "none";
	assert_int_equal(export_open(&w->export, &cfg, NULL), 0);
	guest = come(w);
	run(w);
	is_served(guest);
	assert_string_equal(w->export.cfg.cache, "none");
	close(guest);
}

static void a_link_at_its_place_is_refused(void **state)
{
	struct world *w = *state;
	struct hy_err e = { 0 };

	assert_true(export_close(&w->export));
	assert_int_equal(symlink("/nowhere", w->path), 0);
	assert_true(export_open(&w->export, &w->cfg, &e) < 0);
	assert_int_equal(w->export.listener, -1);
	assert_int_equal(unlink(w->path), 0);
	open_it(w);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strncmp(argv[1], OPTION, strlen(OPTION)) == 0)
		return be_virtiofsd(argv[1]);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_with_its_guest_and_goes_with_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_second_guest_waits_for_the_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_cannot_start_is_tried_again_with_pauses,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_killed_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_its_hylicsd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_cache_mode_is_for_the_next_one, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_link_at_its_place_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
