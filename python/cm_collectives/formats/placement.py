"""Where ranks live: HCCL rank tables and the host files of MPI."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Open MPI: "host slots=8"; MPICH: "host:8".
_HOST = re.compile(r"(?P<name>[^\s:=]+)(?::(?P<colon>\d{1,9})|\s+slots\s*=\s*(?P<slots>\d{1,9}))?")


def parse(content: str, origin: str, nodes: Mapping[str, Sequence[int]]) -> list[int]:
    """Return the endpoint of each rank.

    `nodes` maps the machine's nodes, in order, to their endpoints. JSON is read as a rank table,
    anything else as a host file.
    """
    if content.lstrip().startswith("{"):
        return _rank_table(content, origin, nodes)
    return _host_file(content, origin, nodes)


def _rank_table(content: str, origin: str, nodes: Mapping[str, Sequence[int]]) -> list[int]:
    try:
        table = json.loads(content)
    except json.JSONDecodeError as error:
        raise SpecError(f"{origin}: {error}") from None
    servers = _list(table, "server_list", origin)
    order = _server_order(table, servers, origin)
    places = [server.get("server_id") for server in servers]
    node_of = _matched([places[index] for index in order], origin, nodes)
    endpoint_of: dict[int, int] = {}
    for position, index in enumerate(order):
        node = node_of[position]
        for number, device in enumerate(
            _list(servers[index], "device", f"{origin}: server_list[{index}]")
        ):
            place = f"{origin}: server_list[{index}].device[{number}]"
            device_id = _number(device, "device_id", place)
            rank = _number(device, "rank_id", place)
            if device_id >= len(nodes[node]):
                raise SpecError(
                    f"{place}: device_id must be below {len(nodes[node])}, the endpoints of "
                    f"{node}, got {device_id}"
                )
            if rank in endpoint_of:
                raise SpecError(f"{place}: rank_id {rank} appears twice")
            endpoint_of[rank] = nodes[node][device_id]
    missing = next((rank for rank in range(len(endpoint_of)) if rank not in endpoint_of), None)
    if missing is not None:
        raise SpecError(f"{origin}: rank_id must count from 0 without gaps; {missing} is missing")
    return [endpoint_of[rank] for rank in range(len(endpoint_of))]


def _server_order(table: Any, servers: list[Any], origin: str) -> list[int]:  # noqa: ANN401
    """Return the servers in the order of the super pods, where there are any, else as listed."""
    if "super_pod_list" not in table:
        return list(range(len(servers)))
    index_of = {server.get("server_id"): index for index, server in enumerate(servers)}
    order: list[int] = []
    for pod, entry in enumerate(_list(table, "super_pod_list", origin)):
        place = f"{origin}: super_pod_list[{pod}]"
        for server in _list(entry, "server_list", place):
            name = server.get("server_id") if isinstance(server, dict) else None
            if name not in index_of:
                raise SpecError(f"{place}: server_id {name!r} is not in server_list")
            order.append(index_of[name])
    if sorted(order) != list(range(len(servers))):
        raise SpecError(f"{origin}: super_pod_list must name each server of server_list once")
    return order


def _list(table: object, key: str, place: str) -> list[Any]:
    value = table.get(key) if isinstance(table, dict) else None
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise SpecError(f"{place}: {key} must be a list of objects, got {value!r}")
    return value


def _number(device: Mapping[str, Any], key: str, place: str) -> int:
    """Return a number, which HCCL writes as text."""
    value = device.get(key)
    if not str(value).isdecimal():
        raise SpecError(f"{place}: {key} must be a number from 0, got {value!r}")
    return int(str(value))


def _host_file(content: str, origin: str, nodes: Mapping[str, Sequence[int]]) -> list[int]:
    hosts: dict[str, int | None] = {}
    line_of: dict[str, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        match = _HOST.fullmatch(words)
        if match is None:
            raise SpecError(
                f"{origin}, line {number}: must be 'HOST', 'HOST slots=N' or 'HOST:N', "
                f"got {words!r}"
            )
        slots = match["colon"] or match["slots"]
        name = match["name"]
        before = hosts.get(name)
        hosts[name] = before if slots is None else (before or 0) + int(slots)
        line_of[name] = number
    ranks: list[int] = []
    node_of = _matched(list(hosts), origin, nodes)
    for (name, slots_of), node in zip(hosts.items(), node_of, strict=True):
        endpoints = nodes[node]
        n_ranks = len(endpoints) if slots_of is None else slots_of
        if not 0 < n_ranks <= len(endpoints):
            raise SpecError(
                f"{origin}, line {line_of[name]}: host {name!r} must have 1 to {len(endpoints)} "
                f"slots, the endpoints of {node}, got {n_ranks}"
            )
        ranks += endpoints[:n_ranks]
    if not ranks:
        raise SpecError(f"{origin}: no host")
    return ranks


def _matched(names: list[Any], origin: str, nodes: Mapping[str, Sequence[int]]) -> list[str]:
    """Return the node of each host: by name if all are names of nodes, else in order."""
    if not nodes:
        raise SpecError(f"{origin}: the fabric has no level 'node' on which hosts could be placed")
    if all(name in nodes for name in names):
        return names
    if any(name in nodes for name in names):
        stranger = next(name for name in names if name not in nodes)
        raise SpecError(f"{origin}: some hosts are nodes of the fabric, but {stranger!r} is none")
    if len(names) > len(nodes):
        raise SpecError(f"{origin}: {len(names)} hosts, but the fabric has {len(nodes)} nodes")
    return list(nodes)[: len(names)]
