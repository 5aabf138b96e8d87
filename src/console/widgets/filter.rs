//! The filter language: fuzzy by default, `~` a regular expression, `!` all but these.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A filter as typed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub text: String,
    inverse: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Default)]
enum Kind {
    #[default]
    All,
    Fuzzy(Pattern),
    Regex(regex::Regex),
    Broken(String),
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Filter {
    /// Reads what was typed. A broken regular expression filters nothing and says why.
    pub fn new(text: &str) -> Self {
        let (inverse, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let kind = match rest.strip_prefix('~') {
            _ if rest.is_empty() => Kind::All,
            Some("") => Kind::All,
            Some(pattern) => match regex::RegexBuilder::new(pattern).case_insensitive(true).size_limit(1 << 20).build()
            {
                Ok(regex) => Kind::Regex(regex),
                Err(error) => Kind::Broken(reason(&error)),
            },
            None => Kind::Fuzzy(Pattern::parse(rest, CaseMatching::Smart, Normalization::Smart)),
        };
        Self { text: text.into(), inverse, kind }
    }

    /// Fuzzy only: `!` and `~` stand for themselves.
    pub fn fuzzy(text: &str) -> Self {
        let kind = match text {
            "" => Kind::All,
            text => Kind::Fuzzy(Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart)),
        };
        Self { text: text.into(), inverse: false, kind }
    }

    /// What is wrong with it.
    pub fn error(&self) -> Option<&str> {
        match &self.kind {
            Kind::Broken(why) => Some(why),
            _ => None,
        }
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::All | Kind::Broken(_))
    }

    /// Indices of the items that match: fuzzy ones best first, all others in their order.
    pub fn select<'t>(&self, items: impl Iterator<Item = &'t str>) -> Vec<usize> {
        match &self.kind {
            Kind::All | Kind::Broken(_) => (0..items.count()).collect(),
            Kind::Regex(regex) => {
                items.enumerate().filter(|(_, item)| regex.is_match(item) != self.inverse).map(|(at, _)| at).collect()
            }
            Kind::Fuzzy(pattern) => {
                let mut matcher = Matcher::new(Config::DEFAULT);
                let mut chars = Vec::new();
                let mut found: Vec<(u32, usize)> = items
                    .enumerate()
                    .filter_map(|(at, item)| {
                        let score = pattern.score(Utf32Str::new(item, &mut chars), &mut matcher);
                        if self.inverse { score.is_none().then_some((0, at)) } else { Some((score?, at)) }
                    })
                    .collect();
                found.sort_by_key(|(score, at)| (u32::MAX - score, *at));
                found.into_iter().map(|(_, at)| at).collect()
            }
        }
    }
}

fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_string();
    format!("not a regular expression: {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["restaurants", "fraud-check", "image-tagger", "fraud-scores"];

    fn pick(text: &str) -> Vec<&'static str> {
        let mut found: Vec<_> = Filter::new(text).select(NAMES.into_iter()).into_iter().map(|at| NAMES[at]).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn fuzzy_regex_and_inverse_select_what_they_say() {
        assert_eq!(pick("").len(), 4);
        assert_eq!(pick("frd"), ["fraud-check", "fraud-scores"]);
        assert_eq!(pick("~^image"), ["image-tagger"]);
        assert_eq!(pick("!frd"), ["image-tagger", "restaurants"]);
        assert_eq!(pick("!~s$"), ["fraud-check", "image-tagger"]);
    }

    #[test]
    fn a_broken_expression_says_why_and_hides_nothing() {
        let filter = Filter::new("~(");
        assert!(filter.error().unwrap().contains("not a regular expression"));
        assert_eq!(filter.select(NAMES.into_iter()).len(), 4);
    }
}
