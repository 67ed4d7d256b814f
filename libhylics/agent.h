/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent.h - the library's side of agent.sock: join, hand a connection over, ask for it back
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 *
 * All functions want the area's lock held, and none waits longer than HY_LIB_ANSWER_MS. An agent
 * that does not answer in time is left: the connection to it is closed, so that an answer under
 * way reaches nobody, and the agent knows that it did not.
 */
#ifndef HY_LIB_AGENT_H
#define HY_LIB_AGENT_H

#include "libhylics/lib.h"
#include "proto/local.h"

/**
 * agent_join() - Have an agent and its page, if one is there
 * @a:	Area; after a failure none is looked for until HY_LIB_AGAIN_MS have gone
 *
 * Return: true if joined, perhaps since long
 */
bool agent_join(struct lib_area *a);

/**
 * agent_remember_place() - Let the environment of now say where the agent is
 *
 * For the start of a program under the preload: nginx, for one, empties its environment later.
 */
void agent_remember_place(void);
/* A connection to the agent, without waiting for it: a descriptor above 2, the caller's; -errno */
int agent_connect(void);

/* Is the number still that socket? The program may have closed it and opened something else. */
bool agent_is_socket(int fd, dev_t dev, ino_t ino);
bool agent_is_there(void);	/* Joined, and neither the agent nor the socket to it is gone */
void agent_leave(struct lib_area *a);	/* Close the connection to it; pairs go on */

/**
 * agent_move() - Hand a connection over
 * @a:		Area, joined
 * @m:		Its number, and the program's linger
 * @tcp:	TCP socket, with SO_LINGER {1, 0}
 * @pair:	The agent's end
 *
 * Return: 0 if the agent will see it, -errno if it never will
 */
int agent_move(struct lib_area *a, const struct local_move *m, int tcp, int pair);

/**
 * agent_take_back() - Ask for the TCP socket of a connection that the agent serves in the guest
 * @a:		Area, joined; the agent is there
 * @slot:	Its number
 *
 * Return: the socket, the caller's, or -errno: the agent goes on with it
 */
int agent_take_back(struct lib_area *a, uint32_t slot);

/**
 * agent_option() - Tell the agent that an option was set; no answer is waited for
 * @a:		Area, joined; the agent is there
 * @o:		Option, and the connection's slot or LOCAL_SLOT_SHOWN
 * @shown:	Then the pair's end, else -1
 *
 * Return: 0, -errno if the agent will not hear of it
 */
int agent_option(struct lib_area *a, const struct local_option *o, int shown);

/* Likewise ask for one, HY_LIB_OPTION_MS at most: -errno is also what a TCP socket would say. */
int agent_option_ask(struct lib_area *a, const struct local_option *o, int shown,
		     struct local_told *told);

/* Who a descriptor is: 0, -ENOENT if it is no connection of the agent's, -errno if nobody says. */
int agent_who(struct lib_area *a, int shown, struct local_who *who);

#endif
