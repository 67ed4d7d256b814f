/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf_splice.c - a twin's sockets take the guest's place at the guest's own edge
 *
 * Runs in: network namespaces of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * Once per topology (bridged, routed, port forwarded by NAT) and edge (tap, veth), with the same
 * three programs: that a socket exists in the twin decides, per connection, who gets the client's
 * frames; what the twin sends enters the host where the guest's frames do, under the guest's MAC
 * and address or not at all; what the guest still sends for a connection in the twin goes nowhere.
 */
#include "tests/probes/splice_guest.h"
#include "tests/probes/splice_talk.h"
#include "tests/probes/tcp_image.h"

#include "tests/probes/bpf_splice.h"
#include "tests/probes/bpf/bpf_splice.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_LISTENER 7001		/* a socket of the twin listens there */
#define PORT_GUEST 7002			/* only the guest answers there, until it is moved */
#define TRANSFER (256 * 1024)
#define BEFORE_MOVE 300
#define MSS_WITHOUT_OPTION 536
#define PROGS 3

enum stream { TO_SERVER = 1, TO_CLIENT, FIRST_BYTES };

static const char *const topology_names[] = { "bridged", "routed", "port forwarded" };
static const char *const edge_names[] = { "tap", "veth" };

/* One network with the programs at its hooks. */
struct splice {
	struct splice_net net;
	struct bpf_splice *bpf;
	int at_edge;			/* packet sockets that see what passes an interface */
	int at_client;
	struct bpf_tc_hook edge_hook;
	struct bpf_tc_hook twin_hook;
	char name[32];			/* of topology and edge */
};

static uint64_t count_of(const void *splice, unsigned int what)
{
	const struct splice *s = splice;

	return s->bpf->bss->count[what];
}

static void configure(struct splice *s)
{
	memcpy(s->bpf->rodata->guest_mac, splice_guest_mac, ETH_ALEN);
	s->bpf->rodata->guest_addr = splice_guest_addr().s_addr;
	s->bpf->rodata->edge_ifindex = s->net.edge_ifindex;
	s->bpf->rodata->twin_ifindex = s->net.twin_ifindex;
	s->bpf->rodata->twin_netns = s->net.twin_netns;
}

static void load(struct splice *s)
{
	int rc;

	s->bpf = bpf_splice__open();
	if (!s->bpf)
		probe_bail("opening the BPF object: %s", strerror(errno));
	configure(s);
	rc = bpf_splice__load(s->bpf);
	if (rc == -EPERM)
		probe_skip_all("BPF programs may not be loaded here");
	if (rc < 0)
		probe_bail("loading the BPF programs: %s", strerror(-rc));
}

static struct bpf_tc_hook make_hook(unsigned int ifindex)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook),
		.ifindex = (int)ifindex,
		.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS,
	};
	int rc = bpf_tc_hook_create(&hook);

	if (rc < 0)
		probe_bail("clsact on interface %u: %s", ifindex, strerror(-rc));
	return hook;
}

static void attach(struct bpf_tc_hook hook, enum bpf_tc_attach_point where,
		   const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog));
	int rc;

	hook.attach_point = where;
	rc = bpf_tc_attach(&hook, &opts);
	if (rc < 0)
		probe_bail("attaching %s: %s", bpf_program__name(prog), strerror(-rc));
}

/* Return: NULL, or what this machine lacks. */
static const char *splice_make(struct splice *s, enum splice_topology topology,
			       enum splice_edge edge)
{
	const char *lack = splice_net_make(&s->net, topology, edge);

	if (lack)
		return lack;
	snprintf(s->name, sizeof(s->name), "%s, %s", topology_names[topology], edge_names[edge]);
	load(s);
	s->edge_hook = make_hook(s->net.edge_ifindex);
	s->twin_hook = make_hook(s->net.twin_ifindex);
	attach(s->edge_hook, BPF_TC_EGRESS, s->bpf->progs.to_guest);
	attach(s->edge_hook, BPF_TC_INGRESS, s->bpf->progs.from_guest);
	attach(s->twin_hook, BPF_TC_INGRESS, s->bpf->progs.from_twin);
	s->at_edge = splice_packet_socket(&s->net, s->net.host, SPLICE_EDGE_NAME);
	s->at_client = splice_packet_socket(&s->net, s->net.client, SPLICE_CLIENT_NAME);
	return NULL;
}

static struct sockaddr_in address(struct in_addr addr, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr = addr, .sin_port = htons(port) };
}

