//! `mlconsole load`

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use super::error::CliError;
use super::output::{Table, bytes as size, facts, millis, note, one_line, print, print_json};
use super::{Session, invoke, person_watches};
use crate::client::{ClientError, Workspace};
use crate::load::{self, LatencyReport, LoadPlan, LoadProgress, LoadReport, Pace, Stop};

/// Flags of `load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Endpoint
    name: String,
    /// Requests a second
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// For how long: `30s`, `5m`, `1h`
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    duration: Duration,
    /// Body of the requests, in turn when given several times
    #[arg(long, short, value_name = "FILE", required = true)]
    request_file: Vec<PathBuf>,
    /// Ask this deployment, past the traffic split
    #[arg(long, short, value_name = "NAME")]
    deployment: Option<String>,
    /// Random gaps, as of many independent callers, instead of even ones
    #[arg(long)]
    poisson: bool,
    /// At most so many requests under way at once; the schedule does not wait for them
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Below the endpoint's address
    #[arg(long, value_name = "PATH", default_value = "/score")]
    path: String,
    /// Also write the whole report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// `30s`, `500ms`, `1m30s`, `2h`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time such as 30s, 5m or 1h");
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

pub(super) async fn run(args: LoadArgs, session: &Session) -> Result<(), CliError> {
    let bodies = args.request_file.iter().map(|file| invoke::read_body(file)).collect::<Result<Vec<_>, _>>()?;
    let mut plan = plan(&session.workspace, &args.name, &args.path, bodies).await?;
    if let Some(deployment) = &args.deployment {
        let value = HeaderValue::from_str(deployment)
            .map_err(|_| CliError::usage(format!("{deployment:?} cannot be the name of a deployment")))?;
        plan.headers.insert("azureml-model-deployment", value);
    }
    plan.pace = if args.poisson { Pace::Poisson(args.rate) } else { Pace::Constant(args.rate) };
    plan.duration = Some(args.duration);
    plan.connections = args.connections;

    let stop = Stop::default();
    let watched = person_watches();
    let work = load::run(plan, stop.clone(), |progress| show_progress(progress, args.duration, watched));
    let mut work = std::pin::pin!(work);
    let result = tokio::select! {
        result = &mut work => result,
        () = session.interrupts.reached(1) => {
            stop.stop();
            work.await
        }
    };
    if watched {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let report = result.map_err(CliError::usage)?;
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| CliError::failed(e.to_string()))?;
        std::fs::write(file, text)
            .map_err(|e| CliError::failed(format!("the report {} cannot be written: {e}", file.display())))?;
    }
    if session.json() {
        print_json(&report)?;
    } else {
        print(&report_text(&report))?;
    }
    if report.all_ok() { Ok(()) } else { Err(CliError::Said) }
}

/// What every load on an endpoint has in common; no duration, 10 requests a second.
async fn plan(workspace: &Workspace, endpoint: &str, path: &str, bodies: Vec<Bytes>) -> Result<LoadPlan, ClientError> {
    let access = workspace.scoring_access(endpoint).await?;
    let mut headers = HeaderMap::new();
    let mut authorization = HeaderValue::from_str(&access.authorization)
        .map_err(|_| ClientError::protocol("the endpoint's key cannot be sent in a header"))?;
    authorization.set_sensitive(true);
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(LoadPlan {
        http: workspace.http(),
        method: Method::POST,
        url: access.url(path),
        headers,
        bodies,
        pace: Pace::Constant(10.0),
        duration: None,
        connections: 64,
        timeout: Duration::from_secs(310),
        seed: 1,
    })
}

/// Guests of a group in the demo's traffic, and single requests for each group.
const GROUP: usize = 400;
const SINGLES: usize = 29;

/// The gentle traffic of the demo: it swells and ebbs like a day of two minutes, with a trickle beside it, until `stop`.
///
/// One request in thirty asks for a whole group of guests. Blue's three opinions are added up fast for any number of
/// them; green, which also asks what similar guests chose, takes several times as long: so it is sometimes slow.
///
/// # Errors
/// When an endpoint's address or credential cannot be had.
pub async fn demo_load(workspace: Workspace, stop: Stop) -> Result<LoadReport, ClientError> {
    use crate::client::sample;
    let only = |named: Vec<(String, Bytes)>| named.into_iter().map(|(_, body)| body).collect::<Vec<_>>();
    let mut bodies: Vec<Bytes> = only(sample::requests()).into_iter().cycle().take(SINGLES).collect();
    bodies.push(sample::group_request(GROUP));
    let mut day = plan(&workspace, sample::ENDPOINT, "/score", bodies).await?;
    day.pace = Pace::Rhythm(std::sync::Arc::new(demo_rate));
    let mut trickle = plan(&workspace, sample::REVIEWS, "/score", only(sample::review_requests())).await?;
    trickle.pace = Pace::Poisson(4.0);
    for plan in [&mut day, &mut trickle] {
        plan.connections = 16;
        plan.timeout = Duration::from_secs(10);
    }
    let (day, trickle) = tokio::join!(load::run(day, stop.clone(), |_| {}), load::run(trickle, stop, |_| {}));
    trickle.and(day).map_err(ClientError::local)
}

