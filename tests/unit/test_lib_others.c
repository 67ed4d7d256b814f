/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_others.c - who comes between when libhylics moves a socket: parents, io_uring, signals
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/own.h"
#include "include/hylics.h"
#include "libhylics/lib.h"

#define SMALL ((size_t)20000)
#define STORM 60	/* connections */
#define BIG WORLD_BIG

static struct world world;

/* -- parents -- */

static void drop_rights(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	PROBE_TRY(syscall(SYS_capset, &h, none));
}

enum parent { KEEPS, CLOSES, UNSEEN };

/* A child sends; exit code 0: moved, 1: shared, 2: neither. The client reads as many bytes. */
static int send_in_child(enum parent parent)
{
	int client, sock = world_nonblock_pair(&client), closed[2], code;
	struct world_reader reader;
	char c;
	pid_t pid;

	PROBE_TRY(pipe(closed));
	pid = probe_fork();
	if (pid == 0) {
		off_t off = 0;

		close(client);
		close(closed[1]);
		(void)!read(closed[0], &c, 1);
		if (parent == UNSEEN)
			drop_rights();
		if (hylics_sendfile(sock, world.file, &off, BIG) <= 0)
			_exit(2);
		_exit(world_is_moved(sock) ? 0 : world_is_shared(sock) ? 1 : 2);
	}
	world_read(&reader, client, 0);
	if (parent == CLOSES)
		hy_fd_close(&sock);
	close(closed[0]);
	close(closed[1]);
	code = probe_join(pid);
	hy_fd_close(&sock);
	if (world_read_end(&reader) == 0)
		return 2;
	return code;
}

static void parents(void)
{
	probe_check(send_in_child(KEEPS) == 1, "not moved: the parent has the same number");
	probe_check(send_in_child(CLOSES) == 0, "moved when the parent has closed it");
	probe_check(send_in_child(UNSEEN) == 0, "a parent that cannot be looked at stops nothing");
}

/* The parent has the number for something else. */
static void parent_with_another(void)
{
	pid_t pid = probe_fork();

	if (pid == 0) {
		int client, sock = world_nonblock_pair(&client);

		PROBE_TRY(dup2(sock, world.wake));
		close(sock);
		_exit(world_first(&world, world.wake) && world_is_moved(world.wake) ? 0 : 1);
	}
	probe_check(probe_join(pid) == 0, "moved: the parent has another file under the number");
}

/* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork): it is tested */
/* What a child of vfork() believes, its parent believes: it shares the memory, not the files. */
static void child_that_shares_memory(void)
{
	int client, sock = world_nonblock_pair(&client);
	volatile bool ok = false;
	struct world_reader reader;
	off_t off = BIG;
	pid_t pid = vfork();

	if (pid == 0) {
		ok = world_first(&world, sock) && world_is_shared(sock);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	world_read(&reader, client, 0);
	probe_check(ok, "not moved: a child of vfork()");
	/* refused for a second, which the next socket under the number is not */
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG,
		    "its parent goes on");
	close(sock);
	probe_check(world_read_end(&reader) == 2 * BIG, "bytes right");
	sock = world_nonblock_pair(&client);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "and moves the next one");
	close(sock);
	close(client);
}

