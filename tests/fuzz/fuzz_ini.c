/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_ini.c - any bytes as a record, configuration, module, model: refused, or what it says holds
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hylicsd/config.h"
#include "hylicsd/model.h"
#include "conf/module.h"
#include "hylicsd/record.h"
#include "conf/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* What was read is written, and what was written is read as the same values. */
static void require_way_back(const struct ini_table *t, const void *values, void *again)
{
	static char text[HY_INI_FILE_MAX];
	int len = ini_write(t, values, text, sizeof(text), NULL);

	require(len > 0 && text[len] == '\0');
	require(ini_read(t, text, (size_t)len, "again", again, NULL) == 0);
	require(memcmp(values, again, t->values_size) == 0);
}

static void require_untouched(const void *values, const void *before, size_t size,
			      const struct hy_err *e)
{
	require(memcmp(values, before, size) == 0);
	require(e->num && e->text[0]);
}

static void try_record(const char *bytes, size_t len)
{
	struct record r, before, again;
	struct hy_err e = { 0 };

	require(record_init(&r, "a", NULL) == 0);
	before = again = r;
	if (ini_read(&record_table, bytes, len, "record", &r, &e) < 0) {
		require_untouched(&r, &before, sizeof(r), &e);
		return;
	}
	require_way_back(&record_table, &r, &again);
	if (record_check(&r, &e) < 0)
		require(e.text[0] && e.field[0]);
	else
		require(record_memory(&r) <= r.size && record_inodes(&r) > 0);
}

static void try_config(const char *bytes, size_t len)
{
	static struct config c, before, again;	/* large */
	struct hy_err e = { 0 };

	config_defaults(&c);
	before = again = c;
	if (ini_read(&config_table, bytes, len, "config", &c, &e) < 0)
		require_untouched(&c, &before, sizeof(c), &e);
	else
		require_way_back(&config_table, &c, &again);
}

/* Words that were taken once are made of whatever is put in, and nothing makes another of one. */
static void require_words(const char *command)
{
	static const char *const some[WORDS_VALUES] = { "1", "a b", "\"", "$$" };
	static const char *const none[WORDS_VALUES] = { "", "", "", "" };
	static struct words with, without;	/* large */

	if (words_fill(command, some, &with, NULL) < 0)
		return;
	require(words_fill(command, none, &without, NULL) == 0 && with.n == without.n);
	require(with.n && with.at[0][0] == '/' && !with.at[with.n]);
	require(strcmp(with.at[0], without.at[0]) == 0);
	for (unsigned int i = 0; i < with.n; i++)
		require(with.at[i] >= with.bytes && with.at[i] < with.bytes + with.used);
}

static void try_module(const char *bytes, size_t len)
{
	static struct module m, before, again;	/* large */
	struct hy_err e = { 0 };

	module_defaults(&m);
	before = again = m;
	if (ini_read(&module_table, bytes, len, "module", &m, &e) < 0) {
		require_untouched(&m, &before, sizeof(m), &e);
		return;
	}
	require_way_back(&module_table, &m, &again);
	require(m.ports.n && modules_ports_have(&m.ports, m.ports.at[0].first));
	require(!modules_ports_have(&m.ports, 0));
	require_words(m.command);
}

static void try_model(const char *bytes, size_t len)
{
	struct model m, before;
	struct hy_err e = { 0 };

	memset(&m, 0, sizeof(m));
	before = m;
	if (model_read(bytes, len, "model", &m, &e) < 0) {
		require_untouched(&m, &before, sizeof(m), &e);
		return;
	}
	require(m.job[0] && m.runs && m.from < m.to && curve_is_good(&m.curve, m.from));
	require(curve_at(&m.curve, m.to) <= curve_at(&m.curve, m.from));
	require(m.order.na >= 1 && m.order.na <= HY_RLS_NA_MAX && m.order.nb <= HY_RLS_NB_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	try_model((const char *)bytes, len);
	try_module((const char *)bytes, len);
	try_record((const char *)bytes, len);
	try_config((const char *)bytes, len);
	return 0;
}
