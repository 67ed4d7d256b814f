/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keep.c - a parent that keeps its child's descriptors and table, and starts the next child
 *
 * Runs in: hylics-agent (holder and agent), hylics-keeper and hylics-worker
 * Reads from: the child on the link (may have been taken over by its peers)
 */
#include "common/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/cursor.h"
#include "common/fork.h"
#include "common/own.h"

#define PACKET_LEN 8
#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 1000
#define STEADY_MS 10000			/* a child that lived this long did not die of its start */
#define HAND_OVER_MS 5000		/* a new child that does not read what is kept is stuck */

enum packet_type { PACKET_KEPT = 1, PACKET_END, PACKET_PUT, PACKET_DROP, PACKET_OTHER,
		   PACKET_HOLD, PACKET_TOLD };

static int send_packet(int link, enum packet_type type, uint32_t slot, const struct hy_fds *fds,
		       const void *payload, size_t len, int flags)
{
	uint8_t packet[PACKET_LEN + KEEP_OTHER_MAX];
	struct hy_wr w = { .p = packet, .left = sizeof(packet) };
	ssize_t n;

	hy_wr_le32(&w, type);
	hy_wr_le32(&w, slot);
	hy_wr_bytes(&w, payload, len);
	if (w.bad)
		return -EMSGSIZE;
	do {
		n = hy_fds_send(link, packet, sizeof(packet) - w.left, fds, flags);
	} while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

/* -- the child's side -- */

int keep_take(int link, uint32_t *slot, struct hy_fds *fds, struct hy_err *e)
{
	uint8_t packet[PACKET_LEN];
	struct hy_rd r = { .p = packet, .left = sizeof(packet) };
	ssize_t n = hy_fds_recv(link, packet, sizeof(packet), fds, KEEP_FDS_MAX, 0);
	uint32_t type;

	if (n < 0)
		return hy_err_set(e, (int)-n, "link to the parent: read what was kept");
	if (n != PACKET_LEN) {
		hy_fds_close(fds);
		return hy_err_set(e, EPIPE, "link to the parent: read what was kept");
	}
	type = hy_rd_le32(&r);
	*slot = hy_rd_le32(&r);
	return type == PACKET_KEPT;
}

static int sort_later(uint32_t type, struct hy_fds *fds, struct keep_later *l)
{
	bool held = type == PACKET_HOLD;

	if (fds->n != held || (l->len && type != PACKET_OTHER))
		return -EPIPE;
	switch (type) {
	case PACKET_HOLD:
		l->kind = KEEP_LATER_HOLD;
		l->fd = fds->fd[0];
		fds->n = 0;
		return 0;
	case PACKET_TOLD:
		l->kind = KEEP_LATER_WORD;
		return 0;
	case PACKET_OTHER:
		l->kind = KEEP_LATER_OTHER;
		return 0;
	default:
		return -EPIPE;
	}
}

int keep_take_later(int link, struct keep_later *l)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	uint8_t packet[PACKET_LEN + KEEP_OTHER_MAX];
	struct hy_rd r = { .p = packet };
	ssize_t n = hy_fds_recv(link, packet, sizeof(packet), &fds, 1, MSG_DONTWAIT);
	uint32_t type;

	if (n < 0)
		return (int)n;
	r.left = (size_t)n;
	type = hy_rd_le32(&r);
	l->word = hy_rd_le32(&r);
	if (r.bad)
		return -EPIPE;
	l->len = r.left;
	memcpy(l->payload, r.p, r.left);
	return sort_later(type, &fds, l);
}

int keep_put(int link, uint32_t slot, const struct hy_fds *fds)
{
	return send_packet(link, PACKET_PUT, slot, fds, NULL, 0, 0);
}

int keep_drop(int link, uint32_t slot)
{
	return send_packet(link, PACKET_DROP, slot, NULL, NULL, 0, 0);
}

int keep_other(int link, uint32_t what, const void *payload, size_t len)
{
	return send_packet(link, PACKET_OTHER, what, NULL, payload, len, 0);
}

