/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_hops.c - what the splice's programs remember: next hops, and which sockets there may be
 *
 * Runs in: network namespaces of its own; nothing is attached, the kernel runs the programs on
 *	frames it is handed (BPF_PROG_TEST_RUN)
 * Reads from: no untrusted input
 */
#include "tests/splice/run.h"

#include "common/limits.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SCAN (3 * HY_SPLICE_HOPS_MAX)
#define OUT .outgoing = true
#define FREE .guest_port = FREE_PORT

/* The guest answers more clients, by another router, than next hops are remembered. */
static void guest_is_scanned(struct splice *s)
{
	static const struct frame_spec f = { OUT, FREE, .to_mac = mac_other };
	struct run r = { 0 };
	const size_t dest = ETH_HLEN + 16;

	r.in_len = frame_make(&f, r.in);
	for (uint32_t i = 0; i < SCAN; i++) {
		uint32_t addr = htonl(0xc0000000u + i);

		memcpy(r.in + dest, &addr, sizeof(addr));
		run_bytes(s, FROM_GUEST, &r);
	}
}

static void check_hops_of_guest(struct world *w)
{
	struct splice_config cfg = world_config(w);
	struct frame_spec forged = { FREE, .from_mac = mac_other };
	struct frame_spec alien = { OUT, FREE, .from_mac = mac_other, .to_mac = mac_other };
	struct splice s;
	struct run r = { 0 };

	world_open(&s, &cfg);
	probe_check(run_goes_to(&s, CONN_PORT, NULL), "next hop: nobody has shown one, so dropped");
	run_frame(&s, FROM_GUEST, &alien, &r);
	probe_check(run_goes_to(&s, CONN_PORT, NULL),
		    "next hop: frames with another MAC than the guest's do not show one");
	run_guest_sends(&s, mac_router);
	probe_check(run_goes_to(&s, FREE_PORT, mac_router), "next hop: the one the guest uses");
	run_guest_sends(&s, mac_router);
	run_frame(&s, TO_GUEST, &forged, &r);
	probe_check(r.after[SPLICE_HOP_NEW] == 1 && run_goes_to(&s, FREE_PORT, mac_router),
		    "next hop: the same again is not written, nor what comes for the guest");
	run_guest_sends(&s, mac_other);
	run_renew(&s);
	probe_check(run_goes_to(&s, FREE_PORT, mac_other),
		    "next hop: changes when the guest's does");
	run_guest_sends(&s, mac_router);
	probe_check(run_goes_to(&s, FREE_PORT, mac_router), "next hop: and back");
	splice_close(&s);
}

static void check_hops_scanned(struct world *w)
{
	struct splice_config cfg = world_config(w);
	struct frame_spec once = { OUT, FREE, .foreign_dest = true };
	struct splice s;
	struct run r = { 0 };
	const uint8_t *hop;

	world_open(&s, &cfg);
	run_guest_sends(&s, mac_router);
	hop = run_twins_hop(&s, &r, &once);
	probe_check(hop && !memcmp(hop, mac_router, ETH_ALEN),
		    "next hop: all of the guest's go one way, so an unknown client's does");
	run_frame(&s, FROM_GUEST, &once, &r);
	probe_check(run_goes_to(&s, CONN_PORT, mac_router), "next hop: known to a connection");
	guest_is_scanned(&s);
	run_renew(&s);
	run_guest_sends(&s, mac_other);
	probe_check(run_goes_to(&s, CONN_PORT, mac_router),
		    "next hop: still known after %d other clients", SCAN);
	hop = run_twins_hop(&s, &r, &once);
	probe_check(hop && !memcmp(hop, mac_router, ETH_ALEN),
		    "next hop: of a client seen once, when all went one way, that way");
	splice_close(&s);
}

