//! Rules: which algorithm a real library would take.
//!
//! One file per library version, each a unit struct with an entry in [`RULES`]. A rule sees what the
//! library sees (the collective, the bytes, how many ranks sit where, two rates) and names one of
//! our algorithms; where ours is a stand-in, the reason says so. Source: `reference/algorithms.md` 4.

mod experts;
mod hccl_a2;
mod hccl_a3;
mod hccl_env;
mod memory;
mod nccl;

pub use hccl_env::hccl_algo;

use crate::collective::{Collective, OptionValue, Options};
use crate::cost::{Regime, Tuning};
use crate::fabric::Fabric;
use crate::suggest;
use crate::team::Team;

/// What a rule decides on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What is computed.
    pub collective: Collective,
    /// The size in the sense of nccl-tests.
    pub size_bytes: u64,
    /// The ranks; its levels "node" and "supernode" are servers and superpods.
    pub team: &'a Team,
    /// Bytes per second of one rank within its node.
    pub intra_bps: u64,
    /// Bytes per second of one rank out of its node.
    pub inter_bps: u64,
    /// What the library's own tuner believes of the machine, where that is known.
    pub tuning: Option<&'a Tuning>,
}

/// What a library would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The library's own words.
    pub choice: String,
    /// Our algorithm for it.
    pub algorithm: &'static str,
    /// Its options.
    pub options: Options,
    /// How the library moves the bytes.
    pub regime: Regime,
    /// Dependent steps that the library takes, where our algorithm for it takes others.
    pub n_steps: Option<u64>,
}

/// A library's rule.
pub trait Rule: Sync {
    /// The public name.
    fn name(&self) -> &'static str;

    /// What it would do; none where the library has no such collective.
    fn decide(&self, situation: &Situation) -> Option<Ruling>;
}

/// All rules, in documentation order.
pub static RULES: &[&dyn Rule] = &[
    &hccl_a2::HcclA2,
    &hccl_a3::HcclA3 { aiv: false },
    &hccl_a3::HcclA3 { aiv: true },
    &nccl::Nccl,
    &memory::Memory { is_write: false },
    &memory::Memory { is_write: true },
    &experts::Experts,
];

/// The name is not that of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown rule '{name}'; {}", suggest::hint(name, RULES.iter().map(|r| r.name())))]
pub struct UnknownRule {
    /// The name given.
    pub name: String,
}

/// The rule of that name.
pub fn lookup(name: &str) -> Result<&'static dyn Rule, UnknownRule> {
    let found = RULES.iter().copied().find(|rule| rule.name() == name);
    found.ok_or_else(|| UnknownRule {
        name: name.to_owned(),
    })
}

impl<'a> Situation<'a> {
    /// The situation of a team on a fabric, with the rates of its first endpoint.
    pub fn on(
        fabric: &'a Fabric,
        team: &'a Team,
        first_endpoint: u32,
        collective: Collective,
        size_bytes: u64,
    ) -> Self {
        let (intra_bps, inter_bps) = rates(fabric, first_endpoint);
        let calibration = fabric.calibration();
        Self {
            collective,
            size_bytes,
            team,
            intra_bps,
            inter_bps,
            tuning: calibration.and_then(|calibration| calibration.tuning.as_ref()),
        }
    }

    fn n_ranks(&self) -> u64 {
        self.team.n_ranks().into()
    }

    /// Groups of a level that have ranks; 1 without such a level.
    fn n_groups(&self, level: &str) -> u64 {
        let level = self.team.level(level);
        level.map_or(1, |level| {
            level.groups.iter().filter(|g| !g.is_empty()).count() as u64
        })
    }

    /// Nodes with ranks: HCCL's servers.
    fn n_servers(&self) -> u64 {
        self.n_groups("node")
    }

    /// Supernodes with ranks: HCCL's superpods.
    fn n_pods(&self) -> u64 {
        self.n_groups("supernode")
    }

    /// Ranks of a node, on average rounded up.
    fn n_cards(&self) -> u64 {
        self.n_ranks().div_ceil(self.n_servers())
    }

    /// What one rank hands to the call: its block of a gather or reduce-scatter, else the size.
    fn argument_bytes(&self) -> u64 {
        match self.collective {
            Collective::AllGather | Collective::ReduceScatter => self.size_bytes / self.n_ranks(),
            _ => self.size_bytes,
        }
    }
}

