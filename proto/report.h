/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.h - what the guest tells of itself, for whoever looks after it
 *
 * Runs in: hylics-agent, hylics-guest, hylics-worker, tests
 * Reads from: the peer on the channel (hostile): nothing may be decided by it
 */
#ifndef HY_PROTO_REPORT_H
#define HY_PROTO_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/reason.h"

/* What is at the place of the guest's share. The numbers travel. */
enum report_share {
	REPORT_SHARE_NONE = 0,		/* nothing */
	REPORT_SHARE_DIRECTORY = 1,	/* a directory, nothing is mounted there */
	REPORT_SHARE_VIRTIOFS = 2,
	REPORT_SHARE_9P = 3,
	REPORT_SHARE_OTHER = 4,		/* another file system is mounted there */
	REPORT_SHARES
};

const char *report_share_name(unsigned int share);	/* "other" for what is not in the enum */

/* Where the time of the guest's CPUs went; name, what. The order travels. */
#define REPORT_CPU(X)                                                                              \
	X(user, "programs, niced ones too")                                                        \
	X(system, "its kernel")                                                                    \
	X(idle, "nothing to do")                                                                   \
	X(iowait, "nothing to do but wait for a disk")                                             \
	X(irq, "interrupts, hard and soft")                                                        \
	X(steal, "the host gave the CPU to others")

enum report_cpu {
#define X(name, what) REPORT_CPU_##name,
	REPORT_CPU(X)
#undef X
	REPORT_CPUS
};

const char *report_cpu_name(unsigned int cpu);	/* below REPORT_CPUS */

/* MSG_REPORT */
struct report {
	uint8_t share;			/* enum report_share */
	uint16_t cpus;			/* that it has */
	uint32_t load_100;		/* average of the last minute, times 100 */
	uint64_t memory_total, memory_available;	/* bytes */
	uint64_t cpu_ms[REPORT_CPUS];	/* since it booted, all its CPUs together */
	/* calls that stayed plain, connections that were not offered, since its agent began */
	uint64_t not_offered[MOVE_REASONS];	/* by enum move_reason */
};

#define REPORT_REASONS_MAX 64		/* that a newer guest may have */
#define REPORT_MIN (26 + 8 * REPORT_CPUS)
#define REPORT_MAX (REPORT_MIN + 8 * REPORT_REASONS_MAX)
#define REPORT_LEN (REPORT_MIN + 8 * (MOVE_REASONS - 1))	/* of one of ours */

/**
 * report_encode() - Write a report
 * @m:		Report
 * @out:	Room for the bytes
 * @room:	REPORT_LEN is enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int report_encode(const struct report *m, uint8_t *out, size_t room);

/**
 * report_decode() - Read a report
 * @in:		Payload from the peer, a private copy
 * @len:	Its length
 * @m:		Filled on success: every number below 2^63, no more memory available than there is;
 *		reasons that are not known here are counted as MOVE_ERROR
 *
 * Return: 0, -EPROTO
 */
int report_decode(const uint8_t *in, size_t len, struct report *m);

#endif
