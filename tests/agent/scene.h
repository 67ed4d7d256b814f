/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scene.h - a client, a guest with the real agent, a program made of calls, a worker made of calls
 *
 * Runs in: the tests of the agent, in network namespaces of their own
 * Reads from: no untrusted input
 *
 *	client 10.9.0.1 --c0-- s-- guest 10.9.0.2
 *
 * This process is the client, the program (which has sockets in the guest) and the worker. The
 * worker has no copies: it notes what the agent says, and where a connection comes home it offers
 * what it was given, with all it heard as bytes that are not yet sent. So every byte that a client
 * reads was carried by the agent, and is judged.
 *
 * Every function ends the program when a step of its own fails.
 */
#ifndef HY_TESTS_AGENT_SCENE_H
#define HY_TESTS_AGENT_SCENE_H

#include "tests/probes/probe.h"

#include "channel/chan.h"
#include "proto/grow.h"
#include "proto/local.h"
#include "proto/move.h"
#include "proto/page.h"
#include "proto/report.h"
#include "tcpmove/image.h"

#define PLAYERS 24
#define SEGMENTS 256
#define HEARD_MAX (8u << 20)
#define FILE_BYTES (4u << 20)
#define FILE_STREAM 99u
#define PLAIN(k) (100u + (k))
#define UP(k) (200u + (k))

/* What the program said, in order: so many bytes of a stream, from there on. */
struct segment {
	unsigned int stream;
	uint64_t offset, len;
};

struct player {
	int client, server, pair;	/* -1: not there; server: the program's TCP socket */
	struct segment said[SEGMENTS];
	unsigned int n_said;
	uint64_t grown_to;		/* in the file: where its last growing marker ends */
	uint64_t plain_said;		/* bytes of PLAIN(k) */
	uint64_t before;		/* bytes said before the move */
	/* what the client has read */
	uint64_t read;
	bool read_wrong, eof;
	int error;
	/* what the program has read */
	uint64_t up_read;
	bool up_wrong, up_eof;
	bool stalls, reads_not;		/* the client, the program: reads nothing for now */
	int up_error;
};

/* What the worker knows of a connection. */
struct copy {
	uint32_t id;
	bool there, cancelled, resumed, home_asked, home_taken, shut, closed, reset;
	uint16_t home_answer;
	struct tcp_record rec;
	uint8_t queue[256 << 10];	/* of the record */
	uint32_t queue_got, queue_all;
	uint8_t *heard;			/* HEARD_MAX bytes, from position 0 on */
	uint64_t got;			/* so many of them */
	uint64_t unsent;		/* of these, at a resume and on the way home */
	uint64_t up, taken;		/* bytes sent up; said to be in the pair */
	bool again;
	unsigned int items, slices;
	struct move_resume resume;
	unsigned int options;		/* that were set */
	struct option_value option;	/* the last one */
	struct option_value set[OPTIONS];	/* the last of each */
};

enum answer { ADOPT, REFUSE, SILENT };

struct scene {
	struct ev_loop loop;
	struct chan chan;
	bool up;
	unsigned int ups, downs;
	int client_ns, guest_ns, listener;
	char dir[64], path[128];
	const char *dead;		/* the agent's --dead, with another option; or NULL */
	pid_t agent;
	/* the worker's ways */
	enum answer answer;
	bool hold_sent;			/* says of nothing that it was sent */
	uint16_t file_num;		/* what every MSG_FILE_OPEN is answered with */
	bool unknown;			/* every resume is answered so */
	bool mute;			/* no resume is answered */
	uint32_t short_queue;		/* bytes that a queue on its way home has too few */
	bool tells_not;			/* no option that is asked for is told */
	bool closes;			/* a copy that went home is gone, and the agent told so */
	unsigned int files_opened, files_closed, addresses, reports;
	struct report report;		/* the last one */
	uint32_t file_number;
	char file_path[HY_PATH_MAX + 1];
	struct copy copy[PLAYERS];
	unsigned int n_copies;
	struct player player[PLAYERS];
	/* the program */
	int sock;			/* to agent.sock */
	const struct hy_page *page;
	struct hy_grow *words;
	uint64_t markers;		/* numbers of words given out */
};

extern struct scene scene;

/* Make the places, the share, the channel; @agent: path of the program. */
void scene_open(unsigned int limit_s, const char *agent);
void scene_close(void);

/* Start the agent, and be its worker; @fault: HYLICS_FAULT, or NULL; @option: one more, or NULL */
void scene_start(const char *fault, const char *option);
void scene_stop(void);			/* SIGTERM, waits for its end: exit code 0 */
void scene_kill_agent(void);		/* -9 to the agent, not to its holder */
pid_t scene_agent_pid(void);		/* the agent's, not its holder's; 0: there is none */
void scene_hang_up(void);		/* ends the session; the agent comes again */
void scene_join(void);			/* the program joins */

/* One round of the loop; false: the patience, which begins with the other, is over. */
bool scene_round(void);
void scene_patience(void);
void scene_idle(unsigned int rounds);	/* so many, whatever happens */

/* Runs the loop until a condition holds; false if it does not within 20 s. */
#define UNTIL(condition)                                                                           \
	({                                                                                         \
		bool holds_;                                                                       \
		scene_patience();                                                                  \
		while (!(holds_ = (condition)) && scene_round())                                   \
			;                                                                          \
		holds_;                                                                            \
	})

int scene_file(const char *name, int flags);	/* of the share */

void player_open(unsigned int k);		/* an established connection */
void player_plain(unsigned int k, size_t len);	/* the program writes: to the socket, or the pair */
void player_give(unsigned int k);		/* to the agent, under slot k */

/* The program says so many bytes of a file; @tell: an eventfd or -1. False: the pair is full. */
bool player_slice(unsigned int k, int file, uint64_t offset, uint64_t len, int tell);

/* The same, with a word: place @k of the words. More is added while the agent lets us. */
bool player_grows(unsigned int k, int file, uint64_t offset, uint64_t len);
bool player_adds(unsigned int k, uint64_t n);
uint64_t player_word(unsigned int k);		/* as it is */

/* Bytes that should not be there, with descriptors: what a hostile program may do. */
void player_raw(unsigned int k, const void *bytes, size_t len, const int *fds, unsigned int n);
void player_close(unsigned int k);		/* both ends of it that are there */

/* The client has read everything the program said, and it was right. */
bool player_all_read(unsigned int k);
void player_client_sends(unsigned int k, size_t len, uint64_t offset);	/* of UP(k) */
uint64_t player_said(const struct player *p);
bool player_ended(const struct player *p);	/* the program has read an end, or an error */

/* Asks for the socket back: 1 if it is here again, in player.server; 0 if refused, -1: no agent */
int player_take_back(unsigned int k);

/* The @k-th connection that was offered; the worker's side of it. */
struct copy *copy_of(unsigned int k);
bool copy_heard_right(unsigned int k);		/* all it has got is what the program said */
bool copy_heard_all(unsigned int k);		/* and nothing is missing */
void copy_sent(struct copy *c, uint64_t pos);
void copy_resumed(struct copy *c);		/* answers what it asked when the scene was mute */
void copy_says_up(unsigned int k, uint64_t offset, size_t len, uint64_t pos);
void copy_home(unsigned int k);			/* offers it home */
void say(enum msg_type type, uint32_t id, const void *payload, int len);

/* A packet to agent.sock, with descriptors. */
void tell_agent(int sock, const uint8_t *packet, size_t len, const int *fds, unsigned int n);

#endif
