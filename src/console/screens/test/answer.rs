//! An answer on the screen: a tree with a cursor, folds, a filter and a search.

use std::collections::HashSet;

use crate::console::answer::tree::{Line, Tree};
use crate::console::app::call::Scored;

/// Lines of a body that is no JSON that are shown, at most.
const MOST_LINES: usize = 10_000;

/// An answer and where the reader is in it.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    pub scored: Scored,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// `None` when the body is no JSON: then `plain` holds it.
    tree: Option<Tree>,
    plain: Vec<String>,
    folded: HashSet<usize>,
    pub cursor: usize,
    pub find: String,
    /// Only what `find` finds, and the way to it.
    pub only: bool,
    lines: Vec<Line>,
    /// Of `plain`: the lines in view.
    kept: Vec<usize>,
    /// Nodes (or lines) that the search finds.
    hits: Vec<usize>,
    /// The hit stepped to last, and where the cursor was put for it: several can be on one line.
    stood: Option<(usize, usize)>,
}

impl Reading {
    pub fn new(scored: Scored, at_ms: i64) -> Self {
        let text = String::from_utf8_lossy(&scored.body);
        let tree = Tree::parse(&text).ok();
        let plain = match tree {
            Some(_) => Vec::new(),
            None if std::str::from_utf8(&scored.body).is_err() => {
                vec![format!("{} bytes that are not text: y copies them as base64", scored.body.len())]
            }
            None => text.lines().take(MOST_LINES).map(String::from).collect(),
        };
        let mut reading = Self { scored, at_ms, tree, plain, only: true, ..Self::default() };
        reading.lay_out();
        reading
    }

    fn lay_out(&mut self) {
        let filter = if self.only { self.find.as_str() } else { "" };
        self.lines = self.tree.as_ref().map_or(Vec::new(), |tree| tree.lines(&self.folded, filter));
        let wanted = filter.to_lowercase();
        let kept = self.plain.iter().enumerate().filter(|(_, line)| line.to_lowercase().contains(&wanted));
        self.kept = kept.map(|(at, _)| at).collect();
        self.cursor = self.cursor.min(self.len().saturating_sub(1));
    }

    /// Lines of the tree in view.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// A line in view of a body that is no JSON.
    pub fn plain(&self, at: usize) -> &str {
        self.kept.get(at).and_then(|at| self.plain.get(*at)).map_or("", String::as_str)
    }

