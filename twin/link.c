/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.c - interfaces, addresses and routes over netlink, one request and its answer at a time
 *
 * Runs in: the keeper (host, root)
 * Reads from: the kernel's answers
 */
#include "twin/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"
#include "twin/netlink.h"

#define ETHER_BYTES 6
#define LIST_STEP 64
#define LIST_TRIES 10

static uint32_t last_seq;		/* of requests; one thread asks, one at a time */

/* -- one request, its answers -- */

static struct nlmsghdr *begin(char *buf, uint16_t type, uint16_t flags, size_t extra, void **head)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = ++last_seq;
	*head = mnl_nlmsg_put_extra_header(nlh, extra);
	return nlh;
}

static int change(int fd, struct nlmsghdr *nlh)
{
	nlh->nlmsg_flags |= NLM_F_ACK;
	return netlink_ask(fd, nlh, NULL, NULL);
}

/* -- interfaces: reading -- */

static int take_kind(const struct nlattr *attr, void *data)
{
	struct link_info *info = data;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		snprintf(info->kind, sizeof(info->kind), "%.*s", mnl_attr_get_payload_len(attr),
			 mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int take_attr(const struct nlattr *attr, void *data)
{
	struct link_info *info = data;
	int len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(info->name, sizeof(info->name), "%.*s", len, mnl_attr_get_str(attr));
		break;
	case IFLA_IFALIAS:
		snprintf(info->alias, sizeof(info->alias), "%.*s", len, mnl_attr_get_str(attr));
		break;
	case IFLA_MTU:
		info->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK:
		info->peer = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINKINFO:
		mnl_attr_parse_nested(attr, take_kind, info);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void read_link(const struct nlmsghdr *nlh, struct link_info *info)
{
	const struct ifinfomsg *ifm = mnl_nlmsg_get_payload(nlh);

	*info = (struct link_info){ .index = (unsigned int)ifm->ifi_index, .type = ifm->ifi_type };
	mnl_attr_parse(nlh, sizeof(*ifm), take_attr, info);
}

static int take_link(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == RTM_NEWLINK)
		read_link(nlh, data);
	return MNL_CB_STOP;
}

int link_by_name(int fd, const char *name, struct link_info *info, struct hy_err *e)
{
	char buf[256];
	struct link_info got = { 0 };
	void *head;
	struct nlmsghdr *nlh = begin(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &head);
	int rc;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	rc = netlink_ask(fd, nlh, take_link, &got);
	if (rc < 0)
		return hy_err_set(e, -rc, "interface '%s'", name);
	*info = got;
	return 0;
}

int link_by_index(int fd, unsigned int index, struct link_info *info, struct hy_err *e)
{
	char buf[256];
	struct ifinfomsg *ifm;
	struct link_info got = { 0 };
	void *head;
	struct nlmsghdr *nlh = begin(buf, RTM_GETLINK, 0, sizeof(*ifm), &head);
	int rc;

	ifm = head;
	ifm->ifi_index = (int)index;
	rc = netlink_ask(fd, nlh, take_link, &got);
	if (rc < 0)
		return hy_err_set(e, -rc, "interface %u", index);
	*info = got;
	return 0;
}

static int add_link(const struct nlmsghdr *nlh, void *data)
{
	struct link_list *list = data;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (list->n == list->room) {
		size_t room = list->room + LIST_STEP;
		struct link_info *more = realloc(list->info, room * sizeof(*more));

		if (!more)
			return MNL_CB_ERROR;
		list->info = more;
		list->room = (unsigned int)room;
	}
	read_link(nlh, &list->info[list->n++]);
	return MNL_CB_OK;
}

int link_all(int fd, struct link_list *list, struct hy_err *e)
{
	char buf[256];
	void *head;
	struct link_list got = { 0 };
	int rc = -EINTR;

	/* an interface that comes or goes meanwhile makes a list that is not whole */
	for (int tries = 0; rc == -EINTR && tries < LIST_TRIES; tries++) {
		got.n = 0;
		rc = netlink_ask(fd, begin(buf, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg),
					   &head), add_link, &got);
	}
	if (rc < 0) {
		link_list_free(&got);
		return hy_err_set(e, -rc, "list of interfaces");
	}
	*list = got;
	return 0;
}

void link_list_free(struct link_list *list)
{
	free(list->info);
	*list = (struct link_list){ 0 };
}

/* -- routes: reading -- */

struct default_search {
	unsigned int index;
	bool found;
};

static int take_oif(const struct nlattr *attr, void *data)
{
	struct default_search *s = data;

	if (mnl_attr_get_type(attr) == RTA_OIF && mnl_attr_get_u32(attr) == s->index)
		s->found = true;
	return MNL_CB_OK;
}

static int take_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWROUTE && rtm->rtm_dst_len == 0 &&
	    rtm->rtm_table == RT_TABLE_MAIN && rtm->rtm_type == RTN_UNICAST)
		mnl_attr_parse(nlh, sizeof(*rtm), take_oif, data);
	return MNL_CB_OK;
}

