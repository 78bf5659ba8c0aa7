//! Sets of contributions, small and equal by value.
//!
//! Almost every set that a collective produces is a cyclic interval of ranks: singletons, the
//! partial sums of rings, subtrees in order, everybody. Those are a start and a length. The rest are
//! bit sets, each stored once in an arena (hash consing), so that equality is equality of ids. Where
//! bit sets are long, what became of two sets or of a turned one is remembered: chunks that travel
//! alike have the same few sets.

use rustc_hash::FxHashMap;

use crate::ids::RankId;

/// A set of ranks. Equal sets have equal ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Set(u64);

/// Marks an arena index; intervals are `start << 32 | length` with start below 2^31.
const ARENA: u64 = 1 << 63;

impl Set {
    pub(super) const EMPTY: Self = Self(0);

    pub(super) fn one(rank: RankId) -> Self {
        Self::interval(rank.0, 1)
    }

    /// `length` ranks from `start` on, cyclically; not all of them.
    fn interval(start: u32, length: u32) -> Self {
        Self(u64::from(start) << 32 | u64::from(length))
    }

    fn as_interval(self) -> Option<(u32, u32)> {
        (self.0 & ARENA == 0).then_some(((self.0 >> 32) as u32, self.0 as u32))
    }
}

/// The sets of one run over `n_ranks` ranks.
#[derive(Debug)]
pub(super) struct Sets {
    n_ranks: u32,
    n_words: usize,
    arena: Vec<u64>,
    /// Latest arena index per hash; `same_hash` chains the others.
    by_hash: FxHashMap<u64, u32>,
    same_hash: Vec<Option<u32>>,
    left: Vec<u64>,
    right: Vec<u64>,
    /// Unions of disjoint sets and images under a turn that are known.
    unions: FxHashMap<(Set, Set), Set>,
    images: FxHashMap<(Set, u32), Set>,
}

/// Sets of so many words are not looked through again.
const LONG: usize = 64;

impl Sets {
    pub(super) fn new(n_ranks: u32) -> Self {
        let n_words = n_ranks.div_ceil(64) as usize;
        Self {
            n_ranks,
            n_words,
            arena: Vec::new(),
            by_hash: FxHashMap::default(),
            same_hash: Vec::new(),
            left: vec![0; n_words],
            right: vec![0; n_words],
            unions: FxHashMap::default(),
            images: FxHashMap::default(),
        }
    }

    /// All ranks.
    pub(super) fn all(&self) -> Set {
        Set::interval(0, self.n_ranks)
    }

    /// The set of some ranks.
    pub(super) fn of(&mut self, ranks: &[RankId]) -> Set {
        let one = |set, &rank: &RankId| self.union(set, Set::one(rank));
        ranks.iter().fold(Set::EMPTY, one)
    }

    /// The union of disjoint sets, or a rank that both have.
    pub(super) fn disjoint_union(&mut self, a: Set, b: Set) -> Result<Set, RankId> {
        if let Some(union) = self.joined(a, b) {
            return Ok(union);
        }
        if let Some(&union) = self.unions.get(&(a, b)) {
            return Ok(union);
        }
        self.load(a, b);
        if let Some(rank) = first_common(&self.left, &self.right) {
            return Err(rank);
        }
        let union = self.intern_union();
        if self.n_words >= LONG {
            self.unions.insert((a, b), union);
        }
        Ok(union)
    }

    /// The union.
    pub(super) fn union(&mut self, a: Set, b: Set) -> Set {
        if a == b {
            return a;
        }
        if let Some(union) = self.joined(a, b) {
            return union;
        }
        self.load(a, b);
        self.intern_union()
    }

    /// A rank of `a` that `b` lacks.
    pub(super) fn first_missing(&mut self, a: Set, b: Set) -> Option<RankId> {
        if a == b || a == Set::EMPTY || b == self.all() {
            return None;
        }
        self.load(a, b);
        for word in &mut self.right {
            *word = !*word;
        }
        first_common(&self.left, &self.right)
    }

