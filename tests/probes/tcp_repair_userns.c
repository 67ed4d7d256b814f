/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_repair_userns.c - what CAP_NET_ADMIN over one network namespace is worth, and is not
 *
 * Runs in: user and network namespaces of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * Each situation is a child that reports what it measured through shared memory; the user
 * namespaces have no identity map, so nothing but the capability can be what helps.
 * Newer kernels let no TCP socket be filtered without CAP_NET_ADMIN over its network namespace,
 * older ones let anybody: which of the two this is, is told, not demanded.
 */
#include "tests/probes/tcp_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ASKED_BUFFER (512 * 1024 * 1024)
#define TWIN_RCVBUF 777777

/* errno of each attempt, 0 where it succeeded. */
struct found {
	int repair;			/* TCP_REPAIR on a socket of the own namespace */
	int repair_without_cap;		/* the same with every capability dropped */
	int repair_inherited;		/* on a socket of the parent's namespace */
	int filter;			/* the freeze itself, the same three ways */
	int filter_without_cap;
	int filter_inherited;
	int mark, sndbufforce, rcvbufforce, sndbuf, buf_lock;
	int sndbuf_bytes, buf_lock_set, buf_lock_cleared;
	int tcp_rmem, rcvbuf_bytes;
};

static struct found *found;

static int try_option(int sock, int level, int opt, int value)
{
	return setsockopt(sock, level, opt, &value, sizeof(value)) < 0 ? errno : 0;
}

