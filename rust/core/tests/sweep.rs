//! A sweep answers many sizes of a question by what it learnt from one; the answers are those of
//! asking each on its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use asking::question;
use cm_core::algorithms::{ALGORITHMS, lookup};
use cm_core::bounds::{Demand, Line, Volume, bound};
use cm_core::collective::{Collective, Payload};
use cm_core::engine::fluid::EngineError;
use cm_core::error::Error;
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::question::{Choice, Question};
use cm_core::report;
use cm_core::simulate::EngineKind;
use cm_core::sweep::{Answer, Answers, Row, sweep};

const SIZES: [u64; 12] = [
    0,
    1,
    2,
    7,
    1000,
    4096,
    65_537,
    1 << 20,
    999_999_937,
    1 << 30,
    (1 << 33) + 5,
    1 << 53,
];

fn preset(name: &str) -> Arc<Fabric> {
    let preset = presets::lookup(name).unwrap();
    Arc::new(preset.build(&Params::new()).unwrap())
}

fn swept(questions: &[Question], rows: &[Row]) -> Answers {
    let done = AtomicU64::new(0);
    let answers = sweep(questions, rows, &done, &AtomicBool::new(false));
    assert_eq!(done.load(Ordering::Relaxed), rows.len() as u64);
    answers
}

fn alone(question: &Question, size_bytes: Option<u64>) -> Result<Answer, Error> {
    let question = Question {
        payload: size_bytes.map_or(Payload::None, Payload::Bytes),
        ..question.clone()
    };
    let simulation = question.answer(None)?.simulation;
    let bottlenecks = report::bottlenecks(&simulation).unwrap();
    let heaviest = bottlenecks.first().filter(|usage| usage.least_ps > 0.0);
    Ok(Answer {
        time_ps: simulation.time_ps(),
        bound_ps: u64::try_from(simulation.bound().time_ps).unwrap(),
        algorithm: report::algorithms(&simulation).join(", ").into(),
        bottleneck: heaviest.map_or("", |usage| &usage.name).into(),
        max_utilisation: heaviest.map_or(0.0, |usage| usage.utilisation),
    })
}

/// Tokens have no size: the mixture of experts says what moves.
fn sized() -> impl Iterator<Item = &'static Collective> {
    Collective::ALL.iter().filter(|c| !c.moves_tokens())
}

#[test]
fn every_size_has_the_answer_of_asking_it_alone() {
    let mut questions = Vec::new();
    for name in ["cm384", "hgx_h20"] {
        let fabric = preset(name);
        for &collective in sized() {
            for algorithm in ALGORITHMS {
                for n in [1, 2, 6, 8] {
                    if collective == Collective::SendRecv && n != 2 {
                        continue;
                    }
                    let mut asked = question(&fabric, collective, n, Payload::None);
                    asked.algorithm = Choice::Named(*algorithm);
                    questions.push(asked.clone());
                    asked.settings.engine = EngineKind::Bound;
                    questions.push(asked);
                }
            }
            if collective != Collective::SendRecv {
                questions.push(question(&fabric, collective, 5, Payload::None));
            }
        }
    }
    let mut rows = Vec::new();
    for (index, question) in questions.iter().enumerate() {
        let is_barrier = question.collective == Collective::Barrier;
        for size in SIZES {
            rows.push(Row {
                question: index as u32,
                size_bytes: (!is_barrier).then_some(size),
            });
        }
    }
    // Out of order, and many of them twice.
    rows.extend_from_within(..rows.len() / 3);
    let n_rows = rows.len();
    rows = (0..n_rows).map(|i| rows[i * 7919 % n_rows]).collect();
    let answers = swept(&questions, &rows);
    let mut known = BTreeMap::new();
    let mut n_answered = 0;
    for (row, &index) in rows.iter().zip(&answers.of_row) {
        let expected = known
            .entry(*row)
            .or_insert_with(|| alone(&questions[row.question as usize], row.size_bytes));
        let got = answers.distinct[index as usize].clone().map_err(|e| *e);
        assert_eq!(
            &got, expected,
            "{row:?} {:?}",
            questions[row.question as usize].collective
        );
        n_answered += usize::from(got.is_ok());
    }
    assert_eq!(answers.distinct.len(), known.len());
    assert!(n_answered > 3000, "{n_answered} of {n_rows}");
}

#[test]
fn a_large_collective_has_the_answer_of_asking_it_alone() {
    let fabric = preset("cm384");
    for (collective, algorithm) in [
        (Collective::AllToAll, "direct"),
        (Collective::AllReduce, "ring"),
        (Collective::AllReduce, "hierarchical"),
    ] {
        let mut asked = question(&fabric, collective, 768, Payload::None);
        asked.algorithm = Choice::Named(lookup(algorithm).unwrap());
        let rows: Vec<Row> = SIZES
            .iter()
            .map(|&size| Row {
                question: 0,
                size_bytes: Some(size),
            })
            .collect();
        let answers = swept(std::slice::from_ref(&asked), &rows);
        for (row, &index) in rows.iter().zip(&answers.of_row) {
            let got = answers.distinct[index as usize].clone().map_err(|e| *e);
            assert_eq!(got, alone(&asked, row.size_bytes), "{algorithm} {row:?}");
        }
    }
}

#[test]
fn the_bound_is_a_line_over_the_sizes() {
    for name in ["cm384", "hgx_h20", "gb200_nvl72"] {
        let fabric = preset(name);
        for &collective in sized() {
            for (n, root) in [(1, 0), (2, 1), (7, 3), (8, 0), (8, 5)] {
                if collective == Collective::SendRecv && n != 2 {
                    continue;
                }
                let endpoints: Vec<u32> = (0..n).collect();
                let nodes = fabric.rank_nodes(&endpoints).unwrap();
                let line = Line::of(&fabric, collective, &nodes, root);
                for size_bytes in SIZES {
                    let volume = match collective {
                        Collective::Barrier => Volume::Signals,
                        _ => Volume::equal(size_bytes, nodes.len()),
                    };
                    let demand = Demand {
                        collective,
                        nodes: &nodes,
                        root,
                        volume,
                    };
                    assert_eq!(
                        line.at(size_bytes),
                        bound(&fabric, &demand).time_ps,
                        "{name} {} n={n} {size_bytes}",
                        collective.name()
                    );
                }
            }
        }
    }
}

#[test]
fn a_cancelled_sweep_answers_nothing_more() {
    let fabric = preset("cm384");
    let asked = question(&fabric, Collective::AllGather, 4, Payload::None);
    let rows = SIZES.map(|size| Row {
        question: 0,
        size_bytes: Some(size),
    });
    let answers = sweep(&[asked], &rows, &AtomicU64::new(0), &AtomicBool::new(true));
    for answered in &answers.distinct {
        assert_eq!(
            **answered.as_ref().unwrap_err(),
            EngineError::Interrupted.into()
        );
    }
}
