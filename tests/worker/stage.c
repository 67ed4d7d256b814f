/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stage.c - namespaces, the share, keeper and worker, and the agent's ears
 *
 * Runs in: the tests of the worker, in network namespaces of their own
 * Reads from: no untrusted input
 */
#include "tests/worker/stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "proto/msg.h"
#include "proto/report.h"
#include "tests/move/wire_up.h"
#include "tests/move/world.h"
#include "tests/probes/tcp_sock.h"

#define MTU 9000
#define CLIENT "10.9.0.1"
#define PATIENCE_MS 20000
#define FDS_MAX 4096
#define PIECE 65536

struct stage stage;

static const char *worker_path;
static struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };
static uint64_t patience_end_ms;

/* -- networks -- */

static void make_place(int *ns, const char *link)
{
	char addr[32];
	int rc;

	*ns = probe_netns_new();
	rc = probe_veth(link, "s", *ns);
	if (rc)
		probe_skip_all("a veth pair: %s", strerror(-rc));
	wire_up_link(link, MTU);
	probe_netns_enter(*ns);
	wire_up_link("s", MTU);
	for (unsigned int k = 1; k < PLAYERS; k++) {
		snprintf(addr, sizeof(addr), "10.1.0.%u", k);
		wire_up_address("s", addr);
	}
	wire_up_route("s", CLIENT);
	probe_netns_enter(stage.client_ns);
}

/*
 * Frames of a client go to the twin before the copy is there: without a listener that drops them
 * the twin would answer with a RST. A real twin gets no frame for a socket it does not have.
 */
static void make_deaf(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };

	probe_netns_enter(stage.twin_ns);
	stage.deaf = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(bind(stage.deaf, (struct sockaddr *)&any, sizeof(any)));
	PROBE_TRY(listen(stage.deaf, 1));
	tcp_sock_freeze(stage.deaf);
	probe_netns_enter(stage.client_ns);
}

static void make_tun(void)
{
	probe_netns_enter(stage.twin_ns);
	world_sysctl("ipv4/conf/all/rp_filter", "0");
	world_sysctl("ipv4/conf/default/rp_filter", "0");
	stage.tun = wire_up_tun();
	probe_netns_enter(stage.client_ns);
}

static void make_networks(void)
{
	stage.client_ns = probe_netns_here();
	make_place(&stage.guest_ns, "c0");
	make_place(&stage.twin_ns, "c1");
	make_tun();
	make_deaf();
	wire_up_address("lo", CLIENT);
}

/* -- the share -- */

static void make_file(const char *name, size_t len, unsigned int stream)
{
	uint8_t piece[PIECE];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", stage.share, name);
	fd = (int)PROBE_TRY(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	for (size_t at = 0; at < len; at += PIECE) {
		probe_fill(piece, PIECE, at, stream);
		PROBE_TRY(write(fd, piece, len - at < PIECE ? len - at : PIECE));
	}
	close(fd);
}

static void make_share(void)
{
	char path[128];

	snprintf(stage.dir, sizeof(stage.dir), "/tmp/hylics-worker-XXXXXX");
	if (!mkdtemp(stage.dir))
		probe_bail("mkdtemp: %s", strerror(errno));
	snprintf(stage.channel, sizeof(stage.channel), "%s/channel", stage.dir);
	snprintf(stage.stats, sizeof(stage.stats), "%s/stats", stage.dir);
	snprintf(stage.share, sizeof(stage.share), "%s/share", stage.dir);
	PROBE_TRY(mkdir(stage.share, 0755));
	make_file(BODY(0), BODY_BYTES, DOWN(0));
	make_file(BODY(1), BODY_BYTES, DOWN(1));
	make_file("short", PIECE, DOWN(0));
	snprintf(path, sizeof(path), "%s/dir", stage.share);
	PROBE_TRY(mkdir(path, 0755));
	snprintf(path, sizeof(path), "%s/pipe", stage.share);
	PROBE_TRY(mkfifo(path, 0644));
	snprintf(path, sizeof(path), "%s/socket", stage.share);
	PROBE_TRY(mknod(path, S_IFSOCK | 0666, 0));
	snprintf(path, sizeof(path), "%s/zero", stage.share);
	stage.devices = mknod(path, S_IFCHR | 0666, makedev(1, 5)) == 0;
	snprintf(path, sizeof(path), "%s/link", stage.share);
	PROBE_TRY(symlink(BODY(0), path));
	snprintf(path, sizeof(path), "%s/out", stage.share);
	PROBE_TRY(symlink("/etc", path));
}

static void remove_share(void)
{
	static const char *const names[] = {
		"share/body0", "share/body1", "share/short", "share/pipe", "share/link",
		"share/out", "share/socket", "share/zero", "stats", "channel",
	};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", stage.dir, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/share/dir", stage.dir);
	rmdir(path);
	rmdir(stage.share);
	rmdir(stage.dir);
}

