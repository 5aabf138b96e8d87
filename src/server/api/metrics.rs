//! Azure Monitor metrics, from what the workspace has really measured (reference §9).

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::definitions::{Definition, definitions, localized, namespace};
use super::fault::Fault;
use super::metrics_gauges::{absence, reader};
use super::metrics_query::{Filter, MetricsQuery};
use crate::server::telemetry::{Gauges, Minute, MinuteRow};
use crate::stats::histogram::Histogram;

/// One time series: the values of the dimensions it stands for, and its minutes.
type Series<'r> = BTreeMap<Vec<(String, String)>, Vec<Part<'r>>>;

/// What one minute of one deployment adds to a series.
struct Part<'r> {
    row: &'r MinuteRow,
    /// Requests of the minute that belong to the series.
    requests: u64,
}

impl ControlPlane {
    pub(super) fn metrics(&self, call: &Call, endpoint: &str, deployment: Option<&str>) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("metrics", &["GET"]));
        }
        let resource = self.measured(endpoint, deployment)?;
        let query = MetricsQuery::of(&call.query, definitions(deployment.is_some()))?;
        let rows = self.app.telemetry.minutes(endpoint, deployment, query.start..query.end);
        self.measure(&query);
        let of_deployment = deployment.and_then(|deployment| self.app.telemetry.find(endpoint, deployment));
        let gauges = match deployment {
            None => Some(self.app.telemetry.gauges()),
            Some(_) => of_deployment.as_ref().map(|telemetry| telemetry.gauges()),
        };
        let value: Vec<Value> = query
            .metrics
            .iter()
            .map(|definition| {
                let mut metric = json!({
                    "id": format!("{resource}/providers/Microsoft.Insights/metrics/{}", definition.name),
                    "type": "Microsoft.Insights/metrics",
                    "name": localized(definition.name, definition.text),
                    "displayDescription": definition.text,
                    "unit": definition.unit,
                    "errorCode": "Success",
                    "timeseries": series(definition, &query, &rows, gauges),
                });
                if let (Some(why), Some(metric)) = (absence(definition), metric.as_object_mut()) {
                    metric.insert("errorMessage".to_owned(), why.into());
                }
                metric
            })
            .collect();
        Answer::ok(&json!({
            "cost": 0,
            "timespan": format!("{}/{}", time(query.start), time(query.end)),
            "interval": query.interval_text,
            "namespace": namespace(deployment.is_some()),
            "resourceregion": "local",
            "value": value,
        }))
    }
}

/// The time series of a metric: one, or one for each value of the dimensions split by.
fn series(definition: &Definition, query: &MetricsQuery, rows: &[MinuteRow], gauges: Option<&Gauges>) -> Vec<Value> {
    if let Some(read) = reader(gauges, definition) {
        let value = |(start, end)| match read(start..end) {
            Some((values, count)) => point(query, start, Some(values), count),
            None => point(query, start, None, 0),
        };
        return vec![json!({"metadatavalues": [], "data": query.buckets().map(value).collect::<Vec<_>>()})];
    }
    let counts_requests = definition.name == "RequestsPerMinute";
    let mut all: Series<'_> = BTreeMap::new();
    for row in rows {
        for (status, requests) in by_status(&row.minute) {
            let value_of = |dimension: &str| match dimension {
                "deployment" => row.deployment.clone(),
                "statusCode" | "envoy_response_code" => status.code.to_string(),
                "statusCodeClass" => status.class.to_owned(),
                "modelStatusCode" => status.model.to_owned(),
                _ => String::new(),
            };
            if !query.filters.iter().all(|filter| filter.lets_pass(&value_of(&filter.dimension))) {
                continue;
            }
            let key = query
                .filters
                .iter()
                .filter(|f| f.names_series())
                .map(|f| (f.dimension.clone(), value_of(&f.dimension)));
            let parts = all.entry(key.collect()).or_default();
            match parts.last_mut().filter(|part| std::ptr::eq(part.row, row)) {
                Some(part) => part.requests += requests,
                None => parts.push(Part { row, requests }),
            }
        }
    }
    if all.is_empty() && !query.filters.iter().any(Filter::splits) {
        let fixed = query.filters.iter().filter(|f| f.names_series()).map(|f| (f.dimension.clone(), f.first_value()));
        all.insert(fixed.collect(), Vec::new());
    }
    let render = |(key, parts): (Vec<(String, String)>, Vec<Part<'_>>)| {
        let metadata: Vec<Value> =
            key.iter().map(|(name, value)| json!({"name": localized(name, name), "value": value})).collect();
        let data: Vec<Value> = query
            .buckets()
            .map(|(start, end)| {
                let within: Vec<&Part<'_>> = parts.iter().filter(|p| (start..end).contains(&p.row.minute.at)).collect();
                let minutes = counted_minutes(&within);
                if counts_requests {
                    point(query, start, requests(&within), minutes)
                } else {
                    point(query, start, measured(definition, &within, minutes), minutes)
                }
            })
            .collect();
        json!({"metadatavalues": metadata, "data": data})
    };
    all.into_iter().map(render).collect()
}

