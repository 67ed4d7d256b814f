/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.h - "10.0.0.1:80" or "[fd00::1]:80" as a socket address
 *
 * Runs in: hylics-talk
 * Reads from: the command line
 */
#ifndef TALK_ADDRESS_H
#define TALK_ADDRESS_H

#include <sys/socket.h>

#include "common/err.h"

struct address {
	struct sockaddr_storage at;
	socklen_t len;
};

/**
 * address_parse() - Read an address and a port, both in numbers
 * @a:		Filled on success
 * @text:	ADDR:PORT, an IPv6 address in brackets
 * @option:	Named in the error
 * @e:		Error
 *
 * Return: 0, -EINVAL
 */
int address_parse(struct address *a, const char *text, const char *option, struct hy_err *e);

/**
 * address_port() - Port a socket is bound to
 * @fd:	Socket
 *
 * Return: the port, 0 if it has none
 */
unsigned int address_port(int fd);

/**
 * fd_limit_raise() - Allow as many descriptors as this user may have
 */
void fd_limit_raise(void);

#endif
