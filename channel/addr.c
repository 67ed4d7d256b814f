/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr.c - the address of a channel, and how each transport is opened on either side
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: whoever may connect to the socket; in the guest sysfs
 */
#include "channel/addr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "common/own.h"
#include "common/unixsock.h"

#define SYSFS_PORTS "/sys/class/virtio-ports"

static const char *const kind_names[] = { "serial", "unix", "vsock" };

const char *chan_kind_name(enum chan_kind kind)
{
	return kind_names[kind];
}

bool chan_addr_listens(const struct chan_addr *addr, enum msg_role role)
{
	return role == ROLE_HOST && addr->kind != CHAN_SERIAL;
}

/* Decimal digits and nothing else, up to a character of @ends; below the "any" of vsock. */
static const char *parse_number(const char *text, const char *ends, uint32_t *number)
{
	size_t n = strspn(text, "0123456789");
	unsigned long long v;

	if (n == 0 || n > 10 || !strchr(ends, text[n]))
		return NULL;
	v = strtoull(text, NULL, 10);
	if (v >= UINT32_MAX)
		return NULL;
	*number = (uint32_t)v;
	return text + n;
}

static int parse_vsock(const char *text, struct chan_addr *a, struct hy_err *e)
{
	const char *end = parse_number(text, ":", &a->cid);

	if (end && *end == ':')
		end = parse_number(end + 1, "", &a->port);
	if (!end || a->port == 0)
		return hy_err_set(e, EINVAL, "channel 'vsock:%s': want vsock:CID or "
				  "vsock:CID:PORT in decimal", text);
	return 0;
}

static int parse_path(const char *text, struct chan_addr *a, struct hy_err *e)
{
	if (strlen(text) > HY_UNIX_PATH_MAX)
		return hy_err_set(e, ENAMETOOLONG, "channel '%s:%s': a path has at most %zu bytes",
				  chan_kind_name(a->kind), text, HY_UNIX_PATH_MAX);
	snprintf(a->path, sizeof(a->path), "%s", text);
	return 0;
}

int chan_addr_parse(const char *text, enum msg_role role, struct chan_addr *addr,
		    struct hy_err *e)
{
	struct chan_addr a = { .cid = VMADDR_CID_HOST, .port = CHAN_VSOCK_PORT };
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	const char *rest = colon && colon[1] ? colon + 1 : NULL;
	bool may_be_bare;
	int rc;

	for (a.kind = CHAN_SERIAL; a.kind <= CHAN_VSOCK; a.kind++) {
		if (strlen(kind_names[a.kind]) == n && strncmp(text, kind_names[a.kind], n) == 0)
			break;
	}
	may_be_bare = role == ROLE_GUEST && a.kind != CHAN_UNIX;
	if (a.kind > CHAN_VSOCK || (!rest && (colon || !may_be_bare)))
		return hy_err_set(e, EINVAL, "channel '%s': want %s", text, role == ROLE_HOST ?
				  "serial:PATH, unix:PATH or vsock:CID" :
				  "serial, serial:DEVICE, unix:PATH or vsock");
	if (rest) {
		rc = a.kind == CHAN_VSOCK ? parse_vsock(rest, &a, e) : parse_path(rest, &a, e);
		if (rc < 0)
			return rc;
	}
	*addr = a;
	return 0;
}

/* -- vsock -- */

/*
 * From a port that only root of the guest can have: the host knows the agent by it, since any
 * program of the guest may connect from the others.
 */
/* syscalls of hylics-agent: bind */
static int bind_reserved(int fd, struct hy_err *e)
{
	struct sockaddr_vm svm = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
				   .svm_port = CHAN_VSOCK_RESERVED };

	while (bind(fd, (struct sockaddr *)&svm, sizeof(svm)) < 0) {
		if (errno != EADDRINUSE || svm.svm_port-- < CHAN_VSOCK_RESERVED / 2)
			return hy_err_set(e, errno, "channel vsock: bind a port below %u (is this "
					  "root?)", CHAN_VSOCK_RESERVED + 1);
	}
	return 0;
}

/*
 * syscalls of hylics-agent: connect, fcntl(_, F_SETFL), setsockopt(_, AF_VSOCK),
 *	socket(AF_VSOCK, SOCK_STREAM/0xf, 0)
 */
