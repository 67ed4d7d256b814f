/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status.c - hylics_status()
 *
 * Runs in: programs in a guest
 * Reads from: the agent's page (checked)
 */
#include "include/hylics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "libhylics/move.h"

#define SAME(word) _Static_assert((int)HYLICS_##word == (int)MOVE_##word, #word)

_Static_assert((int)HYLICS_MOVED == (int)MOVE_DONE, "MOVED");
SAME(BELOW_THRESHOLD);
SAME(NOT_TCP);
SAME(NOT_ESTABLISHED);
SAME(UNREAD_BYTES);
SAME(MPTCP);
SAME(ULP);
SAME(URGENT_DATA);
SAME(OWN_FILTER);
SAME(SHARED_DESCRIPTOR);
SAME(NOT_ON_SHARE);
SAME(FILE_CHANGED);
SAME(UNREADABLE);
SAME(NO_TWIN);
SAME(GUEST_NAT);
SAME(LIMIT_CONNECTIONS);
SAME(LIMIT_MOVES);
SAME(NO_AGENT);
SAME(NO_CHANNEL);
SAME(NO_WORKER);
SAME(OFF_BY_OPERATOR);
SAME(DRAINING);
SAME(KERNEL_MISMATCH);
SAME(ERROR);
SAME(CANCELLED);
SAME(SANDBOXED);
SAME(UNSEEN_THREADS);
SAME(DATAGRAM_SIZE);
_Static_assert((int)HYLICS_DATAGRAM_SIZE + 1 == (int)MOVE_REASONS,
	       "a reason hylics.h does not know");

/* What the agent says of a pair; one that another agent took is with whoever has it now. */
static void tell_pair(const struct lib_conn *c, struct hylics_status *s)
{
	static const uint8_t states[] = {
		[SLOT_FREE] = HYLICS_ASKED, [SLOT_ASKED] = HYLICS_ASKED,
		[SLOT_MOVED] = HYLICS_HOST, [SLOT_LOCAL] = HYLICS_GUEST,
		[SLOT_GONE] = HYLICS_ENDED, [SLOT_RESET] = HYLICS_ENDED,
		[SLOT_TIMED_OUT] = HYLICS_ENDED,
	};
	const struct hy_page *p = lib_page();
	unsigned int state;

	s->state = HYLICS_ASKED;
	s->offered_bytes = atomic_load(&c->offered);
	if (c->join != atomic_load(&lib_area()->join))
		return;
	state = atomic_load(&p->slot[c->slot].state);
	if (state <= SLOT_TIMED_OUT)
		s->state = states[state];
	s->reason = atomic_load(&p->slot[c->slot].reason);
}

int hylics_status(int sock, struct hylics_status *out, size_t size)
{
	struct hylics_status s = { .state = HYLICS_HERE, .reason = lib_is_shut() };
	struct lib_conn *c;
	struct stat st;
	int cancel;

	if (fstat(sock, &st) < 0)
		return -1;
	if (!S_ISSOCK(st.st_mode) || !out || size == 0) {
		errno = out && size ? ENOTSOCK : EINVAL;
		return -1;
	}
	c = lib_enter(sock, &cancel);
	if (c && move_is_pair(c, sock))
		tell_pair(c, &s);
	else if (c)
		s.reason = atomic_load(&c->reason);
	if (c && atomic_load(&lib_area()->join))
		s.threshold = atomic_load(&lib_page()->threshold);
	lib_leave(c, cancel);
	if (s.reason >= MOVE_REASONS)
		s.reason = MOVE_ERROR;
	snprintf(s.why, sizeof(s.why), "%s", move_reason_name(s.reason));
	memset(out, 0, size);
	memcpy(out, &s, size < sizeof(s) ? size : sizeof(s));
	return 0;
}
