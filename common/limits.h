/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits.h - every maximum of the project, with its reason
 *
 * Runs in: every program
 * Reads from: no untrusted input
 *
 * A limit counts per VM unless its name says otherwise.
 */
#ifndef HY_LIMITS_H
#define HY_LIMITS_H

/* Logging: a peer that misbehaves without end costs at most 10 lines in 10 seconds per cause. */
#define HY_LOG_BURST 10
#define HY_LOG_PERIOD_MS 10000
#define HY_LOG_LINE_MAX 1024

/* Event loop: one batch of epoll events; larger gains nothing, smaller starves no one. */
#define HY_EV_BATCH 64
/* Descriptors of one process. 65536 connections need two each; above it the kernel says EMFILE. */
#define HY_EV_FDS_MAX 131072
/* Timers of one loop; those of connections will live in a wheel of their own. */
#define HY_EV_TIMERS_MAX 1024

/* A listener that finds no descriptor for its next client looks again: some may be free by then. */
#define HY_EV_REST_MS 100

/* Descriptor passing: the kernel allows 253, no message of ours carries more than two. */
#define HY_FDS_PER_MESSAGE_MAX 4

/*
 * Channel. A chunk is what may stand before an urgent message, so it bounds the delay of a ping;
 * below 16 KB the cost per byte of a virtio-serial port doubles.
 */
#define HY_CHUNK_MAX 16384
/* The largest message: HY_TCP_QUEUE_MAX, the rest of a connection's queues, and room to grow. */
#define HY_MESSAGE_MAX (16u << 20)
/* Whole messages that wait for the wire in one lane; a peer that reads nothing fills this. */
#define HY_CHAN_QUEUE_MAX (4u * HY_CHUNK_MAX)
#define HY_CHAN_HELLO_TIMEOUT_MS 1000	/* then the greeting is said again, then after twice that */
#define HY_CHAN_HELLO_PAUSE_MAX_MS 32000	/* and from here on no more rarely */
#define HY_CHAN_KEEPALIVE_MS 5000	/* silence after which a peer is asked whether it lives */
#define HY_CHAN_DEAD_MS 15000		/* silence after which it is taken for dead */
#define HY_CHAN_BACKOFF_MIN_MS 20	/* first pause before a transport is opened again */
#define HY_CHAN_BACKOFF_MAX_MS 1000	/* a machine that lost its peer wakes once a second */
#define HY_CHAN_CALLED_MS 60000		/* but where somebody calls it: should he miss something */
#define HY_CHAN_DOOR_MS 200		/* a worker's loop stands still for its keeper so long */

/*
 * Moved connections of one VM: two descriptors each in agent and worker, a few KB of table. The
 * experiments go up to 10,000.
 */
#define HY_CONNS_MAX 16384
/* What a program may be ahead of the wire: items in its pair, and bytes of a file in one. */
#define HY_ITEMS_MAX 16
#define HY_SLICE_MAX (128u << 20)
/* For the slowest client: HY_ITEMS_MAX of these are as much as a plain program is ahead of one. */
#define HY_SLICE_MIN (16u << 10)
/* Behind another while nothing is known of its client: a few seconds of a slow one's in all. */
#define HY_SLICE_NEW (64u << 10)
/*
 * Of one alone in its pair while nothing is known of its client, unless TCP knows it to be slow:
 * most files are no longer.
 */
#define HY_SLICE_ALONE (2u << 20)
/* Of a caller that waits until it has gone, and so is not ahead. */
#define HY_SLICE_WAIT (32u << 20)
/* As much a default send buffer may hold: that it was sent tells nothing of a client. */
#define HY_SLICE_BUFFERED (4u << 20)
#define HY_SLICE_MS 250		/* what a marker is to take, see hylics-agent/pace.h */
/* Files of the share that the worker has open for its guest at the same time. */
#define HY_FILES_MAX 4096
#define HY_PATH_MAX 1023	/* of a file beneath the share; longer ones are read in the guest */
/* Both queues of a connection with the largest default buffers (6 + 4 MB), and some room. */
#define HY_TCP_QUEUE_MAX (12u << 20)
/* Bytes nobody has read yet that a connection may take along; more is an upload in progress. */
#define HY_UNREAD_MAX (64u << 10)
/* Addresses of all NICs of a VM together. */
#define HY_TWIN_ADDRS_MAX 32
/* Interfaces of a guest that put something around frames; with more nothing is moved. */
#define HY_WRAPPED_LINKS_MAX 256
/*
 * The twin's programs: remote addresses whose next hop is remembered (those of moved connections
 * are kept with their sockets besides), and datagrams in pieces at the same time.
 */