/// Bytes per second out of an endpoint, and its share of what leaves its node.
fn rates(fabric: &Fabric, endpoint: u32) -> (u64, u64) {
    let Some(node) = fabric.endpoint(endpoint) else {
        return (0, 0);
    };
    let links = fabric.out_links(node).iter().map(|id| fabric.link(*id));
    let usable = links.filter(|link| link.is_usable());
    let intra = usable.map(|link| link.rate_Bps).sum();
    let between = fabric.level("node").and_then(|level| {
        let container = level.container(node)?;
        let cut = fabric.container_cuts(level)[container as usize];
        let ends = fabric.endpoints().iter();
        let n_inside = ends.filter(|end| level.container(**end) == Some(container));
        Some(cut.leaving_Bps / n_inside.count() as u64)
    });
    (intra, between.filter(|rate| *rate > 0).unwrap_or(intra))
}

impl Ruling {
    fn new(choice: &str, algorithm: &'static str) -> Self {
        Self {
            choice: choice.to_owned(),
            algorithm,
            options: Options::default(),
            regime: Regime::Bulk,
            n_steps: None,
        }
    }

    fn by(mut self, regime: Regime) -> Self {
        self.regime = regime;
        self
    }

    fn in_steps(mut self, n_steps: u64) -> Self {
        self.n_steps = Some(n_steps);
        self
    }

    fn with(mut self, name: &str, word: &str) -> Self {
        let value = OptionValue::Text(word.to_owned());
        self.options = self.options.with(name, value);
        self
    }

    fn with_int(mut self, name: &str, value: i64) -> Self {
        self.options = self.options.with(name, OptionValue::Int(value));
        self
    }
}

/// One algorithm among all ranks, in as many steps as there are levels of doubling or neighbors.
fn flat(choice: &str, collective: Collective, level1: Level1) -> Ruling {
    match (collective, level1) {
        // Our ring computes neither; one chunk passed on is the unpipelined ring of HCCL.
        (Collective::Broadcast | Collective::Reduce, Level1::Ring) => {
            Ruling::new(choice, "chain").with_int("chunks", 1)
        }
        // Nor a scatter; from neighbor to neighbor or at once, the root sends the same bytes.
        (Collective::Scatter | Collective::Gather, Level1::Ring) => Ruling::new(choice, "direct"),
        (Collective::Scatter | Collective::Gather, Level1::HalvingDoubling) => {
            Ruling::new(choice, "binomial_tree")
        }
        (_, Level1::Ring) => Ruling::new(choice, "ring"),
        // A broadcast by halving and doubling scatters and gathers in log2 n steps each, as NHR.
        (Collective::Broadcast | Collective::Reduce, Level1::HalvingDoubling)
        | (_, Level1::Nhr) => Ruling::new(choice, "nhr"),
        (_, Level1::HalvingDoubling) => Ruling::new(choice, "halving_doubling"),
    }
}

/// HCCL's algorithms between servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level1 {
    Ring,
    Nhr,
    HalvingDoubling,
}

impl Level1 {
    const fn word(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Nhr => "NHR",
            Self::HalvingDoubling => "H-D_R",
        }
    }

    const fn algorithm(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Nhr => "nhr",
            Self::HalvingDoubling => "halving_doubling",
        }
    }
}

/// `intra` inside the servers and a level 1 between them, in HCCL's order: an all-gather and an
/// all-reduce begin inside, a reduce-scatter between (algorithms.md 3.13).
fn two_level(situation: &Situation, intra: &str, level1: Level1) -> Ruling {
    let choice = format!("level1:{}", level1.word());
    match situation.collective {
        Collective::AllReduce | Collective::AllGather | Collective::ReduceScatter
            if situation.n_servers() > 1 && situation.n_cards() > 1 =>
        {
            let order = match situation.collective {
                Collective::ReduceScatter => "inter_first",
                _ => "intra_first",
            };
            Ruling::new(&choice, "hierarchical")
                .with("intra", intra)
                .with("inter", level1.algorithm())
                .with("order", order)
        }
        collective => flat(&choice, collective, level1),
    }
}

/// All ranks of one server at once: HCCL's mesh.
fn mesh(choice: &str, collective: Collective) -> Ruling {
    use Collective::{
        AllGather, AllReduce, AllToAll, Barrier, Broadcast, Combine, Dispatch, Gather, Reduce,
        ReduceScatter, Scatter, SendRecv,
    };
    let algorithm = match collective {
        AllReduce | Broadcast | Reduce => "two_shot",
        AllGather | ReduceScatter | AllToAll | Gather | Scatter | SendRecv => "direct",
        Barrier => "dissemination",
        Dispatch | Combine => unreachable!("no rule speaks of tokens"),
    };
    Ruling::new(choice, algorithm)
}
