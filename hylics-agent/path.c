/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.c - the way a connection takes in the guest: straight through a NIC, as it is, or not
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (rtnetlink, ctnetlink)
 *
 * What is asked here is answered before the request has returned, so that nothing waits.
 */
#include "hylics-agent/path.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/own.h"
#include "tcpmove/sockopt.h"

#define ORIGINAL_DST 80		/* SO_, IP6T_SO_ORIGINAL_DST; their headers clash with libc's */
#define REQUEST_MAX 512
#define ANSWER_MAX 8192
#define DUMP_MAX 32768		/* the kernel cuts a dump into pieces of at most this */
#define IP4_BITS 32
#define IP6_BITS 128

/* A request that is being written; attributes that do not fit would be a mistake of ours. */
struct request {
	struct nlmsghdr head;
	uint8_t body[REQUEST_MAX];
};

union reply {
	struct nlmsghdr head;
	uint8_t bytes[ANSWER_MAX];
};

/* -- requests -- */

static struct request *begin(struct request *q, uint16_t type, uint16_t flags, const void *family,
			     size_t len)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = NLM_F_REQUEST | flags;
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	memcpy(q->body, family, len);
	return q;
}

/* Return: where the attribute stands, for end_nest() */
static struct rtattr *put(struct request *q, uint16_t type, const void *value, size_t len)
{
	size_t at = NLMSG_ALIGN(q->head.nlmsg_len) - sizeof(q->head);
	struct rtattr *attr = (struct rtattr *)(void *)&q->body[at];

	attr->rta_type = type;
	attr->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), value, len);
	q->head.nlmsg_len = (uint32_t)(sizeof(q->head) + at + RTA_ALIGN(attr->rta_len));
	return attr;
}

static void end_nest(const struct request *q, struct rtattr *nest)
{
	nest->rta_type |= NLA_F_NESTED;
	nest->rta_len = (uint16_t)((const uint8_t *)q + q->head.nlmsg_len - (uint8_t *)nest);
}

/* syscalls: sendto */
static int request(struct path *p, int fd, struct request *q)
{
	q->head.nlmsg_seq = ++p->seq;
	return send(fd, q, q->head.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* One datagram of the answer; what is left of an earlier one is passed over. */
/* Return: its length, -errno */
/* syscalls: recvfrom */
static ssize_t answer(const struct path *p, int fd, struct nlmsghdr *m, size_t room)
{
	ssize_t n;

	do
		n = recv(fd, m, room, MSG_DONTWAIT);
	while (n >= (ssize_t)sizeof(*m) && m->nlmsg_seq != p->seq);
	return n < 0 ? -errno : n;
}

static const struct rtattr *find(const void *at, int len, uint16_t type)
{
	const struct rtattr *attr = at;

	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == type)
			return attr;
	}
	return NULL;
}

/* The attributes behind a message's own header. */
static const struct rtattr *find_in(const struct nlmsghdr *m, size_t header, uint16_t type)
{
	int len = (int)m->nlmsg_len - (int)NLMSG_SPACE(header);

	return find((const uint8_t *)m + NLMSG_SPACE(header), len, type);
}

static uint32_t number_of(const struct rtattr *attr)
{
	uint32_t n = 0;

	if (attr && RTA_PAYLOAD(attr) >= sizeof(n))
		memcpy(&n, RTA_DATA(attr), sizeof(n));
	return n;
}

/* The only message of an answer. Return: 0, -errno: the kernel's own if it refused */
static int only_answer(const struct path *p, int fd, struct nlmsghdr *m, size_t room)
{
	ssize_t n = answer(p, fd, m, room);

	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(m, (size_t)n))
		return -EPROTO;
	if (m->nlmsg_type != NLMSG_ERROR)
		return 0;
	return m->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)) ?
		       -EPROTO : ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
}

/* -- interfaces -- */

/* Kinds that let frames through as they are; what is no kind of interface at all is a NIC. */
static bool leaves_alone(const char *kind, size_t len)
{
	static const char *const plain[] = { "bridge", "bond", "team", "macvlan", "macvtap",
					     "ipvlan", "ipvtap", "tun", "veth" };

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (len == strlen(plain[i]) + 1 && memcmp(kind, plain[i], len) == 0)
			return true;
	}
	return false;
}