/* -- the parent's side -- */

static void empty_slot(struct keep_slot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		hy_fd_drop(&s->fd[i]);
	s->n = 0;
}

static void fill_slot(struct keep_slot *s, struct hy_fds *fds)
{
	empty_slot(s);
	memcpy(s->fd, fds->fd, fds->n * sizeof(int));
	s->n = (uint8_t)fds->n;
	fds->n = 0;
}

static int take_packet(struct keep *k, const uint8_t *packet, size_t len, struct hy_fds *fds)
{
	struct hy_rd r = { .p = packet, .left = len };
	uint32_t type = hy_rd_le32(&r);
	uint32_t slot = hy_rd_le32(&r);

	if (r.bad)
		return -EPROTO;
	if (type == PACKET_OTHER && fds->n == 0 && k->ops->on_other) {
		k->ops->on_other(k->object, slot, r.p, r.left);
		return 0;
	}
	if (slot >= k->n_slots || r.left)
		return -EPROTO;
	if (type == PACKET_PUT && fds->n > 0)
		fill_slot(&k->slots[slot], fds);
	else if (type == PACKET_DROP && fds->n == 0)
		empty_slot(&k->slots[slot]);
	else
		return -EPROTO;
	return 0;
}

/* Return: false when there is nothing to read now, or never again. */
static bool read_packet(struct keep *k)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	uint8_t packet[PACKET_LEN + KEEP_OTHER_MAX];
	ssize_t n = hy_fds_recv(k->link, packet, sizeof(packet), &fds, KEEP_FDS_MAX, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n == -EPROTO || (n > 0 && take_packet(k, packet, (size_t)n, &fds) < 0)) {
		hy_log_limited(k->log, &k->rate, HY_LOG_WARN,
			       "process %d sent what is no message of ours", (int)k->child.pid);
		return true;
	}
	if (n > 0)
		return true;
	ev_timer_cancel(k->loop, &k->patience);
	ev_del(k->loop, k->link);
	hy_fd_close(&k->link);
	return false;
}

/* -- handing over: a packet whenever the child has made room, so that it is read meanwhile -- */

#define FIRST_SLOT (1 + KEEP_TOOLS)	/* behind the table and the tools */

static int hand_over_table(struct keep *k)
{
	hy_autofd held = k->ops->hold ? k->ops->hold(k->object) : -1;
	struct hy_fds fds = { .n = held < 0 ? 1 : 2, .fd = { k->table, held } };

	return send_packet(k->link, PACKET_KEPT, KEEP_TABLE, &fds, NULL, 0, MSG_DONTWAIT);
}

static int hand_over_tool(struct keep *k, unsigned int number)
{
	int tool = k->ops->tool ? k->ops->tool(k->object, number) : -1;
	const struct hy_fds fds = { .n = 1, .fd = { tool } };

	if (tool < 0)
		return 0;
	return send_packet(k->link, PACKET_KEPT, KEEP_TOOL + number, &fds, NULL, 0, MSG_DONTWAIT);
}

static int hand_over_slot(const struct keep *k, uint32_t slot)
{
	struct hy_fds fds = { .n = k->slots[slot].n };

	memcpy(fds.fd, k->slots[slot].fd, fds.n * sizeof(int));
	return fds.n ? send_packet(k->link, PACKET_KEPT, slot, &fds, NULL, 0, MSG_DONTWAIT) : 0;
}

static int hand_over_next(struct keep *k)
{
	if (k->next == 0)
		return hand_over_table(k);
	if (k->next < FIRST_SLOT)
		return hand_over_tool(k, k->next - 1);
	if (k->next - FIRST_SLOT < k->n_slots)
		return hand_over_slot(k, k->next - FIRST_SLOT);
	return send_packet(k->link, PACKET_END, 0, NULL, NULL, 0, MSG_DONTWAIT);
}