/* -- keeper and worker -- */

static int be_worker(void *object, int link)
{
	char channel[80], option[32];

	(void)object;
	snprintf(channel, sizeof(channel), "unix:%s", stage.channel);
	snprintf(option, sizeof(option), "--link=%d", link);
	if (setns(stage.twin_ns, CLONE_NEWNET) < 0 || fcntl(link, F_SETFD, 0) < 0)
		return 1;
	execl(worker_path, worker_path, "--channel", channel, "--share", stage.share, "--stats",
	      stage.stats, "--alone", "2s", "--log-level",
	      getenv("HYLICS_TEST_LOG") ? "debug" : "error", option, NULL);
	return 1;
}

static void on_other(void *object, uint32_t what, const uint8_t *payload, size_t len)
{
	struct move_address a[HY_TWIN_ADDRS_MAX];
	unsigned int n;

	(void)object;
	if (what == MSG_ADDRESSES && move_addresses_decode(payload, len, a, &n) == 0)
		stage.addresses = n;
}

static void on_finished(void *object)
{
	(void)object;
	stage.keeper_done = true;
}

/* Where segments that come late go in; the keeper's other tools are not needed here. */
static int tool(void *object, unsigned int number)
{
	(void)object;
	return number == 3 ? stage.tun : -1;
}

static const struct keep_ops keep_ops = {
	.child = be_worker, .tool = tool, .on_other = on_other, .on_finished = on_finished,
};

void stage_start(const char *fault)
{
	const struct keep_config cfg = { .n_slots = HY_CONNS_MAX,
					 .table_bytes = HY_WORKER_TABLE_BYTES, .ops = &keep_ops,
					 .loop = &stage.loop, .log = &quiet };
	struct hy_err e = { 0 };

	stage.keeper_done = false;
	unlink(stage.stats);
	if (fault)
		setenv("HYLICS_FAULT", fault, 1);
	if (keep_open(&stage.keep, &cfg, &e) < 0)
		probe_bail("keeper: %s", e.text);
	unsetenv("HYLICS_FAULT");
	stage_connect();
}

void stage_stop(void)
{
	stage_hang_up();
	keep_close(&stage.keep);
	unlink(stage.channel);
}

void stage_kill_worker(void)
{
	unsigned int downs = stage.downs;

	PROBE_TRY(kill(stage.keep.child.pid, SIGKILL));
	if (!UNTIL(stage.downs > downs) || !UNTIL(stage.up))
		probe_bail("no channel after a worker's death");
}

void stage_lose_keeper(void)
{
	ev_del(&stage.loop, stage.keep.link);
	hy_fd_close(&stage.keep.link);
	stage.keep.stopping = true;
}

/* -- the agent -- */

static void agent_up(void *object, const struct msg_hello *peer)
{
	(void)object;
	(void)peer;
	stage.up = true;
	stage.ups++;
}