static bool is_wrapping(const struct nlmsghdr *m)
{
	const struct rtattr *info = find_in(m, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	const struct rtattr *kind =
		info ? find(RTA_DATA(info), (int)RTA_PAYLOAD(info), IFLA_INFO_KIND) : NULL;

	return kind && !leaves_alone(RTA_DATA(kind), RTA_PAYLOAD(kind));
}

static void add(struct wrapped *w, unsigned int index)
{
	if (w->n == HY_WRAPPED_LINKS_MAX)
		w->all = true;
	else
		w->index[w->n++] = index;
}

static void take_link(struct wrapped *w, const struct nlmsghdr *m)
{
	uint32_t master = number_of(find_in(m, sizeof(struct ifinfomsg), IFLA_MASTER));

	if (!is_wrapping(m))
		return;
	add(w, (unsigned int)((const struct ifinfomsg *)NLMSG_DATA(m))->ifi_index);
	if (master)
		add(w, master);
}

/* Return: whether more of the dump follows */
static bool take_links(struct wrapped *w, const struct nlmsghdr *m, size_t len)
{
	for (; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return false;
		if (m->nlmsg_type == RTM_NEWLINK &&
		    m->nlmsg_len >= NLMSG_SPACE(sizeof(struct ifinfomsg)))
			take_link(w, m);
		else
			w->all = true;
	}
	return true;
}

void path_wrapped(struct path *p, struct wrapped *w)
{
	const struct ifinfomsg family = { .ifi_family = AF_UNSPEC };
	const uint32_t no_counters = RTEXT_FILTER_SKIP_STATS;
	hy_autofree void *bytes = malloc(DUMP_MAX);
	struct request q;
	ssize_t n = -ENOMEM;

	*w = (struct wrapped){ 0 };
	begin(&q, RTM_GETLINK, NLM_F_DUMP, &family, sizeof(family));
	put(&q, IFLA_EXT_MASK, &no_counters, sizeof(no_counters));
	if (bytes && request(p, p->route, &q) == 0) {
		do
			n = answer(p, p->route, bytes, DUMP_MAX);
		while (n > 0 && take_links(w, bytes, (size_t)n));
	}
	if (n <= 0)
		w->all = true;
}

bool path_wraps(const struct wrapped *w, unsigned int index)
{
	for (unsigned int i = 0; i < w->n; i++) {
		if (w->index[i] == index)
			return true;
	}
	return w->all;
}

/* -- the route -- */

static void put_address(struct request *q, uint16_t type, const struct tcp_record *rec,
			const struct tcp_end *end)
{
	put(q, type, end->addr, rec->family == AF_INET ? IP4_BITS / 8 : IP6_BITS / 8);
}

static void put_port(struct request *q, uint16_t type, const struct tcp_end *end)
{
	uint16_t port = htons(end->port);

	put(q, type, &port, sizeof(port));
}

static void put_option(struct request *q, uint16_t type, int sock, int opt)
{
	int value = 0;

	sockopt_get(sock, SOL_SOCKET, opt, &value);
	if (value)
		put(q, type, &value, sizeof(value));
}

/* Whether its frames leave by this interface, and are not the guest's own. */
static bool leaves_by(struct path *p, int sock, uint8_t protocol, const struct tcp_record *rec,
		      unsigned int index)
{
	const uint8_t bits = rec->family == AF_INET ? IP4_BITS : IP6_BITS;
	const struct rtmsg family = { .rtm_family = rec->family, .rtm_dst_len = bits,
				      .rtm_src_len = bits };
	union reply a;
	struct request q;

	begin(&q, RTM_GETROUTE, 0, &family, sizeof(family));
	put_address(&q, RTA_DST, rec, &rec->remote);
	put_address(&q, RTA_SRC, rec, &rec->local);
	put(&q, RTA_IP_PROTO, &protocol, sizeof(protocol));
	put_port(&q, RTA_SPORT, &rec->local);
	put_port(&q, RTA_DPORT, &rec->remote);
	put_option(&q, RTA_MARK, sock, SO_MARK);
	put_option(&q, RTA_OIF, sock, SO_BINDTOIFINDEX);
	if (request(p, p->route, &q) < 0 || only_answer(p, p->route, &a.head, sizeof(a)) < 0 ||
	    a.head.nlmsg_len < NLMSG_SPACE(sizeof(struct rtmsg)))
		return false;
	return ((const struct rtmsg *)NLMSG_DATA(&a.head))->rtm_type == RTN_UNICAST &&
	       number_of(find_in(&a.head, sizeof(struct rtmsg), RTA_OIF)) == index;
}

/* -- translation -- */

/*
 * A UDP socket does not tell. But where the kernel has nothing that tracks, nothing is asked which
 * would make it load that.
 */
/* syscalls: getsockopt, newfstatat */
static bool is_tracked(int sock, uint8_t protocol, uint8_t family)
{
	struct sockaddr_storage ss;
	struct stat st;
	bool ip4 = family == AF_INET;
	socklen_t len = ip4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	if (protocol == IPPROTO_UDP)
		return stat("/proc/sys/net/netfilter/nf_conntrack_max", &st) == 0;
	return getsockopt(sock, ip4 ? SOL_IP : SOL_IPV6, ORIGINAL_DST, &ss, &len) == 0;
}

static void put_tuple(struct request *q, uint8_t protocol, const struct tcp_record *rec)
{
	bool ip4 = rec->family == AF_INET;
	struct rtattr *tuple = put(q, CTA_TUPLE_ORIG, NULL, 0), *nest;

	nest = put(q, CTA_TUPLE_IP, NULL, 0);
	put_address(q, ip4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, rec, &rec->local);
	put_address(q, ip4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, rec, &rec->remote);
	end_nest(q, nest);
	nest = put(q, CTA_TUPLE_PROTO, NULL, 0);
	put(q, CTA_PROTO_NUM, &protocol, sizeof(protocol));
	put_port(q, CTA_PROTO_SRC_PORT, &rec->local);
	put_port(q, CTA_PROTO_DST_PORT, &rec->remote);
	end_nest(q, nest);
	end_nest(q, tuple);
}

/*
 * Opened when it is needed: both this and the first request make the kernel load modules. Where it
 * has none it would look for them each time.
 */
/* syscalls: socket(AF_NETLINK, SOCK_RAW/0xf, 12) */
static int open_tracked(struct path *p)
{
	if (p->cannot_ask)
		return -EOPNOTSUPP;
	if (p->tracked < 0)
		p->tracked = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    NETLINK_NETFILTER);
	return p->tracked < 0 ? -errno : 0;
}

