"""MSCCL XML: programs by hand, programs of our own, and files that mean harm."""

from pathlib import Path

import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384", nodes=2)

STEP = '<step s="{s}" type="{kind}" srcbuf="{src}" srcoff="{i}" dstbuf="{dst}" dstoff="{j}" '
STEP += 'cnt="{cnt}" depid="{wait[0]}" deps="{wait[1]}" hasdep="0"/>'

Line = tuple[str, str, int, str, int, tuple[int, int]]
NO = (-1, -1)


def program(
    collective: str, blocks: list[list[tuple[int, int, list[Line]]]], **attributes: object
) -> str:
    """Write gpus of threadblocks (send, recv, steps of kind, src, srcoff, dst, dstoff, wait)."""
    about = {"name": "mine", "nchunksperloop": 2, "ngpus": len(blocks), "inplace": 1}
    about |= {"coll": collective} | attributes
    text = "<algo " + " ".join(f'{k}="{v}"' for k, v in about.items()) + ">\n"
    for rank, gpu in enumerate(blocks):
        text += f'<gpu id="{rank}" i_chunks="4" o_chunks="4" s_chunks="4">\n'
        for number, (send, recv, steps) in enumerate(gpu):
            text += f'<tb id="{number}" send="{send}" recv="{recv}" chan="0">\n'
            for s, (kind, src, i, dst, j, wait) in enumerate(steps):
                text += STEP.format(s=s, kind=kind, src=src, i=i, dst=dst, j=j, cnt=1, wait=wait)
                text += "\n"
            text += "</tb>\n"
        text += "</gpu>\n"
    return text + "</algo>\n"


def pair_all_reduce(last: str = "r") -> str:
    """Two ranks: each reduces one of two chunks and sends it back."""
    return program(
        "allreduce",
        [
            [
                (
                    1,
                    1,
                    [
                        ("s", "i", 1, "i", 1, NO),
                        ("rrcs", "i", 0, "i", 0, NO),
                        (last, "i", 1, "i", 1, NO),
                    ],
                )
            ],
            [
                (
                    0,
                    0,
                    [
                        ("s", "i", 0, "i", 0, NO),
                        ("rrcs", "i", 1, "i", 1, NO),
                        (last, "i", 0, "i", 0, NO),
                    ],
                )
            ],
        ],
    )


def test_a_program_by_hand_becomes_its_transfers() -> None:
    s = cm.Schedule.from_msccl_xml(pair_all_reduce(), size_bytes=200)
    assert (s.collective, s.algorithm, s.n_ranks, s.n_chunks) == ("all_reduce", "mine", 2, 2)
    rows = s.transfers.select("step", "src", "dst", "chunk", "op", "size_bytes").rows()
    assert rows == [
        (0, 0, 1, 1, "reduce", 100),
        (0, 1, 0, 0, "reduce", 100),
        (1, 0, 1, 0, "copy", 100),
        (1, 1, 0, 1, "copy", 100),
    ]
    assert s.transfers["depends_on"].to_list() == [[], [], [1], [0]]
    # The sends of step 1 follow those of step 0 in their threadblocks.
    assert s.transfers["follows"].to_list() == [[], [], [0], [1]]


def test_it_is_timed_like_the_built_in_algorithm() -> None:
    # A ring of two ranks is the same exchange.
    made = cm.Schedule.from_msccl_xml(pair_all_reduce())
    assert made.is_sizeless
    assert made.size_bytes is None
    for size_bytes in (1000, 10**6):
        ours = cm.simulate(FABRIC, made, size_bytes=size_bytes, ranks=[0, 2])
        ring = cm.simulate(
            FABRIC, "all_reduce", size_bytes=size_bytes, ranks=[0, 2], algorithm="ring"
        )
        assert ours.time_ps == ring.time_ps
        assert ours.algbw_Bps == ring.algbw_Bps
    with pytest.raises(cm.ArgumentError, match="size_bytes"):
        cm.simulate(FABRIC, made, ranks=[0, 2])


