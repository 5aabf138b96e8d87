//! How long until the first answer, and what a resting workspace takes, from outside the real binary:
//!
//!     cargo bench --bench start
//!
//! 1. `serve` on a data folder that holds the sample: from starting the process to the first scored answer.
//! 2. A 10 MB ONNX file: from registering it to its first scored answer, without a script.
//! 3. Resident memory with a small model, and processor time while nothing is asked.

#[path = "../../tests/engine/build.rs"]
#[allow(dead_code)]
mod build;
mod serving;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use color_eyre::eyre::{Result, ensure, eyre};
use mlconsole::client::{NewModel, ScoreCall, Workspace, sample};
use mlconsole::resources::{Deployment, Endpoint, Sku, TrafficMap, Weight};

use build::{Dim, FLOAT, model, node, save, value, weights};
use serving::{PATIENCE, Serving, serve, usage};

const ROUNDS: usize = 10;

/// Asks until the answer is 200.
async fn answer(workspace: &Workspace, endpoint: &str, body: &Bytes) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let call = ScoreCall { body: body.clone(), ..ScoreCall::default() };
        if let Ok(answer) = workspace.score(endpoint, call).await
            && answer.status == 200
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Err(eyre!("{endpoint} did not answer within {PATIENCE:?}"))
}

fn spread(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let (least, most) = (times[0], times[times.len() - 1]);
    format!("median {:.0} ms (least {least:.0}, most {most:.0}, {} rounds)", times[times.len() / 2], times.len())
}

async fn cold_start(data: &Path) -> Result<()> {
    let (_, body) = sample::requests().into_iter().next().ok_or_else(|| eyre!("the sample has no request"))?;
    let (mut ready, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let serving = serve(data)?;
        ready.push(serving.started.elapsed().as_secs_f64() * 1_000.0);
        let workspace = Workspace::connect(&serving.connection, "mlconsole-bench/1")?;
        answer(&workspace, sample::ENDPOINT, &body).await?;
        answered.push(serving.started.elapsed().as_secs_f64() * 1_000.0);
    }
    println!("serve: process start to ready file             {}", spread(ready));
    println!("serve: process start to first scored answer    {}   (budget 200 ms)", spread(answered));
    Ok(())
}

/// Ten megabytes of weights: 1 600 × 1 600 numbers.
fn ten_megabytes(folder: &Path) -> std::path::PathBuf {
    const SIDE: usize = 1_600;
    let mut random = fastrand::Rng::with_seed(7);
    let numbers: Vec<f32> = (0..SIDE * SIDE).map(|_| random.f32() - 0.5).collect();
    let side = SIDE as i64;
    let io = |name| value(name, FLOAT, &[Dim::Named("batch"), Dim::N(side)]);
    let graph = model(
        vec![io("x")],
        vec![io("y")],
        vec![node("MatMul", &["x", "w"], &["y"])],
        vec![weights("w", &[side, side], &numbers)],
    );
    save(folder, "ten.onnx", &graph)
}

async fn file_to_answer(workspace: &Workspace, folder: &Path) -> Result<()> {
    let path = ten_megabytes(folder);
    let size = std::fs::metadata(&path)?.len() as f64 / 1e6;
    let row = vec![0.5f32; 1_600];
    let body = Bytes::from(serde_json::json!({ "inputs": { "x": [row] } }).to_string());
    let mut times = Vec::new();
    for round in 0..3 {
        let name = format!("ten-{round}");
        let began = Instant::now();
        let new = NewModel { name: Some(name.clone()), path: path.clone(), ..NewModel::default() };
        let registered = workspace.register_model(&new, &mut |_, _| {}).await?;
        let endpoint = Endpoint { name: name.clone(), ..Endpoint::default() };
        workspace.put_endpoint(&endpoint, None).await?.wait(|_| {}).await?;
        let mut deployment = Deployment { name: "blue".into(), ..Deployment::default() };
        deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: 1 });
        deployment.properties.model = Some(registered.id);
        deployment.properties.instance_type = Some("Standard_DS3_v2".into());
        workspace.put_deployment(&name, &deployment).await?.wait(|_| {}).await?;
        let map = TrafficMap::from([("blue".to_owned(), Weight::FULL)]);
        workspace.set_traffic(&name, &map, None).await?.wait(|_| {}).await?;
        answer(workspace, &name, &body).await?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    println!("{size:.0} MB model file to first scored answer        {}   (budget 1 000 ms)", spread(times));
    Ok(())
}

async fn resting(serving: &Serving) -> Result<()> {
    const REST: Duration = Duration::from_secs(10);
    let before = usage(serving.pid())?;
    tokio::time::sleep(REST).await;
    let after = usage(serving.pid())?;
    println!("resident with two small models                 {:.1} MiB   (budget 40 MiB)", after.0 as f64 / 1_024.0);
    let percent = (after.1 - before.1) / REST.as_secs_f64() * 100.0;
    println!("processor while nothing is asked, 10 s         {percent:.2} % of a core   (budget 1 %)");
    Ok(())
}

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        {
            let serving = serve(&data)?;
            let workspace = Workspace::connect(&serving.connection, "mlconsole-bench/1")?;
            sample::install(&workspace, &mut |_| {}).await?;
        }
        cold_start(&data).await?;
        let serving = serve(&data)?;
        let workspace = Workspace::connect(&serving.connection, "mlconsole-bench/1")?;
        ensure!(!workspace.endpoints().await?.is_empty(), "the sample is gone after {ROUNDS} restarts");
        resting(&serving).await?;
        file_to_answer(&workspace, folder.path()).await
    })
}
