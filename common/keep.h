/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keep.h - a parent that keeps its child's descriptors and table, and starts the next child
 *
 * Runs in: hylics-agent (holder and agent), hylics-keeper and hylics-worker
 * Reads from: the child on the link (may have been taken over by its peers)
 *
 * DOC: What outlives a child
 *
 * A child that serves hostile peers may die at any moment. Its parent does nothing but keep: a
 * memfd, the child's table of connections, which both map or only the child does, and descriptors
 * by slot number. The link is a SOCK_SEQPACKET pair; each packet is 8 bytes, type and slot.
 *
 *	parent to child, once, at its start	TABLE + memfd (+ what hold() gave), TOOLs +
 *						descriptor as far as there are, KEPT slot +
 *						descriptors ..., END
 *	parent to child, any time later		HOLD + what hold() gives now, TOLD + a word
 *	child to parent, any time		PUT slot + descriptors, DROP slot
 *	either way, as the owner wants		OTHER + what, payload: handed to on_other()
 *
 * Handing over does not keep the parent from reading: it goes on whenever the child has made room,
 * and a child that makes none for 5 s is killed.
 *
 * What the child has written to the link before it dies counts: the parent reads the link to its
 * end before it starts the next child. The child may use only slots below the agreed number, and
 * the parent closes what it drops or replaces; more harm a child cannot do here.
 *
 * A child that ended with exit code 0 has finished. Otherwise the next one is started after a
 * pause that doubles from 10 ms to 1 s while children live less than 10 s.
 */
#ifndef HY_KEEP_H
#define HY_KEEP_H

#include "common/ev.h"
#include "common/fdpass.h"
#include "common/log.h"

#define KEEP_FDS_MAX 3			/* descriptors of one slot */
#define KEEP_OTHER_MAX 1024		/* payload of an OTHER packet */

struct keep_slot {
	int fd[KEEP_FDS_MAX];
	uint8_t n;			/* 0: nothing kept */
};

struct keep_ops {
	/*
	 * In the new process, with the link: becomes the child (exec, or a main function) and
	 * returns its exit code.
	 */
	int (*child)(void *object, int link);
	/*
	 * A descriptor that the child is to hold as long as it lives, whatever becomes of the
	 * parent, or until it gets another; closed here when it was sent. -1: none. May be NULL.
	 */
	int (*hold)(void *object);
	/* A descriptor that the child is to use; stays the owner's. -1: none. May be NULL. */
	int (*tool)(void *object, unsigned int number);
	/* may be NULL */
	void (*on_other)(void *object, uint32_t what, const uint8_t *payload, size_t len);
	void (*on_start)(void *object, pid_t pid);				/* may be NULL */
	void (*on_finished)(void *object);	/* the child ended with 0, or was told to stop */
};

struct keep {
	const struct keep_ops *ops;
	void *object;
	struct ev_loop *loop;
	const struct hy_log *log;
	struct keep_slot *slots;
	unsigned int n_slots;
	unsigned long spaces;
	int table;
	int link;			/* -1: no child */
	struct ev_child child;
	struct ev_timer again, patience;
	unsigned int next;		/* to hand over: 0: the table, then the slots, the end */
	bool hold_again;		/* and behind that, what is to be held now */
	bool tell_again;		/* and the last word of keep_tell() */
	uint32_t word;			/* 0: what a child begins with */
	uint64_t pause_ms, started_ms;
	bool stopping;
	unsigned int restarts;
	struct hy_log_rate rate;
};

struct keep_config {
	unsigned int n_slots;		/* that the child may use */
	size_t table_bytes;		/* of the memfd, which begins as zeros */
	unsigned long spaces;		/* namespaces that each child is born into: CLONE_NEW... */
	const struct keep_ops *ops;
	void *object;			/* passed to them */
	struct ev_loop *loop;		/* the parent's */
	const struct hy_log *log;	/* must outlive the keep */
};

/**
 * keep_open() - Make the table and start the first child
 * @k:		Filled; must stay where it is
 * @cfg:	Copied as far as it is needed
 * @e:		Error
 */
int keep_open(struct keep *k, const struct keep_config *cfg, struct hy_err *e);

/* What hold() gives is another now: the child gets it. Nothing happens before keep_open(). */
void keep_hold_again(struct keep *k);

/* Tell the child a word of the owner's, and each later child too; the last one counts. */
void keep_tell(struct keep *k, uint32_t word);

/**
 * keep_say() - Send the child what only owner and child understand
 * @k:		Keep
 * @what:	Of it
 * @payload:	At most KEEP_OTHER_MAX bytes
 * @len:	How many
 *
 * Return: 0; -EAGAIN: not now (no child, one that is still handed over to or does not read), and
 * nobody remembers it
 */
int keep_say(struct keep *k, uint32_t what, const void *payload, size_t len);

/* Ask the child to end (SIGTERM); on_finished() follows when it has. No other is started. */
void keep_stop(struct keep *k);

/* Give everything back; a child that still runs is killed and reaped. */
void keep_close(struct keep *k);

/**
 * keep_take() - In the child, first of all: what the parent kept
 * @link:	From the parent, blocking here
 * @slot:	Set
 * @fds:	Its descriptors, the caller's from here on
 * @e:		Error
 *
 * The first call gives the table, as slot KEEP_TABLE, and behind it what is only to be held. What
 * the child is to use comes as slots from KEEP_TOOL on.
 *
 * Return: 1, 0 at the end, -errno
 */
int keep_take(int link, uint32_t *slot, struct hy_fds *fds, struct hy_err *e);
#define KEEP_TABLE UINT32_MAX
#define KEEP_TOOLS 5
#define KEEP_TOOL (UINT32_MAX - KEEP_TOOLS)

enum keep_later_kind { KEEP_LATER_HOLD, KEEP_LATER_WORD, KEEP_LATER_OTHER };

/* What a parent says to a child that serves. */
struct keep_later {
	enum keep_later_kind kind;
	int fd;				/* HOLD: to be held instead of what was; the child's */
	uint32_t word;			/* WORD: the word; OTHER: what it is */
	uint8_t payload[KEEP_OTHER_MAX];	/* OTHER */
	size_t len;
};

/**
 * keep_take_later() - In the child, once it serves and the link is readable
 * @link:	From the parent
 * @l:		Filled on success
 *
 * Return: 0; -EAGAIN: nothing now, else -errno: the parent is gone
 */
int keep_take_later(int link, struct keep_later *l);

/**
 * keep_put() - In the child: keep duplicates of these; what was in the slot is closed
 * @link:	From the parent
 * @slot:	Which
 * @fds:	One or two; stay the caller's
 *
 * Return: 0, -errno: the parent is gone
 */
int keep_put(int link, uint32_t slot, const struct hy_fds *fds);
int keep_drop(int link, uint32_t slot);
int keep_other(int link, uint32_t what, const void *payload, size_t len);

#endif
