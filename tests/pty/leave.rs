//! Nobody waits for the prompt: a request that hangs does not hold up the end.

use mlconsole::client::{Workspace, sample};
use mlconsole::resources::Connection;

use crate::MLCONSOLE;
use crate::driver::Terminal;

#[test]
fn a_request_that_hangs_does_not_keep_anybody_from_leaving() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".config/mlconsole");
    std::fs::create_dir_all(&config).unwrap();
    // `serve` may wait for an hour; a console that is left may not.
    std::fs::write(config.join("config.toml"), "[local]\ndrain_seconds = 3600\n").unwrap();
    let mut terminal = Terminal::start(MLCONSOLE, &[], home.path(), (100, 30), &[]);
    terminal.wait("Nothing is served here yet");
    terminal.send("i");
    terminal.until("the sample", |screen| screen.contains(sample::ENDPOINT) && screen.contains("serving"));
    let connection = home.path().join(".local/share/mlconsole/connection.json");
    let connection: Connection = serde_json::from_slice(&std::fs::read(connection).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let call = runtime.block_on(async {
        let workspace = Workspace::connect(&connection, "mlconsole-test/1").unwrap();
        let access = workspace.scoring_access(sample::ENDPOINT).await.unwrap();
        // Half of a request, and then nothing any more.
        let (sent, half) = tokio::sync::oneshot::channel();
        let first = futures_util::stream::once(async { Ok::<_, std::io::Error>("{\"input_data\": ") });
        let rest = futures_util::stream::once(async move {
            sent.send(()).unwrap();
            std::future::pending().await
        });
        let body = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(first, rest));
        let call = workspace.http().post(access.url("/score")).header("authorization", &access.authorization);
        let call = tokio::spawn(call.body(body).send());
        half.await.map(|()| call)
    });
    terminal.then("q", "This console serves the workspace");
    terminal.send("y");
    let (well, bytes) = terminal.end();
    assert!(well, "{}", String::from_utf8_lossy(&bytes));
    assert!(runtime.block_on(call.unwrap()).unwrap().is_err(), "the request was ended, not answered");
}
