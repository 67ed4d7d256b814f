/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_waits.c - what an agent owes is not lost while it waits: for room, for whose a connection is
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "common/unixsock.h"

#define CROWD (PLAYERS - 1)		/* a message of each fills all there is on the way here */
#define SLICE (300u << 10)
#define SMALL 1000u
#define UNREAD 10
#define IDLE_ROUNDS 20
#define LOOKS 50
#define BUSY_ROUNDS 300ull		/* of a millisecond each, at least */

static int body;

/* The @k-th connection of this program is the k-th that is offered, too. */
static struct player *move_with(unsigned int k, uint64_t len)
{
	int unread = 0;

	player_open(k);
	player_plain(k, 240);
	player_client_sends(k, UNREAD, 0);
	UNTIL(ioctl(scene.player[k].server, SIOCINQ, &unread) == 0 && unread == UNREAD);
	player_give(k);
	if (!player_slice(k, body, 0, len, -1))
		probe_bail("the pair is full at once");
	if (!UNTIL(scene.page->slot[k].state == SLOT_MOVED))
		probe_bail("the connection is not adopted");
	return &scene.player[k];
}

static struct player *move(unsigned int k)
{
	return move_with(k, SLICE);
}

static bool goes_on(unsigned int k)
{
	player_plain(k, 3000);
	return UNTIL(copy_heard_all(k) || player_ended(&scene.player[k])) && copy_heard_all(k);
}

static void program_gets_what_it_does_not_read(unsigned int k)
{
	scene.player[k].reads_not = true;
	copy_says_up(k, 0, UNREAD, 0);
	UNTIL(copy_of(k)->taken == UNREAD);
}

static void program_closes(unsigned int k)
{
	hy_fd_close(&scene.player[k].pair);
}

static void begin(const char *fault)
{
	scene_start(fault, NULL);
	scene_join();
}

/* An agent that is told to end waits for none of them. */
static void end(void)
{
	scene.hold_sent = false;
	for (unsigned int k = 0; k < scene.n_copies; k++) {
		player_close(k);
		UNTIL(scene.page->slot[k].state >= SLOT_GONE);
	}
	scene_stop();
}

/* -- items -- */

/* Plain bytes and the marker behind them come in one look, and are two items. */
static void test_two_items_of_one_look(void)
{
	struct copy *c = copy_of(0);

	begin(NULL);
	scene.hold_sent = true;
	move(0);
	PROBE_TRY(kill(scene_agent_pid(), SIGSTOP));
	for (unsigned int i = 0; i < HY_ITEMS_MAX / 2; i++) {
		player_plain(0, 10);
		player_slice(0, body, i, 1000, -1);
	}
	PROBE_TRY(kill(scene_agent_pid(), SIGCONT));
	scene_idle(IDLE_ROUNDS);
	probe_check(c->items <= HY_ITEMS_MAX, "%u items go ahead, heads and slices by turns",
		    c->items);
	scene.hold_sent = false;
	copy_sent(c, c->got);
	probe_check(UNTIL(copy_heard_all(0)), "the rest follows when they were sent");
	end();
}

static int another_file(void)
{
	static uint8_t bytes[2 * SLICE];
	int fd = scene_file("short", O_RDWR | O_CREAT);

	probe_fill(bytes, sizeof(bytes), 0, FILE_STREAM);
	PROBE_TRY(write(fd, bytes, sizeof(bytes)));
	return fd;
}

static void another_file_goes(void)
{
	close(scene_file("short", O_RDONLY));
	PROBE_TRY(unlink(scene.path));
}

/*
 * The host has two slices from the session before, and sends them. The agent, which has to say
 * them again, finds that the file has no name any more, and reads the first one itself.
 */
static void test_read_here_what_the_host_has(void)
{
	struct copy *c = copy_of(0);

	begin(NULL);
	scene.hold_sent = true;
	move(0);
	hy_autofd file = another_file();
	player_slice(0, file, 0, SLICE, -1);
	player_slice(0, file, SLICE, SLICE, -1);
	UNTIL(copy_heard_all(0));
	c->unsent = c->got;
	another_file_goes();
	scene_hang_up();
	UNTIL(c->resumed);
	scene_idle(IDLE_ROUNDS);
	copy_sent(c, 2 * SLICE);
	scene_idle(IDLE_ROUNDS);
	copy_sent(c, 3 * SLICE);
	probe_check(goes_on(0), "a file that is read here is sent by the host: on it goes");
	end();
}

/* -- no room -- */