#define HY_SPLICE_HOPS_MAX 4096
#define HY_SPLICE_PIECES_MAX 256
/* Connections of a twin that are remembered in TIME_WAIT, and those that took their ends over. */
#define HY_SPLICE_REBORN_MAX 16384
/* Connections the twin closed last; what is still under way of one comes within seconds. */
#define HY_SPLICE_CLOSED_MAX 4096
/* NICs of a VM with a twin; each is a veth, two interfaces of the machine. */
#define HY_TWIN_NICS_MAX 8
/*
 * A segment of the client's that came while nobody listened, header included; one message takes no
 * more. And the ring in which such segments wait: more than a hundred full frames, or of the
 * acknowledgements of a hundred moves under way all there can be.
 */
#define HY_LATE_MAX HY_CHUNK_MAX
#define HY_LATE_RING (256u << 10)
/* The kept socket outlives the adoption by this: acknowledgements may be in tap and virtio. */
#define HY_SILENCE_MS 100
/* So long the word that a program has a request's bytes may wait for its answer, to go with it. */
#define HY_TAKEN_LATER_MS 5
/* A moved connection without a session: an agent or worker that was killed is back much earlier. */
#define HY_ALONE_MS 60000
/* Before a move: unacknowledged bytes that travel at once, how long the rest is waited for. */
#define HY_DRAIN_BYTES (64u << 10)
/* Segments in flight with which a restored connection, whose congestion window is 10, can go on. */
#define HY_AGAIN_SEGMENTS 8
#define HY_DRAIN_LOOK_MS 5		/* a round trip of a near client, many times */
#define HY_DRAIN_QUIET_MS 20
#define HY_DRAIN_WAIT_MS 200
/* The memfd with the worker's table of connections: 64 bytes each, and its counters. */
#define HY_WORKER_TABLE_BYTES (HY_CONNS_MAX * 64u + 65536u)
/* Connections whose long queues are on their way, to the host or home, at the same time. */
#define HY_MOVES_MAX 16
/* Of a worker that brings everything home: connections it asks for at the same time. */
#define HY_HOMES_MAX 64
/*
 * How long it tries while none comes home before it leaves the rest to the next worker; and in all:
 * a guest that lets one come now and then is not to hold whoever ends its VM.
 */
#define HY_WORKER_LEAVE_MS 10000
#define HY_WORKER_LEAVE_MOST_MS 60000
#define HY_WORKER_HEARD_MS 10000	/* that its guest has to hear the last of them, then */
/* Until it asks whether its twin has no socket left: a little more than a TIME_WAIT. */
#define HY_PRESENT_LOOK_MS 61000
/* Copies that are restored one behind the other before each of them gets its first turn. */
#define HY_FRESH_COPIES 4
/* Sending before messages are looked at again: so many turns, or bytes, about two milliseconds. */
#define HY_SEND_TURNS 8
#define HY_SEND_ROUND_BYTES (4u << 20)
/*
 * Bytes one connection may send before the next one gets its turn. Less costs both ends: with
 * eight clients at work a quarter of it took a tenth more CPU per byte. More gains nothing, and
 * the next one waits longer.
 */
#define HY_SEND_TURN_BYTES (2u << 20)

