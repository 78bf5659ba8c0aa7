//! Steps and bytes of the catalogue (`reference/algorithms.md` section 3), rank by rank.

use cm_core::collective::{Collective, Problem};
use cm_core::ids::RankId;

pub(crate) fn log2_ceil(n: u32) -> u32 {
    (0..32).find(|&l| 1u64 << l >= u64::from(n)).unwrap()
}

/// l and n - 2^l of section 3.5.
pub(crate) fn fold(n: u32) -> (u32, u32) {
    let l = (0..32).rev().find(|&l| 1u64 << l <= u64::from(n)).unwrap();
    (l, n - (1 << l))
}

fn radix(problem: &Problem) -> u32 {
    problem.options.int("radix").unwrap_or(2) as u32
}

/// Levels above v in the tree in which rank v hangs under (v - 1) / k: level d begins at
/// 1 + k + ... + k^(d-1).
fn tree_depth(v: u32, k: u32) -> u32 {
    let (mut depth, mut first, mut width) = (0, 0u64, 1u64);
    while u64::from(v) >= first + width {
        first += width;
        width *= u64::from(k);
        depth += 1;
    }
    depth
}

/// Digits of a number, lowest first; none of 0.
fn digits(mut number: u32, radix: u32) -> Vec<u32> {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(number % radix);
        number /= radix;
    }
    digits
}

/// Whether `word` is the value of an option.
fn is_chosen(problem: &Problem, option: &str, word: &str) -> bool {
    problem.options.text(option) == Some(word)
}

/// Steps for K chunks.
pub(crate) fn steps(problem: &Problem, name: &str, k: u32) -> u32 {
    let (n, collective) = (problem.n_ranks(), problem.collective);
    let (l, rem) = fold(n);
    let folded = u32::from(rem > 0);
    match (name, collective) {
        // 3.1: n - 1 for all-gather and reduce-scatter, twice that for all-reduce.
        ("ring", Collective::AllReduce) => 2 * (n - 1),
        ("bidirectional_ring" | "multi_ring", Collective::AllReduce) => 2 * (n - 1),
        ("bidirectional_ring" | "multi_ring", _) => n - 1,
        ("neighbor_exchange", Collective::AllReduce) => n,
        ("neighbor_exchange", _) => n / 2,
        // 3.7: log2 A + D - 1 with D = P/A, less what lies beyond n.
        ("pat", _) => {
            let up = log2_ceil(n);
            let a = problem
                .options
                .int("log2_aggregation")
                .map_or(up, |a| up.min(a as u32));
            a + n.min(1 << (up - a)) - 1
        }
        // 3.8, 3.9.
        ("swing", Collective::AllReduce) => 2 * log2_ceil(n),
        ("swing" | "bine", _) => log2_ceil(n),
        // 3.10: the depth of the last rank and K - 1.
        ("kary_tree", Collective::AllReduce) => 2 * (tree_depth(n - 1, radix(problem)) + k - 1),
        ("kary_tree", _) => tree_depth(n - 1, radix(problem)) + k - 1,
        // 3.12: n - 1 permutations.
        ("ring" | "shift" | "xor", _) => n - 1,
        // One step adds up each of K chunks, the next one multicasts it.
        ("nvls", Collective::AllReduce) => k + 1,
        // 3.11: everything at once, or in two phases; either half of nvls.
        ("direct" | "one_shot" | "nvls", _) => 1,
        ("two_shot", _) => 2,
        // 3.1: n - 2 + K.
        ("chain", _) => n - 2 + k,
        // 3.5: l exchanges, one step before and one after for other n than 2^l; original
        // Rabenseifner has two before.
        ("recursive_doubling", _) => l + 2 * folded,
        ("rabenseifner", _) if is_chosen(problem, "fold", "halved") => 2 * l + 3 * folded,
        ("rabenseifner" | "halving_doubling", Collective::AllReduce) => 2 * l + 2 * folded,
        ("halving_doubling", _) => l + 2 * folded,
        // 3.12: ceil((n-1)/8) rounds of groups of 8, or of twice `side`.
        ("grouped", _) => (n - 1).div_ceil(2 * problem.options.int("side").unwrap_or(4) as u32),
        // 3.6, 3.12: a step per digit of n - 1.
        ("bruck", _) => digits(n - 1, radix(problem)).len() as u32,
        // 3.2, 3.4: L each for all-gather, reduce-scatter, scatter and gather; others are two.
        ("nhr" | "nb", _) if is_chosen(problem, "shots", "one") => 2 * log2_ceil(n),
        ("nhr" | "nb", Collective::AllReduce | Collective::Broadcast | Collective::Reduce) => {
            2 * log2_ceil(n)
        }
        ("nhr" | "nb", _) => log2_ceil(n),
        // 3.10: L, and K - 1 more where chunks are pipelined.
        ("binomial_tree", Collective::Broadcast | Collective::Reduce) => log2_ceil(n) + k - 1,
        // 3.16: L.
        ("binomial_tree" | "dissemination", _) => log2_ceil(n),
        // 3.10: 2H + K - 1, where tree 0 hangs the largest power of two below n under rank 0:
        // H = 1 + log2 of it. The largest power of two <= n - 1 is 2^(L' - 1), 2^L' > n - 1.
        ("double_binary_tree", Collective::AllReduce) => 2 * log2_ceil(n) + k - 1,
        // In one direction only: the deepest of the n - 1 others is H hops away, K chunks in a row.
        ("double_binary_tree", _) => log2_ceil(n) + k - 1,
        _ => panic!("no formula for {name}"),
    }
}

