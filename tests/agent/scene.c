/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scene.c - namespaces, the share, the agent as a process, the loop that drives the rest
 *
 * Runs in: the tests of the agent, in network namespaces of their own
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "tests/agent/parts.h"

#define GUEST "10.9.0.2"
#define CLIENT "10.9.0.1"
#define MASK "255.255.255.0"
#define PATIENCE_MS 20000
#define FDS_MAX 4096
#define PIECE 65536

struct scene scene;

static const char *agent_path;
static struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };
static uint64_t patience_end_ms;

/* -- places -- */

static void make_networks(void)
{
	int rc;

	scene.client_ns = probe_netns_here();
	scene.guest_ns = probe_netns_new();
	rc = probe_veth("c0", "s", scene.guest_ns);
	if (rc)
		probe_skip_all("a veth pair: %s", strerror(-rc));
	probe_if_up("c0", CLIENT, MASK);
	probe_netns_enter(scene.guest_ns);
	probe_if_up("s", GUEST, MASK);
	scene.listener = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(bind(scene.listener,
		       (struct sockaddr *)&(struct sockaddr_in){
			       .sin_family = AF_INET, .sin_port = htons(80),
			       .sin_addr.s_addr = inet_addr(GUEST) },
		       sizeof(struct sockaddr_in)));
	PROBE_TRY(listen(scene.listener, PLAYERS));
	probe_netns_enter(scene.client_ns);
}

static void in_dir(const char *name)
{
	snprintf(scene.path, sizeof(scene.path), "%s/%s", scene.dir, name);
}

int scene_file(const char *name, int flags)
{
	in_dir("share/");
	strncat(scene.path, name, sizeof(scene.path) - strlen(scene.path) - 1);
	return (int)PROBE_TRY(open(scene.path, flags | O_CLOEXEC, 0644));
}

static void make_share(void)
{
	uint8_t piece[PIECE];
	int fd;

	/* in memory, as a share is; and so on another device than this program itself */
	snprintf(scene.dir, sizeof(scene.dir), "/dev/shm/hylics-agent-XXXXXX");
	if (!mkdtemp(scene.dir))
		probe_bail("mkdtemp: %s", strerror(errno));
	in_dir("share");
	PROBE_TRY(mkdir(scene.path, 0755));
	fd = scene_file("body", O_WRONLY | O_CREAT);
	for (size_t at = 0; at < FILE_BYTES; at += PIECE) {
		probe_fill(piece, PIECE, at, FILE_STREAM);
		PROBE_TRY(write(fd, piece, PIECE));
	}
	close(fd);
}

static void remove_share(void)
{
	static const char *const names[] = { "share/body", "share/short", "share/pipe", "channel",
					     "agent.sock" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		in_dir(names[i]);
		unlink(scene.path);
	}
	in_dir("share");
	rmdir(scene.path);
	rmdir(scene.dir);
}

void scene_open(unsigned int limit_s, const char *agent)
{
	struct hy_err e = { 0 };
	struct chan_config cfg = { .role = ROLE_HOST, .software = "test" };

	agent_path = agent;
	probe_begin(limit_s);
	probe_private_net(0);
	make_networks();
	make_share();
	for (unsigned int k = 0; k < PLAYERS; k++)
		scene.player[k] = (struct player){ .client = -1, .server = -1, .pair = -1 };
	scene.sock = -1;
	cfg.addr.kind = CHAN_UNIX;
	snprintf(cfg.addr.path, sizeof(cfg.addr.path), "%s/channel", scene.dir);
	if (ev_open(&scene.loop, FDS_MAX, &e) < 0 ||
	    chan_open(&scene.chan, &cfg, &worker_ops, &scene, &scene.loop, &quiet, &e) < 0)
		probe_bail("%s", e.text);
}

void scene_close(void)
{
	chan_close(&scene.chan);
	ev_close(&scene.loop);
	for (unsigned int k = 0; k < PLAYERS; k++)
		free(scene.copy[k].heard);
	remove_share();
}

/* -- the agent -- */

static void be_agent(const char *fault, const char *option)
{
	char channel[160], dir[80], share[160];

	snprintf(channel, sizeof(channel), "--channel=unix:%s/channel", scene.dir);
	snprintf(dir, sizeof(dir), "--run-dir=%s", scene.dir);
	snprintf(share, sizeof(share), "--share=%s/share", scene.dir);
	probe_netns_enter(scene.guest_ns);
	unsetenv("HYLICS_FAULT");
	if (fault)
		setenv("HYLICS_FAULT", fault, 1);
	execl(agent_path, agent_path, channel, dir, share, "--log-level=warning",
	      "--threshold=128K", option, scene.dead, (char *)NULL);
	_exit(127);
}

void scene_start(const char *fault, const char *option)
{
	unsigned int ups = scene.ups;

	scene.agent = probe_fork();
	if (scene.agent == 0)
		be_agent(fault, option);
	if (!UNTIL(scene.ups > ups))
		probe_bail("the agent does not come");
}

pid_t scene_agent_pid(void)
{
	char path[64], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)scene.agent,
		 (int)scene.agent);
	f = fopen(path, "re");
	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	return (pid_t)strtol(text, NULL, 10);
}

void scene_kill_agent(void)
{
	unsigned int ups = scene.ups;
	pid_t pid = scene_agent_pid();

	if (pid <= 0)
		probe_bail("there is no agent to kill");
	PROBE_TRY(kill(pid, SIGKILL));
	if (!UNTIL(scene.ups > ups))
		probe_bail("no agent comes again");
}

void scene_stop(void)
{
	int status = 0;

	kill(scene.agent, SIGTERM);
	scene_patience();
	while (waitpid(scene.agent, &status, WNOHANG) == 0) {
		if (!scene_round())
			probe_bail("the agent does not end");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		probe_bail("the agent ended with status %x", (unsigned int)status);
	if (scene.page)
		munmap((void *)(uintptr_t)scene.page, sizeof(*scene.page));
	scene.page = NULL;
	hy_fd_close(&scene.sock);
	for (unsigned int k = 0; k < PLAYERS; k++)
		player_close(k);
	memset(scene.player, 0, sizeof(scene.player));
	for (unsigned int k = 0; k < PLAYERS; k++) {
		scene.player[k] = (struct player){ .client = -1, .server = -1, .pair = -1 };
		free(scene.copy[k].heard);
		memset(&scene.copy[k], 0, sizeof(scene.copy[k]));
	}
	scene.n_copies = 0;
	scene.answer = ADOPT;
	scene.hold_sent = scene.unknown = scene.closes = false;
	scene.file_num = 0;
}

void scene_hang_up(void)
{
	unsigned int ups = scene.ups;

	/* the other side finds the stream ended and opens another */
	PROBE_TRY(shutdown(scene.chan.fd, SHUT_RDWR));
	if (!UNTIL(scene.ups > ups))
		probe_bail("the agent does not come again");
}

/* -- the loop -- */

void scene_patience(void)
{
	patience_end_ms = hy_clock_ms() + PATIENCE_MS;
}

bool scene_round(void)
{
	struct hy_err e;
	const int step_ms = 1;		/* sockets of clients and programs are read in between */

	if (ev_round(&scene.loop, step_ms, &e) < 0)
		probe_bail("%s", e.text);
	for (unsigned int k = 0; k < PLAYERS; k++)
		player_read(&scene.player[k], k);
	return hy_clock_ms() < patience_end_ms;
}

void scene_idle(unsigned int rounds)
{
	scene_patience();
	for (unsigned int i = 0; i < rounds; i++)
		scene_round();
}