/* Agent: programs of the guest that ask at the same time; the next waits in the listen queue. */
#define HY_LOCAL_CLIENTS_MAX 1024	/* each process of a server that uses the library is one */
/* Of them one user's, root's too: three users who hold all of theirs still leave places. */
#define HY_LOCAL_CLIENTS_PER_USER_MAX 300
#define HY_LOCAL_BACKLOG 64
/* Users with connections at the agent, and one user's connections: others keep a quarter. */
#define HY_LOCAL_USERS_MAX 256
#define HY_CONNS_PER_USER_MAX 12288
/* Last examples of why a connection was not moved: each reason for ten users, 500 bytes each. */
#define HY_WHY_ROWS 256
/* An offer the host has not answered: it is told to forget it. */
#define HY_OFFER_WAIT_MS 2000
/* A file no slice has named for so long is closed: the next response opens it again. */
#define HY_FILE_IDLE_MS 1000
/* A connection comes home after so many plain pieces, or bytes up, since its last slice. */
#define HY_HOME_PLAIN_ITEMS 64
#define HY_HOME_UP_BYTES (1u << 20)
/*
 * An agent that stops waits so long while none of its connections goes, and so long in all; what
 * is there then is reset.
 */
#define HY_LEAVE_MS 5000
#define HY_LEAVE_MOST_MS 60000

/*
 * Threshold: what it is while nothing is known, and the bounds of what measurements make of it.
 * However cheap a move is, an answer below 64 KB waits longer for it than it takes itself. 16 MB
 * pay on any machine; and files as long go on being moved, and measured.
 */
#define HY_THRESHOLD_DEFAULT (128u << 10)
#define HY_THRESHOLD_MIN (64u << 10)
#define HY_THRESHOLD_MAX (16u << 20)
/* At the start: what is sent and how often a move is tried, and when it is given up. */
#define HY_TRIAL_BYTES (4u << 20)
#define HY_TRIAL_MOVES 8
#define HY_TRIAL_CPU_MS 40
#define HY_TRIAL_WAIT_MS 100
/* One of so many is timed, as the clock is a system call; odd, so that no rhythm hides from it. */
#define HY_COST_MOVES_EVERY 5
#define HY_COST_SLICES_EVERY 17
/* What makes a sample: timed moves, timed slices, plain bytes. */
#define HY_COST_MOVES 8
#define HY_COST_SLICES 8
#define HY_COST_PLAIN_BYTES (1u << 20)
/* What takes longer than this was no work but a clock's leap. */
#define HY_COST_NS_MAX 1000000000u
/* So long without a sample of moves, then a high threshold is tried anew. */
#define HY_COST_REST_MS 10000

/* libhylics: numbers of descriptors it knows, as many as a process of ours may have open. */
#define HY_LIB_FDS_MAX 131072
/* Epolls of one program that watch the same socket; servers have one per thread, sockets in one. */
#define HY_LIB_EPOLLS_MAX 16
/*
 * What is waited for an answer of the agent: one that served 50 connections with one slow processor
 * took more than 100 ms. A program that gives it up can take none of its connections back.
 */
#define HY_LIB_ANSWER_MS 1000
/* A program looks for an agent, or offers a refused connection again, no more often. */
#define HY_LIB_AGAIN_MS 1000
/* Refused because of threads that sleep somewhere, it is so soon at first, later more seldom. */
#define HY_LIB_UNSEEN_MS 10
/* A slot of the page is used again only when the agent has surely heard of its last use. */
#define HY_LIB_SLOT_MS 10000
/* The preload: mappings of the share it remembers; a write() compares with each of them. */
#define HY_LIB_MAPPINGS_MAX 64
/* Agents a program has joined one after the other whose words it maps, 4 MB of addresses each. */
#define HY_LIB_WORDS_MAX 16
/* From here on a marker costs no more than the bytes, on a connection that has been moved. */
#define HY_LIB_MARK_MIN 16384
/*
 * What only the host's copy knows is waited for by the program, and before that by the agent, so
 * that a program hears of it in time that there is no answer. Questions under way at the same time.
 */