fn counted_minutes(parts: &[&Part<'_>]) -> u64 {
    let mut minutes: Vec<i64> = parts.iter().map(|p| p.row.minute.at).collect();
    minutes.sort_unstable();
    minutes.dedup();
    minutes.len() as u64
}

/// Average, total, minimum and maximum of the requests per minute.
fn requests(parts: &[&Part<'_>]) -> Option<[f64; 4]> {
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    for part in parts {
        *minutes.entry(part.row.minute.at).or_default() += part.requests;
    }
    let total: u64 = minutes.values().sum();
    let (least, most) = (minutes.values().min()?, minutes.values().max()?);
    Some([total as f64 / minutes.len() as f64, total as f64, *least as f64, *most as f64])
}

/// The same of a latency in milliseconds, or of bytes per second; `None` where nothing was measured.
fn measured(definition: &Definition, parts: &[&Part<'_>], minutes: u64) -> Option<[f64; 4]> {
    if parts.is_empty() {
        return None;
    }
    if definition.name == "NetworkBytes" {
        let bytes: u64 = parts.iter().map(|p| p.row.minute.bytes).sum();
        let average = bytes as f64 / (minutes as f64 * 60.0);
        return Some([average, bytes as f64, average, average]);
    }
    let share = match definition.name {
        "RequestLatency" => None,
        "RequestLatency_P50" => Some(0.50),
        "RequestLatency_P90" => Some(0.90),
        "RequestLatency_P95" => Some(0.95),
        "RequestLatency_P99" => Some(0.99),
        _ => return None,
    };
    let mut histogram = Histogram::new();
    for part in parts {
        histogram.add_sparse(&part.row.minute.latency);
    }
    let us = match share {
        None => histogram.mean(),
        Some(share) => histogram.quantile(share),
    };
    us.map(|us| [us / 1_000.0; 4])
}

/// A point of a series; without a value it carries its time only.
fn point(query: &MetricsQuery, start: i64, value: Option<[f64; 4]>, count: u64) -> Value {
    let mut point = Map::new();
    point.insert("timeStamp".into(), time(start).into());
    if let Some([average, total, minimum, maximum]) = value {
        for aggregation in &query.aggregations {
            let value = match aggregation.as_str() {
                "total" => total,
                "minimum" => minimum,
                "maximum" => maximum,
                "count" => count as f64,
                _ => average,
            };
            point.insert(aggregation.clone(), value.into());
        }
    }
    Value::Object(point)
}

/// How an outcome is told in Azure's dimensions.
struct Status {
    code: u16,
    class: &'static str,
    /// What the model itself answered, where it is known.
    model: &'static str,
}

/// The requests of a minute by status. Errors of callers and of the service are told by their exact codes; those whose
/// code is not known any more count as 400 and 500, callers who left as 499.
fn by_status(minute: &Minute) -> Vec<(Status, u64)> {
    let counts = &minute.counts;
    let status = |code, class, model| Status { code, class, model };
    let mut all = vec![
        (status(200, "2xx", "200"), counts.ok),
        (status(408, "4xx", ""), counts.timeout),
        (status(424, "4xx", "500"), counts.model_error),
        (status(429, "4xx", ""), counts.refused),
        (status(499, "4xx", ""), counts.abandoned),
    ];
    for (class, range, rest, mut left) in
        [("4xx", 400..500, 400, counts.client_error), ("5xx", 500..600, 500, counts.server_error)]
    {
        for (code, n) in minute.codes.iter().filter(|(code, _)| range.contains(code)) {
            // A code is known at once, its second only when it is over.
            let n = (*n).min(left);
            all.push((status(*code, class, ""), n));
            left -= n;
        }
        all.push((status(rest, class, ""), left));
    }
    all
}

fn time(unix_s: i64) -> String {
    jiff::Timestamp::from_second(unix_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Counts;
    use crate::server::api::call::Query;

    fn rows() -> Vec<MinuteRow> {
        let row = |deployment: &str, at, ok, model_error| MinuteRow {
            endpoint: "e".into(),
            deployment: deployment.into(),
            minute: Minute {
                at,
                counts: Counts { ok, model_error, ..Counts::default() },
                bytes: 600,
                latency: vec![(5, 3)],
                codes: Vec::new(),
            },
        };
        vec![row("blue", 0, 90, 0), row("green", 0, 10, 5), row("blue", 60, 30, 0)]
    }

    fn ask(metric: &str, filter: &str, interval: &str) -> Vec<Value> {
        let text = format!(
            "timespan=1970-01-01T00:00:00Z/1970-01-01T00:03:00Z&interval={interval}&metricnames={metric}&aggregation=Average,Total&$filter={filter}"
        );
        let query = MetricsQuery::of(&Query::parse(&text), definitions(false)).unwrap();
        series(query.metrics[0], &query, &rows(), None)
    }

    #[test]
    fn requests_per_minute_add_up() {
        let all = ask("RequestsPerMinute", "", "PT1M");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0]["data"][0]["total"], 105.0);
        assert_eq!(all[0]["data"][1]["average"], 30.0);
        assert_eq!(all[0]["data"][2], json!({"timeStamp": "1970-01-01T00:02:00Z"}));
    }

    #[test]
    fn filters_choose_and_split() {
        let blue = ask("requestsperminute", "deployment eq 'blue'", "PT1M");
        assert_eq!((blue.len(), &blue[0]["data"][0]["total"]), (1, &json!(90.0)));
        assert_eq!(blue[0]["metadatavalues"][0]["value"], "blue");
        let split = ask("RequestsPerMinute", "deployment eq '*' and statusCodeClass eq '4xx'", "PT1M");
        let names: Vec<_> = split.iter().map(|s| s["metadatavalues"][0]["value"].clone()).collect();
        assert_eq!(names, ["blue", "green"]);
        assert_eq!(split[1]["data"][0]["total"], 5.0);
    }

    #[test]
    fn failures_are_told_by_their_code_as_far_as_it_is_known() {
        let counts = Counts { ok: 5, client_error: 4, server_error: 1, ..Counts::default() };
        let minute = Minute { counts, codes: vec![(413, 2), (503, 7), (404, 1)], ..Minute::default() };
        let told = by_status(&minute).into_iter().filter(|(_, n)| *n > 0).map(|(s, n)| (s.code, n));
        assert_eq!(told.collect::<Vec<_>>(), [(200, 5), (413, 2), (404, 1), (400, 1), (503, 1)]);
        assert_eq!(by_status(&minute).iter().map(|(_, n)| n).sum::<u64>(), counts.total());
    }

    #[test]
    fn gauges_are_shown_where_they_were_measured() {
        use crate::server::telemetry::Gauge;
        let gauges = Gauges::default();
        gauges.note(Gauge::Cpu, 10, 30.0);
        gauges.note(Gauge::Cpu, 20, 50.0);
        let text = "timespan=1970-01-01T00:00:00Z/1970-01-01T00:02:00Z&metricnames=CpuUtilizationPercentage&aggregation=Average,Maximum,Count";
        let query = MetricsQuery::of(&Query::parse(text), definitions(true)).unwrap();
        let all = series(query.metrics[0], &query, &[], Some(&gauges));
        let first = json!({"timeStamp": "1970-01-01T00:00:00Z", "average": 40.0, "maximum": 50.0, "count": 2.0});
        assert_eq!(all[0]["data"], json!([first, {"timeStamp": "1970-01-01T00:01:00Z"}]));
    }

    #[test]
    fn longer_intervals_gather_minutes() {
        let all = ask("RequestsPerMinute", "", "PT5M");
        assert_eq!(all[0]["data"][0]["total"], 135.0);
        assert_eq!(all[0]["data"][0]["average"], 67.5);
        let bytes = ask("NetworkBytes", "", "PT5M");
        assert_eq!(bytes[0]["data"][0]["average"], 15.0);
    }

    #[test]
    fn latency_needs_samples() {
        assert!(ask("RequestLatency", "", "PT1M")[0]["data"][0]["average"].as_f64().is_some());
        assert!(ask("RequestLatency_P99", "", "PT1M")[0]["data"][0].get("average").is_none());
    }
}
