/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin.c - one VM's twin: a network namespace with the guest's addresses at the guest's own edges
 *
 * Runs in: the keeper (host, root)
 * Reads from: the kernel's notifications; addresses a guest tells of itself (hostile)
 */
#include "twin/twin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"
#include "common/owner.h"
#include "twin/netlink.h"
#include "twin/verbs.h"

#define MTU_UNKNOWN 1500	/* of a NIC whose edge has not come yet */

/* -- the splice of a NIC -- */

/* What it has learnt is kept for the next one: the twin's connections live on. */
static void unsplice(struct twin_nic *nic)
{
	splice_detach(&nic->splice);
	nic->edge_index = 0;
}

static int fill_config(const struct twin *t, const struct twin_nic *nic,
		       const struct link_info *edge, struct splice_config *cfg, struct hy_err *e)
{
	char owner[HY_OWNER_TEXT_MAX];
	hy_autofd fd = netlink_open(e);
	int rc;

	if (fd < 0)
		return fd;
	*cfg = (struct splice_config){
		.edge_ifindex = edge->index,
		.edge_is_macvtap = !strcmp(edge->kind, "macvtap"),
		.veth_ifindex = nic->host_index,
		.vlan = (uint16_t)nic->spec.vlan,
		.present = t->present,
	};
	memcpy(cfg->guest_mac, nic->spec.mac, sizeof(cfg->guest_mac));
	rc = hy_owner_self(owner, e);
	snprintf(cfg->owner, sizeof(cfg->owner), "%s", owner);
	return rc < 0 ? rc : link_netns_id(fd, t->space.net, &cfg->twin_netns_id, e);
}

/*
 * An earlier splice, whose veth is gone, goes when all else is ready: while there is none at the
 * edge, the guest gets frames of the twin's connections, and resets them.
 */
static int splice(struct twin *t, struct twin_nic *nic, const struct link_info *edge,
		  struct hy_err *e)
{
	struct splice fresh = { 0 };
	struct splice_config cfg;
	int rc = fill_config(t, nic, edge, &cfg, e);

	if (rc == 0)
		rc = splice_open(&fresh, &cfg, &nic->splice, e);
	for (unsigned int i = 0; rc == 0 && i < nic->spec.n_addrs; i++)
		rc = splice_add_address(&fresh, nic->spec.addr[i].family, nic->spec.addr[i].addr,
					e);
	splice_detach(&nic->splice);
	if (rc == 0)
		rc = splice_attach(&fresh, e);
	if (rc < 0) {
		splice_close(&fresh);
		return rc;
	}
	splice_close(&nic->splice);
	nic->splice = fresh;
	nic->edge_index = edge->index;
	if (t->spliced)
		t->spliced(t->object);
	return 0;
}

static int follow_mtu(struct twin *t, struct twin_nic *nic, unsigned int mtu, struct hy_err *e)
{
	const struct verb_ends ends = { nic->host_index, nic->twin_index };
	int rc = mtu == nic->mtu ? 0 : verb_set_mtu(&t->space, &ends, mtu, e);

	if (rc == 0)
		nic->mtu = mtu;
	return rc;
}

/* Make the NIC's state what its edge's is now. -ENODEV: there is no edge */
static int follow(struct twin *t, struct twin_nic *nic, struct hy_err *e)
{
	struct link_info edge;
	int rc = verb_edge(nic->spec.edge, &edge, e);

	if (nic->edge_index && (rc < 0 || edge.index != nic->edge_index)) {
		unsplice(nic);
		hy_log(t->log, HY_LOG_INFO, "interface '%s' is gone", nic->spec.edge);
	}
	if (rc < 0)
		return rc;
	rc = follow_mtu(t, nic, edge.mtu, e);
	if (rc < 0 || nic->edge_index)
		return rc;
	rc = splice(t, nic, &edge, e);
	if (rc == 0)
		hy_log(t->log, HY_LOG_INFO, "interface '%s' is spliced", nic->spec.edge);
	return rc;
}

static int join(struct twin *t, unsigned int i, struct hy_err *e)
{
	struct twin_nic *nic = &t->nic[i];
	struct verb_alias alias = { 0 };
	struct verb_ends ends;
	struct link_info edge;
	char owner[HY_OWNER_TEXT_MAX];
	int rc = verb_edge(nic->spec.edge, &edge, e);

	if (rc < 0 && (rc != -ENODEV || !t->loop))
		return rc;
	if (rc == -ENODEV)
		hy_log(t->log, HY_LOG_INFO, "interface '%s' is not there yet", nic->spec.edge);
	nic->mtu = rc < 0 ? MTU_UNKNOWN : edge.mtu;
	rc = hy_owner_self(owner, e);
	if (rc < 0)
		return rc;
	memcpy(alias.vm, t->vm, sizeof(alias.vm));
	memcpy(alias.edge, nic->spec.edge, sizeof(alias.edge));
	snprintf(alias.owner, sizeof(alias.owner), "%s", owner);
	rc = verb_make_veth(&t->space, &alias, i, nic->spec.mac, nic->mtu, &ends, e);
	nic->host_index = rc < 0 ? 0 : ends.host;
	nic->twin_index = rc < 0 ? 0 : ends.twin;
	return rc;
}

