//! Why a resolution or an installation failed, from what uv and pip say: which package, which version, and what to do.

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No set of packages meets what is asked for.
    Resolution,
    Network,
    /// The network is off, and the cache does not hold it all.
    Offline,
    Disk,
    /// A package is there as source only, and does not build.
    Build,
    Other,
}

/// A failure in words: what is wrong, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub kind: Kind,
    pub message: String,
}

/// Explains the lines of a tool that failed. `python` is the minor version it installed for, e.g. `3.11`.
pub(super) fn explain(lines: &[String], python: &str) -> Failure {
    let text = lines.join("\n");
    let failure = |kind, message: String| Failure { kind, message };
    if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        let next = "Free some space, for example with `mlconsole environment clean`, and try again";
        return failure(Kind::Disk, format!("the disk is full. {next}"));
    }
    if let Some(offline) = offline(&text) {
        return failure(Kind::Offline, offline);
    }
    if let Some(network) = network(lines, &text) {
        return failure(Kind::Network, network);
    }
    if let Some(build) = build(lines, python) {
        return failure(Kind::Build, build);
    }
    if let Some(resolution) = resolution(lines, &text, python) {
        return failure(Kind::Resolution, resolution);
    }
    let last = lines.iter().rev().find(|line| !line.starts_with("hint:") && !line.contains("[notice]"));
    let last = last.map_or("it said nothing", |line| line.trim().trim_start_matches("error: "));
    failure(Kind::Other, format!("{last}. The log has the rest"))
}

/// The part of `text` between `before` and the next of `ends`.
fn between<'a>(text: &'a str, before: &str, ends: &[&str]) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    Some(rest[..end].trim()).filter(|part| !part.is_empty())
}

fn offline(text: &str) -> Option<String> {
    let disabled = text.contains("network was disabled") || text.contains("Network connectivity is disabled");
    if !disabled {
        return None;
    }
    let flat = flat(text);
    let mut missing: Vec<String> = Vec::new();
    for (at, _) in flat.match_indices(" was not found in the cache") {
        let name = flat[..at].rsplit(' ').next().unwrap_or_default();
        // With the version that was asked for, if one was.
        let asked = flat.match_indices("require ").map(|(at, word)| &flat[at + word.len()..]);
        let asked = asked.filter_map(|rest| rest.split([' ', ',']).next());
        let exact =
            asked.into_iter().find(|asked| super::requirements::is_named(asked, &super::requirements::normal(name)));
        missing.push(exact.unwrap_or(name).trim_end_matches('.').to_owned());
    }
    missing.sort();
    missing.dedup();
    let verb = if missing.len() > 1 { "are" } else { "is" };
    let what = if missing.is_empty() { "a package".to_owned() } else { missing.join(", ") };
    Some(format!("{what} {verb} not in the package cache and the network is off. Connect once, and it stays"))
}

fn network(lines: &[String], text: &str) -> Option<String> {
    const SIGNS: [&str; 9] = [
        "error sending request",
        "Failed to fetch",
        "dns error",
        "NewConnectionError",
        "ConnectTimeoutError",
        "ProxyError",
        "SSLError",
        "Temporary failure in name resolution",
        "Network is unreachable",
    ];
    let sign = SIGNS.iter().find(|sign| text.contains(**sign))?;
    // pip goes on without an index, and then says that there is no such version.
    let wanted = between(text, "that satisfies the requirement ", &[" (from", "\n"]);
    let address = between(text, "Failed to fetch: ", &["\n"]).map(|url| url.trim_matches('`'));
    let download = || between(text, "Failed to download `", &["`"]).filter(|what| what.starts_with("http"));
    let address = address.or_else(download);
    let what = match (wanted, address) {
        (Some(package), _) => package.to_owned(),
        (None, Some(address)) => address.to_owned(),
        (None, None) => "the package index".to_owned(),
    };
    let cause = lines
        .iter()
        .rev()
        .filter_map(|line| line.trim().strip_prefix("cause: "))
        .find(|cause| !cause.contains("Failed to fetch"));
    let cause = cause.or_else(|| between(text, "Failed to establish a new connection: ", &["'", "\n"])).unwrap_or(sign);
    let index = match what.contains("python-build-standalone") {
        true => "the mirror (UV_PYTHON_INSTALL_MIRROR)",
        false => "the index (UV_DEFAULT_INDEX, PIP_INDEX_URL)",
    };
    Some(format!("{what} cannot be fetched: {cause}. Check the network, the proxy (HTTPS_PROXY) and {index}"))
}