def test_what_is_received_into_scratch_and_added_is_a_reduction() -> None:
    # Both send all they have into the other's scratch, then add it: one-shot, out of place.
    def steps(rank: int) -> list[tuple[int, int, list[Line]]]:
        peer = 1 - rank
        return [
            (peer, -1, [("s", "i", c, "s", c, NO) for c in (0, 1)]),
            (-1, peer, [("r", "i", c, "s", c, NO) for c in (0, 1)]),
            (
                -1,
                -1,
                [
                    ("nop", "i", 0, "i", 0, (0, 1)),
                    ("re", "s", 0, "i", 0, (1, 0)),
                    ("re", "s", 1, "i", 1, (1, 1)),
                    ("cpy", "i", 0, "o", 0, NO),
                    ("cpy", "i", 1, "o", 1, NO),
                ],
            ),
        ]

    text = program("allreduce", [steps(0), steps(1)], inplace=0)
    s = cm.Schedule.from_msccl_xml(text, size_bytes=200)
    assert s.transfers.select("src", "dst", "chunk", "op").rows() == [
        (0, 1, 0, "reduce"),
        (1, 0, 0, "reduce"),
        (0, 1, 1, "reduce"),
        (1, 0, 1, "reduce"),
    ]


ROUND_TRIPS = [
    ("all_reduce", "ring", 5),
    ("all_gather", "ring", 4),
    ("reduce_scatter", "ring", 4),
    ("all_reduce", "double_binary_tree", 7),
    ("broadcast", "binomial_tree", 6),
    ("broadcast", "chain", 4),
    ("reduce", "binomial_tree", 6),
    ("all_to_all", "direct", 4),
    ("all_to_all", "shift", 3),
]


@pytest.mark.parametrize(("collective", "algorithm", "ranks"), ROUND_TRIPS)
def test_what_is_written_is_read_again(
    collective: str, algorithm: str, ranks: int, tmp_path: Path
) -> None:
    made = cm.schedule(collective, algorithm, ranks=ranks, size_bytes=840)
    path = tmp_path / "made.xml"
    path.write_text(made.to_msccl_xml())
    again = cm.Schedule.from_msccl_xml(path, size_bytes=840)
    assert again.verify()

    def messages(s: cm.Schedule) -> list[tuple[int, ...]]:
        names = ("src", "dst", "chunk", "n_chunks", "op", "size_bytes")
        return sorted(s.transfers.select(names).rows())

    assert messages(again) == messages(made)
    # The root is not in the file.
    if collective in ("broadcast", "reduce"):
        moved = cm.schedule(collective, algorithm, ranks=ranks, size_bytes=840, root=1)
        text = moved.to_msccl_xml()
        assert cm.Schedule.from_msccl_xml(text, size_bytes=840, root=1).verify()
        with pytest.raises(cm.CmError):
            cm.Schedule.from_msccl_xml(text, size_bytes=840)


