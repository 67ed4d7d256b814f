/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * local.h - what programs in the guest say to their agent: packets on agent.sock
 *
 * Runs in: hylics-agent, hylics-guest, libhylics
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 *
 * One packet (SOCK_SEQPACKET) is one message: a header of 8 bytes and a payload. Every request
 * has one answer with its id. docs/wire.md has the bytes.
 */
#ifndef HY_PROTO_LOCAL_H
#define HY_PROTO_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cursor.h"
#include "common/limits.h"
#include "proto/option.h"
#include "proto/page.h"

#define LOCAL_VERSION 1
#define LOCAL_HEADER_LEN 8
#define LOCAL_PACKET_MAX 1024

enum local_type {
	LOCAL_ASK_STATUS = 1,	/* no payload */
	LOCAL_STATUS = 2,	/* struct local_status */
	LOCAL_ERROR = 3,	/* struct local_error */
	LOCAL_JOIN = 4,		/* no payload: a program wants its connections moved */
	LOCAL_JOINED = 5,	/* no payload; with page, words and, if there is one, tally */
	LOCAL_MOVE = 6,		/* struct local_move; TCP socket and pair end; not answered */
	LOCAL_TAKE_BACK = 7,	/* struct local_slot */
	LOCAL_TAKEN = 8,	/* struct local_slot; with the TCP socket */
	LOCAL_WHO = 9,		/* no payload; with a program's end of a pair */
	LOCAL_WHO_IS = 10,	/* struct local_who */
	LOCAL_OPTION = 11,	/* struct local_option; perhaps with that end; not answered */
	LOCAL_OPTION_ASK = 12,	/* the same without a value */
	LOCAL_OPTION_TOLD = 13,	/* struct local_told */
	LOCAL_ASK_WHY = 14,	/* proto/why.h */
	LOCAL_WHY = 15,
	LOCAL_MODULE_START = 16,	/* proto/module_ask.h */
	LOCAL_MODULE_STOP = 17,
	LOCAL_ASK_MODULE = 18,
	LOCAL_MODULE = 19,
	/* 20 to 23: free */
	LOCAL_JOB_BEGIN = 24,	/* proto/job.h */
	LOCAL_JOB_BEGUN = 25,	/* no payload */
	LOCAL_JOB_END = 26,	/* not answered */
	/* 27 to 31: free */
	LOCAL_CAST = 32,	/* proto/cast.h; with a UDP socket and a file */
	LOCAL_CAST_TOLD = 33,	/* its answers: the first at once, the last is its end */
};

/* A program numbers its moved connections itself, below HY_PAGE_SLOTS. */
struct local_slot {
	uint32_t slot;
};

/*
 * The TCP socket travels with SO_LINGER {1, 0}: should it die on its way, its client sees a reset,
 * never an end that looks like the end of a whole answer. So the program's own is told here.
 */
struct local_move {
	uint32_t slot;
	int32_t linger_s;	/* the program's SO_LINGER; LOCAL_LINGER_OFF: it has none */
	/* of its CPU time, since it last told, 0: nothing to tell */
	uint32_t spent_ns;	/* on moves and homes */
	uint32_t plain_ps;	/* per plain byte */
	uint64_t ino;		/* of the program's end of the pair: by it others may show it */
};

#define LOCAL_LINGER_OFF (-1)

/* An end of a connection as the program's own socket would tell it. */
struct local_end {
	uint8_t addr[16];	/* of IPv4 the first 4, then zeros */
	uint16_t port;
};

/* What a moved connection is, to whoever can show the program's end of its pair. */
struct local_who {
	uint32_t slot;
	uint8_t family;		/* of the TCP socket: 4 or 6 */
	uint64_t dev, ino;	/* of the TCP socket */
	struct local_end local, peer;
};

/* Which connection: by the slot the program gave it, or the one whose end it shows. */
#define LOCAL_SLOT_SHOWN UINT32_MAX

struct local_option {
	uint32_t slot;			/* or LOCAL_SLOT_SHOWN */
	struct option_value value;	/* LOCAL_OPTION_ASK: of its number alone */
};

struct local_told {
	uint16_t num;			/* 0, or a positive errno and no value */
	struct option_value value;
};

/*
 * What goes down the pair between plain bytes: "here belong so many bytes of this file". Travels
 * with the file's descriptor, and with an eventfd if LOCAL_MARK_TELL is set. One that grows has a
 * word that says how many bytes were added to @len since.
 */
struct local_marker {
	uint64_t offset, len;
	uint32_t flags;
	uint32_t grow;		/* LOCAL_MARK_GROWS: grow_name(), else 0 */
};

#define LOCAL_MARKER_LEN 32
#define LOCAL_MARKER_MAGIC "hy-slice"
#define LOCAL_MARKER_MAGIC_LEN 8
#define LOCAL_MARK_TELL 1u	/* write 1 to the eventfd when the bytes are in the host's socket */
#define LOCAL_MARK_GROWS 2u	/* it has a word */

struct local_header {
	uint16_t type;
	uint32_t id;
};

