/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg.h - the messages of the channel: one table of types, and the payload of each
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 *
 * The table gives dispatch, validation and names; docs/wire.md is held against it by a test.
 */
#ifndef HY_PROTO_MSG_H
#define HY_PROTO_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

#define MSG_PROTO_MIN 1		/* oldest version of the protocol this tree speaks */
#define MSG_PROTO_MAX 1

enum msg_type {
	MSG_HELLO = 1,
	MSG_BYE = 2,
	MSG_PING = 3,
	MSG_PONG = 4,
	MSG_CREDIT = 5,
	MSG_SOAK = 6,
	MSG_SOAK_DONE = 7,
	/* moved connections: proto/move.h */
	MSG_OFFER = 8,
	MSG_QUEUE = 9,
	MSG_ADOPTED = 10,
	MSG_REFUSED = 11,
	MSG_CANCEL = 12,
	MSG_FILE_OPEN = 13,
	MSG_FILE_OPENED = 14,
	MSG_FILE_CLOSE = 15,
	MSG_ITEM = 16,
	MSG_SENT = 17,
	MSG_STUCK = 18,
	MSG_UP = 19,
	MSG_TAKEN = 20,
	MSG_ENDED = 21,
	MSG_RESUME = 22,
	MSG_RESUMED = 23,
	MSG_HOME = 24,
	MSG_HOME_OFFER = 25,
	MSG_HOME_TAKEN = 26,
	MSG_HOME_DONE = 27,
	MSG_ADDRESSES = 28,
	MSG_REPORT = 29,	/* proto/report.h */
	/* proto/option.h */
	MSG_OPTION = 30,
	MSG_OPTION_ASK = 31,
	MSG_OPTION_TOLD = 32,
	MSG_LATE = 33,		/* proto/move.h */
	/* proto/modules.h */
	MSG_MODULES_WANTED = 34,
	MSG_MODULE = 35,
	MSG_JOBS = 36,		/* proto/job.h */
	/* proto/cast.h */
	MSG_CAST = 37,
	MSG_CAST_TOLD = 38,
	MSG_CAST_STOP = 39,
};

/*
 * Lanes in falling urgency. A frame waits for none of a less urgent lane, except that LANE_STREAM
 * lets a chunk of LANE_BULK pass from time to time, which would never have its turn otherwise.
 * LANE_CONTROL is the channel's own, LANE_URGENT makes and ends connections, LANE_STREAM carries
 * what they say, LANE_BULK their long queues.
 */
enum msg_lane { LANE_CONTROL, LANE_URGENT, LANE_STREAM, LANE_BULK, LANES };

enum msg_role { ROLE_HOST = 1, ROLE_GUEST = 2 };

struct msg_info {
	uint16_t type;
	const char *name;
	enum msg_lane lane;	/* in LANE_BULK chunks are delivered one by one, elsewhere whole */
	uint8_t senders;	/* enum msg_role, or both */
	uint32_t min, max;	/* length of the payload */
	const char *what;
};

/**
 * msg_info() - The table's row of a type
 * @type:	From the peer
 *
 * Return: NULL if there is none
 */
const struct msg_info *msg_info(uint16_t type);

/* All rows, for documentation and tests. */
const struct msg_info *msg_table(size_t *n);

#define MSG_PING_MAX 4096
/* In LANE_BULK at most this much is sent before the peer's credit for it is back. */
#define MSG_BULK_WINDOW HY_CHUNK_MAX

/* MSG_HELLO: first in a session, right behind the resync mark */
struct msg_hello {
	uint16_t proto_min, proto_max;
	uint32_t epoch;			/* of the sender's session, not 0 */
	uint32_t seen;			/* the peer's epoch it answers, 0: has seen none */
	uint8_t role;
	uint64_t features;		/* bits; unknown ones are ignored */
	char software[HY_VERSION_TEXT_MAX];
	char kernel[HY_VERSION_TEXT_MAX];
};

#define MSG_HELLO_MIN 28
#define MSG_HELLO_MAX (MSG_HELLO_MIN + 2 * (HY_VERSION_TEXT_MAX - 1))

enum msg_bye_reason {
	BYE_STOPPING = 1,	/* the program ends on purpose */
	BYE_PROTOCOL = 2,	/* you sent what cannot be understood */
	BYE_VERSION = 3,	/* no version in common */
	BYE_REPLACED = 4,	/* a newer connection took this one's place */
};

/* MSG_BYE: last in a session */
struct msg_bye {
	uint16_t reason;
	char words[128];
};

#define MSG_BYE_MIN 4
#define MSG_BYE_MAX (MSG_BYE_MIN + 127)

/**
 * msg_hello_encode() - Write a hello
 * @m:		Message
 * @out:	Room for the bytes
 * @room:	MSG_HELLO_MAX is always enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int msg_hello_encode(const struct msg_hello *m, uint8_t *out, size_t room);

/**
 * msg_hello_decode() - Read a hello
 * @in:		Payload from the peer, a private copy
 * @len:	Its length
 * @m:		Filled on success; its texts are the peer's: escape before showing
 *
 * Return: 0, -EPROTO
 */
int msg_hello_decode(const uint8_t *in, size_t len, struct msg_hello *m);

/**
 * msg_bye_encode() - Write a bye
 * @m:		Message
 * @out:	Room for the bytes
 * @room:	MSG_BYE_MAX is always enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int msg_bye_encode(const struct msg_bye *m, uint8_t *out, size_t room);

/**
 * msg_bye_decode() - Read a bye
 * @in:		Payload from the peer, a private copy
 * @len:	Its length
 * @m:		Filled on success; its words are the peer's: escape before showing
 *
 * Return: 0, -EPROTO
 */
int msg_bye_decode(const uint8_t *in, size_t len, struct msg_bye *m);
const char *msg_bye_name(uint16_t reason);	/* "unknown" for what is not in the enum */

/* MSG_CREDIT and MSG_SOAK_DONE: one number, bytes taken */
int msg_count_encode(uint64_t bytes, uint8_t *out, size_t room);
int msg_count_decode(const uint8_t *in, size_t len, uint64_t *bytes);
#define MSG_COUNT_LEN 8

/**
 * msg_agree() - The version two sides speak
 * @a:	One side's hello
 * @b:	The other's
 *
 * Return: the newest both know, or -EPROTONOSUPPORT
 */
int msg_agree(const struct msg_hello *a, const struct msg_hello *b);

#endif