/* The worker reads nothing, or does so again. */
static void be_deaf(bool deaf)
{
	PROBE_TRY(ev_mod(&scene.loop, scene.chan.fd, deaf ? 0 : EPOLLIN));
}

/* Connection 0, which fits into one message, and a crowd whose bytes leave the channel no room. */
static struct player *move_into_a_crowd(const char *fault)
{
	struct player *p;

	begin(fault);
	scene.hold_sent = true;
	p = move_with(0, SMALL);
	UNTIL(copy_heard_all(0));
	for (unsigned int k = 1; k <= CROWD; k++) {
		move(k);
		UNTIL(copy_heard_all(k));
	}
	return p;
}

/* Smaller and smaller items, until not even the least has room. */
static void fill_the_channel(void)
{
	static const size_t sizes[] = { 4000, 1000, 400, 100, 10, 1 };
	const unsigned int n = sizeof(sizes) / sizeof(sizes[0]);

	be_deaf(true);
	for (unsigned int k = 1; k <= CROWD - n; k++)
		player_plain(k, MOVE_DATA_MAX);
	scene_idle(IDLE_ROUNDS);
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int times = 0; times < 4; times++) {
			player_plain(CROWD - n + 1 + i, sizes[i]);
			scene_idle(3);
		}
	}
}

/* Everybody else's bytes come, and all of them: nobody was forgotten. */
static void hear_the_crowd(void)
{
	be_deaf(false);
	scene.hold_sent = false;
	for (unsigned int k = 1; k <= CROWD; k++) {
		copy_sent(copy_of(k), copy_of(k)->got);
		if (!UNTIL(copy_heard_all(k)))
			probe_check(false, "connection %u of the crowd is heard", k);
	}
}

/*
 * It stays with the host, which goes on with what it had been told before: the agent is told how
 * far that is before it had room to say any of it again.
 */
static void test_sent_before_it_is_looked_at_again(void)
{
	struct player *p = move_into_a_crowd("home.rebuild:fail");
	struct copy *c = copy_of(0);

	player_plain(0, 5000);
	UNTIL(copy_heard_all(0));
	fill_the_channel();
	c->unsent = 3000;
	copy_home(0);
	scene_idle(IDLE_ROUNDS);
	copy_sent(c, c->got - 1000);
	copy_sent(c, c->got);
	scene_idle(IDLE_ROUNDS);
	hear_the_crowd();
	probe_check(UNTIL(c->home_taken) && c->home_answer != MOVE_DONE, "it stays with the host");
	probe_check(!player_ended(p) && goes_on(0), "and goes on there");
	end();
}

static void test_reset_that_finds_no_room(void)
{
	move_into_a_crowd(NULL);
	program_gets_what_it_does_not_read(0);
	fill_the_channel();
	program_closes(0);
	scene_idle(IDLE_ROUNDS);
	hear_the_crowd();
	probe_check(UNTIL(copy_of(0)->reset), "a reset is told when there is room");
	end();
}

static uint64_t agent_cpu_ns(void)
{
	struct timespec t = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(scene_agent_pid(), &clock) == 0)
		clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * HY_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* For so long nothing happens to it; a loop that goes round needs all the time there is. */
static bool agent_sleeps(void)
{
	uint64_t before = agent_cpu_ns();

	scene_idle((unsigned int)BUSY_ROUNDS);
	return agent_cpu_ns() - before < BUSY_ROUNDS * HY_NS_PER_MS / 5;
}

static void test_no_busy_loop_without_room(void)
{
	move_into_a_crowd(NULL);
	fill_the_channel();
	player_plain(0, 100);
	scene_idle(IDLE_ROUNDS);
	program_closes(0);
	probe_check(agent_sleeps(), "a close that finds no room waits");
	hear_the_crowd();
	probe_check(UNTIL(copy_of(0)->closed) && copy_heard_all(0),
		    "and is told when there is some");
	end();
}

/* A piece that is not there may only be late. */
static bool is_not_taken(int pair, uint64_t pos)
{
	int unread = 0;

	for (unsigned int i = 0; i < LOOKS && (uint64_t)unread != pos; i++) {
		scene_idle(IDLE_ROUNDS);
		PROBE_TRY(ioctl(pair, SIOCINQ, &unread));
	}
	return (uint64_t)unread != pos;
}

/* Pieces from the client until the program's side of the pair takes no more. */
static void fill_the_pair(unsigned int k)
{
	struct player *p = &scene.player[k];
	uint64_t pos = 0;

	p->reads_not = true;
	do {
		copy_says_up(k, pos, MOVE_UP_BYTES_MAX, pos);
		pos += MOVE_UP_BYTES_MAX;
	} while (!is_not_taken(p->pair, pos));
}

