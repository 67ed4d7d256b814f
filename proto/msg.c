/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg.c - the messages of the channel: one table of types, and the payload of each
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "proto/msg.h"

#include <errno.h>

#include "common/cursor.h"
#include "proto/cast.h"
#include "proto/job.h"
#include "proto/modules.h"
#include "proto/move.h"
#include "proto/option.h"
#include "proto/report.h"

#define BOTH (ROLE_HOST | ROLE_GUEST)

/* Both queues of a connection are one message. */
_Static_assert(HY_TCP_QUEUE_MAX <= HY_MESSAGE_MAX, "queues fit into a message");

static const struct msg_info table[] = {
	{ MSG_HELLO, "hello", LANE_CONTROL, BOTH, MSG_HELLO_MIN, MSG_HELLO_MAX,
	  "begins a session, right behind the resync mark" },
	{ MSG_BYE, "bye", LANE_CONTROL, BOTH, MSG_BYE_MIN, MSG_BYE_MAX,
	  "ends a session and says why" },
	{ MSG_PING, "ping", LANE_CONTROL, BOTH, 0, MSG_PING_MAX,
	  "asks for a pong with the same bytes" },
	{ MSG_PONG, "pong", LANE_CONTROL, BOTH, 0, MSG_PING_MAX,
	  "answers a ping: same id, same bytes" },
	{ MSG_CREDIT, "credit", LANE_CONTROL, BOTH, MSG_COUNT_LEN, MSG_COUNT_LEN,
	  "so many bytes of the bulk lane were taken" },
	{ MSG_SOAK, "soak", LANE_BULK, BOTH, 1, HY_MESSAGE_MAX,
	  "bytes to be counted and thrown away: measures the bulk lane" },
	{ MSG_SOAK_DONE, "soak-done", LANE_CONTROL, BOTH, MSG_COUNT_LEN, MSG_COUNT_LEN,
	  "a soak arrived whole: same id, its length" },
	{ MSG_OFFER, "offer", LANE_URGENT, ROLE_GUEST, MOVE_OFFER_MIN + 1, MOVE_OFFER_MAX,
	  "a connection for the host: its record, the first bytes of its queues" },
	{ MSG_QUEUE, "queue", LANE_BULK, BOTH, 1, HY_TCP_QUEUE_MAX,
	  "the rest of its queues" },
	{ MSG_ADOPTED, "adopted", LANE_URGENT, ROLE_HOST, 0, 0,
	  "the host has the connection" },
	{ MSG_REFUSED, "refused", LANE_URGENT, ROLE_HOST, MOVE_ANSWER_LEN, MOVE_ANSWER_LEN,
	  "the host does not take it, and why" },
	{ MSG_CANCEL, "cancel", LANE_URGENT, ROLE_GUEST, 0, 0,
	  "the offer does not stand any more" },
	{ MSG_FILE_OPEN, "file-open", LANE_URGENT, ROLE_GUEST, MOVE_FILE_MIN + 1, MOVE_FILE_MAX,
	  "open this file of the share under this number" },
	{ MSG_FILE_OPENED, "file-opened", LANE_URGENT, ROLE_HOST, MOVE_OPENED_LEN, MOVE_OPENED_LEN,
	  "it is open, or why not" },
	{ MSG_FILE_CLOSE, "file-close", LANE_STREAM, ROLE_GUEST, 0, 0,
	  "no later item names this file" },
	{ MSG_ITEM, "item", LANE_STREAM, ROLE_GUEST, MOVE_ITEM_MIN, MOVE_ITEM_MAX,
	  "the next piece of what goes to the client" },
	{ MSG_SENT, "sent", LANE_STREAM, ROLE_HOST, MOVE_POS_LEN, MOVE_POS_LEN,
	  "all up to here is in the send queue" },
	{ MSG_STUCK, "stuck", LANE_STREAM, ROLE_HOST, MOVE_POS_LEN, MOVE_POS_LEN,
	  "the item here cannot be read: send it again, as bytes" },
	{ MSG_UP, "up", LANE_STREAM, ROLE_HOST, MOVE_UP_MIN, MOVE_UP_MAX,
	  "bytes from the client, or its end" },
	{ MSG_TAKEN, "taken", LANE_STREAM, ROLE_GUEST, MOVE_POS_LEN, MOVE_POS_LEN,
	  "all up to here is delivered" },
	{ MSG_ENDED, "ended", LANE_STREAM, ROLE_HOST, MOVE_END_LEN, MOVE_END_LEN,
	  "the connection is gone" },
	{ MSG_RESUME, "resume", LANE_URGENT, ROLE_GUEST, MOVE_RESUME_LEN, MOVE_RESUME_LEN,
	  "what the guest has of a connection of an earlier session" },
	{ MSG_RESUMED, "resumed", LANE_URGENT, ROLE_HOST, MOVE_RESUME_LEN, MOVE_RESUME_LEN,
	  "what the host has of it" },
	{ MSG_HOME, "home", LANE_URGENT, ROLE_GUEST, 0, 0,
	  "give the connection back" },
	{ MSG_HOME_OFFER, "home-offer", LANE_STREAM, ROLE_HOST, MOVE_OFFER_MIN + 1, MOVE_OFFER_MAX,
	  "a connection for the guest: as in an offer" },
	{ MSG_HOME_TAKEN, "home-taken", LANE_URGENT, ROLE_GUEST, MOVE_ANSWER_LEN, MOVE_ANSWER_LEN,
	  "the guest has it, or why not" },
	{ MSG_HOME_DONE, "home-done", LANE_URGENT, ROLE_HOST, 0, 0,
	  "the host has let go of it" },
	{ MSG_ADDRESSES, "addresses", LANE_URGENT, ROLE_GUEST, 2, MOVE_ADDRESSES_MAX,
	  "the addresses of all NICs of the guest" },
	{ MSG_REPORT, "report", LANE_STREAM, ROLE_GUEST, REPORT_MIN, REPORT_MAX,
	  "memory, CPU time, share of the guest; what it did not offer" },
	{ MSG_OPTION, "option", LANE_STREAM, ROLE_GUEST, OPTION_SET_MIN, OPTION_SET_MAX,
	  "the program has set this option" },
	{ MSG_OPTION_ASK, "option-ask", LANE_STREAM, ROLE_GUEST, OPTION_ASK_LEN, OPTION_ASK_LEN,
	  "what does the copy say of this option?" },
	{ MSG_OPTION_TOLD, "option-told", LANE_URGENT, ROLE_HOST, OPTION_TOLD_MIN, OPTION_TOLD_MAX,
	  "that, or why not" },
	{ MSG_LATE, "late", LANE_STREAM, BOTH, MOVE_LATE_MIN, HY_LATE_MAX,
	  "a segment of the client's that came while nobody listened" },
	{ MSG_MODULES_WANTED, "modules-wanted", LANE_URGENT, ROLE_GUEST, MODULES_WANTED_MIN,
	  MODULES_WANTED_MAX, "all modules the guest wants to run" },
	{ MSG_MODULE, "module", LANE_STREAM, ROLE_HOST, MODULES_STATE_MIN, MODULES_STATE_MAX,
	  "one module the guest may use, and how it is" },
	{ MSG_JOBS, "jobs", LANE_STREAM, ROLE_GUEST, JOBS_MIN, JOBS_MAX,
	  "how many jobs there were, and some of them" },
	{ MSG_CAST, "cast", LANE_URGENT, ROLE_GUEST, CAST_LEN, CAST_LEN,
	  "send this part of a file as datagrams" },
	{ MSG_CAST_TOLD, "cast-told", LANE_URGENT, ROLE_HOST, CAST_TOLD_LEN, CAST_TOLD_LEN,
	  "so much of a cast was sent, and how it is" },
	{ MSG_CAST_STOP, "cast-stop", LANE_URGENT, ROLE_GUEST, 0, 0,
	  "no more of a cast; it is told of no more" },
};