fn build(lines: &[String], python: &str) -> Option<String> {
    let text = lines.join("\n");
    let quoted = |before: &str| between(&text, before, &["`", "\n"]).map(str::to_owned);
    let package = quoted("Failed to build `")
        .or_else(|| quoted("Failed to download and build `"))
        .or_else(|| between(&text, "Failed building wheel for ", &["\n"]).map(str::to_owned))
        .or_else(|| {
            let signs = ["subprocess-exited-with-error", "metadata-generation-failed", "pyproject_hooks"];
            let failed = signs.iter().any(|sign| text.contains(sign));
            // pip names it only where it began.
            let collecting = lines.iter().rev().find_map(|line| line.trim().strip_prefix("Collecting "));
            collecting.filter(|_| failed).map(|line| line.split([' ', '(']).next().unwrap_or(line).to_owned())
        })?;
    let errors = ["Error: ", "error: ", "Exception: "];
    let own = |line: &&String| {
        let line = line.trim();
        !line.starts_with("error: Failed to")
            && !line.contains("subprocess-exited-with-error")
            && !line.contains("metadata-generation-failed")
    };
    let cause = lines.iter().rev().filter(own).find(|line| errors.iter().any(|error| line.contains(error)));
    let cause = cause.map_or_else(String::new, |line| format!(" ({})", line.trim().trim_start_matches("error: ")));
    Some(format!(
        "{package} has no wheel for Python {python} on this machine, and does not build from its source{cause}. Ask for a \
         version that has one, or for another Python"
    ))
}

fn resolution(lines: &[String], text: &str, python: &str) -> Option<String> {
    if let Some(invalid) =
        between(text, "Failed to parse: `", &["`"]).or_else(|| between(text, "Invalid requirement: ", &["\n"]))
    {
        let invalid = invalid.trim_matches(['\'', '"']);
        return Some(format!("`{invalid}` is no requirement. Write name==version or name>=version"));
    }
    let flat = flat(text);
    if let Some(cause) = between(&flat, "cause: Because ", &["hint:"]) {
        return Some(because(cause, python));
    }
    if let Some(package) = between(text, "that satisfies the requirement ", &[" (from", "\n"]) {
        let versions = between(text, "(from versions: ", &[")"]).unwrap_or("none");
        // pip names what it left out for the sake of the Python.
        let other = between(text, "Ignored the following versions that require a different python version: ", &["\n"]);
        if let Some(other) = other.filter(|other| other.contains(package.split("==").last().unwrap_or(package))) {
            let needs = between(other, "Requires-Python ", &[";"]).unwrap_or("another one");
            return Some(format!(
                "{package} needs Python {needs}, and this environment has {python}. Ask for another version of either"
            ));
        }
        if versions == "none" {
            return Some(format!(
                "there is no package {package} for Python {python}. Check its name; a private index goes below `- pip:` as `- --extra-index-url URL`"
            ));
        }
        let newest = versions.rsplit(", ").next().unwrap_or(versions);
        return Some(format!(
            "{package} does not exist for Python {python}; the newest is {newest}. Ask for one that does"
        ));
    }
    if text.contains("conflicting dependencies") {
        let from = lines.iter().position(|line| line.contains("The conflict is caused by"))?;
        let says: Vec<&str> = lines[from + 1..]
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .take_while(|line| !line.starts_with("To fix"))
            .collect();
        return Some(format!("the packages contradict each other: {}. Loosen one of them", says.join("; ")));
    }
    None
}

