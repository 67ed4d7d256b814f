# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/openapi.json against the routes of the code, and in itself."""

import json
import re
import subprocess

from verdict import Complaint

OPENAPI = "docs/openapi.json"
METHODS = ("get", "post", "patch", "put", "delete")
KINDS = {"string": ("string", "minLength", "maxLength"), "boolean": ("bool", "", ""),
         "array": ("list", "minItems", "maxItems")}
LIMIT_S = 60


def _coded(build):
    """({(method, path): [body, query, summary]}, {(method, path): {name: [type, ...]}})."""
    out = subprocess.run([build / "tests/static/print_routes"], check=True, capture_output=True,
                         text=True, timeout=LIMIT_S).stdout
    routes, members = {}, {}
    for line in out.splitlines():
        kind, method, path, *rest = line.split("\t")
        if kind == "route":
            routes[method, path] = rest
        else:
            members.setdefault((method, path), {})[rest[0]] = rest[1:]
    return routes, members


def _resolved(page, node):
    """What a node stands for, through "$ref"; None if it points nowhere."""
    while isinstance(node, dict) and "$ref" in node:
        place = page
        for part in node["$ref"].removeprefix("#/").split("/"):
            place = place.get(part) if isinstance(place, dict) else None
        node = place
    return node


def _refs(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)


def _told(page):
    """{(method, path): (path's entry, operation)}."""
    return {(method.upper(), path): (entry, entry[method])
            for path, entry in page.get("paths", {}).items() for method in METHODS
            if method in entry}


def _member(page, schema, name, required):
    """A property in the words of the code's table: [type, required, least, most]."""
    schema = _resolved(page, schema) or {}
    if (schema.get("allOf") or [{}])[0].get("$ref") == "#/components/schemas/size":
        kind, least, most = "size", schema.get("x-minimum", 0), schema.get("x-maximum", 0)
    else:
        kind, low, high = KINDS.get(schema.get("type"), ("unknown", "", ""))
        least, most = schema.get(low, 0), schema.get(high, 0)
    return [kind, "required" if name in required else "optional", str(least), str(most)]


def _operation(page, entry, operation, coded, members):
    """What differs between an operation and its route."""
    body, query, summary = coded
    if operation.get("summary") != summary:
        yield f"its summary is '{summary}' in the code"
    parameters = [_resolved(page, one) for one in
                  entry.get("parameters", []) + operation.get("parameters", [])]
    named = ",".join(one["name"] for one in parameters if one["in"] == "query") or "-"
    if named != query:
        yield f"its query is '{query}' in the code, not '{named}'"
    told = operation.get("requestBody")
    need = "none" if told is None else "must" if told.get("required") else "may"
    if need != body:
        yield f"its body is '{body}' in the code, not '{need}'"
    if _resolved(page, operation.get("responses", {}).get("default")) is None:
        yield "it has no default response, which errors are"
    if told is not None:
        schema = _resolved(page, told["content"]["application/json"]["schema"])
        yield from _members(page, schema, members)


def _members(page, schema, members):
    required = schema.get("required", [])
    if schema.get("additionalProperties") is not False:
        yield "its body must not allow members that are not named"
    rows = {name: _member(page, one, name, required)
            for name, one in schema.get("properties", {}).items()}
    for name in sorted(set(rows) | set(members)):
        if rows.get(name) != members.get(name):
            yield f"member '{name}' is {members.get(name)} in the code, not {rows.get(name)}"


def routes(tree, build):
    """Every route is described as the code's table has it, and no other."""
    page = json.loads(tree.text(OPENAPI))
    coded, members = _coded(build)
    told = _told(page)
    for route in sorted(set(told) - set(coded)):
        yield Complaint(OPENAPI, 0, f"not in the code: {' '.join(route)}")
    for route in sorted(set(coded) - set(told)):
        yield Complaint(OPENAPI, 0, f"missing: {' '.join(route)}")
    for route in sorted(set(coded) & set(told)):
        for fault in _operation(page, *told[route], coded[route], members.get(route, {})):
            yield Complaint(OPENAPI, 0, f"{' '.join(route)}: {fault}")


def sound(tree, _build):
    """Every "$ref" points somewhere, and every part of a path in braces is a parameter."""
    page = json.loads(tree.text(OPENAPI))
    for ref in sorted(set(_refs(page))):
        if _resolved(page, {"$ref": ref}) is None:
            yield Complaint(OPENAPI, 0, f"'{ref}' is not there")
    for (method, path), (entry, operation) in sorted(_told(page).items()):
        parameters = [_resolved(page, one) for one in
                      entry.get("parameters", []) + operation.get("parameters", [])]
        named = {one["name"] for one in parameters if one and one["in"] == "path"}
        if named != set(re.findall(r"\{(\w+)\}", path)):
            yield Complaint(OPENAPI, 0, f"{method} {path}: its parameters are {sorted(named)}")
