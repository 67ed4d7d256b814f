/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_talk.h - bytes through a connection, in step, every one looked at
 *
 * Runs in: probe-bpf_splice and the tests of the splice
 * Reads from: no untrusted input
 */
#ifndef HY_SPLICE_TALK_H
#define HY_SPLICE_TALK_H

#include "tests/probes/probe.h"

/**
 * splice_wait_for() - Wait for a descriptor, 10 s at most
 * @fd:		Descriptor
 * @events:	As for poll()
 *
 * Return: true if one of @events came
 */
bool splice_wait_for(int fd, short events);

/**
 * splice_is_connected() - Wait for the end of a connect() that was begun
 * @fd:	Non-blocking socket
 *
 * Return: true if it is connected
 */
bool splice_is_connected(int fd);

/**
 * splice_send_some() - Send what fits into a socket, without waiting
 * @fd:		Socket
 * @at:		Position in the stream
 * @total:	Where the stream ends
 * @stream:	As for probe_fill()
 *
 * Return: how many bytes were taken
 */
size_t splice_send_some(int fd, size_t at, size_t total, unsigned int stream);

/**
 * splice_transfer() - Send bytes one way while reading them at the other end
 * @from:	One end
 * @to:		The other
 * @total:	How many
 * @stream:	As for probe_fill()
 *
 * Return: how many were right
 */
size_t splice_transfer(int from, int to, size_t total, unsigned int stream);

#endif