/* -- notifications -- */

/* Somebody has removed our veth. The copies do not hang on it; what they need is made again. */
static int make_again(struct twin *t, unsigned int i, struct hy_err *e)
{
	struct twin_nic *nic = &t->nic[i];
	int rc;

	nic->edge_index = nic->host_index = 0;
	rc = join(t, i, e);
	for (unsigned int k = 0; rc == 0 && k < nic->spec.n_addrs; k++)
		rc = verb_address(&t->space, nic->twin_index, i, true, &nic->spec.addr[k], e);
	if (rc == 0)
		rc = follow(t, nic, e);
	if (rc < 0)
		unsplice(nic);
	return rc;
}

static bool is_news(const struct twin_nic *nic, const struct link_info *info, bool gone)
{
	bool named = !strcmp(nic->spec.edge, info->name);
	bool ours = info->index == nic->edge_index;

	if (!named && !ours)
		return false;
	/* a guest's driver can make its tap be told of as often as it likes */
	return gone || !named || !ours || info->mtu != nic->mtu;
}

static void told(void *object, const struct link_info *info, bool gone)
{
	struct twin *t = object;

	for (unsigned int i = 0; i < t->n_nics; i++) {
		struct twin_nic *nic = &t->nic[i];
		struct hy_err e = { 0 };
		int rc = 0;

		if (gone && info->index == nic->host_index)
			rc = make_again(t, i, &e);
		else if (is_news(nic, info, gone))
			rc = follow(t, nic, &e);
		if (rc < 0 && rc != -ENODEV)
			hy_log_limited(t->log, &nic->rate, HY_LOG_WARN, "%s: %s", e.text,
				       strerror(e.num));
	}
}

static int watch_handle(void *object, int fd, uint32_t events)
{
	struct twin *t = object;
	struct link_info all = { 0 };

	(void)events;
	if (link_watched(fd, told, t) == 0)
		return 0;
	/* some were lost: any edge may have changed */
	for (unsigned int i = 0; i < t->n_nics; i++) {
		memcpy(all.name, t->nic[i].spec.edge, sizeof(all.name));
		told(t, &all, false);
	}
	return 0;
}

static void watch_drop(void *object, int fd, int rc)
{
	struct twin *t = object;

	(void)rc;
	ev_del(t->loop, fd);
}

static const struct ev_class watch_class = { "interfaces", watch_handle, watch_drop };

/* -- the whole -- */

static bool is_vm_name(const char *vm)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len = strlen(vm);

	return len > 0 && len <= HY_NAME_MAX && strspn(vm, allowed) == len;
}

static int watch(struct twin *t, struct hy_err *e)
{
	int rc;

	if (!t->loop)
		return 0;
	t->watch = link_watch(e);
	if (t->watch < 0)
		return t->watch;
	rc = ev_add(t->loop, t->watch, &watch_class, t, EPOLLIN, e);
	if (rc < 0)
		hy_fd_close(&t->watch);
	return rc;
}

/* A host without it serves as well: clients say again what came in the middle of a move. */
static void make_late(struct twin *t)
{
	struct hy_err e = { 0 };

	t->late = verb_make_late(&t->space, &e);
	if (t->late < 0)
		hy_log_err(t->log, HY_LOG_INFO, &e);
}

int twin_open(struct twin *t, const char *vm, struct ev_loop *loop, const struct hy_log *log,
	      struct hy_err *e)
{
	int rc;

	*t = (struct twin){ .log = log, .loop = loop, .watch = -1, .present = -1,
			   .late = -1 };
	if (!is_vm_name(vm))
		return hy_err_set(e, EINVAL, "'%s' is no name of a VM", vm);
	snprintf(t->vm, sizeof(t->vm), "%s", vm);
	rc = space_make(&t->space, e);
	if (rc < 0)
		return rc;
	rc = verb_switches(&t->space, e);
	if (rc == 0)
		rc = t->present = splice_present_make(e);
	if (rc >= 0)
		rc = watch(t, e);
	if (rc < 0) {
		hy_fd_close(&t->present);
		space_close(&t->space);
		return rc;
	}
	make_late(t);
	return 0;
}