/// Requests a second, `at` seconds after the start: lunch and dinner.
fn demo_rate(at: f64) -> f64 {
    let day = (at / 120.0).fract();
    let meal = |center: f64, width: f64| (-((day - center) / width).powi(2)).exp();
    18.0 + 30.0 * meal(0.35, 0.08) + 45.0 * meal(0.75, 0.1)
}

fn show_progress(progress: &LoadProgress, length: Duration, watched: bool) {
    let split: Vec<String> =
        progress.deployments.iter().map(|(name, count)| format!("{} {count}", one_line(name))).collect();
    let waiting = if progress.waiting > 0 { format!("  waiting {}", progress.waiting) } else { String::new() };
    let line = format!(
        "{:>4.0} of {:.0} s  {:>6.0}/s  p50 {}  p99 {} ms  not ok {}{waiting}  {}",
        progress.elapsed.as_secs_f64(),
        length.as_secs_f64(),
        progress.per_second,
        millis(progress.p50_ms),
        millis(progress.p99_ms),
        progress.not_ok,
        split.join("  "),
    );
    if watched {
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        let _ = std::io::stderr().flush();
    } else {
        note(&line);
    }
}

fn report_text(report: &LoadReport) -> String {
    let wanted = report.wanted_rate.map(|rate| format!(" of {rate:.0} wanted")).unwrap_or_default();
    let counts = |map: &std::collections::BTreeMap<u16, u64>| {
        map.iter().map(|(status, count)| format!("{status} ×{count}")).collect::<Vec<_>>().join("  ")
    };
    let mut text = facts(&[
        (
            "Requests",
            format!("{} in {:.1} s: {:.1}/s{wanted}", report.answered, report.elapsed_s, report.achieved_rate),
        ),
        ("Statuses", counts(&report.statuses)),
        (
            "No answer",
            report.errors.iter().map(|(kind, count)| format!("{kind} ×{count}")).collect::<Vec<_>>().join("  "),
        ),
        ("Not sent", if report.not_sent > 0 { report.not_sent.to_string() } else { String::new() }),
        ("Received", size(report.bytes_received)),
    ]);
    let mut table = Table::new(&["MS", ">REQUESTS", ">MEAN", ">P50", ">P90", ">P95", ">P99", ">P99.9", ">MAX"]);
    let mut row = |name: &str, latency: &Option<LatencyReport>| {
        if let Some(l) = latency {
            let numbers = [Some(l.mean_ms), l.p50_ms, l.p90_ms, l.p95_ms, l.p99_ms, l.p999_ms, Some(l.max_ms)];
            table.row([name.to_owned(), l.samples.to_string()].into_iter().chain(numbers.map(millis)));
        }
    };
    row("latency", &report.latency);
    row("service time", &report.service_time);
    for (name, of) in &report.deployments {
        row(name, &of.latency);
    }
    if !table.is_empty() {
        text.push_str(&format!("\n\n{}", table.render()));
    }
    let mut split = Table::new(&["DEPLOYMENT", ">ANSWERS", ">SHARE %", ">NOT OK", "STATUSES"]);
    for (name, of) in &report.deployments {
        split.row([
            name.clone(),
            of.answered.to_string(),
            format!("{:.2}", of.share * 100.0),
            of.not_ok.to_string(),
            counts(&of.statuses),
        ]);
    }
    if !split.is_empty() {
        text.push_str(&format!("\n\n{}", split.render()));
    }
    if let Some(histogram) = report.latency.as_ref().map(histogram).filter(|text| !text.is_empty()) {
        text.push_str(&format!("\n\n{histogram}"));
    }
    if report.not_sent > 0 {
        text.push_str(&format!(
            "\n\n{} requests were never sent: all {} connections were busy. The latencies are too good; lower the rate or \
             raise --connections.",
            report.not_sent, report.connections
        ));
    }
    if report.stopped_early {
        text.push_str("\n\nstopped early");
    }
    text
}

/// A bar a bucket.
fn histogram(latency: &LatencyReport) -> String {
    const WIDEST: f64 = 40.0;
    let most = latency.buckets.iter().map(|(_, count)| *count).max().unwrap_or(1) as f64;
    let mut table = Table::new(&[">UP TO MS", ">REQUESTS", ""]);
    for (upper, count) in &latency.buckets {
        let width = (*count as f64 / most * WIDEST).ceil() as usize;
        table.row([millis(Some(*upper)), count.to_string(), "█".repeat(width)]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_written_as_people_do() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "x", "-5", "-5s", "1e400", "inf"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in ".{0,24}") {
            let _ = parse_duration(&text);
        }
    }

    #[test]
    fn the_demo_is_gentle() {
        assert!((0..1200).all(|i| (10.0..100.0).contains(&demo_rate(f64::from(i) / 10.0))));
    }
}
