/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_live.c - the splice attached: to edges in use, beside others, and gone again
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include "tests/splice/world.h"
#include "tests/probes/splice_guest.h"
#include "tests/probes/splice_talk.h"

#include "twin/splice_tc.h"
#include "twin/splice_tcx.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRANSFER (2 << 20)
#define MTU 1500
#define JUMBO "9000"
#define VLAN 7
#define COMINGS 5
#define CLIENT6 "2001:db8::3"

enum stream { UP = 1, DOWN };

/* By filters of a clsact qdisc, as before Linux 6.6; else by links. */
static bool by_filters;

static struct splice_config config(const struct world *w)
{
	struct splice_config cfg = world_config(w);

	cfg.clsact = by_filters;
	return cfg;
}

static uint64_t count_of(const void *s, unsigned int what)
{
	uint64_t counts[SPLICE_COUNTS];

	PROBE_TRY(splice_counts(s, counts));
	return counts[what];
}

static bool wait_count(const struct splice *s, enum splice_count what, uint64_t value)
{
	return probe_wait_count(count_of, s, what, value);
}

/* How many programs and filters hang at both hooks of an interface, ours and others. */
struct tally {
	unsigned int ours;
	unsigned int others;
};

static int tell(void *object, const struct tc_filter *f)
{
	struct tally *tally = object;

	tally->ours += strncmp(f->name, "hylics/", 7) == 0;
	tally->others += strncmp(f->name, "hylics/", 7) != 0;
	return 0;
}

static struct tally filters_at(unsigned int ifindex)
{
	struct tally tally = { 0 };
	struct hy_err e = { 0 };

	for (size_t i = 0; i < SPLICE_PROGS; i++)
		tally.ours += tcx_has(ifindex, false, splice_bpf_names[i]) +
			      tcx_has(ifindex, true, splice_bpf_names[i]);
	world_try(tc_filters(ifindex, TC_HOOK_INGRESS, tell, &tally, &e), &e);
	world_try(tc_filters(ifindex, TC_HOOK_EGRESS, tell, &tally, &e), &e);
	return tally;
}

static bool has_qdisc(unsigned int ifindex, const char *kind)
{
	char is[TC_KIND_MAX];
	struct hy_err e = { 0 };

	world_try(tc_qdisc_kind(ifindex, is, &e), &e);
	return strcmp(is, kind) == 0;
}

static bool nothing_at(const struct world *w)
{
	return has_qdisc(w->net.edge_ifindex, "") && has_qdisc(w->net.twin_ifindex, "") &&
	       filters_at(w->net.edge_ifindex).ours == 0 &&
	       filters_at(w->net.twin_ifindex).ours == 0;
}

static void open_and_attach(struct splice *s, const struct splice_config *cfg)
{
	struct hy_err e = { 0 };

	world_open(s, cfg);
	world_try(splice_attach(s, &e), &e);
}

static int start_connect(struct world *w, bool ip6)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(LISTEN_PORT) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(LISTEN_PORT) };
	int fd = splice_socket(&w->net, w->net.client, ip6 ? AF_INET6 : AF_INET,
			       SOCK_STREAM | SOCK_NONBLOCK);
	int rc;

	memcpy(&to6.sin6_addr, addrs.guest[1], 16);
	to4.sin_addr = splice_guest_addr();
	rc = ip6 ? connect(fd, (struct sockaddr *)&to6, sizeof(to6)) :
		   connect(fd, (struct sockaddr *)&to4, sizeof(to4));
	if (rc < 0 && errno != EINPROGRESS)
		probe_bail("connect: %s", strerror(errno));
	return fd;
}

/* The longest TCP frame a packet socket has seen come in and go out. */
struct longest {
	size_t in;
	size_t out;
};

static struct longest look(int fd)
{
	struct longest longest = { 0 };
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	char byte;
	ssize_t n;

	while ((n = recvfrom(fd, &byte, 1, MSG_TRUNC, (struct sockaddr *)&from, &len)) >= 0) {
		size_t *which = from.sll_pkttype == PACKET_OUTGOING ? &longest.out : &longest.in;

		if ((size_t)n > *which)
			*which = (size_t)n;
		len = sizeof(from);
	}
	return longest;
}

