/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.c - loads the splice's programs, puts them to their hooks, takes them away again
 *
 * Runs in: hylicsd (root, in the host's network namespace)
 * Reads from: the kernel's answers
 */
#include "twin/splice.h"

#include "common/fdpass.h"
#include "common/limits.h"
#include "common/own.h"
#include "twin/splice_tc.h"
#include "twin/splice_tcx.h"

#include "twin/bpf/splice.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define VLAN_LAST 4094
#define NAME_START "hylics/"		/* then the owner, "/", the program, and perhaps */
#define NAME_QDISC "/qdisc"		/* this: the qdisc is ours too */

#define X(count, name, what) [count] = (name),
const char *const splice_count_names[SPLICE_COUNTS] = { SPLICE_COUNTS_TABLE(X) };
#undef X

static const char *const prog_names[SPLICE_PROGS] = {
	[SPLICE_FROM_GUEST_PROG] = "from-guest",
	[SPLICE_FROM_TWIN_PROG] = "from-twin",
	[SPLICE_TO_GUEST_PROG] = "to-guest",
};

const char *const splice_bpf_names[SPLICE_PROGS] = {
	[SPLICE_FROM_GUEST_PROG] = "hy_from_guest",
	[SPLICE_FROM_TWIN_PROG] = "hy_from_twin",
	[SPLICE_TO_GUEST_PROG] = "hy_to_guest",
};

static const struct bpf_program *program(const struct splice *s, enum splice_prog which)
{
	switch (which) {
	case SPLICE_FROM_GUEST_PROG:
		return s->bpf->progs.hy_from_guest;
	case SPLICE_FROM_TWIN_PROG:
		return s->bpf->progs.hy_from_twin;
	default:
		return s->bpf->progs.hy_to_guest;
	}
}

static bool is_owner(const char *owner)
{
	size_t len = strnlen(owner, SPLICE_OWNER_MAX);

	if (len == 0 || len == SPLICE_OWNER_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)owner[i]) && !strchr("_.-", owner[i]))
			return false;
	return true;
}

static int check_config(const struct splice_config *cfg, struct hy_err *e)
{
	if (!cfg->edge_ifindex || !cfg->veth_ifindex || cfg->edge_ifindex == cfg->veth_ifindex)
		return hy_err_set(e, EINVAL, "splice: interfaces %u and %u", cfg->edge_ifindex,
				  cfg->veth_ifindex);
	if (cfg->twin_netns_id > INT32_MAX)
		return hy_err_set(e, EINVAL, "splice: %u is no id of a namespace",
				  cfg->twin_netns_id);
	if (cfg->guest_mac[0] & 1)
		return hy_err_set(e, EINVAL, "splice: the guest's MAC is that of a group");
	if (cfg->vlan > VLAN_LAST)
		return hy_err_set(e, EINVAL, "splice: %u is no VLAN", cfg->vlan);
	if (!is_owner(cfg->owner))
		return hy_err_set(e, EINVAL, "splice: the owner has no proper name");
	return 0;
}

static void configure(struct splice_bpf *bpf, const struct splice_config *cfg)
{
	uint64_t mac = 0;

	memcpy(&mac, cfg->guest_mac, ETH_ALEN);
	bpf->rodata->edge_ifindex = cfg->edge_ifindex;
	bpf->rodata->veth_ifindex = cfg->veth_ifindex;
	bpf->rodata->twin_netns = cfg->twin_netns_id;
	bpf->rodata->guest_mac = mac;
	bpf->rodata->edge_vlan = cfg->vlan;
	bpf->rodata->edge_is_macvtap = cfg->edge_is_macvtap;
}

/*
 * DOC: What outlives a splice
 *
 * The twin's connections go on when the interface is made again, so what was learnt about them is
 * handed on. Whoever only reads sends nothing that would teach it anew: he waits for data that
 * leaves the twin to nobody.
 *
 * hops, socket_hops, .bss: MACs seen at the edge, by remote address and by connection.
 *	An interface made again in the same bridge has the same neighbours. In another network they
 *	are wrong until frames correct them: those of the guest what is known of an address, those
 *	of a connection, from another MAC than before, what its socket keeps. (Only one for which no
 *	frame had come since it was moved has no MAC to compare with, and ends by its time-out.)
 *	.bss has what the guest's first one was, and whether there were others: that is about all it
 *	ever sent, and must not be forgotten.
 * reborn, closed: what became of connections whose TIME_WAIT is in the twin, or that have ended
 *	there. Without the one a connection of the guest's that goes on would lose its frames to the
 *	twin, without the other it would send the RSTs that are held back.
 * twin_pieces: the rest of a datagram may still come; a first piece decides about its number anew.
 *
 * Not handed on: addresses, the owner gives them to each splice, and some may have gone while there
 * was none; counts, they are one splice's; .rodata and present, its configuration.
 */