/* Its end is an event like any other. */
static void kill_child(void *object)
{
	struct keep *k = object;

	if (k->child.pid > 0)
		kill(k->child.pid, SIGKILL);
}

/* What there is to hold now, behind the end: until then it is part of what is handed over. */
static int hand_over_held(struct keep *k)
{
	hy_autofd held = k->ops->hold(k->object);
	struct hy_fds fds = { .n = 1, .fd = { held } };
	int rc = held < 0 ? 0 : send_packet(k->link, PACKET_HOLD, 0, &fds, NULL, 0, MSG_DONTWAIT);

	k->hold_again = rc == -EAGAIN;
	return rc;
}

static int hand_over_word(struct keep *k)
{
	int rc = send_packet(k->link, PACKET_TOLD, k->word, NULL, NULL, 0, MSG_DONTWAIT);

	k->tell_again = rc == -EAGAIN;
	return rc;
}

static unsigned int handed_over(const struct keep *k)
{
	return FIRST_SLOT + k->n_slots + 1;
}

static void hand_over(struct keep *k)
{
	int rc = 0;

	while (rc == 0 && k->next < handed_over(k)) {
		rc = hand_over_next(k);
		k->next += rc == 0;
	}
	if (rc == 0 && k->hold_again)
		rc = hand_over_held(k);
	if (rc == 0 && k->tell_again)
		rc = hand_over_word(k);
	if (rc == -EAGAIN) {
		(void)ev_timer_set(k->loop, &k->patience, HAND_OVER_MS);
		(void)ev_mod(k->loop, k->link, EPOLLIN | EPOLLOUT);
		return;
	}
	ev_timer_cancel(k->loop, &k->patience);
	(void)ev_mod(k->loop, k->link, EPOLLIN);
	if (rc < 0)
		kill_child(k);
}

static int link_handle(void *object, int fd, uint32_t events)
{
	struct keep *k = object;

	(void)fd;
	if (events & ~(uint32_t)EPOLLOUT)
		read_packet(k);
	if ((events & EPOLLOUT) && k->link >= 0)
		hand_over(k);
	return 0;
}

static void link_drop(void *object, int fd, int rc)
{
	struct keep *k = object;

	(void)rc;
	ev_timer_cancel(k->loop, &k->patience);
	ev_del(k->loop, fd);
	hy_fd_close(&k->link);
}

static const struct ev_class link_class = { "link to the child", link_handle, link_drop };

/* -- children -- */

/*
 * A fault step acts once, in the first child: its successor must be able to show what it does.
 * The first process of a pid namespace does not get signals it has no use for yet: SIGTERM waits.
 */
static void be_child(struct keep *k, int link)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	if (k->spaces)
		sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (k->restarts)
		unsetenv("HYLICS_FAULT");
	_exit(k->ops->child(k->object, link));
}

static void end_child(struct keep *k)
{
	kill(k->child.pid, SIGKILL);
	waitpid(k->child.pid, NULL, 0);
	if (k->child.pidfd >= 0)
		ev_child_forget(&k->child);
	k->child.pid = 0;
	if (k->link >= 0)
		link_drop(k, k->link, 0);
}

