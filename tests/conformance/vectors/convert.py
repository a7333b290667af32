#!/usr/bin/env python3
"""OpenAPI and AsyncAPI documents of Kalshi to JSON Schema: convert.py FOLDER_OF_THE_DOCUMENTS (needs PyYAML).

Writes kalshi/schemas_openapi_3.28.0.json and kalshi/schemas_asyncapi_2026-08-21.json beside itself: what the calls and
messages listed here need, without descriptions; `nullable` becomes a type; one schema a line. Nothing else is changed."""
import json
import pathlib
import sys

import yaml

CALLS = """
GET /exchange/status | GET /exchange/schedule | GET /exchange/user_data_timestamp
GET /account/limits | GET /account/endpoint_costs | GET /api_keys
GET /markets | GET /markets/{ticker} | GET /markets/{ticker}/orderbook | GET /markets/orderbooks | GET /markets/trades
GET /series | GET /series/{series_ticker} | GET /series/fee_changes | GET /events/{event_ticker} | GET /events/fee_changes
GET /portfolio/orders | GET /portfolio/orders/{order_id} | GET /portfolio/fills | GET /portfolio/positions
GET /portfolio/orders/queue_positions | GET /portfolio/orders/{order_id}/queue_position
GET /portfolio/balance | GET /portfolio/settlements | GET /portfolio/deposits | GET /portfolio/withdrawals
GET /portfolio/summary/total_resting_order_value
POST /portfolio/events/orders | POST /portfolio/events/orders/batched | DELETE /portfolio/events/orders/batched
DELETE /portfolio/events/orders/{order_id} | POST /portfolio/events/orders/{order_id}/amend
POST /portfolio/events/orders/{order_id}/decrease
GET /portfolio/order_groups | POST /portfolio/order_groups/create | GET /portfolio/order_groups/{order_group_id}
DELETE /portfolio/order_groups/{order_group_id} | PUT /portfolio/order_groups/{order_group_id}/reset
PUT /portfolio/order_groups/{order_group_id}/trigger | PUT /portfolio/order_groups/{order_group_id}/limit
GET /historical/cutoff | GET /historical/orders | GET /historical/fills
"""
MESSAGES = """subscribeCommand unsubscribeCommand updateSubscriptionCommand listSubscriptionsCommand subscribedResponse
unsubscribedResponse okResponse listSubscriptionsResponse errorResponse orderbookSnapshot orderbookDelta ticker trade fill
marketLifecycleV2 eventLifecycle eventFeeUpdate marketPosition orderGroupUpdates userOrder""".split()
WORDS = {"description", "example", "examples", "title", "deprecated", "summary", "externalDocs"}


def converted(node, in_names=False):
    if isinstance(node, list):
        return [converted(item) for item in node]
    if not isinstance(node, dict):
        return node
    # The keys under `properties` are names, whatever they look like.
    kept = {key: value for key, value in node.items() if in_names or not (key in WORDS or key.startswith("x-"))}
    out = {key: converted(value, key == "properties" and not in_names) for key, value in kept.items() if in_names or key != "nullable"}
    if isinstance(out.get("$ref"), str):
        out["$ref"] = "#/$defs/" + out["$ref"].rsplit("/", 1)[1]
    if in_names or node.get("nullable") is not True:
        return out
    if "type" in out:
        out["type"] = [out["type"], "null"]
        if None not in out.get("enum", [None]):
            out["enum"] = out["enum"] + [None]
        return out
    return {"anyOf": [out, {"type": "null"}]}


def refs(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rsplit("/", 1)[1]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for item in node:
            yield from refs(item)


def closure(schemas, roots):
    found, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += refs(schemas[name])
    return {name: converted(schemas[name]) for name in sorted(found)}


def lines(table):
    rows = [f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in table.items()]
    return "{\n" + ",\n".join(rows) + "\n}"


def write(name, source, key, table, schemas):
    comment = f"Converted from {source} by convert.py; without descriptions; nullable became a type."
    head = f'"$comment": {json.dumps(comment)},\n"$schema": "https://json-schema.org/draft/2020-12/schema"'
    text = f'{{\n{head},\n"{key}": {lines(table)},\n"$defs": {lines(schemas)}\n}}\n'
    json.loads(text)
    (pathlib.Path(__file__).parent / "kalshi" / name).write_text(text)


def json_schema(content):
    return content.get("content", {}).get("application/json", {}).get("schema")


def name_of(schema):
    """The schema's name; None where the document shows none."""
    return next(refs(schema), None) if schema else None


def openapi(folder):
    source = "openapi_3.28.0_assembled_2026-08-22.yaml"
    document = yaml.safe_load((folder / source).read_text())
    shared = document["components"].get("responses", {})
    operations, roots = {}, set()
    for call in (call.strip() for line in CALLS.strip().splitlines() for call in line.split("|")):
        method, path = call.split()
        operation = document["paths"][path][method.lower()]
        answers = {}
        for status, reply in operation["responses"].items():
            reply = shared[reply["$ref"].rsplit("/", 1)[1]] if "$ref" in reply else reply
            answers[status] = name_of(json_schema(reply))
        body = name_of(json_schema(operation.get("requestBody", {})))
        operations[call] = {"body": body, "replies": answers}
        roots |= {name for name in [body, *answers.values()] if name}
    write("schemas_openapi_3.28.0.json", source, "operations", operations, closure(document["components"]["schemas"], roots))


def asyncapi(folder):
    source = "asyncapi_2026-08-21.yaml"
    document = yaml.safe_load((folder / source).read_text())
    messages = {name: name_of(document["components"]["messages"][name]["payload"]) for name in MESSAGES}
    write("schemas_asyncapi_2026-08-21.json", source, "messages", messages, closure(document["components"]["schemas"], messages.values()))


if __name__ == "__main__":
    openapi(pathlib.Path(sys.argv[1]))
    asyncapi(pathlib.Path(sys.argv[1]))
