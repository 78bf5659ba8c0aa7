//! How much the flows that one resource holds back weigh on each other resource, where few do.
//!
//! Lists by row (what the flows of a resource load) and by column (what loads a resource), each by
//! ascending lane: a few dozen entries lie side by side in memory, lanes may be added at any time, and
//! a sum over a list has the same bits whatever happened before.

/// A weight of one row or column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) weight: u64,
    pub(super) lane: u32,
}

/// The weights that are not zero.
#[derive(Debug, Clone)]
pub(super) struct Sparse {
    rows: Vec<Vec<Entry>>,
    columns: Vec<Vec<Entry>>,
}

impl Sparse {
    /// No weights on so many lanes.
    pub(super) fn new(n_lanes: usize) -> Self {
        Self {
            rows: vec![Vec::new(); n_lanes],
            columns: vec![Vec::new(); n_lanes],
        }
    }

    /// Adds a lane.
    pub(super) fn add_lane(&mut self) {
        self.rows.push(Vec::new());
        self.columns.push(Vec::new());
    }

    /// Removes all weights.
    pub(super) fn clear(&mut self) {
        for list in self.rows.iter_mut().chain(&mut self.columns) {
            list.clear();
        }
    }

    /// Changes what the flows held back in lane `from` weigh on lane `on`.
    pub(super) fn add(&mut self, from: usize, on: usize, weight: i64) {
        change(&mut self.rows[from], on as u32, weight);
        change(&mut self.columns[on], from as u32, weight);
    }

    /// Multiplies all weights on a lane.
    pub(super) fn scale(&mut self, on: usize, factor: u64) {
        for entry in &mut self.columns[on] {
            entry.weight *= factor;
            let row = &mut self.rows[entry.lane as usize];
            let at = place(row, on as u32).expect("rows and columns have the same weights");
            row[at].weight = entry.weight;
        }
    }

    /// What the flows held back in a lane weigh on the others.
    pub(super) fn row(&self, lane: usize) -> &[Entry] {
        &self.rows[lane]
    }

    /// What weighs on a lane.
    pub(super) fn column(&self, lane: usize) -> &[Entry] {
        &self.columns[lane]
    }
}

fn place(list: &[Entry], lane: u32) -> Result<usize, usize> {
    list.binary_search_by_key(&lane, |entry| entry.lane)
}

fn change(list: &mut Vec<Entry>, lane: u32, weight: i64) {
    match place(list, lane) {
        Ok(at) => {
            let known = &mut list[at].weight;
            *known = known
                .checked_add_signed(weight)
                .expect("only weights that were added are taken away");
            if *known == 0 {
                list.remove(at);
            }
        }
        Err(at) => {
            let weight = u64::try_from(weight).expect("the first change of a weight adds it");
            list.insert(at, Entry { weight, lane });
        }
    }
}
