/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_hostile.c - what a guest may say, and what becomes of it: never more than its own business
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 *
 * Through all of it one honest connection goes on, and the worker's process stays the same.
 */
#include "tests/worker/stage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"
#include "proto/option.h"
#include "proto/job.h"
#include "proto/report.h"
#include "tests/probes/tcp_sock.h"

#define HONEST 1u
#define FILE_ID 7u

static uint64_t honest_pos, honest_up;
static pid_t worker_pid;

static struct player *moved(unsigned int k)
{
	player_open(k);
	if (!player_move(k))
		probe_bail("player %u cannot be moved", k);
	return &stage.player[k];
}

/* In the same session, or in a new one that resumes the honest connection. */
static void is_alive(const char *after)
{
	struct player *p = &stage.player[HONEST];
	bool good = true;

	if (!UNTIL(stage.up))
		probe_bail("%s: no channel", after);
	if (!p->resumed) {
		say_resume(HONEST, HELD_MOVED, p->sent, p->up);
		good = UNTIL(p->resumed || p->unknown) && p->resumed;
	}
	good = good && say_file(FILE_ID + (unsigned int)honest_pos, BODY(HONEST)) == 0;
	say_data(HONEST, honest_pos, 100);
	say_slice(HONEST, honest_pos + 100, FILE_ID + (unsigned int)honest_pos, 10000);
	honest_pos += 10100;
	player_client_sends(HONEST, honest_up, 50);
	honest_up += 50;
	good = good && UNTIL(player_client_has(HONEST, honest_pos)) && !p->read_wrong &&
	       UNTIL(p->up == honest_up) && !p->up_wrong;
	probe_check(good && stage.keep.child.pid == worker_pid,
		    "%s: the worker and another connection go on", after);
}

/* The session must end, and begin anew. */
static void ends_the_session(const char *what)
{
	struct player *p = &stage.player[HONEST];
	bool ended = UNTIL(!stage.up);

	p->resumed = false;
	probe_check(ended, "%s ends the session", what);
	is_alive(what);
}

/* -- messages about nothing -- */

static void unknown_numbers(void)
{
	static const uint32_t ids[] = { 0, 47, 0x7fffffff, UINT32_MAX };
	struct move_resume r = { .held = HELD_OFFERED };
	uint8_t payload[64];
	unsigned int n;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct move_item item = { .kind = ITEM_CLOSE };
		struct move_pos pos = { .pos = 5 };
		struct move_answer a = { 0 };

		say(MSG_CANCEL, ids[i], NULL, 0);
		say(MSG_HOME, ids[i], NULL, 0);
		say(MSG_FILE_CLOSE, ids[i], NULL, 0);
		say(MSG_CAST_STOP, ids[i], NULL, 0);
		say(MSG_ITEM, ids[i], payload, move_item_encode(&item, payload, sizeof(payload)));
		say(MSG_TAKEN, ids[i], payload, move_pos_encode(&pos, payload, sizeof(payload)));
		say(MSG_HOME_TAKEN, ids[i], payload,
		    move_answer_encode(&a, payload, sizeof(payload)));
		say(MSG_RESUME, ids[i], payload,
		    move_resume_encode(&r, payload, sizeof(payload)));
	}
	n = 200;
	while (n--)
		say(MSG_RESUME, 1000 + n, payload,
		    move_resume_encode(&r, payload, sizeof(payload)));
	is_alive("every message about numbers that are not there");
}

static void messages_that_cannot_be_read(void)
{
	static const enum msg_type types[] = { MSG_OFFER, MSG_FILE_OPEN, MSG_ITEM, MSG_TAKEN,
					       MSG_RESUME, MSG_ADDRESSES, MSG_REPORT,
					       MSG_OPTION, MSG_OPTION_ASK, MSG_JOBS,
					       MSG_CAST };
	uint8_t junk[400];
	size_t len;

	memset(junk, 0xff, sizeof(junk));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		len = msg_info((uint16_t)types[i])->min;
		say(types[i], HONEST, junk, (int)len);
		ends_the_session(msg_info((uint16_t)types[i])->name);
	}
}

/* -- messages out of place: the connection they are about is reset, nothing else -- */

static void is_reset(unsigned int k, const char *what)
{
	struct player *p = &stage.player[k];

	bool shut = p->eof;

	probe_check(UNTIL(p->ended) && UNTIL(player_client_ended(k)) &&
		    (shut || p->error == ECONNRESET), "%s resets that connection", what);
	player_close(k);
	is_alive(what);
}

