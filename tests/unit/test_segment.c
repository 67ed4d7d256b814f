/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_segment.c - a late segment becomes a packet of its own connection, or nothing
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tcpmove/segment.h"

#define IP4 20
#define IP6 40
#define TCP 20
#define FLAGS 13
#define OFFSET 12
#define CHECK 16

static const struct tcp_record ends4 = {
	.family = AF_INET,
	.remote = { { 198, 51, 100, 2 }, 50000 },
	.local = { { 192, 0, 2, 1 }, 80 },
};

static const struct tcp_record ends6 = {
	.family = AF_INET6,
	.remote = { { 0x20, 1, 0xd, 0xb8, [15] = 2 }, 50000 },
	.local = { { 0x20, 1, 0xd, 0xb8, [15] = 1 }, 80 },
};

/* "abc", acknowledging 2, at 1; without its checksum. */
static const uint8_t golden[] = {
	0xc3, 0x50, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0x02, 0x00, 0, 0, 0, 0,
	'a', 'b', 'c',
};

#define LEN sizeof(golden)
/* Computed by another program: the checksums, and what a sender leaves for a card to finish. */
#define SUM4 0x398c
#define SUM6 0xca4e
#define UNFINISHED4 0xec54
#define UNFINISHED6 0x5b92
#define UNFINISHED_LONGEST 0x2c3e
#define HEADER_SUM4 0x8f95

static uint8_t packet[SEGMENT_PACKET_MAX];

static void put(uint8_t *at, uint16_t word)
{
	at[0] = (uint8_t)(word >> 8);
	at[1] = (uint8_t)word;
}

static uint16_t word_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void with_sum(uint8_t *segment, uint16_t sum)
{
	memcpy(segment, golden, LEN);
	put(segment + CHECK, sum);
}

static void the_addresses_are_the_connections(void **state)
{
	uint8_t segment[LEN];

	(void)state;
	with_sum(segment, SUM4);
	assert_int_equal(segment_packet(&ends4, segment, LEN, packet), IP4 + LEN);
	assert_int_equal(word_at(packet), 0x4500);
	assert_int_equal(word_at(packet + 2), IP4 + LEN);
	assert_int_equal(word_at(packet + 6), 0x4000);
	assert_int_equal(packet[8], 255);
	assert_int_equal(packet[9], 6);
	assert_int_equal(word_at(packet + 10), HEADER_SUM4);
	assert_memory_equal(packet + 12, ends4.remote.addr, 4);
	assert_memory_equal(packet + 16, ends4.local.addr, 4);
	assert_memory_equal(packet + IP4, segment, LEN);
	with_sum(segment, SUM6);
	assert_int_equal(segment_packet(&ends6, segment, LEN, packet), IP6 + LEN);
	assert_int_equal(word_at(packet), 0x6000);
	assert_int_equal(word_at(packet + 4), LEN);
	assert_int_equal(packet[6], 6);
	assert_int_equal(packet[7], 255);
	assert_memory_equal(packet + 8, ends6.remote.addr, 16);
	assert_memory_equal(packet + 24, ends6.local.addr, 16);
	assert_memory_equal(packet + IP6, segment, LEN);
}

static void an_unfinished_checksum_is_finished(void **state)
{
	uint8_t segment[LEN];

	(void)state;
	with_sum(segment, UNFINISHED4);
	assert_int_equal(segment_packet(&ends4, segment, LEN, packet), IP4 + LEN);
	assert_int_equal(word_at(packet + IP4 + CHECK), SUM4);
	with_sum(segment, UNFINISHED6);
	assert_int_equal(segment_packet(&ends6, segment, LEN, packet), IP6 + LEN);
	assert_int_equal(word_at(packet + IP6 + CHECK), SUM6);
}

/* Every bit of it, the checksum's included; and with the addresses of another. */
static void what_is_damaged_does_not_become_right(void **state)
{
	struct tcp_record other = ends4;
	uint8_t segment[LEN];

	(void)state;
	for (unsigned int bit = 0; bit < 8 * LEN; bit++) {
		with_sum(segment, SUM4);
		segment[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(segment_packet(&ends4, segment, LEN, packet), -EPROTO);
	}
	with_sum(segment, SUM4);
	assert_int_equal(segment_packet(&ends6, segment, LEN, packet), -EPROTO);
	other.remote.addr[3]++;
	assert_int_equal(segment_packet(&other, segment, LEN, packet), -EPROTO);
}

static int refused(const uint8_t *segment, size_t len, const struct tcp_record *ends)
{
	return segment_packet(ends, segment, len, packet) == -EPROTO;
}

/* The checksum is left to be finished, which is right for any bytes. */
static uint8_t *changed(size_t at, uint8_t value)
{
	static uint8_t segment[LEN];

	with_sum(segment, UNFINISHED4);
	segment[at] = value;
	return segment;
}

static void only_its_own_segments(void **state)
{
	(void)state;
	assert_int_equal(segment_packet(&ends4, changed(FLAGS, 0x18), LEN, packet), IP4 + LEN);
	assert_true(refused(changed(0, 0xc4), LEN, &ends4));
	assert_true(refused(changed(1, 0x51), LEN, &ends4));
	assert_true(refused(changed(2, 1), LEN, &ends4));
	assert_true(refused(changed(3, 0x51), LEN, &ends4));
}

static void no_segment_that_begins_a_connection(void **state)
{
	(void)state;
	assert_true(refused(changed(FLAGS, 0x02), LEN, &ends4));
	assert_true(refused(changed(FLAGS, 0x12), LEN, &ends4));
	assert_true(refused(changed(FLAGS, 0x00), LEN, &ends4));
	assert_true(refused(changed(FLAGS, 0x01), LEN, &ends4));
	assert_false(refused(changed(FLAGS, 0x10), LEN, &ends4));
	assert_false(refused(changed(FLAGS, 0x11), LEN, &ends4));
	assert_false(refused(changed(FLAGS, 0x04), LEN, &ends4));
	assert_false(refused(changed(FLAGS, 0x14), LEN, &ends4));
}

static void lengths_that_fit_together(void **state)
{
	static uint8_t longest[HY_LATE_MAX + 1];
	struct tcp_record neither = ends4;

	(void)state;
	for (uint8_t words = 0; words < 16; words++)
		assert_int_equal(refused(changed(OFFSET, (uint8_t)(words << 4)), LEN, &ends4),
				 words != 5);
	for (size_t len = 0; len < TCP; len++)
		assert_true(refused(changed(FLAGS, 0x18), len, &ends4));
	memcpy(longest, golden, LEN);
	put(longest + CHECK, UNFINISHED_LONGEST);
	assert_int_equal(segment_packet(&ends4, longest, HY_LATE_MAX, packet), IP4 + HY_LATE_MAX);
	put(longest + CHECK, UNFINISHED_LONGEST + 1);
	assert_true(refused(longest, HY_LATE_MAX + 1, &ends4));
	neither.family = AF_UNSPEC;
	assert_true(refused(changed(FLAGS, 0x18), LEN, &neither));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_addresses_are_the_connections),
		cmocka_unit_test(an_unfinished_checksum_is_finished),
		cmocka_unit_test(what_is_damaged_does_not_become_right),
		cmocka_unit_test(only_its_own_segments),
		cmocka_unit_test(no_segment_that_begins_a_connection),
		cmocka_unit_test(lengths_that_fit_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
