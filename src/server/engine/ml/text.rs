//! Text: StringNormalizer, StringConcat, StringSplit and RegexFullMatch of the standard, Tokenizer as exporters use it.

use std::collections::HashSet;

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::op::{Fact, Kernel, only, slice, tensor_of};
use super::pattern::Pattern;

fn strings(tensor: &Tensor) -> TractResult<&[String]> {
    ensure!(tensor.datum_type() == String::datum_type(), "expected strings, given {:?}", tensor.datum_type());
    slice::<String>(tensor)
}

fn texts(fact: &Fact) -> TractResult<&TVec<TDim>> {
    ensure!(fact.0 == String::datum_type(), "expected strings, given {:?}", fact.0);
    Ok(&fact.1)
}

#[derive(Debug, Clone, Copy)]
enum Case {
    Same,
    Lower,
    Upper,
}

impl Case {
    /// By Unicode's full mappings, as Python does: locales make no difference here.
    fn of(self, text: &str) -> String {
        match self {
            Self::Same => text.to_owned(),
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
        }
    }
}

/// Leaves out stop words and changes the case of the others.
#[derive(Debug)]
struct Normalizer {
    case: Case,
    /// In lower case unless case matters.
    stops: HashSet<String>,
    sensitive: bool,
}

impl Kernel for Normalizer {
    fn is_open(&self) -> bool {
        !self.stops.is_empty()
    }

    fn facts(&self, inputs: &[Fact], open: &TDim) -> TractResult<TVec<Fact>> {
        let mut shape = texts(only(inputs)?)?.clone();
        match &mut shape[..] {
            [last] | [_, last] if self.is_open() => *last = open.clone(),
            [_] | [_, _] => {}
            other => bail!("expected a list of texts, given {} dimensions", other.len()),
        }
        Ok(tvec![(String::datum_type(), shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = inputs[0].shape();
        ensure!(shape.len() == 1 || shape[0] == 1, "expected a list of texts or a single row, given shape {shape:?}");
        let stopped = |text: &&String| match self.sensitive {
            true => self.stops.contains(*text),
            false => self.is_open() && self.stops.contains(&text.to_lowercase()),
        };
        let kept = strings(inputs[0])?.iter().filter(|text| !stopped(text));
        let mut kept: Vec<String> = kept.map(|text| self.case.of(text)).collect();
        if kept.is_empty() && self.is_open() {
            kept.push(String::new());
        }
        let shape: &[usize] = if shape.len() == 1 { &[kept.len()] } else { &[1, kept.len()] };
        Ok(tvec![tensor_of(shape, kept)?])
    }
}

/// StringNormalizer.
pub fn normalizer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let case = match attrs::text(node, "case_change_action")?.as_deref() {
        None | Some("NONE") => Case::Same,
        Some("LOWER") => Case::Lower,
        Some("UPPER") => Case::Upper,
        Some(other) => bail!("case_change_action {other} is not defined"),
    };
    let sensitive = attrs::int(node, "is_case_sensitive").unwrap_or(0) != 0;
    let stops = attrs::strings(node, "stopwords")?.into_iter();
    let stops = stops.map(|word| if sensitive { word } else { word.to_lowercase() }).collect();
    Ok(Arc::new(Normalizer { case, stops, sensitive }))
}

/// How a text becomes tokens.
#[derive(Debug)]
enum Cut {
    Characters,
    /// Tokens are what matches.
    Matches(Pattern),
    /// Tokens lie between matches, of the first pattern, then within them of the second, …
    Between(Vec<Pattern>),
}

/// Tokens of every text, padded to the longest row.
#[derive(Debug)]
struct Tokenizer {
    cut: Cut,
    pad: String,
    /// Rows begin and end with marks of their own.
    mark: bool,
    /// Characters of the shortest token.
    least: usize,
}

const START: &str = "\u{2}";
const END: &str = "\u{3}";

impl Tokenizer {
    fn long_enough(&self, token: &str) -> bool {
        token.chars().take(self.least).count() >= self.least
    }

    fn tokens<'t>(&self, text: &'t str) -> Vec<&'t str> {
        match &self.cut {
            Cut::Characters => text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect(),
            Cut::Matches(pattern) => {
                let (mut at, mut found) = (0, Vec::new());
                while let Some((start, end)) = pattern.find(text, at) {
                    let token = &text[start..end];
                    if self.long_enough(token) {
                        found.push(token);
                        at = end;
                    } else {
                        let Some(next) = text[start..].chars().next() else { break };
                        at = start + next.len_utf8();
                    }
                }
                found
            }
            Cut::Between(separators) => separators.iter().fold(vec![text], |parts, separator| {
                parts.into_iter().flat_map(|part| self.between(separator, part)).collect()
            }),
        }
    }

