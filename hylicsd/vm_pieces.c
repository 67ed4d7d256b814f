/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_pieces.c - the pieces a VM is made of, each made and taken away
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input; jobs read what is in a share, see content.h
 *
 * Every function here may find its piece there, half there or gone: after a crash nobody knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/content.h"
#include "hylicsd/listens.h"
#include "hylicsd/share.h"
#include "hylicsd/vm_keeper.h"

#define DIR_MODE 0711
#define SHARE "share"
#define LOADED "loaded"			/* the share has what it is to begin with */
/* What hy_whole_write() makes of them on their way. */
#define MOVING_NEW "moving.new"
#define MODULES_NEW "modules.new"
#define IN_FORCE_NEW "memory.new"
#define QEMU_GOES_MS 500		/* from its virtiofsd's end to its own, when it ends */
#define REMOVE_PAUSE_MS 5
#define REMOVE_MS 5000
#define LOWER_MS 60000			/* of the limit; then it is tried again */

/* What may lie in a VM's directory; anything else keeps it there, with a word. */
static const char *const leavings[] = {
	LOADED, VM_STATS, VM_CHANNEL, VM_MOVING, MOVING_NEW, VM_MODULES, MODULES_NEW,
	VM_IN_FORCE, IN_FORCE_NEW, VM_MODULES_STATE, "keeper.owner", "keeper.words",
	"virtiofs.sock", VM_VIRTIOFSD_MARK, NULL,
};

void vm_piece_done(struct vm *vm, int rc, const struct hy_err *e)
{
	ev_timer_cancel(vm->host->loop, &vm->patience);
	life_done(&vm->life, rc, e);
}

void vm_piece_wait(struct vm *vm, void (*fn)(void *vm), uint64_t ms)
{
	ev_timer_cancel(vm->host->loop, &vm->patience);
	vm->patience = (struct ev_timer){ .fn = fn, .object = vm };
	ev_timer_set(vm->host->loop, &vm->patience, ms);
}

/* -- dir -- */

static int check_dir(int fd, const char *name, struct hy_err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return hy_err_set(e, errno, "'%s'", name);
	if (st.st_uid != geteuid() || (st.st_mode & 07777) != DIR_MODE)
		return hy_err_set(e, EEXIST, "'%s' is not hylicsd's directory; remove it", name);
	return 0;
}

