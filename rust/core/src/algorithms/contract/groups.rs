//! A level of a team as equal groups: what hierarchies and pipelines work on.

use super::Unsupported;
use crate::collective::Problem;
use crate::ids::RankId;
use crate::team::{Level, Team};

/// The level `asked`, or else the node, or else the outermost level of several groups of which some
/// have several ranks.
pub(in crate::algorithms) fn level_of<'a>(
    algorithm: &'static str,
    problem: &Problem<'a>,
    asked: Option<&str>,
) -> Result<&'a Level, Unsupported> {
    let team = problem.team;
    let is_proper =
        |level: &&Level| level.groups.len() > 1 && level.groups.iter().any(|g| g.len() > 1);
    let level = match asked {
        Some(name) => team.level(name),
        None => team
            .level("node")
            .or_else(|| team.levels().iter().rev().find(is_proper)),
    };
    level.ok_or_else(|| Unsupported::NoLevel {
        algorithm,
        asked: asked.map(str::to_owned),
        known: known_levels(team),
    })
}

/// The same, if its groups have one size.
pub(in crate::algorithms) fn equal_groups_of<'a>(
    algorithm: &'static str,
    problem: &Problem<'a>,
    asked: Option<&str>,
) -> Result<&'a Level, Unsupported> {
    let level = level_of(algorithm, problem, asked)?;
    let first = level.groups[0].len();
    match level.groups.iter().find(|group| group.len() != first) {
        None => Ok(level),
        Some(group) => Err(Unsupported::UnequalGroups {
            algorithm,
            level: level.name.clone(),
            first,
            other: group.len(),
        }),
    }
}

/// Group and place of a rank.
pub(in crate::algorithms) fn place_of(groups: &[Vec<RankId>], rank: RankId) -> (usize, usize) {
    let places = groups.iter().enumerate();
    let mut found = places.filter_map(|(x, group)| Some((x, group.binary_search(&rank).ok()?)));
    found.next().expect("a level names every rank once")
}

fn known_levels(team: &Team) -> String {
    let describe = |level: &Level| format!("{} ({} groups)", level.name, level.groups.len());
    let known: Vec<String> = team.levels().iter().map(describe).collect();
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}
