/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.h - what the API can be asked, and its answers
 *
 * Runs in: hylicsd
 * Reads from: clients of the API, checked by their routes; RUN/vm/NAME/worker.json, which a worker
 * writes that may have been taken over
 *
 * docs/openapi.json describes all of it and is held against the table by a test.
 */
#ifndef HYLICSD_API_H
#define HYLICSD_API_H

#include "hylicsd/http.h"
#include "hylicsd/vms.h"

struct api {
	struct vms *vms;
	struct http_server *http;
};

/* For struct http_config, with a struct api as its object. */
extern const struct http_route api_routes[];

/* Tell the streams of events that a VM's state has changed. */
void api_vm_changed(struct api *a, const struct vm *vm);

/* Likewise that it was decided how much memory it wants. */
void api_vm_decided(struct api *a, const struct vm *vm);

#endif