/* A child of vfork() moves a socket of its own, under a number that its parent has for another. */
static void child_that_moves(void)
{
	int client, sock = world_nonblock_pair(&client);
	struct world_reader reader;
	off_t off = 0;
	volatile bool ok = false;
	pid_t pid = vfork();

	if (pid == 0) {
		int its_client, its = world_nonblock_pair(&its_client);

		ok = dup2(its, sock) == sock && close(its) == 0 &&
		     world_first(&world, sock) && world_is_moved(sock);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	probe_check(ok, "a child of vfork() moves a socket of its own");
	world_read(&reader, client, 0);
	probe_check(!world_is_moved(sock) &&
		    hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG &&
		    world_is_moved(sock), "its parent does not take its own for it, and moves it");
	close(sock);
	probe_check(world_read_end(&reader) == BIG, "bytes right");
}

/* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */

/* -- io_uring -- */

static void io_uring(void)
{
	struct io_uring_params p = { 0 };
	int client, sock = world_nonblock_pair(&client);
	int ring = (int)syscall(SYS_io_uring_setup, 4, &p);

	if (ring < 0) {
		probe_note("no io_uring here: %d", errno);
		return;
	}
	probe_check(world_first(&world, sock) && world_is_shared(sock),
		    "not moved: there is an io_uring");
	close(ring);
	close(sock);
	close(client);
	sock = world_nonblock_pair(&client);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved without it");
	close(sock);
	close(client);
}

/* -- signals -- */

static struct {
	volatile sig_atomic_t sock;
	_Atomic unsigned int handled;
	_Atomic uint64_t sent;
} in_handler = { .sock = -1 };

static void send_in_handler(int number)
{
	int saved = errno;
	off_t off = 0;
	ssize_t n;

	(void)number;
	if (in_handler.sock >= 0) {
		n = hylics_sendfile(in_handler.sock, world.file, &off, SMALL);
		if (n > 0)
			atomic_fetch_add(&in_handler.sent, (uint64_t)n);
		atomic_fetch_add(&in_handler.handled, 1);
	}
	errno = saved;
}

static void say_local(void)
{
	for (unsigned int i = 0; i < HY_PAGE_SLOTS; i++) {
		if (world.page->slot[i].state == SLOT_MOVED)
			world.page->slot[i].state = SLOT_LOCAL;
	}
}

/* The library waits for an answer that does not come, in the middle of a swap. */
static void while_an_answer_is_awaited(void)
{
	int client, sock = world_pair(&client);
	uint32_t takes = world.agent->takes, answer_ms = lib_agent()->answer_ms;
	struct world_reader reader;
	off_t off = BIG;
	pid_t me = getpid(), pid;

	world_read(&reader, client, 0);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved");
	say_local();
	atomic_store(&world.agent->mute, 1);
	lib_agent()->answer_ms = 200;
	in_handler.sock = sock;
	atomic_store(&in_handler.sent, 0);
	pid = probe_fork();
	if (pid == 0) {
		bool asked = world_wait(&world.agent->takes, takes + 1);

		kill(me, SIGUSR1);
		_exit(asked ? 0 : 1);
	}
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG,
		    "asked back, and no answer");
	probe_check(probe_join(pid) == 0 && atomic_load(&in_handler.handled) == 1,
		    "a handler sends on the same number when that is over");
	in_handler.sock = -1;
	lib_agent()->answer_ms = answer_ms;
	atomic_store(&world.agent->mute, 0);
	atomic_store(&lib_area()->look_ms, 0);	/* nor has it just been looked for in vain */
	close(sock);
	probe_join(reader.pid);
	probe_check(reader.got->bytes == 2 * BIG + atomic_load(&in_handler.sent),
		    "all bytes arrive");
}

/* Signals all the time, whatever the library is at. */
static void in_a_storm(void)
{
	const struct timespec breath = { .tv_nsec = 100000 };	/* else nothing but handlers runs */
	uint32_t moves = world.agent->moves;
	pid_t me = getpid(), pid = probe_fork();
	unsigned int wrong = 0, handled;

	if (pid == 0) {
		for (;;) {
			kill(me, SIGUSR1);
			nanosleep(&breath, NULL);
		}
	}
	for (unsigned int i = 0; i < STORM; i++) {
		int client, sock = world_pair(&client);
		struct world_reader reader;
		off_t off = 0;
		ssize_t n;

		world_read(&reader, client, 0);
		atomic_store(&in_handler.sent, 0);
		handled = atomic_load(&in_handler.handled);
		in_handler.sock = sock;
		n = hylics_sendfile(sock, world.file, &off, BIG);
		while (atomic_load(&in_handler.handled) < handled + 3)
			sched_yield();
		in_handler.sock = -1;
		close(sock);
		while (waitpid(reader.pid, NULL, 0) < 0 && errno == EINTR)
			;
		wrong += n <= 0 || reader.got->bytes != (uint64_t)n + in_handler.sent;
		munmap(reader.got, sizeof(*reader.got));
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	probe_check(wrong == 0 && world.agent->moves > moves,
		    "%u handlers send on numbers that are being moved: %u wrong, %u moved",
		    atomic_load(&in_handler.handled), wrong, world.agent->moves - moves);
}

int main(void)
{
	struct sigaction act = { .sa_handler = send_in_handler, .sa_flags = SA_RESTART };

	probe_begin(60);
	world_open(&world);
	world_start(&world);
	parents();
	parent_with_another();
	child_that_shares_memory();
	child_that_moves();
	io_uring();
	sigaction(SIGUSR1, &act, NULL);
	while_an_answer_is_awaited();
	in_a_storm();
	world_close(&world);
	return probe_end("whoever comes between finds a TCP socket or a pair, never half of one");
}