static int listen_in_twin(struct splice *s)
{
	struct sockaddr_in at = address(splice_guest_addr(), PORT_LISTENER);
	int fd = splice_socket(&s->net, s->net.twin, AF_INET, SOCK_STREAM);

	PROBE_TRY(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	PROBE_TRY(listen(fd, 8));
	return fd;
}

/* A client's socket, its SYN sent. */
static int start_connect(struct splice *s, uint16_t port)
{
	struct sockaddr_in dest = address(s->net.dest, port);
	int fd = splice_socket(&s->net, s->net.client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);

	if (connect(fd, (struct sockaddr *)&dest, sizeof(dest)) < 0 && errno != EINPROGRESS)
		probe_bail("%s: connect: %s", s->name, strerror(errno));
	return fd;
}

static void check_both_ways(struct splice *s, int client, int server, const char *what)
{
	size_t up = splice_transfer(client, server, TRANSFER, TO_SERVER);
	size_t down = splice_transfer(server, client, TRANSFER, TO_CLIENT);

	probe_check(up == TRANSFER && down == TRANSFER,
		    "%s: %s: %zu bytes to the twin and %zu from it are right", s->name, what, up,
		    down);
}

/* End a connection of the twin without a segment. */
static void close_silently(int server)
{
	tcp_sock_repair(server, TCP_REPAIR_ON);
	close(server);
}

static void check_listener(struct splice *s, int listener)
{
	int client;
	int server = -1;

	s->bpf->bss->listeners_count = true;
	client = start_connect(s, PORT_LISTENER);
	if (splice_wait_for(listener, POLLIN))
		server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (!probe_check(server >= 0 && splice_is_connected(client),
			 "%s: a client of the guest's address is accepted in the twin", s->name))
		return;
	check_both_ways(s, client, server, "connection accepted in the twin");
	probe_check(splice_guest_drain(s->net.guest_fd, PORT_LISTENER) == 0 &&
			    count_of(s, TO_TWIN) > 0,
		    "%s: of its %llu segments the guest gets none", s->name,
		    (unsigned long long)count_of(s, TO_TWIN));
	close_silently(server);
	close(client);
}

/* Return: the client's end; @conn is the guest's. */
static int check_guest_keeps(struct splice *s, struct splice_conn *conn)
{
	unsigned char got[BEFORE_MOVE];
	uint64_t to_twin = count_of(s, TO_TWIN);
	int client = start_connect(s, PORT_GUEST);
	bool accepted = splice_guest_accept(s->net.guest_fd, PORT_GUEST, conn);
	size_t len = 0;

	if (accepted && splice_is_connected(client)) {
		splice_send_some(client, 0, sizeof(got), FIRST_BYTES);
		len = splice_guest_read(s->net.guest_fd, conn, got, sizeof(got));
	}
	probe_check(accepted && len == sizeof(got) &&
			    probe_first_wrong(got, len, 0, FIRST_BYTES) < 0 &&
			    count_of(s, TO_TWIN) == to_twin,
		    "%s: with no socket in the twin the guest answers: %zu bytes reach it", s->name,
		    len);
	return client;
}

/* The guest's connection as a socket in the twin. */
static int move_to_twin(struct splice *s, const struct splice_conn *conn)
{
	struct tcp_image image = {
		.local = address(splice_guest_addr(), conn->port),
		.remote = conn->client,
		.recv_seq = conn->recv_seq,
		.send_seq = conn->send_seq,
		.mss = MSS_WITHOUT_OPTION,
		/* no scaling must be said as scale 0: else the socket scales by its own wish */
		.options = TCPI_OPT_WSCALE,
		.window = {
			.snd_wl1 = conn->recv_seq,
			.snd_wnd = conn->client_window,
			.max_window = conn->client_window,
			.rcv_wnd = UINT16_MAX,
			.rcv_wup = conn->recv_seq,
		},
	};
	int fd = splice_socket(&s->net, s->net.twin, AF_INET, SOCK_STREAM);

	tcp_image_connect(fd, &image, TCP_IMAGE_MAXSEG_BEFORE);
	tcp_image_fill(fd, &image);
	tcp_sock_repair(fd, TCP_REPAIR_OFF);
	return fd;
}

static bool wait_count(const struct splice *s, enum splice_count what, uint64_t value)
{
	return probe_wait_count(count_of, s, what, value);
}

static void check_moved(struct splice *s, int client, const struct splice_conn *conn)
{
	struct splice_conn now = *conn;
	unsigned int seen;
	int server;

	/* established sockets count with or without listeners */
	s->bpf->bss->listeners_count = false;
	splice_guest_drain(s->net.guest_fd, PORT_GUEST);
	server = move_to_twin(s, conn);
	check_both_ways(s, client, server, "connection moved into the twin");
	seen = splice_guest_drain(s->net.guest_fd, PORT_GUEST);
	probe_check(seen == 0, "%s: after the move the guest gets %u of its segments", s->name,
		    seen);

	/* the worst case: the client would believe this one */
	now.send_seq += TRANSFER;
	now.recv_seq += TRANSFER;
	splice_guest_send(s->net.guest_fd, &now, SPLICE_RST | SPLICE_ACK);
	probe_check(wait_count(s, DROP_LATE, 1), "%s: a late RST of the guest's is dropped",
		    s->name);
	check_both_ways(s, client, server, "the same connection after the guest's RST");
	close_silently(server);
	close(client);
}

static void check_listener_ignored(struct splice *s)
{
	struct splice_segment syn;
	int client = start_connect(s, PORT_LISTENER);

	probe_check(splice_guest_await_syn(s->net.guest_fd, PORT_LISTENER, &syn),
		    "%s: where listeners do not count, the guest gets the SYN", s->name);
	close(client);
}

/* Put a frame of our own making on the twin's wire. */
static void send_from_twin(struct splice *s, const struct splice_segment *seg, uint16_t ether_type)
{
	int fd = splice_packet_socket(&s->net, s->net.twin, SPLICE_V1_NAME);
	unsigned char frame[SPLICE_HEADERS];

	splice_frame(frame, seg);
	ether_type = htons(ether_type);
	memcpy(frame + 2 * ETH_ALEN, &ether_type, sizeof(ether_type));
	PROBE_TRY(send(fd, frame, sizeof(frame), 0));
	close(fd);
}

static void check_pinning(struct splice *s, const struct splice_conn *conn)
{
	struct splice_segment good = {
		.from = splice_guest_addr(),
		.to = conn->client.sin_addr,
		.from_port = conn->port,
		.to_port = ntohs(conn->client.sin_port),
		.flags = SPLICE_ACK,
	};
	uint64_t passed = count_of(s, FROM_TWIN);
	struct splice_segment bad;

	memcpy(good.from_mac, splice_guest_mac, ETH_ALEN);
	send_from_twin(s, &good, ETH_P_IP);
	probe_check(wait_count(s, FROM_TWIN, ++passed),
		    "%s: a frame of the twin with the guest's MAC and address passes", s->name);
	bad = good;
	bad.from.s_addr ^= htonl(1);
	send_from_twin(s, &bad, ETH_P_IP);
	probe_check(wait_count(s, DROP_FOREIGN, 1), "%s: with another address it is dropped",
		    s->name);
	bad = good;
	bad.from_mac[ETH_ALEN - 1] ^= 1;
	send_from_twin(s, &bad, ETH_P_IP);
	probe_check(wait_count(s, DROP_FOREIGN, 2), "%s: with another MAC it is dropped", s->name);
	bad = good;
	bad.to.s_addr ^= htonl(0x100);
	send_from_twin(s, &bad, ETH_P_IP);
	probe_check(wait_count(s, DROP_NO_HOP, 1),
		    "%s: to whom the guest never heard from it is dropped", s->name);
	send_from_twin(s, &good, ETH_P_ARP);
	probe_check(wait_count(s, DROP_OTHER, 1), "%s: what is not IPv4 is dropped", s->name);
	probe_check(count_of(s, FROM_TWIN) == passed, "%s: of the four none passed", s->name);
}

/* What a packet socket has seen coming in with a source other than the guest's. */
struct watched {
	unsigned long guests;
	unsigned long foreign;
};

static struct watched watch(int fd, bool only_guests_address)
{
	unsigned char frame[SPLICE_HEADERS + 64];
	struct sockaddr_ll from;
	struct splice_segment seg;
	struct watched seen = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	for (;; from_len = sizeof(from)) {
		len = recvfrom(fd, frame, sizeof(frame), MSG_TRUNC, (struct sockaddr *)&from,
			       &from_len);
		if (len < 0)
			return seen;
		if (from.sll_pkttype == PACKET_OUTGOING ||
		    !splice_parse(frame, (size_t)len, &seg))
			continue;
		if (seg.from.s_addr == splice_guest_addr().s_addr &&
		    !memcmp(seg.from_mac, splice_guest_mac, ETH_ALEN))
			seen.guests++;
		else if (!only_guests_address || seg.from.s_addr == splice_guest_addr().s_addr)
			seen.foreign++;
	}
}

static void check_sources(struct splice *s)
{
	unsigned long long sent = count_of(s, FROM_TWIN);
	struct watched edge;
	struct watched client;

	probe_check(wait_count(s, REENTERED, sent) && count_of(s, REENTERED) == sent,
		    "%s: all %llu frames of the twin enter the host at the guest's edge", s->name,
		    sent);
	edge = watch(s->at_edge, false);
	probe_check(edge.guests >= sent && edge.foreign == 0,
		    "%s: seen entering there: %lu with the guest's MAC and address, %lu others",
		    s->name, edge.guests, edge.foreign);
	if (s->net.topology != SPLICE_BRIDGED)
		return;
	client = watch(s->at_client, true);
	probe_check(client.guests > 0 && client.foreign == 0,
		    "%s: seen by the client: %lu frames from the guest's MAC, %lu from others",
		    s->name, client.guests, client.foreign);
}

static void prog_ids(const struct splice *s, uint32_t *ids)
{
	const struct bpf_program *progs[PROGS] = { s->bpf->progs.to_guest, s->bpf->progs.from_guest,
						   s->bpf->progs.from_twin };
	struct bpf_prog_info info;
	uint32_t len;

	for (int i = 0; i < PROGS; i++) {
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		PROBE_TRY(bpf_obj_get_info_by_fd(bpf_program__fd(progs[i]), &info, &len));
		ids[i] = info.id;
	}
}

/* For probe_wait_until(): the kernel lets a program go some time after its last user has. */
static bool progs_are_gone(void *arg)
{
	const uint32_t *ids = arg;
	int fd;

	for (int i = 0; i < PROGS; i++) {
		fd = bpf_prog_get_fd_by_id(ids[i]);
		if (fd >= 0) {
			close(fd);
			return false;
		}
	}
	return true;
}

static bool hook_is_gone(struct bpf_tc_hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
	struct bpf_tc_hook ingress = *hook;
	libbpf_print_fn_t print;
	bool gone;

	if (bpf_tc_hook_destroy(hook) < 0)
		return false;
	ingress.attach_point = BPF_TC_INGRESS;
	print = libbpf_set_print(NULL);		/* it would report the refusal that is wanted */
	gone = bpf_tc_query(&ingress, &opts) < 0;
	libbpf_set_print(print);
	return gone;
}

static void splice_drop(struct splice *s)
{
	uint32_t ids[PROGS];
	bool hooks_gone;

	prog_ids(s, ids);
	hooks_gone = hook_is_gone(&s->edge_hook) && hook_is_gone(&s->twin_hook);
	bpf_splice__destroy(s->bpf);
	probe_check(hooks_gone && probe_wait_until(progs_are_gone, ids) &&
			    splice_net_unsplice(&s->net),
		    "%s: taken away, no hook, program or veth is left", s->name);
	close(s->at_edge);
	close(s->at_client);
	splice_net_drop(&s->net);
}

/* Return: false if this machine cannot make the network. */
static bool check_all(enum splice_topology topology, enum splice_edge edge)
{
	struct splice_conn conn;
	struct splice s = { 0 };
	const char *lack = splice_make(&s, topology, edge);
	int listener;
	int client;

	if (lack) {
		probe_skip(topology_names[topology], "%s edge: no %s here", edge_names[edge], lack);
		return false;
	}
	listener = listen_in_twin(&s);
	check_listener(&s, listener);
	client = check_guest_keeps(&s, &conn);
	check_moved(&s, client, &conn);
	check_listener_ignored(&s);
	check_pinning(&s, &conn);
	check_sources(&s);
	close(listener);
	splice_drop(&s);
	return true;
}

/* Nobody takes anything away here: the whole splice goes with its process. */
static void check_killed(void)
{
	uint32_t ids[PROGS];
	struct splice s = { 0 };
	int ends[2];
	pid_t pid;

	PROBE_TRY(pipe(ends));
	pid = probe_fork();
	if (pid == 0) {
		if (splice_make(&s, SPLICE_ROUTED, SPLICE_VETH))
			_exit(1);
		prog_ids(&s, ids);
		if (write(ends[1], ids, sizeof(ids)) == (ssize_t)sizeof(ids))
			pause();
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], ids, sizeof(ids)) != (ssize_t)sizeof(ids))
		probe_bail("the process to be killed has not set up its splice");
	probe_check(!progs_are_gone(ids), "the programs of another process are there");
	kill(pid, SIGKILL);
	probe_join(pid);
	probe_check(probe_wait_until(progs_are_gone, ids), "killed, they are gone");
	close(ends[0]);
}

int main(void)
{
	unsigned int networks = 0;

	probe_begin(60);
	probe_private_net(0);
	for (unsigned int t = 0; t < SPLICE_TOPOLOGIES; t++)
		for (unsigned int e = 0; e < SPLICE_EDGES; e++)
			networks += check_all(t, e);
	check_killed();
	return probe_end("in %u networks of %u: frames follow the socket, the twin speaks as the "
			 "guest or not at all",
			 networks, SPLICE_TOPOLOGIES * SPLICE_EDGES);
}
