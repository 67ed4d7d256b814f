/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csum.h - the Internet checksum: sums, whole headers, and those a sender left unfinished
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire (hostile)
 */
#ifndef WIRE_CSUM_H
#define WIRE_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "lab/wire/frame.h"

/**
 * csum_add() - Add bytes to a sum
 * @sum:	0, or what an earlier call returned for an even number of bytes
 * @bytes:	Any alignment
 * @len:	Any; an odd last byte counts as if a zero followed
 *
 * Return: the sum, folded to 16 bits, in network byte order when stored with memcpy
 */
uint16_t csum_add(uint16_t sum, const uint8_t *bytes, size_t len);

/**
 * csum_ip4() - Write the header checksum of an IPv4 header
 * @header:	Its bytes
 * @len:	Length with options
 */
void csum_ip4(uint8_t *header, size_t len);

/**
 * csum_transport() - Write the checksum of a TCP or UDP datagram
 * @frame:	The frame; lengths in its headers must be right
 * @f:		From frame_parse(), an unfragmented TCP or UDP frame
 * @l4_len:	Bytes from the transport header to the datagram's end
 */
void csum_transport(uint8_t *frame, const struct frame_info *f, size_t l4_len);

/**
 * csum_finish() - Finish a checksum whose field holds only the pseudo header's sum
 * @frame:	The frame
 * @len:	Its length
 * @start:	Where the summed bytes begin; from the sender, not checked yet
 * @field:	Offset of the checksum from @start; from the sender
 *
 * Return: 0, -EINVAL if the field does not lie within the frame
 */
int csum_finish(uint8_t *frame, size_t len, size_t start, size_t field);

#endif
