/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_path.c - one direction of the wire, with a time and a receiver made up here
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "lab/wire/fate.h"
#include "lab/wire/intake.h"
#include "lab/wire/outlet.h"
#include "lab/wire/path.h"
#include "tests/unit/wire_frames.h"

#define MS HY_NS_PER_MS
#define START (1000 * (uint64_t)MS)
#define SENT_MAX 20000
#define SLOTS 4096

static struct script script;
static struct pcap no_record;
static struct path_common common = { .seed = 5, .script = &script, .passed = &no_record,
				     .dropped = &no_record };
static struct impair impair[WIRE_DIRECTIONS];
static struct link to;
static struct path path;

/* The receiver: what it got, and what it answers before it takes anything. */
static struct {
	uint32_t number[SENT_MAX];
	uint64_t at_ns[SENT_MAX];
	uint8_t bytes[SENT_MAX][96];
	unsigned int n;
	int refusal;
} sent;

static uint64_t now_ns;

int link_send(struct link *l, const struct link_out *out, unsigned int n)
{
	(void)l;
	if (sent.refusal)
		return sent.refusal;
	for (unsigned int i = 0; i < n; i++) {
		assert_true(sent.n < SENT_MAX);
		memcpy(&sent.number[sent.n], out[i].bytes + 42, sizeof(uint32_t));
		memcpy(sent.bytes[sent.n], out[i].bytes, out[i].len < 96 ? out[i].len : 96);
		sent.at_ns[sent.n++] = now_ns;
	}
	return (int)n;
}

static int open_path(void **state)
{
	struct hy_err e;

	(void)state;
	memset(&script, 0, sizeof(script));
	memset(&sent, 0, sizeof(sent));
	impair_reset(impair);
	to.mtu = 1500;
	now_ns = START;
	return path_open(&path, 0, &common, &impair[0], &to, SLOTS, &e);
}

static int close_path(void **state)
{
	(void)state;
	path_close(&path);
	return 0;
}

static void set(const char *key, const char *text)
{
	struct hy_err e;

	assert_int_equal(impair_set(impair, key, text, &e), 0);
}

static void rule(const char *text)
{
	struct hy_err e;

	assert_int_equal(rule_add(&script, 1, text, &e), 0);
}

static void send_due(void)
{
	path_advance(&path, now_ns);
	outlet_send(&path, now_ns);
}

/* Lets time pass, stopping wherever the path has something to do. */
static void pass(uint64_t ns)
{
	uint64_t end = now_ns + ns, next;

	while ((next = path_next_ns(&path)) <= end) {
		now_ns = next > now_ns ? next : now_ns;
		send_due();
	}
	now_ns = end;
	send_due();
}

/* A datagram of 46 bytes that carries a number; returns the marks it raised. */
static uint64_t datagram(uint32_t number)
{
	static const struct frame_spec s = { .proto = SPEC_UDP, .payload = 4 };
	uint8_t bytes[128];
	size_t len = spec_build(bytes, &s);
	uint64_t raised;

	memcpy(bytes + 42, &number, sizeof(number));
	raised = path_take(&path, bytes, len, now_ns);
	send_due();
	return raised;
}

static void check_sum(void)
{
	const struct stats *s = &path.stats;

	assert_int_equal(s->frames_in + s->duplicated + s->injected,
			 s->frames_out + s->lost + s->scripted + s->queue_full + s->pool_full +
			 s->unsent + path.pool.used);
}

static void clean_wire_changes_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		datagram(i);
	assert_int_equal(sent.n, 10000);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(sent.number[i], i);
	assert_int_equal(path.stats.frames_out, 10000);
	assert_int_equal(path.stats.bytes_out, 460000);
	assert_int_equal(path.stats.delayed, 0);
	assert_int_equal(path.pool.used, 0);
	assert_true(path_next_ns(&path) == UINT64_MAX);
	check_sum();
}