static void out_of_place(void)
{
	struct player *p;

	moved(2);
	say_resume(2, HELD_MOVED, 0, 0);
	is_reset(2, "a resume of what was not lost");
	p = moved(3);
	player_offer(3, 3);
	probe_check(UNTIL(p->refused), "an offer under a number that is in use is refused");
	is_reset(3, "a second offer");
	moved(4);
	say_taken(4, 1, true);
	is_reset(4, "taking what was not offered");
	moved(5);
	say_taken(5, INT64_MAX, true);
	is_reset(5, "taking a great deal");
	moved(6);
	say_end(6, 0, ITEM_SHUT);
	UNTIL(player_client_ended(6));
	say_data(6, 0, 10);
	is_reset(6, "bytes behind the end");
	p = moved(8);
	say_home_taken(8, MOVE_DONE);	/* nothing was offered: it would be lost */
	say_data(8, 0, 10);
	probe_check(UNTIL(player_client_has(8, 10)) && !p->home_done,
		    "taking home what was not offered moves nothing");
	say_data(8, INT64_MAX - 100000, 10);
	say_slice(8, 1ull << 40, 3, HY_SLICE_MAX);
	say_end(8, 1ull << 50, ITEM_CLOSE);
	stage_settle(2);
	probe_check(!p->ended && p->sent == 10, "huge positions are dropped");
	say_end(8, 0, ITEM_RESET);
	UNTIL(p->ended);
	player_close(8);
}

static void too_many_items(void)
{
	unsigned int k = 9;

	moved(k);
	if (say_file(300, BODY(k)) != 0)
		probe_bail("no file");
	for (unsigned int i = 0; i < 40 && stage.up; i++)
		say_slice(k, i * 1000000ull % 3000000 + i / 3 * 3000000ull, 300, 1000000);
	ends_the_session("more items than are allowed");
	moved(10);
	if (say_file(301, BODY(10)) != 0)
		probe_bail("no file");
	say_slice(10, 0, 301, 2000000);
	say_slice(10, 2000000, 301, 2000000);
	say_data(10, 4000000, MOVE_DATA_MAX);
	say_data(10, 4000000 + MOVE_DATA_MAX, MOVE_DATA_MAX);
	ends_the_session("more plain bytes than are allowed");
}

/* -- offers -- */

static void refused_for(unsigned int k, enum move_reason reason, const char *what)
{
	struct player *p = &stage.player[k];
	struct hy_err e = { 0 };

	probe_check(UNTIL(p->refused) && p->reason == reason, "%s is refused: %s", what,
		    move_reason_name(reason));
	if (p->kept >= 0)
		tcp_undo(p->kept, &e);
	player_close(k);
	is_alive(what);
}

static void offers(void)
{
	struct tcp_record good;

	player_open(12);
	player_freeze(12);
	good = player_rec;
	player_rec.local.addr[3] = 200;		/* 10.1.0.200 */
	player_offer(12, 12);
	refused_for(12, MOVE_NO_TWIN, "an address the guest does not have");

	player_open(13);
	player_freeze(13);
	player_rec.local = player_rec.remote;
	player_offer(13, 13);
	refused_for(13, MOVE_NO_TWIN, "the client's own address");

	player_rec = good;
	player_rec.send_len = 100;		/* and no bytes */
	player_rec.unsent_len = 0;
	{
		uint8_t record[TCP_RECORD_MAX], payload[MOVE_OFFER_MAX];
		struct move_offer o = { .record = record, .bytes = payload };

		o.record_len = (uint16_t)tcp_record_encode(&player_rec, record, sizeof(record));
		say(MSG_OFFER, 14, payload, move_offer_encode(&o, payload, sizeof(payload)));
	}
	ends_the_session("an offer whose lengths do not fit");
}

/* Offers whose queues never come take a place each; the next is refused, cancel makes room. */
static void queues_that_do_not_come(void)
{
	uint8_t record[TCP_RECORD_MAX], payload[MOVE_OFFER_MAX];
	struct move_offer o = { .record = record, .rest = 4096 };
	struct player *p = &stage.player[40];

	player_open(15);
	player_freeze(15);
	player_rec.recv_len = 0;
	player_rec.send_len = player_rec.unsent_len = 4096;
	o.bytes = payload;
	o.record_len = (uint16_t)tcp_record_encode(&player_rec, record, sizeof(record));
	memset(p, 0, sizeof(*p));
	p->client = p->kept = -1;
	for (uint32_t id = 5000; id < 5000 + HY_MOVES_MAX; id++)
		say(MSG_OFFER, id, payload, move_offer_encode(&o, payload, sizeof(payload)));
	say(MSG_OFFER, 40, payload, move_offer_encode(&o, payload, sizeof(payload)));
	probe_check(UNTIL(p->refused) && p->reason == MOVE_LIMIT_MOVES,
		    "%d offers with queues on the way, the next is refused", HY_MOVES_MAX);
	is_alive("offers without their queues");
	for (uint32_t id = 5000; id < 5000 + HY_MOVES_MAX; id++)
		say(MSG_CANCEL, id, NULL, 0);
	p->refused = false;
	say(MSG_OFFER, 40, payload, move_offer_encode(&o, payload, sizeof(payload)));
	stage_settle(2);
	probe_check(!p->refused, "cancelled, they make room");
	say(MSG_CANCEL, 40, NULL, 0);
	probe_check(UNTIL(p->refused) && p->reason == MOVE_CANCELLED, "a cancel is answered");
	probe_check(stage_counted("coming") == 0, "nothing is left of them");
	player_close(15);
}

