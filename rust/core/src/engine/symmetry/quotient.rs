//! The quotient of a workload by an equitable partition, checked while it is built.
//!
//! A partition is equitable if
//! 1. the resources of a class have equal capacities, and carry of each operation class the same
//!    total weight;
//! 2. the operations of a class have equal size, start, latency and software cost, and touch the
//!    same *set* of resource classes;
//! 3. the predecessors of the operations of a class lie in the same *set* of classes, for each kind
//!    of edge.
//!
//! *Nothing is lost.* Let the active operations be a union of classes. Progressive filling keeps
//! rates constant on classes: while the frozen operations are a union of classes with one rate
//! each, (1) gives the resources of a class equal residual capacity and equal unfrozen weight, so
//! equal shares; the resources of least share are a union of classes; by (2) an operation that
//! touches one of them has a whole class that does, and all of them freeze at this share. Rates, not
//! weighted rates, are fair, so how *often* or how heavily an operation touches a class is of no
//! matter to its own rate, and a set suffices. Over time: equal sizes and equal rates end together,
//! and an operation is released by the maximum over its predecessors, which is the maximum over
//! their classes (3). So by induction over the events the active operations stay a union of
//! classes, and every time is constant on classes. The quotient has one operation per class and one
//! resource per class, on which it puts the class's total weight: the same filling.
//!
//! Where routes change at a time, (1) and (2) hold in every phase. What is under way at a change is
//! then a union of classes still, and of a class as much is left of each, so the next phase begins as
//! the induction needs it.
//!
//! An operation is never in a class with one of its ancestors: by (3) all operations of a class have
//! the same longest chain of predecessors. So the quotient has no cycle either.

use rustc_hash::FxHashMap;

use super::refine::Partition;
use crate::csr::Csr;
use crate::engine::workload::{Change, Incidence, Workload};

/// Why a partition is not equitable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionError {
    /// The partition is of another workload.
    #[error("the classes are not those of this workload's operations and resources")]
    Shape,
    /// An operation differs from the first of its class.
    #[error("operation {op} is not like operation {first} of its class")]
    Op {
        /// The operation.
        op: u32,
        /// The first of its class.
        first: u32,
    },
    /// A resource differs from the first of its class.
    #[error("resource {resource} is not like resource {first} of its class")]
    Resource {
        /// The resource.
        resource: u32,
        /// The first of its class.
        first: u32,
    },
    /// The total weight of a class does not fit in 64 bits.
    #[error("the operations of one class weigh more than 2^64 on resource {resource}")]
    Weight {
        /// The resource.
        resource: u32,
    },
}

/// A smaller workload with the same times.
#[derive(Debug, Clone)]
pub struct Quotient {
    /// One operation per class, in the order of the classes.
    pub workload: Workload,
    /// What it is the quotient by.
    pub partition: Partition,
}

/// Builds the quotient, or says why the partition is not equitable. Trusts nothing of it.
pub fn quotient(workload: &Workload, partition: Partition) -> Result<Quotient, PartitionError> {
    if partition.op_classes.len() != workload.n_ops()
        || partition.resource_classes.len() != workload.capacities.len()
    {
        return Err(PartitionError::Shape);
    }
    let first_op = firsts(&partition.op_classes)?;
    let first_resource = firsts(&partition.resource_classes)?;
    check_ops(workload, &partition, &first_op)?;
    let each = workload.phases();
    let loads = each.map(|op_routes| class_loads(workload, op_routes, &partition, &first_resource));
    let loads: Vec<Csr<(u32, u64)>> = loads.collect::<Result<_, _>>()?;
    let built = Workload {
        capacities: pick(&workload.capacities, &first_resource),
        scales: pick(&workload.scales, &first_resource),
        op_sizes: pick(&workload.op_sizes, &first_op),
        sizes: workload.sizes.clone(),
        starts_ps: if workload.starts_ps.is_empty() {
            Vec::new()
        } else {
            pick(&workload.starts_ps, &first_op)
        },
        depends_on: class_edges(&workload.depends_on, &partition, &first_op),
        follows: class_edges(&workload.follows, &partition, &first_op),
        ..class_routes(workload, &first_op, &loads)
    };
    Ok(Quotient {
        workload: built,
        partition,
    })
}

