/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tend.c - a VM's tender: the job that keeps its files and its limit of memory
 *
 * Runs in: hylicsd; the work in a job inside the VM's cgroup
 * Reads from: the share (hostile): names and sizes of files; what the tender tells (believed no
 * more than a worker's counters)
 */
#include "hylicsd/tend.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylicsd/tender.h"
#include "hylicsd/tender_board.h"
#include "hylicsd/vm.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 60000
#define STEADY_MS 10000			/* one that lived so long is started again at once */

/* hylicsd's side. */
struct tend_board {
	struct tender_board *shared;
	int wake, told;			/* eventfds */
	struct ev_timer again;
	uint64_t since_ms, pause_ms;
	uint64_t limit_bytes, stuck;	/* as changed() was told */
};

static void wake(const struct tend_board *b)
{
	const uint64_t one = 1;

	(void)!write(b->wake, &one, sizeof(one));
}

static void write_wish(const struct tend_board *b, uint64_t limit_bytes, uint64_t idle_ms)
{
	__atomic_store_n(&b->shared->idle_ms, idle_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&b->shared->limit_bytes, limit_bytes, __ATOMIC_RELEASE);
	wake(b);
}

static void tell_changed(const struct vm *vm)
{
	if (vm->tend.changed)
		vm->tend.changed(vm->tend.object);
}

/* -- the job -- */

static int start_job(struct vm *vm, struct tender_job *t, struct hy_err *e)
{
	struct job_spec job = { .name = "tender", .work = tender_work, .object = t,
				.keep = { t->share, t->wake, t->told }, .n_keep = 3 };

	for (unsigned int i = 0; i < t->door.n; i++)
		job.keep[job.n_keep++] = t->door.fd[i];
	for (unsigned int i = 0; i < t->groups->n; i++)
		job.keep[job.n_keep++] = t->groups->tree[i].fd;
	return job_start(&vm->tend.job, vm->host->loop, &job, e);
}

static int run(struct vm *vm, struct hy_err *e)
{
	struct tend_board *b = vm->tend.board;
	struct tender_job t = { .share = tender_share(vm->dir, e), .wake = b->wake,
				.told = b->told, .name = vm->rec.name, .board = b->shared,
				.groups = &vm->host->cgroups, .log = vm->host->log };
	int rc = t.share < 0 ? t.share : cgroup_door_open(t.groups, t.name, &t.door, e);

	if (rc == 0) {
		b->since_ms = hy_clock_ms();
		wake(b);
		rc = start_job(vm, &t, e);
		cgroup_door_close(&t.door);
	}
	hy_fd_close(&t.share);
	return rc;
}

static void run_later(struct vm *vm)
{
	struct tend_board *b = vm->tend.board;

	if (hy_clock_ms() - b->since_ms >= STEADY_MS)
		b->pause_ms = 0;
	b->pause_ms = hy_clock_pause(b->pause_ms, PAUSE_MIN_MS, PAUSE_MAX_MS);
	ev_timer_set(vm->host->loop, &b->again, b->pause_ms);
}

static void run_again(void *object)
{
	struct vm *vm = object;
	struct hy_err e = { 0 };

	if (job_runs(&vm->tend.job))
		return;
	if (!job_runs(&vm->pages.job) && run(vm, &e) == 0)
		return;
	if (e.num) {
		hy_err_add(&e, "vm '%s': tender", vm->rec.name);
		hy_log_err(vm->host->log, HY_LOG_WARN, &e);
	}
	run_later(vm);
}

/* One that died in a squeeze has left the limit too low. Raising it takes no time. */
static void raise_limit(const struct vm *vm)
{
	static struct tend_report r;	/* large; one loop */
	const struct cgroups *c = &vm->host->cgroups;
	struct cgroup_usage u;
	struct hy_err e = { 0 };

	tender_board_read(vm->tend.board->shared, &r);
	if (r.limit_bytes == 0 || cgroup_usage(c, vm->rec.name, &u, NULL) < 0 ||
	    u.limit_bytes >= r.limit_bytes + HY_VM_OVERHEAD)
		return;
	if (cgroup_limit(c, vm->rec.name, r.limit_bytes + HY_VM_OVERHEAD, &e) < 0)
		hy_log_err(vm->host->log, HY_LOG_WARN, &e);
}

/* One that was told to go ends here, too; another may be wanted by then. */
static void ended(void *object, int rc, const struct hy_err *told)
{
	struct vm *vm = object;
	struct hy_err e = *told;

	if (!vm->tend.board)
		return;
	if (vm->tend.board->since_ms == 0) {
		run_again(vm);
		return;
	}
	if (rc == 0)
		hy_err_set(&e, EIO, "ended without a word");
	hy_err_add(&e, "vm '%s': tender", vm->rec.name);
	hy_log_err(vm->host->log, HY_LOG_WARN, &e);
	raise_limit(vm);
	run_later(vm);
	tell_changed(vm);
}

/* -- what it tells -- */

/* A lower limit than the cgroup has is not believed: others get what is free then. */
static void check_limit(const struct vm *vm, struct tend_report *r)
{
	struct cgroup_usage u;
	uint64_t real;

	if (r->limit_bytes == 0 ||
	    cgroup_usage(&vm->host->cgroups, vm->rec.name, &u, NULL) < 0)
		return;
	real = u.limit_bytes > HY_VM_OVERHEAD ? u.limit_bytes - HY_VM_OVERHEAD : 0;
	/* the kernel cuts it to whole pages, so one that is that little higher is the same */
	if (real > r->limit_bytes)
		r->limit_bytes = real;
}

bool tend_report(const struct vm *vm, struct tend_report *r)
{
	if (!vm->tend.board)
		return false;
	tender_board_read(vm->tend.board->shared, r);
	check_limit(vm, r);
	return true;
}

static int hear(void *object, int fd, uint32_t events)
{
	static struct tend_report r;	/* large; one loop */
	struct vm *vm = object;
	struct tend_board *b = vm->tend.board;
	uint64_t n;

	(void)events;
	(void)!read(fd, &n, sizeof(n));
	if (!tend_report(vm, &r) || (r.limit_bytes == b->limit_bytes && r.stuck == b->stuck))
		return 0;
	b->limit_bytes = r.limit_bytes;
	b->stuck = r.stuck;
	tell_changed(vm);
	return 0;
}

static const struct ev_class class = { .name = "tender", .handle = hear };

/* -- begin and end -- */

static void free_board(struct ev_loop *loop, struct tend_board *b)
{
	ev_timer_cancel(loop, &b->again);
	if (b->told >= 0)
		ev_del(loop, b->told);
	hy_fd_close(&b->told);
	hy_fd_close(&b->wake);
	if (b->shared)
		munmap(b->shared, sizeof(*b->shared));
	free(b);
}

static int fill_board(struct vm *vm, struct tend_board *b, struct hy_err *e)
{
	void *at = mmap(NULL, sizeof(*b->shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "memory for a tender's board");
	b->shared = at;
	b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->wake < 0 || b->told < 0)
		return hy_err_set(e, errno, "a tender's eventfds");
	return ev_add(vm->host->loop, b->told, &class, vm, EPOLLIN, e);
}

int tend_start(struct vm *vm, uint64_t limit_bytes, uint64_t idle_ms, struct hy_err *e)
{
	struct tend_board *b;
	int rc;

	if (vm->tend.board)
		return hy_err_set(e, EBUSY, "vm '%s': it has a tender", vm->rec.name);
	b = calloc(1, sizeof(*b));
	if (!b)
		return hy_err_set(e, ENOMEM, "memory for a tender's board");
	b->wake = b->told = -1;
	b->again = (struct ev_timer){ .fn = run_again, .object = vm };
	rc = fill_board(vm, b, e);
	if (rc == 0) {
		write_wish(b, limit_bytes, idle_ms);
		vm->tend.board = b;
		vm->tend.job.done = ended;
		vm->tend.job.object = vm;
		if (!job_runs(&vm->tend.job))	/* a former one that has not ended yet */
			rc = run(vm, e);
	}
	if (rc == 0)
		return 0;
	vm->tend.board = NULL;
	free_board(vm->host->loop, b);
	return hy_err_add(e, "vm '%s': tender", vm->rec.name);
}

void tend_set(struct vm *vm, uint64_t limit_bytes, uint64_t idle_ms)
{
	if (vm->tend.board)
		write_wish(vm->tend.board, limit_bytes, idle_ms);
}

void tend_stop(struct vm *vm)
{
	struct tend_board *b = vm->tend.board;

	if (!b)
		return;
	vm->tend.board = NULL;
	job_cancel(&vm->tend.job);
	free_board(vm->host->loop, b);
}

void tend_close(struct vm *vm)
{
	tend_stop(vm);
	if (!job_runs(&vm->tend.job))
		return;
	waitpid(vm->tend.job.child.pid, NULL, WNOHANG);	/* as a rule it is gone by now */
	ev_child_forget(&vm->tend.job.child);
	hy_fd_close(&vm->tend.job.hear);
}

/* -- pages by hand -- */

static void send(const struct vm *vm, int signo)
{
	if (vm->tend.board && job_runs(&vm->tend.job))
		kill(vm->tend.job.child.pid, signo);
}

void tend_hold(struct vm *vm)
{
	send(vm, SIGSTOP);
}

void tend_quiet(struct vm *vm, pid_t pid)
{
	if (vm->tend.board)
		__atomic_store_n(&vm->tend.board->shared->quiet_pid, pid, __ATOMIC_RELAXED);
}

void tend_go_on(struct vm *vm)
{
	send(vm, SIGCONT);
}
