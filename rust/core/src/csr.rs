//! Compressed sparse rows: the one representation of "a list per index" in this crate.

/// A list of `T` per row, stored back to back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr<T> {
    start: Vec<u32>,
    items: Vec<T>,
}

impl<T> Default for Csr<T> {
    fn default() -> Self {
        Self {
            start: vec![0],
            items: Vec::new(),
        }
    }
}

impl<T> Csr<T> {
    /// No rows yet, with room for `rows` rows and `items` items in all.
    pub fn with_capacity(rows: usize, items: usize) -> Self {
        let mut start = Vec::with_capacity(rows + 1);
        start.push(0);
        Self {
            start,
            items: Vec::with_capacity(items),
        }
    }

    /// Appends one row.
    ///
    /// # Panics
    /// If the items of all rows exceed `u32::MAX`; the memory limit refuses such sizes before.
    pub fn push_row(&mut self, row: impl IntoIterator<Item = T>) {
        self.items.extend(row);
        let end =
            u32::try_from(self.items.len()).expect("the memory limit is far below 2^32 items");
        self.start.push(end);
    }

    /// The items of one row.
    #[inline]
    pub fn row(&self, row: usize) -> &[T] {
        &self.items[self.start[row] as usize..self.start[row + 1] as usize]
    }

    /// The items of one row, to put them in another order.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.items[self.start[row] as usize..self.start[row + 1] as usize]
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.start.len() - 1
    }

    /// Number of items in all rows.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &[T]> {
        (0..self.n_rows()).map(|row| self.row(row))
    }

    /// The offsets of the rows (one more than there are rows) and the items back to back.
    pub fn parts(&self) -> (&[u32], &[T]) {
        (&self.start, &self.items)
    }
}

impl<T: Copy> Csr<T> {
    /// Items by number, each in the row that it belongs to, if any; those of a row in their order.
    ///
    /// # Panics
    /// If there are more than `u32::MAX` items.
    pub fn grouped(
        n_rows: usize,
        n_items: usize,
        row_of: impl Fn(usize) -> Option<usize>,
        item: impl Fn(usize) -> T,
    ) -> Self {
        assert!(u32::try_from(n_items).is_ok(), "offsets have 32 bits");
        let mut start = vec![0u32; n_rows + 1];
        for row in (0..n_items).filter_map(&row_of) {
            start[row + 1] += 1;
        }
        for row in 0..n_rows {
            start[row + 1] += start[row];
        }
        let mut items = match start[n_rows] {
            0 => Vec::new(),
            n_kept => vec![item(0); n_kept as usize],
        };
        let mut cursor = start.clone();
        for index in 0..n_items {
            if let Some(row) = row_of(index) {
                items[cursor[row] as usize] = item(index);
                cursor[row] += 1;
            }
        }
        Self { start, items }
    }
}

impl Csr<u32> {
    /// The transpose of a relation between `n_rows()` rows and `n_columns` columns, rows ascending.
    #[must_use]
    pub fn transposed(&self, n_columns: usize) -> Self {
        let mut start = vec![0u32; n_columns + 1];
        for &column in &self.items {
            start[column as usize + 1] += 1;
        }
        for column in 0..n_columns {
            start[column + 1] += start[column];
        }
        let mut cursor = start.clone();
        let mut items = vec![0u32; self.items.len()];
        for (row, columns) in self.rows().enumerate() {
            for &column in columns {
                let slot = &mut cursor[column as usize];
                items[*slot as usize] = row as u32;
                *slot += 1;
            }
        }
        Self { start, items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_grouped_in_their_order() {
        let rows = [Some(2), None, Some(0), Some(2)];
        let grouped = Csr::grouped(3, rows.len(), |item| rows[item], |item| item);
        assert_eq!(grouped.rows().collect::<Vec<_>>(), [&[2][..], &[], &[0, 3]]);
        let none = Csr::grouped(2, 0, |_| Some(0), |item| item);
        assert_eq!((none.n_rows(), none.n_items()), (2, 0));
    }

    #[test]
    fn transposing_twice_gives_the_relation_back() {
        let mut csr = Csr::default();
        csr.push_row([2, 0]);
        csr.push_row([]);
        csr.push_row([1, 2]);
        let transposed = csr.transposed(3);
        assert_eq!(transposed.row(0), [0]);
        assert_eq!(transposed.row(1), [2]);
        assert_eq!(transposed.row(2), [0, 2]);
        assert_eq!(transposed.transposed(3).row(0), [0, 2]);
    }
}
