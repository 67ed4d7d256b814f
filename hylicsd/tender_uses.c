/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender_uses.c - a tender learns which files are opened and closed, and what they are
 *
 * Runs in: a tender, a job of hylicsd
 * Reads from: the kernel (fanotify); the share (hostile): what was opened, and where it is
 *
 * An event has a handle, not a descriptor: it holds nothing open. Directories tell nothing. What
 * the tender opens itself is known by its process id; a path (O_PATH) is no open.
 */
#include "hylicsd/tender.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylicsd/regular.h"

#define EVENTS_BYTES 16384
#define REST_MIN_MS 10			/* what is opened meanwhile comes in one go */
#define USES (FAN_OPEN | FAN_CLOSE)

union handle {
	struct file_handle h;
	unsigned char room[sizeof(struct file_handle) + FILES_HANDLE_MAX];
};

void tender_uses_open(struct tender *t)
{
	t->fan = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC,
			       O_RDONLY);
	if (t->fan >= 0 && fanotify_mark(t->fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, USES,
					 t->job->share, NULL) == 0)
		return;
	hy_log(t->job->log, HY_LOG_WARN, "vm '%s': nobody tells who opens files of its share "
	       "(fanotify: %s): only their times say when they were used, and those of a file that "
	       "the host sends say nothing", t->job->name, strerror(errno));
	hy_fd_close(&t->fan);
}

/* -- what a file is -- */

static int64_t newest(const struct stat *st)
{
	const struct timespec *const all[] = { &st->st_atim, &st->st_mtim, &st->st_ctim };
	int64_t ns = INT64_MIN;

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int64_t one;

		if (__builtin_mul_overflow((int64_t)all[i]->tv_sec, HY_NS_PER_S, &one) ||
		    __builtin_add_overflow(one, all[i]->tv_nsec, &one))
			continue;	/* a guest may set any */
		ns = one > ns ? one : ns;
	}
	return ns;
}

/* When that was, by the clock that never goes back; not after now, not before it began. */
static uint64_t used_at(int64_t times_ns)
{
	int64_t wall = (int64_t)hy_clock_wall_ms(), then = times_ns / HY_NS_PER_MS;
	uint64_t now = hy_clock_ms();
	uint64_t age = then >= wall ? 0 : (uint64_t)wall - (uint64_t)then;

	return age < now ? now - age : 1;
}

/* The path, from the share's root. */
static void find_path(struct files_row *row, int fd)
{
	char self[32], path[HY_PATH_MAX + 3];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	row->path[0] = '\0';
	if (n <= 1 || n > HY_PATH_MAX + 1)
		return;
	path[n] = '\0';
	memcpy(row->path, path + 1, (size_t)n);
}

static void note(struct tender *t, struct files_row *row, const struct stat *st)
{
	int64_t times = newest(st);

	row->size_bytes = (uint64_t)st->st_size;
	row->data_bytes = (uint64_t)st->st_blocks * 512;
	if (times == row->times_ns)
		return;
	row->times_ns = times;
	files_use(t->files, row, used_at(times));
}

static struct files_row *add(struct tender *t, int fd, const struct stat *st, uint64_t used_ms)
{
	union handle u = { .h.handle_bytes = FILES_HANDLE_MAX };
	struct files_row *row;
	int mount_id;

	if (!used_ms)
		used_ms = used_at(newest(st));
	if (!files_would_add(t->files, used_ms) ||
	    name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0)
		return NULL;
	row = files_add(t->files, st->st_ino, used_ms);
	row->handle_type = u.h.handle_type;
	row->handle_bytes = u.h.handle_bytes;
	memcpy(row->handle, u.h.f_handle, u.h.handle_bytes);
	row->times_ns = newest(st);
	return row;
}

bool tender_seen(struct tender *t, const struct stat *st)
{
	struct files_row *row = files_find(t->files, st->st_ino);

	if (row)
		note(t, row, st);
	return row || !files_would_add(t->files, used_at(newest(st)));
}

struct files_row *tender_learn(struct tender *t, int fd, uint64_t used_ms)
{
	struct files_row *row;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink == 0)
		return NULL;
	row = files_find(t->files, st.st_ino);
	if (!row)
		row = add(t, fd, &st, used_ms);
	if (!row)
		return NULL;
	note(t, row, &st);
	files_use(t->files, row, used_ms);
	find_path(row, fd);
	return row;
}

static int open_handle(const struct tender *t, const struct files_row *row)
{
	union handle u = { .h.handle_bytes = row->handle_bytes,
			   .h.handle_type = row->handle_type };

	memcpy(u.h.f_handle, row->handle, row->handle_bytes);
	return open_by_handle_at(t->job->share, &u.h, O_PATH | O_CLOEXEC);
}

int tender_open(struct tender *t, struct files_row *row)
{
	hy_autofd place = open_handle(t, row);
	struct stat st = { 0 };
	int fd = place < 0 ? -errno : regular_open(place, O_RDONLY | O_NOATIME, &st);

	/* its number may be another file's by now */
	if (fd >= 0 && (st.st_ino != row->ino || st.st_nlink == 0)) {
		close(fd);
		fd = -ESTALE;
	}
	if (fd < 0) {
		files_drop(t->files, row);
		return fd;
	}
	note(t, row, &st);
	find_path(row, place);
	return fd;
}

/* -- events -- */

static void remember(struct tender *t, uint64_t ino)
{
	unsigned int i = 0;

	while (i < t->n_opened && t->opened[i].ino != ino)
		i++;
	if (i == TENDER_OPENED_MAX)
		return;
	t->opened[i] = (struct tender_opened){ .ino = ino, .when_ms = hy_clock_ms() };
	if (i == t->n_opened)
		t->n_opened++;
}

static void take_event(struct tender *t, const struct fanotify_event_metadata *m)
{
	const struct fanotify_event_info_fid *info = (const void *)(m + 1);
	int quiet = __atomic_load_n(&t->job->board->quiet_pid, __ATOMIC_RELAXED);
	const struct files_row *row;
	hy_autofd fd = -1;

	if (m->mask & FAN_Q_OVERFLOW)
		t->overflow = true;
	/* 0 is somebody whom this pid namespace does not see */
	if (m->pid == getpid() || (quiet && m->pid == quiet) ||
	    m->event_len < sizeof(*m) + sizeof(*info) + sizeof(struct file_handle) ||
	    info->hdr.info_type != FAN_EVENT_INFO_TYPE_FID)
		return;
	fd = open_by_handle_at(t->job->share, (struct file_handle *)info->handle,
			       O_PATH | O_CLOEXEC);
	row = fd < 0 ? NULL : tender_learn(t, fd, hy_clock_ms());
	if (row && (m->mask & FAN_OPEN))
		remember(t, row->ino);
}

void tender_uses_take(struct tender *t)
{
	static _Alignas(struct fanotify_event_metadata) char events[EVENTS_BYTES];
	const struct fanotify_event_metadata *m = (const void *)events;
	ssize_t n = t->fan < 0 ? 0 : read(t->fan, events, sizeof(events));

	if (n > 0)
		t->rest_ms = hy_clock_ms() + REST_MIN_MS;
	for (; n > 0 && FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n))
		if (m->vers == FANOTIFY_METADATA_VERSION)
			take_event(t, m);
}
