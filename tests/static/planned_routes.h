/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planned_routes.h - the routes docs/openapi.json is held against until hylicsd has its own table
 *
 * Runs in: tests/static/check_docs.py
 * Reads from: no untrusted input
 */
#ifndef PLANNED_ROUTES_H
#define PLANNED_ROUTES_H

#include "hylicsd/http_route.h"

extern const struct http_route planned_routes[];

#endif
