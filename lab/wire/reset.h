/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reset.h - make the TCP reset that the sender of a segment might have sent in its place
 *
 * Runs in: hylics-wire
 * Reads from: the machine on the sending side, through frame_parse() (hostile)
 */
#ifndef WIRE_RESET_H
#define WIRE_RESET_H

#include <stddef.h>
#include <stdint.h>

#include "lab/wire/frame.h"

/* Longer headers in front of TCP are refused; 8 IPv6 extension headers may be 16 KB. */
#define RESET_LEN_MAX 512

/**
 * reset_make() - Write a reset with a segment's addresses, ports and sequence number
 * @frame:	The segment
 * @f:		From frame_parse(), one of the FRAME_TCP_ classes
 * @out:	Gets the frame
 *
 * Return: its length, 0 if the headers in front of TCP are too long
 */
size_t reset_make(const uint8_t *frame, const struct frame_info *f, uint8_t out[RESET_LEN_MAX]);

#endif
