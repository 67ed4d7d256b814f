/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_guest.h - the guest played by hand: whole frames in, whole frames out
 *
 * Runs in: probe-bpf_splice
 * Reads from: the probe's own namespaces
 */
#ifndef HY_SPLICE_GUEST_H
#define HY_SPLICE_GUEST_H

#include "tests/probes/splice_net.h"

#define SPLICE_HEADERS 54		/* Ethernet, IPv4 and TCP without options */

/* The flags of a TCP header; libc's own names clash with the kernel's. */
enum splice_flags {
	SPLICE_SYN = 0x02,
	SPLICE_RST = 0x04,
	SPLICE_ACK = 0x10,
};

/* Everything a bare segment says; ports, numbers and window in the machine's own order. */
struct splice_segment {
	unsigned char to_mac[ETH_ALEN];
	unsigned char from_mac[ETH_ALEN];
	struct in_addr from;
	struct in_addr to;
	uint16_t from_port;
	uint16_t to_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;			/* enum splice_flags */
	uint16_t window;
	const unsigned char *payload;	/* of one received, valid until the next is */
	size_t payload_len;
};

/* One connection as the guest sees it. */
struct splice_conn {
	unsigned char hop_mac[ETH_ALEN];
	struct sockaddr_in client;
	uint16_t port;			/* the guest's */
	uint32_t send_seq;		/* of the next byte to the client */
	uint32_t recv_seq;		/* of the next byte from it */
	uint32_t client_window;
};

/**
 * splice_frame() - Build a frame with a bare segment in it, checksums right
 * @frame:	Filled with SPLICE_HEADERS bytes
 * @seg:	What it says
 */
void splice_frame(unsigned char *frame, const struct splice_segment *seg);

/**
 * splice_parse() - Take a frame apart
 * @frame:	Any frame
 * @len:	Its length
 * @seg:	Set on success
 *
 * Return: false if it is not a TCP segment over IPv4
 */
bool splice_parse(const unsigned char *frame, size_t len, struct splice_segment *seg);

/**
 * splice_guest_accept() - Answer a client that opens a connection to the guest
 * @fd:		The guest's end of the edge
 * @port:	Where the client connects to; other segments are passed over
 * @conn:	Set on success
 *
 * Return: false if no SYN, or no third segment of the handshake, comes within 10 s
 */
bool splice_guest_accept(int fd, uint16_t port, struct splice_conn *conn);

/**
 * splice_guest_await_syn() - Wait for a client that opens a connection, do not answer
 * @fd:		The guest's end of the edge
 * @port:	As above
 * @seg:	The SYN
 *
 * Return: false if none comes within 10 s
 */
bool splice_guest_await_syn(int fd, uint16_t port, struct splice_segment *seg);

/**
 * splice_guest_read() - Take what the client sends in order, acknowledge it
 * @fd:		The guest's end of the edge
 * @conn:	From splice_guest_accept()
 * @buf:	Filled
 * @len:	Bytes to wait for
 *
 * Return: bytes that came, @len unless 10 s pass without one
 */
size_t splice_guest_read(int fd, struct splice_conn *conn, unsigned char *buf, size_t len);

/**
 * splice_guest_send() - Send a bare segment to the client
 * @fd:		The guest's end of the edge
 * @conn:	From splice_guest_accept()
 * @flags:	enum splice_flags
 */
void splice_guest_send(int fd, const struct splice_conn *conn, uint8_t flags);

/**
 * splice_guest_drain() - Count the segments to one port that wait at the guest's end now
 * @fd:		The guest's end of the edge; all waiting frames are read
 * @port:	The guest's
 */
unsigned int splice_guest_drain(int fd, uint16_t port);

#endif
