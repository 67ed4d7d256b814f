/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chan_world.h - a loop, a folder, and the two kinds of sides a channel test needs
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * A side is a real channel that records what its owner is told. A raw peer is the other end of
 * such a channel, driven byte by byte by the test. All live in one loop and one thread, so that
 * nothing happens between two lines of a test unless the test runs the loop.
 */
#ifndef TESTS_CHAN_WORLD_H
#define TESTS_CHAN_WORLD_H

#include <stdbool.h>

#include "channel/chan.h"

struct side {
	struct chan chan;
	int ups, downs, messages, rooms;
	char why[64];			/* of the last down() */
	int refuse;			/* what message() returns */
	uint16_t last_type;
	uint32_t last_id, last_len;
	uint8_t last_payload[MSG_PING_MAX];
	char peer_software[HY_VERSION_TEXT_MAX];
	/* called from up(), down(), message(), room() if set */
	void (*on_up)(struct side *s), (*on_down)(struct side *s), (*on_message)(struct side *s);
	void (*on_room)(struct side *s);
};

struct raw_peer {
	int fd;
	enum msg_role role;
	uint32_t epoch;			/* what it says in headers and hellos */
	bool ended;			/* the other side closed */
	struct frame_rx rx;
};

extern struct ev_loop world_loop;
extern struct side host, guest;
extern struct raw_peer raw;

/* Setup and teardown of every test: an empty folder and loop; all sides shut and checked. */
int world_open(void **state);
int world_close(void **state);

/* The socket all channels of a test use. */
const char *world_path(void);

/* Opens a side on that path; the recording of an earlier life is forgotten. */
void side_open(struct side *s, enum msg_role role, enum chan_kind kind);

/* The same with a configuration of the test's own. */
void side_open_with(struct side *s, const struct chan_config *cfg);

/* Serves events until nothing is ready; fails the test if that never happens: a busy loop. */
void world_settle(void);

/* One round that waits a little for events; fails the test when its patience is over. */
void world_patience(void);
void world_round(void);

#define RUN_UNTIL(condition)				\
	do {						\
		world_patience();			\
		while (!(condition))			\
			world_round();			\
	} while (0)

/* Calls what the channel's timer would call, now. */
void side_timer(struct side *s);

/* -- raw peers -- */

int raw_listen(void);				/* a listening socket on the path, the caller's */
void raw_accept(struct raw_peer *p, int listener, enum msg_role role);	/* waits for a side */
void raw_connect(struct raw_peer *p, enum msg_role role);	/* to a listening side */
void raw_attach(struct raw_peer *p, int fd, enum msg_role role);	/* takes over @fd */
void raw_close(struct raw_peer *p);

/* Writes all of it; the socket must have room. */
void raw_bytes(struct raw_peer *p, const void *bytes, size_t n);

/* Returns the length of a frame built in @out, which has room for it. */
size_t raw_build(const struct raw_peer *p, uint8_t *out, enum msg_type type, uint32_t id,
		 const void *payload, uint16_t len);
void raw_send(struct raw_peer *p, enum msg_type type, uint32_t id, const void *payload,
	      uint16_t len);

/* Mark and hello that says to have seen @seen. */
void raw_hello(struct raw_peer *p, uint32_t seen);

/* A hello's payload as an honest peer would send it; returns its length. */
uint16_t raw_hello_payload(const struct raw_peer *p, uint32_t seen, struct msg_hello *m,
			   uint8_t *out);

/* Takes a frame if one is there; @f is valid until the next call. */
bool raw_take(struct raw_peer *p, struct frame *f);

/* Runs the loop until a frame of @type comes, and takes it; others before it are dropped. */
void raw_expect(struct raw_peer *p, enum msg_type type, struct frame *f);
void raw_expect_end(struct raw_peer *p);	/* runs the loop until the side closes */

/* Greets until @s is up. */
void raw_greet(struct raw_peer *p, struct side *s);

#endif
