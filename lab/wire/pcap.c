/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap.c - record frames in a pcapng file, which Wireshark and tcpdump read
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input; frames are written as they are
 *
 * pcapng and not the older format, because it tells the side a frame came from and why one was
 * dropped. Numbers are in the machine's own byte order; the section header says which that is.
 */
#include "lab/wire/pcap.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/own.h"

enum {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
	OPTION_COMMENT = 1,
	OPTION_NAME = 2,
	OPTION_TIME_UNIT = 9,
	TIME_UNIT_NS = 9,
	LINK_ETHERNET = 1,
	BLOCK_FRAME_LEN = 12,	/* type, and the length before and after */
	OPTION_END_LEN = 4,
};

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static size_t option_len(size_t n)
{
	return 4 + padded(n);
}

static void put(struct pcap *p, const void *bytes, size_t n)
{
	static const char zero[4];

	fwrite(bytes, 1, n, p->file);
	fwrite(zero, 1, padded(n) - n, p->file);
}

static void put_u32(struct pcap *p, size_t v)
{
	uint32_t word = (uint32_t)v;

	put(p, &word, sizeof(word));
}

static void put_option(struct pcap *p, uint16_t code, const void *value, size_t n)
{
	uint16_t head[2] = { code, (uint16_t)n };

	put(p, head, sizeof(head));
	put(p, value, n);
}

static void put_section(struct pcap *p)
{
	static const uint32_t body[] = { 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX };
	size_t len = BLOCK_FRAME_LEN + sizeof(body);

	put_u32(p, BLOCK_SECTION);
	put_u32(p, len);
	put(p, body, sizeof(body));
	put_u32(p, len);
}

static void put_interface(struct pcap *p, const char *name)
{
	static const uint8_t unit = TIME_UNIT_NS;
	size_t len = BLOCK_FRAME_LEN + 8 + option_len(strlen(name)) + option_len(sizeof(unit)) +
		     OPTION_END_LEN;

	put_u32(p, BLOCK_INTERFACE);
	put_u32(p, len);
	put_u32(p, LINK_ETHERNET);
	put_u32(p, 0);		/* frames are recorded whole */
	put_option(p, OPTION_NAME, name, strlen(name));
	put_option(p, OPTION_TIME_UNIT, &unit, sizeof(unit));
	put_u32(p, 0);
	put_u32(p, len);
}

int pcap_open(struct pcap *p, const char *path, const char *const names[WIRE_DIRECTIONS],
	      struct hy_err *e)
{
	*p = (struct pcap){ .path = path };
	if (!path)
		return 0;
	p->file = fopen(path, "we");
	if (!p->file)
		return hy_err_set(e, errno, "record '%s': open", path);
	put_section(p);
	for (int side = 0; side < WIRE_DIRECTIONS; side++)
		put_interface(p, names[side]);
	return 0;
}

void pcap_frame(struct pcap *p, int side, const uint8_t *bytes, size_t len, const char *comment)
{
	size_t options = comment ? option_len(strlen(comment)) + OPTION_END_LEN : 0;
	size_t block = BLOCK_FRAME_LEN + 20 + padded(len) + options;
	struct timespec now;
	uint64_t ns;

	if (!p->file)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	put_u32(p, BLOCK_PACKET);
	put_u32(p, block);
	put_u32(p, (size_t)side);
	put_u32(p, (uint32_t)(ns >> 32));
	put_u32(p, (uint32_t)ns);
	put_u32(p, len);
	put_u32(p, len);
	put(p, bytes, len);
	if (comment) {
		put_option(p, OPTION_COMMENT, comment, strlen(comment));
		put_u32(p, 0);
	}
	put_u32(p, block);
}

void pcap_flush(struct pcap *p)
{
	if (p->file)
		fflush(p->file);
}

int pcap_close(struct pcap *p, struct hy_err *e)
{
	int rc = 0;

	if (p->file && (fflush(p->file) != 0 || ferror(p->file)))
		rc = hy_err_set(e, EIO, "record '%s': write; the file is not whole", p->path);
	hy_file_close(&p->file);
	return rc;
}