/// uv's own reasoning, with the words that people look for in front.
fn because(cause: &str, python: &str) -> String {
    let reason = cause
        .replace(" your requirements are unsatisfiable", " nothing meets all requirements")
        .replace("we can conclude that ", "");
    let reason = reason.trim_end_matches('.');
    if let Some(package) = between(cause, "there is no version of ", &[" and ", ","]) {
        let name = super::requirements::project(package).unwrap_or_else(|| package.to_owned());
        let next = format!("Ask for one that does: https://pypi.org/project/{name}/#history lists them");
        if cause.matches("Because").count() + cause.matches("And because").count() <= 1 {
            return format!("{package} does not exist. {next}");
        }
        return format!("{package} does not exist ({reason}). {next}");
    }
    if let Some(name) = between(cause, "", &[" was not found in the package registry"])
        .filter(|_| cause.contains(" was not found in the package registry"))
        .and_then(|before| before.rsplit(' ').next())
    {
        let next = "Check its name; a private index goes below `- pip:` as `- --extra-index-url URL`";
        return format!("there is no package {name}. {next}");
    }
    if cause.contains("current Python version") {
        return format!(
            "a package does not run on Python {python}: because {reason}. Ask for another version of it, or for another Python"
        );
    }
    if cause.contains("no wheels") || cause.contains("no usable wheels") {
        return format!(
            "a package has no wheel for Python {python} on this machine: because {reason}. Ask for another version of it, or for another Python"
        );
    }
    format!("the packages contradict each other: because {reason}. Loosen one of them")
}

