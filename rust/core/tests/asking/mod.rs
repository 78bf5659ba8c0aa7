//! A question with plain settings, for tests that change what they are about.

use std::sync::Arc;

use cm_core::collective::{Collective, Options, Payload, Split};
use cm_core::engine::ladder::Rung;
use cm_core::engine::layers::Layers;
use cm_core::fabric::Fabric;
use cm_core::fabric::routing::RoutingOptions;
use cm_core::ids::RankId;
use cm_core::placement::Sync;
use cm_core::question::{Choice, Question};
use cm_core::simulate::{EngineKind, Settings};

/// One collective on the first `n` endpoints.
pub(crate) fn question(
    fabric: &Arc<Fabric>,
    collective: Collective,
    n: u32,
    payload: Payload,
) -> Question {
    let endpoints: Vec<u32> = (0..n).collect();
    Question {
        fabric: fabric.clone(),
        collective,
        algorithm: Choice::Auto,
        team: Arc::new(fabric.team(&endpoints).unwrap()),
        endpoints,
        root: RankId(0),
        payload,
        split: Split::Exact,
        options: Options::default(),
        starts_ps: vec![0],
        settings: Settings {
            routing: "spray",
            routing_options: RoutingOptions::default(),
            sync: Sync::None,
            engine: EngineKind::Fluid,
            rung: Rung::Pair,
            layers: Layers::ALL,
            memory_limit_bytes: 1 << 30,
            event_limit: 1_000_000,
        },
        phases: Vec::new(),
    }
}
