//! What a metrics call asks for (reference §9.2).

use std::time::Duration;

use super::call::Query;
use super::definitions::Definition;
use super::fault::Fault;
use crate::resources::IsoDuration;

/// Points in one series at most.
const MAX_POINTS: i64 = 10_000;
/// Intervals Azure Monitor knows.
const INTERVALS: &[&str] = &["PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D"];

/// A condition on a dimension: one or several values, or `*` for a series each.
#[derive(Debug, PartialEq)]
pub struct Filter {
    pub dimension: String,
    values: Vec<String>,
    negative: bool,
}

impl Filter {
    /// Whether a value of the dimension belongs to what is asked for.
    pub fn lets_pass(&self, value: &str) -> bool {
        self.splits() || self.values.iter().any(|v| v.eq_ignore_ascii_case(value)) != self.negative
    }

    /// Whether each value gets a series of its own.
    pub fn splits(&self) -> bool {
        self.values.iter().any(|v| v == "*")
    }

    /// Whether the answer names this dimension's value.
    pub fn names_series(&self) -> bool {
        !self.negative
    }

    pub fn first_value(&self) -> String {
        self.values.first().cloned().unwrap_or_default()
    }
}

/// A metrics call, understood.
#[derive(Debug)]
pub struct MetricsQuery {
    /// Unix seconds, a multiple of 60.
    pub start: i64,
    /// Unix seconds, exclusive.
    pub end: i64,
    pub interval_s: i64,
    pub interval_text: String,
    pub metrics: Vec<&'static Definition>,
    /// In lower case: `average`, `total`, `minimum`, `maximum`, `count`.
    pub aggregations: Vec<String>,
    pub filters: Vec<Filter>,
}

impl MetricsQuery {
    /// Reads the query against the metrics there are.
    pub fn of(query: &Query, known: &'static [Definition]) -> Result<Self, Fault> {
        let (start, end) = timespan(query.get("timespan"))?;
        let interval_text = query.get("interval").filter(|t| !t.is_empty()).unwrap_or("PT1M").to_uppercase();
        if !INTERVALS.contains(&interval_text.as_str()) {
            return Err(Fault::property(
                "interval",
                format!("The interval \"{interval_text}\" is not possible. Use one of {}.", INTERVALS.join(", ")),
            ));
        }
        let interval: IsoDuration = if interval_text == "P1D" {
            IsoDuration(Duration::from_secs(86_400))
        } else {
            interval_text.parse().map_err(|e: String| Fault::property("interval", e))?
        };
        let interval_s = i64::try_from(interval.0.as_secs()).unwrap_or(60).max(60);
        if (end - start) / interval_s > MAX_POINTS {
            return Err(Fault::property(
                "timespan",
                format!(
                    "The time span holds more than {MAX_POINTS} points of {interval_text}. Ask for a shorter span or a longer interval."
                ),
            ));
        }
        let aggregations = list(query.get("aggregation")).map(str::to_ascii_lowercase).collect::<Vec<_>>();
        if let Some(wrong) =
            aggregations.iter().find(|a| !["average", "total", "minimum", "maximum", "count"].contains(&a.as_str()))
        {
            return Err(Fault::property(
                "aggregation",
                format!("The aggregation \"{wrong}\" does not exist. Use Average, Total, Minimum, Maximum or Count."),
            ));
        }
        Ok(Self {
            start,
            end,
            interval_s,
            interval_text,
            metrics: metrics(query.get("metricnames"), known)?,
            aggregations: if aggregations.is_empty() { vec!["average".into()] } else { aggregations },
            filters: filters(query.get("$filter").unwrap_or_default(), known)?,
        })
    }

    /// Start and end of each interval.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let count = (self.end - self.start + self.interval_s - 1) / self.interval_s;
        (0..count.max(0)).map(|i| {
            let start = self.start + i * self.interval_s;
            (start, (start + self.interval_s).min(self.end))
        })
    }
}

fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The last hour unless told otherwise; whole minutes.
fn timespan(text: Option<&str>) -> Result<(i64, i64), Fault> {
    let Some(text) = text.filter(|t| !t.is_empty()) else {
        let end = super::tokens::now_s().div_euclid(60) * 60 + 60;
        return Ok((end - 3_600, end));
    };
    let wrong = || {
        Fault::property(
            "timespan",
            format!(
                "The time span \"{text}\" is not <start>/<end>, two times such as 2026-01-01T00:00:00Z with the earlier first."
            ),
        )
    };
    let (start, end) = text.split_once('/').ok_or_else(wrong)?;
    let second = |text: &str| -> Result<i64, Fault> {
        // A plus sign of an offset arrives as a space when the caller does not encode it.
        let text = text.trim().replace(' ', "+");
        let time = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse()).map_err(|_| wrong())?;
        Ok(time.as_second())
    };
    let (start, end) = (second(start)?, second(end)?);
    if start >= end {
        return Err(wrong());
    }
    Ok((start.div_euclid(60) * 60, end))
}

