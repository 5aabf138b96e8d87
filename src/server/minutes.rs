//! The minute series of telemetry over restarts: written down every minute and at the end, read back at the start.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store::{MinuteRow, Result, Store};
use super::telemetry::{Minute, MinuteRow as Measured, Telemetry};
use crate::resources::Counts;

/// Seconds of history kept: a day, as in memory.
const KEEP: i64 = 24 * 3600;
/// Minutes written again each time, so that none is missed when a write failed: the store replaces them.
const OVERLAP: i64 = 10 * 60;
const PERIOD: Duration = Duration::from_secs(60);

/// A minute as it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    counts: Counts,
    bytes: u64,
    latency: Vec<(u16, u32)>,
    #[serde(default)]
    codes: Vec<(u16, u64)>,
}

/// Brings back what an earlier process measured. What cannot be read is left out: it is history, not state.
pub(super) fn load(store: &Store, telemetry: &Telemetry) -> Result<()> {
    let rows = store.minutes(now() - KEEP)?;
    let measured = rows.into_iter().filter_map(|row| {
        let written: Written = serde_json::from_slice(&row.body).ok()?;
        let Written { counts, bytes, latency, codes } = written;
        Some(Measured {
            endpoint: row.endpoint,
            deployment: row.deployment,
            minute: Minute { at: row.at, counts, bytes, latency, codes },
        })
    });
    telemetry.import_minutes(measured.collect());
    Ok(())
}

/// Writes down the minutes since `since` (Unix seconds). Blocks.
fn save(store: &Store, telemetry: &Telemetry, since: i64) -> Result<()> {
    let rows = telemetry.export_minutes(since).into_iter().filter_map(|measured| {
        let Measured { endpoint, deployment, minute: Minute { at, counts, bytes, latency, codes } } = measured;
        let body = serde_json::to_vec(&Written { counts, bytes, latency, codes }).ok()?;
        Some(MinuteRow { endpoint, deployment, at, body })
    });
    store.put_minutes(rows.collect(), now() - KEEP)
}

/// Writes down everything that is not in the store yet.
pub(super) async fn flush(store: &Store, telemetry: &Arc<Telemetry>) {
    let telemetry = Arc::clone(telemetry);
    if let Err(error) = store.run(move |store| save(store, &telemetry, now() - OVERLAP)).await {
        tracing::warn!(%error, "measurements were not written down");
    }
}

/// Writes the minutes down as they pass, for ever.
pub(super) async fn keep(store: Store, telemetry: Arc<Telemetry>) {
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once, when there is nothing to write yet.
    tick.tick().await;
    loop {
        tick.tick().await;
        flush(&store, &telemetry).await;
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let at = now() / 60 * 60;
        let minute = Minute {
            at,
            counts: Counts { ok: 7, refused: 1, ..Counts::default() },
            bytes: 99,
            latency: vec![(3, 4), (17, 3)],
            codes: vec![(413, 2), (415, 1)],
        };
        let before = Telemetry::new(None);
        before.import_minutes(vec![Measured {
            endpoint: "e".into(),
            deployment: "blue".into(),
            minute: minute.clone(),
        }]);
        save(&store, &before, at - 60).unwrap();
        store
            .put_minutes(
                vec![MinuteRow { endpoint: "e".into(), deployment: "x".into(), at, body: b"junk".to_vec() }],
                0,
            )
            .unwrap();
        store.close();

        let after = Telemetry::new(None);
        load(&Store::open(dir.path()).unwrap(), &after).unwrap();
        let back: Vec<_> = after.minutes("E", Some("blue"), at..at + 60).into_iter().map(|m| m.minute).collect();
        assert_eq!(back, [minute]);
    }
}
