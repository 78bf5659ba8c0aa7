//! Symmetry: permutations of the ranks under which a schedule stays the same.
//!
//! The ranks are the points of a grid, numbered innermost axis first, so that a rank is a row of
//! digits. A [`Group`] turns digits: on each of its axes it adds a number modulo the axis' size, or
//! XORs one. No turn but the identity leaves any rank in place, so all orbits have as many members
//! as the group has turns, and the member whose turned digits are 0 stands for its orbit. An
//! algorithm states which axes its schedule does not tell apart and how chunks move along
//! ([`Symmetry`]); which of them a machine does not tell apart either is found out elsewhere, and
//! both are proved before use. Source: `design/model.md`, layers of the fluid engine.

use std::sync::Arc;

use super::{ChunkRange, Send};
use crate::ids::RankId;

/// How a digit is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// A number is added modulo the axis' size.
    Add,
    /// A number is combined with it by exclusive or; the size is a power of two.
    Xor,
}

/// An axis of a grid of ranks: digit `r / stride % size` of rank r.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Axis {
    /// Distance of neighbors.
    pub stride: u32,
    /// Number of values of the digit.
    pub size: u32,
    /// How the digit is turned.
    pub turn: Turn,
}

impl Axis {
    /// The digit of a rank or a turn.
    #[inline]
    fn digit(self, number: u32) -> u32 {
        number / self.stride % self.size
    }

    /// What a digit becomes under the turn `by`, or what became it.
    #[inline]
    fn turned(self, digit: u32, by: u32, back: bool) -> u32 {
        match (self.turn, back) {
            (Turn::Xor, _) => digit ^ by,
            (Turn::Add, false) if digit + by >= self.size => digit + by - self.size,
            (Turn::Add, false) => digit + by,
            (Turn::Add, true) if digit < by => digit + self.size - by,
            (Turn::Add, true) => digit - by,
        }
    }
}

/// A turn of a group: the rank that rank 0 goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element(u32);

impl Element {
    /// Nothing moves.
    pub const IDENTITY: Self = Self(0);
}

/// Where a rank stands: the representative of its orbit and the turn that leads from there to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// Number of the representative.
    pub row: u32,
    /// From the representative to the rank.
    pub element: Element,
}

/// Turns of some axes of a grid of ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    axes: Vec<Axis>,
    order: u32,
    homes: Vec<Home>,
    representatives: Vec<RankId>,
}

impl Group {
    /// The group that turns these axes of the grid of `n_ranks` ranks, by ascending stride.
    ///
    /// # Panics
    /// If the axes are not axes of one grid of so many ranks.
    pub fn new(n_ranks: u32, axes: Vec<Axis>) -> Self {
        let mut inner = 1;
        for axis in &axes {
            assert!(
                axis.size > 1 && axis.stride.is_multiple_of(inner),
                "axes of a grid nest: {axes:?}"
            );
            assert!(axis.turn == Turn::Add || axis.size.is_power_of_two());
            inner = axis.stride * axis.size;
        }
        assert!(
            n_ranks.is_multiple_of(inner),
            "the axes fill {n_ranks} ranks"
        );
        let order = axes.iter().map(|axis| axis.size).product();
        let mut group = Self {
            axes,
            order,
            homes: Vec::with_capacity(n_ranks as usize),
            representatives: Vec::with_capacity((n_ranks / order) as usize),
        };
        for rank in 0..n_ranks {
            let element = group.element_of(rank);
            let row = if element == Element::IDENTITY {
                group.representatives.push(RankId(rank));
                group.representatives.len() as u32 - 1
            } else {
                // A representative comes before the other members of its orbit.
                group.homes[(rank - element.0) as usize].row
            };
            group.homes.push(Home { row, element });
        }
        group
    }

    /// The turned digits of a rank.
    fn element_of(&self, rank: u32) -> Element {
        let digits = self.axes.iter().map(|axis| axis.digit(rank) * axis.stride);
        Element(digits.sum())
    }

    /// Number of ranks.
    pub fn n_ranks(&self) -> u32 {
        self.homes.len() as u32
    }

    /// Number of turns, and of members of each orbit.
    pub fn order(&self) -> u32 {
        self.order
    }

    /// The axes that are turned, by ascending stride.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The representatives, ascending.
    pub fn representatives(&self) -> &[RankId] {
        &self.representatives
    }

    /// Where a rank stands.
    #[inline]
    pub fn home(&self, rank: RankId) -> Home {
        self.homes[rank.index()]
    }

    /// Where a turn takes a rank.
    pub fn turned(&self, rank: RankId, element: Element) -> RankId {
        RankId(self.moved(rank.0, element, false))
    }

    /// The rank that a turn takes to `rank`.
    pub fn turned_back(&self, rank: RankId, element: Element) -> RankId {
        RankId(self.moved(rank.0, element, true))
    }