static int accept_one(const struct world *w)
{
	return splice_wait_for(w->listener, POLLIN) ?
		       accept4(w->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
}

/* A client of the guest's address talks with the twin. */
static void check_talk(struct world *w, struct splice *s, bool ip6, const char *what)
{
	int watch = splice_packet_socket(&w->net, w->net.twin, SPLICE_V1_NAME);
	int client = start_connect(w, ip6);
	int server = accept_one(w);
	struct longest seen;
	size_t up, down;

	if (!probe_check(server >= 0 && splice_is_connected(client), "%s: a client is accepted",
			 what))
		probe_bail("there is nothing to go on with");
	up = splice_transfer(client, server, TRANSFER, UP);
	down = splice_transfer(server, client, TRANSFER, DOWN);
	probe_check(up == TRANSFER && down == TRANSFER, "%s: %zu bytes and %zu are right", what,
		    up, down);
	seen = look(watch);
	probe_check(seen.in > 4 * MTU && seen.out > 4 * MTU,
		    "%s: frames stay whole: up to %zu bytes to the twin, %zu from it", what,
		    seen.in, seen.out);
	close(client);
	close(server);
	close(watch);
	probe_check(wait_count(s, SPLICE_ENTERED, count_of(s, SPLICE_FROM_TWIN)),
		    "%s: what leaves the twin enters the host", what);
}

static void prepare_client(struct world *w)
{
	splice_must_in(w->net.client,
		       "for i in all c0; do echo 0 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done;"
		       "ip addr add " CLIENT6 "/64 dev c0 nodad;"
		       "ip neigh add 2001:db8::2 lladdr 52:54:00:99:00:02 dev c0");
	splice_must_in(w->net.host,
		       "for i in c1 edge0 br0 v0; do ip link set $i mtu " JUMBO " || exit 1; done");
	splice_must_in(w->net.client, "ip link set c0 mtu " JUMBO);
	/* a bridge that hands frames to the IP filters puts their headers together again */
	splice_shell_in(w->net.host, "for i in /proc/sys/net/bridge/bridge-nf-call-ip*; do"
			" echo 0 > $i; done 2>/dev/null");
}

/* Cookies: nothing in the twin remembers the handshake, and its last ACK still gets there. */
static void check_cookies(struct world *w, struct splice *s)
{
	splice_must_in(w->net.twin, "echo 2 > /proc/sys/net/ipv4/tcp_syncookies");
	check_talk(w, s, false, "with cookies");
	check_talk(w, s, true, "with cookies, IPv6");
	splice_must_in(w->net.twin, "echo 1 > /proc/sys/net/ipv4/tcp_syncookies");
}

/* A frame of whose bytes the kernel keeps only the Ethernet header where they can be seen. */
static void send_scattered(struct world *w, const struct frame_spec *f)
{
	int fd = splice_packet_socket(&w->net, w->net.client, SPLICE_CLIENT_NAME);
	struct {
		struct virtio_net_hdr head;
		uint8_t frame[FRAME_MAX];
	} __attribute__((packed)) sent = { .head = { .hdr_len = ETH_HLEN } };
	size_t len = frame_make(f, sent.frame);
	int one = 1;

	PROBE_TRY(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)));
	PROBE_TRY(send(fd, &sent, sizeof(sent.head) + len, 0));
	close(fd);
}

static void check_scattered(struct world *w, struct splice *s)
{
	static const struct frame_spec plain = { .padded_to = 6000 };
	static const struct frame_spec deep = {
		.ip6 = true, .padded_to = 6000, .extensions = 2,
		.extension = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS } };
	uint64_t before = count_of(s, SPLICE_TO_TWIN);

	send_scattered(w, &plain);
	probe_check(wait_count(s, SPLICE_TO_TWIN, before + 1),
		    "headers that do not lie in one piece: found");
	send_scattered(w, &deep);
	probe_check(wait_count(s, SPLICE_TO_TWIN, before + 2),
		    "behind extension headers of IPv6: found");
}

