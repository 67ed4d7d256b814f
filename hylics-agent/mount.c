/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mount.c - the share is mounted, at the start and whenever it is not there any more
 *
 * Runs in: hylics-agent (holder)
 * Reads from: the kernel: mount table, device events
 */
#include "hylics-agent/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"
#include "common/sandbox.h"
#include "hylics-agent/attach.h"
#include "hylics-agent/share.h"

enum outcome { OUTCOME_MOUNTED, OUTCOME_THERE, OUTCOME_NO_DEVICE, OUTCOME_FAILED, OUTCOME_LATE };

#define UEVENT_GROUP 1		/* what the kernel says; udev says the same again in group 2 */

/* -- an attempt -- */

static int outcome_of(int rc)
{
	if (rc == -ENODEV)
		return OUTCOME_NO_DEVICE;
	if (rc < 0)
		return OUTCOME_FAILED;
	return rc ? OUTCOME_MOUNTED : OUTCOME_THERE;
}

/* It has duplicates of all connections as it begins: they must not live on in one that waits. */
static void attempt(const struct mounter *m, pid_t holder, int words)
{
	struct hy_err e = { 0 };
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != holder)	/* it was gone before the kernel was told */
		_exit(OUTCOME_FAILED);
	rc = hy_sandbox_started(words, &e);
	if (rc == 0 && hy_fault(FAULT_SHARE_MOUNT) < 0)
		rc = hy_err_set(&e, EIO, "share '%s'", m->tag);
	if (rc == 0)
		rc = attach_share(m->dir, m->tag, &e);
	if (rc < 0) {
		char text[HY_ERR_MESSAGE_MAX];

		hy_err_message(&e, text);
		if (write(words, text, strlen(text)) < 0)
			_exit(OUTCOME_FAILED);
	}
	_exit(outcome_of(rc));
}

static void settle(struct mounter *m)
{
	void (*settled)(void *object) = m->settled;

	m->settled = NULL;
	if (settled)
		settled(m->object);
}

static void again(struct mounter *m)
{
	m->pause_ms = hy_clock_pause(m->pause_ms, HY_MOUNT_PAUSE_MIN_MS, HY_MOUNT_PAUSE_MAX_MS);
	(void)ev_timer_set(m->loop, &m->look, m->pause_ms);
}

/* The same reason every minute would be no news. */
static void failed(struct mounter *m, const char *words)
{
	if (strcmp(words, m->last) != 0)
		hy_log(m->log, HY_LOG_WARN, "%s; going on without the share", words);
	snprintf(m->last, sizeof(m->last), "%s", words);
	again(m);
}

static int code_of(const struct mounter *m, int status)
{
	if (m->late)
		return OUTCOME_LATE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : OUTCOME_FAILED;
}

static void conclude(struct mounter *m, int code, const char *words)
{
	switch (code) {
	case OUTCOME_MOUNTED:
		hy_log(m->log, HY_LOG_INFO, "share '%s' is mounted at '%s'", m->tag, m->dir);
		m->last[0] = '\0';
		m->pause_ms = 0;
		break;
	case OUTCOME_THERE:
		break;
	case OUTCOME_NO_DEVICE:
		hy_log(m->log, HY_LOG_DEBUG, "no share: %s", words);
		break;
	case OUTCOME_LATE:
		failed(m, "share: the mount took too long: does the host's end of it run?");
		break;
	default:
		failed(m, words[0] ? words : "share: the attempt to mount it died");
	}
}

static void attempt_ended(void *object, pid_t pid, int status)
{
	struct mounter *m = object;
	char words[HY_ERR_MESSAGE_MAX];
	ssize_t n = read(m->words, words, sizeof(words) - 1);

	(void)pid;
	words[n > 0 ? n : 0] = '\0';
	hy_fd_close(&m->words);
	ev_timer_cancel(m->loop, &m->patience);
	m->child.pid = 0;
	conclude(m, code_of(m, status), words);
	settle(m);
}

/* One that the kernel does not let go of stays: another would wait for the same. */
static void on_late(void *object)
{
	struct mounter *m = object;

	m->late = true;
	kill(m->child.pid, SIGKILL);
	settle(m);
}