/* From how many bytes on a move pays, and what that was made of; 0: not known. */
struct local_costs {
	bool measured;		/* false: the threshold is fixed */
	uint64_t threshold;		/* of a program that has told nothing */
	uint64_t lowest, highest;	/* of those that run; 0: none does */
	uint64_t move_ns, slice_ns, plain_ps;	/* the agent's CPU time; plain: of one byte */
	uint64_t adopt_us;	/* from given away to adopted */
};

struct local_status {
	uint8_t channel_state;		/* enum chan_state */
	uint8_t transport;		/* enum chan_kind */
	uint8_t share_kind;		/* enum report_share */
	uint16_t offload;		/* enum move_reason; MOVE_DONE: connections are moved */
	uint32_t epoch, peer_epoch;
	uint64_t sessions, resyncs, faults, silences, uptime_ms;
	struct local_costs costs;
	char software[HY_VERSION_TEXT_MAX];		/* the agent's */
	char peer_software[HY_VERSION_TEXT_MAX];	/* the worker's; empty unless up */
	char share[HY_SHARE_PATH_MAX + 1];		/* its place, also if nothing is there */
};

struct local_error {
	uint16_t num;		/* positive errno */
	char words[128];
};

/**
 * local_encode_status() - Write a whole status packet
 * @id:		Of the request
 * @s:		Status
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t local_encode_status(uint32_t id, const struct local_status *s, uint8_t *out);
size_t local_encode_error(uint32_t id, const struct local_error *err, uint8_t *out);
size_t local_encode_ask_status(uint32_t id, uint8_t *out);

/**
 * local_begin() - Write a packet's header
 * @type:	Of the packet
 * @id:		Of the request
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: a cursor behind it; what it has left, from LOCAL_PACKET_MAX, is the packet's length
 */
struct hy_wr local_begin(enum local_type type, uint32_t id, uint8_t *out);

/**
 * local_decode_header() - Read a packet's header
 * @in:		Packet, a private copy
 * @len:	Its length
 * @h:		Set on success
 *
 * Return: 0, -EPROTO
 */
int local_decode_header(const uint8_t *in, size_t len, struct local_header *h);

/**
 * local_decode_status() - Read a status packet's payload
 * @in:		Whole packet, whose header said LOCAL_STATUS
 * @len:	Its length
 * @s:		Set on success
 *
 * Return: 0, -EPROTO
 */
int local_decode_status(const uint8_t *in, size_t len, struct local_status *s);
int local_decode_error(const uint8_t *in, size_t len, struct local_error *err);

/* Packets without a payload; that nothing follows the header is the reader's to check. */
size_t local_encode_join(uint32_t id, uint8_t *out);
size_t local_encode_joined(uint32_t id, uint8_t *out);

/**
 * local_encode_slot() - Write a LOCAL_TAKE_BACK or LOCAL_TAKEN packet
 * @type:	One of the two
 * @id:		Of the request
 * @s:		Slot
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t local_encode_slot(enum local_type type, uint32_t id, const struct local_slot *s,
			 uint8_t *out);

/* Likewise; the slot is below HY_PAGE_SLOTS on success. */
int local_decode_slot(const uint8_t *in, size_t len, struct local_slot *s);

/* Likewise for LOCAL_MOVE; on success its linger is not negative, or LOCAL_LINGER_OFF. */
size_t local_encode_move(uint32_t id, const struct local_move *m, uint8_t *out);
int local_decode_move(const uint8_t *in, size_t len, struct local_move *m);

/* That nothing follows LOCAL_WHO's header is the reader's to check. */
size_t local_encode_who(uint32_t id, uint8_t *out);

/* An end within a packet; read, the rest of an IPv4 address must be zeros. */
void local_wr_end(struct hy_wr *w, const struct local_end *e);
void local_rd_end(struct hy_rd *r, uint8_t family, struct local_end *e);

/* Likewise; on success the family is 4 or 6, and the rest of an IPv4 address is zeros. */
size_t local_encode_who_is(uint32_t id, const struct local_who *who, uint8_t *out);
int local_decode_who_is(const uint8_t *in, size_t len, struct local_who *who);

/*
 * Likewise for the three about options. On success the slot is below HY_PAGE_SLOTS or
 * LOCAL_SLOT_SHOWN, the option has a row; a value to be set fits it, and one that was told is not
 * longer than the row says.
 */
size_t local_encode_option(uint32_t id, const struct local_option *o, uint8_t *out);
int local_decode_option(const uint8_t *in, size_t len, struct local_option *o);
size_t local_encode_option_ask(uint32_t id, const struct local_option *o, uint8_t *out);
int local_decode_option_ask(const uint8_t *in, size_t len, struct local_option *o);
size_t local_encode_told(uint32_t id, const struct local_told *t, uint8_t *out);
int local_decode_told(const uint8_t *in, size_t len, struct local_told *t);

/*
 * A marker is LOCAL_MARKER_LEN bytes. On success its span is one a file can have, 1 to HY_SLICE_MAX
 * bytes long, its flags are known ones, and not both: who waits for the end of it adds nothing.
 */
void local_encode_marker(const struct local_marker *m, uint8_t *out);
int local_decode_marker(const uint8_t *in, size_t len, struct local_marker *m);

#endif
