/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_kills.c - the agent is killed at each of its steps: every byte comes, or a reset
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

#define SLICE (200u << 10)
#define UNREAD 100
#define CROWDED (300u << 10)		/* unread by the client: too much to move with */

static int body;

/* Where a kill may end a connection: between a call and the note of it. */
static const struct step {
	const char *name;
	bool may_reset;
} steps[] = {
	{ "move.drain", false }, { "move.freeze", false }, { "move.dump", false },
	{ "move.offer", false }, { "move.silence", false }, { "pair.sent", false },
	{ "pair.take", false },
	{ "home.rebuild", false }, { "home.taken", false }, { "home.live", false },
	{ "give.back", false }, { "up.deliver", true }, { "resume.ask", false },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static struct player *p;
static struct copy *c;

static bool dead(void)
{
	return p->error || p->eof || p->up_error || p->up_eof;
}

static bool heard(void)
{
	return c->there && c->got == player_said(p) - p->before && copy_heard_right(0);
}

static bool client_bytes_are_there(void)
{
	int n = 0;

	return ioctl(p->server, SIOCINQ, &n) == 0 && n == UNREAD;
}

/* A client that reads nothing, and more in flight than a connection may move with. */
static void crowd(void)
{
	const int room = CROWDED;

	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	p->stalls = true;
	player_plain(0, CROWDED);
}

static void begin(bool crowded)
{
	unsigned int ups = scene.ups;

	p = &scene.player[0];
	c = copy_of(0);
	player_open(0);
	player_plain(0, 240);
	if (crowded)
		crowd();
	player_client_sends(0, UNREAD, 0);
	UNTIL(client_bytes_are_there());
	player_give(0);
	(void)player_slice(0, body, 0, SLICE, -1);
	if (crowded)
		UNTIL(scene.ups > ups);
	p->stalls = false;
	UNTIL(dead() || heard() || player_all_read(0));
}

/* Says it again whenever a new agent asks, as a worker would. */
static bool up_is_taken(void)
{
	if (!c->there || c->taken == UNREAD || c->resume.up == UNREAD)
		return true;
	if (c->resumed && scene.up) {
		c->resumed = false;
		copy_says_up(0, c->resume.up, UNREAD - (size_t)c->resume.up, c->resume.up);
	}
	return dead();
}

static bool is_home(void)
{
	if (c->resumed && c->there && scene.up) {
		c->resumed = false;
		copy_home(0);
	}
	return dead() || !c->there;
}

static void go_home(void)
{
	c->resumed = true;
	UNTIL(up_is_taken());
	if (c->there && !dead())
		c->taken = UNREAD;
	UNTIL(!c->there || dead() || p->up_read == UNREAD);
	c->resumed = true;
	UNTIL(is_home());
}

static void say_last(void)
{
	if (!dead()) {
		player_plain(0, 3000);
		player_slice(0, body, 7, 9999, -1);
	}
	UNTIL(dead() || (player_all_read(0) && p->up_read == UNREAD));
}

static void run_through(const struct step *s, unsigned int ups)
{
	begin(strcmp(s->name, "move.drain") == 0);
	if (strcmp(s->name, "move.silence") == 0)
		UNTIL(scene.ups > ups || dead());
	if (strcmp(s->name, "resume.ask") == 0)
		scene_hang_up();
	if (c->there)
		go_home();
	say_last();
}

static void judge(const struct step *s, unsigned int before)
{
	char what[64];

	snprintf(what, sizeof(what), "killed at %s", s->name);
	probe_check(UNTIL(scene.ups > before), "%s: the next agent is there", what);
	if (dead() && s->may_reset)
		probe_check(!p->eof && !p->read_wrong, "%s: a reset, and no false end", what);
	else
		probe_check(!dead() && player_all_read(0) && p->up_read == UNREAD && !p->up_wrong,
			    "%s: all bytes came, down %llu of %llu, up %llu", what,
			    (unsigned long long)p->read, (unsigned long long)player_said(p),
			    (unsigned long long)p->up_read);
}

static void kill_at(const struct step *s)
{
	char fault[64];
	unsigned int before;

	snprintf(fault, sizeof(fault), "%s:kill", s->name);
	scene_start(fault, NULL);
	scene_join();
	scene.closes = true;
	before = scene.ups;
	run_through(s, before);
	if (strcmp(s->name, "give.back") == 0) {
		probe_check(player_take_back(0) < 0, "the agent dies before it gives back");
		UNTIL(scene.ups > before);
		player_plain(0, 10);
		UNTIL(dead() || player_all_read(0));
	}
	judge(s, before);
	player_close(0);	/* or the agent would wait for it */
	scene_stop();
}

/*
 * The program that waits for its slice runs as soon as it is told, and the agent perhaps no more:
 * by then nothing may be half done.
 */
static void kill_when_told(void)
{
	int told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t times = 0;
	unsigned int before;

	scene_start("pair.take:kill", NULL);
	scene_join();
	scene.closes = true;
	before = scene.ups;
	p = &scene.player[0];
	c = copy_of(0);
	player_open(0);
	player_give(0);
	(void)player_slice(0, body, 0, SLICE, told);
	UNTIL(scene.ups > before || dead());
	probe_check(read(told, &times, sizeof(times)) == sizeof(times),
		    "the program is told before its marker is taken out");
	player_plain(0, 3000);
	UNTIL(dead() || heard());
	probe_check(!dead() && heard(), "killed right then: all bytes came");
	close(told);
	player_close(0);
	scene_stop();
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	body = scene_file("body", O_RDONLY);
	for (unsigned int i = 0; i < STEPS; i++)
		kill_at(&steps[i]);
	kill_when_told();
	scene_close();
	return probe_end("killed at any of %zu steps, no byte is lost and no end is false", STEPS);
}
