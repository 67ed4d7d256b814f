/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limits.h - every maximum of the project, with its reason
 *
 * Runs in: every program
 * Reads from: no untrusted input
 *
 * A limit counts per VM unless its name says otherwise.
 */
#ifndef HY_LIMITS_H
#define HY_LIMITS_H

/* Logging: a peer that misbehaves without end costs at most 10 lines in 10 seconds per cause. */
#define HY_LOG_BURST 10
#define HY_LOG_PERIOD_MS 10000
#define HY_LOG_LINE_MAX 1024

/* Event loop: one batch of epoll events; larger gains nothing, smaller starves no one. */
#define HY_EV_BATCH 64
/* Descriptors of one process. 65536 connections need two each; above it the kernel says EMFILE. */
#define HY_EV_FDS_MAX 131072
/* Timers of one loop; those of connections will live in a wheel of their own. */
#define HY_EV_TIMERS_MAX 64

/* Descriptor passing: the kernel allows 253, no message of ours carries more than two. */
#define HY_FDS_PER_MESSAGE_MAX 4

/*
 * Channel. A chunk is what may stand before an urgent message, so it bounds the delay of a ping;
 * below 16 KB the cost per byte of a virtio-serial port doubles.
 */
#define HY_CHUNK_MAX 16384
/* The largest message: both queues of a connection with the largest default buffers (6 + 4 MB). */
#define HY_MESSAGE_MAX (16u << 20)
/* Whole messages that wait for the wire in one lane; a peer that reads nothing fills this. */
#define HY_CHAN_QUEUE_MAX (4u * HY_CHUNK_MAX)
#define HY_CHAN_HELLO_TIMEOUT_MS 1000	/* then the greeting is said again, then after twice that */
#define HY_CHAN_HELLO_PAUSE_MAX_MS 32000	/* and from here on no more rarely */
#define HY_CHAN_KEEPALIVE_MS 5000	/* silence after which a peer is asked whether it lives */
#define HY_CHAN_DEAD_MS 15000		/* silence after which it is taken for dead */
#define HY_CHAN_BACKOFF_MIN_MS 20	/* first pause before a transport is opened again */
#define HY_CHAN_BACKOFF_MAX_MS 1000	/* a machine that lost its peer wakes once a second */

/* Agent: programs of the guest that ask at the same time; the next waits in the listen queue. */
#define HY_LOCAL_CLIENTS_MAX 64
/* Of them one user's, root's too: four users who hold all of theirs for ever still leave places. */
#define HY_LOCAL_CLIENTS_PER_USER_MAX 15
#define HY_LOCAL_BACKLOG 64

/* Worker: raw samples of one measurement are kept in memory, 8 bytes each. */
#define HY_PING_COUNT_MAX 1000000

/* Names that come from a guest: shown in logs and lists, never used as paths. */
#define HY_NAME_MAX 63
#define HY_VERSION_TEXT_MAX 64

#endif
