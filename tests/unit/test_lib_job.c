/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_job.c - hylics_job_begin() and hylics_job_end(): what an agent hears, and without one
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/unixsock.h"
#include "include/hylics.h"
#include "proto/job.h"

#define THREADS 8
#define UNTOUCHED 4711

static char dir[64], path[80];
static int listener = -1;

static void no_agent(void)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
	unlink(path);
}

/* It accepts when a test says so: nothing that is tested here waits for that. */
static int an_agent(void **state)
{
	(void)state;
	no_agent();
	listener = hy_unix_listen(path, SOCK_SEQPACKET, 0600, 64, NULL);
	return listener < 0;
}

static int nobody(void **state)
{
	(void)state;
	no_agent();
	return 0;
}

static int accepted(void)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(sock >= 0);
	return sock;
}

static size_t hear(int sock, uint8_t packet[LOCAL_PACKET_MAX], uint16_t type)
{
	ssize_t n = recv(sock, packet, LOCAL_PACKET_MAX, MSG_DONTWAIT);
	struct local_header h;

	assert_true(n > 0);
	assert_int_equal(local_decode_header(packet, (size_t)n, &h), 0);
	assert_int_equal(h.type, type);
	return (size_t)n;
}

static struct local_job_begin hear_begin(int sock)
{
	uint8_t packet[LOCAL_PACKET_MAX];
	struct local_job_begin m = { 0 };

	assert_int_equal(job_decode_begin(packet, hear(sock, packet, LOCAL_JOB_BEGIN), &m), 0);
	return m;
}

/* And nothing behind it but the connection's end. */
static struct local_job_end hear_end(int sock)
{
	uint8_t packet[LOCAL_PACKET_MAX];
	struct local_job_end m = { 0 };

	assert_int_equal(job_decode_end(packet, hear(sock, packet, LOCAL_JOB_END), &m), 0);
	assert_int_equal(recv(sock, packet, sizeof(packet), MSG_DONTWAIT), 0);
	close(sock);
	return m;
}

static void without_an_agent_nothing_fails(void **state)
{
	(void)state;
	errno = UNTOUCHED;
	assert_null(hylics_job_begin("cut", 0));
	hylics_job_end(NULL, 0);
	assert_int_equal(errno, UNTOUCHED);
}

static void the_agent_hears_begin_and_end(void **state)
{
	struct local_job_begin begin;
	struct local_job_end end;
	struct hylics_job *job;
	int sock;

	(void)state;
	errno = UNTOUCHED;
	job = hylics_job_begin("cut", 1234);
	assert_non_null(job);
	sock = accepted();
	begin = hear_begin(sock);
	assert_string_equal(begin.name, "cut");
	assert_int_equal(begin.waited_us, 1234);
	assert_int_equal(recv(sock, &begin, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);	/* it runs */
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	errno = UNTOUCHED;
	hylics_job_end(job, 3);
	assert_int_equal(errno, UNTOUCHED);
	end = hear_end(sock);
	assert_int_equal(end.state, JOB_EXITED);
	assert_int_equal(end.code, 3);
	assert_true(end.ran_us >= 2000);
}

static struct local_job_begin begin_of(const char *name, uint64_t waited_us, int status,
				       struct local_job_end *end)
{
	struct hylics_job *job = hylics_job_begin(name, waited_us);
	struct local_job_begin begin;
	int sock = accepted();

	assert_non_null(job);
	begin = hear_begin(sock);
	hylics_job_end(job, status);
	*end = hear_end(sock);
	return begin;
}

static void whatever_is_said_an_agent_can_read_it(void **state)
{
	char name[300];
	struct local_job_end end;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(strlen(begin_of(name, 0, 0, &end).name), HY_NAME_MAX);
	assert_int_equal(end.code, 0);
	assert_string_equal(begin_of("a\n\x1b[2J\xff", 0, 255, &end).name, "a??[2J?");
	assert_int_equal(end.code, 255);
	assert_string_equal(begin_of("", 0, 256, &end).name, "?");
	assert_int_equal(end.code, 255);
	assert_string_equal(begin_of(NULL, 0, -1, &end).name, "?");
	assert_int_equal(end.code, 255);
	assert_int_equal(begin_of("a", UINT64_MAX, 0, &end).waited_us, HY_JOB_US_MAX);
}

static void *two_jobs(void *unused)
{
	struct hylics_job *outer = hylics_job_begin("outer", 0);
	struct hylics_job *inner = hylics_job_begin("inner", 0);

	(void)unused;
	hylics_job_end(outer, 1);
	hylics_job_end(inner, 2);
	return outer && inner ? outer : NULL;
}

static void threads_have_their_own(void **state)
{
	pthread_t thread[THREADS];
	unsigned int outers = 0;
	void *had;

	(void)state;
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, two_jobs, NULL), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], &had), 0);
		assert_non_null(had);
	}
	for (unsigned int i = 0; i < 2 * THREADS; i++) {
		int sock = accepted();
		bool outer = strcmp(hear_begin(sock).name, "outer") == 0;

		assert_int_equal(hear_end(sock).code, outer ? 1 : 2);
		outers += outer;
	}
	assert_int_equal(outers, THREADS);
}