    fn moved(&self, rank: u32, element: Element, back: bool) -> u32 {
        let digits = self.axes.iter().map(|axis| (*axis, axis.stride.into()));
        moved(rank.into(), element, back, digits) as u32
    }

    /// What a turn adds to every rank modulo the number of ranks, if that is the same for all.
    pub(super) fn rotation(&self, element: Element) -> Option<u32> {
        let outermost = self
            .axes
            .last()
            .filter(|axis| axis.turn == Turn::Add && axis.stride * axis.size == self.n_ranks());
        let is_its = outermost.is_some_and(|axis| element.0.is_multiple_of(axis.stride));
        is_its.then_some(element.0)
    }

    /// One turn by 1 per axis (per bit of it where the turn is XOR): together they generate all.
    pub fn generators(&self) -> impl Iterator<Item = Element> {
        self.axes.iter().flat_map(|axis| {
            let steps = match axis.turn {
                Turn::Add => 1,
                Turn::Xor => axis.size.ilog2(),
            };
            (0..steps).map(|bit| Element(axis.stride << bit))
        })
    }
}

impl Element {
    /// The turn as a number.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// A number with some digits, each of an axis and with its own stride, turned.
#[inline]
fn moved(
    number: u64,
    element: Element,
    back: bool,
    digits: impl Iterator<Item = (Axis, u64)>,
) -> u64 {
    if element == Element::IDENTITY {
        return number;
    }
    let mut result = number;
    for (axis, stride) in digits {
        let digit = (number / stride % u64::from(axis.size)) as u32;
        let turned = axis.turned(digit, axis.digit(element.0), back);
        result = result - u64::from(digit) * stride + u64::from(turned) * stride;
    }
    result
}

/// Which permutations of the values of an axis leave a schedule as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alike {
    /// All.
    Any,
    /// Rotations of the whole axis.
    Rotations,
    /// XOR of all values with one.
    Xor,
    /// None but the identity.
    None,
}

impl Alike {
    /// What two schedules both leave as they are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, alike) | (alike, Self::Any) => alike,
            (one, other) if one == other => one,
            _ => Self::None,
        }
    }
}

/// Chunk digit `c / stride % size`, which turns with the ranks' digit `r / rank_stride % size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkAxis {
    /// Distance of neighboring chunks.
    pub stride: u64,
    /// Distance of the ranks that they move along with.
    pub rank_stride: u32,
    /// Number of values of the digit.
    pub size: u32,
}

/// What an algorithm's schedule does not tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symmetry {
    /// Size of each axis of the grid of ranks, innermost first, and which of its values are alike.
    pub ranks: Vec<(u32, Alike)>,
    /// How chunks move along; other digits of a chunk stay.
    pub chunks: Vec<ChunkAxis>,
}

impl Symmetry {
    /// No symmetry.
    pub const NONE: Self = Self {
        ranks: Vec::new(),
        chunks: Vec::new(),
    };

    /// One axis of all ranks, with chunks that belong to nobody.
    pub fn of_ranks(n_ranks: u32, alike: Alike) -> Self {
        Self {
            ranks: vec![(n_ranks, alike)],
            chunks: Vec::new(),
        }
    }

    /// The same, where the chunks are divided evenly over the ranks, in rank order.
    #[must_use]
    pub fn with_chunks_by_rank(mut self, n_ranks: u32, n_chunks: u32) -> Self {
        self.chunks.push(ChunkAxis {
            stride: u64::from(n_chunks / n_ranks),
            rank_stride: 1,
            size: n_ranks,
        });
        self
    }

    /// The same, where every rank has a buffer of so many chunks, which are divided evenly over the
    /// ranks that they are for.
    #[must_use]
    pub fn with_chunks_by_pair(mut self, n_ranks: u32, per_buffer: u32) -> Self {
        for stride in [per_buffer / n_ranks, per_buffer].map(u64::from) {
            self.chunks.push(ChunkAxis {
                stride,
                rank_stride: 1,
                size: n_ranks,
            });
        }
        self
    }

    /// The largest group of these symmetries of `n_ranks` ranks whose axes `is_symmetric` accepts.
    /// `grid` has the sizes of the machine's own axes, innermost first.
    pub fn group(
        &self,
        n_ranks: u32,
        grid: &[u32],
        mut is_symmetric: impl FnMut(Axis) -> bool,
    ) -> Option<Group> {
        let mut axes = Vec::new();
        let mut stride = 1;
        for &(size, alike) in &self.ranks {
            for alternative in alternatives(stride, size, alike, grid) {
                let kept: Vec<Axis> = alternative
                    .into_iter()
                    .filter(|axis| self.chunk_strides(*axis).is_some() && is_symmetric(*axis))
                    .collect();
                if !kept.is_empty() {
                    axes.extend(kept);
                    break;
                }
            }
            stride *= size;
        }
        if axes.is_empty() || stride != n_ranks {
            return None;
        }
        Some(Group::new(n_ranks, axes))
    }

