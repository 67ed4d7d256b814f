/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vm_record.c - what a VM may have, alone and beside others
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

#include "conf/path.h"
#include "hylicsd/record.h"

#define MAC ",52:54:00:00:00:01"
#define SIXTEEN_ADDRESSES ",10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1," \
			  "10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1," \
			  "10.0.0.1,10.0.0.1"

static struct record good(void)
{
	struct record r;

	assert_int_equal(record_init(&r, "web1", NULL), 0);
	r.uid = 100000;
	r.size = 256 << 20;
	return r;
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "../a", "a.conf", "Web", "-a", "a\x01", "a\n", "a b",
	};
	char name[10001];
	struct record r;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		const char *text = i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : name;
		struct hy_err e = { 0 };

		assert_int_equal(record_init(&r, text, &e), -EINVAL);
		assert_string_equal(e.field, "name");
		assert_non_null(strstr(e.text, "a name is 1 to 63 of"));
	}
}

static void a_plain_one_is_right(void **state)
{
	const struct record r = good();

	(void)state;
	assert_int_equal(record_check(&r, NULL), 0);
	assert_true(r.offload);
	assert_int_equal(record_memory(&r), r.size);
	assert_int_equal(record_inodes(&r), r.size / 4096);
}

static void what_is_given_holds(void **state)
{
	struct record r = good();

	(void)state;
	r.memory = 1 << 20;
	r.inodes = 16;
	assert_int_equal(record_check(&r, NULL), 0);
	assert_int_equal(record_memory(&r), 1 << 20);
	assert_int_equal(record_inodes(&r), 16);
}

struct wrong {
	const char *key, *text;
};

static void bad_values_are_refused(void **state)
{
	static const struct wrong wrongs[] = {
		{ "size", "0" }, { "size", "-1" }, { "size", "18446744073709551616" },
		{ "size", "16777216T" }, { "size", "9223372036854775807" }, { "size", "all" },
		{ "size", "1M " }, { "size", "1 M" }, { "size", "1023K" }, { "size", "" },
		{ "size", "0x100000" }, { "size", "1e9" }, { "size", "1MB" }, { "size", "+1M" },
		{ "memory", "0" }, { "memory", "-1M" }, { "inodes", "0" }, { "inodes", "15" },
		{ "inodes", "4294967297" }, { "cache", "" }, { "cache", "writeback" },
		{ "export", "nfs" },
		{ "control", "" }, { "control", "on" }, { "scheme", "best" }, { "slo", "0s" },
		{ "slo", "-1s" }, { "slo", "5" }, { "slo", "" }, { "slo", "1000000h" },
		{ "memory-min", "0" }, { "memory-min", "1K" }, { "idle", "-1s" },
		{ "idle", "1000000h" }, { "weight", "0" }, { "weight", "-1" },
		{ "weight", "10001" }, { "interval-min", "0s" }, { "interval-min", "999ms" },
		{ "interval-max", "25h" }, { "model", "model" }, { "model", "/a/../b" },
		{ "model", "" },
		{ "offload", "1" }, { "uid", "0" }, { "uid", "999" }, { "uid", "4294967296" },
		{ "uid", "-1" }, { "version", "2" }, { "version", "0" },
		{ "keep", "" }, { "keep", "a" }, { "keep", "/" }, { "keep", "/a/../b" },
		{ "keep", "/.." }, { "keep", "/a/." }, { "keep", "/a//b" }, { "keep", "/a/" },
		{ "keep", "/a\x01" }, { "keep", "/a\n" }, { "keep", "./a" },
		{ "nic", "" }, { "nic", "vnet3" }, { "nic", "vnet3,52:54:00:00:00" },
		{ "nic", "v/3" MAC }, { "nic", ".." MAC }, { "nic", "an-interface-name" MAC },
		{ "nic", "vnet3" MAC ",10.0.0.1/8" }, { "nic", "vnet3" MAC "," },
		{ "nic", "v\x7f" MAC }, { "nic", "vnet3" MAC ",name" },
		{ "domain", "" }, { "domain", "a/b" }, { "domain", "a\nb" },
		{ "name", "web2" }, { "colour", "red" }, { "", "" },
	};
	struct record r = good();
	const struct record before = r;

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct hy_err e = { 0 };

		if (ini_set(&record_table, wrongs[i].key, wrongs[i].text, &r, &e) != -EINVAL)
			fail_msg("%s = '%s' is taken", wrongs[i].key, wrongs[i].text);
		assert_string_equal(e.field, wrongs[i].key);
		assert_memory_equal(&r, &before, sizeof(r));
	}
}

