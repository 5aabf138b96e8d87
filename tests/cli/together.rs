//! Several commands at once on a folder that nobody serves: one of them brings the workspace, none loses it.

use std::process::Stdio;

use crate::support::{Home, Said, sample};

#[test]
fn commands_at_once_share_the_workspace_that_one_of_them_started() {
    const ROUNDS: usize = 20;
    const AT_ONCE: usize = 10;
    let home = Home::new();
    let file = sample("endpoint.yml");
    let mut lonely = 0;
    for round in 0..ROUNDS {
        let children: Vec<_> = (0..AT_ONCE)
            .map(|i| {
                let name = format!("round-{round}");
                let arguments: &[&str] = match i {
                    // One that changes something, and takes longer than the others.
                    3 => &["endpoint", "create", "-f", &file, "--name", &name, "-o", "json"],
                    _ => &["endpoint", "list", "-o", "json"],
                };
                home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
            })
            .collect();
        for child in children {
            let said = Said::from(child.wait_with_output().expect("it ends"));
            assert_eq!(said.code, 0, "round {round}: {said:?}");
            lonely += usize::from(said.err.contains("this command started one"));
        }
    }
    // Somebody had to start it in each round; who came while it ran did not.
    assert!((ROUNDS..ROUNDS * AT_ONCE).contains(&lonely), "{lonely}");
    let listed = home.run(&["endpoint", "list", "-o", "json"]).ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(ROUNDS), "what was acknowledged is there");
}
