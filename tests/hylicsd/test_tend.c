/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_tend.c - a VM's tender: its limit, files that go out and come back, its death at each step
 *
 * Runs in: a host or guest with a memory controller and a disk for swap, as root
 * Reads from: no untrusted input
 *
 * HY_PROBE_DIR names a directory on a disk, as for the probes. The test is hylicsd with one VM that
 * has a cgroup and a share and nothing else. Which pages the kernel takes is its choice, so what
 * goes and comes is waited for.
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"
#include "hylicsd/pages.h"
#include "hylicsd/share.h"
#include "hylicsd/swap.h"
#include "hylicsd/tend_json.h"
#include "hylicsd/vm.h"
#include "tests/hylicsd/ground.h"
#include "tests/probes/mem_swap.h"

#define MIB ((uint64_t)1 << 20)
#define FILE_BYTES (8 * MIB)
#define MOST (FILE_BYTES - FILE_BYTES / 8)
#define DEPTH 600			/* its path is too long to be known */
#define FILES 4
#define LAST 3				/* none follows it by number */
#define SHARE_BYTES (256 * MIB)
#define LIMIT (96 * MIB)
#define SWAP_BYTES (256 * MIB)
#define IDLE_MS 400
#define NEVER 0
#define LONG_MS 60000
#define ROUND_MS 20
#define TRIES 8

static char swap_file[PATH_MAX];
static pid_t main_pid;

static struct world {
	struct hy_log log;
	struct ev_loop loop;
	struct host host;
	struct vm *vm;
	int dir, share, file[FILES];
	unsigned int changed;
	struct tend_report r;		/* the last one */
	bool pages_told;
} w;

static void at_exit(void)
{
	if (getpid() == main_pid && swap_file[0])
		swap_unmake(swap_file, NULL);
}

static void limit_changed(void *object)
{
	(void)object;
	w.changed++;
}

static void vm_changed(void *object, struct vm *vm)
{
	(void)object;
	(void)vm;
}

/* -- waiting -- */

static bool wait_for(bool (*is_so)(void))
{
	uint64_t until_ms = hy_clock_ms() + LONG_MS;
	struct hy_err e = { 0 };

	while (hy_clock_ms() < until_ms) {
		ground_try(ev_round(&w.loop, ROUND_MS, &e), &e);
		if (tend_report(w.vm, &w.r) && is_so())
			return true;
	}
	probe_note("in force %llu, known %llu, out %llu, back %llu, stuck %llu, in memory %llu",
		   (unsigned long long)w.r.limit_bytes, (unsigned long long)w.r.files,
		   (unsigned long long)w.r.put_out, (unsigned long long)w.r.brought_back,
		   (unsigned long long)w.r.stuck, (unsigned long long)w.r.memory_bytes);
	return false;
}

static uint64_t wanted_limit, wanted_number;

/* By the kernel, for files. */
static uint64_t limit_in_force(void)
{
	struct cgroup_usage u;
	struct hy_err e = { 0 };

	ground_try(cgroup_usage(&w.host.cgroups, "vm1", &u, &e), &e);
	return u.limit_bytes - HY_VM_OVERHEAD;
}

static bool has_limit(void)
{
	return w.r.limit_bytes == wanted_limit && limit_in_force() == wanted_limit;
}

static bool limit_is(uint64_t bytes)
{
	wanted_limit = bytes;
	return wait_for(has_limit);
}

static bool is_stuck(void)
{
	return w.r.stuck == wanted_number;
}

static bool knows_so_many(void)
{
	return w.r.files == wanted_number;
}

static bool is_dead(void)
{
	return !job_runs(&w.vm->tend.job);
}

static bool is_there(void)
{
	return job_runs(&w.vm->tend.job);
}

/* -- files -- */

