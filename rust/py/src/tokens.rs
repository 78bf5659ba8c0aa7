//! `Tokens`: a frozen, shared handle on the tokens of a mixture of experts.

use std::sync::Arc;

use cm_core::collective::{Experts, Gating, Grain, Layout, Tokens, Traffic};
use cm_core::csr::Csr;
use cm_core::ids::RankId;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::columns::{Columns, to_array};
use crate::error::argument;

/// Tokens of each rank and the experts that they are sent to.
#[pyclass(frozen, name = "Tokens", module = "cm_collectives._core")]
pub(crate) struct PyTokens {
    pub(crate) tokens: Arc<Tokens>,
}

/// Tokens, number of the grain and whether there are status blocks, in a pickle.
pub(crate) type TrafficTuple = (Py<PyTokens>, usize, bool);

const GRAINS: [Grain; 3] = [Grain::Expert, Grain::Rank, Grain::Token];

pub(crate) fn pickled(py: Python<'_>, traffic: &Traffic) -> PyResult<TrafficTuple> {
    let grain = GRAINS
        .iter()
        .position(|&grain| grain == traffic.layout.grain);
    let tokens = PyTokens {
        tokens: traffic.tokens.clone(),
    };
    Ok((
        Py::new(py, tokens)?,
        grain.expect("all grains are listed"),
        traffic.layout.has_status,
    ))
}

pub(crate) fn unpickled((tokens, grain, has_status): TrafficTuple) -> Traffic {
    Traffic {
        tokens: tokens.get().tokens.clone(),
        layout: Layout {
            grain: GRAINS[grain % GRAINS.len()],
            has_status,
        },
    }
}

/// The gating of that name with its values.
fn gating(
    py: Python<'_>,
    name: &str,
    seed: u64,
    groups: (u32, u32),
    values: &[i64],
) -> PyResult<Gating> {
    let unsigned = || {
        let each = values.iter().map(|&value| {
            let text = || format!("routing must have no negative entries, got {value}");
            u64::try_from(value).map_err(|_| argument(py, text()))
        });
        each.collect::<PyResult<Vec<u64>>>()
    };
    let experts = || {
        let each = values.iter().map(|&value| {
            let text = || format!("routing must name experts from 0 on, got {value}");
            u32::try_from(value).map_err(|_| argument(py, text()))
        });
        each.collect::<PyResult<Vec<u32>>>()
    };
    let (n_groups, per_token) = groups;
    Ok(match name {
        "balanced" => Gating::Balanced,
        "uniform" if n_groups > 0 => Gating::Limited {
            seed,
            n_groups,
            per_token,
        },
        "uniform" => Gating::Uniform { seed },
        "loads" => Gating::Loads {
            seed,
            loads: unsigned()?,
        },
        "shuffled" => Gating::Shuffled {
            seed,
            loads: unsigned()?,
        },
        "counts" => Gating::Counts(unsigned()?),
        "chosen" => Gating::Chosen(experts()?),
        _ => return Err(argument(py, format!("unknown routing of tokens '{name}'"))),
    })
}

#[pymethods]
impl PyTokens {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "tokens have these parts")]
    fn new(
        py: Python<'_>,
        tokens_of: Vec<u32>,
        top_k: u32,
        n_experts: u32,
        placement: Option<Vec<Vec<u32>>>,
        routing: &str,
        seed: u64,
        groups: (u32, u32),
        values: PyReadonlyArray1<'_, i64>,
        hidden: u32,
        bytes_per_token: u64,
    ) -> PyResult<Self> {
        let gating = gating(py, routing, seed, groups, &values.as_array().to_vec())?;
        let made = py.detach(|| {
            let n_ranks = tokens_of.len() as u32;
            let experts = match placement {
                Some(placement) => Experts::placed(&placement, n_ranks)?,
                None => Experts::contiguous(n_experts, n_ranks)?,
            };
            Tokens::new(
                &tokens_of,
                top_k,
                experts,
                &gating,
                (hidden, bytes_per_token),
            )
        });
        let tokens = made.map_err(|error| argument(py, error.to_string()))?;
        Ok(Self {
            tokens: Arc::new(tokens),
        })
    }

    /// The same tokens at the same experts, of another size.
    fn with_bytes(&self, bytes_per_token: u64) -> Self {
        Self {
            tokens: Arc::new(self.tokens.with_bytes(bytes_per_token)),
        }
    }

    #[getter]
    fn digest(&self, py: Python<'_>) -> String {
        py.detach(|| self.tokens.digest())
    }

    /// Pickles by content: who chose which experts, and where these are.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, tokens) = (slf.py(), &slf.get().tokens);
        let ranks = (0..tokens.n_ranks()).map(RankId);
        let tokens_of: Vec<usize> = ranks.map(|rank| tokens.of_rank(rank).len()).collect();
        let experts = tokens.experts();
        let placement: Vec<Vec<u32>> = (0..experts.len())
            .map(|expert| experts.ranks(expert).to_vec())
            .collect();
        let chosen = tokens.chosen().iter().map(|&expert| i64::from(expert));
        let routing = if tokens.is_balanced() {
            "balanced"
        } else {
            "chosen"
        };
        let arguments = (
            tokens_of,
            tokens.top_k(),
            experts.len(),
            placement,
            routing,
            0,
            (0, 0),
            to_array(py, chosen.collect::<Vec<i64>>()),
            tokens.hidden(),
            tokens.bytes_per_token(),
        );
        let class = py.get_type::<Self>().into_any();
        PyTuple::new(py, [class, arguments.into_pyobject(py)?.into_any()])
    }

    /// Columns: rank, token (counted in its rank), and the experts and ranks of its copies.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tokens = &self.tokens;
        let ranks = || (0..tokens.n_ranks()).map(RankId);
        let each = || ranks().flat_map(|rank| tokens.of_rank(rank).map(move |t| (rank, t)));
        let (mut experts, mut homes) = (Csr::default(), Csr::default());
        for token in 0..tokens.n_tokens() {
            homes.push_row(tokens.homes(token).iter().map(|home| home.0));
        }
        for own in tokens.chosen().chunks_exact(tokens.top_k() as usize) {
            experts.push_row(own.iter().copied());
        }
        Ok(Columns::new(py)
            .ints("rank", each().map(|(rank, _)| i64::from(rank.0)))?
            .ints(
                "token",
                each().map(|(rank, token)| i64::from(token - tokens.of_rank(rank).start)),
            )?
            .lists("experts", &experts)?
            .lists("ranks", &homes)?
            .done())
    }

    /// Copies from each rank to each rank, row major.
    fn counts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let counts = self.tokens.counts();
        to_array(py, counts.into_iter().map(|count| count as i64).collect())
    }

    /// Copies per expert.
    fn loads<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let loads = self.tokens.loads();
        to_array(py, loads.into_iter().map(|load| load as i64).collect())
    }

    /// Bytes that the busiest rank sends, receives, sends to and receives from other ranks.
    fn busiest(&self) -> (u64, u64, u64, u64) {
        let busiest = self.tokens.busiest();
        (
            busiest.sent,
            busiest.received,
            busiest.sent_away,
            busiest.received_from_afar,
        )
    }
}