#define HY_LIB_OPTION_MS 250
#define HY_OPTION_ASK_MS 200
#define HY_OPTION_ASKS_MAX 64
/* A connection that is handed on comes home first: so long is waited, and looked every so often. */
#define HY_LIB_HOME_MS 250
#define HY_LIB_HOME_LOOK_MS 5
/* Options set while there is no agent, which the next one is told. */
#define HY_LIB_UNSAID_MAX 64
/* Bytes of the names of congestion controls that a kernel lets everybody choose. */
#define HY_CONGESTIONS_MAX 256

/* Worker: raw samples of one measurement are kept in memory, 8 bytes each. */
#define HY_PING_COUNT_MAX 1000000

/*
 * hylicsd: files of configuration and records. A path or a NIC with many addresses takes a line; a
 * record with all NICs has 10 KB.
 */
#define HY_INI_LINE_MAX 2048
#define HY_INI_FILE_MAX 65536
#define HY_INI_KEYS_MAX 32	/* keys of one kind of file */
/* A share, and what of it is to stay in memory; a smaller one is a typing mistake in the unit. */
#define HY_SHARE_MIN (1ull << 20)
#define HY_SHARE_MAX (1ull << 44)
/* Files of a share: the kernel keeps about a KB for each; fewer leave no room for a folder. */
#define HY_SHARE_INODES_MIN 16
#define HY_SHARE_INODES_MAX (1ull << 32)
/*
 * What a VM's cgroup may take beside its share: a worker may have 8 MB of its own, keeper and
 * virtiofsd together about as much again, page tables and sockets' buffers the rest.
 */
#define HY_VM_OVERHEAD (32u << 20)
/* Files of a share put out or brought back by one request, and ms for all of them. */
#define HY_PAGES_FILES_MAX 16
#define HY_PAGES_MS 60000
/* Files a tender knows, about 1 KB each with their names; and of them how many are shown. */
#define HY_TEND_FILES_MAX 4096
#define HY_TEND_SHOWN_MAX 16
/* Names it goes through in one walk of the share, and ms between two walks by how long is idle. */
#define HY_TEND_NAMES_MAX 65536
#define HY_TEND_WALK_MIN_MS 250
#define HY_TEND_WALK_MAX_MS 5000
/* VMs of a host: hylicsd has three timers and a dozen descriptors for each. */
#define HY_VMS_MAX 256
/* User ids in the range for VMs: a bit each in hylicsd. */
#define HY_UIDS_MAX 65536

/*
 * API of hylicsd. Its clients are commands and a few programs that watch; a request is a page of
 * JSON at most, and comes over a unix socket.
 */
#define HY_HTTP_CONNS_MAX 256
#define HY_HTTP_HEAD_MAX 16384	/* bytes of a request line and its headers */
#define HY_HTTP_BODY_MAX 65536	/* bytes of a body */
#define HY_HTTP_PATH_MAX 255	/* bytes of a path; the longest with sense has 80 */
/* A body that is refused is read up to here, so that its sender gets to read why. */
#define HY_HTTP_SWALLOW_MAX (1u << 20)
#define HY_HTTP_REQUEST_MS 10000	/* for a request to be whole, or an answer to be read */
#define HY_JSON_DEPTH_MAX 32	/* objects and lists in each other: a parser's recursion */
/* Readers of events; the rest of the connections stays for requests. */
#define HY_HTTP_STREAMS_MAX 64
#define HY_HTTP_EVENTS_MAX 256	/* events that wait for a reader */
/* A stream is silent no longer: a comment shows whether its reader lives. */
#define HY_HTTP_COMMENT_MS 15000
/* Who asks the API: bytes of headers and body of an answer, and how long it waits for one. */
#define HY_API_HEAD_MAX 16384
#define HY_API_BODY_MAX (4u << 20)
#define HY_API_WAIT_MS 120000
/* What hylicsd makes room for is asked for again so long. */
#define HY_ROOM_WAIT_MS 30000