static pid_t inside(void)
{
	struct hy_err e = { 0 };
	struct cgroup_door door;
	pid_t pid;

	ground_try(cgroup_door_open(&w.host.cgroups, "vm1", &door, &e), &e);
	pid = probe_fork();
	if (pid == 0 && cgroup_enter(&door) < 0)
		_exit(1);
	cgroup_door_close(&door);
	return pid;
}

static void write_file(const char *name, uint64_t bytes, unsigned int stream)
{
	pid_t pid = inside();

	if (pid == 0)
		_exit(ground_write(w.share, name, bytes, stream) < 0 ? 1 : 0);
	if (probe_join(pid) != 0)
		probe_bail("write %s", name);
}

static uint64_t in_memory(unsigned int which)
{
	struct pages_count c = { 0 };
	struct hy_err e = { 0 };

	ground_try(pages_count(w.file[which], UINT64_MAX, &c, &e), &e);
	return c.memory_bytes;
}

/* As the worker does it: read-only, where no access time is kept. */
static void open_file(const char *name)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		int fd = openat(w.share, name, O_RDONLY | O_NOATIME | O_CLOEXEC);

		_exit(fd < 0 ? 1 : 0);
	}
	if (probe_join(pid) != 0)
		probe_bail("open %s", name);
}

static bool is_whole(unsigned int which)
{
	static unsigned char chunk[65536];

	for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(chunk))
		if (pread(w.file[which], chunk, sizeof(chunk), (off_t)at) != sizeof(chunk) ||
		    probe_first_wrong(chunk, sizeof(chunk), at, which) >= 0)
			return false;
	return true;
}

/* -- the checks -- */

static void start(uint64_t limit, uint64_t idle_ms)
{
	struct hy_err e = { 0 };

	ground_try(tend_start(w.vm, limit, idle_ms, &e), &e);
}

static void check_limit(void)
{
	unsigned int before = w.changed;

	start(LIMIT, NEVER);
	probe_check(limit_is(LIMIT), "limit: what it begins with is in force");
	tend_set(w.vm, 4 * MIB, NEVER);
	probe_check(limit_is(4 * MIB), "limit: a lower one is in force");
	tend_set(w.vm, LIMIT, NEVER);
	probe_check(limit_is(LIMIT) && w.changed > before, "limit: a higher one, and it is told");
	probe_check(tend_start(w.vm, LIMIT, NEVER, NULL) == -EBUSY, "a second tender is refused");
}

/* Locked memory goes nowhere, whether there is swap or not. */
static void check_stuck(void)
{
	int ends[2], ready[2];
	pid_t pid;
	char c;

	PROBE_TRY(pipe2(ends, O_CLOEXEC));
	PROBE_TRY(pipe2(ready, O_CLOEXEC));
	pid = inside();
	if (pid == 0) {
		void *at = mmap(NULL, 2 * HY_VM_OVERHEAD, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);

		close(ends[1]);
		if (at == MAP_FAILED || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(ends[0], &c, 1) < 0 ? 1 : 0);
	}
	close(ready[1]);
	close(ends[0]);
	if (read(ready[0], &c, 1) != 1)
		probe_bail("lock memory");
	close(ready[0]);
	wanted_number = 1;
	tend_set(w.vm, 8 * MIB, NEVER);
	probe_check(wait_for(is_stuck) && limit_is(LIMIT), "stuck: the old limit stays in force");
	probe_check(w.vm->tend.board != NULL && w.r.stuck == 1, "stuck: it is counted once");
	close(ends[1]);
	probe_join(pid);
	probe_check(limit_is(8 * MIB) && w.r.stuck == 1, "stuck: it is had when it can be");
	tend_set(w.vm, LIMIT, NEVER);
	probe_check(limit_is(LIMIT), "stuck: and a higher one again");
}

static bool shows_strange(void)
{
	for (unsigned int i = 0; i < w.r.n_shown; i++)
		if (strcmp(w.r.shown[i].path, "d/x??y\"") == 0)
			return true;
	return false;
}

