//! `mlconsole traffic …`

use clap::Subcommand;
use serde_json::json;

use super::error::CliError;
use super::output::{Table, note, one_line, print, print_json, time, traffic_text};
use super::{Session, progress};
use crate::client::JournalQuery;
use crate::resources::traffic::{TrafficMap, Weight, sum};
use crate::resources::{Endpoint, JournalEntry};

/// Who answers an endpoint's requests.
#[derive(Debug, Subcommand)]
pub enum TrafficCommand {
    /// The split in force
    Show {
        /// Endpoint
        name: String,
    },
    /// Set the split as a whole: `traffic set restaurants blue=90 green=10`
    Set {
        /// Endpoint
        name: String,
        /// Percent of each deployment; the rest get nothing. Together 100, or 0 for none at all
        #[arg(required = true, value_name = "DEPLOYMENT=PERCENT")]
        weights: Vec<String>,
    },
    /// Copy a share of the requests to another deployment, whose answers are thrown away
    Mirror {
        /// Endpoint
        name: String,
        /// `green=10`, or `none`
        #[arg(required = true, value_name = "DEPLOYMENT=PERCENT|none")]
        weights: Vec<String>,
    },
    /// The changes made, newest first
    History {
        /// Endpoint
        name: String,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Take the last change back; once more brings it back
    Undo {
        /// Endpoint
        name: String,
    },
}

pub(super) async fn run(command: TrafficCommand, session: &Session) -> Result<(), CliError> {
    match command {
        TrafficCommand::Show { name } => show(session, &name).await,
        TrafficCommand::Set { name, weights } => {
            let wanted = parse_weights(&weights)?;
            check_sum(&wanted)?;
            let endpoint = session.workspace.endpoint(&name).await?;
            change(session, &endpoint, &wanted, "set traffic").await
        }
        TrafficCommand::Mirror { name, weights } => mirror(session, &name, &weights).await,
        TrafficCommand::History { name, limit } => history(session, &name, limit).await,
        TrafficCommand::Undo { name } => undo(session, &name).await,
    }
}

/// `blue=90` of each argument; commas work as well as spaces.
pub(super) fn parse_weights(arguments: &[String]) -> Result<TrafficMap, CliError> {
    let mut map = TrafficMap::new();
    for part in arguments.iter().flat_map(|argument| argument.split(',')).map(str::trim).filter(|p| !p.is_empty()) {
        let wrong = |why: &str| CliError::usage(format!("{part:?} is no share of traffic: {why}, e.g. blue=90"));
        let (name, percent) = part.split_once('=').ok_or_else(|| wrong("write DEPLOYMENT=PERCENT"))?;
        let (name, percent) = (name.trim(), percent.trim().trim_end_matches('%').trim_end());
        if name.is_empty() {
            return Err(wrong("the deployment's name is missing"));
        }
        let percent: f64 = percent.parse().map_err(|_| wrong("the percentage must be a number"))?;
        let weight: Weight = serde_json::from_value(json!(percent))
            .map_err(|_| wrong("the percentage must be between 0 and 100, in steps of 0.01"))?;
        if map.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(wrong("the deployment is named twice"));
        }
        map.insert(name.to_owned(), weight);
    }
    if map.is_empty() {
        return Err(CliError::usage("no share of traffic is given: write DEPLOYMENT=PERCENT, e.g. blue=90 green=10"));
    }
    Ok(map)
}

/// A split is all of the traffic, or none.
fn check_sum(map: &TrafficMap) -> Result<(), CliError> {
    let total = sum(map);
    if matches!(total, 0 | 10_000) {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{} is {} % together: a split must sum to 100 (or 0, to send no traffic at all)",
        traffic_text(map),
        f64::from(total) / 100.0
    )))
}

/// Compare-and-swap, before → after.
async fn change(session: &Session, endpoint: &Endpoint, wanted: &TrafficMap, what: &str) -> Result<(), CliError> {
    let before = endpoint.properties.traffic.clone();
    let name = &endpoint.name;
    let pending = session.workspace.set_traffic(name, wanted, endpoint.etag.as_deref()).await?;
    progress::follow(session, pending, &format!("{what} of {name}")).await?;
    let now = session.workspace.endpoint(name).await?;
    report(session, &now, &before, &now.properties.traffic)
}

fn report(session: &Session, endpoint: &Endpoint, before: &TrafficMap, after: &TrafficMap) -> Result<(), CliError> {
    if session.json() {
        return print_json(endpoint);
    }
    print(&difference(before, after))
}

/// `  blue   100 → 90`, a line a deployment.
fn difference(before: &TrafficMap, after: &TrafficMap) -> String {
    let mut table = Table::new(&["DEPLOYMENT", ">BEFORE", "", ">AFTER"]);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let of = |map: &TrafficMap| map.get(name).copied().unwrap_or_default().to_string();
        let (was, is) = (of(before), of(after));
        let sign = if was == is { "=" } else { "→" };
        table.row([name.clone(), was, sign.to_owned(), is]);
    }
    table.render()
}

async fn show(session: &Session, name: &str) -> Result<(), CliError> {
    let endpoint = session.workspace.endpoint(name).await?;
    if session.json() {
        let properties = &endpoint.properties;
        return print_json(&json!({"traffic": properties.traffic, "mirrorTraffic": properties.mirror_traffic}));
    }
    let deployments = session.workspace.deployments(name).await?;
    if deployments.is_empty() {
        note(&format!("endpoint {} has no deployments yet: its requests are answered with 404", one_line(name)));
        return Ok(());
    }
    let now = super::now::Now::of(session, name).await;
    print(&super::endpoint::deployment_table(&endpoint, &deployments, &now))?;
    now.tell_troubles();
    Ok(())
}

