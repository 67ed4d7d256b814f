/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_segment.c - any bytes as a late segment: refused, or a packet of its connection and no other
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 *
 * The first byte is the IP version.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpmove/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define REMOTE_PORT 50000
#define LOCAL_PORT 80

static void require(int holds)
{
	if (!holds)
		abort();
}

static struct tcp_record ends_of(uint8_t version)
{
	struct tcp_record ends = { .family = version == 4 ? AF_INET :
					     version == 6 ? AF_INET6 : AF_UNSPEC,
				   .remote.port = REMOTE_PORT, .local.port = LOCAL_PORT };

	for (unsigned int i = 0; i < (version == 4 ? 4u : 16u); i++) {
		ends.remote.addr[i] = (uint8_t)(0x20 + i);
		ends.local.addr[i] = (uint8_t)(0x30 + i);
	}
	return ends;
}

static uint16_t word_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void require_addresses(const uint8_t *packet, const struct tcp_record *ends, size_t len)
{
	if (ends->family == AF_INET) {
		require(packet[0] == 0x45 && word_at(packet + 2) == 20 + len && packet[9] == 6);
		require(memcmp(packet + 12, ends->remote.addr, 4) == 0);
		require(memcmp(packet + 16, ends->local.addr, 4) == 0);
	} else {
		require(packet[0] == 0x60 && word_at(packet + 4) == len && packet[6] == 6);
		require(memcmp(packet + 8, ends->remote.addr, 16) == 0);
		require(memcmp(packet + 24, ends->local.addr, 16) == 0);
	}
}

/* Nothing but the checksum may have changed. */
static void require_segment(const uint8_t *got, const uint8_t *bytes, size_t len)
{
	require(memcmp(got, bytes, 16) == 0 && memcmp(got + 18, bytes + 18, len - 18) == 0);
	require(word_at(got) == REMOTE_PORT && word_at(got + 2) == LOCAL_PORT);
	require((got[13] & 0x02) == 0 && (got[13] & 0x14) != 0);
	require((got[12] >> 4) * 4u >= 20 && (got[12] >> 4) * 4u <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static uint8_t packet[SEGMENT_PACKET_MAX];
	struct tcp_record ends;
	size_t head;
	int got;

	if (len == 0)
		return 0;
	ends = ends_of(bytes[0]);
	got = segment_packet(&ends, bytes + 1, --len, packet);
	if (got < 0)
		return 0;
	head = ends.family == AF_INET ? 20 : 40;
	require((size_t)got == head + len && len <= HY_LATE_MAX && ends.family != AF_UNSPEC);
	require_addresses(packet, &ends, len);
	require_segment(packet + head, bytes + 1, len);
	return 0;
}