static void make_deep(void)
{
	hy_autofd at = dup(w.share);

	for (unsigned int i = 0; i < DEPTH; i++) {
		int next;

		PROBE_TRY(mkdirat(at, "d", 0755) < 0 && errno != EEXIST ? -1 : 0);
		next = (int)PROBE_TRY(openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		close(at);
		at = next;
	}
	PROBE_TRY(ground_write(at, "deep", 5000, 3));
}

/* Names of all kinds; what is no regular file is not known. */
static void check_names(void)
{
	json_t *o;

	PROBE_TRY(mkdirat(w.share, "d", 0755));
	write_file("d/x\n\xffy\"", 5000, 1);
	PROBE_TRY(symlinkat("/etc/passwd", w.share, "link"));
	PROBE_TRY(mkfifoat(w.share, "fifo", 0600));
	PROBE_TRY(mknodat(w.share, "null", S_IFCHR | 0666, 0x103));
	write_file("two", 5000, 2);
	PROBE_TRY(linkat(w.share, "two", w.share, "names", 0));
	make_deep();
	wanted_number = 3;
	probe_check(wait_for(knows_so_many), "names: each regular file is known once");
	probe_check(wait_for(shows_strange), "names: what is shown can be shown");
	o = tend_json(w.vm);
	probe_check(json_integer_value(json_object_get(o, "known")) == 3 &&
		    json_array_size(json_object_get(o, "shown")) == 3, "names: as JSON, too");
	json_decref(o);
	PROBE_TRY(unlinkat(w.share, "two", 0));
	PROBE_TRY(unlinkat(w.share, "names", 0));
	PROBE_TRY(unlinkat(w.share, "d/x\n\xffy\"", 0));
	wanted_number = 1;
	probe_check(wait_for(knows_so_many), "names: what is gone is forgotten");
}

static const char *const names[FILES] = {
	"a/seg-0041.ts", "a/seg-0042.ts", "a/seg-0043.ts", "a/seg-0044.ts",
};

/* This test's own opens are no uses, and it keeps them: what it looks at is not brought back. */
static void open_files(void)
{
	struct hy_err e = { 0 };

	tend_quiet(w.vm, getpid());
	for (unsigned int i = 0; i < FILES; i++) {
		w.file[i] = pages_open(w.share, names[i], &e);
		ground_try(w.file[i], &e);
	}
}

static void close_files(void)
{
	for (unsigned int i = 0; i < FILES; i++)
		hy_fd_close(&w.file[i]);
}

static bool is_out(void)
{
	return in_memory(0) <= FILE_BYTES - MOST;
}

static bool is_back(void)
{
	return in_memory(0) >= MOST;
}

static bool last_is_back(void)
{
	return in_memory(LAST) >= MOST;
}

static bool next_are_back(void)
{
	return in_memory(1) >= MOST && in_memory(2) >= MOST;
}

static bool all_are_out(void)
{
	for (unsigned int i = 0; i < FILES; i++)
		if (in_memory(i) > FILE_BYTES - MOST)
			return false;
	return true;
}

static bool all_are_whole(void)
{
	for (unsigned int i = 0; i < FILES; i++)
		if (!is_whole(i))
			return false;
	return true;
}

static bool has_put_out(void)
{
	return w.r.put_out >= 4 && w.r.put_out_bytes >= 4 * MOST;
}

static bool has_brought_back(void)
{
	return w.r.brought_back == 3 && w.r.brought_back_bytes >= 2 * MOST &&
	       in_memory(LAST) <= FILE_BYTES - MOST;
}

static void check_out_and_in(void)
{
	PROBE_TRY(mkdirat(w.share, "a", 0755));
	for (unsigned int i = 0; i < FILES; i++)
		write_file(names[i], FILE_BYTES, i);
	open_files();
	wanted_number = FILES + 1;
	probe_check(wait_for(knows_so_many) && w.r.put_out == 0, "out: none while none is idle");
	tend_set(w.vm, LIMIT, IDLE_MS);
	probe_check(wait_for(all_are_out), "out: what is idle goes");
	tend_set(w.vm, LIMIT, NEVER);
	probe_check(wait_for(has_put_out) && limit_is(LIMIT),
		    "out: it is counted, and the limit is what it was");
	open_file(names[0]);
	probe_check(wait_for(is_back), "in: a file that was opened is back");
	probe_check(wait_for(next_are_back), "in: the next two by number as well");
	probe_check(wait_for(has_brought_back), "in: they are counted, the one behind is not");
	probe_check(limit_is(LIMIT), "in: the limit is what it was");
	probe_check(all_are_whole(), "all bytes are right");
	tend_set(w.vm, 2 * FILE_BYTES - MIB, IDLE_MS);
	probe_check(wait_for(all_are_out), "out: again");
	tend_set(w.vm, 2 * FILE_BYTES - MIB, NEVER);
	probe_check(limit_is(2 * FILE_BYTES - MIB), "a limit of less than twice the file");
	open_file(names[0]);
	tend_set(w.vm, 2 * FILE_BYTES - 2 * MIB, NEVER);
	probe_check(limit_is(2 * FILE_BYTES - 2 * MIB) && is_out(), "in: not if it is half of all");
	tend_set(w.vm, LIMIT, NEVER);
	probe_check(limit_is(LIMIT), "as before");
}

static void pages_done_now(void *object, const struct pages_board *board, int rc,
			   const struct hy_err *e)
{
	(void)object;
	if (rc < 0)
		probe_note("pages: %s", e->text);
	w.pages_told = board != NULL;
}

static bool pages_are_told(void)
{
	return w.pages_told;
}

static void pages(bool in)
{
	static struct pages_board wish;
	struct hy_err e = { 0 };

	wish = (struct pages_board){ .in = in, .n = 1 };
	snprintf(wish.file[0].path, sizeof(wish.file[0].path), "%s", names[LAST]);
	w.pages_told = false;
	ground_try(vm_pages_start(w.vm, &wish, pages_done_now, NULL, &e), &e);
	if (!wait_for(pages_are_told))
		probe_bail("pages are not told");
}

/* By hand, and other changes of the VM: none of them takes the limit from the tender. */
static void check_others(void)
{
	uint64_t back = w.r.brought_back;
	struct hy_err e = { 0 };

	pages(true);
	probe_check(wait_for(last_is_back), "by hand: a file comes");
	for (unsigned int i = 0; i < TRIES && in_memory(LAST) > FILE_BYTES - MOST; i++)
		pages(false);
	tend_set(w.vm, LIMIT - MIB, NEVER);
	probe_check(limit_is(LIMIT - MIB) && in_memory(LAST) <= FILE_BYTES - MOST &&
		    w.r.brought_back == back,
		    "by hand: a file goes, and is not brought back for that");
	probe_check(strcmp(vm_pieces[1].name, "cgroup") == 0 &&
		    vm_pieces[1].make(w.vm, &e) == 0 && limit_is(LIMIT - MIB),
		    "a VM that is made again leaves the limit");
	probe_check(share_in_use(w.dir, "share", &e) == 1, "the test itself has the share open");
	close_files();
	close(w.share);
	probe_check(share_in_use(w.dir, "share", &e) == 0, "the tender does not");
	w.share = (int)PROBE_TRY(openat(w.dir, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	open_files();
	tend_set(w.vm, LIMIT, NEVER);
	probe_check(limit_is(LIMIT), "as before");
}

static void check_death(void)
{
	unsigned int before = w.changed;
	pid_t pid = w.vm->tend.job.child.pid;

	kill(pid, SIGKILL);
	probe_check(wait_for(is_dead) && w.changed > before, "killed: it is told");
	probe_check(wait_for(is_there) && w.vm->tend.job.child.pid != pid && limit_is(LIMIT),
		    "killed: another one comes, the limit is what it was");
	tend_stop(w.vm);
	start(LIMIT, NEVER);
	probe_check(limit_is(LIMIT), "stopped and started at once");
}

#ifdef HY_FAULTS
static bool has_died(void)
{
	return w.changed > wanted_number && is_dead();
}

static void order(const char *fault)
{
	if (fault)
		PROBE_TRY(setenv("HYLICS_FAULT", fault, 1));
	else
		PROBE_TRY(unsetenv("HYLICS_FAULT"));
	if (hy_fault_init())
		probe_bail("%s", hy_fault_init());
}

static bool go_out(void)
{
	start(LIMIT, IDLE_MS);
	return true;
}

static bool go_in(void)
{
	start(LIMIT, NEVER);
	if (!limit_is(LIMIT))
		return false;
	open_file(names[0]);
	return true;
}

static bool go_limit(void)
{
	write_file("big", 6 * FILE_BYTES, 5);	/* more than one step above the limit */
	start(2 * MIB, NEVER);
	return true;
}

/* A tender that dies at a step, and the next one, which has nothing in its way. */
static void die_at(const char *fault, bool (*go)(void), const char *what)
{
	tend_set(w.vm, LIMIT, go == go_in ? IDLE_MS : NEVER);
	if (go == go_in && !wait_for(all_are_out))
		probe_bail("files do not go out");
	tend_stop(w.vm);
	order(fault);
	wanted_number = w.changed;
	probe_check(go() && wait_for(has_died), "%s: it dies", what);
	probe_check(limit_in_force() == LIMIT, "%s: the limit is not low", what);
	order(NULL);
	tend_set(w.vm, LIMIT, IDLE_MS);
	probe_check(wait_for(all_are_out) && limit_is(LIMIT), "%s: the next one goes on", what);
	probe_check(all_are_whole(), "%s: all bytes are right", what);
}

static bool is_stopped(void)
{
	siginfo_t told = { 0 };

	return waitid(P_PID, (id_t)w.vm->tend.job.child.pid, &told, WSTOPPED | WNOHANG) == 0 &&
	       told.si_pid;
}

/* What is brought back may come from a slow disk. */
static void check_limit_waits_for_nothing(void)
{
	tend_set(w.vm, LIMIT, IDLE_MS);
	if (!wait_for(all_are_out))
		probe_bail("files do not go out");
	tend_stop(w.vm);
	order("tend.in:stop:2,tend.in:stop:3");
	probe_check(go_in() && wait_for(is_stopped), "it is stopped while it brings files back");
	tend_set(w.vm, LIMIT + MIB, NEVER);
	kill(w.vm->tend.job.child.pid, SIGCONT);
	probe_check(wait_for(is_stopped), "it is stopped before the next one");
	wanted_limit = LIMIT + MIB;
	probe_check(has_limit() && in_memory(2) < MOST, "the limit has not waited for that one");
	kill(w.vm->tend.job.child.pid, SIGCONT);
	order(NULL);
}

static void check_faults(void)
{
	check_limit_waits_for_nothing();
	die_at("tend.out:kill:1", go_out, "before a file goes out");
	die_at("tend.out:kill:3", go_out, "before the third one does");
	die_at("vm.pages:kill:1", go_out, "in a squeeze");
	die_at("tend.in:kill:1", go_in, "before a file comes back");
	die_at("tend.in:kill:2", go_in, "before the next one does");
	die_at("tend.limit:kill:1", go_limit, "before a limit");
	die_at("tend.limit:kill:2", go_limit, "between two steps to a limit");
}
#endif

/* Returns whether there is swap. */
static bool make_swap(void)
{
	const char *asked = getenv("HY_PROBE_DIR");
	hy_autofree char *dir = realpath(asked && asked[0] ? asked : ".", NULL);
	struct hy_err e = { 0 };

	if (!dir || strlen(dir) > sizeof(swap_file) - 64)
		probe_bail("no directory for a swap file: %s", strerror(errno));
	snprintf(swap_file, sizeof(swap_file), "%s/hylicsd-tend-%d", dir, getpid());
	main_pid = getpid();
	atexit(at_exit);
	if (swap_make(swap_file, mem_swap_bytes(dir, SWAP_BYTES), false, &e) == 0)
		return true;
	swap_file[0] = '\0';
	probe_skip("out and in", "%s: %s", e.text, strerror(e.num));
	return false;
}

static void make_world(void)
{
	struct hy_err e = { 0 };
	struct record rec;

	w.log = (struct hy_log){ .program = "test", .level = HY_LOG_INFO };
	w.host = (struct host){ .loop = &w.loop, .log = &w.log, .changed = vm_changed };
	snprintf(w.host.config.run_dir, sizeof(w.host.config.run_dir), "/mnt");
	ground_try(ev_open(&w.loop, 1024, &e), &e);
	ground_cgroups(&w.host.cgroups);
	ground_try(cgroup_make(&w.host.cgroups, "vm1", &e), &e);
	ground_try(cgroup_limit(&w.host.cgroups, "vm1", LIMIT + HY_VM_OVERHEAD, &e), &e);
	ground_try(share_make(w.dir, "share", SHARE_BYTES, 10000, &e), &e);
	w.share = (int)PROBE_TRY(openat(w.dir, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ground_try(record_init(&rec, "vm1", &e), &e);
	rec.size = SHARE_BYTES;
	w.vm = vm_open(&w.host, &rec, &e);
	if (!w.vm)
		probe_bail("%s", e.text);
	w.vm->dir = dup(w.dir);
	w.vm->tend.changed = limit_changed;
	for (unsigned int i = 0; i < FILES; i++)
		w.file[i] = -1;
}

static bool is_empty(void *arg)
{
	pid_t pid;

	(void)arg;
	return cgroup_list(&w.host.cgroups, "vm1", &pid, 1, NULL) == 0;
}

/* Another hylicsd, which is killed. */
static void check_end_with_hylicsd(void)
{
	int ready[2];
	pid_t pid;
	char c;

	PROBE_TRY(pipe2(ready, O_CLOEXEC));
	pid = probe_fork();
	if (pid == 0) {
		start(LIMIT, NEVER);
		if (limit_is(LIMIT) && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		probe_bail("no tender");
	close(ready[0]);
	probe_check(!is_empty(NULL), "a tender is in the VM's cgroup");
	kill(pid, SIGKILL);
	probe_join(pid);
	probe_check(probe_wait_until(is_empty, NULL), "it ends with a hylicsd that is killed");
}

static bool is_removed(void *arg)
{
	(void)arg;
	return cgroup_remove(&w.host.cgroups, "vm1", NULL) == 0;
}

static void end_world(void)
{
	struct hy_err e = { 0 };

	close_files();
	close(w.share);
	ground_try(share_unmake(w.dir, "share", false, &e), &e);
	probe_check(true, "the share goes while a tender lives");
	tend_stop(w.vm);
	probe_check(!tend_report(w.vm, &w.r) && !tend_json(w.vm), "stopped: nothing is told");
	probe_check(probe_wait_until(is_empty, NULL), "stopped: it is gone");
	vm_close(w.vm);
	ev_close(&w.loop);
	probe_check(probe_wait_until(is_removed, NULL) && ground_cgroups_end(&w.host.cgroups),
		    "the cgroups are gone");
}

int main(void)
{
	struct hy_err e = { 0 };

	probe_begin(170);
	w.dir = ground_make();
	make_world();
	check_end_with_hylicsd();
	check_limit();
	check_stuck();
	check_names();
	if (make_swap()) {
		check_out_and_in();
		check_others();
		check_death();
#ifdef HY_FAULTS
		check_faults();
#endif
	}
	end_world();
	if (swap_file[0])
		probe_check(swap_unmake(swap_file, &e) == 0, "the swap file is gone");
	return probe_end("a tender keeps files and limit of a VM, however often it dies");
}