static void check_attached(struct world *w)
{
	struct splice_config cfg = config(w);
	struct hy_err e = { 0 };
	struct splice s, second;

	world_listen(&cfg);
	open_and_attach(&s, &cfg);
	check_talk(w, &s, false, "attached");
	check_talk(w, &s, true, "attached, IPv6");
	check_cookies(w, &s);
	check_scattered(w, &s);
	world_open(&second, &cfg);
	probe_check(splice_attach(&second, &e) == -EADDRINUSE &&
			    filters_at(w->net.edge_ifindex).ours == 2,
		    "a second splice at the same edge is refused, the first stays");
	splice_close(&second);
	check_talk(w, &s, false, "after that");
	splice_close(&s);
	probe_check(nothing_at(w), "closed: no filter and no qdisc is left");
}

/* For probe_wait_until(): the other side has acknowledged all that was sent. */
static bool is_acknowledged(void *arg)
{
	const int *fd = arg;
	int left;

	return PROBE_TRY(ioctl(*fd, SIOCOUTQ, &left)) == 0 && left == 0;
}

/* The interface comes again in the middle of a download; nobody sends anything of his own. */
static void check_again(struct world *w, bool ip6)
{
	struct splice_config cfg = config(w);
	struct hy_err e = { 0 };
	struct splice s, next;
	int client, server;
	size_t rest;

	world_listen(&cfg);
	open_and_attach(&s, &cfg);
	client = start_connect(w, ip6);
	server = accept_one(w);
	if (splice_transfer(server, client, TRANSFER, DOWN) != TRANSFER ||
	    !probe_wait_until(is_acknowledged, &server))
		probe_bail("a download that does not begin");
	splice_detach(&s);
	world_reopen(&next, &cfg, &s);
	splice_close(&s);
	world_try(splice_attach(&next, &e), &e);
	rest = splice_transfer(server, client, TRANSFER, DOWN);
	probe_check(rest == TRANSFER && count_of(&next, SPLICE_DROP_NO_HOP) == 0,
		    "put up again, IPv%d: a download goes on by itself, %zu bytes are right",
		    ip6 ? 6 : 4, rest);
	close(client);
	close(server);
	splice_close(&next);
}

/* A frame of the client's with our VLAN's tag, as it stands on the wire. */
static void send_frame(struct world *w, const struct frame_spec *f)
{
	int fd = splice_packet_socket(&w->net, w->net.client, SPLICE_CLIENT_NAME);
	uint8_t frame[FRAME_MAX];
	size_t len = frame_make(f, frame);

	PROBE_TRY(send(fd, frame, len, 0));
	close(fd);
}

/* For probe_wait_until(): a frame with our VLAN's tag has come to the client from the guest. */
static bool tagged_came(void *arg)
{
	const int *fd = arg;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct ethhdr eth;
	struct iovec part = { &eth, sizeof(eth) };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	struct tpacket_auxdata aux;

	for (;;) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		if (recvmsg(*fd, &msg, 0) < 0)
			return false;
		if (!CMSG_FIRSTHDR(&msg) || memcmp(eth.h_source, mac_guest, ETH_ALEN) != 0)
			continue;
		memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
		if ((aux.tp_status & TP_STATUS_VLAN_VALID) && aux.tp_vlan_tci == VLAN)
			return true;
	}
}

/* For probe_wait_until(): the guest's tap has a SYN, the kernel's tag in front or none. */
struct on_tap {
	int fd;
	unsigned int tag;		/* 0: none */
};

static bool guest_got(void *arg)
{
	const struct on_tap *want = arg;
	uint8_t frame[FRAME_MAX];
	unsigned int tag;

	while (read(want->fd, frame, sizeof(frame)) > ETH_HLEN + 4) {
		tag = frame[12] == 0x81 && frame[13] == 0 ? frame[15] : 0;
		if (!memcmp(frame, mac_guest, ETH_ALEN) && tag == want->tag)
			return true;
	}
	return false;
}

