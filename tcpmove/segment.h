/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.h - a segment that a frozen socket did not hear, made a packet for its copy
 *
 * Runs in: hylics-worker
 * Reads from: a segment that came from a peer (hostile)
 */
#ifndef HY_TCPMOVE_SEGMENT_H
#define HY_TCPMOVE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "tcpmove/record.h"

#define SEGMENT_IP_MAX 40
#define SEGMENT_PACKET_MAX (SEGMENT_IP_MAX + HY_LATE_MAX)

/**
 * segment_packet() - Put an IP header in front of a segment
 * @ends:	Whose segment it is to be: family, local and remote are looked at
 * @segment:	From its TCP header on; a private copy
 * @len:	Its length
 * @out:	SEGMENT_PACKET_MAX bytes
 *
 * The addresses are those of the connection, whatever the segment's sender had. Refused is what has
 * not its ports, a SYN, what has neither ACK nor RST, what is cut or longer than HY_LATE_MAX, and
 * what has a checksum that is wrong with these addresses. One that its sender, on the same machine,
 * has left for a card to finish is finished.
 *
 * Return: length of the packet, -EPROTO
 */
int segment_packet(const struct tcp_record *ends, const uint8_t *segment, size_t len, uint8_t *out);

#endif
