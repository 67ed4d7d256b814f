/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_show.c - how a module is printed
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked); the host's words, which its decoder knows to be printable
 */
#include "hylics-guest/module_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"

#define PORTS_TEXT_MAX (HY_MODULE_PORTS_MAX * sizeof("65535-65535"))
#define MS_PER_S 1e3
#define US_PER_S 1e6
#define BYTES_PER_MB 1048576.0

/* -- text -- */

/* What was started or stopped here, if the host is not there yet. */
static const char *pending(const struct local_module *m)
{
	bool wanted = m->wanted & MODULE_WANTED;
	bool runs = m->state.life != MODULES_LIFE_stopped;

	if (wanted == runs && !(m->wanted & MODULE_UNHEARD))
		return "";
	return wanted ? ", was started" : ", was stopped";
}

static void show_state(const struct local_module *m)
{
	const struct modules_state *s = &m->state;

	printf("  state     %s", modules_life_name(s->life));
	if (s->port)
		printf(" at port %u", s->port);
	printf("%s\n", pending(m));
}

static void show_costs(const struct modules_state *s)
{
	printf("  since     %.1f s\n", (double)s->since_ms / MS_PER_S);
	printf("  starts    %" PRIu32 "\n", s->starts);
	printf("  clients   %" PRIu32 " connections\n", s->connections);
	printf("  used      %.2f s of CPU time, %.1f MB of memory\n",
	       (double)s->cpu_us / US_PER_S, (double)s->memory / BYTES_PER_MB);
}

static void show_one(const struct local_module *m, bool all)
{
	char ports[PORTS_TEXT_MAX];

	modules_ports_print(&m->state.ports, ports, sizeof(ports));
	printf("%s\n", m->state.name);
	show_state(m);
	printf("  ports     %s\n", ports);
	if (m->state.why[0])
		printf("  why       %s\n", m->state.why);
	if (all && m->state.life != MODULES_LIFE_stopped)
		show_costs(&m->state);
}

void module_show(const struct module_list *l, bool all)
{
	for (unsigned int i = 0; i < l->n; i++)
		show_one(&l->at[i], all);
	if (!l->n)
		puts("none; the host's operator says which modules a VM may use");
}

/* -- JSON -- */

static void show_json_ports(const struct modules_ports *p)
{
	printf(",\"ports\":[");
	for (unsigned int i = 0; i < p->n; i++)
		printf("%s{\"first\":%u,\"last\":%u}", i ? "," : "", p->at[i].first,
		       p->at[i].last);
	printf("]");
}

static const char *truth(unsigned int bits)
{
	return bits ? "true" : "false";
}

static void show_json_one(const struct local_module *m)
{
	const struct modules_state *s = &m->state;

	printf("{\"name\":\"%s\",\"state\":\"%s\"", s->name, modules_life_name(s->life));
	printf(",\"wanted\":%s,\"heard\":%s", truth(m->wanted & MODULE_WANTED),
	       truth(!(m->wanted & MODULE_UNHEARD)));
	if (s->port)
		printf(",\"port\":%u", s->port);
	printf(",\"since_ms\":%" PRIu64 ",\"starts\":%" PRIu32, s->since_ms, s->starts);
	printf(",\"connections\":%" PRIu32 ",\"cpu_us\":%" PRIu64 ",\"memory\":%" PRIu64,
	       s->connections, s->cpu_us, s->memory);
	show_json_ports(&s->ports);
	if (s->why[0]) {
		printf(",\"why\":");
		hy_json_string(stdout, s->why);
	}
	printf("}");
}

void module_show_json(const struct module_list *l)
{
	printf("{\"modules\":[");
	for (unsigned int i = 0; i < l->n; i++) {
		printf("%s", i ? "," : "");
		show_json_one(&l->at[i]);
	}
	printf("]}\n");
}
