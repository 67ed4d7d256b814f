/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace.h - how many bytes of a file the program may promise with one marker
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 *
 * DOC: Ahead of the wire
 *
 * A marker in the pair is a promise: the program was told that its bytes are sent. For a fast
 * client long markers are right, because each costs the guest some wake-ups. For a slow one they
 * would be wrong: the program would see nothing move for minutes, and its own time limits would
 * end a connection that is well. So a marker is to take HY_SLICE_MS, by what the last ones took:
 * it grows at most fourfold at a time and only when a whole one has gone; it shrinks at once. The
 * first bytes merely fill the socket's buffer, however slow the client is: before HY_SLICE_BUFFERED
 * have gone a marker has at most four times HY_SLICE_NEW.
 */
#ifndef AGENT_PACE_H
#define AGENT_PACE_H

#include <stdint.h>

/**
 * pace_slice() - The length of the next markers
 * @slice:	Of the last; 0: none was measured yet
 * @bytes:	That went since the last look
 * @ms:		How long they took, the pair being never empty
 * @gone:	Bytes that went in all
 *
 * Return: HY_SLICE_MIN to HY_SLICE_MAX
 */
uint32_t pace_slice(uint32_t slice, uint64_t bytes, uint64_t ms, uint64_t gone);

#endif
