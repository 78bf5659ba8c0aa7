//! Shell patterns over names: `*` any run, `?` one character, `[a-c3]` one of, `[!...]` none of.
//!
//! One backtracking point (the last star) suffices: an earlier star can always be read as having
//! matched as little as it did. An unclosed bracket stands for itself.

/// Whether the whole text matches the pattern.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(next) = one(&pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The pattern position after the element at `p`, if that element matches `c`.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match *pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => match close(pattern, p) {
            Some(end) => in_set(&pattern[p + 1..end], c).then_some(end + 1),
            None => (c == '[').then_some(p + 1),
        },
        literal => (literal == c).then_some(p + 1),
    }
}

/// The bracket that closes the one at `open`; a bracket right after it is a member.
fn close(pattern: &[char], open: usize) -> Option<usize> {
    let negated = usize::from(pattern.get(open + 1) == Some(&'!'));
    let first = open + 1 + negated;
    (first + 1..pattern.len()).find(|i| pattern[*i] == ']')
}

fn in_set(set: &[char], c: char) -> bool {
    let (negated, set) = match set.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    let mut i = 0;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == '-' {
            found |= (set[i]..=set[i + 2]).contains(&c);
            i += 3;
        } else {
            found |= set[i] == c;
            i += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("l2.2.11", "l2.2.11", true),
            ("l2.2.1", "l2.2.11", false),
            ("l2.2.*", "l2.2.11", true),
            ("*die05", "node03/die05", true),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbx", false),
            ("node0?/die00", "node07/die00", true),
            ("node0?/die00", "node17/die00", false),
            ("node0[0-3]/*", "node03/l1.2", true),
            ("node0[0-3]/*", "node04/l1.2", false),
            ("node0[!0-3]/*", "node04/l1.2", true),
            ("gpu[", "gpu[", true),
            ("[]x]", "]", true),
            ("", "", true),
            ("**", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
