/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h - a string as JSON writes it, for programs that link no JSON library
 *
 * Runs in: every program
 * Reads from: any text; bytes that are not UTF-8 are replaced
 */
#ifndef HY_JSON_H
#define HY_JSON_H

#include <stdbool.h>
#include <stdio.h>

/**
 * hy_json_string() - Write a text with quotes and escapes (RFC 8259)
 * @f:		Where
 * @text:	Any bytes; each that is no part of valid UTF-8 becomes U+FFFD
 */
void hy_json_string(FILE *f, const char *text);

/**
 * hy_json_lossless() - Whether a text comes out of JSON as it went in
 * @text:	Any bytes
 *
 * Return: true if it is all UTF-8
 */
bool hy_json_lossless(const char *text);

/* Each byte that is no UTF-8 becomes '?', so that the text is a JSON string. */
void hy_json_mend(char *text);

#endif
