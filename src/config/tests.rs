use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../config.example.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("/home/me/config.toml"), text).map_err(|error| error.to_string())
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err()
}

#[test]
fn the_example_is_the_default() {
    assert_eq!(parse(EXAMPLE), Ok(Config::default()));
    assert_eq!(parse(""), Ok(Config::default()));
}

/// Lines such as `# listen = "…"` and `# [contexts.x]`: keys without a default.
fn uncommented() -> String {
    let key = |line: &str| {
        line.split_once(" = ")
            .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric() || "_.\"-".contains(c)))
    };
    let uncomment = |line: &'static str| match line.strip_prefix("# ") {
        Some(rest) if key(rest) || rest.starts_with('[') => rest,
        _ => line,
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_in_the_examples_comments_can_be_switched_on() {
    let config = parse(&uncommented()).unwrap_or_else(|error| panic!("{error}\n{}", uncommented()));
    assert!(config.local.scoring_certificate.is_some() && config.local.listen.is_some() && !config.keys.is_empty());
    assert!(config.contexts.values().any(|context| matches!(context.kind, ContextKind::Azure { .. })));
    assert!(config.contexts.values().any(|context| context.access == Access::ReadOnly));
}

#[test]
fn a_wrong_file_names_line_column_key_and_the_nearest_one() {
    for (text, expected) in [
        ("curent_context = \"local\"", ":1:1: unknown key `curent_context`: did you mean `current_context`?"),
        ("[ui]\ntheem = \"dark\"", ":2:1: unknown key `theem` in `ui`: did you mean `theme`?"),
        ("[ui]\ntheme = \"drak\"", ":2:9: `ui.theme` is the text \"drak\": did you mean dark?"),
        ("[ui]\nmouse = 1", ":2:9: `ui.mouse` is 1: give true or false"),
        ("[local]\nmax_body_mib = 0", ":2:16: `local.max_body_mib` is 0: give a whole number from 1 to 4096"),
        ("[local]\nlisten = \"8443\"", "`local.listen` is the text \"8443\": write it like \"127.0.0.1:8443\""),
        ("[local]\nplain_http = \"0.0.0.0:80\"", "only loopback is served"),
        ("[local]\nscoring_cert = \"a.pem\"", "`local.scoring_key` is missing"),
        ("[local]\ndata_dir = \"\"", "give a path, or leave the key out"),
        ("[contexts.a]\naccess = \"open\"", "`contexts.a.kind` is missing: add it"),
        ("[contexts.a]\nkind = \"azure\"", "`contexts.a.subscription_id` is missing"),
        ("[contexts.a]\nkind = \"local\"\nworkspace = \"w\"", "unknown key `workspace` in `contexts.a`"),
        ("[contexts.a]\nkind = \"local\"\naccess = \"readonly\"", "did you mean read-only?"),
        ("current_context = \"lcal\"", ":1:19: `current_context` is the text \"lcal\": did you mean \"local\"?"),
        ("[keys]\napply = 3", "`keys.apply` is 3: give a key such as \"ctrl-r\", or a list of keys"),
        ("ui = 3", "`ui` is 3: write keys with values"),
        ("[ui\n", "not valid TOML"),
        ("[ui]\nmouse = true\nmouse = true\n", ":3:1: this is not valid TOML: duplicate key"),
    ] {
        let error = refusal(text);
        assert!(error.starts_with("/home/me/config.toml:") && error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn contexts_are_found_by_name() {
    let text = "current_context = \"prod\"\n[contexts.prod]\nkind = \"azure\"\nsubscription_id = \"s\"\n\
                resource_group = \"g\"\nworkspace = \"w\"\naccess = \"protected\"\n[contexts.lab]\nkind = \"local\"\ndata_dir = \"lab\"\n";
    let config = parse(text).unwrap();
    assert_eq!(config.context(None).unwrap().0, "prod");
    assert_eq!(config.context(None).unwrap().1.access, Access::Protected);
    assert_eq!(config.context(Some("local")).unwrap().0, "local", "always there");
    let lab = config.context(Some("lab")).unwrap().1;
    assert_eq!(config.data_dir(lab), Some("/home/me/lab".into()), "relative to the file");
    assert!(config.context(Some("prdo")).unwrap_err().contains("did you mean \"prod\"?"));
    assert!(config.context(Some("elsewhere")).unwrap_err().contains("use lab, local or prod"));
    let error = refusal(
        "[contexts.local]\nkind = \"azure\"\nsubscription_id = \"s\"\nresource_group = \"g\"\nworkspace = \"w\"",
    );
    assert!(error.contains("always the local workspace"), "{error}");
}

#[test]
fn keys_are_one_or_several() {
    let config = parse("[keys]\n\"traffic.apply\" = \"enter\"\nquit = [\"q\", \"ctrl-c\"]\n").unwrap();
    assert_eq!(config.keys["traffic.apply"], ["enter"]);
    assert_eq!(config.keys["quit"], ["q", "ctrl-c"]);
}

#[test]
fn choosing_a_context_keeps_comments_and_permissions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let text = "# mine\ncurrent_context = \"local\" # for now\n\n[contexts.lab] # the lab\nkind = \"local\"\n";
    std::fs::write(&path, text).unwrap();
    set_current_context(&path, "lab").unwrap();
    let new = std::fs::read_to_string(&path).unwrap();
    assert!(new.starts_with("# mine\ncurrent_context = \"lab\"") && new.contains("[contexts.lab] # the lab"), "{new}");
    assert_eq!(Config::load(Some(&path)).unwrap().current_context, "lab");
    let error = set_current_context(&path, "lba").unwrap_err().to_string();
    assert!(error.contains("did you mean \"lab\"?"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), new, "untouched after a refusal");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing left behind");
}

#[test]
fn a_context_can_be_chosen_before_there_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/config.toml");
    set_current_context(&path, "local").unwrap();
    assert_eq!(Config::load(Some(&path)), Ok(Config::default()));
    std::fs::write(&path, "nonsense").unwrap();
    assert!(set_current_context(&path, "local").is_err(), "a wrong file is not made worse");
    assert!(Config::load(Some(&dir.path().join("none.toml"))).unwrap_err().to_string().contains("check the path"));
}

proptest! {
    #[test]
    fn no_text_panics(any in "\\PC{0,200}", key in "(contexts|local|ui|keys|current_context)", value in "[a-c0-9={}\\[\\]\"'.\\n,# -]{0,60}") {
        let _ = parse(&any);
        let _ = parse(&format!("{key} = {value}"));
        let _ = parse(&format!("[{key}]\n{value}"));
        let _ = parse(&format!("[{key}.a]\nkind = \"local\"\n{value}"));
    }
}
