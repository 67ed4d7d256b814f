/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move.h - the messages about moved connections and their files
 *
 * Runs in: hylics-agent, hylics-worker, tests
 * Reads from: the peer on the channel (hostile)
 *
 * The id of a frame names the connection, or for MSG_FILE_* the file; both numbers are the
 * agent's. docs/move.md says what the messages are for, docs/wire.md has the bytes.
 *
 * Positions count bytes since the move: down towards the client, up from it. They, and what a
 * message adds to them, stay below 2^63.
 */
#ifndef HY_PROTO_MOVE_H
#define HY_PROTO_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "proto/reason.h"

/*
 * MSG_OFFER (guest) and MSG_HOME_OFFER (host): a connection's record, as tcpmove/ writes it, and
 * the first bytes of its queues. What does not fit follows as MSG_QUEUE, one bulk message.
 */
struct move_offer {
	uint64_t down, up;		/* positions; 0 in an offer to the host */
	const uint8_t *record;
	uint16_t record_len;
	const uint8_t *bytes;		/* of the queues: unread first, then the send queue */
	uint32_t bytes_len;
	uint32_t rest;			/* bytes that follow as MSG_QUEUE, 0: none */
};

#define MOVE_OFFER_MIN 24
#define MOVE_OFFER_MAX HY_CHUNK_MAX
#define MOVE_OFFER_ROOM (MOVE_OFFER_MAX - MOVE_OFFER_MIN)	/* for record and bytes */

/* MSG_ADOPTED (no payload), MSG_CANCEL (no payload) and MSG_REFUSED, MSG_HOME_TAKEN: */
struct move_answer {
	uint16_t reason;		/* enum move_reason; MOVE_DONE in a good MSG_HOME_TAKEN */
};

#define MOVE_ANSWER_LEN 2

/* MSG_FILE_OPEN: a file of the share */
struct move_file {
	uint64_t inode, size, mtime_ns;
	uint8_t by_inode;		/* 1: the inode decides; 0 (9p): size and time do */
	char path[HY_PATH_MAX + 1];	/* beneath the share, no leading '/' */
};

#define MOVE_FILE_MIN 27
#define MOVE_FILE_MAX (MOVE_FILE_MIN + HY_PATH_MAX)

/* MSG_FILE_OPENED: @num is 0 or a positive errno. MSG_FILE_CLOSE has no payload. */
#define MOVE_OPENED_LEN 2

enum move_item_kind {
	ITEM_DATA = 1,			/* bytes follow */
	ITEM_SLICE = 2,			/* of a file */
	ITEM_SHUT = 3,			/* the program has shut its sending side */
	ITEM_CLOSE = 4,			/* it has closed: after this nothing more */
	ITEM_RESET = 5,			/* it has closed with bytes unread: reset, at once */
};

/* MSG_ITEM: the next piece of the stream to the client */
struct move_item {
	uint64_t pos;			/* where it begins; the worker drops one out of place */
	uint8_t kind;			/* enum move_item_kind */
	uint32_t file;			/* slice: number of the file */
	uint64_t offset, len;		/* slice: in the file */
	const uint8_t *bytes;		/* data */
	uint32_t bytes_len;
};

#define MOVE_ITEM_MIN 9
#define MOVE_ITEM_MAX HY_CHUNK_MAX
#define MOVE_DATA_MAX (MOVE_ITEM_MAX - MOVE_ITEM_MIN)

/*
 * MSG_SENT: all up to this position is in the copy's send queue.
 * MSG_STUCK: the item at this position could not be read; it and what follows must come again.
 * MSG_TAKEN: all up to this position is in the pair, and so much room it may have again.
 */
struct move_pos {
	uint64_t pos;
	uint8_t again;			/* MSG_TAKEN: 1: send on, 0: wait for another MSG_TAKEN */
};

#define MOVE_POS_LEN 9

/* MSG_UP: bytes from the client; none: its FIN stands at this position */
struct move_up {
	uint64_t pos;
	const uint8_t *bytes;
	uint32_t bytes_len;
};

#define MOVE_UP_MIN 8
#define MOVE_UP_MAX HY_CHUNK_MAX
#define MOVE_UP_BYTES_MAX (MOVE_UP_MAX - MOVE_UP_MIN)

