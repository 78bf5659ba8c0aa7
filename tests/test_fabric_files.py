"""Machines from files and graphs: the schema cm.fabric/1, networkx, rank tables, host files."""

import json
from pathlib import Path

import networkx as nx  # type: ignore[import-untyped]
import pytest

import cm_collectives as cm
from cm_collectives.formats import fabric_toml, tables, units

PAIR = """\
schema = "cm.fabric/1"
levels = ["node", "rack"]

[[groups]]
name = "n{0..1}"
level = "node"
in = "r"

[[groups]]
name = "r"
level = "rack"

[[nodes]]
name = "a{0..1}"
kind = "endpoint"
in = "n0"
reduction_rate = "1 GB/s"

[[nodes]]
name = ["b0", "b1"]
kind = "endpoint"
in = "n1"

[[nodes]]
name = "s"
kind = "switch"

[[links]]
src = ["a{0..1}", "b{0..1}"]
dst = "s"
rate = "400 Gb/s"
latency = "1.2 us"
"""


def test_a_file_is_read_as_it_says() -> None:
    fabric = cm.Fabric.from_toml(PAIR)
    assert fabric.nodes["node"].to_list() == ["a0", "a1", "b0", "b1", "s"]
    assert fabric.nodes["reduction_rate_Bps"].to_list() == [10**9, 10**9, None, None, None]
    assert fabric.team().levels == {"node": ((0, 1), (2, 3)), "rack": ((0, 1, 2, 3),)}
    links = fabric.links
    assert links["link"].to_list()[:3] == ["a0->s", "s->a0", "a1->s"]
    assert links["rate_Bps"].unique().to_list() == [50 * 10**9]
    assert links["latency_ps"].unique().to_list() == [1_200_000]


@pytest.mark.parametrize("name", cm.presets()["name"])
def test_every_preset_survives_a_file(name: str) -> None:
    small = {"cm384": {"nodes": 3}, "atlas_950": {"cabinets": 2}, "dgx_superpod": {"nodes": 3}}
    fabric = cm.Fabric.preset(name, **small.get(name, {}))
    again = cm.Fabric.from_toml(fabric.to_toml())
    assert again == fabric
    assert again.name == fabric.name
    assert again.to_toml() == fabric.to_toml()


def test_failed_and_slow_links_survive_a_file() -> None:
    fabric = cm.Fabric.preset("cm384", nodes=2).degrade({"l2.0.*": 0.0, "node00/die03->*": 0.3})
    assert cm.Fabric.from_toml(fabric.to_toml()) == fabric


def test_unequal_ways_and_single_directions_survive_a_file() -> None:
    # A ring of one direction, with one link that has a slower way back.
    text = 'schema = "cm.fabric/1"\n[[nodes]]\nname = ["a0", "a1", "b0"]\nkind = "endpoint"\n'
    text += '[[nodes]]\nname = "s"\nkind = "cpu"\n'
    for src, dst in (("a0", "a1"), ("a1", "b0"), ("b0", "s")):
        text += f'[[links]]\nsrc="{src}"\ndst="{dst}"\nrate="1 GB/s"\nlatency="1 ns"\n'
        text += "duplex=false\n"
    text += '[[links]]\nsrc="s"\ndst="a0"\nrate="2 GB/s"\nlatency="1 ns"\nkind="up"\n'
    text += 'back_kind="down"\nback_latency_ps=7\nback_live_rate_Bps=5\nplane=3\nordinary=false\n'
    fabric = cm.Fabric.from_toml(text)
    last = fabric.links.row(4, named=True)
    assert (last["link"], last["kind"], last["plane"]) == ("a0->s", "down", 3)
    assert (last["rate_Bps"], last["nominal_rate_Bps"], last["latency_ps"]) == (5, 2 * 10**9, 7)
    assert cm.Fabric.from_toml(fabric.to_toml()) == fabric


