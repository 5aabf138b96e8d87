//! Long texts and long lists, as far as there is room for them in a line.

/// Names shown of many.
const FEW: usize = 3;

/// At most so many characters of a text, with `…` where some are left out.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The first names of several, and how many more there are.
pub fn first<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The same in a table: one environment may serve a hundred deployments.
pub fn few<T: AsRef<str>>(names: &[T]) -> String {
    first(names, FEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_the_first_are_shown_and_the_rest_counted() {
        assert_eq!(few::<&str>(&[]), "");
        assert_eq!(few(&["a", "b", "c"]), "a, b, c");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((cut("Zoë", 3), cut("Zoë!", 3), cut("", 0)), ("Zoë".into(), "Zoë…".into(), String::new()));
    }
}