static void a_long_path_is_refused(void **state)
{
	char path[HY_PATH_MAX + 2] = "/";
	struct record r = good();

	(void)state;
	memset(path + 1, 'a', HY_PATH_MAX - 1);
	assert_int_equal(ini_set(&record_table, "keep", path, &r, NULL), 0);
	path[HY_PATH_MAX] = 'a';
	assert_int_equal(ini_set(&record_table, "keep", path, &r, NULL), -EINVAL);
}

static void assert_wrong(const struct record *r, const char *field, const char *words)
{
	struct hy_err e = { 0 };

	assert_int_equal(record_check(r, &e), -EINVAL);
	assert_string_equal(e.field, field);
	if (!strstr(e.text, words))
		fail_msg("'%s' is not in '%s'", words, e.text);
}

static void keys_go_together(void **state)
{
	struct record r = good();

	(void)state;
	r.memory = r.size + 1;
	assert_wrong(&r, "memory", "more than the size");
	r.memory = r.size - 4096;
	assert_int_equal(record_check(&r, NULL), 0);
	r.export = RECORD_EXPORT_9P;
	assert_wrong(&r, "memory", "charged to QEMU");
	r.memory = r.size;
	assert_int_equal(record_check(&r, NULL), 0);
	r.export = RECORD_EXPORT_VIRTIOFS;
	assert_int_equal(record_check(&r, NULL), 0);
	r.uid = 65534;
	assert_wrong(&r, "uid", "not for VMs");
	r = good();
	r.size = 0;
	assert_wrong(&r, "size", "missing");
	r = good();
	r.uid = 0;
	assert_wrong(&r, "uid", "missing");
	r = good();
	strcpy(r.name, "a/b");
	assert_wrong(&r, "name", "a name is");
}

static void control_goes_together(void **state)
{
	struct record r = good();

	(void)state;
	assert_int_equal(record_memory_min(&r), 32 << 20);
	assert_int_equal(record_least(&r), 256 << 20);
	r.control = RECORD_CONTROL_DYNAMIC;
	assert_wrong(&r, "slo", "is missing");
	r.slo_ms = 1;
	assert_int_equal(record_check(&r, NULL), 0);
	assert_int_equal(record_least(&r), 32 << 20);
	r.memory = (9 << 20) - 1;
	assert_int_equal(record_memory_min(&r), 1 << 20);
	r.memory = 1 << 20;
	assert_int_equal(record_memory_min(&r), 1 << 20);
	r.memory_min = 2 << 20;
	assert_wrong(&r, "memory-min", "more than memory");
	r.memory = 0;
	assert_int_equal(record_least(&r), 2 << 20);
	r.scheme = RECORD_SCHEME_QUEUE;
	assert_wrong(&r, "model", "scheme 'queue'");
	r.scheme = RECORD_SCHEME_BOTH;
	assert_wrong(&r, "model", "scheme 'both'");
	r.scheme = RECORD_SCHEME_ADAPTIVE;
	assert_int_equal(record_check(&r, NULL), 0);
	r.export = RECORD_EXPORT_9P;
	assert_wrong(&r, "control", "over 9p");
	r.export = RECORD_EXPORT_VIRTIOFS;
	r.interval_max_ms = r.interval_min_ms - 1;
	assert_wrong(&r, "interval-min", "more than interval-max");
}

static void modules_are_names_and_none_is_there_twice(void **state)
{
	struct record r = good();
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(ini_set(&record_table, "module", "../x", &r, &e), -EINVAL);
	assert_string_equal(e.field, "module");
	for (unsigned int i = 0; i < HY_MODULES_MAX; i++) {
		const char name[] = { 'm', (char)('0' + i), '\0' };

		assert_int_equal(ini_set(&record_table, "module", name, &r, NULL), 0);
	}
	assert_int_equal(record_check(&r, NULL), 0);
	assert_int_equal(ini_set(&record_table, "module", "more", &r, NULL), -EINVAL);
	memcpy(r.module[1], r.module[0], sizeof(r.module[1]));
	assert_wrong(&r, "module", "twice");
}

