/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.c - what a twin has at a TCP port
 *
 * Runs in: the keeper (host, root); a module's warden
 * Reads from: the kernel's answers
 */
#include "twin/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/own.h"
#include "twin/netlink.h"

#define ALL_STATES UINT32_MAX
#define RESETS_AT_ONCE 256		/* then the kernel is asked again */
#define ROUNDS_MAX 256			/* clients who connect meanwhile hold nobody up */
#define REQUEST_ROOM 256

struct found {
	struct inet_diag_sockid id;
	uint8_t family;
};

struct look {
	const struct splice_present *present;
	struct twin_port port;
	struct found *found;		/* NULL: they are only counted */
	unsigned int n_found;
};

/* As the worker sees a client, who does not know of IPv4 in IPv6. */
static struct splice_addr remote_of(const struct inet_diag_msg *msg)
{
	struct splice_addr a = { .family = msg->idiag_family };
	bool mapped = a.family == AF_INET6 && !msg->id.idiag_dst[0] && !msg->id.idiag_dst[1] &&
		      msg->id.idiag_dst[2] == htonl(0xffff);

	memcpy(a.word, msg->id.idiag_dst, sizeof(a.word));
	if (mapped) {
		a.family = AF_INET;
		a.word[0] = a.word[3];
	}
	if (a.family == AF_INET)
		a.word[1] = a.word[2] = a.word[3] = 0;
	return a;
}

/* One the guest had at that port before: the worker's, moved here. */
static bool is_workers(const struct splice_present *p, const struct inet_diag_msg *msg)
{
	const struct splice_addr remote = remote_of(msg);
	uint32_t bit = splice_present_bit(&remote, msg->id.idiag_dport, msg->id.idiag_sport);

	return p->kept && (p->word[bit / 64] >> bit % 64 & 1);
}

static int take_one(const struct nlmsghdr *nlh, void *object)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct look *look = object;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return MNL_CB_OK;
	if (msg->idiag_state == TCP_LISTEN) {
		look->port.listens = true;
	} else if (msg->idiag_state == TCP_TIME_WAIT) {
		look->port.remains++;
	} else if (!is_workers(look->present, msg)) {
		look->port.connections++;
		if (look->found && look->n_found < RESETS_AT_ONCE)
			look->found[look->n_found++] = (struct found){ msg->id,
								       msg->idiag_family };
	}
	return MNL_CB_OK;
}

static struct inet_diag_req_v2 *put_request(char *buf, uint16_t type, uint16_t flags,
					    uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = ALL_STATES;
	return req;
}

static int ask(int fd, uint16_t port, struct look *look)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	char buf[REQUEST_ROOM];
	int rc = 0;

	for (unsigned int i = 0; i < sizeof(families) && rc == 0; i++) {
		put_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, families[i])->id.idiag_sport =
			htons(port);
		rc = netlink_ask(fd, (struct nlmsghdr *)buf, take_one, look);
	}
	return rc;
}

int twin_port_look(const struct twin_desk *d, uint16_t port, struct twin_port *p, struct hy_err *e)
{
	struct look look = { .present = d->present };
	int rc = ask(d->fd, port, &look);

	if (rc < 0)
		return hy_err_set(e, -rc, "twin: look at port %u", port);
	*p = look.port;
	return 0;
}

/* One that ended by itself meanwhile is as good. */
static int reset_one(int fd, const struct found *found)
{
	char buf[REQUEST_ROOM];
	int rc;

	put_request(buf, SOCK_DESTROY, NLM_F_ACK, found->family)->id = found->id;
	rc = netlink_ask(fd, (struct nlmsghdr *)buf, NULL, NULL);
	return rc == -ENOENT ? 0 : rc;
}

static int reset_some(int fd, const struct look *look)
{
	int rc = 0;

	for (unsigned int i = 0; i < look->n_found && rc == 0; i++)
		rc = reset_one(fd, &look->found[i]);
	return rc;
}

/* Return: how many, -errno */
static int reset_all(const struct twin_desk *d, uint16_t port, struct found *found)
{
	unsigned int n = RESETS_AT_ONCE;
	int sum = 0, rc = 0;

	for (int round = 0; n == RESETS_AT_ONCE && rc == 0 && round < ROUNDS_MAX; round++) {
		struct look look = { .present = d->present, .found = found };

		rc = ask(d->fd, port, &look);
		if (rc == 0)
			rc = reset_some(d->fd, &look);
		n = look.n_found;
		sum += (int)n;
	}
	return rc < 0 ? rc : sum;
}

int twin_port_reset(const struct twin_desk *d, uint16_t port, struct hy_err *e)
{
	hy_autofree struct found *found = calloc(RESETS_AT_ONCE, sizeof(*found));
	int rc = found ? reset_all(d, port, found) : -ENOMEM;

	return rc < 0 ? hy_err_set(e, -rc, "twin: reset what is open at port %u", port) : rc;
}

/* -- desks -- */

int twin_desk_map(const struct twin *t, struct twin_desk *d, struct hy_err *e)
{
	void *at = mmap(NULL, sizeof(*d->present), PROT_READ, MAP_SHARED, t->present, 0);

	*d = (struct twin_desk){ .fd = -1 };
	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "twin: map of its connections");
	d->present = at;
	return 0;
}

int twin_desk_inside(struct twin_desk *d, struct hy_err *e)
{
	d->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	return d->fd < 0 ? hy_err_set(e, errno, "twin: socket to look at ports") : 0;
}

int twin_desk_open(const struct twin *t, struct twin_desk *d, struct hy_err *e)
{
	int rc = twin_desk_map(t, d, e);

	if (rc < 0)
		return rc;
	d->fd = space_socket(&t->space, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	if (d->fd >= 0)
		return 0;
	rc = hy_err_set(e, -d->fd, "twin: socket to look at ports");
	twin_desk_close(d);
	return rc;
}

void twin_desk_close(struct twin_desk *d)
{
	hy_fd_close(&d->fd);
	if (d->present)
		munmap((void *)(uintptr_t)d->present, sizeof(*d->present));
	d->present = NULL;
}
