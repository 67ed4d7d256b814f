/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_guest.c - the guest played by hand: whole frames in, whole frames out
 *
 * Runs in: probe-bpf_splice
 * Reads from: the probe's own namespaces
 *
 * Just enough TCP for a handshake and some bytes from a client that loses nothing: no options, no
 * retransmission, no segment out of order.
 */
#include "tests/probes/splice_guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000
#define FRAME_MAX 65600
#define FIRST_SEQ 1000
#define WINDOW 65535
#define TTL 64

struct pseudo_header {
	struct in_addr from;
	struct in_addr to;
	uint8_t zero;
	uint8_t protocol;
	uint16_t len;
};

static uint32_t sum_words(uint32_t sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void put_ip(unsigned char *at, const struct splice_segment *seg)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)),
		.ttl = TTL,
		.protocol = IPPROTO_TCP,
		.saddr = seg->from.s_addr,
		.daddr = seg->to.s_addr,
	};

	memcpy(at, &ip, sizeof(ip));
	ip.check = checksum(sum_words(0, at, sizeof(ip)));
	memcpy(at, &ip, sizeof(ip));
}

static void put_tcp(unsigned char *at, const struct splice_segment *seg)
{
	struct pseudo_header pseudo = { seg->from, seg->to, 0, IPPROTO_TCP,
					htons(sizeof(struct tcphdr)) };
	struct tcphdr tcp = {
		.th_sport = htons(seg->from_port),
		.th_dport = htons(seg->to_port),
		.th_seq = htonl(seg->seq),
		.th_ack = htonl(seg->ack),
		.th_off = sizeof(tcp) / 4,
		.th_flags = seg->flags,
		.th_win = htons(seg->window),
	};

	memcpy(at, &tcp, sizeof(tcp));
	tcp.th_sum = checksum(sum_words(sum_words(0, &pseudo, sizeof(pseudo)), at, sizeof(tcp)));
	memcpy(at, &tcp, sizeof(tcp));
}

void splice_frame(unsigned char *frame, const struct splice_segment *seg)
{
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP) };

	memcpy(eth.h_dest, seg->to_mac, ETH_ALEN);
	memcpy(eth.h_source, seg->from_mac, ETH_ALEN);
	memcpy(frame, &eth, sizeof(eth));
	put_ip(frame + sizeof(eth), seg);
	put_tcp(frame + sizeof(eth) + sizeof(struct iphdr), seg);
}

static void take_addresses(struct splice_segment *seg, const struct ethhdr *eth,
			   const struct iphdr *ip)
{
	memset(seg, 0, sizeof(*seg));
	memcpy(seg->to_mac, eth->h_dest, ETH_ALEN);
	memcpy(seg->from_mac, eth->h_source, ETH_ALEN);
	seg->from.s_addr = ip->saddr;
	seg->to.s_addr = ip->daddr;
}

bool splice_parse(const unsigned char *frame, size_t len, struct splice_segment *seg)
{
	const size_t ip_at = sizeof(struct ethhdr);
	const size_t tcp_at = ip_at + sizeof(struct iphdr);
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	size_t end;
	size_t data_at;

	if (len < SPLICE_HEADERS)
		return false;
	memcpy(&eth, frame, sizeof(eth));
	memcpy(&ip, frame + ip_at, sizeof(ip));
	memcpy(&tcp, frame + tcp_at, sizeof(tcp));
	end = ip_at + ntohs(ip.tot_len);
	data_at = tcp_at + tcp.th_off * 4u;
	if (eth.h_proto != htons(ETH_P_IP) || ip.protocol != IPPROTO_TCP || ip.ihl != 5 ||
	    data_at > end || end > len)
		return false;
	take_addresses(seg, &eth, &ip);
	seg->from_port = ntohs(tcp.th_sport);
	seg->to_port = ntohs(tcp.th_dport);
	seg->seq = ntohl(tcp.th_seq);
	seg->ack = ntohl(tcp.th_ack);
	seg->flags = tcp.th_flags;
	seg->window = ntohs(tcp.th_win);
	seg->payload = frame + data_at;
	seg->payload_len = end - data_at;
	return true;
}

