//! Blue's answer against green's, field by field, with a numeric tolerance (rollout semantics §5).

use serde_json::Value;

/// Differences beyond this many are counted, not listed.
pub const MAX_DIFFERENCES: usize = 500;

/// Numbers are equal when `|a − b| ≤ absolute + relative · |b|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    pub relative: f64,
    pub absolute: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { relative: 1e-3, absolute: 1e-7 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only the first answer has it.
    Missing,
    /// Only the second answer has it.
    Extra,
    /// Another JSON type.
    Type,
    /// Arrays of other lengths.
    Length,
    /// Another value; for numbers with second − first.
    Value(Option<f64>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// `[0].score`; empty for the whole body.
    pub path: String,
    pub kind: Kind,
    pub first: String,
    pub second: String,
}

/// What differs, and how much there was to compare.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    pub differences: Vec<Difference>,
    /// Differences found, listed or not.
    pub found: usize,
    /// Scalars compared.
    pub compared: usize,
}

/// Compares two bodies: as JSON when both are, otherwise as text.
pub fn compare(first: &str, second: &str, tolerance: Tolerance) -> Report {
    let mut report = Report::default();
    match (serde_json::from_str::<Value>(first), serde_json::from_str::<Value>(second)) {
        (Ok(a), Ok(b)) => walk(&a, &b, &mut String::new(), tolerance, &mut report),
        _ if first == second => report.compared = 1,
        _ => {
            report.compared = 1;
            report.note("", Kind::Value(None), short(first), short(second));
        }
    }
    report
}

impl Report {
    fn note(&mut self, path: &str, kind: Kind, first: String, second: String) {
        self.found += 1;
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.push(Difference { path: path.to_owned(), kind, first, second });
        }
    }
}

fn walk(a: &Value, b: &Value, path: &mut String, tolerance: Tolerance, report: &mut Report) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, left) in a {
                within(path, &field(path, name), |path| match b.get(name) {
                    Some(right) => walk(left, right, path, tolerance, report),
                    None => report.note(path, Kind::Missing, shown(left), "–".into()),
                });
            }
            for (name, right) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                within(path, &field(path, name), |path| report.note(path, Kind::Extra, "–".into(), shown(right)));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                report.note(path, Kind::Length, format!("{} values", a.len()), format!("{} values", b.len()));
            }
            for (i, (left, right)) in a.iter().zip(b).enumerate() {
                within(path, &format!("[{i}]"), |path| walk(left, right, path, tolerance, report));
            }
        }
        _ => {
            report.compared += 1;
            scalar(a, b, path, tolerance, report);
        }
    }
}

fn scalar(a: &Value, b: &Value, path: &str, tolerance: Tolerance, report: &mut Report) {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) => {
            let equal = x == y || (x - y).abs() <= tolerance.absolute + tolerance.relative * y.abs();
            if !equal {
                report.note(path, Kind::Value(Some(y - x)), shown(a), shown(b));
            }
        }
        _ if a == b => {}
        _ if std::mem::discriminant(a) == std::mem::discriminant(b) => {
            report.note(path, Kind::Value(None), shown(a), shown(b));
        }
        _ => report.note(path, Kind::Type, shown(a), shown(b)),
    }
}

fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!(".{name}") }
}

fn within(path: &mut String, step: &str, body: impl FnOnce(&mut String)) {
    let before = path.len();
    path.push_str(step);
    body(path);
    path.truncate(before);
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{} values]", items.len()),
        Value::Object(fields) => format!("{{{} fields}}", fields.len()),
        scalar => short(&scalar.to_string()),
    }
}

fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