    /// The strides of the chunk digits that turn with an axis; `None` if one is not part of a
    /// chunk axis as a whole.
    fn chunk_strides(&self, axis: Axis) -> Option<Vec<u64>> {
        let mut strides = Vec::new();
        let end = u64::from(axis.stride) * u64::from(axis.size);
        for chunks in &self.chunks {
            let first = u64::from(chunks.rank_stride);
            let last = first * u64::from(chunks.size);
            if end <= first || u64::from(axis.stride) >= last {
                continue;
            }
            let is_inside = axis.stride.is_multiple_of(chunks.rank_stride)
                && last.is_multiple_of(end)
                && u64::from(axis.stride) >= first;
            if !is_inside {
                return None;
            }
            strides.push(chunks.stride * u64::from(axis.stride / chunks.rank_stride));
        }
        Some(strides)
    }

    /// The chunk digits that a group turns, with the axis each turns along with.
    pub(super) fn chunk_digits(&self, group: &Group) -> Vec<(Axis, u64)> {
        let digits = group.axes().iter().flat_map(|&axis| {
            let strides = self.chunk_strides(axis).unwrap_or_default();
            strides.into_iter().map(move |stride| (axis, stride))
        });
        digits.collect()
    }
}

/// Sets of axes to try in turn, the largest groups first: first the axis as a whole, then along
/// the machine's axes.
fn alternatives(stride: u32, size: u32, alike: Alike, grid: &[u32]) -> Vec<Vec<Axis>> {
    if size < 2 {
        return Vec::new();
    }
    let axis = |stride, size, turn| Axis { stride, size, turn };
    let end = u64::from(stride) * u64::from(size);
    // The machine's axes inside this one.
    let mut inside = Vec::new();
    let mut at = 1u64;
    for &extent in grid {
        let next = at * u64::from(extent);
        if extent > 1
            && at.is_multiple_of(u64::from(stride))
            && end.is_multiple_of(next)
            && next <= end
        {
            inside.push((at as u32, extent));
        }
        at = next;
    }
    match alike {
        Alike::None => Vec::new(),
        Alike::Any => vec![
            vec![axis(stride, size, Turn::Add)],
            inside.iter().map(|&(s, n)| axis(s, n, Turn::Add)).collect(),
        ],
        Alike::Rotations => {
            let mut starts = vec![stride];
            starts.extend(
                inside
                    .iter()
                    .map(|&(start, _)| start)
                    .filter(|&s| s > stride),
            );
            let rotation =
                |start: u32| vec![axis(start, (end / u64::from(start)) as u32, Turn::Add)];
            starts.into_iter().map(rotation).collect()
        }
        Alike::Xor => {
            let of = |(start, extent): (u32, u32)| axis(start, extent, Turn::Xor);
            let is_binary = |&(_, extent): &(u32, u32)| extent.is_power_of_two();
            let mut all = Vec::new();
            if size.is_power_of_two() {
                all.push(vec![of((stride, size))]);
            }
            all.push(inside.into_iter().filter(is_binary).map(of).collect());
            all
        }
    }
}

/// The action of a group on the ranks and chunks of one schedule.
#[derive(Clone, Debug)]
pub struct Action {
    group: Arc<Group>,
    /// The chunk digits that turn, and the axis that each turns along with.
    digits: Vec<(Axis, u64)>,
    /// The chunks that each of them goes around.
    windows: Vec<u64>,
}

impl Action {
    /// The action that `symmetry` states for the turns of `group`.
    pub fn new(symmetry: &Symmetry, group: Arc<Group>) -> Self {
        let digits = symmetry.chunk_digits(&group);
        let window = |&(axis, stride): &(Axis, u64)| stride * u64::from(axis.size);
        Self {
            windows: digits.iter().map(window).collect(),
            digits,
            group,
        }
    }

    /// The group.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The chunk that a turn takes to `chunk`.
    #[inline]
    pub fn chunk_turned_back(&self, chunk: u64, element: Element) -> u64 {
        moved(chunk, element, true, self.digits.iter().copied())
    }

    /// Where a turn takes a message; `None` if its chunks are no progression there.
    pub fn turned(&self, send: Send, element: Element) -> Option<Send> {
        self.image(send, element, false)
    }

    /// The message of a representative that a message is an image of, likewise.
    pub fn home(&self, send: Send) -> Option<Send> {
        self.image(send, self.group.home(send.src).element, true)
    }