    /// Lines in view.
    pub fn len(&self) -> usize {
        if self.tree.is_some() { self.lines.len() } else { self.kept.len() }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the cursor is: `[0].score`.
    pub fn path(&self) -> String {
        match (&self.tree, self.lines.get(self.cursor)) {
            (Some(tree), Some(line)) => tree.path(line.node),
            _ => String::new(),
        }
    }

    /// How many values the search finds.
    pub fn found(&self) -> usize {
        self.hits.len()
    }

    /// Another filter.
    pub fn set_find(&mut self, text: &str) {
        text.clone_into(&mut self.find);
        self.cursor = 0;
        self.stood = None;
        let wanted = text.to_lowercase();
        self.hits = match &self.tree {
            Some(tree) => tree.search(text),
            None if text.is_empty() => Vec::new(),
            None => (0..self.plain.len()).filter(|at| self.plain[*at].to_lowercase().contains(&wanted)).collect(),
        };
        self.lay_out();
    }

    /// Only the hits, or everything with the hits marked.
    pub fn toggle_only(&mut self) {
        self.only = !self.only;
        self.lay_out();
    }

    /// Folds or unfolds what the cursor is on, or the container around it.
    pub fn fold(&mut self, want: Option<bool>) {
        let (Some(line), Some(tree)) = (self.lines.get(self.cursor), &self.tree) else { return };
        let mut node = line.node;
        let open = line.folded == Some(false) || line.closing;
        if line.folded.is_none() && !line.closing || open && line.closing && want == Some(false) {
            // on a value: its container folds, never unfolds
            match (want, tree.ancestors(node).first()) {
                (Some(false), _) | (_, None) => return,
                (_, Some(&parent)) => node = parent,
            }
        }
        let fold = want.unwrap_or(!self.folded.contains(&node));
        if fold {
            self.folded.insert(node);
        } else {
            self.folded.remove(&node);
        }
        self.lay_out();
        self.go_to(node);
    }

    /// Folds everything below the first level, or opens everything.
    pub fn fold_all(&mut self) {
        let Some(tree) = &self.tree else { return };
        if self.folded.is_empty() {
            let inner = tree.nodes().iter().enumerate().filter(|(_, node)| node.depth > 0 && node.len > 0);
            self.folded = inner.map(|(at, _)| at).collect();
        } else {
            self.folded.clear();
        }
        self.lay_out();
    }

    fn go_to(&mut self, node: usize) {
        if let Some(at) = self.lines.iter().position(|line| line.node == node && !line.closing) {
            self.cursor = at;
        } else if let Some(at) = self.lines.iter().rposition(|line| !line.closing && line.node <= node) {
            self.cursor = at;
        }
    }

    /// To the next or the previous hit, opening what hides it. False when there is none.
    pub fn step(&mut self, forward: bool) -> bool {
        let Some(tree) = &self.tree else {
            return false;
        };
        let hits = &self.hits;
        let here = match self.stood {
            Some((hit, cursor)) if cursor == self.cursor => hit,
            _ => self.lines.get(self.cursor).map_or(0, |line| line.node),
        };
        let next = if forward {
            hits.iter().find(|hit| **hit > here).or(hits.first())
        } else {
            hits.iter().rev().find(|hit| **hit < here).or(hits.last())
        };
        let Some(&hit) = next else { return false };
        for ancestor in tree.ancestors(hit) {
            self.folded.remove(&ancestor);
        }
        self.lay_out();
        self.go_to(hit);
        self.stood = Some((hit, self.cursor));
        true
    }

    /// Moves the cursor.
    pub fn go(&mut self, by: isize) {
        self.cursor = self.cursor.saturating_add_signed(by).min(self.len().saturating_sub(1));
    }

    /// What `y` copies.
    pub fn text(&self) -> String {
        use base64::Engine as _;
        match std::str::from_utf8(&self.scored.body) {
            Ok(text) => text.to_owned(),
            Err(_) => base64::engine::general_purpose::STANDARD.encode(&self.scored.body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(body: &str) -> Reading {
        let scored = Scored { status: 200, body: bytes::Bytes::copy_from_slice(body.as_bytes()), ..Scored::default() };
        Reading::new(scored, 0)
    }

    fn shown(reading: &Reading) -> Vec<String> {
        reading.lines().iter().map(|line| format!("{}{}", line.label, line.text)).collect()
    }

    const BODY: &str =
        r#"{"items":[{"id":17,"tags":["a","b"],"deep":{"x":[1,{"y":2}]}},{"id":4,"tags":[],"deep":{}}],"n":2}"#;

    #[test]
    fn folds_hide_and_steps_open_what_hides_a_hit() {
        let mut reading = reading(BODY);
        let all = reading.len();
        reading.fold_all();
        assert!(reading.len() < all, "{:?}", shown(&reading));
        reading.only = false;
        reading.set_find("y");
        assert!(reading.step(true));
        assert_eq!(reading.path(), "items[0].deep.x[1]");
        reading.set_find("tags");
        assert!(reading.step(true) && reading.step(true));
        assert_eq!(reading.path(), "items[1].tags");
        assert!(reading.step(false));
        assert_eq!(reading.path(), "items[0].tags");
        reading.fold(Some(true));
        assert!(reading.path().starts_with("items[0]"));
    }

    #[test]
    fn a_filter_keeps_hits_and_the_way_to_them() {
        let mut reading = reading(BODY);
        reading.set_find("\"n\"");
        assert_eq!(reading.found(), 0);
        reading.set_find("17");
        assert!(shown(&reading).iter().any(|line| line.contains("17")));
        assert!(!shown(&reading).iter().any(|line| line.contains("\"n\"")));
        reading.toggle_only();
        assert!(shown(&reading).iter().any(|line| line.contains("\"n\"")));
    }

    #[test]
    fn bodies_that_are_no_json_are_read_as_lines() {
        let mut text = reading("Traceback\n  boom\n");
        assert_eq!((text.len(), text.plain(1)), (2, "  boom"));
        text.set_find("boom");
        assert_eq!((text.len(), text.plain(0), text.found()), (1, "  boom", 1));
        let scored = Scored { body: bytes::Bytes::from_static(&[0xff, 0xfe]), ..Scored::default() };
        assert_eq!(Reading::new(scored, 0).text(), "//4=");
        assert!(reading("").is_empty());
    }
}