static void agent_down(void *object, const char *why)
{
	(void)object;
	if (getenv("HYLICS_TEST_LOG"))
		probe_note("channel down: %s", why);
	stage.up = false;
	stage.downs++;
}

static void hear_up(unsigned int k, const struct message *m)
{
	struct player *p = &stage.player[k];
	struct move_up up;

	if (move_up_decode(m->payload, m->len, &up) < 0)
		probe_bail("an up message that cannot be read");
	p->up_wrong |= up.pos != p->up || probe_first_wrong(up.bytes, up.bytes_len, up.pos,
							    UP(k)) >= 0;
	if (up.bytes_len == 0) {
		p->fin = true;
		return;
	}
	if (stage.policy == UP_TAKE)
		p->up = up.pos + up.bytes_len;
	if (stage.policy == UP_FULL)
		p->up = up.pos + up.bytes_len / 2;
	if (stage.policy != UP_HOLD)
		say_taken(k, p->up, stage.policy == UP_TAKE);
}

static void hear_home(unsigned int k, const struct message *m)
{
	struct player *p = &stage.player[k];
	struct move_offer o;

	if (move_offer_decode(m->payload, m->len, &o) < 0 ||
	    tcp_record_decode(o.record, o.record_len, &p->home.rec) < 0)
		probe_bail("a home offer that cannot be read");
	p->home.room = o.bytes_len + o.rest;
	free(p->home.bytes);
	p->home.bytes = malloc(p->home.room + 1);
	memcpy(p->home.bytes, o.bytes, o.bytes_len);
	p->home_got = p->home_first = o.bytes_len;
	p->home_all = o.bytes_len + o.rest;
	p->home_down = o.down;
	p->home_up = o.up;
	p->home_void = stage.no_room > 0;
	p->home_offered = o.rest == 0 && !p->home_void;
	if (p->home_void) {
		stage.no_room--;
		say_home_taken(k, MOVE_LIMIT_MOVES);
	}
}

static void hear_queue(unsigned int k, const struct message *m)
{
	struct player *p = &stage.player[k];

	if (m->offset != p->home_got - p->home_first || m->total != p->home_all - p->home_first) {
		p->home_wrong = true;
		return;
	}
	memcpy(p->home.bytes + p->home_got, m->payload, m->len);
	p->home_got += m->len;
	p->home_offered = p->home_got == p->home_all && !p->home_void;
}

static void hear_pos(struct player *p, const struct message *m)
{
	struct move_pos pos;

	if (move_pos_decode(m->payload, m->len, &pos) < 0)
		probe_bail("a position that cannot be read");
	if (m->info->type == MSG_SENT) {
		p->sent = pos.pos;
		p->words++;
	} else {
		p->stuck++;
		p->stuck_at = pos.pos;
	}
}

static void hear_resumed(struct player *p, const struct message *m)
{
	struct move_resumed r;

	if (move_resumed_decode(m->payload, m->len, &r) < 0)
		probe_bail("an answer to a resume that cannot be read");
	p->resumed = r.known;
	p->unknown = !r.known;
	p->resumed_down = r.down;
	p->resumed_up = r.up;
}

static void hear_of_player(unsigned int k, const struct message *m)
{
	struct player *p = &stage.player[k];
	struct move_answer a;

	switch (m->info->type) {
	case MSG_ADOPTED:
		p->adopted = true;
		break;
	case MSG_REFUSED:
		p->refused = true;
		if (move_answer_decode(m->payload, m->len, &a) == 0)
			p->reason = a.reason;
		break;
	case MSG_SENT:
	case MSG_STUCK:
		hear_pos(p, m);
		break;
	case MSG_UP:
		hear_up(k, m);
		break;
	case MSG_ENDED:
		p->ended = true;
		move_end_decode(m->payload, m->len, &p->end);
		break;
	case MSG_HOME_OFFER:
		hear_home(k, m);
		break;
	case MSG_QUEUE:
		hear_queue(k, m);
		break;
	case MSG_HOME_DONE:
		p->home_done = true;
		break;
	case MSG_RESUMED:
		hear_resumed(p, m);
		break;
	default:
		break;
	}
}

