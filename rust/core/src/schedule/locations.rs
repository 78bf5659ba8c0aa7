//! Locations: the (row, chunk) pairs that a schedule touches, numbered as they turn up. A row is a
//! rank whose state is kept.
//!
//! A ring over n ranks touches all n * C locations, a direct all-to-all only n^2 of n^3; a table
//! serves the first and a hash map, used for look-ups only, the second. Every touched location
//! keeps the list of transfers that wrote it, latest first.

use rustc_hash::FxHashMap;

use super::Schedule;

const NONE: u32 = u32::MAX;

/// A table may have this many entries per expected write, so it never costs more than a few
/// times the schedule itself.
const TABLE_ENTRIES_PER_WRITE: u64 = 8;

#[derive(Debug)]
enum SlotOf {
    Table(Vec<u32>),
    Map(FxHashMap<u64, u32>),
}

/// The touched locations and who wrote them.
#[derive(Debug)]
pub(super) struct Locations {
    n_chunks: u64,
    slot_of: SlotOf,
    /// Per slot: its latest entry in `writes`.
    latest: Vec<u32>,
    /// (transfer, index of the write before it).
    writes: Vec<(u32, u32)>,
}

impl Locations {
    /// No location yet, with room for the writes of `schedule` to `n_rows` rows.
    pub(super) fn new(schedule: &Schedule, n_rows: u32) -> Self {
        let n_writes: u64 = schedule.chunks.iter().map(|c| u64::from(c.count)).sum();
        let n_chunks = schedule.n_chunks;
        let n_locations = u64::from(n_rows) * n_chunks;
        let slot_of = if n_locations <= TABLE_ENTRIES_PER_WRITE * n_writes + 4096 {
            SlotOf::Table(vec![NONE; n_locations as usize])
        } else {
            let room = n_writes.min(n_locations) as usize;
            SlotOf::Map(FxHashMap::with_capacity_and_hasher(room, <_>::default()))
        };
        Self {
            n_chunks,
            slot_of,
            latest: Vec::new(),
            writes: Vec::with_capacity(n_writes as usize),
        }
    }

    fn key(&self, row: u32, chunk: u64) -> u64 {
        u64::from(row) * self.n_chunks + chunk
    }

    /// The slot of a location that has been written.
    #[inline]
    pub(super) fn find(&self, row: u32, chunk: u64) -> Option<usize> {
        let key = self.key(row, chunk);
        let slot = match &self.slot_of {
            SlotOf::Table(table) => table[key as usize],
            SlotOf::Map(map) => map.get(&key).copied().unwrap_or(NONE),
        };
        (slot != NONE).then_some(slot as usize)
    }

    /// Records that `transfer` writes a location; its slot, and whether that slot is new.
    #[inline]
    pub(super) fn write(&mut self, row: u32, chunk: u64, transfer: u32) -> (usize, bool) {
        let key = self.key(row, chunk);
        let next = self.latest.len() as u32;
        let slot = match &mut self.slot_of {
            SlotOf::Table(table) => &mut table[key as usize],
            SlotOf::Map(map) => map.entry(key).or_insert(NONE),
        };
        let is_new = *slot == NONE;
        if is_new {
            *slot = next;
            self.latest.push(NONE);
        }
        let slot = *slot as usize;
        let write = self.writes.len() as u32;
        self.writes.push((transfer, self.latest[slot]));
        self.latest[slot] = write;
        (slot, is_new)
    }

    /// The transfers that wrote a slot, latest first.
    #[inline]
    pub(super) fn writers(&self, slot: usize) -> impl Iterator<Item = u32> {
        let mut cursor = self.latest[slot];
        std::iter::from_fn(move || {
            let &(transfer, previous) = self.writes.get(cursor as usize)?;
            cursor = previous;
            Some(transfer)
        })
    }
}
