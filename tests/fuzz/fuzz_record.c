/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_record.c - any bytes as a connection's record: refused, or written again the same
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "tcpmove/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* What whoever restores it relies on. */
static void require_sense(const struct tcp_record *r)
{
	require(r->unsent_len <= r->send_len);
	require(r->send_len <= HY_TCP_QUEUE_MAX && r->recv_len <= HY_TCP_QUEUE_MAX);
	require(r->send_len + r->recv_len <= HY_TCP_QUEUE_MAX);
	require(r->send_wscale <= TCP_WSCALE_MAX && r->recv_wscale <= TCP_WSCALE_MAX);
	require(r->mss >= TCP_MSS_LEAST && r->mss <= TCP_MSS_MOST);
	require(r->window.snd_wnd <= r->window.max_window);
	require(memchr(r->options.congestion, '\0', sizeof(r->options.congestion)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	uint8_t out[TCP_RECORD_MAX];
	struct tcp_record r;
	int written;

	if (tcp_record_decode(bytes, len, &r) < 0)
		return 0;
	require_sense(&r);
	require(len <= TCP_RECORD_MAX);
	written = tcp_record_encode(&r, out, sizeof(out));
	require(written > 0 && (size_t)written == len);
	require(memcmp(bytes, out, len) == 0);
	require(tcp_record_encode(&r, out, len - 1) < 0);
	return 0;
}