const struct msg_info *msg_table(size_t *n)
{
	*n = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct msg_info *msg_info(uint16_t type)
{
	/* types are numbered from 1 without gaps; a test holds the table to it */
	if (type == 0 || type > sizeof(table) / sizeof(table[0]))
		return NULL;
	return &table[type - 1];
}

int msg_hello_encode(const struct msg_hello *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le16(&w, m->proto_min);
	hy_wr_le16(&w, m->proto_max);
	hy_wr_le32(&w, m->epoch);
	hy_wr_le32(&w, m->seen);
	hy_wr_u8(&w, m->role);
	hy_wr_bytes(&w, "\0\0\0", 3);
	hy_wr_le64(&w, m->features);
	hy_wr_text(&w, m->software);
	hy_wr_text(&w, m->kernel);
	return hy_wr_written(&w, out);
}

int msg_hello_decode(const uint8_t *in, size_t len, struct msg_hello *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct msg_hello got = { 0 };

	got.proto_min = hy_rd_le16(&r);
	got.proto_max = hy_rd_le16(&r);
	got.epoch = hy_rd_le32(&r);
	got.seen = hy_rd_le32(&r);
	got.role = hy_rd_u8(&r);
	hy_rd_take(&r, 3);
	got.features = hy_rd_le64(&r);
	hy_rd_text(&r, got.software, sizeof(got.software));
	hy_rd_text(&r, got.kernel, sizeof(got.kernel));
	if (r.bad || r.left)
		return -EPROTO;
	if (got.epoch == 0 || got.proto_min == 0 || got.proto_min > got.proto_max)
		return -EPROTO;
	if (got.role != ROLE_HOST && got.role != ROLE_GUEST)
		return -EPROTO;
	*m = got;
	return 0;
}

int msg_bye_encode(const struct msg_bye *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le16(&w, m->reason);
	hy_wr_text(&w, m->words);
	return hy_wr_written(&w, out);
}

int msg_bye_decode(const uint8_t *in, size_t len, struct msg_bye *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct msg_bye got = { 0 };

	got.reason = hy_rd_le16(&r);
	hy_rd_text(&r, got.words, sizeof(got.words));
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}

const char *msg_bye_name(uint16_t reason)
{
	switch (reason) {
	case BYE_STOPPING:
		return "stopping";
	case BYE_PROTOCOL:
		return "protocol";
	case BYE_VERSION:
		return "version";
	case BYE_REPLACED:
		return "replaced";
	default:
		return "unknown";
	}
}

int msg_count_encode(uint64_t bytes, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le64(&w, bytes);
	return hy_wr_written(&w, out);
}

int msg_count_decode(const uint8_t *in, size_t len, uint64_t *bytes)
{
	struct hy_rd r = { .p = in, .left = len };
	uint64_t got = hy_rd_le64(&r);

	if (r.bad || r.left)
		return -EPROTO;
	*bytes = got;
	return 0;
}

int msg_agree(const struct msg_hello *a, const struct msg_hello *b)
{
	uint16_t newest = a->proto_max < b->proto_max ? a->proto_max : b->proto_max;
	uint16_t oldest = a->proto_min > b->proto_min ? a->proto_min : b->proto_min;

	return newest >= oldest ? newest : -EPROTONOSUPPORT;
}