static void test_pair_that_is_full_without_room(void)
{
	struct player *p = move_into_a_crowd(NULL);

	fill_the_channel();
	fill_the_pair(0);
	p->reads_not = false;
	probe_check(agent_sleeps(), "a pair that has room again waits");
	hear_the_crowd();
	probe_check(UNTIL(copy_of(0)->taken == p->up_read && copy_of(0)->again),
		    "and is told when there is some");
	end();
}

/* -- a program that closes with bytes unread while nobody knows who has its connection -- */

static void test_reset_on_the_way_home(void)
{
	struct player *p;

	begin(NULL);
	p = move_with(0, SMALL);
	UNTIL(copy_heard_all(0));
	program_gets_what_it_does_not_read(0);
	copy_home(0);
	UNTIL(copy_of(0)->home_taken);
	program_closes(0);
	scene_idle(IDLE_ROUNDS);
	say(MSG_HOME_DONE, copy_of(0)->id, NULL, 0);
	probe_check(UNTIL(p->error || p->eof) && p->error == ECONNRESET,
		    "closed on the way home, the guest's own socket is reset");
	end();
	begin("home.rebuild:delay-100");
	move_with(0, SMALL);
	UNTIL(copy_heard_all(0));
	program_gets_what_it_does_not_read(0);
	copy_home(0);
	program_closes(0);
	UNTIL(copy_of(0)->home_taken);
	scene_hang_up();
	probe_check(UNTIL(copy_of(0)->reset), "and still at the host's, the host is told");
	end();
}

static void test_reset_while_it_is_asked_about(void)
{
	begin(NULL);
	move(0);
	UNTIL(copy_heard_all(0));
	program_gets_what_it_does_not_read(0);
	scene.mute = true;
	scene_hang_up();
	UNTIL(copy_of(0)->resumed);
	program_closes(0);
	scene_idle(IDLE_ROUNDS);
	scene.mute = false;
	copy_resumed(copy_of(0));
	probe_check(UNTIL(copy_of(0)->reset),
		    "closed before a resume is answered, the host is told");
	end();
}

static void test_reset_by_a_successor(void)
{
	struct player *p;

	begin("up.deliver:kill");
	p = move(0);
	UNTIL(copy_heard_all(0));
	copy_says_up(0, 0, UNREAD, 0);
	probe_check(UNTIL(copy_of(0)->reset) && UNTIL(player_ended(p)),
		    "what a killed agent left in the middle of something, the host is told of");
	scene_stop();	/* the page died with the agent that made it */
}

/* -- a program that changes its mind -- */

static void test_taken_back_before_it_is_offered(void)
{
	const int room = SLICE;
	struct player *p = &scene.player[0];

	begin(NULL);
	player_open(0);
	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	p->stalls = true;
	player_plain(0, SLICE);
	player_give(0);
	probe_check(player_take_back(0) == 0, "what waits to be offered is not given back");
	p->stalls = false;
	(void)player_slice(0, body, 0, SLICE, -1);
	probe_check(UNTIL(copy_heard_all(0)), "and is moved");
	end();
}

static unsigned int agent_descriptors(void)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)scene_agent_pid());
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Files that are not of the share: the agent reads them itself, and needs them no longer then. */
static void test_few_descriptors_of_others(void)
{
	hy_autofd other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	unsigned int before;

	begin(NULL);
	scene.hold_sent = true;
	move(0);
	UNTIL(copy_heard_all(0));
	before = agent_descriptors();
	for (unsigned int i = 0; i < HY_ITEMS_MAX / 2; i++)
		player_slice(0, other, 0, 1, -1);
	UNTIL(copy_of(0)->items > HY_ITEMS_MAX / 2);
	probe_check(UNTIL(agent_descriptors() == before), "files that were read are closed");
	end();
}

/* -- a host that is away for long -- */

/*
 * It may have taken what it did not answer yet, and know of the session's end later: when what it
 * has is lost, nothing wakes up here that its copy may still be speaking for.
 */