static unsigned int pongs;

static int agent_message(void *object, const struct message *m)
{
	(void)object;
	if (m->info->type == MSG_PONG) {
		pongs++;
	} else if (m->info->type == MSG_FILE_OPENED) {
		stage.has_opened = true;
		stage.opened_id = m->id;
		return move_opened_decode(m->payload, m->len, &stage.opened);
	} else if (m->info->type == MSG_CAST_TOLD) {
		stage.cast_id = m->id;
		stage.cast_words++;
		return cast_decode_told(m->payload, m->len, &stage.cast);
	} else if (m->id < PLAYERS) {
		hear_of_player(m->id, m);
	}
	return 0;
}

static const struct chan_ops agent_ops = { agent_up, agent_down, agent_message, NULL };

void stage_connect(void)
{
	struct chan_config cfg = { .role = ROLE_GUEST, .software = "test agent",
				   .addr = { .kind = CHAN_UNIX } };
	struct hy_err e = { 0 };

	snprintf(cfg.addr.path, sizeof(cfg.addr.path), "%s", stage.channel);
	if (chan_open(&stage.chan, &cfg, &agent_ops, NULL, &stage.loop, &quiet, &e) < 0)
		probe_bail("channel: %s", e.text);
	if (!UNTIL(stage.up))
		probe_bail("the channel does not come up");
}

void stage_hang_up(void)
{
	chan_close(&stage.chan);
	stage.up = false;
}

void stage_sent(struct chan_stream *s, int rc)
{
	(void)s;
	(void)rc;
}

/* -- time -- */

void stage_patience(void)
{
	patience_end_ms = hy_clock_ms() + PATIENCE_MS;
}

bool stage_round(void)
{
	struct hy_err e = { 0 };

	if (ev_round(&stage.loop, 5, &e) < 0)
		probe_bail("loop: %s", e.text);
	return hy_clock_ms() < patience_end_ms;
}

void stage_settle(unsigned int round_trips)
{
	for (unsigned int i = 0; i < round_trips; i++) {
		unsigned int before = pongs;

		say(MSG_PING, 1, NULL, 0);
		if (!UNTIL(pongs > before || !stage.up))
			probe_bail("no pong");
	}
}

uint64_t stage_count(const char *name)
{
	char text[8192], word[64];
	int fd = open(stage.stats, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	const char *at;

	hy_fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	snprintf(word, sizeof(word), "\"%s\":", name);
	at = strstr(text, word);
	return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/* A number that the worker shows beside its counters tells which moment they are of. */
uint64_t stage_counted(const char *name)
{
	static uint32_t moment = 1u << 20;
	struct report r = { .load_100 = ++moment };
	uint8_t payload[REPORT_LEN];

	stage_settle(1);
	say(MSG_REPORT, 1, payload, report_encode(&r, payload, sizeof(payload)));
	if (!UNTIL(stage_count("load_100") == moment))
		probe_bail("the worker does not show what it has counted");
	return stage_count(name);
}

void stage_open(unsigned int limit_s, const char *worker)
{
	struct hy_err e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	worker_path = worker;
	if (getenv("HYLICS_TEST_LOG"))
		quiet.level = HY_LOG_DEBUG;
	probe_begin(limit_s);
	probe_private_net(0);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	make_networks();
	make_share();
	stage.bytes = malloc(ROOM_BYTES);
	if (!stage.bytes || ev_open(&stage.loop, FDS_MAX, &e) < 0)
		probe_bail("no memory");
	for (unsigned int k = 0; k < PLAYERS; k++)
		stage.player[k].client = stage.player[k].kept = -1;
}

void stage_close(void)
{
	for (unsigned int k = 0; k < PLAYERS; k++)
		player_close(k);
	ev_close(&stage.loop);
	hy_mem_free(&stage.bytes);
	remove_share();
}
