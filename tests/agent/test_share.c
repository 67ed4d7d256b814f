/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_share.c - the share comes, goes and is another one while connections send its files
 *
 * Runs in: network and mount namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"

#define SLICE (300u << 10)

static char share[128];

static void own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		probe_skip_all("mounts of its own: %s", strerror(errno));
}

/* A file system with a file like the first share's; a descriptor of it. */
static int mount_share(void)
{
	uint8_t piece[65536];
	int fd;

	PROBE_TRY(mount("test", share, "tmpfs", 0, NULL));
	fd = scene_file("body", O_RDWR | O_CREAT);
	for (size_t at = 0; at < FILE_BYTES; at += sizeof(piece)) {
		probe_fill(piece, sizeof(piece), at, FILE_STREAM);
		PROBE_TRY(write(fd, piece, sizeof(piece)));
	}
	return fd;
}

static uint64_t dev_of(int fd)
{
	struct stat st;

	PROBE_TRY(fstat(fd, &st));
	return st.st_dev;
}

static bool shown(uint64_t dev, enum report_share kind)
{
	return scene.page->share_dev == dev && scene.report.share == kind;
}

static void moves(unsigned int k, int file, const char *what)
{
	player_open(k);
	player_plain(k, 240);
	player_give(k);
	player_slice(k, file, 0, SLICE, -1);
	probe_check(UNTIL(copy_heard_all(k)) && copy_of(k)->slices == 1,
		    "%s: its files are the host's to send", what);
}

/* The program knew the share as it wrote the marker; the agent comes to it when it has gone. */
static void serves(unsigned int k, int file, const char *what)
{
	uint64_t before = copy_of(k)->slices;

	player_slice(k, file, 11, SLICE, -1);
	probe_check(UNTIL(copy_heard_all(k)) && copy_of(k)->slices == before &&
		    copy_of(k)->got > SLICE, "%s: a file of it is sent as bytes", what);
}

/* A second signal does not wait for connections that this worker would keep. */
static void stop_now(void)
{
	PROBE_TRY(kill(scene.agent, SIGTERM));
	scene_idle(30);
	scene_stop();
}

/* The attempt at the start fails, dies or waits for ever: programs are served all the same. */
static void without_mount(const char *fault)
{
	scene_start(fault, NULL);
	scene_join();
	int file = scene_file("body", O_RDONLY);
	moves(0, file, fault);
	hy_fd_close(&file);
	stop_now();
	probe_check(UNTIL(waitpid(-1, NULL, WNOHANG) < 0), "%s: nobody is left", fault);
}

static void shares_come_and_go(void)
{
	int first = scene_file("body", O_RDONLY), second, third;
	uint64_t directory = dev_of(first);

	probe_check(UNTIL(shown(directory, REPORT_SHARE_DIRECTORY)), "a directory is a share");
	moves(0, first, "the directory");
	second = mount_share();
	probe_check(UNTIL(shown(dev_of(second), REPORT_SHARE_OTHER)),
		    "a mount is noticed, and both sides are told");
	moves(1, second, "the mount");
	serves(0, first, "what lies below it");
	PROBE_TRY(umount2(share, MNT_DETACH));
	probe_check(UNTIL(shown(directory, REPORT_SHARE_DIRECTORY)), "so is its end");
	serves(1, second, "the mount that has gone");
	third = mount_share();
	probe_check(UNTIL(shown(dev_of(third), REPORT_SHARE_OTHER)) &&
		    dev_of(third) != dev_of(second), "another mount is another share");
	moves(2, third, "the new mount");
	hy_fd_close(&first);
	hy_fd_close(&second);
	hy_fd_close(&third);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		probe_bail("usage: %s AGENT", argv[0]);
	own_mounts();
	PROBE_TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));	/* sees whom the agent leaves behind */
	scene_open(60, argv[1]);
	snprintf(share, sizeof(share), "%s/share", scene.dir);
	scene_start(NULL, NULL);
	scene_join();
	shares_come_and_go();
	scene_kill_agent();
	probe_check(UNTIL(scene.ups > 1 && scene.report.share == REPORT_SHARE_OTHER),
		    "the next agent finds it");
	probe_check(scene.reports < 20, "the host is told at most once a second: %u reports",
		    scene.reports);
	PROBE_TRY(umount2(share, MNT_DETACH));
	stop_now();
	without_mount("share.mount:fail");
	without_mount("share.mount:kill");
	without_mount("share.mount:stop");
	scene_close();
	return probe_end("whatever becomes of the share, no connection ends for it");
}
