/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.h - the messages about modules: what the guest wants to run, and what does
 *
 * Runs in: hylics-agent, hylics-guest, hylics-worker, hylics-keeper, tests
 * Reads from: the peer on the channel (hostile), either way
 *
 * A guest says all it wants, in one message, whenever that changes and at the beginning of each
 * session: there is no order to start or to stop that could be lost or come twice. The host answers
 * with the state of all modules this VM may use, one message each, and says one again whenever it
 * changes. Each state has the number of the list it is by, so that what was under way when a list
 * was said does not pass for its answer. docs/modules.md says what modules are.
 */
#ifndef HY_PROTO_MODULES_H
#define HY_PROTO_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

struct modules_port {			/* a port or a range */
	uint16_t first, last;
};

/* What a guest may ask for: the first of the first is the default. */
struct modules_ports {
	unsigned int n;
	struct modules_port at[HY_MODULE_PORTS_MAX];
};

/* MSG_MODULES_WANTED: all that is wanted, no name twice */
struct modules_wanted {
	uint64_t number;		/* grows from list to list; below 2^63 */
	unsigned int n;
	struct {
		char name[HY_NAME_MAX + 1];
		uint16_t port;		/* not 0 */
	} at[HY_MODULES_MAX];
};

#define MODULES_WANTED_MIN 9
#define MODULES_WANTED_MAX (9 + HY_MODULES_MAX * (4 + HY_NAME_MAX))

/* Number, name, what. The numbers travel; docs/modules.md has the states. */
#define MODULES_LIFE(X)                                                                            \
	X(stopped, "nothing runs, the port is the guest's")                                        \
	X(starting, "the program runs, nobody listens yet")                                        \
	X(running, "it listens")                                                                   \
	X(failing, "it has ended, and is started again after a pause")                             \
	X(stopping, "it was told to end")

enum modules_life {
#define X(name, what) MODULES_LIFE_##name,
	MODULES_LIFE(X)
#undef X
	MODULES_LIVES
};

const char *modules_life_name(unsigned int life);	/* below MODULES_LIVES */

#define MODULES_WHY_MAX 160

/* MSG_MODULE: one of them; @of 0: there are none, and nothing else is told but @list */
struct modules_state {
	uint64_t list;			/* number of what was wanted, as the host has heard it */
	uint8_t number, of;		/* below it; at most HY_MODULES_MAX */
	uint8_t life;			/* enum modules_life */
	uint16_t port;			/* that it has or is to have; 0 if stopped */
	uint32_t starts;		/* since it was wanted */
	uint64_t since_ms;		/* how long it has been in this state */
	uint32_t connections;		/* open at its port */
	uint64_t cpu_us, memory;	/* CPU time since it was wanted; bytes now */
	struct modules_ports ports;	/* allowed ones, at least one */
	char name[HY_NAME_MAX + 1];
	/* why it ended last, or is not started; empty: nothing to say; '?' for odd letters */
	char why[MODULES_WHY_MAX + 1];
};

#define MODULES_STATE_MIN 10
#define MODULES_STATE_MAX (46 + 4 * HY_MODULE_PORTS_MAX + 4 + HY_NAME_MAX + MODULES_WHY_MAX)

/**
 * modules_ports_have() - Whether a port is one of these
 * @p:		Ports
 * @port:	Any number
 */
bool modules_ports_have(const struct modules_ports *p, uint32_t port);

/* How two processes put them: "80 443 8000-8999". Return: as snprintf() */
int modules_ports_print(const struct modules_ports *ports, char *text, size_t room);

/**
 * modules_wanted_encode() - Write what is wanted
 * @m:		At most HY_MODULES_MAX
 * @out:	Room for the bytes
 * @room:	MODULES_WANTED_MAX is enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int modules_wanted_encode(const struct modules_wanted *m, uint8_t *out, size_t room);

/**
 * modules_wanted_decode() - Read what is wanted
 * @in:		Payload from the peer, a private copy
 * @len:	Its length
 * @m:		Filled on success: names are valid and different, no port is 0
 *
 * Return: 0, -EPROTO
 */
int modules_wanted_decode(const uint8_t *in, size_t len, struct modules_wanted *m);

/* The same for MSG_MODULE: of what is read, all is in its range, and texts are printable. */
int modules_state_encode(const struct modules_state *m, uint8_t *out, size_t room);
int modules_state_decode(const uint8_t *in, size_t len, struct modules_state *m);

#endif
