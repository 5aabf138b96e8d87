//! How a deployment is marked: letter, shape and colour, by its name and never by colour alone.

use ratatui::style::Style;

use super::theme::Theme;

/// The mark of a deployment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    pub shape: &'static str,
    pub style: Style,
    /// Which of the others it is; `None` for blue and green.
    pub other: Option<usize>,
}

/// The mark of `name` among the deployments of its endpoint. `blue` and `green` have their own; others
/// keep theirs as long as the set stays the same.
pub fn mark<S: AsRef<str>>(theme: &Theme, name: &str, all: &[S]) -> Mark {
    let glyphs = theme.glyphs;
    if name.eq_ignore_ascii_case("blue") {
        return Mark { shape: glyphs.square, style: theme.blue, other: None };
    }
    if name.eq_ignore_ascii_case("green") {
        return Mark { shape: glyphs.triangle, style: theme.green, other: None };
    }
    let others = all
        .iter()
        .map(AsRef::as_ref)
        .filter(|other: &&str| !other.eq_ignore_ascii_case("blue") && !other.eq_ignore_ascii_case("green"));
    let mut others: Vec<&str> = others.collect();
    others.sort_unstable();
    let at = others.iter().position(|other| *other == name).unwrap_or(0) % glyphs.shapes.len();
    Mark { shape: glyphs.shapes[at], style: theme.others[at], other: Some(at) }
}