static void check_vlan(struct world *w)
{
	struct frame_spec syn = { .tags = 1, .tag = { VLAN }, .guest_port = LISTEN_PORT,
				  .flags = FRAME_SYN, .from_mac = mac_other };
	struct on_tap want = { .fd = w->net.guest_fd };
	int fd = splice_packet_socket(&w->net, w->net.client, SPLICE_CLIENT_NAME);
	struct splice_config cfg = config(w);
	struct splice s;
	int one = 1;

	world_listen(&cfg);
	cfg.vlan = VLAN;
	open_and_attach(&s, &cfg);
	PROBE_TRY(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)));
	send_frame(w, &syn);
	probe_check(probe_wait_until(tagged_came, &fd),
		    "a SYN with our VLAN's tag is answered by the twin, with the tag");
	want.tag = VLAN + 1;
	syn.tag[0] = VLAN + 1;
	send_frame(w, &syn);
	probe_check(probe_wait_until(guest_got, &want), "with another tag the guest gets it");
	syn.tags = want.tag = 0;
	send_frame(w, &syn);
	probe_check(probe_wait_until(guest_got, &want), "without a tag the guest gets it");
	probe_check(count_of(&s, SPLICE_TO_TWIN) >= 1 && count_of(&s, SPLICE_FROM_TWIN) >= 1,
		    "of three SYNs the twin got its own");
	splice_close(&s);
	close(fd);
}

/* A filter of somebody else's that drops all it sees. */
static int drop_all(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return (int)PROBE_TRY(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "drop_all", "GPL", code, 2,
					    NULL));
}

static bool is_answered(struct world *w)
{
	int client = start_connect(w, false);
	bool answered = splice_wait_for(w->listener, POLLIN) && splice_is_connected(client);

	if (answered)
		close(accept4(w->listener, NULL, NULL, SOCK_CLOEXEC));
	close(client);
	return answered;
}

/* Such as libvirt puts there when a VM's bandwidth is limited. */
static void check_ingress(struct world *w, const struct splice_config *cfg)
{
	struct hy_err e = { 0 };
	struct splice s;
	int rc;

	world_open(&s, cfg);
	rc = splice_attach(&s, &e);
	if (by_filters)
		probe_check(rc == -EBUSY && has_qdisc(w->net.twin_ifindex, ""),
			    "where an ingress qdisc is it is refused: %s", e.text);
	else
		probe_check(rc == 0 && is_answered(w), "an ingress qdisc is in nobody's way");
	splice_close(&s);
	probe_check(has_qdisc(w->net.edge_ifindex, "ingress"), "and it stays");
}

static void check_beside(struct world *w)
{
	struct frame_spec syn = { .guest_port = FREE_PORT, .flags = FRAME_SYN };
	struct on_tap want = { .fd = w->net.guest_fd };
	struct splice_config cfg = config(w);
	struct hy_err e = { 0 };
	struct splice s;
	int prog = drop_all();
	uint64_t before;
	bool made;

	/* of another kind, and with the priority ours would have */
	splice_must_in(w->net.host, "tc qdisc add dev edge0 clsact && tc filter add dev edge0"
		       " egress prio 1 protocol ip u32 match ip dst 203.0.113.9 flowid 1:1");
	world_try(tc_qdisc_add(w->net.edge_ifindex, &made, &e), &e);
	world_try(tc_filter_add(w->net.edge_ifindex, TC_HOOK_EGRESS, prog, "theirs", &e), &e);
	close(prog);
	world_listen(&cfg);
	open_and_attach(&s, &cfg);
	probe_check(!made && is_answered(w),
		    "beside others' filters: frames of the twin's are redirected before theirs");
	while (guest_got(&want))
		;
	before = count_of(&s, SPLICE_TO_TWIN);
	send_frame(w, &syn);
	syn.guest_port = CONN_PORT;
	syn.flags = FRAME_ACK;
	send_frame(w, &syn);		/* once this one is through, so is the other */
	probe_check(wait_count(&s, SPLICE_TO_TWIN, before + 1) && !guest_got(&want),
		    "beside others' filters: what is left to the guest they still see");
	splice_close(&s);
	probe_check(has_qdisc(w->net.edge_ifindex, "clsact") &&
			    filters_at(w->net.edge_ifindex).others >= 2 &&
			    filters_at(w->net.edge_ifindex).ours == 0,
		    "closed: theirs stay, ours are gone");
	splice_must_in(w->net.host, "tc qdisc del dev edge0 clsact");
	splice_must_in(w->net.host, "tc qdisc add dev edge0 ingress");
	check_ingress(w, &cfg);
	splice_must_in(w->net.host, "tc qdisc del dev edge0 ingress");
}