static int start(struct mounter *m, struct hy_err *e)
{
	pid_t holder = getpid(), pid;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return hy_err_set(e, errno, "share: a pipe");
	pid = fork();
	if (pid == 0)
		attempt(m, holder, ends[1]);
	close(ends[1]);
	m->words = ends[0];
	m->late = false;
	m->child.pid = pid;
	rc = pid < 0 ? hy_err_set(e, errno, "share: fork") : ev_child_watch(m->loop, &m->child, e);
	if (rc == 0)
		return ev_timer_set(m->loop, &m->patience, HY_MOUNT_WAIT_MS);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	m->child.pid = 0;
	hy_fd_close(&m->words);
	return rc;
}

static void on_look(void *object)
{
	struct mounter *m = object;
	struct hy_err e = { 0 };

	if (m->child.pid)
		return;
	if (share_is_mount(AT_FDCWD, m->dir)) {
		settle(m);
		return;
	}
	if (start(m, &e) < 0) {
		failed(m, e.text);
		settle(m);
	}
}

/* -- when to look -- */

static void look_soon(struct mounter *m)
{
	if (m->look.pos == 0 || m->pause_ms) {
		m->pause_ms = 0;
		(void)ev_timer_set(m->loop, &m->look, HY_MOUNT_LOOK_MS);
	}
}

static int table_handle(void *object, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	look_soon(object);
	return 0;
}

/* Nobody but the kernel and root says anything in this group; and all it does is make us look. */
static bool is_new_device(const char *event, size_t len)
{
	return len > 4 && (!memcmp(event, "add@", 4) || !memcmp(event, "bind", 4)) &&
	       memmem(event, len, "/virtio", 7);
}

static int devices_handle(void *object, int fd, uint32_t events)
{
	char event[2048];
	ssize_t n = recv(fd, event, sizeof(event), MSG_DONTWAIT);

	(void)events;
	/* lost for want of room: it may have been ours */
	if ((n < 0 && errno == ENOBUFS) || (n > 0 && is_new_device(event, (size_t)n)))
		look_soon(object);
	return 0;
}

static void watch_drop(void *object, int fd, int rc)
{
	struct mounter *m = object;

	(void)rc;
	ev_del(m->loop, fd);
}

static const struct ev_class table_class = { "mount table", table_handle, watch_drop };
static const struct ev_class devices_class = { "devices", devices_handle, watch_drop };

static void watch(struct mounter *m, int *at, int fd, const struct ev_class *class,
		  uint32_t events)
{
	struct hy_err e;

	*at = fd;
	if (fd < 0)
		hy_err_set(&e, errno, "share: watch the %s", class->name);
	if (fd >= 0 && ev_add(m->loop, fd, class, m, events, &e) == 0)
		return;
	hy_log(m->log, HY_LOG_INFO, "%s; a change there is not noticed", e.text);
	hy_fd_close(at);
}

static int open_devices(void)
{
	const struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP };
	hy_autofd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			      NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	return hy_fd_steal(&fd);
}

void mount_open(struct mounter *m)
{
	m->words = -1;
	m->child = (struct ev_child){ .fn = attempt_ended, .object = m, .pidfd = -1 };
	m->look = (struct ev_timer){ .fn = on_look, .object = m };
	m->patience = (struct ev_timer){ .fn = on_late, .object = m };
	watch(m, &m->table, share_table(), &table_class, EPOLLPRI);
	watch(m, &m->devices, open_devices(), &devices_class, EPOLLIN);
	on_look(m);
}

void mount_close(struct mounter *m)
{
	ev_timer_cancel(m->loop, &m->look);
	ev_timer_cancel(m->loop, &m->patience);
	if (m->child.pid) {
		kill(m->child.pid, SIGKILL);
		ev_child_forget(&m->child);
	}
	hy_fd_close(&m->words);
	watch_drop(m, m->table, 0);
	watch_drop(m, m->devices, 0);
	hy_fd_close(&m->table);
	hy_fd_close(&m->devices);
}
