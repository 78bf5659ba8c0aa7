//! Nearest names for an unknown one: every registry look-up that fails tells what was probably meant.

/// The names of `known` nearest to `given`, best first: at most three, at most a third of the
/// longer name away (Levenshtein distance), ties in registry order.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(usize, usize, &str)> = known
        .into_iter()
        .enumerate()
        .map(|(order, name)| {
            (
                distance(&given.to_lowercase(), &name.to_lowercase()),
                order,
                name,
            )
        })
        .filter(|(d, _, name)| *d * 3 <= name.len().max(given.len()))
        .collect();
    scored.sort_unstable();
    scored
        .into_iter()
        .take(3)
        .map(|(_, _, name)| name.to_owned())
        .collect()
}

/// "; did you mean a, b?" or, with nothing near, "; known: a, b, c".
pub fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let near = nearest(given, known.clone());
    if near.is_empty() {
        let all: Vec<&str> = known.into_iter().collect();
        format!("known: {}", all.join(", "))
    } else {
        format!("did you mean {}?", near.join(", "))
    }
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first_and_far_names_are_left_out() {
        // "al_reduce" is one insertion from all_reduce, three deletions from reduce, far from barrier.
        assert_eq!(
            nearest("al_reduce", ["reduce", "all_reduce", "barrier"]),
            ["all_reduce", "reduce"]
        );
        assert!(nearest("zzz", ["ring", "direct"]).is_empty());
        assert_eq!(hint("zzz", ["ring", "direct"]), "known: ring, direct");
    }
}