    fn image(&self, send: Send, element: Element, back: bool) -> Option<Send> {
        let rank = |rank: RankId| RankId(self.group.moved(rank.0, element, back));
        let chunk = |chunk| moved(chunk, element, back, self.digits.iter().copied());
        Some(Send {
            src: rank(send.src),
            dst: rank(send.dst),
            chunks: images(send.chunks, &self.windows, chunk)?,
            ..send
        })
    }
}

/// The images of some chunks, if they are a progression again.
fn images(chunks: ChunkRange, windows: &[u64], image: impl Fn(u64) -> u64) -> Option<ChunkRange> {
    if chunks.count == 1 {
        return Some(ChunkRange::one(image(chunks.first)));
    }
    let mut images: Vec<u64> = chunks.iter().map(image).collect();
    let own = [chunks.window];
    let around = |windows| ChunkRange::from_sequence(&images, chunks.stride, windows);
    if let Some(range) = around(&own).or_else(|| around(windows)) {
        return Some(range);
    }
    images.sort_unstable();
    match ChunkRange::cover(&images)[..] {
        [range] => Some(range),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Op;

    fn add(stride: u32, size: u32) -> Axis {
        Axis {
            stride,
            size,
            turn: Turn::Add,
        }
    }

    #[test]
    fn a_group_acts_freely_and_reaches_each_rank_once() {
        // 24 ranks as 2 x 3 x 4; the first axis is XORed, the last one rotated.
        let xor = Axis {
            turn: Turn::Xor,
            ..add(1, 2)
        };
        let group = Group::new(24, vec![xor, add(6, 4)]);
        assert_eq!((group.order(), group.representatives().len()), (8, 3));
        let mut seen = [0; 24];
        for rank in (0..24).map(RankId) {
            let home = group.home(rank);
            let representative = group.representatives()[home.row as usize];
            assert_eq!(group.turned(representative, home.element), rank);
            assert_eq!(group.turned_back(rank, home.element), representative);
            seen[rank.index()] += 1;
            for element in group.generators() {
                assert_ne!(group.turned(rank, element), rank);
            }
        }
        assert_eq!(seen, [1; 24]);
    }

    #[test]
    fn the_dies_of_a_supernode_turn_by_package_node_and_side() {
        // CM384: 2 dies a package, 8 packages a node, 48 nodes; nothing but whole axes is alike.
        let grid = [2, 8, 48];
        let of_machine = |axis: Axis| [add(1, 2), add(2, 8), add(16, 48)].contains(&axis);
        let any = Symmetry::of_ranks(768, Alike::Any).with_chunks_by_pair(768, 768);
        let group = any.group(768, &grid, of_machine).unwrap();
        assert_eq!(
            (group.order(), group.representatives()),
            (768, &[RankId(0)][..])
        );
        // A ring rotates as a whole: by nodes.
        let rotations = Symmetry::of_ranks(768, Alike::Rotations).with_chunks_by_rank(768, 768);
        let group = rotations.group(768, &grid, of_machine).unwrap();
        assert_eq!(group.axes(), [add(16, 48)]);
        assert_eq!(group.rotation(group.home(RankId(32)).element), Some(32));
        // Chunk 100 belongs to rank 100, which the turn by one node takes to 116.
        let node = group.home(RankId(16)).element;
        let action = Action::new(&rotations, Arc::new(group));
        assert_eq!(action.chunk_turned_back(116, node), 100);
        assert_eq!(action.chunk_turned_back(4, node), 756);
        // The pair (3, 20) of an exchange goes with both its ranks.
        let group = any.group(768, &grid, of_machine).unwrap();
        let element = group.home(RankId(17)).element;
        assert_eq!(group.rotation(element), None);
        assert_eq!(group.rotation(group.home(RankId(32)).element), Some(32));
        let action = Action::new(&any, Arc::new(group));
        let pair = |src: u32, dst: u32| Send {
            step: 0,
            src: RankId(src),
            dst: RankId(dst),
            chunks: ChunkRange::one(src * 768 + dst),
            op: Op::Copy,
        };
        // 17 is one node and one side on: 3 = (1, 1, 0) goes to (0, 1, 1) = 18.
        assert_eq!(action.turned(pair(3, 20), element), Some(pair(18, 37)));
        assert_eq!(action.home(pair(3, 20)).unwrap().src, RankId(0));
    }

    #[test]
    fn an_axis_across_the_chunk_axes_is_left_out() {
        // Chunks in 4 parts of 2 ranks each: a rotation of all 8 ranks by one is no turn of them.
        let symmetry = Symmetry {
            ranks: vec![(8, Alike::Rotations)],
            chunks: vec![ChunkAxis {
                stride: 1,
                rank_stride: 2,
                size: 4,
            }],
        };
        let group = symmetry.group(8, &[2, 4], |_| true).unwrap();
        assert_eq!(group.axes(), [add(2, 4)]);
        assert_eq!(symmetry.group(8, &[8], |_| true), None);
    }
}