static int take_over(struct splice_bpf *bpf, const struct splice_bpf *earlier)
{
	const struct {
		struct bpf_map *ours;
		const struct bpf_map *theirs;
	} kept[] = {
		{ bpf->maps.hops, earlier->maps.hops },
		{ bpf->maps.socket_hops, earlier->maps.socket_hops },
		{ bpf->maps.bss, earlier->maps.bss },
		{ bpf->maps.reborn, earlier->maps.reborn },
		{ bpf->maps.closed, earlier->maps.closed },
		{ bpf->maps.twin_pieces, earlier->maps.twin_pieces },
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]) && rc == 0; i++)
		rc = bpf_map__reuse_fd(kept[i].ours, bpf_map__fd(kept[i].theirs));
	return rc;
}

int splice_present_make(struct hy_err *e)
{
	const struct bpf_map_create_opts opts = { .sz = sizeof(opts), .map_flags = BPF_F_MMAPABLE };
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "present", sizeof(uint32_t),
				sizeof(struct splice_present), 1, &opts);

	return fd < 0 ? hy_err_set(e, -fd, "splice: a BPF map") : fd;
}

int splice_present_listen(int present, uint16_t port, bool listens, struct hy_err *e)
{
	struct splice_present *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED,
					present, 0);
	unsigned int bit = htons(port);

	if (p == MAP_FAILED)
		return hy_err_set(e, errno, "splice: map of ports");
	if (listens)
		p->port[bit / 64] |= UINT64_C(1) << bit % 64;
	else
		p->port[bit / 64] &= ~(UINT64_C(1) << bit % 64);
	munmap(p, sizeof(*p));
	return 0;
}

int splice_open(struct splice *s, const struct splice_config *cfg, const struct splice *earlier,
		struct hy_err *e)
{
	libbpf_print_fn_t print;
	int rc = check_config(cfg, e);

	*s = (struct splice){ .cfg = *cfg };
	for (int which = 0; which < SPLICE_PROGS; which++)
		s->hooks[which].link = -1;
	if (rc < 0)
		return rc;
	/* libbpf prints what goes wrong: printing is the caller's, who gets it as an error */
	print = libbpf_set_print(NULL);
	s->bpf = splice_bpf__open();
	rc = -errno;
	if (s->bpf) {
		configure(s->bpf, cfg);
		rc = earlier && earlier->bpf ? take_over(s->bpf, earlier->bpf) : 0;
		if (rc == 0 && cfg->present)
			rc = bpf_map__reuse_fd(s->bpf->maps.present, cfg->present);
		if (rc == 0)
			rc = splice_bpf__load(s->bpf);
	}
	libbpf_set_print(print);
	if (rc < 0 || !s->bpf) {
		splice_close(s);
		return hy_err_set(e, -rc, "splice: loading the BPF programs");
	}
	return 0;
}

static struct splice_hook hook_of(const struct splice_config *cfg, enum splice_prog which)
{
	bool to_guest = which == SPLICE_TO_GUEST_PROG;

	if (which == SPLICE_FROM_TWIN_PROG)
		return (struct splice_hook){ .ifindex = cfg->veth_ifindex, .link = -1 };
	/* a tap sends what is for the guest; a macvtap receives it */
	return (struct splice_hook){ .ifindex = cfg->edge_ifindex, .link = -1,
				     .egress = to_guest != cfg->edge_is_macvtap };
}

static uint32_t parent_of(const struct splice_hook *hook)
{
	return hook->egress ? TC_HOOK_EGRESS : TC_HOOK_INGRESS;
}

static int refuse_filter(void *object, const struct tc_filter *f)
{
	(void)object;
	return strncmp(f->name, NAME_START, strlen(NAME_START)) == 0 ? -EADDRINUSE : 0;
}

/* Two splices on one hook would each hold frames back from the other. */
static int refuse_second(const struct splice_hook *hook, enum splice_prog which, struct hy_err *e)
{
	if (tcx_has(hook->ifindex, hook->egress, splice_bpf_names[which]))
		return hy_err_set(e, EADDRINUSE, "interface %u", hook->ifindex);
	return tc_filters(hook->ifindex, parent_of(hook), refuse_filter, NULL, e);
}

