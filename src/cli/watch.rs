//! A live table of what serves, for where the console cannot draw: one block a frame on standard output.

use std::collections::HashMap;
use std::io::IsTerminal as _;

use futures_util::StreamExt as _;

use super::error::CliError;
use super::output::{Table, note, print, print_json_line, time};
use super::{Session, load};
use crate::client::Workspace;
use crate::load::{LoadReport, Stop};
use crate::resources::{Counts, LiveFrame, Weight};

/// Prints the live table until the first ctrl-c, or until the workspace stops.
///
/// # Errors
/// When the feed cannot be had or breaks.
pub async fn watch(session: &Session) -> Result<(), CliError> {
    let in_place = std::io::stdout().is_terminal();
    let mut feed = session.workspace.live(0).await?;
    let mut before = HashMap::new();
    loop {
        let frame = tokio::select! {
            frame = feed.next() => frame,
            () = session.interrupts.reached(1) => return Ok(()),
        };
        let Some(frame) = frame else {
            note("the workspace stopped");
            return Ok(());
        };
        let frame = frame?;
        if session.json() {
            print_json_line(&frame)?;
            continue;
        }
        let text = table(&frame, &mut before);
        print(&if in_place { format!("\x1b[H\x1b[2J{text}") } else { format!("{text}\n") })?;
    }
}

/// Runs the demo's traffic until `stop`.
///
/// # Errors
/// When the endpoint cannot be reached.
pub async fn demo_load(workspace: Workspace, stop: Stop) -> Result<LoadReport, CliError> {
    Ok(load::demo_load(workspace, stop).await?)
}

/// Totals of the frame before, by endpoint and deployment, with its time.
type Before = HashMap<(String, String), (i64, Counts)>;

fn table(frame: &LiveFrame, before: &mut Before) -> String {
    let mut table =
        Table::new(&["ENDPOINT", "DEPLOYMENT", ">TRAFFIC %", ">READY", ">PER S", ">IN FLIGHT", ">REQUESTS", ">ERRORS"]);
    for endpoint in &frame.endpoints {
        for deployment in &endpoint.deployments {
            let key = (endpoint.name.clone(), deployment.name.clone());
            let last = before.insert(key, (frame.at_ms, deployment.totals));
            let rate = last.and_then(|(at, counts)| {
                let seconds = frame.at_ms.saturating_sub(at) as f64 / 1000.0;
                let more = deployment.totals.total().checked_sub(counts.total())?;
                (seconds > 0.0).then(|| more as f64 / seconds)
            });
            table.row([
                endpoint.name.clone(),
                deployment.name.clone(),
                Weight::from_hundredths(deployment.weight).unwrap_or_default().to_string(),
                format!("{}/{}", deployment.ready, deployment.wanted),
                rate.map_or_else(|| "–".into(), |rate| format!("{rate:.1}")),
                deployment.in_flight.to_string(),
                deployment.totals.total().to_string(),
                deployment.totals.errors().to_string(),
            ]);
        }
    }
    let head = format!("{}  cpu {:.0} %  ctrl-c ends", time(frame.at_ms), frame.process.cpu_percent);
    if table.is_empty() { format!("{head}\nnothing is deployed yet") } else { format!("{head}\n{}", table.render()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{LiveDeployment, LiveEndpoint};

    fn frame(at_ms: i64, ok: u64) -> LiveFrame {
        let deployment = LiveDeployment {
            name: "blue".into(),
            ready: 1,
            wanted: 2,
            weight: 9000,
            totals: Counts { ok, ..Counts::default() },
            ..LiveDeployment::default()
        };
        let endpoint = LiveEndpoint { name: "e1".into(), deployments: vec![deployment], ..LiveEndpoint::default() };
        LiveFrame { at_ms, endpoints: vec![endpoint], ..LiveFrame::default() }
    }

    #[test]
    fn a_rate_needs_two_frames() {
        let mut before = Before::new();
        let first = table(&frame(1_000, 100), &mut before);
        assert!(
            first.contains("blue") && first.contains("90") && first.contains("1/2") && first.contains('–'),
            "{first}"
        );
        let second = table(&frame(3_000, 150), &mut before);
        assert!(second.contains("25.0"), "{second}");
        // A workspace that restarted counts from 0: no rate is better than a wrong one.
        assert!(table(&frame(4_000, 3), &mut before).contains('–'));
    }
}
