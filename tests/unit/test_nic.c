/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nic.c - a NIC as the operator writes it, and the addresses a guest tells for it
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hylics-keeper/nic.h"
#include "twin/nic.h"

#define TWENTY "10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1," \
	       "10.0.0.1,10.0.0.1,"

static void good_is_read(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0xab, 0xcd, 0x01 };
	static const uint8_t v4[4] = { 10, 99, 0, 2 };
	struct twin_nic_spec s;
	struct hy_err e = { 0 };
	uint8_t v6[16];

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd99::2", v6), 1);
	assert_int_equal(twin_nic_parse("vnet3,52:54:00:AB:cd:01,10.99.0.2,fd99::2", &s, &e), 0);
	assert_string_equal(s.edge, "vnet3");
	assert_memory_equal(s.mac, mac, sizeof(mac));
	assert_int_equal(s.n_addrs, 2);
	assert_int_equal(s.addr[0].family, AF_INET);
	assert_memory_equal(s.addr[0].addr, v4, sizeof(v4));
	assert_int_equal(s.addr[1].family, AF_INET6);
	assert_memory_equal(s.addr[1].addr, v6, sizeof(v6));
	assert_int_equal(twin_nic_parse("tap0,52:54:00:00:00:01", &s, &e), 0);
	assert_int_equal(s.n_addrs, 0);
}

static void bad_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "tap0", "tap0,", ",52:54:00:00:00:01", "tap0,52:54:00:00:00",
		"tap0,52:54:00:00:00:01:02", "tap0,52:54:00:00:00:01x",
		"tap0,53:54:00:00:00:01",	/* a group's */
		"tap0,52:54:00:00:00:01,", "tap0,52:54:00:00:00:01,10.0.0",
		"tap0,52:54:00:00:00:01,x",
		"tap/0,52:54:00:00:00:01", "tap 0,52:54:00:00:00:01", "..,52:54:00:00:00:01",
		"tap\n,52:54:00:00:00:01",
		"tap0,52:54:00:00:00:01,10.0.0.1/24", "an-interface-name,52:54:00:00:00:01",
		"tap0,52:54:00:00:00:01," TWENTY TWENTY TWENTY "10.0.0.1",
	};
	struct twin_nic_spec s = { .n_addrs = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hy_err e = { 0 };

		assert_int_equal(twin_nic_parse(bad[i], &s, &e), -EINVAL);
		assert_string_equal(e.field, "--nic");
		assert_int_equal(s.n_addrs, 77);
	}
}

static void told_addresses_go_by_mac(void **state)
{
	static const struct move_address told[] = {
		{ { 2, 0, 0, 0, 0, 1 }, AF_INET, { 10, 0, 0, 1 } },
		{ { 2, 0, 0, 0, 0, 2 }, AF_INET, { 10, 0, 0, 2 } },
		{ { 2, 0, 0, 0, 0, 1 }, AF_INET6, { 0xfd, 1 } },
	};
	struct twin_addr out[HY_TWIN_ADDRS_MAX];

	(void)state;
	assert_int_equal(nic_pick(told[0].mac, told, 3, out), 2);
	assert_int_equal(out[0].family, AF_INET);
	assert_memory_equal(out[0].addr, told[0].addr, 16);
	assert_int_equal(out[1].family, AF_INET6);
	assert_memory_equal(out[1].addr, told[2].addr, 16);
	assert_int_equal(nic_pick((const uint8_t[6]){ 2, 0, 0, 0, 0, 3 }, told, 3, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_is_read),
		cmocka_unit_test(bad_is_refused),
		cmocka_unit_test(told_addresses_go_by_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