int link_carries_default(int fd, unsigned int index, bool *carries, struct hy_err *e)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };
	struct default_search s = { .index = index };
	char buf[256];
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < 2; i++) {
		void *head;
		struct nlmsghdr *nlh = begin(buf, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg),
					     &head);

		((struct rtmsg *)head)->rtm_family = families[i];
		rc = netlink_ask(fd, nlh, take_route, &s);
		if (rc == -EINTR)
			rc = 0;		/* a route came or went meanwhile */
	}
	if (rc < 0)
		return hy_err_set(e, -rc, "routes");
	*carries = s.found;
	return 0;
}

/* -- the other namespace's number -- */

static int take_nsid_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == NETNSA_NSID)
		*(int32_t *)data = (int32_t)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int take_nsid(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == RTM_NEWNSID)
		mnl_attr_parse(nlh, sizeof(struct rtgenmsg), take_nsid_attr, data);
	return MNL_CB_STOP;
}

static int get_nsid(int fd, int netns, int32_t *id)
{
	char buf[256];
	void *head;
	struct nlmsghdr *nlh = begin(buf, RTM_GETNSID, 0, sizeof(struct rtgenmsg), &head);

	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)netns);
	*id = NETNSA_NSID_NOT_ASSIGNED;
	return netlink_ask(fd, nlh, take_nsid, id);
}

static int give_nsid(int fd, int netns)
{
	char buf[256];
	void *head;
	struct nlmsghdr *nlh = begin(buf, RTM_NEWNSID, 0, sizeof(struct rtgenmsg), &head);

	mnl_attr_put_u32(nlh, NETNSA_NSID, (uint32_t)-1);
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)netns);
	return change(fd, nlh);
}

int link_netns_id(int fd, int netns, uint32_t *id, struct hy_err *e)
{
	int32_t got;
	int rc = get_nsid(fd, netns, &got);

	if (rc == 0 && got == NETNSA_NSID_NOT_ASSIGNED) {
		rc = give_nsid(fd, netns);
		if (rc == 0 || rc == -EEXIST)
			rc = get_nsid(fd, netns, &got);
	}
	if (rc == 0 && got == NETNSA_NSID_NOT_ASSIGNED)
		rc = -ENOENT;
	if (rc < 0)
		return hy_err_set(e, -rc, "number of the twin's network namespace");
	*id = (uint32_t)got;
	return 0;
}

/* -- interfaces: changing -- */

static void put_peer(struct nlmsghdr *nlh, const struct link_veth *v)
{
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, v->peer_name);
	mnl_attr_put(nlh, IFLA_ADDRESS, ETHER_BYTES, v->peer_mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, v->mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)v->peer_netns);
	mnl_attr_nest_end(nlh, peer);
}

int link_make_veth(int fd, const struct link_veth *v, struct hy_err *e)
{
	char buf[1024];
	void *head;
	struct nlmsghdr *nlh = begin(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
				     sizeof(struct ifinfomsg), &head);
	struct nlattr *info, *data;
	int rc;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, v->name);
	mnl_attr_put_u32(nlh, IFLA_MTU, v->mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	put_peer(nlh, v);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	rc = change(fd, nlh);
	return rc < 0 ? hy_err_set(e, -rc, "veth '%s': make it", v->name) : 0;
}

static struct nlmsghdr *begin_link(char *buf, uint16_t type, unsigned int index)
{
	void *head;
	struct nlmsghdr *nlh = begin(buf, type, 0, sizeof(struct ifinfomsg), &head);

	((struct ifinfomsg *)head)->ifi_index = (int)index;
	return nlh;
}

int link_delete(int fd, unsigned int index, struct hy_err *e)
{
	char buf[256];
	int rc = change(fd, begin_link(buf, RTM_DELLINK, index));

	return rc < 0 ? hy_err_set(e, -rc, "interface %u: delete it", index) : 0;
}

int link_set_alias(int fd, unsigned int index, const char *alias, struct hy_err *e)
{
	char buf[512];
	struct nlmsghdr *nlh = begin_link(buf, RTM_SETLINK, index);
	int rc;

	mnl_attr_put(nlh, IFLA_IFALIAS, strlen(alias), alias);
	rc = change(fd, nlh);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: set its alias", index) : 0;
}

