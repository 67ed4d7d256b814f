/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - socket options that a connection takes along
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel; a record that came from a peer was checked by tcp_record_decode()
 *
 * @have, where a function takes it, is what the socket has already: that is not set again. NULL:
 * nobody knows.
 *
 * An option is worth carrying, never worth failing for: what a kernel does not have or does not
 * allow (a congestion control that is not there, a value out of its range) stays as it is.
 * Not carried, because the kernel loses or hides them: TCP_WINDOW_CLAMP, quick ACKs, cwnd, RTT.
 */
#ifndef HY_TCPMOVE_OPTIONS_H
#define HY_TCPMOVE_OPTIONS_H

#include "tcpmove/record.h"

/**
 * options_read() - Ask a socket for its options
 * @sock:	In repair mode, with SO_REUSEADDR as its program set it
 * @rec:	family is set; options are filled
 */
void options_read(int sock, struct tcp_record *rec);

/**
 * options_fresh() - What a socket has that socket() has just made
 * @family:	Of the socket
 *
 * Asked once in a process: later ones are taken to be made in a like namespace.
 *
 * Return: with the sizes of its buffers, though nobody has set them; NULL if it cannot be known
 */
const struct tcp_options *options_fresh(int family);

/**
 * options_before_connect() - Set those that the connection begins with
 * @sock:	In repair mode, unconnected
 * @rec:	Record
 * @have:	Or NULL
 */
void options_before_connect(int sock, const struct tcp_record *rec, const struct tcp_options *have);

/**
 * options_before_live() - Set those that must hold before anything unsent leaves
 * @sock:	In repair mode, complete
 * @rec:	Record
 */
void options_before_live(int sock, const struct tcp_record *rec);

/**
 * options_live() - Set the rest
 * @sock:	Out of repair mode
 * @rec:	Record
 * @have:	Or NULL
 */
void options_live(int sock, const struct tcp_record *rec, const struct tcp_options *have);

#endif
