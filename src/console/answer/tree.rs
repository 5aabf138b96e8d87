//! A JSON body as lines that fold, search and filter, in the order in which the endpoint wrote them.

use std::collections::HashSet;

/// Values beyond this many are not kept: the view says how many are missing.
pub const MAX_NODES: usize = 200_000;
/// Arrays and objects of scalars shorter than this stay on one line.
const INLINE_WIDTH: usize = 64;

/// What a line of the tree is about; the screen picks the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

/// How a value is reached from its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Root,
    Name(String),
    Index(usize),
}

/// A value in pre-order; a container's children follow it up to `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub step: Step,
    pub shape: Shape,
    pub depth: u16,
    /// The value as JSON; for containers empty.
    pub text: String,
    /// Number of children of a container.
    pub len: usize,
    /// Index after the last descendant.
    pub end: usize,
}

/// A parsed body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Values left out because of [`MAX_NODES`].
    pub omitted: usize,
}

/// A line to draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The node the line shows.
    pub node: usize,
    pub depth: u16,
    /// `"name": ` or empty.
    pub label: String,
    pub text: String,
    pub shape: Shape,
    /// `Some(true)` = folded, `Some(false)` = open, `None` = nothing to fold.
    pub folded: Option<bool>,
    /// A closing bracket.
    pub closing: bool,
}

impl Tree {
    /// Parses a JSON text.
    ///
    /// # Errors
    /// The parser's own words, with line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (nodes, omitted) = super::visit::nodes(text)?;
        Ok(Self { nodes, omitted })
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// `input.rows[3].score`: where a node is; empty for the root.
    pub fn path(&self, index: usize) -> String {
        let mut steps = Vec::new();
        let mut at = index;
        while let Some(parent) = self.parent(at) {
            steps.push(&self.nodes[at].step);
            at = parent;
        }
        let mut path = String::new();
        for step in steps.iter().rev() {
            match step {
                Step::Name(name) if path.is_empty() => path.push_str(name),
                Step::Name(name) => path.push_str(&format!(".{name}")),
                Step::Index(i) => path.push_str(&format!("[{i}]")),
                Step::Root => {}
            }
        }
        path
    }

    fn parent(&self, index: usize) -> Option<usize> {
        let depth = self.nodes.get(index)?.depth.checked_sub(1)?;
        self.nodes[..index].iter().rposition(|node| node.depth == depth)
    }

    /// The lines in view: folded containers are one line, small ones too.
    ///
    /// With a `filter`, only values whose name or text contains it (case-insensitively), and the way to them.
    pub fn lines(&self, folded: &HashSet<usize>, filter: &str) -> Vec<Line> {
        let keep = self.kept(filter);
        let mut lines = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < self.nodes.len() || !open.is_empty() {
            if let Some(&container) = open.last()
                && at >= self.nodes[container].end
            {
                open.pop();
                lines.push(self.closing(container, open.last().copied()));
                continue;
            }
            let node = &self.nodes[at];
            let comma = self.comma(at, open.last().copied());
            if keep.as_ref().is_some_and(|keep| !keep[at]) {
                at = node.end;
                continue;
            }
            let label = label(&node.step);
            let line = |text: String, folded| {
                lines.push(Line {
                    node: at,
                    depth: node.depth,
                    label,
                    text,
                    shape: node.shape,
                    folded,
                    closing: false,
                });
            };
            if !matches!(node.shape, Shape::Array | Shape::Object) {
                line(format!("{}{comma}", node.text), None);
                at += 1;
            } else if folded.contains(&at) {
                let (left, right) = brackets(node.shape);
                line(format!("{left} {} {right}{comma}", counted(node.len, node.shape)), Some(true));
                at = node.end;
            } else if let Some(text) = self.inline(at) {
                line(format!("{text}{comma}"), None);
                at = node.end;
            } else {
                line(brackets(node.shape).0.to_owned(), Some(false));
                open.push(at);
                at += 1;
            }
        }
        if self.omitted > 0 {
            let text = format!("… {} more values are not shown: copy the body to see them all", self.omitted);
            let node = self.nodes.len().saturating_sub(1);
            lines.push(Line {
                node,
                depth: 0,
                label: String::new(),
                text,
                shape: Shape::Null,
                folded: None,
                closing: true,
            });
        }
        lines
    }

