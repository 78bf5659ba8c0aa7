//! Double binary trees: the load of each rank, and the published example.

use cm_core::algorithms::{lookup, schedule};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem};
use cm_core::ids::RankId;
use cm_core::schedule::{Bytes, ScheduleStats};
use cm_core::team::Team;

use crate::MIB;

#[test]
fn double_binary_trees_load_no_rank_with_more_than_two_vectors() {
    // Interior in one tree (up 1/2, down 2/2) and leaf in the other (up 1/2): at most 2 S; over all
    // ranks each of the 2(n-1) edges carries S/2 up and S/2 down: 2(n-1) S.
    let algorithm = lookup("double_binary_tree").unwrap();
    for n in 2..=144 {
        let team = Team::flat(n);
        let options = Options::default().with("chunks", OptionValue::Int(4));
        let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(8 * MIB));
        problem.options = options;
        let stats = ScheduleStats::of(&schedule(algorithm, &problem).unwrap());
        let whole = |b: &Bytes| b.numerator / u128::from(b.denominator);
        let sent: Vec<u128> = stats.sent.iter().map(whole).collect();
        let size = u128::from(8 * MIB);
        assert!(sent.iter().all(|&bytes| bytes <= 2 * size), "n={n}");
        assert_eq!(sent.iter().sum::<u128>(), 2 * u128::from(n - 1) * size);
    }
}

#[test]
fn eight_ranks_in_two_trees_match_the_catalogue() {
    // 3.10 for n = 8, K = 4: T = (2H + K - 1) alpha + 2.625 S beta in the bulk-synchronous model,
    // H = 3. Per step the busiest port moves c chunks of S / 8: sum of c over steps is 2.625 * 8 = 21.
    let team = Team::flat(8);
    let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(8));
    problem.options = Options::default().with("chunks", OptionValue::Int(4));
    let schedule = schedule(lookup("double_binary_tree").unwrap(), &problem).unwrap();
    assert_eq!(schedule.n_steps(), 2 * 3 + 4 - 1);
    let busiest: usize = schedule
        .step_ranges()
        .map(|step| {
            let count = |column: &[RankId], rank| column.iter().filter(|&&r| r == rank).count();
            let (src, dst) = (&schedule.src()[step.clone()], &schedule.dst()[step]);
            let loads = team.ranks().map(|r| count(src, r).max(count(dst, r)));
            loads.max().unwrap()
        })
        .sum();
    assert_eq!(busiest, 21);
}
