//! Charges: what a calibrated library adds to the network's time of one collective.
//!
//! The library's rule names the regime, the schedule says in how many steps and how many bytes, and
//! the form of the regime gives the terms. While bytes leave the endpoint at the rate of the protocol
//! the network carries them: the slower of the two counts, so that a calibration fitted in one idle
//! switch domain meets congestion, failed links and far away ranks by itself.

use crate::collective::Collective;
use crate::cost::{Form, Regime, Shape, Term, TermKind};
use crate::error::Error;
use crate::fabric::Fabric;
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
        let form = form(fabric, traffic, &ruling, size_bytes)?;
        Ok(Some(Self {
            library: calibration.library.clone(),
            choice: ruling.choice,
            regime: ruling.regime,
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
        let transfer_ps = u128::from(start_ps) + u128::from(self.kind_ps(TermKind::Transfer));
        transfer_ps.max(network_ps.into()) + u128::from(self.kind_ps(TermKind::Endpoint))
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

/// Bytes that the transfers of a schedule carry to other ranks, if chunks have these sizes.
pub fn sent_bytes(schedule: &Schedule, sizes: &ChunkSizes) -> f64 {
    let others = (0..schedule.len()).filter(|&transfer| schedule.op()[transfer] != Op::Local);
    let sizes = others.map(|transfer| {
        let (numerator, denominator) = sizes.size_of(schedule.chunks()[transfer]);
        numerator as f64 / denominator as f64
    });
    sizes.sum()
}

/// The size in the sense of nccl-tests; of an all-to-all with counts the most that one rank sends.
fn size_bytes(outline: &Outline) -> u64 {
    let whole = |range| {
        let (numerator, denominator) = outline.sizes.size_of(range);
        numerator.div_ceil(denominator.into()) as u64
    };
    match outline.collective {
        Collective::Barrier => 0,
        Collective::AllToAll => {
            let row = outline.n_chunks / outline.n_ranks;
            let rows = (0..outline.n_ranks).map(|rank| whole(ChunkRange::span(rank * row, row)));
            rows.max().unwrap_or(0)
        }
        _ => whole(ChunkRange::span(0, outline.n_chunks)),
    }
}

fn form(
    fabric: &Fabric,
    traffic: &Traffic,
    ruling: &Ruling,
    size_bytes: u64,
) -> Result<Form, Error> {
    let outline = &traffic.outline;
    let regime = match (ruling.regime, ruling.algorithm == outline.algorithm) {
        // Another algorithm than the library's leaves the switches out, and may only share kernels.
        (Regime::Switch, false) => Regime::Bulk,
        (regime, _) => regime,
    };
    if matches!(regime, Regime::Read | Regime::Write) {
        return Ok(Form::Memory {
            is_write: regime == Regime::Write,
            n_traversals: 2.0 * f64::from(n_switches(fabric, traffic.endpoints)?),
            size_bytes: size_bytes as f64,
        });
    }
    let mut shape = Shape::of(outline.collective, regime, outline.n_ranks, size_bytes);
    let own_steps = (ruling.algorithm == outline.algorithm).then_some(ruling.n_steps);
    shape.n_steps = match own_steps.flatten() {
        Some(n_steps) => n_steps as f64,
        None => f64::from(traffic.n_steps),
    };
    shape.sent_bytes = shape.sent_bytes.max(traffic.sent_bytes);
    Ok(Form::Collective(regime, shape))
}

/// Switches from the first endpoint to the second, on a shortest path.
fn n_switches(fabric: &Fabric, endpoints: &[u32]) -> Result<u32, Error> {
    let nodes = fabric.rank_nodes(endpoints)?;
    let paths = fabric.paths(nodes[0], nodes[1])?;
    let hops = paths.first().map_or(1, Vec::len);
    Ok(hops as u32 - 1)
}
