/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_ask.h - what a guest's user says to the agent of modules: start, stop, and how they are
 *
 * Runs in: hylics-agent, hylics-guest
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 *
 * Who wants to know of all modules asks for one number after the other, from 0 on: each answer
 * tells how many there are. docs/modules.md says what modules are.
 */
#ifndef HY_PROTO_MODULE_ASK_H
#define HY_PROTO_MODULE_ASK_H

#include "proto/local.h"
#include "proto/modules.h"

/* LOCAL_MODULE_START */
struct local_module_start {
	uint16_t port;			/* 0: the module's default */
	char name[HY_NAME_MAX + 1];
};

/* LOCAL_MODULE_STOP */
struct local_module_stop {
	char name[HY_NAME_MAX + 1];
};

/* LOCAL_ASK_MODULE */
struct local_ask_module {
	uint8_t number;			/* below HY_MODULES_MAX */
};

#define MODULE_WANTED 1u		/* it was started, and not stopped since */
#define MODULE_UNHEARD 2u		/* the host has said nothing of it since that changed */

/* LOCAL_MODULE */
struct local_module {
	uint8_t wanted;			/* MODULE_WANTED, MODULE_UNHEARD */
	struct modules_state state;	/* as the host has told it */
};

/**
 * module_ask_encode_start() - Write a LOCAL_MODULE_START packet
 * @id:		Of the request
 * @m:		Request
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t module_ask_encode_start(uint32_t id, const struct local_module_start *m, uint8_t *out);

/* Read one; its name is a valid one on success. Return: 0, -EPROTO */
int module_ask_decode_start(const uint8_t *in, size_t len, struct local_module_start *m);

/* The same for LOCAL_MODULE_STOP, */
size_t module_ask_encode_stop(uint32_t id, const struct local_module_stop *m, uint8_t *out);
int module_ask_decode_stop(const uint8_t *in, size_t len, struct local_module_stop *m);

/* for LOCAL_ASK_MODULE, */
size_t module_ask_encode_ask(uint32_t id, const struct local_ask_module *m, uint8_t *out);
int module_ask_decode_ask(const uint8_t *in, size_t len, struct local_ask_module *m);

/* and for LOCAL_MODULE: of what is read, the state is as modules_state_decode() leaves it. */
size_t module_ask_encode(uint32_t id, const struct local_module *m, uint8_t *out);
int module_ask_decode(const uint8_t *in, size_t len, struct local_module *m);

#endif