static int start_child(struct keep *k, struct hy_err *e)
{
	int ends[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return hy_err_set(e, errno, "child: make a link");
	pid = hy_fork_into(k->spaces);
	if (pid == 0) {
		close(ends[0]);
		be_child(k, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return hy_err_set(e, errno, "child: fork");
	}
	k->link = ends[0];
	k->child.pid = pid;
	k->started_ms = hy_clock_ms();
	rc = ev_child_watch(k->loop, &k->child, e);
	if (rc == 0)
		rc = ev_add(k->loop, k->link, &link_class, k, EPOLLIN, e);
	if (rc < 0) {
		end_child(k);
		return rc;
	}
	if (k->ops->on_start)
		k->ops->on_start(k->object, pid);
	k->next = 0;
	k->hold_again = false;
	k->tell_again = k->word != 0;
	hand_over(k);
	return 0;
}

static void start_again(void *object)
{
	struct keep *k = object;
	struct hy_err e = { 0 };

	k->restarts++;
	if (start_child(k, &e) == 0)
		return;
	hy_log_limited(k->log, &k->rate, HY_LOG_ERR, "%s", e.text);
	ev_timer_set(k->loop, &k->again, PAUSE_MAX_MS);
}

static void next_pause(struct keep *k)
{
	bool steady = hy_clock_ms() - k->started_ms >= STEADY_MS;

	k->pause_ms = hy_clock_pause(steady ? 0 : k->pause_ms, PAUSE_MIN_MS, PAUSE_MAX_MS);
}

static void child_ended(void *object, pid_t pid, int status)
{
	struct keep *k = object;

	while (k->link >= 0 && read_packet(k))
		;
	if (k->link >= 0)
		link_drop(k, k->link, 0);
	k->child.pid = 0;
	if (k->stopping || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
		k->ops->on_finished(k->object);
		return;
	}
	next_pause(k);
	hy_log_limited(k->log, &k->rate, HY_LOG_WARN,
		       "process %d ended (%s %d), the next one starts in %llu ms", (int)pid,
		       WIFSIGNALED(status) ? "signal" : "exit code",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		       (unsigned long long)k->pause_ms);
	ev_timer_set(k->loop, &k->again, k->pause_ms);
}

static int make_table(struct keep *k, size_t bytes, struct hy_err *e)
{
	hy_autofd fd = memfd_create("hylics-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return hy_err_set(e, errno, "table of %zu bytes", bytes);
	k->table = hy_fd_steal(&fd);
	return 0;
}

int keep_open(struct keep *k, const struct keep_config *cfg, struct hy_err *e)
{
	int rc;

	*k = (struct keep){ .ops = cfg->ops, .object = cfg->object, .loop = cfg->loop,
			    .log = cfg->log, .n_slots = cfg->n_slots, .spaces = cfg->spaces,
			    .table = -1, .link = -1 };
	k->child = (struct ev_child){ .fn = child_ended, .object = k, .pidfd = -1 };
	k->again = (struct ev_timer){ .fn = start_again, .object = k };
	k->patience = (struct ev_timer){ .fn = kill_child, .object = k };
	k->slots = calloc(k->n_slots, sizeof(*k->slots));
	if (!k->slots)
		return hy_err_set(e, ENOMEM, "room for %u slots", k->n_slots);
	rc = make_table(k, cfg->table_bytes, e);
	if (rc == 0)
		rc = start_child(k, e);
	if (rc < 0)
		keep_close(k);
	return rc;
}

void keep_hold_again(struct keep *k)
{
	if (!k->slots || k->link < 0)
		return;			/* the next child gets it with the table */
	k->hold_again = true;
	hand_over(k);
}

void keep_tell(struct keep *k, uint32_t word)
{
	k->word = word;
	if (!k->slots || k->link < 0)
		return;			/* the next child gets it */
	k->tell_again = true;
	hand_over(k);
}

int keep_say(struct keep *k, uint32_t what, const void *payload, size_t len)
{
	if (!k->slots || k->link < 0 || k->next < handed_over(k))
		return -EAGAIN;
	return send_packet(k->link, PACKET_OTHER, what, NULL, payload, len, MSG_DONTWAIT) ?
	       -EAGAIN : 0;
}

void keep_stop(struct keep *k)
{
	k->stopping = true;
	if (k->child.pid)
		kill(k->child.pid, SIGTERM);
	else
		k->ops->on_finished(k->object);
}

void keep_close(struct keep *k)
{
	ev_timer_cancel(k->loop, &k->again);
	if (k->child.pid)
		end_child(k);
	for (unsigned int i = 0; k->slots && i < k->n_slots; i++)
		empty_slot(&k->slots[i]);
	hy_mem_free(&k->slots);
	hy_fd_close(&k->table);
}