static void test_offered_waits_longer(void)
{
	scene.dead = "--dead=1s";
	scene_start(NULL, "--alone=300ms");
	scene_join();
	move(0);
	UNTIL(copy_heard_all(0));
	scene.answer = SILENT;
	player_open(1);
	player_plain(1, 240);
	player_give(1);
	UNTIL(scene.page->slot[1].state == SLOT_ASKED && scene.n_copies == 2);
	PROBE_TRY(ev_mod(&scene.loop, scene.chan.listener, 0));
	PROBE_TRY(shutdown(scene.chan.fd, SHUT_RDWR));
	UNTIL(scene.page->slot[0].state == SLOT_RESET);
	scene_idle(5);
	probe_check(scene.page->slot[1].state == SLOT_ASKED,
		    "a host that is gone has lost its connections, what was offered waits");
	probe_check(UNTIL(scene.page->slot[1].state == SLOT_LOCAL), "and goes on here in the end");
	player_plain(1, 1000);
	probe_check(UNTIL(player_all_read(1)), "and is served");
	PROBE_TRY(ev_mod(&scene.loop, scene.chan.listener, EPOLLIN));
	scene.dead = NULL;
	scene.answer = ADOPT;
	scene_stop();
}

/* -- a queue that is another's -- */

static void test_queue_of_another_length(void)
{
	struct player *p;

	begin(NULL);
	p = move(0);
	UNTIL(copy_heard_all(0));
	scene.short_queue = 1;
	copy_home(0);
	scene.short_queue = 0;
	probe_check(UNTIL(player_ended(p)) && UNTIL(copy_of(0)->reset),
		    "a queue that is not the offer's is no connection's");
	end();
}

/* -- numbers -- */

/* The host may still be closing what the one before has given it. */
static void test_numbers_of_another_agent(void)
{
	uint32_t id;

	begin(NULL);
	move(0);
	id = copy_of(0)->id;
	end();
	begin(NULL);
	move(0);
	probe_check(copy_of(0)->id != id, "another agent uses other numbers: %x, %x", id,
		    copy_of(0)->id);
	end();
}

/* -- a client for whom there is no descriptor -- */

static struct rlimit limit_agent(rlim_t files)
{
	struct rlimit was, is;

	PROBE_TRY(prlimit(scene_agent_pid(), RLIMIT_NOFILE, NULL, &was));
	is = (struct rlimit){ .rlim_cur = files, .rlim_max = was.rlim_max };
	PROBE_TRY(prlimit(scene_agent_pid(), RLIMIT_NOFILE, &is, NULL));
	return was;
}

static void test_client_without_a_descriptor(void)
{
	struct hy_err e = { 0 };
	struct rlimit was;
	char path[160];

	scene_start(NULL, NULL);
	was = limit_agent(0);
	snprintf(path, sizeof(path), "%s/agent.sock", scene.dir);
	hy_autofd first = hy_unix_connect(path, SOCK_SEQPACKET, &e);
	probe_check(first >= 0 && agent_sleeps(), "a client for whom there is no descriptor waits");
	limit_agent(was.rlim_cur);
	scene_join();
	probe_check(scene.page, "and comes in when there is one");
	end();
}

/* -- leaving -- */

/* A worker says nothing of a connection that cannot come home. */
static void test_those_that_do_not_come(void)
{
	const unsigned int n = HY_MOVES_MAX / 2;

	begin(NULL);
	for (unsigned int k = 0; k <= n; k++)
		move(k);
	scene.answer = SILENT;
	player_open(n + 1);
	player_give(n + 1);
	UNTIL(scene.n_copies == n + 2);
	PROBE_TRY(kill(scene.agent, SIGTERM));
	probe_check(UNTIL(copy_of(n)->home_asked || !scene.up) && copy_of(n)->home_asked,
		    "those that do not come home do not stand in others' way");
	say(MSG_ADOPTED, copy_of(n + 1)->id, NULL, 0);
	probe_check(UNTIL(copy_of(n + 1)->home_asked || !scene.up) && copy_of(n + 1)->home_asked,
		    "one that is adopted late is asked, too");
	scene_stop();
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	body = scene_file("body", O_RDONLY);
	test_two_items_of_one_look();
	test_read_here_what_the_host_has();
	test_sent_before_it_is_looked_at_again();
	test_reset_that_finds_no_room();
	test_no_busy_loop_without_room();
	test_pair_that_is_full_without_room();
	test_reset_on_the_way_home();
	test_reset_while_it_is_asked_about();
	test_reset_by_a_successor();
	test_taken_back_before_it_is_offered();
	test_few_descriptors_of_others();
	test_offered_waits_longer();
	test_queue_of_another_length();
	test_numbers_of_another_agent();
	test_client_without_a_descriptor();
	test_those_that_do_not_come();
	scene_close();
	return probe_end("nothing is lost that waits");
}