static void losses_are_those_foretold(void **state)
{
	uint32_t k = 0, lost = 0;

	(void)state;
	set("loss", "3%");
	for (uint32_t i = 0; i < 10000; i++)
		datagram(i);
	for (uint32_t i = 0; i < 10000; i++) {
		const struct fate_key key = { .seed = 5, .class = FRAME_UDP, .number = i };

		if (fate_decide(&key, &impair[0].odds).lost)
			lost++;
		else
			assert_int_equal(sent.number[k++], i);
	}
	assert_int_equal(sent.n, k);
	assert_int_equal(path.stats.lost, lost);
	assert_in_range(lost, 250, 350);
	check_sum();
}

static void stray_frames_change_no_datagrams_fate(void **state)
{
	static const uint8_t arp[60] = { [12] = 0x08, [13] = 0x06 };
	uint32_t with[500], n = 0;

	(void)state;
	set("loss", "30%");
	for (uint32_t i = 0; i < 500; i++) {
		unsigned int before;

		path_take(&path, arp, sizeof(arp), now_ns);
		send_due();
		before = sent.n;
		datagram(i);
		if (sent.n > before)
			with[n++] = i;
	}
	close_path(NULL);
	open_path(NULL);
	set("loss", "30%");
	for (uint32_t i = 0; i < 500; i++)
		datagram(i);
	assert_int_equal(sent.n, n);
	assert_memory_equal(sent.number, with, n * sizeof(with[0]));
}

static void delay_and_jitter_keep_order(void **state)
{
	(void)state;
	set("delay", "20ms");
	set("jitter", "5ms");
	for (uint32_t i = 0; i < 1000; i++) {
		datagram(i);
		pass(MS);
	}
	pass(30 * MS);
	assert_int_equal(sent.n, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t took = sent.at_ns[i] - START - i * (uint64_t)MS;

		assert_int_equal(sent.number[i], i);
		assert_in_range(took, 15 * MS, 25 * MS);
	}
	assert_int_equal(path.stats.delayed, 1000);
	check_sum();
}

static void delay_is_exact_without_jitter(void **state)
{
	(void)state;
	set("delay", "20ms");
	datagram(1);
	pass(20 * MS - 1);
	assert_int_equal(sent.n, 0);
	pass(1);
	assert_int_equal(sent.n, 1);
}

/* How many frames were overtaken, seen from the receiver. */
static unsigned int overtaken_at_receiver(void)
{
	unsigned int late = 0;
	uint32_t highest = 0;

	for (unsigned int i = 0; i < sent.n; i++) {
		if (sent.number[i] < highest)
			late++;
		else
			highest = sent.number[i];
	}
	return late;
}

static void reordered_frames_are_counted_as_seen(void **state)
{
	(void)state;
	set("reorder", "1%");
	set("reorder-gap", "5");
	set("delay", "3ms");
	for (uint32_t i = 0; i < 10000; i++) {
		datagram(i);
		pass(MS / 10);
	}
	pass(200 * MS);
	assert_int_equal(sent.n, 10000);
	assert_true(path.stats.reordered > 80);
	assert_int_equal(overtaken_at_receiver(), path.stats.reordered);
	assert_int_equal(path.pool.used, 0);
	check_sum();
}

static void a_late_frame_stands_behind_the_gap(void **state)
{
	(void)state;
	set("reorder", "100%");
	datagram(0);
	set("reorder", "0%");
	for (uint32_t i = 1; i <= 5; i++)
		datagram(i);
	assert_int_equal(sent.n, 6);
	assert_int_equal(sent.number[2], 3);
	assert_int_equal(sent.number[3], 0);
	assert_int_equal(sent.number[4], 4);
	assert_int_equal(path.stats.reordered, 1);
}

