//! The transfers of several jobs as one table: transfer numbers and edges count on from job to job.

use cm_core::csr::Csr;
use cm_core::schedule::Schedule;
use pyo3::prelude::*;

use crate::columns::Columns;

/// A job's schedule and the endpoint of each rank.
type Job<'a> = (&'a Schedule, &'a [u32]);

/// Every transfer of every job: (job, its offset in the table, transfer).
fn rows(jobs: &[Job<'_>]) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut offset = 0;
    jobs.iter()
        .enumerate()
        .flat_map(move |(job, (schedule, _))| {
            let start = offset;
            offset += schedule.len();
            (0..schedule.len()).map(move |transfer| (job, start, transfer))
        })
}

/// The columns of `Run.transfers` for several jobs.
pub(crate) fn columns<'py>(columns: Columns<'py>, jobs: &[Job<'_>]) -> PyResult<Columns<'py>> {
    let ints = |value: fn(&Job<'_>, usize) -> u64| {
        rows(jobs).map(move |(job, _, transfer)| value(&jobs[job], transfer) as i64)
    };
    let edges = |of: for<'a> fn(&Job<'a>) -> &'a Csr<u32>| {
        let mut csr = Csr::default();
        for (job, start, transfer) in rows(jobs) {
            csr.push_row(
                of(&jobs[job])
                    .row(transfer)
                    .iter()
                    .map(|&pred| pred + start as u32),
            );
        }
        csr
    };
    columns
        .ints("job", rows(jobs).map(|(job, _, _)| job as i64))?
        .ints(
            "transfer",
            rows(jobs).map(|(_, start, transfer)| (start + transfer) as i64),
        )?
        .ints("step", ints(|job, t| job.0.step()[t].into()))?
        .ints("src", ints(|job, t| job.0.src()[t].0.into()))?
        .ints("dst", ints(|job, t| job.0.dst()[t].0.into()))?
        .ints("chunk", ints(|job, t| job.0.chunks()[t].first))?
        .ints("n_chunks", ints(|job, t| job.0.chunks()[t].count.into()))?
        .ints(
            "chunk_stride",
            ints(|job, t| job.0.chunks()[t].stride.into()),
        )?
        .ints("chunk_window", ints(|job, t| job.0.chunks()[t].window))?
        .ints(
            "offset",
            ints(|job, t| job.0.sizes().offset_bytes(job.0.chunks()[t])),
        )?
        .ints(
            "size_bytes",
            ints(|job, t| job.0.sizes().balanced_size_bytes(job.0.chunks()[t])),
        )?
        .words(
            "op",
            rows(jobs).map(|(job, _, t)| jobs[job].0.op()[t].name()),
        )?
        .lists("depends_on", &edges(|job| job.0.depends_on()))?
        .lists("follows", &edges(|job| job.0.follows()))?
        .ints(
            "src_endpoint",
            ints(|job, t| job.1[job.0.src()[t].index()].into()),
        )?
        .ints(
            "dst_endpoint",
            ints(|job, t| job.1[job.0.dst()[t].index()].into()),
        )
}
