/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.h - an established TCP connection in words: what travels beside its queues
 *
 * Runs in: hylics-agent, hylics-worker, tests
 * Reads from: the peer on the channel (hostile)
 *
 * Pure: bytes to struct and back. The bytes have a version of their own, because a record may be
 * read by another release than the one that wrote it. docs/wire.md has the table.
 */
#ifndef HY_TCPMOVE_RECORD_H
#define HY_TCPMOVE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_RECORD_VERSION 1
#define TCP_RECORD_MAX 320	/* bytes, encoded */
#define TCP_CONGESTION_MAX 16	/* the kernel's TCP_CA_NAME_MAX */
#define TCP_WSCALE_MAX 14
#define TCP_WINDOW_MAX (65535u << TCP_WSCALE_MAX)
#define TCP_MSS_LEAST 88	/* TCP_MAXSEG takes no less */
#define TCP_MSS_MOST 65535

enum tcp_record_flag {
	TCP_HAS_TIMESTAMPS = 1 << 0,
	TCP_HAS_SACK = 1 << 1,
	TCP_HAS_WSCALE = 1 << 2,
	TCP_HAS_ECN = 1 << 3,		/* told, not restored: the copy uses no ECN */
	TCP_USEC_CLOCK = 1 << 4,	/* the timestamp ticks in microseconds */
};

#define TCP_RECORD_FLAGS (TCP_HAS_TIMESTAMPS | TCP_HAS_SACK | TCP_HAS_WSCALE | TCP_HAS_ECN |       \
			  TCP_USEC_CLOCK)

/* One end of a connection; an IPv4 address in the first four bytes, the rest 0. */
struct tcp_end {
	uint8_t addr[16];
	uint16_t port;			/* host byte order */
};

struct tcp_window {
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
};

/* Socket options that a connection takes along; 0 is the kernel's default unless said. */
struct tcp_options {
	char congestion[TCP_CONGESTION_MAX];	/* "": the kernel's own choice */
	uint8_t nodelay, cork, keepalive, reuseaddr;
	uint32_t keepidle_s, keepintvl_s, keepcnt;
	uint32_t user_timeout_ms;
	uint32_t notsent_lowat;
	uint8_t tos;			/* IP_TOS or IPV6_TCLASS */
	int16_t ttl;			/* IP_TTL or IPV6_UNICAST_HOPS */
	uint32_t mark;
	uint32_t priority;
	uint32_t sndbuf, rcvbuf;	/* bytes as getsockopt() tells them; 0: autotuned */
	uint64_t pacing_rate;		/* bytes per second, UINT64_MAX: none */
};

struct tcp_record {
	uint8_t family;			/* AF_INET, also if IPv4 in IPv6; AF_INET6 */
	uint32_t flags;			/* enum tcp_record_flag */
	struct tcp_end local, remote;
	uint32_t send_seq;		/* of the first byte of the send queue */
	uint32_t recv_seq;		/* of the first byte of the receive queue */
	uint32_t send_len;		/* bytes: sent and not acknowledged, then unsent */
	uint32_t unsent_len;		/* of them never sent */
	uint32_t recv_len;		/* bytes nobody has read yet */
	uint32_t timestamp;		/* to restore: never behind what was sent */
	uint32_t mss;			/* as agreed, what timestamps take included */
	uint8_t send_wscale, recv_wscale;
	struct tcp_window window;
	struct tcp_options options;
};

/**
 * tcp_record_encode() - Write a record
 * @r:		Record
 * @out:	Room for the bytes
 * @room:	TCP_RECORD_MAX is always enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int tcp_record_encode(const struct tcp_record *r, uint8_t *out, size_t room);

/**
 * tcp_record_decode() - Read a record and check that it makes sense
 * @in:		Bytes from the peer, a private copy
 * @len:	How many were sent; nothing may be left over
 * @r:		Filled on success; untouched on failure
 *
 * Checked: version, family, unknown flags, lengths within limits and with each other (unsent
 * within the queue, queues within HY_TCP_QUEUE_MAX), scales up to 14, an MSS that a network can
 * have, the congestion control's name (letters, digits, '_' and '-').
 *
 * Return: 0, -EPROTO
 */
int tcp_record_decode(const uint8_t *in, size_t len, struct tcp_record *r);

#endif