    fn between<'t>(&self, separator: &Pattern, text: &'t str) -> Vec<&'t str> {
        let (mut at, mut found) = (0, Vec::new());
        while let Some((start, end)) = separator.find(text, at) {
            found.push(&text[at..start]);
            at = match text[start..].chars().next() {
                // Nothing matched: go on behind the next character.
                Some(next) if end == start => start + next.len_utf8(),
                _ => end,
            };
            if at >= text.len() {
                break;
            }
        }
        found.push(&text[at..]);
        found.retain(|token| self.long_enough(token));
        found
    }
}

impl Kernel for Tokenizer {
    fn is_open(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &[Fact], open: &TDim) -> TractResult<TVec<Fact>> {
        let mut shape = texts(only(inputs)?)?.clone();
        ensure!(matches!(shape.len(), 1 | 2), "expected texts in one or two dimensions, given {}", shape.len());
        shape.push(open.clone());
        Ok(tvec![(String::datum_type(), shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let rows: Vec<Vec<&str>> = strings(inputs[0])?.iter().map(|text| self.tokens(text)).collect();
        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
        let marks = if self.mark && most > 0 { 2 } else { 0 };
        let mut out: Vec<String> = Vec::with_capacity(rows.len() * (most + marks));
        for row in rows {
            let pads = most - row.len();
            out.extend((marks > 0).then(|| START.to_owned()));
            out.extend(row.into_iter().map(str::to_owned));
            out.extend((marks > 0).then(|| END.to_owned()));
            out.extend(std::iter::repeat_n(&self.pad, pads).cloned());
        }
        let shape: TVec<usize> = inputs[0].shape().iter().copied().chain([most + marks]).collect();
        Ok(tvec![tensor_of(&shape, out)?])
    }
}

/// Tokenizer of `com.microsoft`, which scikit-learn's text pipelines are exported with.
pub fn tokenizer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let least = attrs::int(node, "mincharnum").context("mincharnum is missing")?;
    let least = usize::try_from(least).ok().filter(|n| *n > 0).with_context(|| format!("mincharnum is {least}"))?;
    let separators = attrs::strings(node, "separators")?;
    let cut = match (attrs::text(node, "tokenexp")?.filter(|t| !t.is_empty()), &separators[..]) {
        (Some(pattern), []) => Cut::Matches(Pattern::piece(&pattern)?),
        (None, [only]) if only.is_empty() => {
            ensure!(least == 1, "mincharnum is {least}, and tokens are single characters");
            Cut::Characters
        }
        (None, [_, ..]) => {
            ensure!(separators.iter().all(|s| !s.is_empty()), "a separator is empty");
            Cut::Between(separators.iter().map(|s| Pattern::piece(s)).collect::<TractResult<_>>()?)
        }
        (Some(_), _) => bail!("both tokenexp and separators are given"),
        (None, []) => bail!("neither tokenexp nor separators are given"),
    };
    let pad = attrs::text(node, "pad_value")?.context("pad_value is missing")?;
    Ok(Arc::new(Tokenizer { cut, pad, mark: attrs::int(node, "mark").unwrap_or(0) != 0, least }))
}

/// Elements of two tensors joined, the shapes broadcast.
#[derive(Debug)]
struct Concat;

impl Kernel for Concat {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let [a, b] = inputs else { bail!("expected two inputs, given {}", inputs.len()) };
        let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&[texts(a)?, texts(b)?])?;
        Ok(tvec![(String::datum_type(), shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shapes: [TVec<usize>; 2] = [inputs[0].shape().into(), inputs[1].shape().into()];
        let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&shapes)?;
        let view = |tensor: &Tensor| -> TractResult<_> {
            let view = tensor.to_plain_array_view::<String>()?;
            Ok(view.broadcast(&*shape).context("the shapes do not fit")?.to_owned())
        };
        let (a, b) = (view(inputs[0])?, view(inputs[1])?);
        let joined = a.iter().zip(b.iter()).map(|(a, b)| format!("{a}{b}")).collect::<Vec<String>>();
        Ok(tvec![tensor_of(&shape, joined)?])
    }
}

/// StringConcat.
pub fn concat(_: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(Concat))
}

#[derive(Debug)]
struct FullMatch(Pattern);

impl Kernel for FullMatch {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![(bool::datum_type(), texts(only(inputs)?)?.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let matched = strings(inputs[0])?.iter().map(|text| self.0.is_match(text));
        Ok(tvec![tensor_of(inputs[0].shape(), matched.collect::<Vec<bool>>())?])
    }
}

/// RegexFullMatch.
pub fn full_match(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(FullMatch(Pattern::whole(&attrs::text(node, "pattern")?.context("pattern is missing")?)?)))
}

/// Parts of every text, padded with empty ones, and how many there are.
#[derive(Debug)]
struct Split {
    /// None: at stretches of white space.
    delimiter: Option<String>,
    /// Cuts at most.
    most: Option<usize>,
}

impl Split {
    fn parts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let limit = self.most.map_or(usize::MAX, |most| most.saturating_add(1));
        if let Some(delimiter) = &self.delimiter {
            return text.splitn(limit, delimiter.as_str()).collect();
        }
        let (mut rest, mut parts) = (text.trim_start(), Vec::new());
        while !rest.is_empty() {
            if parts.len() + 1 == limit {
                parts.push(rest.trim_end());
                break;
            }
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            parts.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        parts
    }
}

impl Kernel for Split {
    fn outputs(&self) -> usize {
        2
    }

