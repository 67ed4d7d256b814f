/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_tc.c - the clsact hooks of an interface: its qdisc, and the BPF programs that hang there
 *
 * Runs in: hylicsd (root, in the host's network namespace)
 * Reads from: the kernel's answers
 */
#include "twin/splice_tc.h"

#include "common/own.h"
#include "twin/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAX 1024
#define PRIORITIES 16			/* tried in turn, see tc_filter_add() */

/* A request under construction; the kernel wants messages on 4-byte borders. */
struct request {
	_Alignas(struct nlmsghdr) char room[REQUEST_MAX];
	struct nlmsghdr *head;
	struct tcmsg *tc;
};

static void begin(struct request *r, uint16_t type, uint16_t flags, unsigned int ifindex,
		  uint32_t parent)
{
	r->head = mnl_nlmsg_put_header(r->room);
	r->head->nlmsg_type = type;
	r->head->nlmsg_flags = NLM_F_REQUEST | flags;
	r->head->nlmsg_seq = 1;
	r->tc = mnl_nlmsg_put_extra_header(r->head, sizeof(*r->tc));
	r->tc->tcm_family = AF_UNSPEC;
	r->tc->tcm_ifindex = (int)ifindex;
	r->tc->tcm_parent = parent;
}

/* Return: 0, -errno */
static int talk(const struct request *r, mnl_cb_t cb, void *object)
{
	struct hy_err e;
	hy_autofd fd = netlink_open(&e);

	return fd < 0 ? fd : netlink_ask(fd, r->head, cb, object);
}

/* What the attributes of a qdisc or a filter say; they live as long as the message. */
struct attributes {
	const char *kind;		/* "" if it has none */
	const struct nlattr *options;
};

static int read_attribute(const struct nlattr *attr, void *object)
{
	struct attributes *attributes = object;

	if (mnl_attr_get_type(attr) == TCA_KIND &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		attributes->kind = mnl_attr_get_str(attr);
	if (mnl_attr_get_type(attr) == TCA_OPTIONS)
		attributes->options = attr;
	return MNL_CB_OK;
}

struct kind_wanted {
	unsigned int ifindex;
	char *kind;
};

static int read_qdisc(const struct nlmsghdr *head, void *object)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(head);
	const struct kind_wanted *wanted = object;
	struct attributes attributes = { .kind = "" };

	if (tc->tcm_ifindex != (int)wanted->ifindex || tc->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_parse(head, sizeof(*tc), read_attribute, &attributes);
	strncpy(wanted->kind, attributes.kind, TC_KIND_MAX - 1);
	return MNL_CB_OK;
}

int tc_qdisc_kind(unsigned int ifindex, char kind[TC_KIND_MAX], struct hy_err *e)
{
	struct kind_wanted wanted = { .ifindex = ifindex, .kind = kind };
	struct request r;
	int rc;

	memset(kind, 0, TC_KIND_MAX);
	begin(&r, RTM_GETQDISC, NLM_F_DUMP, ifindex, 0);
	rc = talk(&r, read_qdisc, &wanted);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: asking for its qdiscs", ifindex) : 0;
}

int tc_qdisc_add(unsigned int ifindex, bool *made, struct hy_err *e)
{
	char kind[TC_KIND_MAX];
	struct request r;
	int rc;

	begin(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, ifindex, TC_H_CLSACT);
	r.tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(r.head, TCA_KIND, "clsact");
	rc = talk(&r, NULL, NULL);
	if (rc < 0 && rc != -EEXIST)
		return hy_err_set(e, -rc, "interface %u: making a clsact qdisc", ifindex);
	if (rc == 0) {
		*made = true;
		return 0;
	}
	rc = tc_qdisc_kind(ifindex, kind, e);
	if (rc < 0)
		return rc;
	if (strcmp(kind, "clsact") != 0)
		return hy_err_set(e, EBUSY, "interface %u: its '%s' qdisc has the place of clsact",
				  ifindex, kind);
	*made = false;
	return 0;
}

static int one_is_enough(void *object, const struct tc_filter *f)
{
	(void)object;
	(void)f;
	return -EEXIST;
}

int tc_qdisc_del_empty(unsigned int ifindex, struct hy_err *e)
{
	struct request r;
	int rc;

	rc = tc_filters(ifindex, TC_HOOK_INGRESS, one_is_enough, NULL, e);
	if (rc == 0)
		rc = tc_filters(ifindex, TC_HOOK_EGRESS, one_is_enough, NULL, e);
	if (rc < 0)
		return rc == -EEXIST ? 0 : rc;
	begin(&r, RTM_DELQDISC, NLM_F_ACK, ifindex, TC_H_CLSACT);
	r.tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(r.head, TCA_KIND, "clsact");
	rc = talk(&r, NULL, NULL);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: removing the clsact qdisc", ifindex) : 0;
}

static int filter_request(unsigned int ifindex, uint32_t parent, uint32_t priority, int prog_fd,
			  const char *name)
{
	struct nlattr *options;
	struct request r;

	begin(&r, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, ifindex, parent);
	r.tc->tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(r.head, TCA_KIND, "bpf");
	options = mnl_attr_nest_start(r.head, TCA_OPTIONS);
	mnl_attr_put_u32(r.head, TCA_BPF_FD, (uint32_t)prog_fd);
	mnl_attr_put_strz(r.head, TCA_BPF_NAME, name);
	mnl_attr_put_u32(r.head, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(r.head, options);
	return talk(&r, NULL, NULL);
}

int tc_filter_add(unsigned int ifindex, uint32_t parent, int prog_fd, const char *name,
		  struct hy_err *e)
{
	int rc = -EINVAL;

	if (strlen(name) >= TC_NAME_MAX)
		return hy_err_set(e, ENAMETOOLONG, "filter '%s'", name);
	/* EINVAL: filters of one priority are of one kind and protocol */
	for (uint32_t priority = 1; priority <= PRIORITIES && rc == -EINVAL; priority++)
		rc = filter_request(ifindex, parent, priority, prog_fd, name);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: attaching '%s'", ifindex, name) : 0;
}

struct walk {
	tc_told told;
	void *object;
	uint32_t parent;
};

static int read_option(const struct nlattr *attr, void *object)
{
	struct tc_filter *f = object;

	if (mnl_attr_get_type(attr) == TCA_BPF_ID && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		f->prog_id = mnl_attr_get_u32(attr);
	if (mnl_attr_get_type(attr) == TCA_BPF_NAME &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		strncpy(f->name, mnl_attr_get_str(attr), sizeof(f->name) - 1);
	return MNL_CB_OK;
}

static int read_filter(const struct nlmsghdr *head, void *object)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(head);
	const struct walk *walk = object;
	struct attributes attributes = { .kind = "" };
	struct tc_filter f = { .ifindex = (unsigned int)tc->tcm_ifindex, .parent = walk->parent,
			       .info = tc->tcm_info, .handle = tc->tcm_handle };
	int rc;

	/* of each priority the kernel also tells the head of its list, which is no filter */
	if (!f.handle)
		return MNL_CB_OK;
	mnl_attr_parse(head, sizeof(*tc), read_attribute, &attributes);
	if (strcmp(attributes.kind, "bpf") == 0 && attributes.options)
		mnl_attr_parse_nested(attributes.options, read_option, &f);
	rc = walk->told(walk->object, &f);
	errno = -rc;
	return rc < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

int tc_filters(unsigned int ifindex, uint32_t parent, tc_told told, void *object,
	       struct hy_err *e)
{
	struct walk walk = { .told = told, .object = object, .parent = parent };
	struct request r;
	int rc;

	begin(&r, RTM_GETTFILTER, NLM_F_DUMP, ifindex, parent);
	rc = talk(&r, read_filter, &walk);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: walking its filters", ifindex) : 0;
}

int tc_filter_del(const struct tc_filter *f, struct hy_err *e)
{
	struct request r;
	int rc;

	begin(&r, RTM_DELTFILTER, NLM_F_ACK, f->ifindex, f->parent);
	r.tc->tcm_info = f->info;
	r.tc->tcm_handle = f->handle;
	mnl_attr_put_strz(r.head, TCA_KIND, "bpf");
	rc = talk(&r, NULL, NULL);
	return rc < 0 ? hy_err_set(e, -rc, "interface %u: removing '%s'", f->ifindex, f->name) : 0;
}