static int vsock_open(const struct chan_addr *a, bool listens, struct hy_err *e)
{
	struct sockaddr_vm svm = { .svm_family = AF_VSOCK, .svm_port = a->port,
				   .svm_cid = listens ? VMADDR_CID_ANY : a->cid };
	const struct timeval patience = { .tv_usec = 200000 };
	hy_autofd fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return hy_err_set(e, errno, "channel vsock: socket (is the vsock module loaded?)");
	/* a host that is there answers in microseconds; the loop must not stand still for long */
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	if (listens) {
		if (bind(fd, (struct sockaddr *)&svm, sizeof(svm)) < 0)
			return hy_err_set(e, errno, "channel vsock: bind port %u", a->port);
		if (listen(fd, 1) < 0)
			return hy_err_set(e, errno, "channel vsock: listen on port %u", a->port);
	} else {
		int rc = bind_reserved(fd, e);

		if (rc < 0)
			return rc;
		if (connect(fd, (struct sockaddr *)&svm, sizeof(svm)) < 0)
			return hy_err_set(e, errno, "channel vsock: connect to CID %u port %u",
					  a->cid, a->port);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return hy_err_set(e, errno, "channel vsock: O_NONBLOCK");
	return hy_fd_steal(&fd);
}

/* syscalls of hylics-worker: accept4 */
static int vsock_accept(const struct chan_addr *a, int listener, struct hy_err *e)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t len = sizeof(peer);
	hy_autofd fd = accept4(listener, (struct sockaddr *)&peer, &len,
			       SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return hy_err_set(e, errno, "channel vsock: accept");
	if (peer.svm_cid != a->cid)
		return hy_err_set(e, EACCES, "channel vsock: CID %u is not this VM's, %u",
				  peer.svm_cid, a->cid);
	if (peer.svm_port > CHAN_VSOCK_RESERVED)
		return hy_err_set(e, EACCES, "channel vsock: port %u of the guest is no agent's: "
				  "any program there may have it", peer.svm_port);
	return hy_fd_steal(&fd);
}

/* -- serial, guest side -- */

/* syscalls of hylics-agent: fstat, lseek, newfstatat, openat, read */
static bool port_has_name(const char *port, const char *name)
{
	char path[sizeof(SYSFS_PORTS) + 256 + sizeof("/name")];
	char text[64] = "";
	hy_autofile *f = NULL;

	snprintf(path, sizeof(path), SYSFS_PORTS "/%s/name", port);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f))
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, name) == 0;
}

/* No udev needed: a lab guest has none, and early boot has none yet. */
/* syscalls of hylics-agent: fstat, getdents64, newfstatat, openat */
static int find_port(char *path, size_t room, struct hy_err *e)
{
	DIR *dir = opendir(SYSFS_PORTS);
	struct dirent *d;
	bool found = false;

	if (!dir)
		return hy_err_set(e, errno, "channel serial: %s (no virtio-serial device, or its "
				  "driver is not loaded)", SYSFS_PORTS);
	while (!found && (d = readdir(dir)) != NULL) {
		found = d->d_name[0] != '.' && port_has_name(d->d_name, CHAN_PORT_NAME);
		if (found)
			snprintf(path, room, "/dev/%s", d->d_name);
	}
	closedir(dir);
	if (!found)
		return hy_err_set(e, ENODEV, "channel serial: no port named %s; add one to the VM",
				  CHAN_PORT_NAME);
	return 0;
}

/* A port whose other end nobody holds reads as ended: the worker is away, try again later. */
/* syscalls of hylics-agent: openat, poll */
static int port_open(const struct chan_addr *a, struct hy_err *e)
{
	char path[sizeof(a->path) + 256];
	struct pollfd pfd = { .events = POLLIN };
	hy_autofd fd = -1;
	int rc;

	snprintf(path, sizeof(path), "%s", a->path);
	if (!a->path[0]) {
		rc = find_port(path, sizeof(path), e);
		if (rc < 0)
			return rc;
	}
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return hy_err_set(e, errno, "channel serial: open %s", path);
	pfd.fd = fd;
	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP))
		return hy_err_set(e, ENOTCONN, "channel serial: %s: the host's side is closed",
				  path);
	return hy_fd_steal(&fd);
}

int chan_addr_open(const struct chan_addr *addr, enum msg_role role, struct hy_err *e)
{
	switch (addr->kind) {
	case CHAN_SERIAL:
		if (role == ROLE_GUEST)
			return port_open(addr, e);
		return hy_unix_connect(addr->path, SOCK_STREAM | SOCK_NONBLOCK, e);
	case CHAN_UNIX:
		if (role == ROLE_HOST)
			return hy_unix_listen(addr->path, SOCK_STREAM, 0600, 1, e);
		return hy_unix_connect(addr->path, SOCK_STREAM | SOCK_NONBLOCK, e);
	default:
		return vsock_open(addr, role == ROLE_HOST, e);
	}
}

int chan_addr_accept(const struct chan_addr *addr, int listener, struct hy_err *e)
{
	int fd;

	if (addr->kind == CHAN_VSOCK)
		return vsock_accept(addr, listener, e);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fd < 0 ? hy_err_set(e, errno, "channel '%s': accept", addr->path) : fd;
}

/* syscalls of hylics-worker: unlink */
void chan_addr_unlink(const struct chan_addr *addr, enum msg_role role)
{
	if (addr->kind == CHAN_UNIX && chan_addr_listens(addr, role))
		unlink(addr->path);
}
