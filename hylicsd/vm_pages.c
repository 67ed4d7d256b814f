/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_pages.c - files of a VM's share put out of memory, or brought back
 *
 * Runs in: hylicsd; the work in jobs inside the VM's cgroup
 * Reads from: clients of the API; the share (hostile), see pages.h
 */
#include "hylicsd/vm_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"
#include "hylicsd/swap.h"
#include "hylicsd/vm.h"

/* -- the job -- */

struct work {
	int share;
	struct cgroup_door door;
	const struct cgroups *groups;
	const char *name;
	struct pages_board *board;
	uint64_t until_ms, limit_bytes;
	int fd[HY_PAGES_FILES_MAX];
};

/* Returns a descriptor; one that cannot be had is told on the board, and harms no other. */
static int begin_file(const struct work *w, struct pages_file *f)
{
	hy_autofd fd = pages_open(w->share, f->path, &f->e);
	int rc = fd < 0 ? fd : pages_count(fd, w->until_ms, &f->before, &f->e);

	return rc < 0 ? rc : hy_fd_steal(&fd);
}

static int move(const struct work *w, int fd, struct hy_err *e)
{
	if (hy_fault(FAULT_VM_PAGES) < 0)
		return hy_err_set(e, EIO, "a fault step");
	return w->board->in ? pages_in(fd, w->until_ms, e) : pages_out(fd, w->until_ms, e);
}

/* Each file once: a guest makes hard links as it likes. */
static bool is_first(const struct work *w, unsigned int n)
{
	struct stat st, other;

	if (w->fd[n] < 0 || fstat(w->fd[n], &st) < 0)
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (w->fd[i] >= 0 && fstat(w->fd[i], &other) == 0 && st.st_ino == other.st_ino)
			return false;
	return true;
}

static uint64_t left_in_memory(void *object)
{
	const struct work *w = object;
	struct pages_count c;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < w->board->n; i++)
		if (is_first(w, i) && pages_count(w->fd[i], w->until_ms, &c, NULL) == 0)
			bytes += c.memory_bytes;
	return bytes;
}

/* Without swap nothing was put out. */
static int let_go(struct work *w, struct hy_err *e)
{
	struct pages_going going = { .limit_bytes = w->limit_bytes, .left = left_in_memory,
				     .object = w };
	uint64_t swap = 0;
	int rc = swap_free(&swap, e);

	if (rc < 0 || swap == 0)
		return rc;
	for (unsigned int i = 0; i < w->board->n; i++)
		if (is_first(w, i))
			going.bytes += w->board->file[i].before.memory_bytes;
	return pages_let_go(w->groups, w->name, &going, w->until_ms, e);
}

static int work(void *object, struct hy_err *e)
{
	struct work *w = object;
	struct pages_board *b = w->board;
	int rc = job_enter(&w->door, e);

	if (rc < 0)
		return rc;
	/* its tender may have been stopped in the middle of a squeeze */
	rc = cgroup_limit(w->groups, w->name, w->limit_bytes, e);
	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < b->n; i++)
		w->fd[i] = begin_file(w, &b->file[i]);
	for (unsigned int i = 0; i < b->n; i++)
		if (is_first(w, i) && move(w, w->fd[i], &b->file[i].e) < 0)
			hy_fd_close(&w->fd[i]);
	if (!b->in)
		rc = let_go(w, e);
	for (unsigned int i = 0; i < b->n && rc == 0; i++)
		if (w->fd[i] >= 0)
			(void)pages_count(w->fd[i], w->until_ms, &b->file[i].after, &b->file[i].e);
	return rc;
}

/* -- hylicsd -- */

static void free_board(struct vm_pages *p)
{
	if (p->board)
		munmap(p->board, sizeof(*p->board));
	p->board = NULL;
}

/* What the job has left there may be anything. */
static void clean(struct pages_board *b, unsigned int n)
{
	b->n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct pages_file *f = &b->file[i];

		f->e.code = NULL;
		f->path[sizeof(f->path) - 1] = f->e.text[sizeof(f->e.text) - 1] = '\0';
		f->e.field[0] = '\0';
	}
}

/* A job that died while it squeezed has left the limit too low. Raising it takes no time. */
static void raise_limit(const struct vm *vm)
{
	const struct vm_pages *p = &vm->pages;
	struct hy_err e = { 0 };

	if (cgroup_limit(&vm->host->cgroups, vm->rec.name, p->limit_bytes, &e) < 0)
		hy_log_err(vm->host->log, HY_LOG_WARN, &e);
}

