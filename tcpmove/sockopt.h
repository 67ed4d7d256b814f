/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockopt.h - single steps at a TCP socket, for the rest of tcpmove
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 *
 * Include this for the names of TCP and SIOC options too: netinet/tcp.h and linux/tcp.h clash.
 */
#ifndef HY_TCPMOVE_SOCKOPT_H
#define HY_TCPMOVE_SOCKOPT_H

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/err.h"

/* Newer than the headers this may be built with: from 5.16 and 6.7. */
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43
#endif
#ifndef TCPI_OPT_USEC_TS
#define TCPI_OPT_USEC_TS 64
#endif

/* What tcpi_state says. */
enum tcp_sock_state {
	TCP_SOCK_ESTABLISHED = 1,
	TCP_SOCK_FIN_WAIT1 = 4,
	TCP_SOCK_FIN_WAIT2 = 5,
	TCP_SOCK_TIME_WAIT = 6,
	TCP_SOCK_CLOSE = 7,
	TCP_SOCK_CLOSE_WAIT = 8,
	TCP_SOCK_LAST_ACK = 9,
	TCP_SOCK_CLOSING = 11,
};

/**
 * sockopt_set() - setsockopt() of an int
 * @sock:	Socket
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @opt:	Option
 * @value:	Its value
 *
 * Return: 0, -errno
 */
int sockopt_set(int sock, int level, int opt, int value);

/**
 * sockopt_get() - getsockopt() of an int
 * @sock:	Socket
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @opt:	Option
 * @value:	Set on success, untouched on failure
 *
 * Return: 0, -errno
 */
int sockopt_get(int sock, int level, int opt, int *value);

/**
 * sockopt_try() - The same as sockopt_set(), with a sentence when it fails
 * @sock:	Socket
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @opt:	Option
 * @value:	Its value
 * @what:	Name of the option
 * @e:		Error
 *
 * Return: 0, -errno
 */
int sockopt_try(int sock, int level, int opt, int value, const char *what, struct hy_err *e);

#define SOCKOPT_TRY(sock, level, opt, value, e)                                                    \
	sockopt_try(sock, level, opt, value, #opt " " #value, e)

/**
 * sockopt_info() - TCP_INFO
 * @sock:	Socket
 * @info:	Set; zero where the kernel is older than the field
 * @e:		Error
 *
 * Return: 0, -errno
 */
int sockopt_info(int sock, struct tcp_info *info, struct hy_err *e);

/**
 * sockopt_queued() - Length of a queue
 * @sock:	Socket
 * @what:	SIOCINQ, SIOCOUTQ or SIOCOUTQNSD
 * @len:	Set
 * @e:		Error
 *
 * Return: 0, -errno
 */
int sockopt_queued(int sock, unsigned long what, uint32_t *len, struct hy_err *e);

#endif
