//! Charges: what a calibrated library adds to the network's time of one collective.
//!
//! The library's rule names the regime, the schedule says in how many steps and how many bytes, and
//! the form of the regime gives the terms. While bytes leave the endpoint at the rate of the protocol
//! the network carries them: the slower of the two counts, so that a calibration fitted in one idle
//! switch domain meets congestion, failed links and far away ranks by itself.

use std::collections::BTreeMap;

use crate::algorithms;
use crate::collective::{self, Collective, Payload, Problem};
use crate::cost::{Form, Moe, Operation, Regime, Shape, Term, TermKind};
use crate::error::Error;
use crate::fabric::Fabric;
use crate::ids::{LinkId, RankId};
use crate::rules::{self, Ruling, Situation};
use crate::schedule::{ChunkRange, ChunkSizes, Op, Outline, Schedule};

const PS_PER_US: f64 = 1e6;

/// What a library adds to the network's time of one collective.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The library.
    pub library: String,
    /// What it does, in its own words.
    pub choice: String,
    /// How it moves the bytes.
    pub regime: Regime,
    /// The terms, in order; one of them is the transfer.
    pub terms: Vec<Term>,
    /// Latency of the network that is in the terms already.
    pub covered_ps: u64,
}

/// A collective on its way: what a charge looks at.
#[derive(Debug, Clone, Copy)]
pub struct Traffic<'a> {
    /// What it is about.
    pub outline: Outline<'a>,
    /// The endpoint of each rank.
    pub endpoints: &'a [u32],
    /// Steps of the schedule.
    pub n_steps: u32,
    /// Bytes that a rank sends, on average.
    pub sent_bytes: f64,
}

impl<'a> Traffic<'a> {
    /// That of a schedule of which each transfer stands for so many alike.
    pub fn new(
        schedule: &Schedule,
        copies: u32,
        outline: Outline<'a>,
        endpoints: &'a [u32],
    ) -> Self {
        Self {
            outline,
            endpoints,
            n_steps: schedule.n_steps(),
            sent_bytes: sent_bytes(schedule, outline.sizes, copies) / f64::from(outline.n_ranks),
        }
    }
}

impl Charge {
    /// The charge of a collective on a calibrated fabric; none where there is nothing to do, or the
    /// fabric is not calibrated.
    ///
    /// # Errors
    /// If the library has no such collective, its rule is unknown, or two ranks are not joined.
    pub fn of(fabric: &Fabric, traffic: &Traffic) -> Result<Option<Self>, Error> {
        let outline = &traffic.outline;
        let size_bytes = size_bytes(outline);
        let is_idle = size_bytes == 0 && outline.collective != Collective::Barrier;
        let Some(calibration) = fabric.calibration() else {
            return Ok(None);
        };
        if outline.n_ranks < 2 || is_idle {
            return Ok(None);
        }
        let ruling = ruling(fabric, traffic.endpoints, outline.collective, size_bytes)?;
        if let Some(tokens) = outline.traffic {
            let form = Form::Moe(moe(outline.collective, tokens));
            return Ok(Some(Self {
                covered_ps: 0,
                library: calibration.library.clone(),
                choice: ruling.choice,
                regime: ruling.regime,
                terms: form.terms(&calibration.parameters),
            }));
        }
        let is_its_own = ruling.algorithm == outline.algorithm;
        let regime = regime_of(&ruling, outline.algorithm);
        let steps = Steps {
            n_ranks: outline.n_ranks,
            of_schedule: traffic.n_steps,
            of_library: ruling.n_steps.filter(|_| is_its_own),
            sent_bytes: traffic.sent_bytes,
        };
        let endpoints = traffic.endpoints;
        let form = form(
            fabric,
            endpoints,
            outline.collective,
            regime,
            &steps,
            size_bytes,
        )?;
        let covered_ps = match form {
            Form::Memory { .. } => path(fabric.wires(), traffic.endpoints)?.latency_ps,
            _ => 0,
        };
        Ok(Some(Self {
            covered_ps,
            library: calibration.library.clone(),
            choice: ruling.choice,
            regime,
            terms: form.terms(&calibration.parameters),
        }))
    }

