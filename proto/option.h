/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * option.h - the socket options that a moved connection has: one table, and how a value travels
 *
 * Runs in: hylics-agent, hylics-worker, libhylics, preload
 * Reads from: the peer on the channel, and programs of the guest (both hostile)
 *
 * A program asks for an option of a descriptor that is one end of a pair. Who knows it, and who is
 * told when it is set, is the option's row. What has no row is an option no moved connection has.
 * An option travels as its number here, never as the kernel's: a number that has a row is all that
 * anybody can have set or asked on the other side.
 */
#ifndef HY_PROTO_OPTION_H
#define HY_PROTO_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_id {
	OPTION_SO_KEEPALIVE = 1,
	OPTION_SO_LINGER = 2,
	OPTION_SO_PRIORITY = 3,
	OPTION_SO_MAX_PACING_RATE = 4,
	OPTION_SO_REUSEADDR = 5,
	OPTION_SO_REUSEPORT = 6,
	OPTION_SO_SNDBUF = 7,
	OPTION_SO_RCVBUF = 8,
	OPTION_SO_RCVLOWAT = 9,
	OPTION_SO_OOBINLINE = 10,
	OPTION_SO_MARK = 11,
	OPTION_SO_INCOMING_CPU = 12,
	OPTION_SO_COOKIE = 13,
	OPTION_SO_ERROR = 14,
	OPTION_SO_DOMAIN = 15,
	OPTION_SO_PROTOCOL = 16,
	OPTION_TCP_NODELAY = 17,
	OPTION_TCP_CORK = 18,
	OPTION_TCP_KEEPIDLE = 19,
	OPTION_TCP_KEEPINTVL = 20,
	OPTION_TCP_KEEPCNT = 21,
	OPTION_TCP_USER_TIMEOUT = 22,
	OPTION_TCP_QUICKACK = 23,
	OPTION_TCP_CONGESTION = 24,
	OPTION_TCP_LINGER2 = 25,
	OPTION_TCP_WINDOW_CLAMP = 26,
	OPTION_TCP_NOTSENT_LOWAT = 27,
	OPTION_TCP_SYNCNT = 28,
	OPTION_TCP_DEFER_ACCEPT = 29,
	OPTION_TCP_THIN_LINEAR_TIMEOUTS = 30,
	OPTION_TCP_MAXSEG = 31,
	OPTION_TCP_INFO = 32,
	OPTION_TCP_CC_INFO = 33,
	OPTION_IP_TOS = 34,
	OPTION_IP_TTL = 35,
	OPTION_IP_MTU_DISCOVER = 36,
	OPTION_IP_MTU = 37,
	OPTION_IPV6_TCLASS = 38,
	OPTION_IPV6_UNICAST_HOPS = 39,
	OPTION_IPV6_MTU_DISCOVER = 40,
	OPTION_IPV6_MTU = 41,
	OPTION_IPV6_V6ONLY = 42,
	OPTIONS,			/* one more than the last; a set of them is 64 bits */
};

/* Who keeps what was set. */
enum option_keeper {
	OPTION_OF_PROGRAM,		/* nobody: the program's side knows it */
	OPTION_OF_AGENT,		/* the agent, in its own memory */
	OPTION_OF_KEPT,			/* the agent's kept socket: it is for the way back */
	OPTION_OF_COPY,			/* that, and the host's copy */
};

/* What a value is. */
enum option_form {
	OPTION_INT,			/* an int, 4 bytes */
	OPTION_LONG,			/* 8 bytes */
	OPTION_TEXT,			/* letters, digits, '_' and '-' */
	OPTION_TWO,			/* two ints */
	OPTION_RAW,			/* the kernel's own bytes: both are of one machine */
};

struct option_info {
	uint8_t id;			/* enum option_id */
	int level, name;		/* the kernel's */
	const char *word;		/* for documentation: "TCP_NODELAY" */
	enum option_form form;
	uint16_t longest;		/* bytes of the value */
	enum option_keeper keeper;
	bool may_set;
	bool asks;			/* what is told is the copy's, as long as there is one */
	int32_t least, most;		/* OPTION_INT: what may be set */
};

#define OPTION_VALUE_MAX 512		/* struct tcp_info has 280 bytes, and grows */
#define OPTION_TEXT_MAX 15

/* Of an option; numbers are little-endian. */
struct option_value {
	uint8_t id;			/* enum option_id: it has a row */
	uint16_t len;
	uint8_t bytes[OPTION_VALUE_MAX];
};

/* MSG_OPTION_ASK and MSG_OPTION_TOLD */
struct option_ask {
	uint32_t ask;			/* the agent's number of the question */
	uint8_t id;
};

struct option_told {
	uint32_t ask;
	uint16_t num;			/* 0, or a positive errno and no value */
	struct option_value value;
};

#define OPTION_SET_MIN 1
#define OPTION_SET_MAX (1 + OPTION_VALUE_MAX)
#define OPTION_ASK_LEN 5
#define OPTION_TOLD_MIN 7
#define OPTION_TOLD_MAX (OPTION_TOLD_MIN + OPTION_VALUE_MAX)

/**
 * option_info() - The table's row of an option
 * @id:	From anybody
 *
 * Return: NULL if there is none
 */
const struct option_info *option_info(unsigned int id);

/* The same by the kernel's numbers. */
const struct option_info *option_find(int level, int name);

/**
 * option_may_be_set() - Is this a value that may be set?
 * @v:	From anybody; its number has a row
 *
 * What the row says: the kernel may refuse more.
 *
 * Return: true if so
 */
bool option_may_be_set(const struct option_value *v);

/* Values of OPTION_INT; a get of a value that is shorter is 0. */
void option_put_int(struct option_value *v, int32_t value);
int32_t option_get_int(const struct option_value *v);

/*
 * Encoders: write into @room bytes at @out. Return the length, or -EMSGSIZE.
 * Decoders: read the whole of @len bytes, a private copy. Return 0, or -EPROTO with the result
 * untouched. Of what they let through the option has a row, a value to be set fits it, and one
 * that was told is not longer than the row says.
 */
int option_set_encode(const struct option_value *v, uint8_t *out, size_t room);
int option_set_decode(const uint8_t *in, size_t len, struct option_value *v);
int option_ask_encode(const struct option_ask *m, uint8_t *out, size_t room);
int option_ask_decode(const uint8_t *in, size_t len, struct option_ask *m);
int option_told_encode(const struct option_told *m, uint8_t *out, size_t room);
int option_told_decode(const uint8_t *in, size_t len, struct option_told *m);

#endif
