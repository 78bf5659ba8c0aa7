//! Two binary trees below one source that share the work: whoever has children in one is a leaf in
//! the other, so that everybody passes on as much as it gets.
//!
//! The trees are in-order trees over the labels 1..=n with the source, label 0, above them: the
//! labels with trailing zero bits have children. The second tree numbers the members backward, or
//! shifted by one where n is odd, which turns even labels into odd ones. Source: Sanders, Speck,
//! Träff, "Two-tree algorithms for full bandwidth broadcast, reduction and scan", 2009.

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::algorithms) enum Half {
    /// Members numbered as they are.
    First,
    /// Members numbered so that its leaves are the inner members of the first.
    Second,
}

impl Half {
    /// Both.
    pub(in crate::algorithms) const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The label of a member 1..=n, 0 that of the source.
    fn label(self, n: u32, member: u32) -> u32 {
        match self {
            _ if member == 0 => 0,
            Self::First => member,
            Self::Second if n.is_multiple_of(2) => n + 1 - member,
            Self::Second => member % n + 1,
        }
    }

    /// The member with a label.
    fn member(self, n: u32, label: u32) -> u32 {
        match self {
            _ if label == 0 => 0,
            Self::First => label,
            Self::Second if n.is_multiple_of(2) => n + 1 - label,
            Self::Second => (label + n - 2) % n + 1,
        }
    }

    /// The children of the source (0) or a member of 1..=n.
    pub(in crate::algorithms) fn children(self, n: u32, member: u32) -> impl Iterator<Item = u32> {
        let below = (n > 0).then(|| children(n + 1, self.label(n, member)));
        let below = below.into_iter().flatten();
        below.map(move |label| self.member(n, label))
    }

    /// Hops from the source to a member.
    pub(in crate::algorithms) fn depth(self, n: u32, member: u32) -> u32 {
        depth(n + 1, self.label(n, member))
    }

    /// The members from the source down to one of the deepest.
    pub(in crate::algorithms) fn longest_path(self, n: u32) -> Vec<u32> {
        let deepest = (0..=n)
            .max_by_key(|&member| self.depth(n, member))
            .unwrap_or(0);
        let up = std::iter::successors(Some(self.label(n, deepest)), |&v| parent(n + 1, v));
        let mut path: Vec<u32> = up.map(|label| self.member(n, label)).collect();
        path.reverse();
        path
    }
}

/// Hops from the source to the deepest of n members.
pub(in crate::algorithms) fn height_below_source(n: u32) -> u32 {
    n.checked_ilog2().map_or(0, |log2| 1 + log2)
}

fn lowest_bit(v: u32) -> u32 {
    1 << v.trailing_zeros()
}

/// The parent of v in the in-order tree of labels 0..n.
pub(in crate::algorithms) fn parent(n: u32, v: u32) -> Option<u32> {
    let bit = (v > 0).then(|| lowest_bit(v))?;
    let up = (v ^ bit) | (2 * bit);
    Some(if up < n { up } else { v ^ bit })
}

/// The children of v in the in-order tree of labels 0..n, the lower one first.
pub(in crate::algorithms) fn children(n: u32, v: u32) -> impl Iterator<Item = u32> {
    let (lower, upper) = if v == 0 {
        (None, Some(1 << (n - 1).ilog2()))
    } else {
        let half = lowest_bit(v) / 2;
        // Above v hangs the largest subtree that starts within the ranks.
        let halves = std::iter::successors(Some(half), |d| Some(d / 2));
        let upper = halves.take_while(|&d| d > 0).find(|d| v + d < n);
        ((half > 0).then(|| v - half), upper.map(|d| v + d))
    };
    lower.into_iter().chain(upper)
}

/// Hops from label 0 down to the deepest of n labels.
pub(in crate::algorithms) fn height_of_root(n: u32) -> u32 {
    1 + (n - 1).ilog2()
}

/// Below v > 0 lies the full tree of its lower child, and nothing deeper.
pub(in crate::algorithms) fn height(n: u32, v: u32) -> u32 {
    if v == 0 {
        height_of_root(n)
    } else {
        v.trailing_zeros()
    }
}

/// Hops from label 0 to v.
pub(in crate::algorithms) fn depth(n: u32, v: u32) -> u32 {
    std::iter::successors(parent(n, v), |&v| parent(n, v)).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_those_whose_parent_one_is() {
        for n in 2..200 {
            for v in 0..n {
                let expected: Vec<u32> = (0..n).filter(|&c| parent(n, c) == Some(v)).collect();
                assert_eq!(
                    children(n, v).collect::<Vec<_>>(),
                    expected,
                    "n = {n}, v = {v}"
                );
            }
            let highest = (0..n).map(|v| depth(n, v)).max();
            assert_eq!(highest, Some(height_of_root(n)));
        }
    }

    #[test]
    fn whoever_has_children_in_one_tree_is_a_leaf_in_the_other() {
        for n in 0..200 {
            let inner = |half: Half, member| half.children(n, member).next().is_some();
            for half in Half::BOTH {
                let mut below: Vec<u32> = (0..=n).flat_map(|m| half.children(n, m)).collect();
                below.sort_unstable();
                assert_eq!(
                    below,
                    (1..=n).collect::<Vec<_>>(),
                    "{n}: each has one parent"
                );
                let highest = (0..=n).map(|member| half.depth(n, member)).max();
                assert_eq!(highest, Some(height_below_source(n)));
                let path = half.longest_path(n);
                assert_eq!(path.len() as u32, 1 + height_below_source(n));
                for pair in path.windows(2) {
                    assert!(half.children(n, pair[0]).any(|child| child == pair[1]));
                }
            }
            let both = |&m: &u32| inner(Half::First, m) && inner(Half::Second, m);
            assert_eq!((1..=n).find(both), None, "{n}");
        }
    }
}