static void check_hops_of_clients(struct world *w)
{
	struct splice_config cfg = world_config(w);
	struct frame_spec f = { 0 };
	struct splice s;
	struct run r = { 0 };
	/* sockets keep what they know for each splice of its own, but these come from one world */
	int fd = world_established(w, false, CONN_PORT + 100);

	world_open(&s, &cfg);
	f.guest_port = CONN_PORT + 100;
	run_frame(&s, TO_GUEST, &f, &r);
	probe_check(run_goes_to(&s, f.guest_port, mac_router),
		    "next hop: shown by the client's frames if by nothing else");
	run_guest_sends(&s, mac_other);
	run_frame(&s, TO_GUEST, &f, &r);
	probe_check(run_goes_to(&s, f.guest_port, mac_router) && r.after[SPLICE_HOP_NEW] == 2,
		    "next hop: of a connection stays, and is not written again");
	f.from_mac = mac_other;
	run_frame(&s, TO_GUEST, &f, &r);
	probe_check(run_goes_to(&s, f.guest_port, mac_other),
		    "next hop: follows when the client's frames come another way");
	splice_close(&s);
	close(fd);
}

/* -- which connections may be in the twin -- */

static struct splice_present *map_present(int fd)
{
	void *at = mmap(NULL, sizeof(struct splice_present), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);

	if (at == MAP_FAILED)
		probe_bail("the map cannot be mapped");
	return at;
}

static void set_bit(struct splice_present *p, bool ip6, uint16_t guest_port)
{
	struct splice_addr client = { .family = ip6 ? AF_INET6 : AF_INET };
	uint32_t bit;

	memcpy(client.word, addrs.client[ip6], ip6 ? 16 : 4);
	bit = splice_present_bit(&client, htons(CLIENT_PORT), htons(guest_port));
	p->word[bit / 64] |= 1ull << bit % 64;
}

/* Does a frame of @f's connection go to the twin, and is the guest's own for it dropped? */
static bool is_twins(struct splice *s, struct frame_spec f)
{
	struct run r = { 0 };
	bool to_twin, dropped;

	run_frame(s, TO_GUEST, &f, &r);
	to_twin = r.verdict == SENT;
	f.outgoing = true;
	run_frame(s, FROM_GUEST, &f, &r);
	dropped = r.verdict == DROP;
	if (to_twin != dropped)
		probe_check(false, "both directions are decided alike");
	return to_twin;
}

static void check_present(struct world *w)
{
	static const struct frame_spec v4 = { 0 }, v6 = { .ip6 = true };
	static const struct frame_spec error = { .icmp_type = 3 }, first = { .more = true };
	struct splice_config cfg = world_config(w);
	struct splice_present *p;
	struct hy_err e = { 0 };
	struct splice s;
	struct run r = { 0 };

	cfg.present = world_try(splice_present_make(&e), &e);
	p = map_present(cfg.present);
	world_open(&s, &cfg);
	run_guest_sends(&s, mac_router);
	probe_check(is_twins(&s, v4) && is_twins(&s, v6),
		    "present: as long as nobody keeps it, every socket is looked for");
	p->kept = 1;
	probe_check(!is_twins(&s, v4) && !is_twins(&s, v6),
		    "present: behind a clear bit none is, even if there is one");
	set_bit(p, false, CONN_PORT);
	probe_check(is_twins(&s, v4) && !is_twins(&s, v6), "present: behind a set one, IPv4");
	set_bit(p, true, CONN_PORT);
	probe_check(is_twins(&s, v6), "present: and IPv6");
	set_bit(p, false, FREE_PORT);
	probe_check(!is_twins(&s, (struct frame_spec){ .guest_port = FREE_PORT }),
		    "present: a set bit alone gives the twin nothing");
	run_renew(&s);
	probe_check(is_twins(&s, v4), "present: one for all splices of a twin");
	memset(p->word, 0, sizeof(p->word));
	run_frame(&s, TO_GUEST, &error, &r);
	probe_check(r.verdict == SENT, "present: an ICMP error's connection is looked for always");
	run_frame(&s, TO_GUEST, &first, &r);
	probe_check(r.verdict == SENT, "present: and a fragment's");
	probe_check(run_goes_to(&s, CONN_PORT, mac_router),
		    "present: what the twin sends does not depend on it");
	splice_close(&s);
	munmap(p, sizeof(*p));
	close(cfg.present);
}