static int attach_filter(struct splice *s, enum splice_prog which, struct splice_hook *hook,
			 int fd, struct hy_err *e)
{
	bool *ours = which == SPLICE_FROM_TWIN_PROG ? &s->made_veth_qdisc : &s->made_edge_qdisc;
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	char name[TC_NAME_MAX];
	bool made;
	int rc;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return hy_err_set(e, errno, "splice: asking for the id of '%s'",
				  prog_names[which]);
	rc = tc_qdisc_add(hook->ifindex, &made, e);
	if (rc < 0)
		return rc;
	*ours |= made;
	snprintf(name, sizeof(name), NAME_START "%s/%s%s", s->cfg.owner, prog_names[which],
		 *ours ? NAME_QDISC : "");
	rc = tc_filter_add(hook->ifindex, parent_of(hook), fd, name, e);
	if (rc == 0)
		hook->prog_id = info.id;
	return rc;
}

static int attach_one(struct splice *s, enum splice_prog which, struct hy_err *e)
{
	struct splice_hook hook = hook_of(&s->cfg, which);
	int fd = bpf_program__fd(program(s, which));
	int rc = refuse_second(&hook, which, e);

	if (rc < 0)
		return rc;
	rc = s->cfg.clsact ? -EOPNOTSUPP : tcx_link(hook.ifindex, hook.egress, fd, e);
	if (rc >= 0)
		hook.link = rc;
	else if (rc == -EOPNOTSUPP)
		rc = attach_filter(s, which, &hook, fd, e);
	if (rc >= 0)
		s->hooks[which] = hook;
	return rc < 0 ? rc : 0;
}

static int attach_all(struct splice *s, struct hy_err *e)
{
	int rc = 0;

	for (int which = 0; which < SPLICE_PROGS && rc == 0; which++)
		rc = attach_one(s, (enum splice_prog)which, e);
	return rc;
}

/* The filters of one hook that are to go; more than there are priorities of ours cannot be. */
struct doomed {
	const struct splice *splice;
	bool (*is_dead)(const char *owner);
	struct tc_filter filters[16];
	unsigned int n;
};

static int remove_doomed(struct doomed *doomed, struct hy_err *e)
{
	int rc = 0;

	for (unsigned int i = 0; i < doomed->n && rc == 0; i++)
		rc = tc_filter_del(&doomed->filters[i], e);
	return rc < 0 ? rc : (int)doomed->n;
}

static void doom(struct doomed *doomed, const struct tc_filter *f)
{
	if (doomed->n < sizeof(doomed->filters) / sizeof(doomed->filters[0]))
		doomed->filters[doomed->n++] = *f;
}

static int doom_own(void *object, const struct tc_filter *f)
{
	struct doomed *doomed = object;

	for (int which = 0; which < SPLICE_PROGS; which++)
		if (f->prog_id && f->prog_id == doomed->splice->hooks[which].prog_id)
			doom(doomed, f);
	return 0;
}

/*
 * The interface may be gone, its hook another's, our filter taken away by somebody: then there is
 * nothing to do, so errors are nobody's business.
 */
void splice_detach(struct splice *s)
{
	struct doomed doomed;

	if (!s->bpf)
		return;
	/* the other way round than attached */
	for (int which = SPLICE_PROGS - 1; which >= 0; which--) {
		struct splice_hook *hook = &s->hooks[which];

		tcx_unlink(&hook->link);
		doomed = (struct doomed){ .splice = s };
		if (hook->prog_id &&
		    tc_filters(hook->ifindex, parent_of(hook), doom_own, &doomed, NULL) == 0)
			remove_doomed(&doomed, NULL);
		hook->prog_id = 0;
	}
	if (s->made_edge_qdisc)
		tc_qdisc_del_empty(s->cfg.edge_ifindex, NULL);
	if (s->made_veth_qdisc)
		tc_qdisc_del_empty(s->cfg.veth_ifindex, NULL);
	s->made_edge_qdisc = s->made_veth_qdisc = false;
}

int splice_attach(struct splice *s, struct hy_err *e)
{
	int rc = attach_all(s, e);

	if (rc < 0) {
		splice_detach(s);
		return hy_err_add(e, "splice");
	}
	return 0;
}

static int address_key(int family, const void *addr, struct splice_addr *key, struct hy_err *e)
{
	if (family != AF_INET && family != AF_INET6)
		return hy_err_set(e, EAFNOSUPPORT, "splice: address of family %d", family);
	*key = (struct splice_addr){ .family = (uint32_t)family };
	memcpy(key->word, addr, family == AF_INET ? 4 : 16);
	return 0;
}

int splice_add_address(struct splice *s, int family, const void *addr, struct hy_err *e)
{
	struct splice_addr key;
	uint32_t one = 1;
	int rc = address_key(family, addr, &key, e);

	if (rc < 0)
		return rc;
	if (bpf_map_update_elem(bpf_map__fd(s->bpf->maps.addresses), &key, &one, BPF_ANY) < 0)
		return hy_err_set(e, errno == E2BIG ? ENOSPC : errno, "splice: adding an address");
	return 0;
}