/// The first member of each class.
fn firsts(classes: &[u32]) -> Result<Vec<u32>, PartitionError> {
    let n_classes = classes.iter().max().map_or(0, |&last| last as usize + 1);
    if n_classes > classes.len() {
        return Err(PartitionError::Shape);
    }
    let mut first = vec![u32::MAX; n_classes];
    for (member, &class) in classes.iter().enumerate().rev() {
        first[class as usize] = member as u32;
    }
    if first.contains(&u32::MAX) {
        return Err(PartitionError::Shape);
    }
    Ok(first)
}

fn pick<T: Copy>(values: &[T], at: &[u32]) -> Vec<T> {
    at.iter().map(|&index| values[index as usize]).collect()
}

/// Conditions 2 and 3.
fn check_ops(w: &Workload, partition: &Partition, first: &[u32]) -> Result<(), PartitionError> {
    let touched = touched_classes(w, &partition.resource_classes);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for op in 0..w.n_ops() {
        let like = first[partition.op_classes[op] as usize] as usize;
        if like == op {
            continue;
        }
        let mut alike = w.op_sizes[op] == w.op_sizes[like] && w.start_ps(op) == w.start_ps(like);
        for op_routes in w.phases() {
            let (a, b) = (op_routes[op] as usize, op_routes[like] as usize);
            alike &= w.latencies_ps[a] == w.latencies_ps[b]
                && w.software_ps[a] == w.software_ps[b]
                && touched[a] == touched[b];
        }
        for edges in [&w.depends_on, &w.follows] {
            class_set(&partition.op_classes, edges.row(op), &mut ours);
            class_set(&partition.op_classes, edges.row(like), &mut theirs);
            alike &= ours == theirs;
        }
        if !alike {
            return Err(PartitionError::Op {
                op: op as u32,
                first: like as u32,
            });
        }
    }
    Ok(())
}

/// The set of classes of some members, sorted.
fn class_set(classes: &[u32], members: &[u32], into: &mut Vec<u32>) {
    into.clear();
    into.extend(members.iter().map(|&member| classes[member as usize]));
    into.sort_unstable();
    into.dedup();
}

/// A number per route; equal numbers, equal sets of resource classes.
fn touched_classes(workload: &Workload, classes: &[u32]) -> Vec<u32> {
    let mut number_of: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
    let (mut members, mut set) = (Vec::new(), Vec::new());
    let of_route = workload.routes.rows().map(|row| {
        members.clear();
        members.extend(row.iter().map(|incidence| incidence.resource));
        class_set(classes, &members, &mut set);
        if let Some(&number) = number_of.get(&set) {
            return number;
        }
        let number = number_of.len() as u32;
        number_of.insert(set.clone(), number);
        number
    });
    of_route.collect()
}

/// Condition 1 in one phase; per resource class, the total weight of each operation class on one
/// member.
fn class_loads(
    workload: &Workload,
    op_routes: &[u32],
    partition: &Partition,
    first: &[u32],
) -> Result<Csr<(u32, u64)>, PartitionError> {
    let per_route = classes_per_route(workload, op_routes, &partition.op_classes);
    let crossing = crossing_routes(workload);
    let mut total = vec![0u64; partition.n_op_classes()];
    let mut load_of = |resource: u32| -> Result<Vec<(u32, u64)>, PartitionError> {
        let mut seen = Vec::new();
        for &(route, weight) in crossing.row(resource as usize) {
            for &(class, count) in per_route.row(route as usize) {
                let sum = &mut total[class as usize];
                if *sum == 0 {
                    seen.push(class);
                }
                *sum = weight
                    .checked_mul(count)
                    .and_then(|added| sum.checked_add(added))
                    .ok_or(PartitionError::Weight { resource })?;
            }
        }
        seen.sort_unstable();
        seen.dedup();
        let loads = seen.into_iter().map(|class| {
            let sum = std::mem::take(&mut total[class as usize]);
            (class, sum)
        });
        Ok(loads.collect())
    };
    let mut loads = Csr::with_capacity(first.len(), 0);
    for &resource in first {
        loads.push_row(load_of(resource)?);
    }
    for (resource, &class) in partition.resource_classes.iter().enumerate() {
        let like = first[class as usize] as usize;
        let same_load = like == resource || load_of(resource as u32)? == loads.row(class as usize);
        if !same_load || workload.capacities[resource] != workload.capacities[like] {
            return Err(PartitionError::Resource {
                resource: resource as u32,
                first: like as u32,
            });
        }
    }
    Ok(loads)
}