static bool everybody_is_dead(const char *owner)
{
	return strcmp(owner, "test") == 0;
}

static bool nobody_is_dead(const char *owner)
{
	(void)owner;
	return false;
}

static void leave_behind(struct world *w)
{
	struct splice_config cfg = config(w);
	struct splice s;
	pid_t pid = probe_fork();

	if (pid == 0) {
		open_and_attach(&s, &cfg);
		kill(getpid(), SIGKILL);
	}
	if (probe_join(pid) != 128 + SIGKILL)
		probe_bail("the process to be killed has not attached its splice");
}

static int sweep_both(struct world *w, bool (*is_dead)(const char *owner))
{
	struct hy_err e = { 0 };

	return world_try(splice_sweep(w->net.edge_ifindex, is_dead, &e), &e) +
	       world_try(splice_sweep(w->net.twin_ifindex, is_dead, &e), &e);
}

static void check_killed(struct world *w)
{
	leave_behind(w);
	probe_check(nothing_at(w), "a killed process leaves nothing");
}

static void check_sweep(struct world *w)
{
	probe_check(sweep_both(w, NULL) == 0, "a sweep where nothing is removes nothing");
	leave_behind(w);
	probe_check(filters_at(w->net.edge_ifindex).ours == 2 &&
			    filters_at(w->net.twin_ifindex).ours == 1,
		    "a killed process leaves its three filters");
	probe_check(sweep_both(w, nobody_is_dead) == 0 &&
			    filters_at(w->net.edge_ifindex).ours == 2,
		    "a sweep spares the living");
	probe_check(sweep_both(w, everybody_is_dead) == 3 && nothing_at(w),
		    "a sweep removes the three and the qdiscs that were made for them");
	splice_must_in(w->net.host, "tc qdisc add dev edge0 clsact");
	leave_behind(w);
	probe_check(sweep_both(w, everybody_is_dead) == 3 &&
			    has_qdisc(w->net.edge_ifindex, "clsact"),
		    "a sweep leaves a qdisc that was there before");
	splice_must_in(w->net.host, "tc qdisc del dev edge0 clsact");
}

static void check_found_qdisc(struct world *w)
{
	struct splice_config cfg = config(w);
	struct splice s;

	splice_must_in(w->net.host, "tc qdisc add dev edge0 clsact");
	open_and_attach(&s, &cfg);
	splice_close(&s);
	probe_check(has_qdisc(w->net.edge_ifindex, "clsact") &&
			    has_qdisc(w->net.twin_ifindex, ""),
		    "closed: an empty qdisc that was there before stays");
	splice_must_in(w->net.host, "tc qdisc del dev edge0 clsact");
}

/* Somebody else takes ours away, and puts his own there. */
static void check_replaced(struct world *w)
{
	struct splice_config cfg = config(w);
	struct hy_err e = { 0 };
	struct splice s;
	int prog = drop_all();

	open_and_attach(&s, &cfg);
	splice_must_in(w->net.host, "tc qdisc del dev edge0 clsact; tc qdisc add dev edge0 clsact");
	world_try(tc_filter_add(w->net.edge_ifindex, TC_HOOK_EGRESS, prog, "theirs", &e), &e);
	close(prog);
	splice_close(&s);
	probe_check(filters_at(w->net.edge_ifindex).others == 1 &&
			    has_qdisc(w->net.twin_ifindex, ""),
		    "closed after somebody replaced our filters by his: his stay");
	splice_must_in(w->net.host, "tc qdisc del dev edge0 clsact");
}

