/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body.h - the body of a request: bytes to a JSON object, refused with a sentence
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (let in by their credentials, but any bytes may come)
 */
#ifndef BODY_H
#define BODY_H

#include <jansson.h>
#include <stddef.h>

#include "common/err.h"

/**
 * body_parse() - Make a JSON object of a body
 * @bytes:	Any
 * @len:	How many
 * @json:	Set on success to a reference of the caller's
 * @e:		Error, a wrong use: says what is wrong and in which line
 *
 * Refused: what is no object, more than HY_JSON_DEPTH_MAX levels (before anything recurses),
 * members twice, NUL in texts and names, bytes that are not UTF-8, numbers past 64 bits.
 *
 * Return: 0, -EINVAL, -ENOMEM
 */
int body_parse(const char *bytes, size_t len, json_t **json, struct hy_err *e);

#endif
