/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - what the wire did, counted per direction, and written as JSON
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 *
 * For each direction at any moment:
 *	frames_in + duplicated + injected =
 *		frames_out + lost + scripted + queue_full + pool_full + unsent + waiting
 */
#ifndef WIRE_STATS_H
#define WIRE_STATS_H

#include <stdint.h>
#include <stdio.h>

#include "lab/wire/rule.h"
#include "lab/wire/wire_limits.h"

/* One list: the struct's fields, the JSON's keys and the table of the README. */
#define STATS_COUNTERS(X) \
	X(frames_in, "frames that came in, super frames counted as the frames they were cut into") \
	X(bytes_in, "their bytes, Ethernet header included") \
	X(frames_out, "frames sent on") \
	X(bytes_out, "their bytes") \
	X(waiting, "frames on their way now") \
	X(lost, "dropped by --loss") \
	X(duplicated, "extra copies, by --duplicate and by rules") \
	X(reordered, "overtaken by at least one later frame, by --reorder") \
	X(reorder_missed, "chosen by --reorder, but nothing came to overtake them") \
	X(corrupted, "frames with one bit flipped, by --corrupt and by rules") \
	X(delayed, "given a delay, by --delay, --jitter and by rules") \
	X(held, "held until a mark, by rules") \
	X(scripted, "dropped or replaced by rules") \
	X(injected, "resets sent by rules") \
	X(queue_full, "dropped before the rate limit") \
	X(pool_full, "dropped because too many frames were on their way") \
	X(unsent, "given up because the receiving side did not take them") \
	X(missed, "dropped by the kernel before the wire saw them; not in frames_in") \
	X(super_frames, "unsegmented frames cut here") \
	X(unfinished, "checksums finished here") \
	X(refused, "dropped because they could not be cut or finished; not in frames_in") \
	X(malformed, "carried although a header contradicts itself") \
	X(tcp_segments, "TCP segments that came in") \
	X(tcp_bytes, "payload bytes in them") \
	X(tcp_syn, "with SYN") \
	X(tcp_fin, "with FIN") \
	X(tcp_rst, "with RST") \
	X(tcp_pure_acks, "with ACK and nothing else") \
	X(tcp_zero_windows, "that close the window (without SYN or RST)") \
	X(tcp_retransmissions, "that repeat sequence numbers") \
	X(flows_forgotten, "connections no longer followed, for lack of room")

#define STATS_FIELD(name, help) uint64_t name;

struct stats {
	STATS_COUNTERS(STATS_FIELD)
};

/**
 * stats_write() - Write everything counted as one line of JSON
 * @out:	Where to; the caller checks ferror()
 * @d:		Counters of direction a and b
 * @seed:	What the fates came from
 * @script:	Rules and marks with their counts
 */
void stats_write(FILE *out, const struct stats d[WIRE_DIRECTIONS], uint64_t seed,
		 const struct script *script);

/**
 * stats_save() - The same into a file, which a reader never sees half written
 * @path:	Replaced
 * @d:		Counters of direction a and b
 * @seed:	What the fates came from
 * @script:	Rules and marks with their counts
 * @e:		Error
 */
int stats_save(const char *path, const struct stats d[WIRE_DIRECTIONS], uint64_t seed,
	       const struct script *script, struct hy_err *e);

#endif