    /// The union of an interval and the interval right behind it, or of anything and nothing.
    fn joined(&self, a: Set, b: Set) -> Option<Set> {
        if a == Set::EMPTY || b == Set::EMPTY {
            return Some(Set(a.0 | b.0));
        }
        let ((s, k), (t, l)) = (a.as_interval()?, b.as_interval()?);
        let length = k.checked_add(l).filter(|&length| length <= self.n_ranks)?;
        if length == self.n_ranks && (s + k) % self.n_ranks == t {
            Some(self.all())
        } else if (s + k) % self.n_ranks == t {
            Some(Set::interval(s, length))
        } else if (t + l) % self.n_ranks == s {
            Some(Set::interval(t, length))
        } else {
            None
        }
    }

    /// The set of the ranks `distance` before those of a set, cyclically.
    pub(super) fn rotated_back(&mut self, set: Set, distance: u32) -> Set {
        match set.as_interval() {
            Some((_, length)) if length == 0 || length == self.n_ranks => set,
            Some((start, length)) => {
                Set::interval((start + self.n_ranks - distance) % self.n_ranks, length)
            }
            None => {
                let n = self.n_ranks;
                self.turned(set, distance, |rank| RankId((rank.0 + n - distance) % n))
            }
        }
    }

    /// The set of the images of a set's ranks under the turn of this number.
    pub(super) fn turned(&mut self, set: Set, turn: u32, image: impl Fn(RankId) -> RankId) -> Set {
        let is_short = set.as_interval().is_some_and(|(_, length)| length <= 1);
        if is_short || self.n_words < LONG {
            return self.mapped(set, image);
        }
        if let Some(&known) = self.images.get(&(set, turn)) {
            return known;
        }
        let turned = self.mapped(set, image);
        self.images.insert((set, turn), turned);
        turned
    }

    /// The set of the images of a set's ranks.
    fn mapped(&mut self, set: Set, image: impl Fn(RankId) -> RankId) -> Set {
        if set == Set::EMPTY || set == self.all() {
            return set;
        }
        if let Some((start, 1)) = set.as_interval() {
            return Set::one(image(RankId(start)));
        }
        self.load(set, Set::EMPTY);
        self.right.copy_from_slice(&self.left);
        self.left.fill(0);
        for word in 0..self.n_words {
            let mut bits = self.right[word];
            while bits != 0 {
                let rank = RankId(word as u32 * 64 + bits.trailing_zeros());
                let image = image(rank).index();
                self.left[image / 64] |= 1 << (image % 64);
                bits &= bits - 1;
            }
        }
        self.right.fill(0);
        self.intern_union()
    }

    fn load(&mut self, a: Set, b: Set) {
        let mut left = std::mem::take(&mut self.left);
        let mut right = std::mem::take(&mut self.right);
        self.write_words(a, &mut left);
        self.write_words(b, &mut right);
        (self.left, self.right) = (left, right);
    }

    fn write_words(&self, set: Set, words: &mut [u64]) {
        let Some((start, length)) = set.as_interval() else {
            let first = (set.0 & !ARENA) as usize * self.n_words;
            words.copy_from_slice(&self.arena[first..first + self.n_words]);
            return;
        };
        words.fill(0);
        let end = (start + length).min(self.n_ranks);
        fill_bits(words, start, end);
        // What lies behind the last rank wraps to the first.
        fill_bits(words, 0, start + length - end);
    }