def test_names_with_quotes_survive_a_file() -> None:
    fabric = cm.Fabric.from_toml(PAIR.replace('"s"', '"s\\"\\\\\\u007f"'))
    assert fabric.nodes["node"][4] == 's"\\\x7f'
    assert cm.Fabric.from_toml(fabric.to_toml()) == fabric


def test_a_path_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "pair.toml"
    path.write_text(PAIR)
    assert cm.Fabric.from_toml(path) == cm.Fabric.from_toml(str(path)) == cm.Fabric.from_toml(PAIR)
    path.write_text(PAIR + "x = [\n")
    with pytest.raises(cm.SpecError, match=r"pair\.toml: .*\(at "):
        cm.Fabric.from_toml(path)


# What to replace in PAIR, by what, and what the error must say, the place included.
MISTAKES = [
    ("cm.fabric/1", "cm.fabric/2", "top level, key 'schema': must be 'cm.fabric/1', got"),
    ("levels =", "lebels =", "top level: unknown key 'lebels'; did you mean levels?"),
    ('latency = "1.2 us"', 'latncy = "1 us"', r"links[0] (line 28): unknown key 'latncy'"),
    ('kind = "switch"', 'kind = "swich"', r"nodes[2] (line 24), key 'kind': unknown kind 'swich'"),
    ('dst = "s"', 'dst = "t"', r"links[0] (line 28), key 'dst': unknown node 't'"),
    ('in = "n1"', 'in = "n2"', r"nodes[1] (line 19), key 'in': unknown group 'n2'; known: n0"),
    ('in = "r"', 'in = "q"', r"groups[0] (line 4), key 'in': unknown group 'q'"),
    ('level = "rack"', 'level = "rock"', r"groups[1] (line 9), key 'level': unknown level 'rock'"),
    ('level = "rack"', 'level = "rack"\nin = "n0"', "groups form a cycle: n0 in r in n0"),
    ('"node", "rack"', '"rack", "node"', "'n0' of level 'node' cannot be in 'r' of level 'rack'"),
    ("400 Gb/s", "0 Gb/s", "key 'rate': must be at least 1 Bps, got '0 Gb/s'"),
    ("400 Gb/s", "-1 Gb/s", "key 'rate': cannot read '-1 Gb/s'"),
    ("400 Gb/s", "400Gb", "'400Gb' is an amount, not a rate; write '400Gb/s'"),
    ("400 Gb/s", "400", "unknown unit ''"),
    ("400 Gb/s", "1 b/s", "'1 b/s' is no whole number of bytes per second"),
    ('"400 Gb/s"', "400", "must be text such as"),
    ('rate = "400 Gb/s"', "rate_Bps = 0", "must be an integer from 1 to 2^63 - 1, got 0"),
    ('rate = "400 Gb/s"', "rate_Bps = -5", "must be an integer from 1 to 2^63 - 1, got -5"),
    ('rate = "400 Gb/s"', "rate_Bps = 9000000000000000", "allowed: 1..=1000000000000000"),
    ('rate = "400 Gb/s"', "", "missing key 'rate' or 'rate_Bps'"),
    ('"1.2 us"', '"1.2 Gb/s"', "key 'latency': unknown unit 'Gb/s'"),
    ('"1.2 us"', '"0.1 ps"', "'0.1 ps' is no whole number of picoseconds"),
    ('dst = "s"', 'dst = ["s", "s"]', "link 'a0->s' appears twice"),
    ('dst = "s"', 'dst = "a0"', "joins 'a0' to itself"),
    ('name = "s"', 'name = "a0"', r"nodes[2] (line 24), key 'name': node 'a0' appears twice"),
    ('name = "s"', 'name = ["s", "alone"]', "links: no way joins 'a0' and 'alone'"),
    ('name = "r"', 'name = "n0"', "group 'n0' appears twice"),
    ('"a{0..1}", "b{0..1}"', '"a{1..0}"', "key 'src': range '{1..0}' must ascend"),
    ('in = "n1"', "", "level 'node' does not place 'b0'"),
    ('latency = "1.2 us"', "latency_ps = 1\nduplex = 1", "key 'duplex': must be true or false"),
    ('latency = "1.2 us"', "latency_ps = 1\nlive_rate_Bps = 50000000001", "at most the rate"),
    ('latency = "1.2 us"', 'latency_ps = 1\nduplex = false\nback_kind = "x"', "has no way back"),
    ('rate = "400 Gb/s"', 'rate = "1 GB/s"\nrate_Bps = 1', "give 'rate' or 'rate_Bps', not both"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_is_reported_with_its_place(old: str, new: str, message: str) -> None:
    assert old in PAIR
    with pytest.raises(cm.SpecError) as caught:
        cm.Fabric.from_toml(PAIR.replace(old, new, 1))
    assert message in str(caught.value)


def test_a_fabric_of_too_many_links_is_refused_before_it_is_built() -> None:
    text = PAIR.replace("a{0..1}", "a{0..3999}").replace('name = "s"', 'name = "s{0..1999}"')
    text = text.replace('dst = "s"', 'dst = "s{0..1999}"')
    with pytest.raises(cm.LimitError, match=r"max_links=10000000, which may be raised"):
        cm.Fabric.from_toml(text)
    with pytest.raises(cm.LimitError, match=r"max_links=7"):
        cm.Fabric.from_toml(PAIR, max_links=7)
    fabric = cm.Fabric.from_toml(PAIR, max_links=8)
    with pytest.raises(cm.LimitError, match=r"8 rows; the limit is max_links=7"):
        cm.Fabric.from_frames(fabric.nodes, fabric.links, max_links=7)


def test_the_json_schema_knows_the_same_keys() -> None:
    path = Path(fabric_toml.__file__).parents[1] / "schemas" / "fabric-1.json"
    schema = json.loads(path.read_text())
    definitions = schema["$defs"]
    assert schema["properties"]["schema"]["const"] == fabric_toml.SCHEMA
    assert set(schema["properties"]) == set(fabric_toml.TOP_KEYS)
    assert set(definitions["node"]["properties"]) == set(fabric_toml.NODE_KEYS)
    assert set(definitions["group"]["properties"]) == set(fabric_toml.GROUP_KEYS)
    assert set(definitions["link"]["properties"]) == set(fabric_toml.LINK_KEYS)
    assert definitions["node"]["properties"]["kind"]["enum"] == list(fabric_toml.KINDS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25 GB/s", 25 * 10**9),
        ("25GBps", 25 * 10**9),
        ("400 Gb/s", 50 * 10**9),
        ("400 Gbps", 50 * 10**9),
        ("106.25 Gbit/s", 13_281_250_000),
        ("8 b/s", 1),
    ],
)
def test_rates_are_exact(text: str, value: int) -> None:
    assert units.rate_Bps(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("1.2 us", 1_200_000), ("350ns", 350_000), ("0 s", 0), ("7 ps", 7)]
)
def test_times_are_exact(text: str, value: int) -> None:
    assert units.time_ps(text) == value