/* The share in the guest: how long a mount may take before its process is ended, */
#define HY_MOUNT_WAIT_MS 10000
#define HY_MOUNT_PAUSE_MIN_MS 1000	/* first pause before one that failed is tried again */
#define HY_MOUNT_PAUSE_MAX_MS 60000	/* the longest: what is in the way may just go */
#define HY_MOUNT_LOOK_MS 50	/* from a change of mounts or devices to one look at all of them */
#define HY_SHARE_PATH_MAX 255	/* bytes of its place, which the agent tells in one packet */
/* What a guest tells of itself: an average needs no more, and each wakes guest and worker. */
#define HY_REPORT_MS 10000
#define HY_REPORT_MIN_MS 1000	/* between two, whatever changes meanwhile */

/* Names that come from a guest: shown in logs and lists, never used as paths. */
#define HY_NAME_MAX 63
#define HY_VERSION_TEXT_MAX 64

/*
 * Jobs of a guest that are marked and run at the same time: each has a connection to the agent. A
 * user's: a thousand at once are counted, and three users who hold all of theirs leave places.
 */
#define HY_JOBS_MAX 4096
#define HY_JOBS_PER_USER_MAX 1200
#define HY_JOBS_BATCH_MAX 64	/* told in one message, which is to fit into a chunk */
/* What waits to be told: a thousand a second, and a channel that takes nothing for a moment. */
#define HY_JOBS_UNTOLD_MAX 256
#define HY_JOBS_TELL_MS 100	/* from the first change to its message, which has the others too */
#define HY_JOBS_SHOWN_MAX 16	/* the last ones, that the host shows by name */
#define HY_JOBS_MEAN_S 60	/* of whose ends means are made; a place for each second */
/* No time of a job is longer than a year: sums and clocks stay far from their ends. */
#define HY_JOB_US_MAX 31622400000000
/* hylics-guest job waits so long at most to reach a busy agent, and as long for its answer. */
#define HY_JOB_AGENT_MS 200

/*
 * Datagrams. The largest that IPv4 carries, of which the kernel cuts a burst, too, of so many at
 * most. With a higher rate its arithmetic would not fit into 64 bits.
 */
#define HY_DATAGRAM_MAX 65507u
#define HY_BURST_DATAGRAMS 64u
#define HY_PACE_RATE_MAX (1ull << 34)
/*
 * What becomes due within a tick leaves together: players buffer a hundred times as much, and 250
 * wake-ups a second are cheap. A sender that comes late may catch up with a full queue's worth.
 */
#define HY_PACE_TICK_MS 4u
#define HY_PACE_LATE_MS 20u
/* Casts, each a socket in the worker and a connection to the agent; one user's: three quarters. */
#define HY_CASTS_MAX 64
#define HY_CASTS_PER_USER_MAX 48
/* Of one: then a datagram of the guest's own keeps its tracking and its next hop awake. */
#define HY_CAST_MS 5000u
#define HY_CAST_TELL_MS 100	/* between two words about one: as much is sent twice at worst */
#define HY_CAST_MIN 65536	/* bytes left; fewer have left before a cast has begun */
#define HY_CAST_HOP_MS 200	/* until the first datagram has left the guest: ARP's answer */

/* Modules that one VM may use, and ports and ranges of one: each tells all of it in a packet. */
#define HY_MODULES_MAX 8
#define HY_MODULE_PORTS_MAX 16
/*
 * How often a guest may say which it wants: so many at once, which is each of them stopped and
 * started again, then one in a while. Each makes a keeper read as many files, and start programs.
 */
#define HY_MODULES_CHANGES 16
#define HY_MODULES_CHANGE_MS 1000
/*
 * What who starts or stops one waits for it: the host has 10 s for a start and 5 s for an end, and
 * may be at the other one's. And for a host, with which a session has just begun, to tell of them.
 */
#define HY_MODULE_WAIT_MS 30000
#define HY_MODULE_TELL_MS 5000

/* Outputs and inputs of before that a model of response times may have; the paper found 1 and 0. */
#define HY_RLS_NA_MAX 4
#define HY_RLS_NB_MAX 3

#endif