/* Return: 0, with its answer in @m, or -errno */
static int ask_tracked(struct path *p, struct request *q, struct nlmsghdr *m, size_t room)
{
	int rc = open_tracked(p);

	if (rc == 0)
		rc = request(p, p->tracked, q);
	if (rc == 0)
		rc = only_answer(p, p->tracked, m, room);
	if (rc < 0 && rc != -ENOENT)
		p->cannot_ask = true;
	return rc;
}

static void begin_tracked(struct request *q, enum cntl_msg_types type, uint16_t flags,
			  uint8_t protocol, const struct tcp_record *rec)
{
	const struct nfgenmsg family = { .nfgen_family = rec->family, .version = NFNETLINK_V0 };

	begin(q, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, &family, sizeof(family));
	put_tuple(q, protocol, rec);
}

/* Return: 1 if the guest translates it, 0 if not, -errno; -ENOENT: it is not tracked any more */
static int is_translated(struct path *p, uint8_t protocol, const struct tcp_record *rec,
			 union reply *a)
{
	const struct rtattr *status;
	struct request q;
	int rc;

	begin_tracked(&q, IPCTNL_MSG_CT_GET, 0, protocol, rec);
	rc = ask_tracked(p, &q, &a->head, sizeof(*a));
	if (rc < 0)
		return rc;
	status = find_in(&a->head, sizeof(struct nfgenmsg), CTA_STATUS);
	return !status || (ntohl(number_of(status)) & IPS_NAT_MASK);
}

/*
 * The guest sees nothing of it while it is away. When it comes home its numbers have gone far
 * beyond what they were, and a guest that drops what is "invalid" would drop all of it.
 */
static int allow_leap(struct path *p, const struct tcp_record *rec, union reply *a)
{
	const struct nf_ct_tcp_flags liberal = { .flags = IP_CT_TCP_FLAG_BE_LIBERAL,
						 .mask = IP_CT_TCP_FLAG_BE_LIBERAL };
	struct rtattr *info, *tcp;
	struct request q;

	begin_tracked(&q, IPCTNL_MSG_CT_NEW, NLM_F_ACK, IPPROTO_TCP, rec);
	info = put(&q, CTA_PROTOINFO, NULL, 0);
	tcp = put(&q, CTA_PROTOINFO_TCP, NULL, 0);
	put(&q, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &liberal, sizeof(liberal));
	put(&q, CTA_PROTOINFO_TCP_FLAGS_REPLY, &liberal, sizeof(liberal));
	end_nest(&q, tcp);
	end_nest(&q, info);
	return ask_tracked(p, &q, &a->head, sizeof(*a));
}

/* Whoever tracks a connection and cannot be asked about it may well translate it. */
static bool is_in_the_way(struct path *p, uint8_t protocol, const struct tcp_record *rec)
{
	union reply a;
	int rc;

	a.head = (struct nlmsghdr){ 0 };
	rc = is_translated(p, protocol, rec, &a);
	if (rc == 0 && protocol == IPPROTO_TCP)
		rc = allow_leap(p, rec, &a);
	return rc != 0 && rc != -ENOENT;
}

/* -- all of it -- */

int path_open(struct path *p, struct hy_err *e)
{
	*p = (struct path){ .tracked = -1 };
	p->route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	return p->route < 0 ? hy_err_set(e, errno, "routes: netlink") : 0;
}

void path_close(struct path *p)
{
	hy_fd_close(&p->route);
	hy_fd_close(&p->tracked);
}

enum move_reason path_refusal(struct path *p, int sock, uint8_t protocol,
			      const struct tcp_record *rec, unsigned int index)
{
	if (!leaves_by(p, sock, protocol, rec, index))
		return MOVE_NO_TWIN;
	return is_tracked(sock, protocol, rec->family) && is_in_the_way(p, protocol, rec) ?
		MOVE_GUEST_NAT : MOVE_DONE;
}
