/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ends.c - the two addresses of a connection, out of a socket and into another
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 */
#include "tcpmove/ends.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpmove/sockopt.h"

#define IPV4_LEN 4
#define MAPPED_AT 12	/* where an IPv4 address stands in an IPv6 one */

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Return: the family on the network, AF_UNSPEC for what is neither IPv4 nor IPv6 */
static uint8_t end_of(const union name *name, struct tcp_end *end)
{
	memset(end, 0, sizeof(*end));
	switch (name->any.sa_family) {
	case AF_INET:
		memcpy(end->addr, &name->v4.sin_addr, IPV4_LEN);
		end->port = ntohs(name->v4.sin_port);
		return AF_INET;
	case AF_INET6:
		end->port = ntohs(name->v6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&name->v6.sin6_addr)) {
			memcpy(end->addr, &name->v6.sin6_addr.s6_addr[MAPPED_AT], IPV4_LEN);
			return AF_INET;
		}
		memcpy(end->addr, &name->v6.sin6_addr, sizeof(end->addr));
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

/* syscalls: getpeername, getsockname */
int ends_read(int sock, struct tcp_record *rec, struct hy_err *e)
{
	union name local = { 0 }, remote = { 0 };
	socklen_t len = sizeof(local);
	uint8_t family;

	if (getsockname(sock, &local.any, &len) < 0)
		return hy_err_set(e, errno, "ask for the local address");
	len = sizeof(remote);
	if (getpeername(sock, &remote.any, &len) < 0)
		return hy_err_set(e, errno, "ask for the remote address");
	family = end_of(&local, &rec->local);
	if (family == AF_UNSPEC || end_of(&remote, &rec->remote) != family)
		return hy_err_set(e, EAFNOSUPPORT, "addresses that are not both IPv4 or both IPv6");
	rec->family = family;
	return 0;
}

static bool is_link_local(const struct tcp_end *end)
{
	struct in6_addr addr;

	memcpy(&addr, end->addr, sizeof(addr));
	return IN6_IS_ADDR_LINKLOCAL(&addr);
}

bool ends_are_scoped(const struct tcp_record *rec)
{
	return rec->family == AF_INET6 &&
	       (is_link_local(&rec->local) || is_link_local(&rec->remote));
}

/* The name of an end as a socket of this domain wants it; its length. */
static socklen_t name_in(int domain, uint8_t family, const struct tcp_end *end, union name *name)
{
	memset(name, 0, sizeof(*name));
	if (domain == AF_INET) {
		name->v4.sin_family = AF_INET;
		name->v4.sin_port = htons(end->port);
		memcpy(&name->v4.sin_addr, end->addr, IPV4_LEN);
		return sizeof(name->v4);
	}
	name->v6.sin6_family = AF_INET6;
	name->v6.sin6_port = htons(end->port);
	if (family == AF_INET6) {
		memcpy(&name->v6.sin6_addr, end->addr, sizeof(end->addr));
	} else {
		name->v6.sin6_addr.s6_addr[MAPPED_AT - 1] = 0xff;
		name->v6.sin6_addr.s6_addr[MAPPED_AT - 2] = 0xff;
		memcpy(&name->v6.sin6_addr.s6_addr[MAPPED_AT], end->addr, IPV4_LEN);
	}
	return sizeof(name->v6);
}

int ends_domain(int sock, int *domain, struct hy_err *e)
{
	int rc = sockopt_get(sock, SOL_SOCKET, SO_DOMAIN, domain);

	return rc ? hy_err_set(e, -rc, "ask for the socket's family") : 0;
}

/* Return: 0, -errno */
static int name_for(int domain, uint8_t family, const struct tcp_end *end, union name *name,
		    socklen_t *len, struct hy_err *e)
{
	if (domain != AF_INET6 && (domain != AF_INET || family != AF_INET))
		return hy_err_set(e, EAFNOSUPPORT, "a socket of another family");
	*len = name_in(domain, family, end, name);
	return 0;
}

/* A socket that was bound by its program, or rebuilt before, has kept its address. */
/* syscalls: getsockname */
static int check_bound(int sock, const struct tcp_record *rec, struct hy_err *e)
{
	union name now = { 0 };
	socklen_t len = sizeof(now);
	struct tcp_end end;

	if (getsockname(sock, &now.any, &len) < 0)
		return hy_err_set(e, errno, "ask for the local address");
	if (end_of(&now, &end) != rec->family || end.port != rec->local.port ||
	    memcmp(end.addr, rec->local.addr, sizeof(end.addr)) != 0)
		return hy_err_set(e, EADDRINUSE, "a socket that is bound to another address");
	return 0;
}

/* syscalls: bind, getsockname */
int ends_bind(int sock, int domain, const struct tcp_record *rec, struct hy_err *e)
{
	union name name;
	socklen_t len = 0;
	int rc = name_for(domain, rec->family, &rec->local, &name, &len, e);

	if (rc)
		return rc;
	if (bind(sock, &name.any, len) == 0)
		return 0;
	if (errno != EINVAL)
		return hy_err_set(e, errno, "bind to the connection's local address");
	return check_bound(sock, rec, e);
}

/* syscalls: connect */
int ends_connect(int sock, int domain, const struct tcp_record *rec, struct hy_err *e)
{
	union name name;
	socklen_t len = 0;
	int rc = name_for(domain, rec->family, &rec->remote, &name, &len, e);

	if (rc)
		return rc;
	if (connect(sock, &name.any, len) < 0)
		return hy_err_set(e, errno, "connect to the remote address");
	return 0;
}