/* That the next descriptor will have: the job's. */
static int next_number(void)
{
	int fd = dup(listener), number = fd;

	close(fd);
	return number;
}

static void a_number_that_was_closed_is_left_alone(void **state)
{
	struct hylics_job *job;
	int sock, file, taken;
	uint8_t byte;
	struct stat st;

	(void)state;
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	taken = next_number();
	job = hylics_job_begin("cut", 0);
	sock = accepted();
	assert_non_null(job);
	assert_int_equal(fstat(taken, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
	(void)hear_begin(sock);
	assert_int_equal(dup2(file, taken), taken);
	assert_int_equal(recv(sock, &byte, 1, MSG_DONTWAIT), 0);	/* lost */
	hylics_job_end(job, 0);
	assert_int_equal(fstat(taken, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	close(taken);
	close(file);
	close(sock);
}

static void an_agent_that_has_gone_or_has_no_time_harms_nobody(void **state)
{
	struct hylics_job *job = hylics_job_begin("cut", 0), *more[200] = { 0 };
	unsigned int n = 0;

	(void)state;
	assert_non_null(job);
	while (n < 200 && (more[n] = hylics_job_begin("cut", 0)) != NULL)
		n++;
	assert_true(n > 0 && n < 200);	/* its queue is full: not counted, and not waited */
	no_agent();
	for (unsigned int i = 0; i < n; i++)
		hylics_job_end(more[i], 0);
	hylics_job_end(job, 0);		/* no SIGPIPE */
}

static void standard_output_is_never_the_agent(void **state)
{
	struct hylics_job *job;
	int kept = dup(STDIN_FILENO), number;
	struct stat st;

	(void)state;
	close(STDIN_FILENO);
	job = hylics_job_begin("cut", 0);
	number = fstat(STDIN_FILENO, &st);
	if (kept >= 0)
		assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
	assert_non_null(job);
	assert_int_equal(number, -1);
	hylics_job_end(job, 0);
	close(kept);
}

static int open_place(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/hy-job-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/agent.sock", dir);
	return setenv("HYLICS_RUN_DIR", dir, 1);
}

static int close_place(void **state)
{
	(void)state;
	no_agent();
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_an_agent_nothing_fails, nobody),
		cmocka_unit_test_setup(the_agent_hears_begin_and_end, an_agent),
		cmocka_unit_test_setup(whatever_is_said_an_agent_can_read_it, an_agent),
		cmocka_unit_test_setup(threads_have_their_own, an_agent),
		cmocka_unit_test_setup(a_number_that_was_closed_is_left_alone, an_agent),
		cmocka_unit_test_setup(an_agent_that_has_gone_or_has_no_time_harms_nobody,
				       an_agent),
		cmocka_unit_test_setup(standard_output_is_never_the_agent, an_agent),
	};

	return cmocka_run_group_tests(tests, open_place, close_place);
}
