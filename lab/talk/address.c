/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.c - "10.0.0.1:80" or "[fd00::1]:80" as a socket address
 *
 * Runs in: hylics-talk
 * Reads from: the command line
 */
#include "lab/talk/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>

int address_parse(struct address *a, const char *text, const char *option, struct hy_err *e)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char host[INET6_ADDRSTRLEN];
	size_t len = colon ? (size_t)(colon - text) : 0;
	int rc = EAI_NONAME;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (colon && len && len < sizeof(host)) {
		memcpy(host, text, len);
		host[len] = '\0';
		rc = getaddrinfo(host, colon + 1, &hints, &found);
	}
	if (rc || !found)
		return hy_err_usage(e, option, "%s: want ADDRESS:PORT in numbers, such as "
				    "10.0.0.1:80 or [fd00::1]:80", option);
	memcpy(&a->at, found->ai_addr, found->ai_addrlen);
	a->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

unsigned int address_port(int fd)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name;
	socklen_t len = sizeof(name);

	memset(&name, 0, sizeof(name));
	if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
		return 0;
	return ntohs(name.any.ss_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

void fd_limit_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