/// Bytes that a rank sends, as a fraction of S.
pub(crate) fn sent(problem: &Problem, name: &str, rank: RankId) -> Option<(u64, u64)> {
    let (collective, n) = (problem.collective, problem.n_ranks());
    // NHR scatters to the left of the root, everything else to the right.
    let v = match name {
        "nhr" => (problem.root.0 + n - rank.0) % n,
        _ => (rank.0 + n - problem.root.0) % n,
    };
    if matches!(
        name,
        "recursive_doubling" | "rabenseifner" | "halving_doubling"
    ) {
        return sent_folded(problem, name, rank.0);
    }
    let (rounds, n, v) = (log2_ceil(n), u64::from(n), u64::from(v));
    let is_root = v == 0;
    // The subtree of v in the binomial tree: v's lowest set bit, cut at n.
    let subtree = if is_root {
        n
    } else {
        (v & v.wrapping_neg()).min(n - v)
    };
    // 3.2: slice y reaches offset y by way of y modulo 2, 4, 8, ...: v passes on what is congruent
    // to it modulo the next power of two.
    let passed_on = (v + 1..n)
        .filter(|y| y % (v + 1).next_power_of_two() == v)
        .count() as u64;
    let blocks = match (name, collective) {
        ("grouped" | "pat", _) => n - 1,
        ("bidirectional_ring" | "multi_ring" | "neighbor_exchange" | "swing", collective) => {
            (n - 1) * (1 + u64::from(collective == Collective::AllReduce))
        }
        ("kary_tree", collective) => {
            let k = u64::from(radix(problem));
            let children = (k * v + 1..=k * v + k).filter(|&child| child < n).count() as u64;
            let (down, up) = (n * children, n * u64::from(!is_root));
            match collective {
                Collective::Broadcast => down,
                Collective::Reduce => up,
                _ => down + up,
            }
        }
        ("bine", Collective::Reduce) => n * u64::from(!is_root),
        // 3.12: V = the nonzero digits of all distances.
        ("bruck", Collective::AllToAll) => {
            let nonzero = |j| digits(j, radix(problem)).iter().filter(|&&z| z > 0).count() as u64;
            (0..n as u32).map(nonzero).sum()
        }
        ("bruck", _) => n - 1,
        // Whole vectors up and down the binomial tree of rank 0.
        ("nhr", Collective::AllReduce) if is_chosen(problem, "shots", "one") => {
            let mut tree = problem.clone();
            tree.collective = Collective::Broadcast;
            let (down, of) = sent(&tree, "binomial_tree", rank)?;
            return Some((down + of * u64::from(rank.0 > 0), of));
        }
        ("nhr" | "nb", Collective::AllReduce) => 2 * (n - 1),
        ("nhr" | "nb", Collective::Scatter) => passed_on,
        ("nhr" | "nb", Collective::Gather) => (1 + passed_on) * u64::from(!is_root),
        ("nhr" | "nb", Collective::Broadcast) => passed_on + n - 1,
        ("nhr" | "nb", Collective::Reduce) => n - 1 + (1 + passed_on) * u64::from(!is_root),
        ("nhr" | "nb", _) => n - 1,
        ("ring" | "nvls", Collective::AllReduce) => 2 * (n - 1),
        // Every other rank is sent the vector.
        ("one_shot", _) => n * (n - 1),
        ("direct", Collective::Broadcast) => n * (n - 1) * u64::from(is_root),
        ("direct", Collective::Reduce) => n * u64::from(!is_root),
        ("direct", Collective::Scatter) => (n - 1) * u64::from(is_root),
        ("direct", Collective::Gather) => u64::from(!is_root),
        ("direct", Collective::SendRecv) => n * u64::from(is_root),
        ("two_shot", Collective::AllReduce) => 2 * (n - 1),
        // The root sends every block once and its own to all; the others theirs to all but it.
        ("two_shot", Collective::Broadcast) => {
            if is_root {
                2 * (n - 1)
            } else {
                n - 2
            }
        }
        ("two_shot", Collective::Reduce) => n - 1 + u64::from(!is_root),
        ("ring" | "direct" | "shift" | "xor" | "nvls", _) => n - 1,
        // Everybody but the last (broadcast) or the root (reduce) sends the vector once.
        ("chain", Collective::Broadcast) => n * u64::from(v < n - 1),
        ("chain" | "binomial_tree", Collective::Reduce) => n * u64::from(!is_root),
        // v sends the vector to v + d for the powers of two d below its lowest bit with v + d < n.
        ("binomial_tree", Collective::Broadcast) => {
            let reach = if is_root {
                1 << rounds
            } else {
                v & v.wrapping_neg()
            };
            let children = (0..rounds).filter(|&i| 1 << i < reach && v + (1 << i) < n);
            n * children.count() as u64
        }
        // All blocks of the subtree but its own go down (scatter), all of it goes up (gather).
        ("binomial_tree", Collective::Scatter) => subtree - 1,
        ("binomial_tree", Collective::Gather) => subtree * u64::from(!is_root),
        ("dissemination", _) => 0,
        _ => return None,
    };
    Some((blocks, n))
}