    fn is_open(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &[Fact], open: &TDim) -> TractResult<TVec<Fact>> {
        let shape = texts(only(inputs)?)?.clone();
        let mut parts = shape.clone();
        parts.push(open.clone());
        Ok(tvec![(String::datum_type(), parts), (i64::datum_type(), shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let rows: Vec<Vec<&str>> = strings(inputs[0])?.iter().map(|text| self.parts(text)).collect();
        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
        let counts: Vec<i64> = rows.iter().map(|row| row.len() as i64).collect();
        let pads = |row: &Vec<&str>| std::iter::repeat_n("", most - row.len());
        let parts = rows.iter().flat_map(|row| row.iter().copied().chain(pads(row))).map(str::to_owned);
        let parts: Vec<String> = parts.collect();
        let shape: TVec<usize> = inputs[0].shape().iter().copied().chain([most]).collect();
        Ok(tvec![tensor_of(&shape, parts)?, tensor_of(inputs[0].shape(), counts)?])
    }
}

/// StringSplit.
pub fn split(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let delimiter = attrs::text(node, "delimiter")?.filter(|d| !d.is_empty());
    let most = attrs::int(node, "maxsplit").map(usize::try_from).transpose();
    let most = most.map_err(|_| format_err!("maxsplit is negative"))?;
    Ok(Arc::new(Split { delimiter, most }))
}