async fn mirror(session: &Session, name: &str, weights: &[String]) -> Result<(), CliError> {
    let none = weights.len() == 1 && weights[0].eq_ignore_ascii_case("none");
    let wanted = if none { TrafficMap::new() } else { parse_weights(weights)? };
    let endpoint = session.workspace.endpoint(name).await?;
    let before = endpoint.properties.mirror_traffic.clone();
    let pending = session.workspace.set_mirror(name, &wanted, endpoint.etag.as_deref()).await?;
    progress::follow(session, pending, &format!("set mirror traffic of {name}")).await?;
    let now = session.workspace.endpoint(name).await?;
    report(session, &now, &before, &now.properties.mirror_traffic)
}

async fn entries(session: &Session, name: &str, limit: u32) -> Result<Vec<JournalEntry>, CliError> {
    // The journal outlives endpoints: without this a wrong name would look like an endpoint without history.
    let endpoint = session.workspace.endpoint(name).await?;
    let query = JournalQuery {
        endpoint: Some(endpoint.name),
        action: Some("traffic".into()),
        before: None,
        limit: Some(limit),
    };
    Ok(session.workspace.journal(&query).await?)
}

async fn history(session: &Session, name: &str, limit: u32) -> Result<(), CliError> {
    let entries = entries(session, name, limit).await?;
    if session.json() {
        return print_json(&entries);
    }
    if entries.is_empty() {
        note("the traffic of this endpoint was never changed");
        return Ok(());
    }
    let mut table = Table::new(&["TIME", "WHO", "FROM", "TO", "OUTCOME"]);
    for entry in entries {
        table.row([time(entry.at_ms), entry.who.clone(), map_text(&entry.from), map_text(&entry.to), entry.outcome]);
    }
    table.print()
}

fn map_text(value: &serde_json::Value) -> String {
    serde_json::from_value::<TrafficMap>(value.clone()).map_or_else(|_| "–".into(), |map| traffic_text(&map))
}

async fn undo(session: &Session, name: &str) -> Result<(), CliError> {
    let entries = entries(session, name, 50).await?;
    let last = entries
        .iter()
        .find(|entry| entry.outcome == "done")
        .ok_or_else(|| CliError::failed(format!("there is no traffic change of {name} to take back")))?;
    let read = |value: &serde_json::Value| serde_json::from_value::<TrafficMap>(value.clone()).unwrap_or_default();
    let (from, to) = (read(&last.from), read(&last.to));
    let endpoint = session.workspace.endpoint(name).await?;
    // Whatever changed the split past the journal is not undone by undoing something else.
    if !same(&endpoint.properties.traffic, &to) {
        return Err(CliError::failed(format!(
            "the traffic of {name} is {}, but its last recorded change made it {}: set it explicitly with `mlconsole \
             traffic set`",
            traffic_text(&endpoint.properties.traffic),
            traffic_text(&to)
        )));
    }
    change(session, &endpoint, &from, "undo the last traffic change").await
}

/// Absent and 0 mean the same.
fn same(a: &TrafficMap, b: &TrafficMap) -> bool {
    let non_zero = |map: &TrafficMap| -> Vec<(String, Weight)> {
        map.iter().filter(|(_, w)| !w.is_zero()).map(|(name, w)| (name.to_ascii_lowercase(), *w)).collect()
    };
    non_zero(a) == non_zero(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(arguments: &[&str]) -> Result<TrafficMap, CliError> {
        parse_weights(&arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn shares_are_read_in_every_usual_spelling() {
        let expected = TrafficMap::from([("blue".into(), Weight::percent(90)), ("green".into(), Weight::percent(10))]);
        for spelling in [&["blue=90", "green=10"][..], &["blue=90,green=10"], &["blue=90%", " green = 10 % "]] {
            assert_eq!(parse(spelling).unwrap(), expected, "{spelling:?}");
        }
        assert_eq!(parse(&["a=0.01"]).unwrap()["a"].hundredths(), 1);
    }

    #[test]
    fn wrong_shares_name_the_argument_and_end_with_code_2() {
        for wrong in [
            &["blue"][..],
            &["=5"],
            &["blue=x"],
            &["blue=101"],
            &["blue=-1"],
            &["blue=1", "BLUE=2"],
            &["blue=0.001"],
            &[","],
        ] {
            let error = parse(wrong).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong:?}: {error}");
        }
        let error = check_sum(&parse(&["blue=90", "green=5"]).unwrap()).unwrap_err();
        assert!(error.to_string().contains("95 %"), "{error}");
    }

    #[test]
    fn the_change_is_shown_before_and_after() {
        let before = parse(&["blue=100"]).unwrap();
        let after = parse(&["blue=90", "green=10"]).unwrap();
        let text = difference(&before, &after);
        assert_eq!(text.lines().nth(1), Some("blue           100  →     90"), "{text}");
        assert_eq!(text.lines().nth(2), Some("green            0  →     10"), "{text}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in ".{0,40}") {
            let _ = parse(&[&text]);
        }

        #[test]
        fn what_is_written_is_read(weights in proptest::collection::btree_map("[a-z]{3,8}", 0_u16..=10_000, 1..5)) {
            let arguments: Vec<String> =
                weights.iter().map(|(name, w)| format!("{name}={}", f64::from(*w) / 100.0)).collect();
            let read = parse_weights(&arguments).unwrap();
            prop_assert!(weights.iter().all(|(name, w)| read[name].hundredths() == *w));
        }
    }
}
