/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_libvirt_xml.c - hylics vm libvirt-xml
 *
 * Runs in: hylics
 * Reads from: hylicsd
 *
 * An existing domain keeps what it has; these pieces are put into it by hand.
 */
#include <stdio.h>
#include <string.h>

#include "cli/qemu_args.h"
#include "cli/verbs.h"
#include "common/own.h"

/* A name that begins so is libvirt's to give: it drops one that is written into a domain. */
#define LIBVIRT_NAMES "vnet"

const struct hy_opt vm_libvirt_xml_options[] = { ASK_OPTIONS };

/* @bytes of a text, for an attribute in single quotes. */
static void print_escaped(FILE *f, const char *text, size_t bytes)
{
	for (; bytes && *text; text++, bytes--) {
		if (strchr("&<>'\"", *text))
			fprintf(f, "&#%d;", *text);
		else
			fputc(*text, f);
	}
}

static void print_attribute(FILE *f, const char *before, const json_t *vm, const char *key,
			    const char *behind)
{
	const char *text = json_string_value(json_object_get(vm, key));

	fputs(before, f);
	print_escaped(f, text ? text : "", text ? strlen(text) : 0);
	fputs(behind, f);
}

static void print_memory(FILE *f)
{
	fputs("<!-- in <domain>: memory that other processes can share -->\n"
	      "<memoryBacking>\n"
	      "  <source type='memfd'/>\n"
	      "  <access mode='shared'/>\n"
	      "</memoryBacking>\n", f);
}

static void print_share(FILE *f, const json_t *vm)
{
	if (json_object_get(vm, "virtiofs")) {
		fputs("<!-- in <devices>: the share; in the guest: mount -t virtiofs "
		      QEMU_SHARE_TAG " /hylics -->\n"
		      "<filesystem type='mount'>\n"
		      "  <driver type='virtiofs'/>\n", f);
		print_attribute(f, "  <source socket='", vm, "virtiofs", "'/>\n");
		return;
	}
	fputs("<!-- in <devices>: the share, of a QEMU that is root; in the guest: mount -t 9p "
	      "-o trans=virtio " QEMU_SHARE_TAG " /hylics -->\n"
	      "<filesystem type='mount' accessmode='passthrough' multidevs='remap'>\n", f);
	print_attribute(f, "  <source dir='", vm, "share", "'/>\n");
}

static void print_devices(FILE *f, const json_t *vm)
{
	print_share(f, vm);
	fputs("  <target dir='" QEMU_SHARE_TAG "'/>\n"
	      "</filesystem>\n"
	      "<!-- in <devices>: the channel of hylics-agent -->\n"
	      "<channel type='unix'>\n", f);
	print_attribute(f, "  <source mode='bind' path='", vm, "channel", "'/>\n");
	fputs("  <target type='virtio' name='" QEMU_AGENT_PORT "'/>\n"
	      "</channel>\n", f);
}

static void print_nic(FILE *f, const char *nic)
{
	size_t name = strcspn(nic, ","), mac = nic[name] ? strcspn(nic + name + 1, ",") : 0;

	fputs("<!-- in the <interface> with <mac address='", f);
	print_escaped(f, nic[name] ? nic + name + 1 : "", mac);
	fputs("'/>: the name hylicsd knows -->\n", f);
	if (strncmp(nic, LIBVIRT_NAMES, strlen(LIBVIRT_NAMES)) == 0)
		fputs("<!-- libvirt gives names with " LIBVIRT_NAMES " itself and drops this one: "
		      "choose another with hylics vm set NAME nic=... -->\n", f);
	fputs("<target dev='", f);
	print_escaped(f, nic, name);
	fputs("'/>\n", f);
}

static void print_xml(FILE *f, const json_t *vm)
{
	const json_t *nics = json_object_get(vm, "nics");

	print_memory(f);
	print_devices(f, vm);
	for (size_t i = 0; i < json_array_size(nics); i++) {
		const char *nic = json_string_value(json_array_get(nics, i));

		if (nic)
			print_nic(f, nic);
	}
}

static void show(const json_t *vm)
{
	print_xml(stdout, vm);
}

/* {"xml":"..."} */
static json_t *as_json(const json_t *vm)
{
	hy_autofree char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	print_xml(f, vm);
	return fclose(f) == 0 ? json_pack("{s:s}", "xml", text) : NULL;
}

int vm_libvirt_xml_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *vm = NULL, *json;

	(void)argc;
	if (ask_vm(v, "GET", argv[0], "", NULL, &vm, e) < 0)
		return hy_err_exit(e);
	if (!v->json)
		return ask_show(v, vm, show);
	json = as_json(vm);
	json_decref(vm);
	return ask_show(v, json, NULL);
}