/* Datagrams: whether the twin's leave, and to whom. */
static bool datagram_goes_to(struct splice *s, bool ip6, const uint8_t *mac)
{
	const struct frame_spec f = { OUT, .ip6 = ip6, .protocol = IPPROTO_UDP };
	struct run r = { 0 };

	run_frame(s, FROM_TWIN, &f, &r);
	if (r.verdict != SENT)
		return !mac;
	return mac && memcmp(r.out, mac, ETH_ALEN) == 0;
}

static void guest_sends_datagram(struct splice *s, bool ip6, const uint8_t *mac)
{
	const struct frame_spec f = { OUT, .ip6 = ip6, .protocol = IPPROTO_UDP, .to_mac = mac };
	struct run r = { 0 };

	run_frame(s, FROM_GUEST, &f, &r);
	if (r.verdict != PASS)
		probe_check(false, "what the guest sends itself passes");
}

static void check_casts(struct world *w)
{
	static const uint8_t mac_group[ETH_ALEN] = { 1, 0, 0x5e, 0, 0, 1 };
	struct splice_config cfg = world_config(w);
	const unsigned int bit = htons(CONN_PORT);
	struct splice_present *p;
	struct hy_err e = { 0 };
	struct splice s;

	cfg.present = world_try(splice_present_make(&e), &e);
	p = map_present(cfg.present);
	world_open(&s, &cfg);
	guest_sends_datagram(&s, false, mac_group);
	p->cast[bit / 64] |= 1ull << bit % 64;
	probe_check(datagram_goes_to(&s, false, NULL),
		    "cast: a datagram to a group shows no next hop, so the twin's is dropped");
	guest_sends_datagram(&s, false, mac_router);
	probe_check(datagram_goes_to(&s, false, mac_router) &&
		    datagram_goes_to(&s, true, mac_router),
		    "cast: the twin's goes where the guest's own datagrams go");
	guest_sends_datagram(&s, true, mac_other);
	probe_check(datagram_goes_to(&s, true, mac_other) &&
		    datagram_goes_to(&s, false, mac_router), "cast: each to its own next hop");
	p->cast[bit / 64] = 0;
	probe_check(datagram_goes_to(&s, false, NULL), "cast: none from a port without one");
	splice_close(&s);
	munmap(p, sizeof(*p));
	close(cfg.present);
}

static void check_present_listeners(struct world *w)
{
	static const struct frame_spec syn = { .guest_port = LISTEN_PORT, .flags = FRAME_SYN };
	struct splice_config cfg = world_config(w);
	struct splice_present *p;
	struct hy_err e = { 0 };
	struct splice s;
	struct run r = { 0 };

	world_listen(&cfg);
	p = map_present(cfg.present);
	p->kept = 1;
	world_open(&s, &cfg);
	run_frame(&s, TO_GUEST, &syn, &r);
	probe_check(r.verdict == SENT, "present: a module's listener is looked for always");
	world_try(splice_present_listen(cfg.present, LISTEN_PORT, false, &e), &e);
	run_frame(&s, TO_GUEST, &syn, &r);
	probe_check(r.verdict == PASS, "present: any other is not");
	p->kept = 0;
	run_frame(&s, TO_GUEST, &syn, &r);
	probe_check(r.verdict == PASS, "present: nor does it count where sockets are looked for");
	splice_close(&s);
	munmap(p, sizeof(*p));
	close(cfg.present);
}

int main(void)
{
	struct world w;

	probe_begin(60);
	probe_private_net(0);
	world_make(&w, SPLICE_ROUTED, SPLICE_VETH);
	check_hops_of_guest(&w);
	check_hops_scanned(&w);
	check_hops_of_clients(&w);
	check_present(&w);
	check_casts(&w);
	check_present_listeners(&w);
	world_drop(&w);
	return probe_end("the twin's frames find their way, its sockets are found");
}