static void a_late_frame_does_not_wait_for_ever(void **state)
{
	(void)state;
	set("reorder", "100%");
	set("reorder-bound", "10ms");
	datagram(0);
	pass(10 * MS - 1);
	assert_int_equal(sent.n, 0);
	pass(1);
	assert_int_equal(sent.n, 1);
	assert_int_equal(path.stats.reordered, 0);
	assert_int_equal(path.stats.reorder_missed, 1);
	check_sum();
}

static void duplicates_follow_their_originals(void **state)
{
	(void)state;
	set("duplicate", "100%");
	for (uint32_t i = 0; i < 100; i++)
		datagram(i);
	assert_int_equal(sent.n, 200);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(sent.number[i], i / 2);
	assert_int_equal(path.stats.duplicated, 100);
	check_sum();
}

static void corruption_is_one_bit_of_the_payload(void **state)
{
	static const struct frame_spec s = { .proto = SPEC_UDP, .payload = 40 };
	uint8_t bytes[128];
	size_t len = spec_build(bytes, &s);

	(void)state;
	set("corrupt", "100%");
	for (int n = 0; n < 1000; n++) {
		unsigned int bits = 0;

		path_take(&path, bytes, len, now_ns);
		send_due();
		for (size_t i = 42; i < len; i++)
			bits += (unsigned int)__builtin_popcount(bytes[i] ^ sent.bytes[n][i]);
		assert_int_equal(bits, 1);
		assert_memory_equal(bytes, sent.bytes[n], 42);
	}
	assert_int_equal(path.stats.corrupted, 1000);
}

static void rate_spaces_frames_and_the_queue_overflows(void **state)
{
	(void)state;
	set("rate", "368kbit");		/* 46 bytes each millisecond */
	set("queue", "10");
	for (uint32_t i = 0; i < 15; i++)
		datagram(i);
	assert_int_equal(path.stats.queue_full, 5);
	pass(4 * MS);
	assert_int_equal(sent.n, 4);
	datagram(100);
	datagram(101);
	pass(50 * MS);
	for (uint32_t i = 0; i < 12; i++)
		assert_int_equal(sent.at_ns[i], START + (i + 1) * (uint64_t)MS);
	assert_int_equal(sent.number[9], 9);
	assert_int_equal(sent.number[10], 100);
	assert_int_equal(sent.n, 12);
	check_sum();
}

static void full_pool_drops_and_counts(void **state)
{
	(void)state;
	set("delay", "1s");
	for (uint32_t i = 0; i < SLOTS + 7; i++)
		datagram(i);
	assert_int_equal(path.stats.pool_full, 7);
	check_sum();
	pass(2000 * (uint64_t)MS);
	assert_int_equal(sent.n, SLOTS);
	check_sum();
}

static void held_frames_wait_for_their_mark(void **state)
{
	(void)state;
	rule("hold until mark go nth=2 count=3");
	rule("hold until mark other nth=3 count=1");
	for (uint32_t i = 0; i < 7; i++)
		datagram(i);
	assert_int_equal(sent.n, 3);		/* 0, 4, 6 */
	assert_int_equal(path.stats.held, 4);
	path_mark(&path, 0, now_ns);
	send_due();
	assert_int_equal(sent.n, 6);
	assert_int_equal(sent.number[3], 1);
	assert_int_equal(sent.number[5], 3);
	path_mark(&path, 1, now_ns);
	send_due();
	assert_int_equal(sent.number[6], 5);
	assert_int_equal(path.pool.used, 0);
	check_sum();
}

