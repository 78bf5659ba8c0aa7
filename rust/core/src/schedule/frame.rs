//! Frames: whose state a schedule's builder and verifier keep.
//!
//! [`Everybody`] keeps the state of every rank. An [`Action`] keeps that of one rank per orbit of a
//! its group and is given the sends of these ranks only; the schedule consists of their images
//! under all turns. What a representative sends to rank d arrives, turned back, at d's
//! representative: that is the image of the very transfer that the symmetric schedule has there.
//! So deriving edges and executing symbolically on representatives says the same as on all.

use super::contributions::{Set, Sets};
use super::symmetry::{Action, Element, Home};
use crate::ids::RankId;

/// Whose state is kept, and where the others' is found.
pub(super) trait Frame {
    /// Number of ranks whose state is kept.
    fn n_rows(&self) -> u32;

    /// The rank of a row.
    fn rank(&self, row: u32) -> RankId;

    /// The row that stands for a rank.
    fn home(&self, rank: RankId) -> Home;

    /// A chunk of a rank as its representative names it.
    fn chunk_home(&self, chunk: u64, element: Element) -> u64;

    /// A set of contributions as the representative names it.
    fn set_home(&self, sets: &mut Sets, set: Set, element: Element) -> Set;

    /// Whether dependencies that are not stated may follow from others: only where every
    /// transfer is there by itself.
    fn has_ancestors(&self) -> bool;
}

/// Every rank by itself.
#[derive(Debug)]
pub(super) struct Everybody {
    pub(super) n_ranks: u32,
}

impl Frame for Everybody {
    fn n_rows(&self) -> u32 {
        self.n_ranks
    }

    #[inline]
    fn rank(&self, row: u32) -> RankId {
        RankId(row)
    }

    #[inline]
    fn home(&self, rank: RankId) -> Home {
        Home {
            row: rank.0,
            element: Element::IDENTITY,
        }
    }

    #[inline]
    fn chunk_home(&self, chunk: u64, _element: Element) -> u64 {
        chunk
    }

    #[inline]
    fn set_home(&self, _sets: &mut Sets, set: Set, _element: Element) -> Set {
        set
    }

    fn has_ancestors(&self) -> bool {
        true
    }
}

/// One rank per orbit.
impl Frame for Action {
    fn n_rows(&self) -> u32 {
        self.group().representatives().len() as u32
    }

    fn rank(&self, row: u32) -> RankId {
        self.group().representatives()[row as usize]
    }

    #[inline]
    fn home(&self, rank: RankId) -> Home {
        self.group().home(rank)
    }

    #[inline]
    fn chunk_home(&self, chunk: u64, element: Element) -> u64 {
        self.chunk_turned_back(chunk, element)
    }

    fn set_home(&self, sets: &mut Sets, set: Set, element: Element) -> Set {
        let group = self.group();
        if element == Element::IDENTITY {
            set
        } else if let Some(distance) = group.rotation(element) {
            sets.rotated_back(set, distance)
        } else {
            sets.turned(set, element.number(), |rank| {
                group.turned_back(rank, element)
            })
        }
    }

    fn has_ancestors(&self) -> bool {
        false
    }
}