fn metrics(names: Option<&str>, known: &'static [Definition]) -> Result<Vec<&'static Definition>, Fault> {
    let mut chosen = Vec::new();
    for name in list(names) {
        let found = known.iter().find(|d| d.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|d| d.name).collect();
            Fault::property(
                "metricnames",
                format!("There is no metric \"{name}\" here. There are {}.", names.join(", ")),
            )
        })?;
        chosen.push(found);
    }
    if chosen.is_empty() {
        chosen.extend(known.iter().find(|d| d.name == "RequestsPerMinute"));
    }
    Ok(chosen)
}

/// Reads `a eq 'x' and b eq '*'`; `or` between values of one dimension.
fn filters(text: &str, known: &[Definition]) -> Result<Vec<Filter>, Fault> {
    let mut all: Vec<Filter> = Vec::new();
    for part in words(text) {
        let wrong = || {
            Fault::property(
                "$filter",
                format!(
                    "The filter \"{text}\" is not understood. Write for example: deployment eq 'blue' and statusCodeClass eq '*'."
                ),
            )
        };
        let [dimension, operator, value] = part.as_slice() else { return Err(wrong()) };
        let negative = match operator.to_ascii_lowercase().as_str() {
            "eq" => false,
            "ne" => true,
            _ => return Err(wrong()),
        };
        let name =
            known.iter().flat_map(|d| d.dimensions).find(|d| d.eq_ignore_ascii_case(dimension)).ok_or_else(|| {
                Fault::property(
                    "$filter",
                    format!("There is no dimension \"{dimension}\" here. See metricDefinitions for those there are."),
                )
            })?;
        match all.iter_mut().find(|f| f.dimension == *name && f.negative == negative) {
            Some(filter) => filter.values.push(value.clone()),
            None => all.push(Filter { dimension: (*name).to_owned(), values: vec![value.clone()], negative }),
        }
    }
    Ok(all)
}

/// The conditions of a filter as words; quotes hold words together, parentheses are dropped.
fn words(text: &str) -> Vec<Vec<String>> {
    let mut conditions = vec![Vec::new()];
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, quoted, after) = if let Some(inner) = rest.strip_prefix('\'') {
            let end = inner.find('\'').unwrap_or(inner.len());
            (&inner[..end], true, inner.get(end + 1..).unwrap_or(""))
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == '\'').unwrap_or(rest.len());
            (&rest[..end], false, &rest[end..])
        };
        rest = after.trim_start();
        let bare = if quoted { word } else { word.trim_matches(['(', ')']) };
        let joins = !quoted && (bare.eq_ignore_ascii_case("and") || bare.eq_ignore_ascii_case("or"));
        if joins {
            conditions.push(Vec::new());
        } else if (quoted || !bare.is_empty())
            && let Some(last) = conditions.last_mut()
        {
            last.push(bare.to_owned());
        }
    }
    if conditions.len() == 1 && conditions[0].is_empty() { Vec::new() } else { conditions }
}

#[cfg(test)]
mod tests {
    use super::super::definitions::definitions;
    use super::*;
    use proptest::prelude::*;

    fn ask(text: &str) -> Result<MetricsQuery, Fault> {
        MetricsQuery::of(&Query::parse(text), definitions(false))
    }

    #[test]
    fn filters_are_read() {
        let q = ask("$filter=(deployment eq 'blue' or deployment eq 'green') and statusCodeClass ne '5xx'").unwrap();
        assert!(q.filters[0].lets_pass("Green") && !q.filters[0].lets_pass("red"));
        assert!(q.filters[1].lets_pass("2xx") && !q.filters[1].lets_pass("5xx"));
        assert!(ask("").unwrap().filters.is_empty());
    }

    #[test]
    fn what_is_not_possible_is_named() {
        for (text, target) in [
            ("interval=PT2M", "interval"),
            ("timespan=yesterday", "timespan"),
            ("timespan=2026-01-02T00:00:00Z/2026-01-01T00:00:00Z", "timespan"),
            ("timespan=2000-01-01T00:00:00Z/2026-01-01T00:00:00Z", "timespan"),
            ("metricnames=Nope", "metricnames"),
            ("aggregation=Median", "aggregation"),
            ("$filter=deployment", "$filter"),
            ("$filter=colour eq 'blue'", "$filter"),
        ] {
            assert_eq!(ask(text).unwrap_err().error.target.as_deref(), Some(target), "{text}");
        }
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        let q = ask("timespan=2026-01-01T00:00:00/2026-01-01T01:00:00+00:00").unwrap();
        assert_eq!(q.end - q.start, 3_600);
        assert_eq!(q.buckets().count(), 60);
    }

    proptest! {
        #[test]
        fn no_query_panics(filter in ".{0,60}", timespan in "[0-9TZ:/+-]{0,50}", names in ".{0,20}") {
            let _ = words(&filter);
            let text = Query::default().with("$filter", &filter);
            let _ = ask(&format!("{text}&timespan={timespan}&metricnames={names}"));
        }
    }
}
