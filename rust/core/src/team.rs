//! A team: the ranks of a collective and their nested groups.
//!
//! This is all that an algorithm may know of the machine. Ranks are 0..n in rank order; a level
//! partitions them into groups (a package, a node, a supernode), innermost level first.

use crate::ids::RankId;

/// Why a team cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TeamError {
    /// A level leaves a rank out, names one twice, or names one that does not exist.
    #[error("level '{level}' must name each of the ranks 0..{n_ranks} once; rank {rank} {what}")]
    NotAPartition {
        /// The level's name.
        level: String,
        /// Ranks in the team.
        n_ranks: u32,
        /// The offending rank.
        rank: u32,
        /// "is missing", "appears twice" or "does not exist".
        what: &'static str,
    },
    /// A group of an inner level straddles two groups of an outer one.
    #[error(
        "level '{inner}' does not nest inside level '{outer}': ranks {a} and {b} share a group of the first only"
    )]
    NotNested {
        /// The inner level's name.
        inner: String,
        /// The outer level's name.
        outer: String,
        /// One rank.
        a: u32,
        /// Another rank.
        b: u32,
    },
}

/// One partition of the ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// What a group is: "package", "node", "supernode", or a user's word.
    pub name: String,
    /// The groups, each in rank order, ordered by their first rank.
    pub groups: Vec<Vec<RankId>>,
}

/// The ranks of a collective and their levels, innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    n_ranks: u32,
    levels: Vec<Level>,
}

impl Team {
    /// `n_ranks` ranks with no structure.
    pub fn flat(n_ranks: u32) -> Self {
        Self {
            n_ranks,
            levels: Vec::new(),
        }
    }

    /// `n_ranks` ranks and their levels, innermost first.
    pub fn new(n_ranks: u32, levels: Vec<Level>) -> Result<Self, TeamError> {
        let mut group_of_inner: Option<(String, Vec<u32>)> = None;
        let mut ordered = Vec::with_capacity(levels.len());
        for mut level in levels {
            level.groups.retain(|group| !group.is_empty());
            let group_of = partition(n_ranks, &level)?;
            if let Some((inner, inner_group_of)) = &group_of_inner {
                check_nesting(inner, inner_group_of, &level.name, &group_of)?;
            }
            for group in &mut level.groups {
                group.sort_unstable();
            }
            level.groups.sort_unstable();
            group_of_inner = Some((level.name.clone(), group_of));
            ordered.push(level);
        }
        Ok(Self {
            n_ranks,
            levels: ordered,
        })
    }

    /// Number of ranks.
    pub fn n_ranks(&self) -> u32 {
        self.n_ranks
    }

    /// The ranks in order.
    pub fn ranks(&self) -> impl Iterator<Item = RankId> + use<> {
        (0..self.n_ranks).map(RankId)
    }

    /// The levels, innermost first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The sizes of the axes of the grid that the ranks form in rank order, innermost first: levels
    /// of equal groups of neighbors, then the outermost groups. Other levels are left out.
    pub fn grid(&self) -> Vec<u32> {
        let mut sizes = Vec::new();
        let mut inner = 1;
        for level in &self.levels {
            let size = level.groups.first().map_or(1, Vec::len) as u32;
            let starts = level.groups.iter().zip((0..).step_by(size as usize));
            let is_regular = starts.clone().all(|(group, start)| {
                group.len() as u32 == size
                    && group.iter().copied().eq((start..start + size).map(RankId))
            });
            if is_regular && size > inner && size.is_multiple_of(inner) {
                sizes.push(size / inner);
                inner = size;
            }
        }
        if self.n_ranks > inner {
            sizes.push(self.n_ranks / inner);
        }
        sizes
    }

    /// The level of that name.
    pub fn level(&self, name: &str) -> Option<&Level> {
        self.levels.iter().find(|level| level.name == name)
    }
}

fn partition(n_ranks: u32, level: &Level) -> Result<Vec<u32>, TeamError> {
    let fail = |rank, what| TeamError::NotAPartition {
        level: level.name.clone(),
        n_ranks,
        rank,
        what,
    };
    let mut group_of = vec![u32::MAX; n_ranks as usize];
    for (index, group) in level.groups.iter().enumerate() {
        for rank in group {
            let slot = group_of
                .get_mut(rank.index())
                .ok_or_else(|| fail(rank.0, "does not exist"))?;
            if *slot != u32::MAX {
                return Err(fail(rank.0, "appears twice"));
            }
            *slot = index as u32;
        }
    }
    match group_of.iter().position(|&group| group == u32::MAX) {
        Some(rank) => Err(fail(rank as u32, "is missing")),
        None => Ok(group_of),
    }
}

fn check_nesting(
    inner: &str,
    inner_group_of: &[u32],
    outer: &str,
    outer_group_of: &[u32],
) -> Result<(), TeamError> {
    let mut outer_of_inner = vec![None; inner_group_of.len()];
    for (rank, (&i, &o)) in inner_group_of.iter().zip(outer_group_of).enumerate() {
        match outer_of_inner[i as usize] {
            None => outer_of_inner[i as usize] = Some((o, rank as u32)),
            Some((known, first)) if known != o => {
                return Err(TeamError::NotNested {
                    inner: inner.to_owned(),
                    outer: outer.to_owned(),
                    a: first,
                    b: rank as u32,
                });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(name: &str, groups: &[&[u32]]) -> Level {
        let groups = groups
            .iter()
            .map(|g| g.iter().copied().map(RankId).collect())
            .collect();
        Level {
            name: name.to_owned(),
            groups,
        }
    }

    #[test]
    fn groups_are_ordered_by_their_first_rank() {
        let team = Team::new(4, vec![level("node", &[&[3, 1], &[2, 0]])]).unwrap();
        assert_eq!(team.levels()[0].groups[0], [RankId(0), RankId(2)]);
    }

    #[test]
    fn the_grid_leaves_irregular_levels_out() {
        let pairs = level("package", &[&[0, 1], &[2, 3], &[4, 5]]);
        let odd = level("node", &[&[0, 1, 2, 3], &[4, 5]]);
        let scattered = level("package", &[&[0, 2], &[1, 3], &[4, 5]]);
        let grid = |levels| Team::new(6, levels).unwrap().grid();
        assert_eq!(grid(vec![pairs.clone(), odd]), [2, 3]);
        assert_eq!(grid(vec![scattered]), [6]);
        assert_eq!(
            grid(vec![pairs, level("node", &[&[0, 1, 2, 3, 4, 5]])]),
            [2, 3]
        );
    }

    #[test]
    fn empty_groups_are_left_out() {
        let levels = vec![
            level("package", &[&[], &[], &[0]]),
            level("node", &[&[], &[0]]),
        ];
        let team = Team::new(1, levels).unwrap();
        assert!(
            team.levels()
                .iter()
                .all(|level| level.groups == [[RankId(0)]])
        );
    }

    #[test]
    fn a_level_names_each_rank_once() {
        for (groups, what) in [
            (&[&[0u32, 1][..]][..], "is missing"),
            (&[&[0, 1], &[1, 2]], "appears twice"),
            (&[&[0, 1, 2, 3]], "does not exist"),
        ] {
            let error = Team::new(3, vec![level("node", groups)]).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn levels_nest() {
        let levels = vec![
            level("package", &[&[0, 1], &[2]]),
            level("node", &[&[0], &[1, 2]]),
        ];
        assert!(matches!(
            Team::new(3, levels),
            Err(TeamError::NotNested { .. })
        ));
    }
}