int splice_del_address(struct splice *s, int family, const void *addr, struct hy_err *e)
{
	struct splice_addr key;
	int rc = address_key(family, addr, &key, e);

	if (rc < 0)
		return rc;
	if (bpf_map_delete_elem(bpf_map__fd(s->bpf->maps.addresses), &key) < 0)
		return hy_err_set(e, errno, "splice: removing an address");
	return 0;
}

int splice_send_links(const struct splice *s, int sock)
{
	struct hy_fds fds = { 0 };
	ssize_t n;

	for (int which = 0; s->bpf && which < SPLICE_PROGS; which++) {
		if (s->hooks[which].link >= 0)
			fds.fd[fds.n++] = s->hooks[which].link;
	}
	n = fds.n ? hy_fds_send(sock, "", 1, &fds, MSG_DONTWAIT) : 0;
	return n < 0 ? (int)n : 0;
}

unsigned int splice_sweep_links(unsigned int ifindex)
{
	unsigned int n = 0;

	for (int which = 0; which < SPLICE_PROGS; which++)
		n += tcx_sweep(ifindex, false, splice_bpf_names[which]) +
		     tcx_sweep(ifindex, true, splice_bpf_names[which]);
	return n;
}

int splice_counts(const struct splice *s, uint64_t out[SPLICE_COUNTS])
{
	int fd = bpf_map__fd(s->bpf->maps.counts);
	int cpus = libbpf_num_possible_cpus();
	hy_autofree uint64_t *of_cpu = NULL;
	uint64_t sums[SPLICE_COUNTS] = { 0 };

	if (cpus < 0)
		return cpus;
	of_cpu = calloc((size_t)cpus, sizeof(*of_cpu));
	if (!of_cpu)
		return -ENOMEM;
	for (uint32_t what = 0; what < SPLICE_COUNTS; what++) {
		if (bpf_map_lookup_elem(fd, &what, of_cpu) < 0)
			return -errno;
		for (int cpu = 0; cpu < cpus; cpu++)
			sums[what] += of_cpu[cpu];
	}
	memcpy(out, sums, sizeof(sums));
	return 0;
}

void splice_close(struct splice *s)
{
	if (!s->bpf)
		return;
	splice_detach(s);
	splice_bpf__destroy(s->bpf);
	s->bpf = NULL;
}

/* The owner in a filter's name. Return: false if the filter is none of ours. */
static bool owner_in(const char *name, char owner[SPLICE_OWNER_MAX])
{
	const char *start = name + strlen(NAME_START);
	const char *end;

	if (strncmp(name, NAME_START, strlen(NAME_START)) != 0)
		return false;
	end = strchr(start, '/');
	if (!end || end - start >= SPLICE_OWNER_MAX)
		return false;
	memcpy(owner, start, (size_t)(end - start));
	owner[end - start] = '\0';
	return is_owner(owner);
}

static bool had_qdisc(const struct doomed *doomed)
{
	const size_t end = strlen(NAME_QDISC);
	size_t len;

	for (unsigned int i = 0; i < doomed->n; i++) {
		len = strlen(doomed->filters[i].name);
		if (len > end && strcmp(doomed->filters[i].name + len - end, NAME_QDISC) == 0)
			return true;
	}
	return false;
}

static int doom_dead(void *object, const struct tc_filter *f)
{
	struct doomed *doomed = object;
	char owner[SPLICE_OWNER_MAX];

	if (owner_in(f->name, owner) && (!doomed->is_dead || doomed->is_dead(owner)))
		doom(doomed, f);
	return 0;
}

int splice_sweep(unsigned int ifindex, bool (*is_dead)(const char *owner), struct hy_err *e)
{
	static const uint32_t parents[] = { TC_HOOK_EGRESS, TC_HOOK_INGRESS };
	struct doomed doomed;
	bool made_qdisc_too = false;
	int removed = 0;
	int rc;

	for (unsigned int i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		doomed = (struct doomed){ .is_dead = is_dead };
		rc = tc_filters(ifindex, parents[i], doom_dead, &doomed, e);
		if (rc == 0)
			rc = remove_doomed(&doomed, e);
		if (rc < 0)
			return hy_err_add(e, "sweeping");
		removed += rc;
		made_qdisc_too |= had_qdisc(&doomed);
	}
	rc = made_qdisc_too ? tc_qdisc_del_empty(ifindex, e) : 0;
	return rc < 0 ? rc : removed;
}