    /// Picoseconds of the terms of one kind, rounded up.
    pub fn kind_ps(&self, kind: TermKind) -> u64 {
        let each = self.terms.iter().filter(|term| term.kind == kind);
        let us: f64 = each.map(|term| term.us).sum();
        (us * PS_PER_US).ceil() as u64
    }

    /// When the collective is through, if its last rank enters at `start_ps` and the network alone
    /// were through at `network_ps`.
    pub fn finish_ps(&self, start_ps: u64, network_ps: u64) -> u128 {
        let after_network_ps = u128::from(network_ps) + u128::from(self.lag_ps());
        after_network_ps.max(self.earliest_ps(start_ps))
    }

    /// How much later than the network a collective is through at least: the endpoint's terms, but
    /// for the latency that they speak for.
    pub fn lag_ps(&self) -> u64 {
        self.kind_ps(TermKind::Endpoint)
            .saturating_sub(self.covered_ps)
    }

    /// When a collective is through whose last rank enters at `start_ps`, however fast the network.
    pub fn earliest_ps(&self, start_ps: u64) -> u128 {
        let kinds = [TermKind::Transfer, TermKind::Endpoint];
        u128::from(start_ps)
            + kinds
                .map(|kind| u128::from(self.kind_ps(kind)))
                .iter()
                .sum::<u128>()
    }
}

/// What tokens ask of the busiest rank.
fn moe(collective: Collective, traffic: &collective::Traffic) -> Moe {
    let tokens = &traffic.tokens;
    let chunks =
        (0..traffic.copies().len()).filter(|&chunk| traffic.copies().token(chunk).is_some());
    // A token that goes to a node first is copied there.
    let n_copies: usize = chunks.map(|chunk| traffic.copies().ends(chunk).len()).sum();
    let most = (0..tokens.n_ranks()).map(|rank| tokens.of_rank(RankId(rank)).len());
    let (excess, average) = tokens.lockstep();
    Moe {
        operation: match collective {
            Collective::Combine => Operation::Combine,
            _ => Operation::Dispatch,
        },
        n_ranks: f64::from(tokens.n_ranks()),
        tokens_per_rank: most.max().unwrap_or(0) as f64,
        hidden: f64::from(tokens.hidden()),
        copies: n_copies as f64 / f64::from(tokens.n_tokens().max(1)),
        bytes_per_token: tokens.bytes_per_token() as f64,
        incast: excess as f64 / average as f64,
    }
}

/// What the library of a calibrated fabric would do.
///
/// # Errors
/// If it has no such collective, or its rule is unknown.
pub fn ruling(
    fabric: &Fabric,
    endpoints: &[u32],
    collective: Collective,
    size_bytes: u64,
) -> Result<Ruling, Error> {
    let calibration = fabric
        .calibration()
        .expect("only calibrated fabrics have a library");
    let team = fabric.shared_team(endpoints)?;
    let situation = Situation::on(fabric, &team, endpoints[0], collective, size_bytes);
    let decided = rules::lookup(&calibration.rule)?.decide(&situation);
    decided.ok_or_else(|| Error::NotInLibrary {
        library: calibration.library.clone(),
        collective: collective.name(),
    })
}

/// How the kernels of a calibrated fabric's library move the bytes of an algorithm, its own if none
/// is named.
///
/// # Errors
/// As for [`ruling`].
pub fn regime(
    fabric: &Fabric,
    endpoints: &[u32],
    collective: Collective,
    algorithm: Option<&str>,
    size_bytes: u64,
) -> Result<Regime, Error> {
    let ruling = ruling(fabric, endpoints, collective, size_bytes)?;
    Ok(regime_of(&ruling, algorithm.unwrap_or(ruling.algorithm)))
}

fn regime_of(ruling: &Ruling, algorithm: &str) -> Regime {
    match ruling.regime {
        // Another algorithm than the library's leaves the switches out, and shares its kernels.
        Regime::Switch if ruling.algorithm != algorithm => Regime::Bulk,
        regime => regime,
    }
}