/// How many operations of each class use each route.
fn classes_per_route(
    workload: &Workload,
    op_routes: &[u32],
    op_classes: &[u32],
) -> Csr<(u32, u64)> {
    let routes = op_routes.iter().zip(op_classes);
    let mut pairs: Vec<(u32, u32)> = routes.map(|(&route, &class)| (route, class)).collect();
    pairs.sort_unstable();
    let mut uses = pairs.chunk_by(|a, b| a == b).peekable();
    let mut rows = Csr::with_capacity(workload.routes.n_rows(), 0);
    for route in 0..workload.routes.n_rows() as u32 {
        let mut row = Vec::new();
        while let Some(same) = uses.next_if(|same| same[0].0 == route) {
            row.push((same[0].1, same.len() as u64));
        }
        rows.push_row(row);
    }
    rows
}

/// The routes that cross each resource, with their weight on it.
fn crossing_routes(workload: &Workload) -> Csr<(u32, u64)> {
    let mut rows: Vec<Vec<(u32, u64)>> = vec![Vec::new(); workload.capacities.len()];
    for (route, row) in workload.routes.rows().enumerate() {
        for incidence in row {
            rows[incidence.resource as usize].push((route as u32, incidence.weight));
        }
    }
    let mut crossing = Csr::with_capacity(rows.len(), workload.routes.n_items());
    for row in rows {
        crossing.push_row(row);
    }
    crossing
}

fn class_edges(edges: &Csr<u32>, partition: &Partition, first_op: &[u32]) -> Csr<u32> {
    let mut built = Csr::with_capacity(first_op.len(), 0);
    let mut set = Vec::new();
    for &op in first_op {
        class_set(&partition.op_classes, edges.row(op as usize), &mut set);
        built.push_row(set.iter().copied());
    }
    built
}

/// The resources of each class in one phase.
fn class_incidences(n_classes: usize, loads: &Csr<(u32, u64)>) -> Vec<Vec<Incidence>> {
    let mut of_class: Vec<Vec<Incidence>> = vec![Vec::new(); n_classes];
    for (resource, row) in loads.rows().enumerate() {
        for &(class, weight) in row {
            of_class[class as usize].push(Incidence {
                resource: resource as u32,
                weight,
            });
        }
    }
    of_class
}

/// A workload that has nothing but the routes of the classes, each distinct one once; `loads` are
/// those of each phase.
fn class_routes(workload: &Workload, first_op: &[u32], loads: &[Csr<(u32, u64)>]) -> Workload {
    let mut built = Workload {
        capacities: Vec::new(),
        scales: Vec::new(),
        routes: Csr::default(),
        latencies_ps: Vec::new(),
        software_ps: Vec::new(),
        op_routes: Vec::new(),
        changes: Vec::new(),
        op_sizes: Vec::new(),
        sizes: Vec::new(),
        starts_ps: Vec::new(),
        depends_on: Csr::default(),
        follows: Csr::default(),
    };
    let mut route_of: FxHashMap<(Vec<Incidence>, u64, u64), u32> = FxHashMap::default();
    for (phase, loads) in loads.iter().enumerate() {
        let mut op_routes = Vec::with_capacity(first_op.len());
        let rows = class_incidences(first_op.len(), loads);
        for (row, &op) in rows.into_iter().zip(first_op) {
            let route = workload.routes_in(phase)[op as usize] as usize;
            let (latency, software) = (workload.latencies_ps[route], workload.software_ps[route]);
            let route =
                *route_of
                    .entry((row, latency, software))
                    .or_insert_with_key(|(row, _, _)| {
                        built.routes.push_row(row.iter().copied());
                        built.latencies_ps.push(latency);
                        built.software_ps.push(software);
                        built.routes.n_rows() as u32 - 1
                    });
            op_routes.push(route);
        }
        match phase.checked_sub(1) {
            None => built.op_routes = op_routes,
            Some(change) => {
                let at_ps = workload.changes[change].at_ps;
                built.changes.push(Change { at_ps, op_routes });
            }
        }
    }
    built
}
