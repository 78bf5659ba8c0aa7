//! The checker: replays a certificate against a workload built anew from fabric and schedule.
//!
//! A certificate of classes is replayed against the quotient by them, which is built anew too, and only
//! if they are equitable. What a replay demands of every event is in [`super::replay`].

use super::replay::Replay;
use super::{Certificate, CertificateError};
use crate::engine::symmetry::quotient;
use crate::engine::workload::{Change, Workload};

/// Checks that `certificate` proves a run of `workload`.
pub fn check(workload: &Workload, certificate: &Certificate) -> Result<(), CertificateError> {
    let Some(partition) = &certificate.partition else {
        return check_run(workload, certificate);
    };
    let quotient = quotient(workload, partition.clone())?;
    check_run(&quotient.workload, certificate)
}

fn check_run(workload: &Workload, certificate: &Certificate) -> Result<(), CertificateError> {
    check_routes(workload, certificate)?;
    let mut replay = Replay::new(workload, certificate);
    for event in 0..certificate.times.len() {
        replay.event(event)?;
    }
    replay.end()
}

fn check_routes(workload: &Workload, certificate: &Certificate) -> Result<(), CertificateError> {
    let changes = |changes: &[Change]| changes.iter().map(|c| c.at_ps).collect::<Vec<_>>();
    if changes(&certificate.changes) != changes(&workload.changes) {
        return Err(CertificateError::Malformed { event: 0 });
    }
    let later = certificate.changes.iter().map(|change| &change.op_routes);
    let theirs = std::iter::once(&certificate.op_routes).chain(later);
    for (ours, theirs) in workload.phases().zip(theirs) {
        for op in 0..ours.len().max(theirs.len()) {
            let ours = ours.get(op);
            let theirs = theirs
                .get(op)
                .filter(|&&route| (route as usize) < certificate.routes.n_rows());
            let ours = ours.map(|&route| workload.routes.row(route as usize));
            let theirs = theirs.map(|&route| certificate.routes.row(route as usize));
            if ours.is_none() || ours != theirs {
                return Err(CertificateError::Route { op: op as u32 });
            }
        }
    }
    Ok(())
}
