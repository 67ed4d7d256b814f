/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_sock.h - single steps and single facts of a TCP socket, for the tcp_* probes
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 *
 * Every function ends the probe when the kernel refuses, unless it says otherwise.
 */
#ifndef HY_PROBE_TCP_SOCK_H
#define HY_PROBE_TCP_SOCK_H

#include "tests/probes/probe.h"

#include <linux/tcp.h>

/* Names for what tcpi_state and TCP_REPAIR_OPTIONS speak in; libc and kernel headers clash. */
enum tcp_sock_state {
	TCP_SOCK_ESTABLISHED = 1,
	TCP_SOCK_TIME_WAIT = 6,
	TCP_SOCK_CLOSE = 7,
	TCP_SOCK_CLOSE_WAIT = 8,
};

/**
 * tcp_sock_need() - Skip the whole probe where a socket option is not permitted
 * @level:	IPPROTO_TCP, SOL_SOCKET
 * @opt:	Option that takes 1, such as TCP_REPAIR
 * @name:	Its name, for the reason
 */
void tcp_sock_need(int level, int opt, const char *name);

/**
 * tcp_sock_freeze() - Drop everything that arrives, by a one-instruction socket filter
 * @sock:	Established
 */
void tcp_sock_freeze(int sock);

/**
 * tcp_sock_try_freeze() - The same, where a refusal is what is asked about
 * @sock:	Any
 *
 * Return: 0 or the errno
 */
int tcp_sock_try_freeze(int sock);

/**
 * tcp_sock_thaw() - Take the filter of tcp_sock_freeze() away
 * @sock:	Frozen
 */
void tcp_sock_thaw(int sock);

/**
 * tcp_sock_repair() - Set TCP_REPAIR
 * @sock:	Any TCP socket that does not listen
 * @mode:	TCP_REPAIR_ON, TCP_REPAIR_OFF (sends a window probe) or TCP_REPAIR_OFF_NO_WP
 */
void tcp_sock_repair(int sock, int mode);

/**
 * tcp_sock_queue() - Choose the queue that repair mode works on
 * @sock:	In repair mode
 * @queue:	TCP_NO_QUEUE, TCP_RECV_QUEUE or TCP_SEND_QUEUE
 */
void tcp_sock_queue(int sock, int queue);

/**
 * tcp_sock_set() - setsockopt() with an int
 * @sock:	Any
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @opt:	Option
 * @value:	Its value
 */
void tcp_sock_set(int sock, int level, int opt, int value);

/**
 * tcp_sock_get() - getsockopt() of an int
 * @sock:	Any
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @opt:	Option
 *
 * Return: its value
 */
int tcp_sock_get(int sock, int level, int opt);

/**
 * tcp_sock_info() - TCP_INFO
 * @sock:	Any TCP socket
 *
 * Return: zero where the kernel is older than the field
 */
struct tcp_info tcp_sock_info(int sock);

/**
 * tcp_sock_new_segments() - Data segments sent so far, retransmissions left out
 * @sock:	Any TCP socket
 */
unsigned int tcp_sock_new_segments(int sock);

/**
 * tcp_sock_unread() - Bytes in the receive queue (SIOCINQ)
 * @sock:	Not listening
 */
int tcp_sock_unread(int sock);

/**
 * tcp_sock_unacked() - Bytes in the send queue, sent and unsent (SIOCOUTQ)
 * @sock:	Not listening
 */
int tcp_sock_unacked(int sock);

/**
 * tcp_sock_unsent() - The part of the send queue that never left (SIOCOUTQNSD)
 * @sock:	Not listening
 */
int tcp_sock_unsent(int sock);

/**
 * tcp_sock_drops() - Segments that reached the socket and were dropped there
 * @sock:	Any
 */
uint32_t tcp_sock_drops(int sock);

/**
 * tcp_sock_wait_drop() - Wait until more segments have been dropped
 * @sock:	Any
 * @before:	What tcp_sock_drops() said
 *
 * Return: false if none is dropped within probe_wait_until()'s limit
 */
bool tcp_sock_wait_drop(int sock, uint32_t before);

/**
 * tcp_sock_wait_acked() - Wait until the peer has acknowledged everything
 * @sock:	Connected
 *
 * Return: false if it has not within probe_wait_until()'s limit
 */
bool tcp_sock_wait_acked(int sock);

/**
 * tcp_sock_wait_sent() - Wait until everything written has left, acknowledged or not
 * @sock:	Connected
 *
 * Return: false if it has not within probe_wait_until()'s limit
 */
bool tcp_sock_wait_sent(int sock);

/**
 * tcp_sock_close_window() - Make the kernel hold back what is written from now on
 * @sock:	Frozen, so that no segment from the peer opens the window again
 * @sent:	What is sent but not acknowledged
 */
void tcp_sock_close_window(int sock, size_t sent);

/**
 * tcp_sock_snmp() - A counter of this network namespace
 * @name:	Column of the Tcp line in /proc/net/snmp, such as "OutRsts"
 */
long tcp_sock_snmp(const char *name);

/**
 * tcp_sock_count_state() - Sockets of this network namespace in one state
 * @state:	As /proc/net/tcp tells it
 */
int tcp_sock_count_state(enum tcp_sock_state state);

/**
 * tcp_sock_write() - Write a piece of a probe_fill() stream, whole
 * @sock:	Blocking
 * @len:	Bytes
 * @offset:	Position in the stream
 * @stream:	Which stream
 */
void tcp_sock_write(int sock, size_t len, uint64_t offset, unsigned int stream);

/**
 * tcp_sock_read_right() - Read a piece of a probe_fill() stream and judge it
 * @sock:	Blocking
 * @len:	Bytes to wait for
 * @offset:	Position in the stream
 * @stream:	Which stream
 *
 * Return: true if all @len bytes came and were right
 */
bool tcp_sock_read_right(int sock, size_t len, uint64_t offset, unsigned int stream);

#endif