static void a_queue_of_another_length(void)
{
	uint8_t record[TCP_RECORD_MAX], payload[MOVE_OFFER_MAX];
	struct move_offer o = { .record = record, .rest = 4096, .bytes = payload };
	struct player *p = &stage.player[16];

	player_open(16);
	player_freeze(16);
	player_rec.recv_len = 0;
	player_rec.send_len = player_rec.unsent_len = 4096;
	o.record_len = (uint16_t)tcp_record_encode(&player_rec, record, sizeof(record));
	say(MSG_OFFER, 16, payload, move_offer_encode(&o, payload, sizeof(payload)));
	{
		struct chan_stream s = { .type = MSG_QUEUE, .id = 16, .data = stage.bytes,
					 .total = 5000, .done = stage_sent };

		if (chan_send_stream(&stage.chan, &s) < 0)
			probe_bail("no stream");
		UNTIL(p->refused);
	}
	refused_for(16, MOVE_ERROR, "a queue of another length");
}

/* -- files -- */

static void opens_as(const char *path, int num, const char *what)
{
	static uint32_t id = 900;
	struct move_file f = { .by_inode = 1 };
	int got;

	snprintf(f.path, sizeof(f.path), "%s", path);
	got = say_file_as(id++, &f);
	probe_check(got == num || (num == 0 && got > 0), "%s is not opened: %s", what,
		    strerror(got));
}

/* Their names, one behind the other; inotify tells of each open() but those of a path only. */
static void watch_opens(int watch, char *names, size_t size)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(watch, buf, sizeof(buf));

	names[0] = '\0';
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *ev = (const struct inotify_event *)(buf + at);
		size_t used = strlen(names);

		snprintf(names + used, size - used, "%s ", ev->len ? ev->name : "?");
		at += (ssize_t)(sizeof(*ev) + ev->len);
	}
}