/// The text on one line.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Failure {
        explain(&text.lines().map(str::to_owned).collect::<Vec<_>>(), "3.11")
    }

    #[test]
    fn what_uv_says_becomes_package_cause_and_next_step() {
        for (text, kind, says) in [
            (
                "error: No solution found when resolving dependencies\n  cause: Because there is no version of six==99.0 and you require six==99.0, we can conclude that your requirements are unsatisfiable.",
                Kind::Resolution,
                "six==99.0 does not exist. Ask for one that does: https://pypi.org/project/six/#history lists them",
            ),
            (
                "error: No solution found\n  cause: Because nosuch was not found in the package registry and you require nosuch==1.0, we can conclude that your requirements are unsatisfiable.",
                Kind::Resolution,
                "there is no package nosuch. Check its name",
            ),
            (
                "error: No solution found\n  cause: Because requests==2.31.0 depends on urllib3>=1.21.1,<3 and you require requests==2.31.0, we can conclude that you require urllib3>=1.21.1,<3.\n         And because you require urllib3>=3, we can conclude that your requirements are unsatisfiable.",
                Kind::Resolution,
                "the packages contradict each other: because requests==2.31.0 depends on urllib3>=1.21.1,<3 and you require requests==2.31.0, you require urllib3>=1.21.1,<3. And because you require urllib3>=3, nothing meets all requirements. Loosen one",
            ),
            (
                "error: No solution found\n  cause: Because lightgbm was not found in the cache and you require lightgbm==4.5.0, we can conclude that your requirements are unsatisfiable.\n\nhint: Packages were unavailable because the network was disabled.",
                Kind::Offline,
                "lightgbm==4.5.0 is not in the package cache and the network is off",
            ),
            (
                "error: Request failed after 3 retries in 10.9s\n  cause: Failed to fetch: http://127.0.0.1:1/simple/lightgbm/\n  cause: error sending request for url\n  cause: Connection refused (os error 111)",
                Kind::Network,
                "http://127.0.0.1:1/simple/lightgbm/ cannot be fetched: Connection refused (os error 111). Check the network",
            ),
            (
                "error: Failed to install cpython\n  cause: Failed to download `https://x/python-build-standalone/y`\n  cause: error sending request\n  cause: no such host",
                Kind::Network,
                "https://x/python-build-standalone/y cannot be fetched: no such host. Check the network, the proxy (HTTPS_PROXY) and the mirror",
            ),
            (
                "error: Failed to build `numpy==1.19.5`\n  cause: The build backend returned an error\n  [stderr]\n  ModuleNotFoundError: No module named 'distutils'\n\nhint: `distutils` was removed",
                Kind::Build,
                "numpy==1.19.5 has no wheel for Python 3.11 on this machine, and does not build from its source (ModuleNotFoundError: No module named 'distutils'). Ask for",
            ),
            (
                "error: Failed to parse: `six=>1`\n  cause: no such comparison operator",
                Kind::Resolution,
                "`six=>1` is no requirement",
            ),
            ("error: failed to write: No space left on device (os error 28)", Kind::Disk, "the disk is full"),
            ("error: something new", Kind::Other, "something new. The log"),
        ] {
            let failure = told(text);
            assert!(failure.kind == kind && failure.message.starts_with(says), "{failure:?}\n{says}");
        }
    }

    #[test]
    fn what_pip_says_becomes_package_cause_and_next_step() {
        for (text, kind, says) in [
            (
                "ERROR: Could not find a version that satisfies the requirement six==99.0 (from versions: 1.16.0, 1.17.0)\nERROR: No matching distribution found for six==99.0",
                Kind::Resolution,
                "six==99.0 does not exist for Python 3.11; the newest is 1.17.0",
            ),
            (
                "ERROR: Could not find a version that satisfies the requirement nosuch==1.0 (from versions: none)\nERROR: No matching distribution found for nosuch==1.0",
                Kind::Resolution,
                "there is no package nosuch==1.0 for Python 3.11",
            ),
            (
                "ERROR: Ignored the following versions that require a different python version: 2.0 Requires-Python >=3.12; 2.1 Requires-Python >=3.12\nERROR: Could not find a version that satisfies the requirement x==2.0 (from versions: 1.0)",
                Kind::Resolution,
                "x==2.0 needs Python >=3.12, and this environment has 3.11",
            ),
            (
                "ERROR: Cannot install a and b==2 because these package versions have conflicting dependencies.\n\nThe conflict is caused by:\n    The user requested b==2\n    a 1 depends on b<2\n\nTo fix this you could try to:",
                Kind::Resolution,
                "the packages contradict each other: The user requested b==2; a 1 depends on b<2",
            ),
            (
                "WARNING: Retrying after connection broken by 'NewConnectionError('x: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/lightgbm/\nERROR: Could not find a version that satisfies the requirement lightgbm==4.5.0 (from versions: none)",
                Kind::Network,
                "lightgbm==4.5.0 cannot be fetched: [Errno 111] Connection refused. Check",
            ),
            (
                "Collecting numpy==1.19.5 (from -r x)\n  error: subprocess-exited-with-error\n  ModuleNotFoundError: No module named 'distutils'\nerror: metadata-generation-failed",
                Kind::Build,
                "numpy==1.19.5 has no wheel for Python 3.11",
            ),
        ] {
            let failure = told(text);
            assert!(failure.kind == kind && failure.message.starts_with(says), "{failure:?}\n{says}");
        }
    }

    proptest! {
        #[test]
        fn no_output_panics(any in "\\PC{0,200}", parts in prop::collection::vec(prop_oneof![
            Just("cause: Because "), Just("there is no version of "), Just(" was not found in the cache"), Just("network was disabled"), Just("\n"),
            Just("require "), Just("x==1"), Just("Failed to build `"), Just("(from versions: "), Just("conflicting dependencies"), Just("The conflict is caused by"),
            Just(" was not found in the package registry"), Just("Failed to fetch: "), Just("ü"), Just("Collecting "), Just("subprocess-exited-with-error")], 0..12)) {
            let _ = (told(&any), told(&parts.concat()));
        }
    }
}
