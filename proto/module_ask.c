/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_ask.c - what a guest's user says to the agent of modules: start, stop, and how they are
 *
 * Runs in: hylics-agent, hylics-guest
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 */
#include "proto/module_ask.h"

#include <errno.h>

#include "common/name.h"

static void rd_name(struct hy_rd *r, char name[HY_NAME_MAX + 1])
{
	hy_rd_text(r, name, HY_NAME_MAX + 1);
	r->bad |= !hy_name_valid(name);
}

size_t module_ask_encode_start(uint32_t id, const struct local_module_start *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_MODULE_START, id, out);

	hy_wr_le16(&w, m->port);
	hy_wr_text(&w, m->name);
	return LOCAL_PACKET_MAX - w.left;
}

int module_ask_decode_start(const uint8_t *in, size_t len, struct local_module_start *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_module_start got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.port = hy_rd_le16(&r);
	rd_name(&r, got.name);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}

size_t module_ask_encode_stop(uint32_t id, const struct local_module_stop *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_MODULE_STOP, id, out);

	hy_wr_text(&w, m->name);
	return LOCAL_PACKET_MAX - w.left;
}

int module_ask_decode_stop(const uint8_t *in, size_t len, struct local_module_stop *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_module_stop got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	rd_name(&r, got.name);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}

size_t module_ask_encode_ask(uint32_t id, const struct local_ask_module *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_ASK_MODULE, id, out);

	hy_wr_u8(&w, m->number);
	return LOCAL_PACKET_MAX - w.left;
}

int module_ask_decode_ask(const uint8_t *in, size_t len, struct local_ask_module *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_ask_module got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.number = hy_rd_u8(&r);
	if (r.bad || r.left || got.number >= HY_MODULES_MAX)
		return -EPROTO;
	*m = got;
	return 0;
}

size_t module_ask_encode(uint32_t id, const struct local_module *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_MODULE, id, out);
	int n;

	hy_wr_u8(&w, m->wanted);
	n = modules_state_encode(&m->state, w.p, w.left);
	return LOCAL_PACKET_MAX - w.left + (n > 0 ? (size_t)n : 0);
}

int module_ask_decode(const uint8_t *in, size_t len, struct local_module *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_module got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.wanted = hy_rd_u8(&r);
	if (r.bad || got.wanted > (MODULE_WANTED | MODULE_UNHEARD) ||
	    modules_state_decode(r.p, r.left, &got.state) < 0)
		return -EPROTO;
	*m = got;
	return 0;
}