static int new_socket(void)
{
	return (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
}

/* Leaves the one capability in the current user namespace, or none with @mask 0. */
static void keep_capabilities(uint32_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	data[0].effective = mask;
	data[0].permitted = mask;
	PROBE_TRY(syscall(SYS_capset, &head, data));
}

static void measure_buffers(int sock)
{
	found->sndbufforce = try_option(sock, SOL_SOCKET, SO_SNDBUFFORCE, ASKED_BUFFER);
	found->rcvbufforce = try_option(sock, SOL_SOCKET, SO_RCVBUFFORCE, ASKED_BUFFER);
	found->sndbuf = try_option(sock, SOL_SOCKET, SO_SNDBUF, ASKED_BUFFER);
	found->sndbuf_bytes = tcp_sock_get(sock, SOL_SOCKET, SO_SNDBUF);
	found->buf_lock_set = tcp_sock_get(sock, SOL_SOCKET, SO_BUF_LOCK);
	found->buf_lock = try_option(sock, SOL_SOCKET, SO_BUF_LOCK, 0);
	found->buf_lock_cleared = tcp_sock_get(sock, SOL_SOCKET, SO_BUF_LOCK);
}

static void measure_tcp_rmem(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_rmem", O_WRONLY | O_CLOEXEC);
	char text[64];
	int len = snprintf(text, sizeof(text), "4096 %d %d", TWIN_RCVBUF, ASKED_BUFFER);

	found->tcp_rmem = fd < 0 || write(fd, text, (size_t)len) != len ? errno : 0;
	if (fd >= 0)
		close(fd);
	found->rcvbuf_bytes = tcp_sock_get(new_socket(), SOL_SOCKET, SO_RCVBUF);
}

/* The worker's situation: a user namespace that owns the network namespace, one capability. */
static void as_owner(int inherited)
{
	struct probe_pair pair;
	int sock;

	PROBE_TRY(unshare(CLONE_NEWUSER | CLONE_NEWNET));
	probe_if_up("lo", NULL, NULL);
	keep_capabilities(1u << CAP_NET_ADMIN);
	probe_tcp_pair(&pair);
	sock = new_socket();
	found->repair = try_option(pair.server, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	found->repair_inherited = try_option(inherited, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	found->filter = tcp_sock_try_freeze(pair.server);
	found->filter_inherited = tcp_sock_try_freeze(inherited);
	found->mark = try_option(sock, SOL_SOCKET, SO_MARK, 7);
	measure_buffers(sock);
	measure_tcp_rmem();
	keep_capabilities(0);
	found->repair_without_cap =
		try_option(pair.client, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	found->filter_without_cap = tcp_sock_try_freeze(pair.client);
}

/* All capabilities in a user namespace, but the network namespace belongs to another one. */
static void as_stranger(int inherited)
{
	PROBE_TRY(unshare(CLONE_NEWUSER));
	found->repair = try_option(new_socket(), IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	found->repair_inherited = try_option(inherited, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	found->mark = try_option(new_socket(), SOL_SOCKET, SO_MARK, 7);
}

static void run_as(void (*situation)(int inherited), int inherited)
{
	pid_t child;

	memset(found, 0xff, sizeof(*found));
	child = probe_fork();
	if (!child) {
		situation(inherited);
		_exit(0);
	}
	if (probe_join(child) != 0)
		probe_bail("a child could not take its measures");
}

static void judge_owner(void)
{
	probe_check(found->repair == 0, "CAP_NET_ADMIN alone over its own network namespace: "
		    "TCP_REPAIR works (%s)", strerror(found->repair));
	probe_check(found->filter == 0, "the freezing filter too (%s)", strerror(found->filter));
	probe_note("without the capability the filter: %s; on another namespace's socket: %s",
		   strerror(found->filter_without_cap), strerror(found->filter_inherited));
	probe_check(found->mark == 0, "and SO_MARK (%s)", strerror(found->mark));
	probe_check(found->repair_inherited == EPERM,
		    "but not on a socket of another network namespace that it holds: %s",
		    strerror(found->repair_inherited));
	probe_check(found->repair_without_cap == EPERM, "nor without the capability: %s",
		    strerror(found->repair_without_cap));
	probe_check(found->sndbufforce == EPERM && found->rcvbufforce == EPERM,
		    "SO_SNDBUFFORCE and SO_RCVBUFFORCE fail: %s, %s",
		    strerror(found->sndbufforce), strerror(found->rcvbufforce));
	probe_check(found->sndbuf == 0 && found->sndbuf_bytes < ASKED_BUFFER,
		    "SO_SNDBUF is cut to the limit: %d bytes of %d asked", found->sndbuf_bytes,
		    ASKED_BUFFER);
	probe_check(found->buf_lock == 0 && found->buf_lock_set && !found->buf_lock_cleared,
		    "SO_BUF_LOCK gives autotuning back: %d, then %d", found->buf_lock_set,
		    found->buf_lock_cleared);
	probe_check(found->tcp_rmem == 0 && found->rcvbuf_bytes == TWIN_RCVBUF,
		    "tcp_rmem of its network namespace can be set: a new socket has %d bytes",
		    found->rcvbuf_bytes);
}

static void judge_stranger(void)
{
	probe_check(found->repair == EPERM,
		    "a user namespace that does not own the network namespace: TCP_REPAIR: %s",
		    strerror(found->repair));
	probe_check(found->repair_inherited == EPERM, "on a socket made before it, too: %s",
		    strerror(found->repair_inherited));
	probe_check(found->mark == EPERM, "SO_MARK: %s", strerror(found->mark));
}

static void skip_without_user_namespaces(void)
{
	pid_t child = probe_fork();

	if (!child)
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
	child = probe_join(child);
	if (child)
		probe_skip_all("a user namespace: %s", strerror(child));
}

int main(void)
{
	struct probe_pair pair;

	probe_begin(50);
	probe_private_net(0);
	skip_without_user_namespaces();
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (found == MAP_FAILED)
		probe_bail("no shared memory");
	probe_tcp_pair(&pair);
	run_as(as_owner, pair.server);
	judge_owner();
	run_as(as_stranger, pair.server);
	judge_stranger();
	return probe_end("CAP_NET_ADMIN is enough for TCP_REPAIR in a network namespace that its "
			 "user namespace owns and worth nothing on other sockets; forced buffer "
			 "sizes need more, tcp_rmem and SO_BUF_LOCK do not");
}
