/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trial.c - what a plain byte and a move cost this machine, tried once when the agent starts
 *
 * Runs in: hylics-agent, in the holder
 * Reads from: no untrusted input; who connects in between ends the trial
 */
#include "hylics-agent/trial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/own.h"
#include "tcpmove/discard.h"
#include "tcpmove/image.h"

#define PIECE (256u << 10)		/* of one call: less than a send buffer takes */

struct ends {
	int listener, near, far, file;
	uint64_t cpu_end_ns, end_ms;	/* when this half, and all of it, has taken long enough */
};

static void begin_half(struct ends *x)
{
	x->cpu_end_ns = hy_clock_cpu_ns() + (uint64_t)HY_TRIAL_CPU_MS * HY_NS_PER_MS / 2;
}

static bool is_over(const struct ends *x)
{
	return hy_clock_cpu_ns() >= x->cpu_end_ns || hy_clock_ms() >= x->end_ms;
}

static bool is_ready(const struct ends *x, int fd, short events)
{
	uint64_t now_ms = hy_clock_ms();
	struct pollfd p = { .fd = fd, .events = events };

	return now_ms < x->end_ms && poll(&p, 1, (int)(x->end_ms - now_ms)) == 1;
}

/* The two ends of one connection: somebody else may have been quicker to connect. */
static bool belong_together(const struct ends *x)
{
	struct sockaddr_in mine = { 0 }, its = { 0 };
	socklen_t mine_len = sizeof(mine), its_len = sizeof(its);

	return getsockname(x->near, (struct sockaddr *)&mine, &mine_len) == 0 &&
	       getpeername(x->far, (struct sockaddr *)&its, &its_len) == 0 &&
	       mine.sin_port == its.sin_port && mine.sin_addr.s_addr == its.sin_addr.s_addr;
}

/* Closing is by a reset, which leaves nothing behind. */
static int connect_ends(struct ends *x, struct hy_err *e)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);

	x->listener = socket(AF_INET, type, 0);
	x->near = socket(AF_INET, type, 0);
	if (x->listener < 0 || x->near < 0 ||
	    setsockopt(x->near, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	    bind(x->listener, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(x->listener, 1) < 0 ||
	    getsockname(x->listener, (struct sockaddr *)&to, &len) < 0)
		return hy_err_set(e, errno, "loopback");
	if (connect(x->near, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return hy_err_set(e, errno, "loopback: connect");
	if (!is_ready(x, x->listener, POLLIN))
		return hy_err_set(e, ETIMEDOUT, "loopback: connect");
	x->far = accept4(x->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (x->far < 0 || !belong_together(x))
		return hy_err_set(e, x->far < 0 ? errno : EBUSY, "loopback: accept");
	return 0;
}

static int make_file(struct ends *x, struct hy_err *e)
{
	x->file = memfd_create("hylics-trial", MFD_CLOEXEC);
	if (x->file < 0 || fallocate(x->file, 0, 0, PIECE) < 0)
		return hy_err_set(e, errno, "a file to send");
	return 0;
}

static int send_plain(struct ends *x, struct trial *t, struct hy_err *e)
{
	begin_half(x);
	while (t->bytes < HY_TRIAL_BYTES && !is_over(x)) {
		uint64_t began_ns = hy_clock_cpu_ns();
		off_t offset = 0;
		ssize_t n = sendfile(x->far, x->file, &offset, PIECE);

		t->plain_ns += hy_clock_cpu_ns() - began_ns;
		if (n < 0 && errno == EAGAIN && is_ready(x, x->near, POLLIN))
			n = 0;
		if (n < 0)
			return hy_err_set(e, errno, "loopback: send");
		t->bytes += (uint64_t)n;
		/* by the kernel: no reader's copying is in it */
		(void)tcp_discard(x->near, HY_TRIAL_BYTES);
	}
	return 0;
}

static int take_out(int sock, struct tcp_image *img, struct trial *t, struct hy_err *e)
{
	uint64_t began_ns = hy_clock_cpu_ns();
	int rc = tcp_freeze(sock, e);

	if (rc == 0)
		rc = tcp_dump(sock, img, e);
	if (rc == 0)
		rc = tcp_silence(sock, e);
	t->move_ns += hy_clock_cpu_ns() - began_ns;
	return rc;
}

static int move(struct ends *x, struct trial *t, struct hy_err *e)
{
	uint8_t bytes[4096];
	struct tcp_image img = { .bytes = bytes, .room = sizeof(bytes) };
	int rc = 0;

	begin_half(x);
	for (unsigned int i = 0; i < HY_TRIAL_MOVES && rc == 0 && !is_over(x); i++) {
		rc = take_out(x->far, &img, t, e);
		if (rc == 0)
			rc = tcp_rebuild(x->far, &img, e);
		if (rc == 0)
			rc = tcp_live(x->far, &img, e);
		t->moves += rc == 0;
	}
	return rc;
}

/* Frozen as the agent will do it: else a move would look dearer than it is. */
static int move_as_agents_do(struct ends *x, struct trial *t, struct hy_err *e)
{
	hy_autofd freezer = tcp_freeze_load();
	int rc;

	tcp_freeze_use(freezer);
	rc = move(x, t, e);
	tcp_freeze_use(-1);
	return rc;
}

int trial_run(struct trial *t, struct hy_err *e)
{
	struct ends x = { .listener = -1, .near = -1, .far = -1, .file = -1 };
	int rc;

	*t = (struct trial){ 0 };
	x.end_ms = hy_clock_ms() + HY_TRIAL_WAIT_MS;
	rc = connect_ends(&x, e);
	if (rc == 0)
		rc = make_file(&x, e);
	if (rc == 0)
		rc = send_plain(&x, t, e);
	if (rc == 0)
		rc = move_as_agents_do(&x, t, e);
	hy_fd_close(&x.listener);
	hy_fd_close(&x.near);
	if (rc < 0)
		tcp_vanish(&x.far);
	hy_fd_close(&x.far);
	hy_fd_close(&x.file);
	return rc;
}
