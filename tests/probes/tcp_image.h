/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_image.h - dump, restore and rebuild of a connection, for the tcp_* probes
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 *
 * The order of the calls is what the probes prove; the product has its own code for it.
 * IPv4 only. Every function ends the probe when the kernel refuses.
 */
#ifndef HY_PROBE_TCP_IMAGE_H
#define HY_PROBE_TCP_IMAGE_H

#include "tests/probes/tcp_sock.h"

struct tcp_image {
	struct sockaddr_in local;
	struct sockaddr_in remote;
	uint32_t recv_seq;		/* of the first byte in @recv */
	uint32_t send_seq;		/* of the first byte in @send */
	uint32_t timestamp;		/* as read, not yet made even */
	uint32_t mss;
	unsigned int options;		/* TCPI_OPT_* */
	unsigned int send_wscale;
	unsigned int recv_wscale;
	struct tcp_repair_window window;
	unsigned char *recv;		/* unread bytes */
	unsigned char *send;		/* sent but not acknowledged, then unsent */
	size_t recv_len;
	size_t send_len;
	size_t unsent;			/* how many of @send_len never left */
};

/* What tcp_image_connect() is to do differently, for the probe that shows why it must not. */
enum tcp_image_maxseg {
	TCP_IMAGE_MAXSEG_BEFORE,	/* TCP_MAXSEG before connect: right */
	TCP_IMAGE_MAXSEG_AFTER,
	TCP_IMAGE_MAXSEG_NEVER,
};

/**
 * tcp_image_dump() - Take everything out of a frozen socket, which stays in repair mode
 * @sock:	Established, frozen by tcp_sock_freeze()
 * @img:	Filled; tcp_image_free() releases it
 */
void tcp_image_dump(int sock, struct tcp_image *img);

/**
 * tcp_image_free() - Release the queues of an image
 * @img:	From tcp_image_dump()
 */
void tcp_image_free(struct tcp_image *img);

/**
 * tcp_image_even() - The timestamp as it must be restored
 * @timestamp:	As dumped
 *
 * Return: rounded up, so never behind what the peer has seen, with the clock bit clear
 */
uint32_t tcp_image_even(uint32_t timestamp);

/**
 * tcp_image_connect() - First half of a restore: addresses, sequence numbers, options
 * @sock:	Unconnected; left in repair mode, established, with empty queues
 * @img:	From tcp_image_dump()
 * @maxseg:	When to set TCP_MAXSEG
 *
 * Return: 0, or EINVAL if bind() found the socket bound to the right address already
 */
int tcp_image_connect(int sock, const struct tcp_image *img, enum tcp_image_maxseg maxseg);

/**
 * tcp_image_fill() - Second half: both queues but the unsent part, then the window
 * @sock:	From tcp_image_connect()
 * @img:	The same
 */
void tcp_image_fill(int sock, const struct tcp_image *img);

/**
 * tcp_image_live() - Leave repair mode and send the unsent part
 * @sock:	From tcp_image_fill(), not frozen
 * @img:	The same
 * @off:	TCP_REPAIR_OFF, or TCP_REPAIR_OFF_NO_WP: without the window probe that makes the
 *		peer tell its window and so would hide a window restored wrong
 */
void tcp_image_live(int sock, const struct tcp_image *img, int off);

/**
 * tcp_image_disconnect() - Silence an established socket without a segment, keep the descriptor
 * @sock:	In repair mode; left unconnected and in repair mode
 *
 * Return: what SO_ERROR said afterwards (it is cleared by reading)
 */
int tcp_image_disconnect(int sock);

#endif
