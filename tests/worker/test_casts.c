/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_casts.c - casts as a hostile guest may ask for them: what is sent, what is refused
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include "tests/worker/stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT "10.9.0.1"
#define OWN "10.1.0.1"			/* of the twin's */
#define PORT 5004
#define EACH 1000u
#define MTU_FITS (9000u - 28)
#define FAST 1000000000u
#define SLOW 1000u			/* a datagram in a second */
#define TOS 0xb8
#define TTL 33
#define FILE_ID 9u

static uint32_t last_id = 1000;
static int client;
static uint16_t client_port;

static void open_client(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const int on = 1, room = 8 << 20;
	socklen_t len = sizeof(at);

	inet_pton(AF_INET, CLIENT, &at.sin_addr);
	client = (int)PROBE_TRY(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	PROBE_TRY(bind(client, (struct sockaddr *)&at, sizeof(at)));
	PROBE_TRY(getsockname(client, (struct sockaddr *)&at, &len));
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	PROBE_TRY(setsockopt(client, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)));
	PROBE_TRY(setsockopt(client, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)));
	client_port = ntohs(at.sin_port);
}

/* What an honest guest would say. */
static struct cast good(void)
{
	struct cast k = { .family = 4, .tos = TOS, .ttl = TTL, .file = FILE_ID,
			  .local.port = PORT, .peer.port = client_port,
			  .part = { .count = 10 * EACH - 1, .pace = { EACH, FAST } } };

	inet_pton(AF_INET, OWN, k.local.addr);
	inet_pton(AF_INET, CLIENT, k.peer.addr);
	return k;
}

static uint32_t ask(const struct cast *k)
{
	uint8_t payload[CAST_LEN];

	say(MSG_CAST, ++last_id, payload, cast_encode(k, payload, sizeof(payload)));
	return last_id;
}

/* The first word about it. */
static const struct cast_told *answer(const struct cast *k)
{
	uint32_t id = ask(k);

	if (!UNTIL(stage.cast_id == id))
		probe_bail("the host says nothing of a cast");
	return &stage.cast;
}

static bool ends_with(uint64_t sent, enum cast_state state)
{
	return UNTIL(stage.cast_id == last_id && stage.cast.state != CAST_RUNNING) &&
	       stage.cast.state == state && stage.cast.sent == sent;
}

/* TOS, TTL and sender of a datagram, and its bytes, are as they should be. */
static bool is_right(const uint8_t *bytes, size_t len, uint64_t offset, struct msghdr *m)
{
	const struct sockaddr_in *from = m->msg_name;
	int ttl = 0, tos = 0;
	char text[32];

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_type == IP_TTL)
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
		else if (c->cmsg_type == IP_TOS)
			tos = *CMSG_DATA(c);
	}
	inet_ntop(AF_INET, &from->sin_addr, text, sizeof(text));
	return ttl == TTL && tos == TOS && strcmp(text, OWN) == 0 &&
	       ntohs(from->sin_port) == PORT && probe_first_wrong(bytes, len, offset, DOWN(0)) < 0;
}

/* Bytes of all datagrams that are there; 0 if one of them is wrong. */
static uint64_t heard(uint32_t each, uint64_t from_offset)
{
	uint8_t bytes[9000], control[128];
	struct sockaddr_in from;
	struct iovec iov = { bytes, sizeof(bytes) };
	uint64_t all = 0;

	for (;;) {
		struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from),
				    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(client, &m, MSG_DONTWAIT);

		if (n < 0)
			return all;
		if (all % each || n > each || !is_right(bytes, (size_t)n, from_offset + all, &m))
			return 0;
		all += (uint64_t)n;
	}
}

static void sends_what_it_is_told(void)
{
	struct cast k = good();

	answer(&k);
	probe_check(ends_with(k.part.count, CAST_DONE) && heard(EACH, 0) == k.part.count,
		    "a cast: every datagram, from the guest's address, with its TOS and TTL");
	k.part.offset = 12345;
	k.part.count = 5;
	answer(&k);
	probe_check(ends_with(5, CAST_DONE) && heard(EACH, 12345) == 5, "a cast of few bytes");
	k.part.pace.bytes = MTU_FITS;
	k.part.count = 3 * MTU_FITS;
	answer(&k);
	probe_check(ends_with(k.part.count, CAST_DONE) && heard(MTU_FITS, 12345) == k.part.count,
		    "datagrams as long as the MTU");
	k.part.offset = BODY_BYTES - 1500;
	answer(&k);
	probe_check(ends_with(1500, CAST_DONE) && heard(MTU_FITS, k.part.offset) == 1500,
		    "the end of the file is the end");
	k.part.offset = 1ull << 60;
	answer(&k);
	probe_check(ends_with(0, CAST_DONE), "behind it there is nothing");
}

static void is_refused(const struct cast *k, enum move_reason reason, const char *what)
{
	const struct cast_told *told = answer(k);

	probe_check(told->state == CAST_REFUSED && told->reason == reason, "refused (%s): %s",
		    move_reason_name(reason), what);
}