def test_the_nearest_name_is_suggested() -> None:
    assert tables.nearest("gpu1", ["gpu10", "nic1", "x"]) == "did you mean gpu10?"
    assert tables.nearest("zzz", []) == "known: none"


def test_a_graph_makes_a_machine() -> None:
    graph = nx.DiGraph()
    graph.add_node("a", kind="endpoint", rack=0)
    graph.add_node("b", kind="endpoint", rack=1, reduction_rate="1 GB/s")
    graph.add_node(3, kind="switch")
    graph.add_edge("a", 3, rate="8 Gb/s", latency_ps=5)
    graph.add_edge(3, "b", rate_Bps=10**9, latency="7 ps", kind="fast")
    fabric = cm.Fabric.from_networkx(graph, levels=["rack"])
    assert fabric.links["link"].to_list() == ["a->3", "3->b"]
    assert fabric.team().groups("rack") == [[0], [1]]
    # 10^9 B at 10^9 B/s and 12 ps.
    assert fabric.time_ps("send_recv", 10**9) == 10**12 + 12
    graph.edges["a", 3]["rtae"] = 1
    with pytest.raises(cm.SpecError, match=r"graph: links\[0\]: unknown key 'rtae'; did you mean"):
        cm.Fabric.from_networkx(graph, levels=["rack"])
    with pytest.raises(cm.ArgumentError, match="must be a networkx graph, got int"):
        cm.Fabric.from_networkx(3)