/* To open them would be to do something already. */
static void opens_nothing(void)
{
	hy_autofd watch = (int)PROBE_TRY(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	char names[256];

	PROBE_TRY(inotify_add_watch(watch, stage.share, IN_OPEN));
	opens_as("pipe", EINVAL, "a pipe");
	opens_as("socket", EINVAL, "a socket");
	if (stage.devices)
		opens_as("zero", EINVAL, "a device");
	else
		probe_skip("a device", "no right to make one");
	watch_opens(watch, names, sizeof(names));
	probe_check(names[0] == '\0', "nor were they opened to find that out: %s", names);
	opens_as("short", ESTALE, "a file with another inode");
	watch_opens(watch, names, sizeof(names));
	probe_check(strcmp(names, "short ") == 0, "as this one was: %s", names);
}

static void files(void)
{
	struct move_file f = { 0 };
	struct stat st;
	char path[128];

	opens_as("out/passwd", ELOOP, "what is behind a link out of the share");
	opens_as("link", ELOOP, "a link within the share");
	opens_as("dir", EINVAL, "a directory");
	opens_nothing();
	opens_as("nothing", ENOENT, "what is not there");
	snprintf(path, sizeof(path), "%s/short", stage.share);
	stat(path, &st);
	snprintf(f.path, sizeof(f.path), "short");
	f.size = (uint64_t)st.st_size;
	f.mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000ull + (uint64_t)st.st_mtim.tv_nsec;
	probe_check(say_file_as(800, &f) == 0, "without inodes size and time decide");
	f.mtime_ns++;
	probe_check(say_file_as(801, &f) == ESTALE, "and another time is another file");
	probe_check(say_file(800, "short") == EEXIST, "a number that is in use is refused");
	is_alive("all kinds of files");
}

static void too_many_files(void)
{
	uint32_t id;
	int num = 0;

	for (id = 10000; id < 10000 + HY_FILES_MAX + 1 && num == 0; id++)
		num = say_file(id, "short");
	probe_check(num == EMFILE, "%d files are open, the next is refused", HY_FILES_MAX);
	while (--id >= 10000)
		say(MSG_FILE_CLOSE, id, NULL, 0);
	probe_check(stage_counted("files") < 20, "closed again");
	is_alive("as many files as may be");
}

static void addresses(void)
{
	struct move_address a[2] = { { .family = 2, .addr = { 10, 1, 0, 1 } },
				     { .family = 2, .addr = { 10, 1, 0, 2 } } };
	uint8_t payload[MOVE_ADDRESSES_MAX];

	say(MSG_ADDRESSES, 0, payload, move_addresses_encode(a, 2, payload, sizeof(payload)));
	probe_check(UNTIL(stage.addresses == 2), "the guest's addresses reach the keeper");
}

/* Thousands of words of itself: the last one counts, and others are served meanwhile. */
static void reports(void)
{
	enum { REPORTS = 5000 };
	struct report r = { .share = REPORT_SHARE_9P, .cpus = 1 };
	uint64_t before = stage_counted("told");
	uint8_t payload[REPORT_LEN];

	for (unsigned int i = 0; i < REPORTS; i++) {
		r.load_100 = i;
		say(MSG_REPORT, i, payload, report_encode(&r, payload, sizeof(payload)));
	}
	probe_check(UNTIL(stage_count("told") >= before + REPORTS), "every report was taken");
	probe_check(UNTIL(stage_count("load_100") == REPORTS - 1), "the last one is shown");
	is_alive("reports without end");
}

/* As many jobs as a message takes, with the longest times, again and again. */
static void jobs(void)
{
	enum { MESSAGES = 1000 };
	static struct jobs_told m = { .n = HY_JOBS_BATCH_MAX };
	uint64_t before = stage_counted("told");
	uint8_t payload[JOBS_MAX];

	for (unsigned int i = 1; i <= MESSAGES; i++) {
		for (unsigned int k = 0; k < m.n; k++)
			m.at[k] = (struct job_record){ .serial = UINT64_MAX - k * i,
						       .state = JOB_EXITED,
						       .waited_us = HY_JOB_US_MAX,
						       .ran_us = HY_JOB_US_MAX, .name = "\"},{" };
		m.totals.arrived = i;
		say(MSG_JOBS, i, payload, jobs_encode(&m, payload, sizeof(payload)));
	}
	probe_check(UNTIL(stage_count("told") >= before + MESSAGES), "all of them were taken");
	probe_check(UNTIL(stage_count("arrived") == MESSAGES), "the last totals are shown");
	is_alive("jobs without end");
}

/* Only rows of the table, only of copies, and of other kinds than what the host keeps to itself. */
static void options(void)
{
	static const uint8_t none[] = { 0, OPTIONS, OPTION_SO_MARK, OPTION_TCP_INFO,
					OPTION_SO_SNDBUF, OPTION_SO_LINGER };
	const struct option_ask ask = { .ask = 1, .id = OPTION_SO_SNDBUF };
	struct option_value v = { .id = OPTION_SO_KEEPALIVE };
	uint8_t payload[OPTION_SET_MAX];

	option_put_int(&v, 1);
	say(MSG_OPTION, 47, payload, option_set_encode(&v, payload, sizeof(payload)));
	for (unsigned int i = 0; i < 200; i++)
		say(MSG_OPTION, HONEST, payload,
		    option_set_encode(&v, payload, sizeof(payload)));
	is_alive("options of what is not there, and many of what is");
	for (size_t i = 0; i < sizeof(none); i++) {
		v.id = none[i];
		if (v.id == OPTION_SO_LINGER)
			v.len = 8;
		say(MSG_OPTION, HONEST, payload,
		    option_set_encode(&v, payload, sizeof(payload)));
		ends_the_session("an option that is not the copy's");
	}
	say(MSG_OPTION_ASK, HONEST, payload, option_ask_encode(&ask, payload, sizeof(payload)));
	ends_the_session("a question that is not the copy's");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		probe_bail("usage: %s WORKER", argv[0]);
	stage_open(110, argv[1]);
	stage_start(NULL);
	worker_pid = stage.keep.child.pid;
	moved(HONEST)->resumed = true;
	is_alive("nothing so far");
	unknown_numbers();
	messages_that_cannot_be_read();
	out_of_place();
	too_many_items();
	offers();
	queues_that_do_not_come();
	a_queue_of_another_length();
	files();
	too_many_files();
	addresses();
	options();
	reports();
	jobs();
	stage_stop();
	stage_close();
	return probe_end("whatever a guest says, its worker and its other connections go on");
}