static void nics_have_an_edge_each(void **state)
{
	struct record r = good();

	(void)state;
	r.n_nics = 2;
	strcpy(r.nic[0], "vnet3" MAC);
	strcpy(r.nic[1], "vnet3,52:54:00:00:00:02,10.0.0.1");
	assert_wrong(&r, "nic", "there is another on 'vnet3'");
	strcpy(r.nic[1], "vnet33,52:54:00:00:00:02,10.0.0.1");
	assert_int_equal(record_check(&r, NULL), 0);
	strcpy(r.nic[1], "vnet,52:54:00:00:00:02");
	assert_int_equal(record_check(&r, NULL), 0);
	strcpy(r.nic[0], "vnet3" MAC SIXTEEN_ADDRESSES);
	strcpy(r.nic[1], "vnet4" MAC SIXTEEN_ADDRESSES);
	assert_int_equal(record_check(&r, NULL), 0);
	strcpy(r.nic[1], "vnet4" MAC SIXTEEN_ADDRESSES ",10.0.0.1");
	assert_wrong(&r, "nic", "33 addresses, at most 32");
	r.n_nics = HY_TWIN_NICS_MAX + 1;
	assert_wrong(&r, "nic", "more than 8");
}

static void a_nic_too_many_is_refused(void **state)
{
	struct record r = good();
	char nic[RECORD_NIC_MAX];
	struct hy_err e = { 0 };

	(void)state;
	for (int i = 0; i < HY_TWIN_NICS_MAX; i++) {
		snprintf(nic, sizeof(nic), "vnet%d" MAC, i);
		assert_int_equal(ini_set(&record_table, "nic", nic, &r, NULL), 0);
	}
	assert_int_equal(ini_set(&record_table, "nic", "vnet9" MAC, &r, &e), -EINVAL);
	assert_non_null(strstr(e.text, "at most 8 times"));
	assert_int_equal(record_check(&r, NULL), 0);
}

static void assert_clash(const struct record *a, const struct record *b, int num,
			 const char *field)
{
	struct hy_err e = { 0 };

	assert_int_equal(record_clash(a, b, &e), -num);
	assert_string_equal(e.field, field);
	assert_non_null(strstr(e.text, "is of 'web2'"));
}

static void two_vms_share_nothing(void **state)
{
	struct record a = good(), b = good();

	(void)state;
	strcpy(b.name, "web2");
	assert_clash(&a, &b, EEXIST, "uid");
	b.uid++;
	assert_int_equal(record_clash(&a, &b, NULL), 0);
	a.n_nics = 1;
	b.n_nics = 2;
	strcpy(a.nic[0], "vnet3" MAC);
	strcpy(b.nic[0], "vnet4" MAC);
	strcpy(b.nic[1], "vnet3,52:54:00:00:00:09");
	assert_clash(&a, &b, EBUSY, "nic");
	b.n_nics = 1;
	strcpy(a.domain, "d");
	assert_int_equal(record_clash(&a, &b, NULL), 0);
	strcpy(b.domain, "d");
	assert_clash(&a, &b, EEXIST, "domain");
	b.domain[0] = '\0';
	strcpy(a.keep, "/srv/web");
	assert_int_equal(record_clash(&a, &b, NULL), 0);
	strcpy(b.keep, "/srv/web2");
	assert_int_equal(record_clash(&a, &b, NULL), 0);
	strcpy(b.keep, "/srv/web/2");
	assert_clash(&a, &b, EBUSY, "keep");
	strcpy(b.keep, "/srv");
	assert_clash(&a, &b, EBUSY, "keep");
	strcpy(b.keep, "/srv/web");
	assert_clash(&a, &b, EBUSY, "keep");
}

static void places_are_told_apart(void **state)
{
	(void)state;
	assert_true(path_inside("/a", "/a"));
	assert_true(path_inside("/a/b", "/a"));
	assert_false(path_inside("/a", "/a/b"));
	assert_false(path_inside("/ab", "/a"));
	assert_false(path_inside("", "/a"));
	assert_false(path_inside("/a", ""));
	assert_false(path_inside("", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(a_plain_one_is_right),
		cmocka_unit_test(what_is_given_holds),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(a_long_path_is_refused),
		cmocka_unit_test(keys_go_together),
		cmocka_unit_test(control_goes_together),
		cmocka_unit_test(modules_are_names_and_none_is_there_twice),
		cmocka_unit_test(nics_have_an_edge_each),
		cmocka_unit_test(a_nic_too_many_is_refused),
		cmocka_unit_test(two_vms_share_nothing),
		cmocka_unit_test(places_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