/// How the library of a calibrated fabric carries out a collective, and the form of its cost, without
/// a schedule.
///
/// # Errors
/// As for [`ruling`], and if the ranks do not suit the algorithm.
pub fn library_form(
    fabric: &Fabric,
    endpoints: &[u32],
    collective: Collective,
    size_bytes: u64,
) -> Result<(Ruling, Form), Error> {
    let ruling = ruling(fabric, endpoints, collective, size_bytes)?;
    let team = fabric.shared_team(endpoints)?;
    let payload = match collective {
        Collective::Barrier => Payload::None,
        _ => Payload::Bytes(size_bytes),
    };
    let problem = Problem {
        options: ruling.options.clone(),
        ..Problem::new(collective, &team, payload)
    };
    let algorithm = algorithms::lookup(ruling.algorithm)?;
    algorithms::check(algorithm, &problem)?;
    let steps = Steps {
        n_ranks: team.n_ranks(),
        of_schedule: algorithm.n_steps(&problem),
        of_library: ruling.n_steps,
        sent_bytes: 0.0,
    };
    let form = form(
        fabric,
        endpoints,
        collective,
        ruling.regime,
        &steps,
        size_bytes,
    )?;
    Ok((ruling, form))
}

/// Bytes that the transfers of a schedule carry to other ranks, each so many times, if chunks have
/// these sizes. It is rounded once per denominator, so that it does not matter whether a schedule is
/// written out.
fn sent_bytes(schedule: &Schedule, sizes: &ChunkSizes, copies: u32) -> f64 {
    let mut numerators: BTreeMap<u64, u128> = BTreeMap::new();
    let others = (0..schedule.len()).filter(|&transfer| schedule.op()[transfer] != Op::Local);
    for transfer in others {
        let (numerator, denominator) = sizes.size_of(schedule.chunks()[transfer]);
        *numerators.entry(denominator).or_default() += numerator * u128::from(copies);
    }
    let parts = numerators.iter();
    parts
        .map(|(&denominator, &numerator)| numerator as f64 / denominator as f64)
        .sum()
}

/// The size in the sense of nccl-tests; of an all-to-all with counts the most that one rank sends.
pub fn size_bytes(outline: &Outline) -> u64 {
    let whole = |range| {
        let (numerator, denominator) = outline.sizes.size_of(range);
        numerator.div_ceil(denominator.into()) as u64
    };
    match outline.collective {
        Collective::Barrier => 0,
        Collective::AllToAll => {
            let row = outline.n_chunks / u64::from(outline.n_ranks);
            let ranks = (0..outline.n_ranks).map(u64::from);
            let rows = ranks.map(|rank| whole(ChunkRange::span(rank * row, row as u32)));
            rows.max().unwrap_or(0)
        }
        _ => whole(ChunkRange::span(0u32, outline.n_chunks as u32)),
    }
}

/// What a form takes from schedule and rule.
struct Steps {
    n_ranks: u32,
    of_schedule: u32,
    /// Where the library takes others.
    of_library: Option<u64>,
    sent_bytes: f64,
}

fn form(
    fabric: &Fabric,
    endpoints: &[u32],
    collective: Collective,
    regime: Regime,
    steps: &Steps,
    size_bytes: u64,
) -> Result<Form, Error> {
    if matches!(regime, Regime::Read | Regime::Write) {
        return Ok(Form::Memory {
            is_write: regime == Regime::Write,
            n_traversals: 2.0 * path(fabric, endpoints)?.n_switches,
            size_bytes: size_bytes as f64,
        });
    }
    let mut shape = Shape::of(collective, regime, steps.n_ranks, size_bytes);
    shape.n_steps = match steps.of_library {
        Some(n_steps) => n_steps as f64,
        None => f64::from(steps.of_schedule),
    };
    shape.sent_bytes = shape.sent_bytes.max(steps.sent_bytes);
    Ok(Form::Collective(regime, shape))
}

/// A shortest path.
struct Path {
    n_switches: f64,
    latency_ps: u64,
}

/// From the first endpoint to the second.
fn path(fabric: &Fabric, endpoints: &[u32]) -> Result<Path, Error> {
    let nodes = fabric.rank_nodes(endpoints)?;
    let paths = fabric.paths(nodes[0], nodes[1])?;
    // Flows arrive by the longest latency of their paths.
    let latency = |links: &Vec<LinkId>| links.iter().map(|id| fabric.link(*id).latency_ps).sum();
    Ok(Path {
        n_switches: paths.first().map_or(0, |links| links.len() - 1) as f64,
        latency_ps: paths.iter().map(latency).max().unwrap_or(0),
    })
}
