/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csum.c - the Internet checksum: sums, whole headers, and those a sender left unfinished
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire (hostile)
 *
 * Sums are taken in the machine's byte order and stored as they are: the checksum of bytes swapped
 * in pairs is the swapped checksum.
 */
#include "lab/wire/csum.h"

#include <errno.h>
#include <string.h>

enum { IP4_CSUM = 10, TCP_CSUM = 16, UDP_CSUM = 6 };

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

uint16_t csum_add(uint16_t sum, const uint8_t *bytes, size_t len)
{
	uint64_t total = sum;
	uint32_t word;
	uint16_t half = 0;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		total += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, bytes, sizeof(half));
		total += half;
		bytes += sizeof(half);
		len -= sizeof(half);
	}
	if (len) {
		half = 0;
		memcpy(&half, bytes, 1);
		total += half;
	}
	return fold(total);
}

static void store(uint8_t *field, uint16_t csum)
{
	memcpy(field, &csum, sizeof(csum));
}

void csum_ip4(uint8_t *header, size_t len)
{
	store(header + IP4_CSUM, 0);
	store(header + IP4_CSUM, (uint16_t)~csum_add(0, header, len));
}

static uint16_t pseudo_header(const struct frame_info *f, size_t l4_len)
{
	uint8_t tail[8] = { 0, 0, (uint8_t)(l4_len >> 8), (uint8_t)l4_len, 0, 0, 0, f->proto };
	uint16_t sum = csum_add(0, tail, sizeof(tail));

	/* The unused bytes of IPv4 addresses are zero and add nothing. */
	sum = csum_add(sum, f->src, sizeof(f->src));
	return csum_add(sum, f->dst, sizeof(f->dst));
}

void csum_transport(uint8_t *frame, const struct frame_info *f, size_t l4_len)
{
	uint8_t *l4 = frame + f->l4;
	uint8_t *field = l4 + (f->proto == FRAME_PROTO_TCP ? TCP_CSUM : UDP_CSUM);
	uint16_t csum;

	store(field, 0);
	csum = (uint16_t)~csum_add(pseudo_header(f, l4_len), l4, l4_len);
	/* In UDP, 0 says that there is no checksum. */
	if (csum == 0 && f->proto == FRAME_PROTO_UDP)
		csum = 0xffff;
	store(field, csum);
}

int csum_finish(uint8_t *frame, size_t len, size_t start, size_t field)
{
	uint16_t csum;

	if (start > len || field > len - start || len - start - field < sizeof(csum))
		return -EINVAL;
	csum = (uint16_t)~csum_add(0, frame + start, len - start);
	store(frame + start + field, csum == 0 ? 0xffff : csum);
	return 0;
}
