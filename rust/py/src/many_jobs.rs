//! The transfers of several jobs as one table: transfer numbers and edges count on from job to job.

use cm_core::csr::Csr;
use cm_core::simulate::PlacedJob;
use pyo3::prelude::*;

use crate::columns::Columns;

/// Every transfer of every job: (job, its offset in the table, transfer).
fn rows(jobs: &[PlacedJob]) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut offset = 0;
    jobs.iter().enumerate().flat_map(move |(job, placed)| {
        let start = offset;
        offset += placed.schedule.len();
        (0..placed.schedule.len()).map(move |transfer| (job, start, transfer))
    })
}

/// The columns of `Run.transfers` for several jobs.
pub(crate) fn columns<'py>(columns: Columns<'py>, jobs: &[PlacedJob]) -> PyResult<Columns<'py>> {
    let ints = |value: fn(&PlacedJob, usize) -> u64| {
        rows(jobs).map(move |(job, _, transfer)| value(&jobs[job], transfer) as i64)
    };
    let edges = |of: fn(&PlacedJob) -> &Csr<u32>| {
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
        .ints("step", ints(|job, t| job.schedule.step()[t].into()))?
        .ints("src", ints(|job, t| job.schedule.src()[t].0.into()))?
        .ints("dst", ints(|job, t| job.schedule.dst()[t].0.into()))?
        .ints(
            "chunk",
            ints(|job, t| job.schedule.chunks()[t].first.into()),
        )?
        .ints(
            "n_chunks",
            ints(|job, t| job.schedule.chunks()[t].count.into()),
        )?
        .ints(
            "chunk_stride",
            ints(|job, t| job.schedule.chunks()[t].stride.into()),
        )?
        .ints(
            "offset",
            ints(|job, t| job.schedule.sizes().offset_bytes(job.schedule.chunks()[t])),
        )?
        .ints(
            "size_bytes",
            ints(|job, t| {
                job.schedule
                    .sizes()
                    .balanced_size_bytes(job.schedule.chunks()[t])
            }),
        )?
        .words(
            "op",
            rows(jobs).map(|(job, _, t)| jobs[job].schedule.op()[t].name()),
        )?
        .lists("depends_on", &edges(|job| job.schedule.depends_on()))?
        .lists("follows", &edges(|job| job.schedule.follows()))?
        .ints(
            "src_endpoint",
            ints(|job, t| job.endpoints[job.schedule.src()[t].index()].into()),
        )?
        .ints(
            "dst_endpoint",
            ints(|job, t| job.endpoints[job.schedule.dst()[t].index()].into()),
        )
}
