//! The brackets and the order of sums, against values derived by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use cm_core::algorithms::{lookup, schedule};
use cm_core::collective::{Collective, Payload, Problem};
use cm_core::schedule::SumOrder;
use cm_core::team::Team;

fn order(algorithm: &str, collective: Collective, n: u32) -> Option<(bool, bool)> {
    let team = Team::flat(n);
    let problem = Problem::new(collective, &team, Payload::Bytes(1 << 20));
    let schedule = schedule(lookup(algorithm).unwrap(), &problem).unwrap();
    let order = SumOrder::of(&schedule)?;
    Some((order.bitwise_equal_across_ranks, order.order_preserving))
}

#[test]
fn sums_have_the_brackets_and_the_order_of_their_algorithm() {
    use Collective::{AllGather, AllReduce, Reduce, ReduceScatter};
    for (algorithm, collective, n, expected) in [
        // A block is summed once, around the ring, and copied: the same bits everywhere. The sum of
        // the block that starts at rank 2 of 3 joins 2, 0 and then 1.
        ("ring", AllReduce, 3, (true, false)),
        ("ring", ReduceScatter, 3, (true, false)),
        // Two ranks add the same two values; addition commutes, and neighbors they are.
        ("ring", AllReduce, 2, (true, true)),
        // Everybody starts with its own: (a + b) + c against (b + a) + c against (c + a) + b.
        ("one_shot", AllReduce, 3, (false, false)),
        // (0 + 1) + (2 + 3) at every rank: partners swap equal runs, side by side in rank order.
        ("recursive_doubling", AllReduce, 4, (true, true)),
        ("recursive_doubling", AllReduce, 8, (true, true)),
        // MPICH folds neighbors first, 0 into 1 and so on, and the rest is a power of two.
        ("recursive_doubling", AllReduce, 6, (true, true)),
        // v adds v + 1, then v + 2 and so on: runs of ranks; the root's alone count.
        ("binomial_tree", Reduce, 8, (true, true)),
        // Every owner adds what arrives in schedule order to its own: rank 2 of 3 has (2 + 0) + 1.
        ("direct", ReduceScatter, 3, (true, false)),
        ("two_shot", AllReduce, 3, (true, false)),
    ] {
        let what = format!("{algorithm} {} {n}", collective.name());
        assert_eq!(order(algorithm, collective, n), Some(expected), "{what}");
    }
    assert_eq!(order("ring", AllGather, 3), None);
}
