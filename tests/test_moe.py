"""Mixtures of experts: times that follow from arithmetic, and what may be asked."""

import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import cm_collectives as cm

# One switch, ports of 100 GB/s, no latency: what a rank sends or receives is all that counts.
STAR = cm.Fabric.preset("star", endpoints=16, rate_Bps=100_000_000_000, latency_ps=0)
CM384 = cm.Fabric.preset("cm384", timing="line_rate")
PS_PER_BYTE = 10


def balanced(n_tokens: int = 8, ranks: int = 16) -> cm.Moe:
    """Token i goes to the 8 ranks of group i mod ranks/8."""
    return cm.moe(n_tokens, 7168, 8, 256, bytes_per_token=1000, ranks=ranks)


def test_ranks_in_step_are_an_incast() -> None:
    # TensorRT-LLM's balanced pattern on 16 ranks: two groups of 8. With one token in flight all 16
    # send token i to the same 8, each of which receives from 15 others at the rate of its port: 8
    # tokens of 15 kB. With all in flight each receives 4 tokens of 15 ranks: half of it.
    moe = balanced()
    step = cm.simulate(STAR, "dispatch", moe=moe, algorithm="low_latency", window=1)
    free = cm.simulate(STAR, "dispatch", moe=moe, algorithm="low_latency")
    assert step.time_ps == 8 * 15 * 1000 * PS_PER_BYTE
    assert free.time_ps == 4 * 15 * 1000 * PS_PER_BYTE
    assert free.bound_ps == free.time_ps


def test_a_wider_window_is_no_slower_and_one_token_is_the_upper_bound() -> None:
    times = [
        cm.simulate(STAR, "dispatch", moe=balanced(), algorithm="low_latency", window=w).time_ps
        for w in (1, 2, 4, 8)
    ]
    assert all(wide <= narrow for narrow, wide in pairwise(times))
    assert times[0] == max(times)


@pytest.mark.parametrize("messages", ["token", "peer"])
def test_a_combine_takes_the_time_of_its_dispatch(messages: str) -> None:
    # Without latency and limits of memory only the direction differs.
    moe = balanced()
    there, back = (
        cm.simulate(STAR, name, moe=moe, algorithm="low_latency", messages=messages).time_ps
        for name in ("dispatch", "combine")
    )
    assert there == back


def test_slots_are_aligned_and_status_follows() -> None:
    # 15 other ranks, 4 tokens each in slots of 1024 bytes, and a block of 32 bytes for each of the
    # 16 experts here.
    moe = balanced()
    run = cm.simulate(STAR, "dispatch", moe=moe, algorithm="direct_write")
    assert run.time_ps == 15 * (4 * 1024 + 16 * 32) * PS_PER_BYTE


def test_two_phases_save_the_narrow_network() -> None:
    # Two nodes of 8 joined by one NIC each of 50 GB/s: a token for 8 experts on both nodes
    # crosses 4 times straight, once with a forwarder.
    fabric = cm.Fabric.preset("dgx_superpod", nodes=2, timing="line_rate")
    moe = cm.moe(64, 7168, 8, 256, bytes_per_token=14336, ranks=16, routing="uniform", seed=3)
    straight, forwarded = (
        cm.simulate(fabric, "dispatch", moe=moe, algorithm=name)
        for name in ("low_latency", "two_phase")
    )
    assert forwarded.time_ps < straight.time_ps
    assert cm.simulate(fabric, "dispatch", moe=moe).time_ps <= forwarded.time_ps


@pytest.mark.parametrize("algorithm", ["low_latency", "two_phase", "direct_write"])
@pytest.mark.parametrize("collective", ["dispatch", "combine"])
def test_time_is_at_least_its_bounds(collective: str, algorithm: str) -> None:
    for routing in ("balanced", "uniform", "zipf"):
        moe = cm.moe(8, 512, 4, 64, bytes_per_token=512, ranks=32, routing=routing)
        run = cm.simulate(CM384, collective, moe=moe, algorithm=algorithm)
        assert 0 < run.bound_ps <= run.route_bound_ps <= run.time_ps
        assert run.algbw_Bps == pytest.approx(moe.volume_bytes / run.time_s)


def test_a_schedule_and_jobs_give_the_same_time() -> None:
    moe = cm.moe(8, 512, 4, 64, bytes_per_token=512, ranks=range(8, 24), routing="uniform")
    alone = cm.simulate(CM384, "dispatch", moe=moe, algorithm="low_latency")
    schedule = cm.schedule("dispatch", "low_latency", moe=moe)
    assert schedule.verify()
    assert cm.simulate(CM384, schedule, ranks=range(8, 24)).time_ps == alone.time_ps
    job = cm.Job("dispatch", moe=moe, algorithm="low_latency")
    assert cm.simulate(CM384, job).time_ps == alone.time_ps
    assert job == cm.Job("dispatch", moe=moe, algorithm="low_latency")
    again = pickle.loads(pickle.dumps(schedule))  # noqa: S301
    assert again == schedule
    assert again.verify()


