/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.c - one side of the wire: a packet socket on an interface, or the user's end of a tap
 *
 * Runs in: hylics-wire
 * Reads from: the machine on that side (hostile): any bytes, offload fields included
 *
 * DOC: What the kernel keeps beside a frame
 *
 * On a veth the sender's kernel leaves checksums unfinished and TCP data unsegmented, since no card
 * will ever do that work. A packet socket tells so in a header before each frame (PACKET_VNET_HDR).
 * The outermost VLAN tag is taken out of the frame and comes beside it; it is put back here.
 * A tap without IFF_VNET_HDR and with all offloads off has the kernel do all this itself.
 */
#include "lab/wire/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/own.h"
#include "lab/wire/iface.h"

enum { MAC_PAIR_LEN = 12 };

union aux_space {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

/* The arguments of recvmmsg(), too large for the stack of a function that is called often. */
struct packet_io {
	struct mmsghdr msg[WIRE_BATCH];
	struct iovec iov[WIRE_BATCH][2];
	struct virtio_net_hdr head[WIRE_BATCH];
	union aux_space aux[WIRE_BATCH];
};

static int set_options(int fd, const char *name, struct hy_err *e)
{
	static const struct {
		int option;
		const char *name;
	} wanted[] = {
		{ PACKET_VNET_HDR, "PACKET_VNET_HDR" },
		{ PACKET_AUXDATA, "PACKET_AUXDATA" },
		{ PACKET_IGNORE_OUTGOING, "PACKET_IGNORE_OUTGOING" },
		{ PACKET_QDISC_BYPASS, "PACKET_QDISC_BYPASS" },
	};
	int one = 1, room = WIRE_RECEIVE_BYTES;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (setsockopt(fd, SOL_PACKET, wanted[i].option, &one, sizeof(one)) < 0)
			return hy_err_set(e, errno, "interface '%s': set %s", name,
					  wanted[i].name);
	}
	/* Without the right to force it, what is allowed; `missed` tells if that was too little. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return 0;
}

static int open_packet(const char *name, int index, struct hy_err *e)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = index,
				       .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq all = { .mr_ifindex = index, .mr_type = PACKET_MR_PROMISC };
	hy_autofd fd = -1;
	int rc = iface_become_wire(name, e);

	if (rc < 0)
		return rc;
	/* Protocol 0: nothing comes in before bind() has said from where. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return hy_err_set(e, errno, "interface '%s': open a packet socket", name);
	rc = set_options(fd, name, e);
	if (rc < 0)
		return rc;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
		return hy_err_set(e, errno, "interface '%s': receive all frames", name);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return hy_err_set(e, errno, "interface '%s': bind", name);
	return hy_fd_steal(&fd);
}

static int open_tap(const char *name, struct hy_err *e)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	hy_autofd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return hy_err_set(e, errno, "open '/dev/net/tun'");
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return hy_err_set(e, errno, "tap '%s': attach (it must be a tap with one queue "
				  "that nobody else is attached to)", name);
	if (ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		return hy_err_set(e, errno, "tap '%s': switch off offloads", name);
	return hy_fd_steal(&fd);
}

int link_open(struct link *l, const char *name, bool tap, struct hy_err *e)
{
	struct link new = { .fd = -1, .tap = tap, .name = name };
	int rc = iface_find(name, &new.index, &new.mtu, e);

	if (rc < 0)
		return rc;
	new.fd = tap ? open_tap(name, e) : open_packet(name, new.index, e);
	if (new.fd < 0)
		return new.fd;
	*l = new;
	return 0;
}

void link_close(struct link *l)
{
	hy_fd_close(&l->fd);
}

static void prepare(struct packet_io *io, struct link_batch *b)
{
	for (unsigned int i = 0; i < WIRE_BATCH; i++) {
		io->iov[i][0] = (struct iovec){ &io->head[i], sizeof(io->head[i]) };
		io->iov[i][1] = (struct iovec){ b->bytes[i] + FRAME_VLAN_LEN, WIRE_FRAME_MAX };
		io->msg[i].msg_hdr = (struct msghdr){
			.msg_iov = io->iov[i], .msg_iovlen = 2,
			.msg_control = &io->aux[i], .msg_controllen = sizeof(io->aux[i]),
		};
	}
}

static const struct tpacket_auxdata *find_aux(struct msghdr *m)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			return (const void *)CMSG_DATA(c);
	}
	return NULL;
}

/* Puts the tag back between the addresses and the type, into the room left in front. */
static void restore_tag(struct link_frame *f, const struct tpacket_auxdata *aux)
{
	bool told = aux->tp_status & TP_STATUS_VLAN_TPID_VALID;
	uint16_t tag[2] = { htons(told ? aux->tp_vlan_tpid : ETH_P_8021Q),
			    htons(aux->tp_vlan_tci) };

	memmove(f->bytes - FRAME_VLAN_LEN, f->bytes, MAC_PAIR_LEN);
	f->bytes -= FRAME_VLAN_LEN;
	memcpy(f->bytes + MAC_PAIR_LEN, tag, sizeof(tag));
	f->len += FRAME_VLAN_LEN;
	f->csum_start += FRAME_VLAN_LEN;
}

static void describe(struct packet_io *io, struct link_batch *b, unsigned int i)
{
	const struct tpacket_auxdata *aux = find_aux(&io->msg[i].msg_hdr);
	const struct virtio_net_hdr *head = &io->head[i];
	unsigned int got = io->msg[i].msg_len;
	struct link_frame *f = &b->frame[i];

	*f = (struct link_frame){
		.bytes = b->bytes[i] + FRAME_VLAN_LEN,
		.len = got > sizeof(*head) ? got - (unsigned int)sizeof(*head) : 0,
		.cut_short = (io->msg[i].msg_hdr.msg_flags & MSG_TRUNC) != 0,
		.unfinished = (head->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0,
		.csum_start = head->csum_start,
		.csum_field = head->csum_offset,
		.segment_kind = head->gso_type,
		.segment_size = head->gso_size,
	};
	if (aux && aux->tp_status & TP_STATUS_VLAN_VALID && f->len >= FRAME_ETH_LEN)
		restore_tag(f, aux);
}

/* What a failed call means: the interface went down for a while, or for ever. */
static int receive_error(const struct link *l, int num)
{
	if (num == EAGAIN || num == EINTR)
		return 0;
	return iface_exists(l->index) ? -ENETDOWN : -ENODEV;
}

static int receive_packets(struct link *l, struct link_batch *b)
{
	static struct packet_io io;
	int n;

	prepare(&io, b);
	n = recvmmsg(l->fd, io.msg, WIRE_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return receive_error(l, errno);
	for (int i = 0; i < n; i++)
		describe(&io, b, (unsigned int)i);
	return n;
}

static int receive_tap(struct link *l, struct link_batch *b)
{
	int n = 0;

	while (n < WIRE_BATCH) {
		uint8_t *bytes = b->bytes[n] + FRAME_VLAN_LEN;
		ssize_t got = read(l->fd, bytes, WIRE_FRAME_MAX);

		if (got < 0)
			return n ? n : receive_error(l, errno);
		b->frame[n++] = (struct link_frame){ .bytes = bytes, .len = (uint32_t)got };
	}
	return n;
}

int link_receive(struct link *l, struct link_batch *b)
{
	return l->tap ? receive_tap(l, b) : receive_packets(l, b);
}

/* ENOBUFS: the queue on the other end of the veth is full, or that end is down. */
static int send_error(int num)
{
	return num == ENOBUFS || num == EINTR ? -EAGAIN : -num;
}

static int send_packets(struct link *l, const struct link_out *out, unsigned int n)
{
	static const struct virtio_net_hdr finished;
	static struct mmsghdr msg[WIRE_BATCH];
	static struct iovec iov[WIRE_BATCH][2];
	int sent;

	for (unsigned int i = 0; i < n; i++) {
		iov[i][0] = (struct iovec){ (void *)(uintptr_t)&finished, sizeof(finished) };
		iov[i][1] = (struct iovec){ (void *)(uintptr_t)out[i].bytes, out[i].len };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = iov[i], .msg_iovlen = 2 };
	}
	sent = sendmmsg(l->fd, msg, n, MSG_DONTWAIT);
	return sent < 0 ? send_error(errno) : sent;
}

static int send_tap(struct link *l, const struct link_out *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (write(l->fd, out[i].bytes, out[i].len) < 0)
			return i ? (int)i : send_error(errno);
	}
	return (int)n;
}

int link_send(struct link *l, const struct link_out *out, unsigned int n)
{
	return l->tap ? send_tap(l, out, n) : send_packets(l, out, n);
}

void link_count_missed(struct link *l)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* The kernel starts again from zero each time it is asked. */
	if (!l->tap && getsockopt(l->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		l->missed += stats.tp_drops;
}
