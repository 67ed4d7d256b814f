/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_modules.c - what the agent keeps of modules: told by the host, wanted by root, read back
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * There is no channel: what would be said stays owed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylics-agent/agent.h"
#include "hylics-agent/listener.h"
#include "proto/module_ask.h"

#define USER 1000
#define PORT 47113
#define COUNT_AT 8			/* in a list */

static struct agent agent;		/* large */
static struct chan chan;		/* closed */
static struct modules_saved saved;
static const struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };
static struct local_error refused;	/* the last refusal */
static struct local_module told;	/* the last answer */

/* A new process, which finds what the last one left in the table. */
static void next_agent(void)
{
	modules_close(&agent);
	memset(&agent, 0, sizeof(agent));
	agent.log = &quiet;
	agent.chan = &chan;
	agent.table.modules = &saved;
	modules_open(&agent);
}

static int tell_state(const struct modules_state *s)
{
	uint8_t bytes[MODULES_STATE_MAX];
	int n = modules_state_encode(s, bytes, sizeof(bytes));
	const struct message msg = { .info = msg_info(MSG_MODULE), .payload = bytes,
				     .len = (uint32_t)n };

	assert_true(n > 0);
	return modules_take(&agent, &msg);
}

/* As a host does that goes by this list. */
static void tell_by(uint64_t list, uint8_t number, uint8_t of, const char *name,
		    enum modules_life life)
{
	struct modules_state s = { .list = list, .number = number, .of = of, .life = (uint8_t)life,
				   .port = life ? PORT : 0,
				   .ports = { .n = 2, .at = { { PORT, PORT },
							      { 48000, 48009 } } } };

	snprintf(s.name, sizeof(s.name), "%s", name);
	assert_int_equal(tell_state(&s), 0);
}

/* As one does that has heard all there was to be said. */
static void tell(uint8_t number, uint8_t of, const char *name, enum modules_life life)
{
	tell_by(agent.modules.wanted.number, number, of, name, life);
}

static int begin(void **state)
{
	(void)state;
	agent.modules.listeners[0] = agent.modules.listeners[1] = -1;
	memset(&saved, 0, sizeof(saved));
	next_agent();
	listener_close(agent.modules.listeners);	/* what listens here is no affair of ours */
	agent.session = true;
	modules_up(&agent);
	tell(0, 2, "hls", MODULES_LIFE_stopped);
	tell(1, 2, "lighttpd", MODULES_LIFE_stopped);
	return 0;
}

/* Return: 0 and the answer in @told, or the errno, its words in @refused */
static int ask(enum local_type type, const uint8_t *packet, size_t len, uid_t user)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct request r = { .head = { .type = (uint16_t)type, .id = 9 }, .packet = packet,
			     .len = len, .user = user, .answer = out };
	int n = modules_request(&agent, &r);
	struct local_header h;

	assert_true(n > 0);
	assert_int_equal(local_decode_header(out, (size_t)n, &h), 0);
	assert_int_equal(h.id, 9);
	if (h.type == LOCAL_MODULE) {
		assert_int_equal(module_ask_decode(out, (size_t)n, &told), 0);
		return 0;
	}
	assert_int_equal(h.type, LOCAL_ERROR);
	assert_int_equal(local_decode_error(out, (size_t)n, &refused), 0);
	assert_true(refused.num > 0);
	return refused.num;
}

static int start_as(uid_t user, const char *name, uint16_t port)
{
	struct local_module_start m = { .port = port };
	uint8_t packet[LOCAL_PACKET_MAX];

	snprintf(m.name, sizeof(m.name), "%s", name);
	return ask(LOCAL_MODULE_START, packet, module_ask_encode_start(9, &m, packet), user);
}

static int start(const char *name, uint16_t port)
{
	return start_as(0, name, port);
}

static int stop_as(uid_t user, const char *name)
{
	struct local_module_stop m = { 0 };
	uint8_t packet[LOCAL_PACKET_MAX];

	snprintf(m.name, sizeof(m.name), "%s", name);
	return ask(LOCAL_MODULE_STOP, packet, module_ask_encode_stop(9, &m, packet), user);
}

static int ask_number(uint8_t number)
{
	const struct local_ask_module m = { .number = number };
	uint8_t packet[LOCAL_PACKET_MAX];

	return ask(LOCAL_ASK_MODULE, packet, module_ask_encode_ask(9, &m, packet), USER);
}