static bool same(const struct twin_addr *a, const struct twin_addr *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool has(const struct twin_addr *list, unsigned int n, const struct twin_addr *a)
{
	for (unsigned int i = 0; i < n; i++) {
		if (same(&list[i], a))
			return true;
	}
	return false;
}

static int check_addresses(const struct twin *t, unsigned int nic, const struct twin_addr *a,
			   unsigned int n, struct hy_err *e)
{
	unsigned int others = 0;
	int rc = 0;

	for (unsigned int i = 0; i < t->n_nics; i++)
		others += i == nic ? 0 : t->nic[i].spec.n_addrs;
	if (n > HY_TWIN_ADDRS_MAX || others > HY_TWIN_ADDRS_MAX - n)
		return hy_err_set(e, ENOSPC, "more than %d addresses", HY_TWIN_ADDRS_MAX);
	for (unsigned int i = 0; rc == 0 && i < n; i++) {
		rc = verb_address_check(&a[i], e);
		for (unsigned int k = 0; rc == 0 && k < t->n_nics; k++) {
			if (k != nic && has(t->nic[k].spec.addr, t->nic[k].spec.n_addrs, &a[i]))
				rc = hy_err_set(e, EEXIST, "an address of NIC %u is one of NIC %u",
						nic, k);
		}
	}
	return rc;
}

static int add_address(struct twin *t, unsigned int i, const struct twin_addr *a,
		       struct hy_err *e)
{
	struct twin_nic *nic = &t->nic[i];
	int rc = verb_address(&t->space, nic->twin_index, i, true, a, e);

	if (rc == 0 && nic->edge_index)
		rc = splice_add_address(&nic->splice, a->family, a->addr, e);
	if (rc == 0)
		nic->spec.addr[nic->spec.n_addrs++] = *a;
	return rc;
}

/* What cannot be sent with any more is taken from the splice first. */
static int del_address(struct twin *t, unsigned int i, unsigned int at, struct hy_err *e)
{
	struct twin_nic *nic = &t->nic[i];
	const struct twin_addr a = nic->spec.addr[at];
	int rc = 0;

	if (nic->edge_index)
		rc = splice_del_address(&nic->splice, a.family, a.addr, e);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	nic->spec.addr[at] = nic->spec.addr[--nic->spec.n_addrs];
	return verb_address(&t->space, nic->twin_index, i, false, &a, e);
}

int twin_set_addresses(struct twin *t, unsigned int number, const struct twin_addr *a,
		       unsigned int n, struct hy_err *e)
{
	struct twin_nic *nic;
	int rc;

	if (number >= t->n_nics)
		return hy_err_set(e, ENOENT, "NIC %u", number);
	nic = &t->nic[number];
	rc = check_addresses(t, number, a, n, e);
	for (unsigned int k = nic->spec.n_addrs; rc == 0 && k > 0; k--) {
		if (!has(a, n, &nic->spec.addr[k - 1]))
			rc = del_address(t, number, k - 1, e);
	}
	for (unsigned int k = 0; rc == 0 && k < n; k++) {
		if (!has(nic->spec.addr, nic->spec.n_addrs, &a[k]))
			rc = add_address(t, number, &a[k], e);
	}
	return rc;
}

static void remove_nic(struct twin_nic *nic)
{
	unsplice(nic);
	splice_close(&nic->splice);
	if (nic->host_index)
		verb_remove_veth(nic->host_index, NULL);
	nic->host_index = 0;
}

int twin_add_nic(struct twin *t, const struct twin_nic_spec *spec, struct hy_err *e)
{
	unsigned int i = t->n_nics;
	struct twin_nic *nic = &t->nic[i];
	int rc;

	if (i == HY_TWIN_NICS_MAX)
		return hy_err_set(e, ENOSPC, "more than %d NICs", HY_TWIN_NICS_MAX);
	*nic = (struct twin_nic){ .spec = *spec };
	nic->spec.n_addrs = 0;
	rc = check_addresses(t, i, spec->addr, spec->n_addrs, e);
	if (rc == 0)
		rc = join(t, i, e);
	if (rc < 0)
		return rc;
	t->n_nics++;
	rc = twin_set_addresses(t, i, spec->addr, spec->n_addrs, e);
	if (rc == 0)
		rc = follow(t, nic, e);
	if (rc == -ENODEV && t->loop)
		return 0;
	if (rc < 0) {
		t->n_nics--;
		remove_nic(nic);
	}
	return rc;
}

int twin_enter(const struct twin *t, struct hy_err *e)
{
	return space_enter(&t->space, e);
}

int twin_socket(const struct twin *t, int family, int type)
{
	return space_socket(&t->space, family, type, 0);
}

int twin_listen(const struct twin *t, uint16_t port, bool listens, struct hy_err *e)
{
	return splice_present_listen(t->present, port, listens, e);
}

void twin_send_links(const struct twin *t, int sock)
{
	int rc = 0;

	for (unsigned int i = 0; i < t->n_nics && rc == 0; i++)
		rc = splice_send_links(&t->nic[i].splice, sock);
	if (rc < 0)
		hy_log(t->log, HY_LOG_WARN, "links for another process to hold: %s",
		       strerrordesc_np(-rc));
}

void twin_close(struct twin *t)
{
	if (t->watch >= 0)
		ev_del(t->loop, t->watch);
	hy_fd_close(&t->watch);
	for (unsigned int i = 0; i < t->n_nics; i++)
		remove_nic(&t->nic[i]);
	t->n_nics = 0;
	hy_fd_close(&t->late);
	hy_fd_close(&t->present);
	space_close(&t->space);
}

int twin_sweep(struct hy_err *e)
{
	return verb_sweep(e);
}
