//! What algorithms state of their symmetry, over the registry: the schedule by representatives is
//! the schedule written out, transfer by transfer and edge by edge.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use cm_core::algorithms::{self, ALGORITHMS, Algorithm};
use cm_core::collective::{Collective, Payload, Problem};
use cm_core::csr::Csr;
use cm_core::ids::RankId;
use cm_core::schedule::symmetry::{Alike, Axis, Group, Symmetry, Turn};
use cm_core::schedule::{OrbitSchedule, Schedule, verify};
use cm_core::team::{Level, Team};

/// A team of `n` ranks in packages of 2 and nodes of 8, as far as these divide n.
fn team(n: u32) -> Team {
    let levels = [("package", 2), ("node", 8)]
        .into_iter()
        .filter(|&(_, size)| n.is_multiple_of(size) && n > size)
        .map(|(name, size)| {
            let ranks: Vec<RankId> = (0..n).map(RankId).collect();
            let groups = ranks
                .chunks(size as usize)
                .map(<[RankId]>::to_vec)
                .collect();
            let name = name.to_owned();
            Level { name, groups }
        });
    Team::new(n, levels.collect()).unwrap()
}

fn payload(collective: Collective) -> Payload {
    match collective {
        Collective::Barrier => Payload::None,
        _ => Payload::Bytes(1 << 20),
    }
}

/// The orbits that some transfers' predecessors lie in.
fn orbits_of(edges: &Csr<u32>, transfer: usize, orbit_of: impl Fn(u32) -> u32) -> BTreeSet<u32> {
    edges.row(transfer).iter().map(|&t| orbit_of(t)).collect()
}

fn check_same(orbits: &OrbitSchedule, whole: &Schedule, what: &str) {
    let each = orbits
        .orbit_of_each(whole)
        .unwrap_or_else(|| panic!("{what}: other transfers"));
    let here = orbits.representatives();
    for (transfer, &orbit) in each.iter().enumerate() {
        for edges in [Schedule::depends_on, Schedule::follows] {
            let of_whole = orbits_of(edges(whole), transfer, |t| each[t as usize]);
            let of_orbits = orbits_of(edges(here), orbit as usize, |t| t);
            assert_eq!(of_whole, of_orbits, "{what}: edges of transfer {transfer}");
        }
        assert_eq!(whole.size_of(transfer), here.size_of(orbit as usize));
    }
    let (proof, of_whole) = (orbits.verify().unwrap(), verify(whole).unwrap());
    let order = u64::from(orbits.group().order());
    assert_eq!(proof.chunk_moves * order, of_whole.chunk_moves, "{what}");
    assert_eq!(
        proof.useless_copies * order,
        of_whole.useless_copies,
        "{what}"
    );
}

/// Groups with all axes that the algorithm offers, with each axis that the team has, alone.
fn groups(symmetry: &Symmetry, n: u32, grid: &[u32]) -> Vec<Group> {
    let mut all: Vec<Group> = symmetry.group(n, grid, |_| true).into_iter().collect();
    let of_machine = |axis: Axis| axis.size < n;
    all.extend(symmetry.group(n, grid, of_machine));
    for stride in [1, 2, 8] {
        all.extend(symmetry.group(n, grid, |axis| axis.stride == stride && axis.size < n));
    }
    all
}

/// The number of groups checked.
fn check(algorithm: &'static dyn Algorithm, n: u32) -> usize {
    let team = team(n);
    let mut n_groups = 0;
    for &collective in algorithm.about().collectives {
        let problem = Problem::new(collective, &team, payload(collective));
        for options in algorithms::variants(algorithm, &problem) {
            let problem = Problem {
                options,
                ..problem.clone()
            };
            if algorithms::check(algorithm, &problem).is_err() {
                continue;
            }
            let symmetry = algorithm.symmetry(&problem);
            let whole = algorithms::schedule(algorithm, &problem).unwrap();
            for group in groups(&symmetry, n, &team.grid()) {
                let what = format!("{} {collective:?} {n} {:?}", algorithm.name(), group.axes());
                let orbits = algorithms::orbit_schedule(algorithm, &problem, &Arc::new(group));
                let orbits = orbits
                    .unwrap()
                    .unwrap_or_else(|| panic!("{what}: not symmetric"));
                check_same(&orbits, &whole, &what);
                n_groups += 1;
            }
        }
    }
    n_groups
}

#[test]
fn representatives_and_their_images_are_the_whole_schedule() {
    let mut n_groups = 0;
    for &algorithm in ALGORITHMS {
        for n in (2..=20).chain([24, 32, 48, 64]) {
            n_groups += check(algorithm, n);
        }
    }
    assert!(n_groups > 300, "only {n_groups} groups");
}

/// An algorithm's symmetry where it has none: the ring does not look the same to a rank whose
/// node is turned but not its neighbors.
#[test]
fn a_group_that_a_program_does_not_have_is_refused() {
    let team = team(64);
    let ring = algorithms::lookup("ring").unwrap();
    let problem = Problem::new(Collective::AllGather, &team, Payload::Bytes(1 << 20));
    for (stride, size, turn) in [(1, 2, Turn::Add), (2, 4, Turn::Add), (1, 64, Turn::Xor)] {
        let group = Group::new(64, vec![Axis { stride, size, turn }]);
        let orbits = algorithms::orbit_schedule(ring, &problem, &Arc::new(group)).unwrap();
        assert!(orbits.is_none(), "{stride} {size} {turn:?}");
    }
}

#[test]
fn an_unsymmetric_algorithm_offers_nothing() {
    let team = team(16);
    let tree = algorithms::lookup("binomial_tree").unwrap();
    let problem = Problem::new(Collective::Broadcast, &team, Payload::Bytes(1 << 20));
    assert_eq!(
        tree.symmetry(&problem).group(16, &team.grid(), |_| true),
        None
    );
    assert_eq!(
        Symmetry::of_ranks(16, Alike::None).group(16, &[16], |_| true),
        None
    );
}