static void check_edge_gone(struct world *w)
{
	struct splice_config cfg = config(w);
	struct hy_err e = { 0 };
	struct splice s;

	open_and_attach(&s, &cfg);
	splice_must_in(w->net.host, "ip link del c1");
	close(w->net.guest_fd);
	w->net.guest_fd = -1;
	splice_close(&s);
	probe_check(if_nametoindex(SPLICE_EDGE_NAME) == 0 && has_qdisc(w->net.twin_ifindex, ""),
		    "closed after its edge is gone: nothing left at the veth");
	world_open(&s, &cfg);
	probe_check(splice_attach(&s, &e) < 0 && has_qdisc(w->net.twin_ifindex, ""),
		    "to an edge that is gone it is not attached, and leaves nothing: %s", e.text);
	splice_close(&s);
}

/* The guest's card is a macvtap: what is for the guest comes in there, what it sends goes out. */
static void check_macvtap(void)
{
	struct splice_config cfg;
	struct splice s;
	struct world w;

	world_make(&w, SPLICE_ROUTED, SPLICE_TAP);
	if (!splice_shell_in(w.net.host, "ip addr flush dev c1;"
			     "ip link add mt0 link c1 type macvtap mode bridge;"
			     "ip link set mt0 address 52:54:00:99:00:02 up")) {
		probe_skip("a macvtap edge", "no macvtap here");
		world_drop(&w);
		return;
	}
	splice_must_in(w.net.client, "ip addr add 10.99.0.3/24 dev c0;"
		       "ip neigh add 10.99.0.2 lladdr 52:54:00:99:00:02 dev c0");
	cfg = config(&w);
	cfg.edge_ifindex = if_nametoindex("mt0");
	cfg.edge_is_macvtap = true;
	world_listen(&cfg);
	open_and_attach(&s, &cfg);
	check_talk(&w, &s, false, "macvtap");
	splice_close(&s);
	probe_check(has_qdisc(cfg.edge_ifindex, ""), "macvtap: closed, no qdisc is left");
	world_drop(&w);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	PROBE_TRY(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
	return info.si_pid == pid;
}

/* The guest's frames come while splices come and go: not one is lost. */
static void check_nothing_lost(struct world *w)
{
	struct frame_spec syn = { .guest_port = FREE_PORT, .flags = FRAME_SYN };
	struct on_tap want = { .fd = w->net.guest_fd };
	struct splice_config cfg = config(w);
	struct splice s;
	unsigned int sent = 0, lost = 0;
	pid_t pid = probe_fork();

	if (pid == 0) {
		for (int i = 0; i < COMINGS; i++) {
			open_and_attach(&s, &cfg);
			splice_close(&s);
		}
		_exit(0);
	}
	while (!has_ended(pid) && !lost) {
		send_frame(w, &syn);
		sent++;
		lost += !probe_wait_until(guest_got, &want);
	}
	probe_check(lost == 0 && sent > COMINGS, "%u frames passed while splices came and went",
		    sent);
	if (probe_join(pid) != 0)
		probe_bail("a splice could not be attached");
}

static void check_all(bool filters)
{
	struct world w;

	by_filters = filters;
	probe_note("%s", filters ? "by filters" : "by links");
	world_make(&w, SPLICE_BRIDGED, SPLICE_TAP);
	prepare_client(&w);
	check_attached(&w);
	check_again(&w, false);
	check_again(&w, true);
	check_vlan(&w);
	check_beside(&w);
	check_found_qdisc(&w);
	if (filters) {
		check_sweep(&w);
		check_replaced(&w);
	} else {
		check_killed(&w);
		check_nothing_lost(&w);
	}
	check_edge_gone(&w);
	world_drop(&w);
	check_macvtap();
}

static bool has_links(void)
{
	struct hy_err e = { 0 };
	int prog = drop_all(), link = tcx_link(if_nametoindex("lo"), false, prog, &e);

	close(prog);
	tcx_unlink(&link);
	return e.num != EOPNOTSUPP;
}

int main(void)
{
	probe_begin(90);
	probe_private_net(0);
	check_all(true);
	if (has_links())
		check_all(false);
	else
		probe_skip("by links", "Linux 6.6 has them");
	return probe_end("a splice comes to an edge in use and goes again, and leaves nothing");
}