static void peers(void)
{
	static const char *const nobody[] = { "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3",
					      "224.0.0.1", "239.255.0.1", "240.0.0.1",
					      "255.255.255.255", OWN, "10.1.0.2" };
	static const char *const nobody6[] = { "::", "::1", "ff02::1", "ff0e::1", "fe80::1",
					       "::ffff:10.9.0.1", "::10.9.0.1" };
	struct cast k = good();

	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		inet_pton(AF_INET, nobody[i], k.peer.addr);
		is_refused(&k, MOVE_NO_TWIN, nobody[i]);
	}
	k.family = 6;
	inet_pton(AF_INET6, "fd01::1", k.local.addr);
	for (size_t i = 0; i < sizeof(nobody6) / sizeof(nobody6[0]); i++) {
		inet_pton(AF_INET6, nobody6[i], k.peer.addr);
		is_refused(&k, MOVE_NO_TWIN, nobody6[i]);
	}
}

static void senders(void)
{
	static const char *const others[] = { CLIENT, "127.0.0.1", "0.0.0.0", "224.0.0.1",
					      "10.1.0.200", "8.8.8.8" };
	struct cast k = good();

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		inet_pton(AF_INET, others[i], k.local.addr);
		is_refused(&k, MOVE_NO_TWIN, others[i]);
	}
}

static void files_and_sizes(void)
{
	struct cast k = good();

	k.file = 4711;
	is_refused(&k, MOVE_FILE_CHANGED, "a file that is not open");
	k = good();
	k.part.pace.bytes = MTU_FITS + 1;
	is_refused(&k, MOVE_DATAGRAM_SIZE, "a datagram that is a byte too long");
	k.part.pace.bytes = HY_DATAGRAM_MAX;
	is_refused(&k, MOVE_DATAGRAM_SIZE, "the longest datagram");
}

/* All from one port, to one client. */
static void as_many_as_may_be(void)
{
	struct cast k = good();
	uint32_t first = last_id + 1;

	k.part.count = BODY_BYTES;
	k.part.pace.rate = SLOW;
	for (unsigned int i = 0; i < HY_CASTS_MAX; i++) {
		if (answer(&k)->state != CAST_RUNNING)
			probe_bail("cast %u is refused: %s", i,
				   move_reason_name(stage.cast.reason));
	}
	is_refused(&k, MOVE_LIMIT_CONNECTIONS, "one more than there may be");
	for (uint32_t id = first; id < last_id; id++)
		say(MSG_CAST_STOP, id, NULL, 0);
	probe_check(answer(&k)->state == CAST_RUNNING, "stopped ones make room");
	say(MSG_CAST_STOP, last_id, NULL, 0);
	stage_settle(2);
}

static void fast_and_slow(void)
{
	struct cast k = good();
	unsigned int words = stage.cast_words;

	k.part.count = BODY_BYTES;
	k.part.pace.rate = HY_PACE_RATE_MAX;
	answer(&k);
	probe_check(ends_with(BODY_BYTES, CAST_DONE), "as fast as it goes: a whole file");
	/* nobody reads what comes; of what was sent it was told now and then */
	probe_check(stage.cast_words > words, "and it is told");
	while (recv(client, &words, sizeof(words), MSG_DONTWAIT) > 0)
		;
}

static void a_number_twice(void)
{
	struct cast k = good();
	unsigned int ups = stage.ups;
	uint8_t payload[CAST_LEN];

	k.part.pace.rate = SLOW;
	k.part.count = BODY_BYTES;
	answer(&k);
	say(MSG_CAST, last_id, payload, cast_encode(&k, payload, sizeof(payload)));
	probe_check(UNTIL(stage.ups > ups) && UNTIL(stage.up),
		    "a number that is in use ends the session");
	probe_check(UNTIL(stage_count("files") == 0), "with it the casts, and their files");
	if (say_file(FILE_ID, BODY(0)) != 0)
		probe_bail("no file");
	while (recv(client, payload, sizeof(payload), MSG_DONTWAIT) > 0)
		;
}

int main(int argc, char **argv)
{
	pid_t worker;

	if (argc != 2)
		probe_bail("usage: %s WORKER", argv[0]);
	stage_open(110, argv[1]);
	stage_start(NULL);
	worker = stage.keep.child.pid;
	open_client();
	if (say_file(FILE_ID, BODY(0)) != 0)
		probe_bail("no file");
	sends_what_it_is_told();
	peers();
	senders();
	files_and_sizes();
	as_many_as_may_be();
	a_number_twice();
	fast_and_slow();
	sends_what_it_is_told();
	probe_check(stage.keep.child.pid == worker, "the worker is the same all the time");
	probe_check(stage_counted("casts_refused") == 27, "refusals are counted");
	stage_stop();
	stage_close();
	close(client);
	return probe_end("whatever is to be cast, it is the guest's file from its address");
}