int link_set_mtu(int fd, unsigned int index, unsigned int mtu, struct hy_err *e)
{
	char buf[256];
	struct nlmsghdr *nlh = begin_link(buf, RTM_SETLINK, index);
	int rc;

	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	rc = change(fd, nlh);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: set its MTU to %u", index, mtu) : 0;
}

int link_set_flags(int fd, unsigned int index, unsigned int flags, struct hy_err *e)
{
	char buf[256];
	struct nlmsghdr *nlh = begin_link(buf, RTM_NEWLINK, index);
	struct ifinfomsg *ifm = mnl_nlmsg_get_payload(nlh);
	int rc;

	ifm->ifi_flags = flags;
	ifm->ifi_change = flags;
	rc = change(fd, nlh);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: set its flags", index) : 0;
}

/* -- addresses, routes, rules -- */

static size_t addr_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

int link_address(int fd, bool add, unsigned int index, const struct link_addr *a,
		 struct hy_err *e)
{
	char buf[256];
	void *head;
	struct nlmsghdr *nlh = begin(buf, add ? RTM_NEWADDR : RTM_DELADDR,
				     add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(struct ifaddrmsg),
				     &head);
	struct ifaddrmsg *ifa = head;
	size_t len = addr_bytes(a->family);
	int rc;

	ifa->ifa_family = (unsigned char)a->family;
	ifa->ifa_prefixlen = (unsigned char)(8 * len);
	ifa->ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0;
	ifa->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, len, a->addr);
	mnl_attr_put(nlh, IFA_ADDRESS, len, a->addr);
	rc = change(fd, nlh);
	if (rc < 0 && rc != (add ? -EEXIST : -EADDRNOTAVAIL))
		return hy_err_set(e, -rc, "%s an address of interface %u",
				  add ? "add" : "remove", index);
	return 0;
}

int link_default_route(int fd, int family, unsigned int index, uint32_t table, struct hy_err *e)
{
	char buf[256];
	void *head;
	struct nlmsghdr *nlh = begin(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
				     sizeof(struct rtmsg), &head);
	struct rtmsg *rtm = head;
	int rc;

	rtm->rtm_family = (unsigned char)family;
	rtm->rtm_table = RT_TABLE_UNSPEC;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	rc = change(fd, nlh);
	if (rc < 0 && rc != -EEXIST)
		return hy_err_set(e, -rc, "default route by interface %u", index);
	return 0;
}

int link_source_rule(int fd, bool add, const struct link_addr *a, uint32_t table,
		     struct hy_err *e)
{
	char buf[256];
	void *head;
	struct nlmsghdr *nlh = begin(buf, add ? RTM_NEWRULE : RTM_DELRULE,
				     add ? NLM_F_CREATE | NLM_F_EXCL : 0,
				     sizeof(struct fib_rule_hdr), &head);
	struct fib_rule_hdr *rule = head;
	size_t len = addr_bytes(a->family);
	int rc;

	rule->family = (uint8_t)a->family;
	rule->src_len = (uint8_t)(8 * len);
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(nlh, FRA_TABLE, table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, table);
	mnl_attr_put(nlh, FRA_SRC, len, a->addr);
	rc = change(fd, nlh);
	if (rc < 0 && rc != (add ? -EEXIST : -ENOENT))
		return hy_err_set(e, -rc, "%s a rule for an address", add ? "add" : "remove");
	return 0;
}

/* -- notifications -- */

int link_watch(struct hy_err *e)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	hy_autofd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return hy_err_set(e, errno, "notifications about interfaces");
	return hy_fd_steal(&fd);
}

struct watched {
	link_told told;
	void *object;
};

static int tell(const struct nlmsghdr *nlh, void *data)
{
	const struct watched *w = data;
	struct link_info info;

	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
		return MNL_CB_OK;
	read_link(nlh, &info);
	w->told(w->object, &info, nlh->nlmsg_type == RTM_DELLINK);
	return MNL_CB_OK;
}

int link_watched(int fd, link_told told, void *object)
{
	struct watched w = { told, object };
	char *buf = malloc(NETLINK_ANSWER_MAX);
	int rc = buf ? 0 : -ENOMEM;

	while (rc == 0) {
		ssize_t n = recv(fd, buf, NETLINK_ANSWER_MAX, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, tell, &w) < 0)
			rc = -errno;
	}
	free(buf);
	return rc == -EAGAIN ? 0 : rc;
}