int vm_find_dir(struct vm *vm, struct hy_err *e)
{
	enum hy_moving m;
	hy_autofd fd = -1;
	int rc;

	if (vm->dir >= 0)
		return 0;
	fd = openat(vm->host->vms, vm->rec.name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return hy_err_set(e, errno, "'%s'", vm->path);
	rc = check_dir(fd, vm->path, e);
	if (rc < 0)
		return rc;
	vm->dir = hy_fd_steal(&fd);
	vm->draining = hy_moving_read(vm->dir, VM_MOVING, &m, NULL) == 0 && m == HY_MOVING_DRAIN;
	return 0;
}

static int make_dir(void *object, struct hy_err *e)
{
	struct vm *vm = object;
	int rc;

	if (vm->dir >= 0)
		return 0;
	rc = mkdirat(vm->host->vms, vm->rec.name, DIR_MODE);
	if (rc == 0)		/* whatever the umask is */
		rc = fchmodat(vm->host->vms, vm->rec.name, DIR_MODE, 0);
	if (rc < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "'%s'", vm->path);
	return vm_find_dir(vm, e);
}

static int unmake_dir(void *object, bool force, struct hy_err *e)
{
	struct vm *vm = object;

	(void)force;
	if (vm->dir < 0)
		return 0;		/* what is there is not ours */
	for (const char *const *name = leavings; *name; name++)
		if (unlinkat(vm->dir, *name, 0) < 0 && errno != ENOENT)
			return hy_err_set(e, errno, "'%s/%s'", vm->path, *name);
	hy_fd_close(&vm->dir);
	if (unlinkat(vm->host->vms, vm->rec.name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return hy_err_set(e, errno, "'%s'", vm->path);
	return 0;
}

/* -- cgroup -- */

struct limit_work {
	const struct cgroups *c;
	const char *name;
	uint64_t bytes;
};

static int lower(void *object, struct hy_err *e)
{
	const struct limit_work *w = object;
	int rc = job_limit(w->c, w->name, w->bytes, LOWER_MS, e);

	if (rc == -ETIMEDOUT)
		rc = -(e->num = EBUSY);		/* for who asked there is no difference */
	return rc;
}

static void job_done(void *object, int rc, const struct hy_err *e)
{
	vm_piece_done(object, rc, e);
}

static int start_job(struct vm *vm, const struct job_spec *s, struct hy_err *e)
{
	int rc;

	vm->job.done = job_done;
	vm->job.object = vm;
	rc = job_start(&vm->job, vm->host->loop, s, e);
	return rc < 0 ? rc : LIFE_LATER;
}

static int make_cgroup(void *object, struct hy_err *e);

static void make_cgroup_again(void *object)
{
	struct vm *vm = object;
	struct hy_err e = { 0 };
	int rc = make_cgroup(vm, &e);

	if (rc != LIFE_LATER)
		vm_piece_done(vm, rc, &e);
}

/* A tender that was told to go may be setting a limit still. */
static bool wait_for_tender(struct vm *vm)
{
	if (vm->tend.board || !job_runs(&vm->tend.job))
		return false;
	vm_piece_wait(vm, make_cgroup_again, REMOVE_PAUSE_MS);
	return true;
}

/* A limit below what is in use makes the kernel move pages out before it returns. */
static int make_cgroup(void *object, struct hy_err *e)
{
	struct vm *vm = object;
	struct limit_work w = { &vm->host->cgroups, vm->rec.name, 0 };
	struct job_spec job = { .name = "lower the limit", .work = lower, .object = &w };
	struct cgroup_usage u = { 0 };
	int rc;

	if (vm_pages_stop(vm, make_cgroup) || wait_for_tender(vm))
		return LIFE_LATER;
	rc = cgroup_make(w.c, w.name, e);
	if (rc == 0 && vm->tend.board)
		return 0;		/* the limit is its tender's */
	if (rc == 0)
		rc = cgroup_usage(w.c, w.name, &u, e);
	if (rc < 0)
		return rc;
	w.bytes = govern_limit(vm, &u);
	if (!w.bytes)
		return 0;		/* its tender's */
	if (u.memory_bytes < w.bytes)
		return cgroup_limit(w.c, w.name, w.bytes, e);
	for (unsigned int i = 0; i < w.c->n; i++)
		job.keep[job.n_keep++] = w.c->tree[i].fd;
	return start_job(vm, &job, e);
}

/* What was killed is there until it has ended, which nobody tells a cgroup's owner. */
static int try_remove(struct vm *vm, struct hy_err *e)
{
	const struct cgroups *c = &vm->host->cgroups;
	int rc = cgroup_kill(c, vm->rec.name, e);

	if (rc >= 0 && job_runs(&vm->tend.job))
		return hy_err_set(e, EBUSY, "its tender has not ended yet");
	return rc < 0 ? rc : cgroup_remove(c, vm->rec.name, e);
}

static void remove_again(void *object)
{
	struct vm *vm = object;
	struct hy_err e = { 0 };
	int rc = try_remove(vm, &e);

	vm->patience_ms += REMOVE_PAUSE_MS;
	if (rc == -EBUSY && vm->patience_ms < REMOVE_MS)
		vm_piece_wait(vm, remove_again, REMOVE_PAUSE_MS);
	else
		vm_piece_done(vm, rc, &e);
}

static int unmake_cgroup(void *object, bool force, struct hy_err *e)
{
	struct vm *vm = object;
	int rc = try_remove(vm, e);

	(void)force;
	if (rc != -EBUSY)
		return rc;
	vm->patience_ms = 0;
	vm_piece_wait(vm, remove_again, REMOVE_PAUSE_MS);
	return LIFE_LATER;
}

/* -- share -- */

bool vm_is_loaded(const struct vm *vm)
{
	return vm->dir >= 0 && faccessat(vm->dir, LOADED, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* While content is loaded, a file with several links takes an inode more. */
static uint64_t inodes_now(const struct vm *vm)
{
	uint64_t inodes = record_inodes(&vm->rec);

	return vm->rec.keep[0] && !vm_is_loaded(vm) ? 2 * inodes + 1 : inodes;
}

/* What was loaded has gone with the share that had it. */
static int make_new_share(struct vm *vm, struct hy_err *e)
{
	if (unlinkat(vm->dir, LOADED, 0) < 0 && errno != ENOENT)
		return hy_err_set(e, errno, "'%s/%s'", vm->path, LOADED);
	return share_make(vm->dir, SHARE, vm->rec.size, inodes_now(vm), e);
}

static int make_share(void *object, struct hy_err *e)
{
	struct vm *vm = object;
	uint64_t bytes = vm->rec.size, inodes = inodes_now(vm);
	struct share_usage u;
	int rc = share_find(vm->dir, SHARE, &u, e);

	if (rc == -ENOENT)
		return make_new_share(vm, e);
	if (rc < 0 || (u.size_bytes == bytes && u.inodes == inodes))
		return rc;
	return share_resize(vm->dir, SHARE, bytes, inodes, e);
}

static int unmake_share(void *object, bool force, struct hy_err *e)
{
	struct vm *vm = object;

	return vm->dir < 0 ? 0 : share_unmake(vm->dir, SHARE, force, e);
}

/* -- content -- */

struct content_work {
	int share;
	struct cgroup_door door;
	const char *keep;
	const struct vm *vm;
};

static int watch_nothing(void *arg, enum content_step step, const struct content_count *n)
{
	(void)arg;
	(void)step;
	(void)n;
	return 0;
}

static const struct content_watch watch = { .progress = watch_nothing };

/* In the VM's cgroup: what is loaded is its memory. */
static int load(void *object, struct hy_err *e)
{
	const struct content_work *w = object;
	struct content_count n;
	int rc = cgroup_enter(&w->door);

	if (rc < 0)
		return hy_err_set(e, -rc, "enter the VM's cgroup");
	return content_load(w->share, w->keep, &watch, &n, e);
}

static int save(void *object, struct hy_err *e)
{
	const struct content_work *w = object;
	struct content_count n;
	int rc = content_save(w->share, w->keep, &watch, &n, e);

	if (rc == 0 && (n.left_out || n.lost_attributes))
		hy_log(w->vm->host->log, HY_LOG_WARN,
		       "vm '%s': %llu files and %llu attributes were left out of '%s'",
		       w->vm->rec.name, (unsigned long long)n.left_out,
		       (unsigned long long)n.lost_attributes, w->keep);
	return rc;
}

static int content_job(struct vm *vm, const char *name, int (*work)(void *, struct hy_err *),
		       struct hy_err *e)
{
	struct content_work w = { .keep = vm->rec.keep, .vm = vm };
	struct job_spec job = { .name = name, .work = work, .object = &w };
	int rc = cgroup_door_open(&vm->host->cgroups, vm->rec.name, &w.door, e);

	if (rc < 0)
		return rc;
	w.share = openat(vm->dir, SHARE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w.share < 0) {
		rc = hy_err_set(e, errno, "'%s'", vm->share_path);
	} else {
		job.keep[job.n_keep++] = w.share;
		for (unsigned int i = 0; i < w.door.n; i++)
			job.keep[job.n_keep++] = w.door.fd[i];
		rc = start_job(vm, &job, e);
	}
	hy_fd_close(&w.share);
	cgroup_door_close(&w.door);
	return rc;
}

static int mark_loaded(struct vm *vm, struct hy_err *e)
{
	hy_autofd fd = openat(vm->dir, LOADED, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return hy_err_set(e, errno, "'%s/%s'", vm->path, LOADED);
	return share_resize(vm->dir, SHARE, vm->rec.size, record_inodes(&vm->rec), e);
}

static void loaded(void *object, int rc, const struct hy_err *told)
{
	struct vm *vm = object;
	struct hy_err e = *told;

	if (rc == 0)
		rc = mark_loaded(vm, &e);
	else
		share_unmake(vm->dir, SHARE, true, NULL);	/* a part is no content */
	vm_piece_done(vm, rc, &e);
}

static int make_content(void *object, struct hy_err *e)
{
	struct vm *vm = object;
	int rc;

	if (vm_is_loaded(vm))
		return 0;
	if (!vm->rec.keep[0])
		return mark_loaded(vm, e);
	rc = content_job(vm, "load the share", load, e);
	vm->job.done = loaded;
	return rc;
}

/* A share that cannot be saved stays, unless it is to go whatever becomes of it. */
static void saved(void *object, int rc, const struct hy_err *told)
{
	struct vm *vm = object;
	struct hy_err e = *told;

	if (rc < 0 && vm->life.force) {
		hy_err_add(&e, "vm '%s': goes without being saved", vm->rec.name);
		hy_log_err(vm->host->log, HY_LOG_ERR, &e);
		rc = 0;
	}
	vm_piece_done(vm, rc, &e);
}

static int unmake_content(void *object, bool force, struct hy_err *e)
{
	struct vm *vm = object;
	int rc;

	(void)force;
	/* what was not loaded must not be written over what lies there */
	if (vm->dir < 0 || !vm->rec.keep[0] || !vm_is_loaded(vm) ||
	    share_find(vm->dir, SHARE, NULL, NULL) < 0)
		return 0;
	rc = content_job(vm, "save the share", save, e);
	vm->job.done = saved;
	return rc;
}

/* -- export -- */

int vm_enter_cgroup(void *object, struct hy_err *e)
{
	const struct vm *vm = object;
	struct cgroup_door door;
	int rc = cgroup_door_open(&vm->host->cgroups, vm->rec.name, &door, e);

	if (rc < 0)
		return rc;
	rc = cgroup_enter(&door);
	return rc < 0 ? hy_err_set(e, -rc, "enter the VM's cgroup") : 0;
}

bool vm_qemu_listens(const struct vm *vm)
{
	char path[VM_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", vm->path, VM_CHANNEL);
	return listens_at("/proc/net/unix", path);
}

static int lose(const char *how, int number, struct hy_err *e)
{
	return hy_err_set(e, EPIPE, "virtiofsd: %s %d; the guest has lost the share until its QEMU "
			  "is started again (QEMU does not connect a second time)", how, number);
}

/*
 * It ends with code 0 when QEMU goes. The end of one that was taken over is told to nobody: then a
 * QEMU that is there a moment later has lost it. A mark of a dead one tells the next hylicsd.
 */
static void virtiofsd_ended(struct vm *vm, int status)
{
	struct hy_err e = { 0 };

	if (status == 0 || (status == EV_CHILD_UNKNOWN && !vm_qemu_listens(vm))) {
		unlinkat(vm->dir, VM_VIRTIOFSD_MARK, 0);
		return;
	}
	if (status == EV_CHILD_UNKNOWN)
		hy_err_set(&e, EPIPE, "virtiofsd: ended; the guest has lost the share until its "
			   "QEMU is started again (QEMU does not connect a second time)");
	else if (WIFSIGNALED(status))
		lose("killed by signal", WTERMSIG(status), &e);
	else
		lose("ended with exit code", WEXITSTATUS(status), &e);
	vm_share_lost(vm, &e, status == EV_CHILD_UNKNOWN ? QEMU_GOES_MS : 0);
}

static void export_changed(void *object, bool serving, int status)
{
	struct vm *vm = object;

	if (vm->export.listener < 0) {
		vm_piece_done(vm, 0, NULL);
		return;
	}
	if (serving)
		vm_share_found(vm);
	else
		virtiofsd_ended(vm, status);
	if (!vm->share_only)
		vm->host->changed(vm->host->object, vm);
}

/* The export has just been opened, and no virtiofsd runs: was there one when hylicsd was away? */
static void find_loss(struct vm *vm)
{
	if (!export_serves(&vm->export) &&
	    faccessat(vm->dir, VM_VIRTIOFSD_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		virtiofsd_ended(vm, EV_CHILD_UNKNOWN);
}

/*
 * Whoever has the share open in our mount namespace keeps it: QEMU over 9p, whose doing so nobody
 * tells us, or a program of the host. Asked before the content is saved, and marked as not there.
 */
static int check_free(const struct vm *vm, struct hy_err *e)
{
	int rc = vm->dir < 0 ? 0 : share_in_use(vm->dir, SHARE, e);

	if (rc <= 0)
		return rc == -ENOENT ? 0 : rc;
	return hy_err_set(e, EADDRINUSE, "its share is in use: %s; stop that, or use --force, "
			  "which takes the share from under it",
			  vm->rec.export == RECORD_EXPORT_9P ? "by its VM, or a program here" :
			  "a program here has a file open");
}

static int shut_export(struct vm *vm)
{
	return export_close(&vm->export) ? 0 : LIFE_LATER;
}

static int take_export(void *object, struct hy_err *e)
{
	struct vm *vm = object;
	int rc = vm->life.force ? 0 : check_free(vm, e);

	if (rc < 0)
		return rc;
	tend_stop(vm);
	return shut_export(vm);
}

/* A job of ours that has files of the share open ends first. */
static int unmake_export(void *object, bool force, struct hy_err *e)
{
	(void)force;
	return vm_pages_stop(object, take_export) ? LIFE_LATER : take_export(object, e);
}

static int open_export(struct vm *vm, struct hy_err *e)
{
	const struct export_config cfg = {
		.dir = vm->dir, .path = vm->socket_path, .program = vm->host->virtiofsd,
		.share = vm->share_path, .cache = record_cache_words[vm->rec.cache],
		.group = vm->host->qemu_group,
		.enter = vm_enter_cgroup, .changed = export_changed, .object = vm,
		.loop = vm->host->loop, .log = vm->host->log,
	};

	bool is_new = vm->export.listener < 0;
	int rc;

	if (!cfg.program) {
		*e = vm->host->no_virtiofsd;
		return -e->num;
	}
	rc = export_open(&vm->export, &cfg, e);
	if (rc == 0 && is_new)
		find_loss(vm);
	return rc;
}

/* Over 9p there is nothing to make: QEMU opens the share's directory. */
static int make_export(void *object, struct hy_err *e)
{
	struct vm *vm = object;
	int rc;

	if (vm->rec.export == RECORD_EXPORT_VIRTIOFS)
		return open_export(vm, e);
	rc = vm_in_use(vm, e);		/* one came since it was asked */
	return rc < 0 ? rc : shut_export(vm);
}

const struct life_piece vm_pieces[] = {
	{ "dir", make_dir, unmake_dir },
	{ "cgroup", make_cgroup, unmake_cgroup },
	{ "share", make_share, unmake_share },
	{ "content", make_content, unmake_content },
	{ "export", make_export, unmake_export },
	{ "keeper", vm_keeper_make, vm_keeper_unmake },
};

const unsigned int vm_n_pieces = sizeof(vm_pieces) / sizeof(vm_pieces[0]);
