/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * late.h - what a client sent while its connection was on the way to the host, or home
 *
 * Runs in: hylics-agent
 * Reads from: segments of clients (hostile); the host over the channel (checked)
 *
 * DOC: When it is looked at
 *
 * From its freezing to the host's "adopted" nobody hears what comes for a connection, and what was
 * in tap and virtio by then is still under way to the frozen socket. The program that freezes keeps
 * it (tcpmove/catch.h). It is looked at when the host has adopted the connection, and once more
 * when the kept socket is silenced; what is there goes to the host (MSG_LATE), which has it arrive
 * at the copy. A look is reading memory: where nothing came, which is nearly always, it costs
 * neither a system call nor a wake-up.
 *
 * A segment that the copy has from the client as well, or that comes behind later ones, is what a
 * network may do to TCP at any time. One that gets lost in here, for want of room, by the death of
 * an agent or because the move is taken back, is sent again by the client.
 *
 * What is before the places of all connections in OFFERED, and of all that are not yet silent, is
 * of no use to anybody. Both kinds wait in queues in the order in which they got their places, so
 * that the first of each tells the oldest.
 */
#ifndef AGENT_LATE_H
#define AGENT_LATE_H

struct agent;
struct conn;
struct message;

/**
 * late_sockets() - Raw sockets, by which a segment arrives at a socket of this machine
 * @raw:	Set: for IPv4 and IPv6, the caller's; -1 without CAP_NET_RAW, or without that family
 */
void late_sockets(int raw[2]);

/* Right before it is frozen, or rebuilt, which makes it frozen. */
void late_begin(struct agent *a, struct conn *c);

/* It is MOVED: send what came since it was frozen, or since the last time. */
void late_send(struct agent *a, struct conn *c);

/* The kept socket speaks again: it is given what it did not hear. */
void late_heard(struct agent *a, struct conn *c);

/* MSG_LATE: what the copy did not hear before it came home. */
int late_take(struct agent *a, const struct message *msg);

#endif
