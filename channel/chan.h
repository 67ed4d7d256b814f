/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chan.h - the channel between host and guest: one interface over serial, unix and vsock
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: the peer on the channel (hostile; in the guest the host's words are checked too)
 *
 * DOC: Life of a channel
 *
 *	              open or accept                  hello that has seen ours
 *	CLOSED ----------------------> GREETING ---------------------------------> UP
 *	  ^  \__ listens: LISTENING __^   |   ^                                    |
 *	  |      (no timer)               |   |  hello of a new session            |
 *	  |                               |   +------------------------------------+
 *	  +------ end, fault, silence ----+----------------------------------------+
 *	          (opened again after a pause that doubles from 20 ms to 1 s, or to a minute
 *	          where door.h calls: then also at once when it does)
 *
 * CLOSED	Nothing open, the pause runs. chan_send() gives -ENOTCONN.
 * LISTENING	Waits for a peer. chan_send() gives -ENOTCONN.
 * GREETING	Stream open; mark and hello are said, and said again should nothing come back.
 *		Only a hello counts; other messages were meant for a predecessor and are dropped.
 * UP		Both have seen each other's session. Messages flow.
 *
 * Each opening of a stream is a session with an epoch of its own, a random number. A hello says
 * its sender's epoch and the one it has seen from the peer. A side that hears a new epoch answers
 * with a hello; a side that hears its own epoch back is UP. So a peer that died and came back on a
 * port that never closed is noticed by its hello, and what its predecessor left in the port, also
 * half a frame, is thrown away up to the mark (proto/frame.h).
 *
 * A new connection to a listening side takes the old one's place: the old peer is most likely dead.
 *
 * DOC: What can fail, and what then
 *
 * - the stream ends, or read or write fail: down(), CLOSED.
 * - a frame that cannot be understood, a message out of place, a handler that refuses one:
 *   counted by reason, logged within the rate limit, bye said if it can be, then as above.
 * - silence: after HY_CHAN_KEEPALIVE_MS the peer is pinged, after HY_CHAN_DEAD_MS it is dead.
 * - the peer asks but does not read the answers: it is not read from until it does (below).
 * - the transport cannot be opened: logged once per reason, tried again after the pause.
 *
 * DOC: Who waits for whom
 *
 * A side that does not read because it cannot send, and a peer that does the same, would stop each
 * other for ever. So what stops a side from reading are answers alone: those the channel gives
 * itself (LANE_CONTROL), and in the host also LANE_URGENT, where all the host says answers the
 * guest. Questions, and everything in LANE_STREAM, never do: whoever has more to say than a lane
 * takes keeps it himself, gets -EAGAIN, and is told by room() when it is worth trying again. For
 * the host this means that in message() one message of LANE_URGENT is always taken.
 *
 * chan_send() and chan_send_stream() may be called from up(), message(), room() and done().
 *
 * DOC: The last words
 *
 * What stands in a port is not yet heard: QEMU throws away what its guest has not read when the
 * host's side of a port closes, and what waits in the lanes is lost with its process. Whoever has
 * said something that nobody can find out otherwise asks with chan_finish() before it closes: when
 * all is written, a ping; what was said before its pong was taken.
 */
#ifndef CHANNEL_CHAN_H
#define CHANNEL_CHAN_H

#include "channel/addr.h"
#include "channel/tx.h"
#include "common/ev.h"
#include "common/log.h"
#include "proto/assemble.h"
#include "proto/frame_rx.h"
#include "proto/msg.h"

enum chan_state { CHAN_CLOSED, CHAN_LISTENING, CHAN_GREETING, CHAN_UP };

struct chan_ops {
	void (*up)(void *object, const struct msg_hello *peer);
	void (*down)(void *object, const char *why);
	/* every message the channel does not answer itself; < 0 ends the session as a fault */
	int (*message)(void *object, const struct message *m);
	/*
	 * A lane that chan_send() had found full takes a message of any length again; which
	 * one, the owner finds out by trying. Called from the loop, never from within
	 * chan_send(). May be NULL.
	 */
	void (*room)(void *object);
};

struct chan_counters {
	uint64_t sessions;	/* times it came UP */
	uint64_t resyncs;	/* sessions begun by a peer while the stream stayed open */
	uint64_t faults;	/* sessions ended because of what the peer sent */
	uint64_t silences;	/* sessions ended because it sent nothing */
	uint64_t frames_in, bytes_in, bytes_out;
};

struct chan_config {
	enum msg_role role;		/* ours */
	struct chan_addr addr;
	const char *software;		/* "hylics-agent 0.1.0" */
	uint64_t keepalive_ms, dead_ms;	/* 0: the defaults of limits.h */
};

struct chan {
	struct chan_config cfg;
	const struct chan_ops *ops;
	void *object;
	const struct hy_log *log;
	struct ev_loop *loop;

	enum chan_state state;
	int listener, fd;
	struct ev_rest rest;		/* the listener's */
	uint32_t events;		/* what epoll watches for on fd */
	uint32_t epoch, peer_epoch;	/* 0: no session */
	bool over;			/* chan_close() was called */
	bool heard_mark;		/* the next frame must be a hello */
	bool paused;			/* not reading: answers wait for the peer to read */
	bool writing;			/* within try_write(), perhaps in a done() */
	bool corked;			/* chan_uncork() will come, and write */
	void (*finished)(void *object);	/* waits for the pong to the last ping; NULL: nobody */
	bool last_asked;
	uint32_t soak_got;
	uint64_t heard_ms;		/* when the peer last sent anything */
	uint64_t open_pause_ms;		/* before the next opening */
	uint64_t hello_pause_ms;	/* before the next hello */
	struct ev_timer timer;		/* CLOSED: open, GREETING: hello again, UP: keepalive */
	int last_open_error;
	bool called;			/* the keeper calls when it is worth opening again */
	struct hy_log_rate fault_rate, life_rate;

	struct chan_counters count;
	struct frame_rx rx;
	struct assemble in;
	struct chan_tx tx;
};

/**
 * chan_open() - Start a channel; it opens, greets and reopens by itself from here on
 * @c:		Filled; large, belongs in static or heap memory
 * @cfg:	Copied
 * @ops:	Called from the loop
 * @object:	Passed to @ops
 * @loop:	Loop
 * @log:	Log; must outlive the channel
 * @e:		Error
 *
 * A side that goes to its peer may find nobody there yet, which is no error. A side that listens
 * fails if it cannot.
 *
 * Return: 0, -errno
 */
int chan_open(struct chan *c, const struct chan_config *cfg, const struct chan_ops *ops,
	      void *object, struct ev_loop *loop, const struct hy_log *log, struct hy_err *e);

/* A pause before the next opening is over: there is news of the transport. */
void chan_open_now(struct chan *c);

/**
 * chan_finish() - Be told when the peer has taken all that was said
 * @c:		Channel; nothing more is to be sent
 * @finished:	Called once from the loop, with the owner's object: then, or behind down()
 *
 * Return: 0, -ENOTCONN if nobody is there
 */
int chan_finish(struct chan *c, void (*finished)(void *object));

/**
 * chan_close() - Say goodbye as far as the transport takes it at once, and give everything back
 * @c:	Channel; may be called from up(), down(), message(), room() and done(), but then the
 *	memory must stay until the loop's round is over
 */
void chan_close(struct chan *c);

/**
 * chan_send() - Queue a message of any lane but the bulk lane, and write what can be written
 * @c:		Channel
 * @type:	Its type
 * @id:		Its id; 0 is the channel's own
 * @payload:	Copied
 * @len:	Length of @payload
 *
 * Whoever asks (pings) keeps few questions open: two sides that both ask until -EAGAIN, before
 * they read an answer, stop each other.
 *
 * Return: 0, -ENOTCONN, -EINVAL, -EAGAIN if too much is waiting already: room() will be called
 */
int chan_send(struct chan *c, enum msg_type type, uint32_t id, const void *payload, size_t len);

/**
 * chan_cork() - Write nothing until chan_uncork()
 * @c:	Channel
 *
 * What is sent in between leaves together, so that the peer wakes up once. Both may be called at
 * any time, in the same round of the loop.
 *
 * Return: false: it was corked by somebody else, who will uncork it
 */
bool chan_cork(struct chan *c);
void chan_uncork(struct chan *c);

/**
 * chan_send_stream() - Queue a message of the bulk lane
 * @c:	Channel
 * @s:	The caller's until its done() is called, which happens exactly once
 *
 * Return: 0, -ENOTCONN, -EINVAL if it is no message of that lane (then done() is not called)
 */
int chan_send_stream(struct chan *c, struct chan_stream *s);

/**
 * chan_state_name() - A state's name, for people
 * @state:	One of the enum
 *
 * Return: a constant, "closed", "listening", "greeting" or "up"
 */
const char *chan_state_name(enum chan_state state);

#endif