def test_content_decides_equality_and_survives_a_pickle() -> None:
    def made(seed: int) -> cm.Moe:
        return cm.moe([3, 5], 64, 2, 8, bytes_per_token=64, ranks=2, routing="uniform", seed=seed)

    assert made(1) == made(1) == pickle.loads(pickle.dumps(made(1)))  # noqa: S301
    assert hash(made(1)) == hash(made(1))
    assert made(1) != made(2)
    assert made(1) != made(1).with_bytes(65)


def test_a_zipf_law_has_the_ratio_that_was_asked_for() -> None:
    # 16 * 256 tokens of 4 experts of 64: a mean of 256; the hottest has 3 times that, give or take
    # six standard deviations of at most sqrt(4096/4) = 32.
    def made(**keywords: float) -> cm.Moe:
        return cm.moe(256, 8, 4, 64, bytes_per_token=8, ranks=16, routing="zipf", **keywords)  # type: ignore[arg-type]

    assert abs(int(made(max_over_mean=3).loads.max()) - 768) < 192
    # Exponent 0 is uniform; a steep law is cut off at one copy of every token.
    assert int(made(exponent=0).loads.max()) < 256 + 6 * 16
    # At 10 three of them would be above that, the fourth is not.
    assert sorted(made(exponent=10).loads.tolist())[-3:] == [4096] * 3


def test_zipf_loads_follow_the_power_law() -> None:
    from cm_collectives.moe import _zipf

    loads = _zipf(100, 1, None, None)  # w_i / w_1 = 1/i; the first is capped at all the others
    assert loads[0] / loads[1] == pytest.approx(2)
    assert Fraction(loads[9], loads[99]) == pytest.approx(10)


def test_routing_by_numbers_is_kept() -> None:
    counts = np.array([[2, 1, 1, 0], [0, 2, 0, 2]])
    moe = cm.moe(2, 8, 2, 4, bytes_per_token=8, ranks=2, routing=counts)
    assert moe.loads.tolist() == counts.sum(axis=0).tolist()
    # Experts 0 and 1 are on rank 0, 2 and 3 on rank 1.
    assert moe.counts.tolist() == [[3, 1], [2, 2]]
    chosen = np.array([[[0, 3]], [[2, 1]]])
    moe = cm.moe(1, 8, 2, 4, bytes_per_token=8, ranks=2, routing=chosen, placement=[1, 0, 0, 1])
    assert moe.tokens["ranks"].to_list() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"top_k": 9}, "top_k must be from 1 to the number of experts, 8, got 9"),
        ({"routing": "ballanced"}, "did you mean balanced"),
        ({"routing": [1] * 7}, "got shape \\(7,\\)"),
        ({"routing": [0.5] * 8}, "routing must hold integers"),
        ({"routing": [9] + [1] * 7}, "expert 0 has a load of 9 of 16"),
        ({"exponent": 1}, 'exponent is for routing="zipf"'),
        ({"routing": "zipf", "max_over_mean": 9}, "max_over_mean must be a number from 1 to 4"),
        ({"routing": "zipf", "exponent": -1}, "exponent must be a number from 0"),
        ({"groups": 2}, 'are for routing="uniform"'),
        ({"routing": "uniform", "groups": 2}, "go together"),
        ({"routing": "uniform", "groups": 3, "groups_per_token": 1}, "divide the 8 experts"),
        ({"placement": [0]}, "placement must have one entry for each of the 8 experts, got 1"),
        ({"placement": [5] * 8}, "placement\\[0\\] must be from 0 to 3, got 5"),
        ({"ranks": []}, "at least one endpoint"),
        ({"tokens_per_rank": [1, 2]}, "one entry for each of the 4 ranks, got 2"),
        ({"tokens_per_rank": -1}, "tokens_per_rank must be from 0"),
    ],
    ids=str,
)
def test_bad_tokens_are_named(keywords: dict[str, object], words: str) -> None:
    given = {"tokens_per_rank": 4, "hidden": 8, "top_k": 2, "experts": 8, "bytes_per_token": 8}
    with pytest.raises(cm.ArgumentError, match=words):
        cm.moe(**{**given, "ranks": 4, **keywords})  # type: ignore[arg-type]


def test_tokens_go_with_dispatch_and_combine_alone() -> None:
    moe = balanced()
    with pytest.raises(cm.ArgumentError, match="moe is for combine and dispatch"):
        cm.simulate(STAR, "all_reduce", moe=moe)
    with pytest.raises(cm.ArgumentError, match="and no size"):
        cm.simulate(STAR, "dispatch", moe=moe, size_bytes=8)
    with pytest.raises(cm.ArgumentError, match="moe has 16 ranks, but 8 ranks were given"):
        cm.simulate(STAR, "dispatch", moe=moe, ranks=8)


def test_nothing_takes_no_time() -> None:
    for moe in (
        cm.moe(0, 8, 2, 8, bytes_per_token=8, ranks=4),
        cm.moe(4, 8, 2, 8, bytes_per_token=0, ranks=4),
        cm.moe(4, 8, 2, 8, bytes_per_token=8, ranks=1),
    ):
        assert cm.simulate(STAR, "dispatch", moe=moe).time_ps == 0