def rank_table(n_servers: int = 2, **changes: object) -> str:
    """Return a table of version 1.2 with four dies of each server, ranks counted backwards."""
    n = 4 * n_servers
    servers = [
        {
            "server_id": f"10.0.0.{server}",
            "device": [
                {"device_id": str(die), "rank_id": str(n - 1 - 4 * server - die)}
                for die in range(4)
            ],
        }
        for server in range(n_servers)
    ]
    return json.dumps({"version": "1.2", "server_list": servers, **changes}, indent=1)


FABRIC = cm.Fabric.preset("cm384", nodes=3)


def test_a_rank_table_places_ranks_on_dies() -> None:
    assert FABRIC.team(rank_table()).ranks == (19, 18, 17, 16, 3, 2, 1, 0)
    pods = [
        {"super_pod_id": "0", "server_list": [{"server_id": "10.0.0.1"}, {"server_id": "10.0.0.0"}]}
    ]
    swapped = FABRIC.team(rank_table(super_pod_list=pods))
    assert swapped.ranks == (3, 2, 1, 0, 19, 18, 17, 16)
    by_name = rank_table().replace("10.0.0.0", "node02").replace("10.0.0.1", "node00")
    assert FABRIC.team(by_name).ranks == (3, 2, 1, 0, 35, 34, 33, 32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{\n", "text: Expecting property name"),
        ('{"a":\n1}', "text: server_list must be a list of objects, got None"),
        (rank_table(4), "4 hosts, but the fabric has 3 nodes"),
        (
            rank_table().replace('"rank_id": "0"', '"rank_id": "9"'),
            "count from 0 without gaps; 0 is",
        ),
        (rank_table().replace('"rank_id": "0"', '"rank_id": "7"'), "rank_id 7 appears twice"),
        (rank_table().replace('"rank_id": "0"', '"rank_id": "x"'), "rank_id must be a number"),
        (
            rank_table().replace('"device_id": "3"', '"device_id": "16"'),
            "server_list[0].device[3]: device_id must be below 16, the endpoints of node00, got 16",
        ),
        (rank_table().replace("10.0.0.0", "node00"), "but '10.0.0.1' is none"),
        (rank_table(super_pod_list=[]), "must name each server of server_list once"),
    ],
)
def test_a_wrong_rank_table_is_reported_with_its_place(content: str, message: str) -> None:
    with pytest.raises(cm.SpecError) as caught:
        FABRIC.team(content)
    assert message in str(caught.value)


def test_a_host_file_places_ranks_on_nodes(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# two machines\nalpha slots=3\n\nbeta:2 # the second\n")
    assert FABRIC.team(path).ranks == (0, 1, 2, 16, 17)
    assert FABRIC.team("node02\n").ranks == tuple(range(32, 48))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "a slots=x\n",
            "text, line 1: must be 'HOST', 'HOST slots=N' or 'HOST:N', got 'a slots=x'",
        ),
        ("a\nb slots=17\n", "text, line 2: host 'b' must have 1 to 16 slots"),
        ("# none\n", "text: no host"),
        ("a\nb\nc\nd\n", "4 hosts, but the fabric has 3 nodes"),
    ],
)
def test_a_wrong_host_file_is_reported_with_its_place(content: str, message: str) -> None:
    with pytest.raises(cm.SpecError) as caught:
        FABRIC.team(content)
    assert message in str(caught.value)
