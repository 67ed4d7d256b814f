/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * talk_limits.h - every maximum of hylics-talk, with its reason
 *
 * Runs in: hylics-talk
 * Reads from: no untrusted input
 */
#ifndef TALK_LIMITS_H
#define TALK_LIMITS_H

/* Each of head, file, tail and upload: a terabyte, so that no sum of them can overflow. */
#define TALK_PART_MAX (1ull << 40)
/* What is sent, read or compared at once: larger gains nothing, two of them fit into a L2 cache. */
#define TALK_CHUNK (128u << 10)
/* Bytes for one connection before the others get their turn. */
#define TALK_TURN_BYTES (1u << 20)
/* Descriptors: the table is touched where connections are, so its size costs address space only. */
#define TALK_FDS_MAX 131072
#define TALK_CONNECTIONS_MAX 65536
#define TALK_THREADS_MAX 64
#define TALK_BACKLOG 4096		/* the kernel's own default bound */
#define TALK_BATCH 64			/* epoll events at once */
/* A connection's thread needs its chunk, the library's own and little more. */
#define TALK_STACK_BYTES (1u << 20)
/* Raw latencies that are kept, chosen by chance when there are more: 32 KB of JSON at most. */
#define TALK_SAMPLES_MAX 4096
/* Times of calls that a server remembers: 10 MB of JSON at most. */
#define TALK_CALLS_MAX 1000000
/* Reading at a given rate wakes up so often. */
#define TALK_RATE_TICK_NS 10000000ull

/* Headers: Ethernet, IPv6 and TCP with all its options are 114 bytes. */
#define TALK_SNAP_BYTES 128
/* The kernel's header, an address, its alignment, and the bytes above. */
#define TALK_RING_FRAME_BYTES 256
/* 32 MB: 90 ms at 1.4 million frames/s, the most that a 64-byte-frame flood brings here. */
#define TALK_RING_FRAMES 131072
#define TALK_RING_BLOCK_BYTES (1u << 20)
/* Directions of flows whose last word is known. */
#define TALK_FLOW_PLACES 16384

#endif