/// 3.5: butterflies among 2^l ranks and what folding adds.
fn sent_folded(problem: &Problem, name: &str, rank: u32) -> Option<(u64, u64)> {
    let (l, rem) = fold(problem.n_ranks());
    let p = 1u64 << l;
    let default = if name == "halving_doubling" {
        "hccl"
    } else {
        "mpich"
    };
    let word = problem.options.text("fold").unwrap_or(default);
    let (is_paired, is_odd) = (rank / 2 < rem, rank % 2 == 1);
    let is_quiet = is_paired && is_odd == (word == "hccl");
    // A quiet rank sends its vector, its partner sends the result.
    let vectors = u64::from(is_paired);
    let halves = match word {
        // Half a vector either way, and the other half when it is summed.
        "halved" => u64::from(is_paired && !is_quiet),
        _ => 0,
    };
    Some(match (name, problem.collective) {
        ("recursive_doubling", _) if is_quiet => (1, 1),
        ("recursive_doubling", _) => (u64::from(l) + vectors, 1),
        (_, Collective::AllReduce) if is_quiet => (1, 1),
        (_, Collective::AllReduce) => (4 * (p - 1) + p * (2 * vectors + halves), 2 * p),
        // A quiet rank is sent n - 1 blocks and sends one (all-gather), or the other way around.
        (_, collective) if is_quiet => {
            let n = u64::from(problem.n_ranks());
            (
                if collective == Collective::AllGather {
                    1
                } else {
                    n - 1
                },
                n,
            )
        }
        // Its own butterfly's blocks differ from rank to rank; without pairs (n-1)/n S.
        _ if rem == 0 => (p - 1, p),
        _ => return None,
    })
}
