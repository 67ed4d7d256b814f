/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.c - the agent's socket for programs of the guest
 *
 * Runs in: hylics-agent
 * Reads from: any program of the guest (hostile)
 *
 * A client that sends what is not a packet of ours is closed. One that does not read its answers
 * is closed too: an answer is sent without waiting, and there is always room for one. A user who
 * has his share of the places gets no more; when all are taken, the next client waits.
 */
#include "hylics-agent/local.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "common/unixsock.h"

static const struct ev_class listener_class;

static int answer_status(struct agent_local *l, struct request *r)
{
	struct local_status s = { 0 };

	if (r->len != LOCAL_HEADER_LEN)
		return request_refuse(r, EPROTO, "a status request is bare");
	l->status(l->object, &s);
	return (int)local_encode_status(r->head.id, &s, r->answer);
}

static int answer(struct agent_local *l, struct request *r)
{
	switch (r->head.type) {
	case LOCAL_JOIN:
	case LOCAL_MOVE:
	case LOCAL_TAKE_BACK:
		return join_request(l->agent, r);
	case LOCAL_ASK_WHY:
		return r->fds->n ? -EPROTO : why_request(l->agent, r);
	case LOCAL_MODULE_START:
	case LOCAL_MODULE_STOP:
	case LOCAL_ASK_MODULE:
		return r->fds->n ? -EPROTO : modules_request(l->agent, r);
	case LOCAL_WHO:
	case LOCAL_OPTION:
	case LOCAL_OPTION_ASK:
		return options_request(l->agent, r);
	case LOCAL_CAST:
		return casts_request(l->agent, r);
	case LOCAL_JOB_BEGIN:
		return r->fds->n ? -EPROTO : jobs_request(l->agent, r);
	case LOCAL_ASK_STATUS:
		return r->fds->n ? -EPROTO : answer_status(l, r);
	default:
		return r->fds->n ? -EPROTO :
		       request_refuse(r, ENOSYS, "this agent does not know the request");
	}
}

static struct agent_client *client_of(struct agent_local *l, int fd)
{
	unsigned int i = 0;

	while (l->clients[i].fd != fd)
		i++;
	return &l->clients[i];
}

static void forget_client(struct agent_local *l, int fd)
{
	struct agent_client *client = client_of(l, fd);

	if (l->n_clients == HY_LOCAL_CLIENTS_MAX)
		(void)ev_mod(l->loop, l->listener, EPOLLIN);
	join_leave(l->agent, client->program);
	options_client_gone(l->agent, fd);
	*client = l->clients[--l->n_clients];
	ev_del(l->loop, fd);
}

/* Its place is another client's from here on. Who does not read the answer has gone, or will be. */
static int become_job(struct agent_local *l, const struct request *r, size_t len)
{
	forget_client(l, r->client);
	if (jobs_watch(r->job, r->client) == 0)
		(void)hy_fds_send(r->client, r->answer, len, NULL, MSG_DONTWAIT);
	return 0;
}

/* It is answered when the host has said something. */
static int become_cast(struct agent_local *l, const struct request *r)
{
	forget_client(l, r->client);
	casts_watch(r->cast, r->client);
	return 0;
}

static int client_handle(void *object, int fd, uint32_t events)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	struct agent_local *l = object;
	uint8_t in[LOCAL_PACKET_MAX], out[LOCAL_PACKET_MAX];
	struct agent_client *client = client_of(l, fd);
	struct request r = { .packet = in, .answer = out, .fds = &fds, .pid = client->pid,
			     .user = client->user, .client = fd,
			     .program = &client->program };
	ssize_t n = hy_fds_recv(fd, in, sizeof(in), &fds, 2, MSG_DONTWAIT);
	int len;

	(void)events;
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	if (local_decode_header(in, (size_t)n, &r.head) < 0)
		return -EPROTO;
	r.len = (size_t)n;
	len = answer(l, &r);
	if (r.cast)
		return become_cast(l, &r);
	if (len <= 0)
		return len;
	if (r.job)
		return become_job(l, &r, (size_t)len);
	n = hy_fds_send(fd, out, (size_t)len, &r.answer_fds, MSG_DONTWAIT);
	join_answered(l->agent, &r, n >= 0);
	return n < 0 ? (int)n : 0;
}

/* Who the kernel says it is; may he have another place? */
/* syscalls: getsockopt */
static bool may_come_in(const struct agent_local *l, int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);
	unsigned int n = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) < 0)
		return false;
	for (unsigned int i = 0; i < l->n_clients; i++)
		n += l->clients[i].user == peer->uid;
	return n < HY_LOCAL_CLIENTS_PER_USER_MAX;
}

static void client_drop(void *object, int fd, int rc)
{
	struct agent_local *l = object;

	if (rc == -EPROTO)
		hy_log_limited(l->log, &l->rate, HY_LOG_WARN,
			       "a local client sent what is no request of ours");
	forget_client(l, fd);
	hy_fd_close(&fd);
}

static const struct ev_class client_class = { "local client", client_handle, client_drop };

/* syscalls: accept4 */
static int listener_handle(void *object, int fd, uint32_t events)
{
	struct agent_local *l = object;
	hy_autofd client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct hy_err e;
	struct ucred peer;

	(void)events;
	if (client < 0) {
		if (ev_rest(l->loop, &l->rest, fd, errno))
			hy_log_limited(l->log, &l->rate, HY_LOG_WARN,
				       "no room for another local client");
		return 0;
	}
	if (!may_come_in(l, client, &peer)) {
		hy_log_limited(l->log, &l->rate, HY_LOG_WARN,
			       "a local user has all places he may have, %d",
			       HY_LOCAL_CLIENTS_PER_USER_MAX);
		return 0;
	}
	if (ev_add(l->loop, client, &client_class, l, EPOLLIN, &e) < 0) {
		hy_log_limited(l->log, &l->rate, HY_LOG_WARN, "%s", e.text);
		return 0;
	}
	l->clients[l->n_clients++] = (struct agent_client){ .fd = hy_fd_steal(&client),
							     .user = peer.uid, .pid = peer.pid };
	if (l->n_clients == HY_LOCAL_CLIENTS_MAX)
		(void)ev_mod(l->loop, fd, 0);	/* the others wait their turn */
	return 0;
}

static void listener_drop(void *object, int fd, int rc)
{
	struct agent_local *l = object;

	(void)rc;
	ev_del(l->loop, fd);
}

static const struct ev_class listener_class = { "local listener", listener_handle, listener_drop };

int local_open(struct agent_local *l, struct hy_err *e)
{
	int rc;

	/* every user of the guest may ask */
	hy_autofd fd = hy_unix_listen(l->path, SOCK_SEQPACKET, 0666, HY_LOCAL_BACKLOG, e);
	if (fd < 0)
		return hy_err_add(e, "agent");
	rc = ev_add(l->loop, fd, &listener_class, l, EPOLLIN, e);
	if (rc < 0)
		return rc;
	l->listener = hy_fd_steal(&fd);
	return 0;
}

/* syscalls: unlink */
void local_close(struct agent_local *l)
{
	ev_rest_cancel(&l->rest);
	ev_del(l->loop, l->listener);
	hy_fd_close(&l->listener);
	unlink(l->path);
}
