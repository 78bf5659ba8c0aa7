//! Nearest names for an unknown one: every registry look-up that fails tells what was probably meant.

/// The names of `known` nearest to `given`, best first: at most three, at most a third of the
/// longer name away (typing errors), ties in registry order.
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

/// Insertions, deletions, substitutions and swaps of neighbors (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(row[j - 1] + 1).min(last[j] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
        assert_eq!(nearest("rign", ["direct", "ring"]), ["ring"]); // one swap
        assert!(nearest("zzz", ["ring", "direct"]).is_empty());
        assert_eq!(hint("zzz", ["ring", "direct"]), "known: ring, direct");
    }
}
