//! "Did you mean": the nearest of some known words.

/// The candidate nearest to `word`, if one is near enough to be what was meant: at most a third of the longer word
/// wrong. Letters count in any case, a swap of two neighbours as one mistake, and `-` for `_` as none.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Anything longer is not a mistyped key, and the table below is quadratic.
    const LONGEST: usize = 100;
    let word = normal(word);
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = normal(candidate);
            let longer = word.len().max(other.len());
            if longer > LONGEST {
                return None;
            }
            let mistakes = distance(&word, &other);
            // A key that was cut short or written with its unit left out is still recognisable.
            let prefix = word.len() >= 4 && (other.starts_with(&word) || word.starts_with(&other) && other.len() >= 4);
            (mistakes * 3 <= longer.max(3) || prefix).then_some((mistakes, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

fn normal(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).map(|c| if c == '-' { '_' } else { c }).collect()
}

/// Optimal string alignment distance: insert, delete, replace, swap neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for (i, row) in table.chunks_mut(width).enumerate() {
        row[0] = i;
    }
    for (j, cell) in table[..width].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let at = |i: usize, j: usize| table[i * width + j];
            let replace = at(i - 1, j - 1) + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(at(i - 1, j) + 1).min(at(i, j - 1) + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(at(i - 2, j - 2) + 1);
            }
            table[i * width + j] = best;
        }
    }
    table[a.len() * width + b.len()]
}

/// The words as a sentence part: `a, b or c`.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        None => "nothing".into(),
        Some((last, [])) => (*last).into(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["instance_type", "instance_count", "environment", "environment_variables", "model"];

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        assert_eq!(nearest("instance_conut", KEYS), Some("instance_count"));
        assert_eq!(nearest("Instance-Type", KEYS), Some("instance_type"));
        assert_eq!(nearest("enviroment", KEYS), Some("environment"));
        assert_eq!(nearest("modle", KEYS), Some("model"));
    }

    #[test]
    fn something_else_finds_nothing() {
        assert_eq!(nearest("colour", KEYS), None);
        assert_eq!(nearest("", KEYS), None);
        assert_eq!(nearest(&"x".repeat(10_000), KEYS), None);
    }

    #[test]
    fn words_are_listed_as_one_says_them() {
        assert_eq!(one_of([]), "nothing");
        assert_eq!(one_of(["a"]), "a");
        assert_eq!(one_of(["a", "b", "c"]), "a, b or c");
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_a_known_word_is_its_own_nearest(word in "\\PC{0,120}", at in 0..KEYS.len()) {
            let _ = nearest(&word, KEYS);
            proptest::prop_assert_eq!(nearest(KEYS[at], KEYS), Some(KEYS[at]));
        }
    }
}
