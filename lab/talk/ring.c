/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring.c - the first bytes of every frame of an interface, through memory shared with the kernel
 *
 * Runs in: hylics-talk watch
 * Reads from: the kernel; the frames are of whoever is on the wire (hostile)
 *
 * DOC: A place of the ring
 *
 * Places are of equal size. Each begins with the kernel's header, whose status says whose the place
 * is, and tells where the frame lies; right before the frame is a virtio_net_hdr with the size of
 * the segments it stands for. A filter that lets everything through cuts what is copied.
 */
#include "lab/talk/ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/own.h"

#define RING_BYTES ((size_t)TALK_RING_FRAMES * TALK_RING_FRAME_BYTES)

static struct tpacket2_hdr *place(const struct ring *r)
{
	return (void *)(r->map + (size_t)r->next * TALK_RING_FRAME_BYTES);
}

static int set_options(int fd, struct hy_err *e)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, TALK_SNAP_BYTES) };
	const struct sock_fprog cut = { .len = 1, .filter = code };
	const struct tpacket_req room = {
		.tp_block_size = TALK_RING_BLOCK_BYTES,
		.tp_block_nr = RING_BYTES / TALK_RING_BLOCK_BYTES,
		.tp_frame_size = TALK_RING_FRAME_BYTES,
		.tp_frame_nr = TALK_RING_FRAMES,
	};
	int version = TPACKET_V2, one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &cut, sizeof(cut)) < 0)
		return hy_err_set(e, errno, "packet socket: cut frames by a filter");
	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0)
		return hy_err_set(e, errno, "packet socket: second version of the ring");
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0)
		return hy_err_set(e, errno, "packet socket: PACKET_VNET_HDR");
	if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &room, sizeof(room)) < 0)
		return hy_err_set(e, errno, "packet socket: a ring of %zu bytes", RING_BYTES);
	return 0;
}

int ring_open(struct ring *r, const char *interface, struct hy_err *e)
{
	unsigned int index = strlen(interface) < IFNAMSIZ ? if_nametoindex(interface) : 0;
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = (int)index,
				  .sll_protocol = htons(ETH_P_ALL) };
	hy_autofd fd = -1;
	void *map;
	int rc;

	if (!index)
		return hy_err_set(e, ENODEV, "interface '%s' in this network namespace", interface);
	/* Protocol 0: nothing comes in before bind() has said from where. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return hy_err_set(e, errno, "open a packet socket");
	rc = set_options(fd, e);
	if (rc < 0)
		return rc;
	map = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return hy_err_set(e, errno, "map the ring");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		rc = hy_err_set(e, errno, "interface '%s': bind", interface);
		munmap(map, RING_BYTES);
		return rc;
	}
	*r = (struct ring){ .fd = hy_fd_steal(&fd), .map = map };
	return 0;
}

bool ring_next(struct ring *r, struct seen_frame *f, bool *outgoing)
{
	const struct tpacket2_hdr *head = place(r);
	struct virtio_net_hdr offload;
	struct sockaddr_ll from;

	if (!(__atomic_load_n(&head->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	f->bytes = (const uint8_t *)head + head->tp_mac;
	f->captured = head->tp_snaplen;
	f->len = head->tp_len;
	memcpy(&offload, f->bytes - sizeof(offload), sizeof(offload));
	f->segment_bytes = offload.gso_type != VIRTIO_NET_HDR_GSO_NONE ? offload.gso_size : 0;
	memcpy(&from, (const uint8_t *)head + TPACKET_ALIGN(sizeof(*head)), sizeof(from));
	*outgoing = from.sll_pkttype == PACKET_OUTGOING;
	return true;
}

void ring_done(struct ring *r)
{
	__atomic_store_n(&place(r)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	r->next = (r->next + 1) % TALK_RING_FRAMES;
}

uint64_t ring_drops(struct ring *r)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* reading sets the kernel's own count back */
	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		r->drops += stats.tp_drops;
	return r->drops;
}

void ring_close(struct ring *r)
{
	munmap(r->map, RING_BYTES);
	hy_fd_close(&r->fd);
}