static void rules_drop_delay_double_and_raise(void **state)
{
	(void)state;
	rule("mark seen nth=1");
	rule("drop nth=2");
	rule("delay 5ms nth=2");
	rule("dup nth=2");
	rule("corrupt nth=2");
	assert_int_equal(datagram(0), 1);	/* raises the mark */
	assert_int_equal(datagram(1), 0);	/* dropped; later rules do not see it */
	datagram(2);				/* delayed */
	datagram(3);				/* twice */
	datagram(4);				/* corrupted */
	datagram(5);
	assert_int_equal(sent.n, 5);
	pass(5 * MS);
	assert_int_equal(sent.n, 6);
	assert_int_equal(sent.number[0], 0);
	assert_int_equal(sent.number[1], 3);
	assert_int_equal(sent.number[2], 3);
	assert_int_not_equal(sent.number[3], 4);
	assert_int_equal(sent.number[4], 5);
	assert_int_equal(sent.number[5], 2);
	assert_int_equal(path.stats.scripted, 1);
	assert_int_equal(path.stats.duplicated, 1);
	assert_int_equal(path.stats.corrupted, 1);
	assert_int_equal(path.stats.delayed, 1);
	check_sum();
}

/* Which of 100 datagrams arrive when every second one is lost, and a rule says more. */
static void lose_half(bool arrived[100], const char *text)
{
	close_path(NULL);
	open_path(NULL);
	set("loss", "50%");
	if (text)
		rule(text);
	for (uint32_t i = 0; i < 100; i++) {
		unsigned int before = sent.n;

		datagram(i);
		arrived[i] = sent.n > before;
	}
}

static void a_rule_leaves_other_frames_fates_alone(void **state)
{
	bool without[100], with[100];

	(void)state;
	lose_half(without, NULL);
	lose_half(with, "drop nth=40");
	without[39] = false;
	assert_memory_equal(with, without, sizeof(with));
	lose_half(with, "dup nth=40");
	without[39] = true;
	assert_memory_equal(with, without, sizeof(with));
}

static void a_reset_replaces_the_segment(void **state)
{
	static const struct frame_spec s = { .proto = SPEC_TCP, .payload = 30, .seq = 9,
					     .tcp_flags = FRAME_TCP_ACK };
	uint8_t bytes[128];
	size_t len = spec_build(bytes, &s);
	struct frame_info f;

	(void)state;
	rule("reset tcp=data");
	path_take(&path, bytes, len, now_ns);
	send_due();
	assert_int_equal(sent.n, 1);
	frame_parse(sent.bytes[0], 54, &f);
	assert_int_equal(f.tcp_flags, FRAME_TCP_RST | FRAME_TCP_ACK);
	assert_int_equal(path.stats.injected, 1);
	assert_int_equal(path.stats.scripted, 1);
	assert_int_equal(path.stats.tcp_rst, 0);	/* it did not come in */
	check_sum();
}

static void tcp_is_counted(void **state)
{
	static const struct frame_spec specs[] = {
		{ .proto = SPEC_TCP, .seq = 9, .tcp_flags = FRAME_TCP_SYN },
		{ .proto = SPEC_TCP, .seq = 10, .payload = 30, .tcp_flags = FRAME_TCP_ACK },
		{ .proto = SPEC_TCP, .seq = 10, .payload = 30, .tcp_flags = FRAME_TCP_ACK,
		  .window = 5 },
		{ .proto = SPEC_TCP, .seq = 40, .tcp_flags = FRAME_TCP_ACK, .window = 5 },
		{ .proto = SPEC_TCP, .seq = 40, .window = 5,
		  .tcp_flags = FRAME_TCP_ACK | FRAME_TCP_FIN },
		{ .proto = SPEC_TCP, .seq = 41, .tcp_flags = FRAME_TCP_RST },
	};
	uint8_t bytes[128];

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		path_take(&path, bytes, spec_build(bytes, &specs[i]), now_ns);
	assert_int_equal(path.stats.tcp_segments, 6);
	assert_int_equal(path.stats.tcp_bytes, 60);
	assert_int_equal(path.stats.tcp_syn, 1);
	assert_int_equal(path.stats.tcp_fin, 1);
	assert_int_equal(path.stats.tcp_rst, 1);
	assert_int_equal(path.stats.tcp_pure_acks, 1);
	assert_int_equal(path.stats.tcp_zero_windows, 1);
	assert_int_equal(path.stats.tcp_retransmissions, 1);
}