static void a_start_is_remembered_and_owed_to_the_host(void **state)
{
	(void)state;
	assert_int_equal(start("lighttpd", 0), 0);
	assert_string_equal(told.state.name, "lighttpd");
	assert_int_equal(told.wanted, MODULE_WANTED | MODULE_UNHEARD);
	assert_int_equal(agent.modules.wanted.n, 1);
	assert_int_equal(agent.modules.wanted.at[0].port, PORT);
	assert_true(agent.modules.owed);
	assert_int_equal(start("hls", 48009), 0);
	assert_int_equal(agent.modules.wanted.n, 2);
	agent.modules.owed = false;
	assert_int_equal(start("hls", 48009), 0);	/* once more is no change */
	assert_int_equal(agent.modules.wanted.n, 2);
	assert_false(agent.modules.owed);
	assert_int_equal(stop_as(0, "lighttpd"), 0);
	assert_int_equal(told.wanted, MODULE_UNHEARD);
	assert_int_equal(agent.modules.wanted.n, 1);
	assert_string_equal(agent.modules.wanted.at[0].name, "hls");
	assert_true(agent.modules.owed);
	agent.modules.owed = false;
	assert_int_equal(stop_as(0, "lighttpd"), 0);	/* nor is that */
	assert_false(agent.modules.owed);
}

static void what_the_host_told_before_it_could_hear_is_no_answer(void **state)
{
	(void)state;
	uint64_t before = agent.modules.wanted.number;

	tell(0, 2, "hls", MODULES_LIFE_running);
	assert_int_equal(start("hls", 0), 0);
	assert_int_equal(agent.modules.wanted.number, before + 1);
	agent.modules.owed = false;			/* it was said, and this was under way */
	tell_by(before, 0, 2, "hls", MODULES_LIFE_running);
	assert_int_equal(ask_number(0), 0);
	assert_int_equal(told.wanted, MODULE_WANTED | MODULE_UNHEARD);
	assert_int_equal(told.state.life, MODULES_LIFE_running);
	tell(0, 2, "hls", MODULES_LIFE_starting);
	assert_int_equal(ask_number(0), 0);
	assert_int_equal(told.wanted, MODULE_WANTED);
	assert_int_equal(start("lighttpd", 48001), 0);	/* which is the other one's affair */
	assert_int_equal(ask_number(0), 0);
	assert_int_equal(told.wanted, MODULE_WANTED);
	assert_int_equal(ask_number(1), 0);
	assert_int_equal(told.wanted, MODULE_WANTED | MODULE_UNHEARD);
}

static void what_is_by_a_list_of_another_session_is_not_told(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(start("hls", 0), 0);
	before = agent.modules.wanted.number;
	modules_down(&agent);
	modules_up(&agent);
	assert_int_equal(agent.modules.wanted.number, before + 1);
	tell_by(before, 0, 2, "hls", MODULES_LIFE_running);
	tell_by(0, 0, 2, "hls", MODULES_LIFE_running);
	tell_by(before + 2, 0, 2, "hls", MODULES_LIFE_running);	/* nobody has said it */
	assert_int_equal(ask_number(0), ENODATA);
	tell(0, 2, "hls", MODULES_LIFE_starting);
	assert_int_equal(ask_number(0), 0);
	assert_int_equal(told.wanted, MODULE_WANTED);
}

/* Also of the next agent, which reads back what was wanted and not how often that was said. */
static void numbers_grow_from_agent_to_agent(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(start("hls", 0), 0);
	before = agent.modules.wanted.number;
	next_agent();
	assert_true(agent.modules.wanted.number > before);
	assert_int_equal(agent.modules.wanted.n, 1);
}

/* One that was forgotten since it was started may be told of by an older list. */
static void one_that_was_forgotten_is_not_heard_before_its_answer(void **state)
{
	uint64_t before = agent.modules.wanted.number;

	(void)state;
	assert_int_equal(start("lighttpd", 0), 0);
	tell_by(before, 0, 1, "hls", MODULES_LIFE_stopped);
	tell_by(before, 1, 2, "lighttpd", MODULES_LIFE_running);
	assert_int_equal(ask_number(1), 0);
	assert_int_equal(told.wanted, MODULE_WANTED | MODULE_UNHEARD);
	tell(1, 2, "lighttpd", MODULES_LIFE_running);
	assert_int_equal(ask_number(1), 0);
	assert_int_equal(told.wanted, MODULE_WANTED);
}

static void only_root_may(void **state)
{
	(void)state;
	assert_int_equal(start_as(USER, "hls", 0), EPERM);
	assert_string_equal(refused.words, "only root may start and stop modules");
	assert_int_equal(stop_as(USER, "hls"), EPERM);
	assert_int_equal(agent.modules.wanted.n, 0);
	assert_int_equal(ask_number(1), 0);
}