static void ended(void *object, int rc, const struct hy_err *told)
{
	struct vm *vm = object;
	struct vm_pages *p = &vm->pages;
	int (*then)(void *, struct hy_err *) = p->then;
	struct hy_err e = *told;

	p->then = NULL;
	if (rc < 0) {
		raise_limit(vm);
		hy_err_add(&e, "vm '%s': pages", vm->rec.name);
		p->done(p->object, NULL, rc, &e);
	} else {
		clean(p->board, p->n);
		p->done(p->object, p->board, 0, NULL);
	}
	tend_go_on(vm);
	free_board(p);
	if (!then)
		return;
	e = (struct hy_err){ 0 };
	rc = then(vm, &e);
	if (rc != LIFE_LATER)
		life_done(&vm->life, rc, &e);
}

static int may_start(const struct vm *vm, struct hy_err *e)
{
	if (job_runs(&vm->pages.job) || vm->life.state == LIFE_MAKING ||
	    vm->life.state == LIFE_UNMAKING)
		return hy_err_set(e, EBUSY, "vm '%s': another change is under way", vm->rec.name);
	if (vm->dir < 0)
		return hy_err_set(e, ENOENT, "vm '%s': its share", vm->rec.name);
	return 0;
}

static int copy_wish(struct vm_pages *p, const struct pages_board *wish, struct hy_err *e)
{
	void *at = mmap(NULL, sizeof(*p->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "memory for pages");
	p->board = at;
	*p->board = *wish;
	return 0;
}

/* A tender's squeeze, or a step of its, only lowers it. */
static uint64_t limit_of(const struct vm *vm, const struct cgroup_usage *u)
{
	uint64_t own = vm->tend.board ? vm->memory.in_force + HY_VM_OVERHEAD : 0;

	return u->limit_bytes > own ? u->limit_bytes : own;
}

static int start_work(struct vm *vm, struct work *w, struct hy_err *e)
{
	struct job_spec job = { .name = "pages", .work = work, .object = w };

	w->share = openat(vm->dir, "share", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->share < 0)
		return hy_err_set(e, errno, "'%s'", vm->share_path);
	job.keep[job.n_keep++] = w->share;
	for (unsigned int i = 0; i < w->door.n; i++)
		job.keep[job.n_keep++] = w->door.fd[i];
	for (unsigned int i = 0; i < w->groups->n; i++)
		job.keep[job.n_keep++] = w->groups->tree[i].fd;
	return job_start(&vm->pages.job, vm->host->loop, &job, e);
}

int vm_pages_start(struct vm *vm, const struct pages_board *wish, pages_done *done, void *object,
		   struct hy_err *e)
{
	struct vm_pages *p = &vm->pages;
	struct work w = { .share = -1, .groups = &vm->host->cgroups, .name = vm->rec.name,
			  .until_ms = hy_clock_ms() + HY_PAGES_MS };
	struct cgroup_usage u = { 0 };
	int rc = may_start(vm, e);

	if (rc == 0)
		rc = cgroup_usage(w.groups, w.name, &u, e);
	if (rc == 0)
		rc = cgroup_door_open(w.groups, w.name, &w.door, e);
	if (rc < 0)
		return rc;
	rc = copy_wish(p, wish, e);
	p->job.done = ended;
	p->job.object = vm;
	p->done = done;
	p->object = object;
	p->n = wish->n;
	p->limit_bytes = w.limit_bytes = limit_of(vm, &u);
	w.board = p->board;
	tend_hold(vm);
	if (rc == 0)
		rc = start_work(vm, &w, e);
	if (rc < 0)
		tend_go_on(vm);
	else if (!wish->in)
		tend_quiet(vm, p->job.child.pid);
	if (rc < 0)
		free_board(p);
	hy_fd_close(&w.share);
	cgroup_door_close(&w.door);
	return rc;
}

bool vm_pages_stop(struct vm *vm, int (*then)(void *vm, struct hy_err *e))
{
	if (!job_runs(&vm->pages.job))
		return false;
	vm->pages.then = then;
	job_cancel(&vm->pages.job);
	return true;
}

void vm_pages_close(struct vm *vm)
{
	struct vm_pages *p = &vm->pages;
	struct hy_err e = { 0 };

	if (!job_runs(&p->job))
		return;
	ev_child_forget(&p->job.child);
	hy_fd_close(&p->job.hear);
	p->done(p->object, NULL, hy_err_set(&e, EBUSY, "hylicsd is stopping"), &e);
	free_board(p);
}