    /// Which nodes a filter keeps: hits, their ancestors and their descendants.
    fn kept(&self, filter: &str) -> Option<Vec<bool>> {
        if filter.is_empty() {
            return None;
        }
        let wanted = filter.to_lowercase();
        let mut keep = vec![false; self.nodes.len()];
        let mut ancestors: Vec<usize> = Vec::new();
        for at in 0..self.nodes.len() {
            while ancestors.last().is_some_and(|&a| at >= self.nodes[a].end) {
                ancestors.pop();
            }
            if self.matches(at, &wanted) {
                keep[at..self.nodes[at].end].fill(true);
                ancestors.iter().for_each(|&a| keep[a] = true);
            }
            ancestors.push(at);
        }
        Some(keep)
    }

    fn matches(&self, at: usize, lower: &str) -> bool {
        let node = &self.nodes[at];
        let name_hit = matches!(&node.step, Step::Name(name) if name.to_lowercase().contains(lower));
        name_hit || node.text.to_lowercase().contains(lower)
    }

    /// Nodes whose name or value contains `text`, in order: what `n` and `N` step through.
    pub fn search(&self, text: &str) -> Vec<usize> {
        let lower = text.to_lowercase();
        if lower.is_empty() {
            return Vec::new();
        }
        (0..self.nodes.len()).filter(|&at| self.matches(at, &lower)).collect()
    }

    /// Containers to open so that `node` can be seen.
    pub fn ancestors(&self, node: usize) -> Vec<usize> {
        std::iter::successors(self.parent(node), |&at| self.parent(at)).collect()
    }

    fn closing(&self, container: usize, parent: Option<usize>) -> Line {
        let node = &self.nodes[container];
        let text = format!("{}{}", brackets(node.shape).1, self.comma(container, parent));
        Line {
            node: container,
            depth: node.depth,
            label: String::new(),
            text,
            shape: node.shape,
            folded: None,
            closing: true,
        }
    }

    fn comma(&self, at: usize, parent: Option<usize>) -> &'static str {
        match parent {
            Some(parent) if self.nodes[at].end < self.nodes[parent].end => ",",
            _ => "",
        }
    }

    /// A container of scalars as one line, if it is short.
    fn inline(&self, at: usize) -> Option<String> {
        let node = &self.nodes[at];
        let children = &self.nodes[at + 1..node.end];
        let (left, right) = brackets(node.shape);
        if children.is_empty() {
            return Some(format!("{left}{right}"));
        }
        if children.len() != node.len || children.len() > INLINE_WIDTH / 2 {
            return None;
        }
        let mut text = format!("{left} ");
        for (i, child) in children.iter().enumerate() {
            if matches!(child.shape, Shape::Array | Shape::Object) {
                return None;
            }
            if i > 0 {
                text.push_str(", ");
            }
            text.push_str(&label(&child.step));
            text.push_str(&child.text);
            if text.len() > INLINE_WIDTH {
                return None;
            }
        }
        Some(format!("{text} {right}"))
    }
}

fn brackets(shape: Shape) -> (&'static str, &'static str) {
    if shape == Shape::Array { ("[", "]") } else { ("{", "}") }
}

fn label(step: &Step) -> String {
    match step {
        Step::Name(name) => format!("{}: ", serde_json::Value::from(name.as_str())),
        Step::Root | Step::Index(_) => String::new(),
    }
}

fn counted(len: usize, shape: Shape) -> String {
    match (shape, len) {
        (Shape::Array, 1) => "1 value".into(),
        (Shape::Array, n) => format!("{n} values"),
        (_, 1) => "1 field".into(),
        (_, n) => format!("{n} fields"),
    }
}