static void what_cannot_be_is_refused_with_what_there_is(void **state)
{
	(void)state;
	assert_int_equal(start("none", 0), ENOENT);
	assert_string_equal(refused.words, "there is no such module, but hls, lighttpd");
	assert_int_equal(stop_as(0, "none"), ENOENT);
	assert_int_equal(start("hls", 81), EACCES);
	assert_string_equal(refused.words, "port 81 is not among its ports, 47113 48000-48009");
	assert_int_equal(start("hls", 48010), EACCES);
	assert_int_equal(start("hls", 48001), 0);
	assert_int_equal(start("hls", 48002), EEXIST);
	assert_string_equal(refused.words, "it is wanted at port 48001 already: stop it first");
	assert_int_equal(start("hls", 0), EEXIST);	/* which is another port */
	assert_int_equal(start("lighttpd", 48001), EADDRINUSE);
	assert_string_equal(refused.words, "port 48001 is module 'hls's");
	assert_int_equal(ask_number(2), ENOENT);
	assert_int_equal(agent.modules.wanted.n, 1);
}

static void a_port_that_somebody_in_the_guest_has_is_refused(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct modules_state s = { .list = agent.modules.wanted.number, .of = 1, .name = "hls",
				   .ports = { .n = 1 } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	char words[128];

	(void)state;
	listener_open(agent.modules.listeners);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0 || agent.modules.listeners[0] < 0)
		skip();
	s.ports.at[0].first = s.ports.at[0].last = ntohs(at.sin_port);
	assert_int_equal(tell_state(&s), 0);
	assert_int_equal(start("hls", 0), 0);		/* bound is not yet listening */
	assert_int_equal(stop_as(0, "hls"), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(start("hls", 0), EADDRINUSE);
	snprintf(words, sizeof(words), "a program of user %u listens at 127.0.0.1:%u in the guest",
		 getuid(), ntohs(at.sin_port));
	assert_string_equal(refused.words, words);
	close(fd);
	assert_int_equal(start("hls", 0), 0);
}

static void without_a_host_nothing_is_known(void **state)
{
	(void)state;
	assert_int_equal(start("hls", 0), 0);
	agent.session = false;
	modules_down(&agent);
	assert_int_equal(start("hls", 0), ENOTCONN);
	assert_int_equal(stop_as(0, "hls"), ENOTCONN);
	assert_int_equal(ask_number(0), ENOTCONN);
	agent.session = true;
	assert_int_equal(ask_number(0), ENODATA);
	assert_int_equal(start("hls", 0), ENODATA);
	tell(1, 2, "lighttpd", MODULES_LIFE_stopped);
	assert_int_equal(start("hls", 0), ENODATA);	/* it may be the other one */
	assert_int_equal(ask_number(0), ENODATA);
	assert_int_equal(ask_number(1), 0);
	assert_int_equal(agent.modules.wanted.n, 1);
}

static void a_list_that_becomes_shorter_or_empty(void **state)
{
	struct modules_state none = { .of = 0 };

	(void)state;
	assert_int_equal(start("lighttpd", 0), 0);
	none.list = agent.modules.wanted.number;
	tell(0, 1, "hls", MODULES_LIFE_stopped);
	assert_int_equal(ask_number(1), ENOENT);
	assert_int_equal(start("lighttpd", 0), ENOENT);
	tell(0, 2, "hls", MODULES_LIFE_stopped);
	assert_int_equal(ask_number(1), ENODATA);	/* forgotten meanwhile */
	assert_int_equal(tell_state(&none), 0);
	assert_int_equal(start("hls", 0), ENOENT);
	assert_string_equal(refused.words, "this VM may use no module");
	assert_int_equal(ask_number(0), 0);
	assert_int_equal(told.state.of, 0);
	assert_int_equal(stop_as(0, "lighttpd"), 0);	/* wanted still, until now */
	assert_int_equal(told.state.of, 0);
	assert_int_equal(agent.modules.wanted.n, 0);
	assert_int_equal(stop_as(0, "lighttpd"), ENOENT);
}

static void a_module_that_gets_another_number_is_there_once(void **state)
{
	(void)state;
	tell(0, 2, "lighttpd", MODULES_LIFE_running);
	assert_int_equal(ask_number(1), ENODATA);
	assert_int_equal(ask_number(0), 0);
	assert_int_equal(told.state.life, MODULES_LIFE_running);
	assert_int_equal(start("lighttpd", 0), 0);
	assert_int_equal(told.state.number, 0);
}

static void as_many_as_there_is_room_for(void **state)
{
	char name[8];

	(void)state;
	for (unsigned int i = 0; i < HY_MODULES_MAX; i++) {
		snprintf(name, sizeof(name), "old%u", i);
		tell(0, 1, name, MODULES_LIFE_stopped);
		assert_int_equal(start(name, (uint16_t)(48000 + i)), 0);
	}
	tell(0, 2, "old0", MODULES_LIFE_stopped);
	tell(1, 2, "hls", MODULES_LIFE_stopped);
	assert_int_equal(start("hls", 0), ENOSPC);
	assert_string_equal(refused.words, "8 modules are wanted already: stop 'old1', say");
	assert_int_equal(stop_as(0, "old1"), 0);
	assert_int_equal(start("hls", 0), 0);
}

static void lists_that_are_too_long_are_cut_visibly(void **state)
{
	struct modules_state s = { .list = agent.modules.wanted.number, .of = HY_MODULES_MAX,
				   .ports.n = HY_MODULE_PORTS_MAX };

	(void)state;
	for (unsigned int i = 0; i < HY_MODULE_PORTS_MAX; i++)
		s.ports.at[i] = (struct modules_port){ (uint16_t)(20000 + 2 * i),
						       (uint16_t)(20001 + 2 * i) };
	for (; s.number < HY_MODULES_MAX; s.number++) {
		memset(s.name, 'a' + s.number, HY_NAME_MAX);
		assert_int_equal(tell_state(&s), 0);
	}
	assert_int_equal(start("none", 0), ENOENT);
	assert_string_equal(refused.words + strlen(refused.words) - 4, " ...");
	assert_int_equal(start(s.name, 65535), EACCES);
	assert_string_equal(refused.words + strlen(refused.words) - 4, " ...");
}

static void another_agent_wants_the_same(void **state)
{
	(void)state;
	assert_int_equal(start("hls", 48001), 0);
	assert_int_equal(start("lighttpd", 0), 0);
	assert_int_equal(stop_as(0, "hls"), 0);
	next_agent();
	assert_int_equal(agent.modules.wanted.n, 1);
	assert_string_equal(agent.modules.wanted.at[0].name, "lighttpd");
	assert_int_equal(agent.modules.wanted.at[0].port, PORT);
	next_agent();
	assert_int_equal(agent.modules.wanted.n, 1);
}

/* One that was killed while it wrote: the half is where it does not count. */
static void half_a_list_counts_for_nothing(void **state)
{
	struct modules_saved before;

	(void)state;
	assert_int_equal(start("lighttpd", 0), 0);
	before = saved;
	assert_int_equal(start("hls", 48001), 0);
	assert_int_equal(saved.turn, before.turn + 1);
	assert_memory_equal(&saved.at[before.turn & 1], &before.at[before.turn & 1],
			    sizeof(before.at[0]));
	assert_int_equal(stop_as(0, "lighttpd"), 0);
	saved.at[(saved.turn + 1) & 1].len = 77;
	memset(saved.at[(saved.turn + 1) & 1].bytes, 0xff, MODULES_WANTED_MAX);
	next_agent();
	assert_int_equal(agent.modules.wanted.n, 1);
}

static void what_cannot_be_read_back_is_not_wanted(void **state)
{
	(void)state;
	assert_int_equal(start("hls", 48001), 0);
	saved.at[saved.turn & 1].bytes[COUNT_AT] = 2;
	next_agent();
	assert_int_equal(agent.modules.wanted.n, 0);
	saved.at[saved.turn & 1].bytes[COUNT_AT] = 1;
	saved.at[saved.turn & 1].len = UINT32_MAX;
	next_agent();
	assert_int_equal(agent.modules.wanted.n, 0);
}

static void nonsense_is_refused(void **state)
{
	static const uint8_t payload[MODULES_STATE_MIN] = { [8] = 9, 9 };
	const struct message msg = { .info = msg_info(MSG_MODULE), .payload = payload,
				     .len = sizeof(payload) };
	uint8_t packet[LOCAL_PACKET_MAX] = { 0 };

	(void)state;
	assert_int_equal(modules_take(&agent, &msg), -EPROTO);
	assert_int_equal(ask(LOCAL_MODULE_START, packet, 11, 0), EINVAL);
	assert_int_equal(ask(LOCAL_MODULE_STOP, packet, 9, 0), EINVAL);
	assert_int_equal(ask(LOCAL_ASK_MODULE, packet, 8, 0), EINVAL);
	assert_int_equal(ask_number(0), 0);
	assert_string_equal(told.state.name, "hls");
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_start_is_remembered_and_owed_to_the_host),
		TEST(what_the_host_told_before_it_could_hear_is_no_answer),
		TEST(what_is_by_a_list_of_another_session_is_not_told),
		TEST(numbers_grow_from_agent_to_agent),
		TEST(one_that_was_forgotten_is_not_heard_before_its_answer),
		TEST(only_root_may),
		TEST(what_cannot_be_is_refused_with_what_there_is),
		TEST(a_port_that_somebody_in_the_guest_has_is_refused),
		TEST(without_a_host_nothing_is_known),
		TEST(a_list_that_becomes_shorter_or_empty),
		TEST(a_module_that_gets_another_number_is_there_once),
		TEST(as_many_as_there_is_room_for),
		TEST(lists_that_are_too_long_are_cut_visibly),
		TEST(another_agent_wants_the_same),
		TEST(half_a_list_counts_for_nothing),
		TEST(what_cannot_be_read_back_is_not_wanted),
		TEST(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