def test_a_written_ring_takes_the_time_of_the_ring() -> None:
    for collective in ("all_reduce", "all_gather", "reduce_scatter"):
        made = cm.schedule(collective, "ring", ranks=16, size_bytes=10**6)
        again = cm.Schedule.from_msccl_xml(made.to_msccl_xml(), size_bytes=10**6)
        assert cm.simulate(FABRIC, again).time_ps == cm.simulate(FABRIC, made).time_ps


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><algo name="&b;"/>'
)
GOOD = pair_all_reduce()
BAD = {
    "entities": (LAUGHS, cm.SpecError, "line 1: a document type is not allowed"),
    "external": (
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        cm.SpecError,
        "a document type is not allowed",
    ),
    "cut off": (GOOD[:200], cm.SpecError, "malformed XML"),
    "another root": ("<graph/>", cm.SpecError, "<graph> as the root; expected <algo>"),
    "the other dialect": (
        GOOD.replace("<step ", "<op "),
        cm.SpecError,
        "line 4: <op> inside <tb>; expected <step> (the dialect with <op> is not read)",
    ),
    "nested too deep": (
        '<algo coll="allreduce" nchunksperloop="1" ngpus="1" inplace="1"><algo/></algo>',
        cm.SpecError,
        "<algo> inside <algo>; expected <gpu>",
    ),
    "no attribute": (GOOD.replace(' ngpus="2"', ""), cm.SpecError, "lacks the attribute ngpus"),
    "no number": (GOOD.replace('ngpus="2"', 'ngpus="two"'), cm.SpecError, "ngpus='two'"),
    "a huge number": (GOOD.replace('ngpus="2"', 'ngpus="9999999999"'), cm.SpecError, "ngpus"),
    "another collective": (
        GOOD.replace("allreduce", "custom"),
        cm.UnsupportedError,
        "coll='custom' is not read",
    ),
    "a missing gpu": (GOOD.replace('ngpus="2"', 'ngpus="3"'), cm.SpecError, "ids of <gpu>"),
    "a peer that is itself": (
        GOOD.replace('send="1"', 'send="0"'),
        cm.SpecError,
        "line 3: send=0 of gpu 0 must be another gpu",
    ),
    "an unknown instruction": (GOOD.replace('"rrcs"', '"jmp"'), cm.SpecError, "type='jmp'"),
    "outside a buffer": (
        GOOD.replace('srcoff="1"', 'srcoff="4"', 1),
        cm.SpecError,
        "line 4: srcoff=4 cnt=1 leaves the buffer i of gpu 0, which has 4 chunks",
    ),
    "steps out of order": (GOOD.replace('s="1"', 's="5"'), cm.SpecError, "s=5 of <step> must be 1"),
    "no such step": (
        GOOD.replace('depid="-1" deps="-1"', 'depid="7" deps="0"', 1),
        cm.SpecError,
        "depid=7 deps=0 names no step of gpu 0",
    ),
    "a deadlock": (
        program(
            "allreduce",
            [[(1, 1, [("rrcs", "i", 0, "i", 0, NO)])], [(0, 0, [("rrcs", "i", 0, "i", 0, NO)])]],
        ),
        cm.SpecError,
        (
            "line 4: deadlock: 2 threadblocks wait for each other; step 0 of threadblock 0 of "
            "gpu 0 waits for a message from gpu 1"
        ),
    ),
    "nobody receives": (
        program("broadcast", [[(1, -1, [("s", "i", 0, "i", 0, NO)])], []]),
        cm.SpecError,
        "gpu 1 does not receive 1 messages that gpu 0 sends it",
    ),
    "nothing there": (
        program(
            "broadcast",
            [[(1, -1, [("s", "s", 3, "i", 0, NO)])], [(-1, 0, [("r", "i", 0, "i", 0, NO)])]],
        ),
        cm.SpecError,
        "line 4: uses s[3] of gpu 0, which holds nothing yet",
    ),
    "a race": (
        program(
            "broadcast",
            [
                [(1, -1, [("s", "i", 0, "i", 0, NO)])],
                [(-1, 0, [("r", "i", 0, "i", 0, NO)]), (2, -1, [("s", "i", 0, "i", 0, NO)])],
                [(-1, 1, [("r", "i", 0, "i", 0, NO)])],
            ],
            nchunksperloop=1,
        ),
        cm.SpecError,
        "race: uses i[0] of gpu 1 without waiting for step 0 of threadblock 0",
    ),
    "two chunks mixed": (
        GOOD.replace('type="rrcs" srcbuf="i" srcoff="0"', 'type="rrcs" srcbuf="i" srcoff="1"'),
        cm.SpecError,
        "adds chunk 0 to chunk 1",
    ),
    "a wrong place": (
        GOOD.replace(
            'type="r" srcbuf="i" srcoff="1" dstbuf="i" dstoff="1"',
            'type="r" srcbuf="i" srcoff="1" dstbuf="i" dstoff="2"',
        ),
        cm.CmError,
        "gpu 0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_the_place(name: str) -> None:
    text, error, words = BAD[name]
    with pytest.raises(error) as caught:
        cm.Schedule.from_msccl_xml(text, size_bytes=8)
    assert words in str(caught.value), caught.value


def test_a_program_that_computes_something_else_is_refused() -> None:
    # Each rank keeps the chunk it has not reduced: nobody has all of both.
    text = program(
        "allreduce",
        [
            [(1, 1, [("s", "i", 1, "i", 1, NO), ("rrc", "i", 0, "i", 0, NO)])],
            [(0, 0, [("s", "i", 0, "i", 0, NO), ("rrc", "i", 1, "i", 1, NO)])],
        ],
    )
    with pytest.raises(cm.VerifyError, match="postcondition"):
        cm.Schedule.from_msccl_xml(text, size_bytes=8)
    assert not cm.Schedule.from_msccl_xml(text, size_bytes=8, verify=False).verified


def test_a_file_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(b"<algo>")
        file.truncate(100 * 2**20)
    with pytest.raises(cm.SpecError, match="may have 67108864 bytes"):
        cm.Schedule.from_msccl_xml(path)
    with pytest.raises(cm.SpecError, match="cannot read"):
        cm.Schedule.from_msccl_xml(tmp_path / "missing.xml")