/* MSG_ENDED: the copy is gone */
enum move_end {
	END_CLOSED = 1,			/* as the program asked */
	END_RESET = 2,			/* by the client, or because nothing else was right */
	END_TIMED_OUT = 3,
};

#define MOVE_END_LEN 2

enum move_held { HELD_OFFERED = 1, HELD_MOVED = 2, HELD_REBUILT = 3 };

/* MSG_RESUME: what the agent has of a connection after a new session began */
struct move_resume {
	uint8_t held;			/* enum move_held */
	uint64_t down, up;		/* taken out of the pair; delivered into it */
};

/* MSG_RESUMED: what the worker has of it */
struct move_resumed {
	uint8_t known;			/* 0: nothing, the rest is 0 */
	uint64_t down, up;		/* sent; taken out of the copy */
};

#define MOVE_RESUME_LEN 17

/* MSG_HOME and MSG_HOME_DONE have no payload. */

/* MSG_LATE: a segment as it was on the network, from its TCP header on; see tcpmove/segment.h */
#define MOVE_LATE_MIN 20

/* MSG_ADDRESSES: what addresses the guest's NICs have; replaces what was said before */
struct move_address {
	uint8_t mac[6];
	uint8_t family;			/* MOVE_FAMILY_IP4 or MOVE_FAMILY_IP6 */
	uint8_t addr[16];		/* an IPv4 address in the first 4, then zeros */
};

/* AF_INET and AF_INET6, whose header has sockets: not for here. They travel as 4 and 6. */
#define MOVE_FAMILY_IP4 2
#define MOVE_FAMILY_IP6 10

#define MOVE_ADDRESS_LEN 23
#define MOVE_ADDRESSES_MAX (2 + HY_TWIN_ADDRS_MAX * MOVE_ADDRESS_LEN)

/*
 * Encoders: write into @room bytes at @out. Return the length, or -EMSGSIZE.
 * Decoders: read the whole of @len bytes, a private copy; pointers in the result lie in @in.
 * Return 0, or -EPROTO with the result untouched.
 */
int move_offer_encode(const struct move_offer *m, uint8_t *out, size_t room);
int move_offer_decode(const uint8_t *in, size_t len, struct move_offer *m);
/* A reason that is not in the enum, of a newer peer, is read as MOVE_ERROR. */
int move_answer_encode(const struct move_answer *m, uint8_t *out, size_t room);
int move_answer_decode(const uint8_t *in, size_t len, struct move_answer *m);
int move_file_encode(const struct move_file *m, uint8_t *out, size_t room);
int move_file_decode(const uint8_t *in, size_t len, struct move_file *m);
int move_opened_encode(uint16_t num, uint8_t *out, size_t room);
int move_opened_decode(const uint8_t *in, size_t len, uint16_t *num);
int move_item_encode(const struct move_item *m, uint8_t *out, size_t room);
int move_item_decode(const uint8_t *in, size_t len, struct move_item *m);
int move_pos_encode(const struct move_pos *m, uint8_t *out, size_t room);
int move_pos_decode(const uint8_t *in, size_t len, struct move_pos *m);
int move_up_encode(const struct move_up *m, uint8_t *out, size_t room);
int move_up_decode(const uint8_t *in, size_t len, struct move_up *m);
int move_end_encode(uint16_t end, uint8_t *out, size_t room);
int move_end_decode(const uint8_t *in, size_t len, uint16_t *end);
int move_resume_encode(const struct move_resume *m, uint8_t *out, size_t room);
int move_resume_decode(const uint8_t *in, size_t len, struct move_resume *m);
int move_resumed_encode(const struct move_resumed *m, uint8_t *out, size_t room);
int move_resumed_decode(const uint8_t *in, size_t len, struct move_resumed *m);
int move_addresses_encode(const struct move_address *a, unsigned int n, uint8_t *out, size_t room);
/* @a has HY_TWIN_ADDRS_MAX places; *@n is set. */
int move_addresses_decode(const uint8_t *in, size_t len, struct move_address *a, unsigned int *n);

#endif
