/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stage.h - a client, a guest, a twin with a real worker and keeper, and an agent made of calls
 *
 * Runs in: the tests of the worker, in network namespaces of their own
 * Reads from: no untrusted input
 *
 *	client --c0-- guest	10.1.0.1, 10.1.0.2, ...: an address for each connection
 *	      \--c1-- twin	the same; hylics-worker runs there, kept by common/keep.c
 *
 * The agent is this process: it does nothing by itself but take bytes that come up (unless told
 * otherwise), and note what it hears. One loop and one thread drive everything but the worker.
 * Every function ends the program when a step of its own fails.
 */
#ifndef HY_TESTS_WORKER_STAGE_H
#define HY_TESTS_WORKER_STAGE_H

#include "tests/probes/probe.h"

#include "channel/chan.h"
#include "common/keep.h"
#include "proto/cast.h"
#include "proto/move.h"
#include "tcpmove/image.h"

#define PLAYERS 48			/* connections; player k has id k, address 10.1.0.k */
#define UP(k) (2000u + (k))		/* numbers of streams, for probe_fill() */
/* Two kinds of connections, and a file for each whose bytes are those of the stream. */
#define DOWN(k) (1000u + (k) % 2)
#define BODY(k) ((k) % 2 ? "body1" : "body0")
#define BODY_BYTES (4u << 20)
#define ROOM_BYTES (8u << 20)

/* A connection, from its client to what the guest holds of it. */
struct player {
	int client, kept;		/* -1: not there */
	/* what the agent has heard about it */
	bool adopted, refused, ended, fin, home_done, home_offered, resumed, unknown;
	uint16_t reason, end;
	unsigned int stuck, words;	/* words: how often it was told what was sent */
	uint64_t sent, stuck_at, resumed_down, resumed_up;
	uint64_t up;			/* position up to which bytes came */
	bool up_wrong;
	uint64_t home_down, home_up;
	struct tcp_image home;
	uint32_t home_got, home_all, home_first;
	bool home_void;			/* it was refused */
	bool home_wrong;		/* a piece of its queue that was out of place */
	/* what its client has read */
	uint64_t read;
	bool read_wrong, eof;
	int error;
};

enum up_policy { UP_TAKE, UP_HOLD, UP_FULL };	/* UP_FULL: taken half, no room for more */

struct stage {
	struct ev_loop loop;
	struct chan chan;
	struct keep keep;
	bool up, keeper_done;
	unsigned int ups, downs;
	int client_ns, guest_ns, twin_ns;
	int deaf;			/* a listener in the twin: see stage.c */
	int tun;			/* in the twin, for segments that come late; -1: none */
	bool devices;			/* the share has one, "zero": not everybody may make it */
	char dir[32], channel[64], share[64], stats[64];
	enum up_policy policy;
	unsigned int no_room;		/* so many offers home are refused at once: no room */
	void (*before_rest)(void);	/* called when an offer was said whose rest was not */
	uint16_t opened;		/* the last MSG_FILE_OPENED */
	uint32_t opened_id;
	bool has_opened;
	struct cast_told cast;		/* the last MSG_CAST_TOLD */
	uint32_t cast_id;
	unsigned int cast_words;	/* how many there were */
	unsigned int addresses;		/* the keeper was told */
	struct player player[PLAYERS];
	uint8_t *bytes;			/* ROOM_BYTES, for dumps */
};

extern struct stage stage;

/**
 * stage_open() - Make the namespaces, the share, start keeper and worker, open the channel
 * @limit_s:	Of the whole program
 * @worker:	Path of the program
 */
void stage_open(unsigned int limit_s, const char *worker);
void stage_close(void);

/* Start keeper and worker; @fault: HYLICS_FAULT for the first worker, or NULL */
void stage_start(const char *fault);
void stage_stop(void);			/* kills the worker; the keeper lets everything go */
void stage_kill_worker(void);		/* -9; the keeper starts the next */

/* As if the keeper had been killed: its end of the link is closed, with all it kept. */
void stage_lose_keeper(void);

void stage_connect(void);		/* the agent opens the channel, and waits for it to be up */
void stage_hang_up(void);		/* and closes it */

/* done() of a stream: nothing. */
void stage_sent(struct chan_stream *s, int rc);

bool stage_round(void);			/* false: the patience is over */
void stage_patience(void);

/* Runs the loop until a condition holds; false if it does not within 20 s. */
#define UNTIL(condition)                                                                           \
	({                                                                                         \
		stage_patience();                                                                  \
		while (!(condition) && stage_round())                                              \
			;                                                                          \
		(condition);                                                                       \
	})

/* As many round trips over the channel: what was under way before them has been heard. */
void stage_settle(unsigned int round_trips);

/*
 * One of the worker's counters, as the file says it: written now and then, so it may be that of a
 * moment ago. It is good for waiting. stage_counted() first lets the worker write what it has
 * counted until it hears so; the channel must be up.
 */
uint64_t stage_count(const char *name);
uint64_t stage_counted(const char *name);

/* -- players -- */

void player_open(unsigned int k);	/* connects to the guest */
void player_freeze(unsigned int k);	/* freezes and dumps: stage.bytes, the record below */
extern struct tcp_record player_rec;

/* Offers what player_freeze() dumped under a number. */
void player_offer(unsigned int k, uint32_t id);

/* Both, waits, sends the client's frames to the twin; false if it was refused. */
bool player_move(unsigned int k);
void player_close(unsigned int k);

/* The guest's side: frames of this player's client go to the guest from now on. */
void player_route_home(unsigned int k);

/* Carries a home offer out: rebuild, taken, done, live; what it is then, the kept socket is. */
bool player_home(unsigned int k);

bool player_client_has(unsigned int k, uint64_t bytes);	/* right ones, of stream DOWN(k) */
bool player_client_ended(unsigned int k);		/* EOF or error was read */
void player_client_sends(unsigned int k, uint64_t offset, size_t len);	/* of stream UP(k) */

/* -- what the agent says -- */

void say(enum msg_type type, uint32_t id, const void *payload, int len);
void say_data(unsigned int k, uint64_t pos, uint32_t len);	/* bytes of DOWN(k) at @pos */
void say_slice(unsigned int k, uint64_t pos, uint32_t file, uint64_t len);	/* from @pos on */
void say_end(unsigned int k, uint64_t pos, enum move_item_kind kind);
void say_taken(unsigned int k, uint64_t pos, bool again);
void say_resume(unsigned int k, enum move_held held, uint64_t down, uint64_t up);
void say_home_taken(unsigned int k, enum move_reason reason);

/* Opens a file of the share; @id is then good for slices. Returns the errno the worker said. */
int say_file(uint32_t id, const char *path);
int say_file_as(uint32_t id, const struct move_file *f);

#endif