/* The next TCP segment to @port; waits for it up to @wait_ms between frames. */
static bool next_segment(int fd, uint16_t port, struct splice_segment *seg, int wait_ms)
{
	static unsigned char frame[FRAME_MAX];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t len;

	while (poll(&readable, 1, wait_ms) > 0) {
		len = read(fd, frame, sizeof(frame));
		if (len < 0 && errno != EAGAIN)
			return false;
		if (len > 0 && splice_parse(frame, (size_t)len, seg) && seg->to_port == port)
			return true;
	}
	return false;
}

bool splice_guest_await_syn(int fd, uint16_t port, struct splice_segment *seg)
{
	while (next_segment(fd, port, seg, WAIT_MS))
		if ((seg->flags & (SPLICE_SYN | SPLICE_ACK)) == SPLICE_SYN)
			return true;
	return false;
}

void splice_guest_send(int fd, const struct splice_conn *conn, uint8_t flags)
{
	unsigned char frame[SPLICE_HEADERS];
	struct splice_segment seg = {
		.from = splice_guest_addr(),
		.to = conn->client.sin_addr,
		.from_port = conn->port,
		.to_port = ntohs(conn->client.sin_port),
		.seq = conn->send_seq,
		.ack = conn->recv_seq,
		.flags = flags,
		.window = WINDOW,
	};

	memcpy(seg.to_mac, conn->hop_mac, ETH_ALEN);
	memcpy(seg.from_mac, splice_guest_mac, ETH_ALEN);
	splice_frame(frame, &seg);
	PROBE_TRY(write(fd, frame, sizeof(frame)));
}

static void answer_syn(int fd, struct splice_conn *conn, const struct splice_segment *syn)
{
	memset(conn, 0, sizeof(*conn));
	memcpy(conn->hop_mac, syn->from_mac, ETH_ALEN);
	conn->client.sin_family = AF_INET;
	conn->client.sin_addr = syn->from;
	conn->client.sin_port = htons(syn->from_port);
	conn->port = syn->to_port;
	conn->send_seq = FIRST_SEQ;
	conn->recv_seq = syn->seq + 1;
	splice_guest_send(fd, conn, SPLICE_SYN | SPLICE_ACK);
	conn->send_seq++;
}

bool splice_guest_accept(int fd, uint16_t port, struct splice_conn *conn)
{
	struct splice_segment seg;

	if (!splice_guest_await_syn(fd, port, &seg))
		return false;
	answer_syn(fd, conn, &seg);
	while (next_segment(fd, port, &seg, WAIT_MS)) {
		if ((seg.flags & (SPLICE_SYN | SPLICE_ACK)) != SPLICE_ACK ||
		    seg.ack != conn->send_seq)
			continue;
		conn->client_window = seg.window;
		return true;
	}
	return false;
}

size_t splice_guest_read(int fd, struct splice_conn *conn, unsigned char *buf, size_t len)
{
	struct splice_segment seg;
	size_t got = 0;

	while (got < len && next_segment(fd, conn->port, &seg, WAIT_MS)) {
		if (seg.seq != conn->recv_seq || seg.payload_len > len - got)
			continue;
		memcpy(buf + got, seg.payload, seg.payload_len);
		got += seg.payload_len;
		conn->recv_seq += (uint32_t)seg.payload_len;
		splice_guest_send(fd, conn, SPLICE_ACK);
	}
	return got;
}

unsigned int splice_guest_drain(int fd, uint16_t port)
{
	struct splice_segment seg;
	unsigned int count = 0;

	while (next_segment(fd, port, &seg, 0))
		count++;
	return count;
}
