/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_limits.h - every maximum of the wire, with its reason
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_LIMITS_H
#define WIRE_LIMITS_H

/* Two directions, named after the side a frame comes in from. */
#define WIRE_DIRECTIONS 2

/* Frames per system call: 64 makes the call's own cost small; more only adds delay. */
#define WIRE_BATCH 64
/* Batches taken from one side before the other gets its turn again. */
#define WIRE_TURN_BATCHES 4
/* A mark, `stats` or `wait` stands behind what has arrived: at most this much is taken first. */
#define WIRE_DRAIN_BATCHES 256

/* The largest frame a sender hands over unsegmented: an IP datagram of 65535 bytes, its headers. */
#define WIRE_FRAME_MAX (65535 + 64)
/* Room in a slot beyond the MTU: Ethernet header, two VLAN tags, rounded to 16. */
#define WIRE_SLOT_HEADERS 32
/* IPv6 extension headers followed; real traffic has at most three. */
#define WIRE_IP6_HEADERS_MAX 8
#define WIRE_VLAN_TAGS_MAX 2

/* Frames on their way in one direction: 100 ms at 300,000 frames/s; 50 MB with an MTU of 1500. */
#define WIRE_POOL_DEFAULT 32768
#define WIRE_POOL_MAX 1048576
/* Frames before the rate limit: each costs 8 bytes of departure time. */
#define WIRE_QUEUE_DEFAULT 1000
#define WIRE_QUEUE_MAX 65536
/* Frames held back by --reorder at once; each later frame looks at all of them. */
#define WIRE_LATE_MAX 64

/* Script: a frame is compared with every rule, so their number is the price of a frame. */
#define WIRE_RULES_MAX 64
#define WIRE_MARKS_MAX 64		/* one bit each in a 64-bit word */
#define WIRE_NAME_MAX 31
#define WIRE_LINE_MAX 512		/* a rule or a control command */
#define WIRE_WORDS_MAX 48		/* in one line; the longest rule has under 30 */
#define WIRE_SCRIPT_BYTES_MAX 65536	/* more than 64 rules of full length */
#define WIRE_TIME_MAX_NS 60000000000ull	/* a frame older than a minute tests nothing */

/* TCP connections whose sequence numbers are followed, per direction; 64 bytes each. */
#define WIRE_FLOWS 8192
/* Places looked at for one flow; then the longest unused of them makes room. */
#define WIRE_FLOW_PROBES 8

/* Control connections at once: a test, its helpers and a person. */
#define WIRE_CLIENTS_MAX 8
/* All counters, rules and marks in JSON, with every number at its longest. */
#define WIRE_STATS_TEXT_MAX 32768

/*
 * Sending failed for lack of room at the receiver: try again at this distance, and give the frame
 * up after this long (a receiver whose interface is down gives the same answer for ever).
 */
#define WIRE_RETRY_NS 200000ull
#define WIRE_STUCK_NS 50000000ull
/* Received frames the kernel keeps for us while we are not running. */
#define WIRE_RECEIVE_BYTES (64 << 20)

#endif