    /// The set of the bits in `left` or `right`.
    fn intern_union(&mut self) -> Set {
        for (l, r) in self.left.iter_mut().zip(&self.right) {
            *l |= r;
        }
        if let Some(interval) = self.interval_of_left() {
            return interval;
        }
        let hash = self.left.iter().fold(0u64, |hash, &word| {
            // FNV-like mixing; collisions only cost a comparison.
            (hash ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
        let mut candidate = self.by_hash.get(&hash).copied();
        while let Some(index) = candidate {
            let first = index as usize * self.n_words;
            if self.arena[first..first + self.n_words] == self.left[..] {
                return Set(ARENA | u64::from(index));
            }
            candidate = self.same_hash[index as usize];
        }
        let index = self.same_hash.len() as u32;
        self.same_hash.push(self.by_hash.insert(hash, index));
        self.arena.extend_from_slice(&self.left);
        Set(ARENA | u64::from(index))
    }

    /// The non-empty set in `left` as an interval, if its ranks are cyclic neighbors.
    fn interval_of_left(&self) -> Option<Set> {
        let last = self.n_ranks - 1;
        let mut before = self.left[last as usize / 64] >> (last % 64) & 1;
        let (mut n_starts, mut start, mut length) = (0, 0, 0);
        for (index, &word) in self.left.iter().enumerate() {
            let starts = word & !(word << 1 | before);
            if starts != 0 {
                n_starts += starts.count_ones();
                start = index as u32 * 64 + starts.trailing_zeros();
            }
            length += word.count_ones();
            before = word >> 63;
        }
        match n_starts {
            0 => Some(self.all()),
            1 => Some(Set::interval(start, length)),
            _ => None,
        }
    }
}

fn fill_bits(words: &mut [u64], start: u32, end: u32) {
    let mut bit = start;
    while bit < end {
        let stop = end.min((bit / 64 + 1) * 64);
        let width = stop - bit;
        words[bit as usize / 64] |= (u64::MAX >> (64 - width)) << (bit % 64);
        bit = stop;
    }
}

fn first_common(a: &[u64], b: &[u64]) -> Option<RankId> {
    let found = a.iter().zip(b).enumerate().find(|(_, (a, b))| *a & *b != 0);
    found.map(|(index, (a, b))| RankId(index as u32 * 64 + (a & b).trailing_zeros()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn from_ranks(sets: &mut Sets, ranks: &BTreeSet<u32>) -> Set {
        ranks.iter().fold(Set::EMPTY, |set, &rank| {
            sets.union(set, Set::one(RankId(rank)))
        })
    }

    proptest! {
        #[test]
        fn sets_agree_with_an_ordered_set(
            n_ranks in 1u32..150,
            a in prop::collection::btree_set(0u32..150, 0..150),
            b in prop::collection::btree_set(0u32..150, 0..150),
        ) {
            let keep = |s: BTreeSet<u32>| -> BTreeSet<u32> {
                s.into_iter().filter(|&r| r < n_ranks).collect()
            };
            let (a, b) = (keep(a), keep(b));
            let mut sets = Sets::new(n_ranks);
            let (x, y) = (from_ranks(&mut sets, &a), from_ranks(&mut sets, &b));
            let union: BTreeSet<u32> = &a | &b;
            let z = from_ranks(&mut sets, &union);
            prop_assert_eq!(sets.union(x, y), z);
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(z == sets.all(), union.len() == n_ranks as usize);
            match sets.disjoint_union(x, y) {
                Ok(set) => prop_assert!(set == z && a.is_disjoint(&b)),
                Err(rank) => prop_assert!(a.contains(&rank.0) && b.contains(&rank.0)),
            }
            let turned = |r: u32| (r + n_ranks - n_ranks / 3) % n_ranks;
            let image = from_ranks(&mut sets, &a.iter().map(|&r| turned(r)).collect());
            prop_assert_eq!(sets.mapped(x, |rank| RankId(turned(rank.0))), image);
            prop_assert_eq!(sets.rotated_back(x, n_ranks / 3), image);
            let missing = sets.first_missing(x, y).map(|rank| rank.0);
            prop_assert_eq!(missing, a.difference(&b).next().copied());
        }

        #[test]
        fn cyclic_intervals_need_no_arena(n in 2u32..200, start in 0u32..200, length in 1u32..200) {
            let (start, length) = (start % n, length.min(n));
            let mut sets = Sets::new(n);
            // From the middle outwards, so that both ends grow and the last step may close the circle.
            let set = (0..length).fold(Set::EMPTY, |set, i| {
                sets.disjoint_union(set, Set::one(RankId((start + i) % n))).unwrap()
            });
            prop_assert!(sets.arena.is_empty());
            let again = (0..length).rev().fold(Set::EMPTY, |set, i| {
                sets.union(set, Set::one(RankId((start + i) % n)))
            });
            prop_assert_eq!(set, again);
        }
    }
}