static void super_frames_are_cut_on_their_way_in(void **state)
{
	static const struct frame_spec s = { .proto = SPEC_TCP, .payload = 14000,
					     .tcp_flags = FRAME_TCP_ACK };
	static uint8_t bytes[16384];
	struct link_frame f = { .bytes = bytes, .segment_kind = 1, .segment_size = 1400 };

	(void)state;
	f.len = (uint32_t)spec_build(bytes, &s);
	intake_frame(&path, &f, now_ns);
	assert_int_equal(path.stats.super_frames, 1);
	assert_int_equal(path.stats.frames_in, 10);
	assert_int_equal(path.stats.tcp_bytes, 14000);
	f.segment_kind = 4;
	intake_frame(&path, &f, now_ns);
	f.segment_kind = 0;
	f.cut_short = true;
	intake_frame(&path, &f, now_ns);
	f.cut_short = false;
	f.unfinished = true;
	f.csum_start = 60000;
	intake_frame(&path, &f, now_ns);
	assert_int_equal(path.stats.refused, 3);
	assert_int_equal(path.stats.frames_in, 10);
}

static void a_slow_receiver_is_waited_for(void **state)
{
	(void)state;
	sent.refusal = -EAGAIN;
	datagram(0);
	assert_true(outlet_next_ns(&path, now_ns) != UINT64_MAX);
	now_ns += 10 * MS;
	datagram(1);
	sent.refusal = 0;
	send_due();
	assert_int_equal(sent.n, 2);
	assert_int_equal(path.stats.unsent, 0);
	assert_true(outlet_next_ns(&path, now_ns) == UINT64_MAX);
}

static void a_dead_receiver_is_not_waited_for(void **state)
{
	(void)state;
	sent.refusal = -EAGAIN;
	datagram(0);
	now_ns += WIRE_STUCK_NS + 1;
	datagram(1);
	datagram(2);
	assert_int_equal(path.stats.unsent, 3);
	sent.refusal = 0;
	datagram(3);
	sent.refusal = -EAGAIN;
	datagram(4);				/* it took one: waited for again */
	assert_int_equal(path.stats.unsent, 3);
	assert_int_equal(path.pool.used, 1);
	sent.refusal = -EMSGSIZE;
	send_due();
	assert_int_equal(path.stats.unsent, 4);
	check_sum();
}

static void too_long_frames_are_not_stored(void **state)
{
	static const struct frame_spec s = { .proto = SPEC_UDP, .payload = 1600 };
	uint8_t bytes[2048];

	(void)state;
	path_take(&path, bytes, spec_build(bytes, &s), now_ns);
	assert_int_equal(path.stats.unsent, 1);
	check_sum();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_path, close_path)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clean_wire_changes_nothing),
		TEST(losses_are_those_foretold),
		TEST(stray_frames_change_no_datagrams_fate),
		TEST(delay_and_jitter_keep_order),
		TEST(delay_is_exact_without_jitter),
		TEST(reordered_frames_are_counted_as_seen),
		TEST(a_late_frame_stands_behind_the_gap),
		TEST(a_late_frame_does_not_wait_for_ever),
		TEST(duplicates_follow_their_originals),
		TEST(corruption_is_one_bit_of_the_payload),
		TEST(rate_spaces_frames_and_the_queue_overflows),
		TEST(full_pool_drops_and_counts),
		TEST(held_frames_wait_for_their_mark),
		TEST(rules_drop_delay_double_and_raise),
		TEST(a_rule_leaves_other_frames_fates_alone),
		TEST(a_reset_replaces_the_segment),
		TEST(tcp_is_counted),
		TEST(super_frames_are_cut_on_their_way_in),
		TEST(a_slow_receiver_is_waited_for),
		TEST(a_dead_receiver_is_not_waited_for),
		TEST(too_long_frames_are_not_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
