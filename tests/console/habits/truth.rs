//! Habits about telling the truth: what is known, how old it is, what is wrong, what can be done about it.

use mlconsole::console::actions::{self, Danger, Keymap};
use mlconsole::console::app::call::{Answer, Call, Failure};
use mlconsole::console::app::event::{Effect, Event, Feed};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::saved;
use mlconsole::console::app::update::update;
use mlconsole::console::data::{Severity, link::STALE_MS};
use mlconsole::console::overlays::Overlay;
use mlconsole::resources::live::WorkspaceInfo;
use mlconsole::resources::{AuthMode, Endpoint, EndpointToken, JournalEntry};
use ratatui::style::Modifier;

use super::screen;
use crate::dump;
use crate::fixture::{NOW, busy, feed, fill, frame, fresh, journal, press, settings, standard, traffic};

/// Style modifiers of the first cell of `text` on the screen.
fn modifiers(model: &Model, row: &str, text: &str) -> Modifier {
    let buf = dump::draw(model);
    let glyphs = dump::glyphs(&buf);
    let (y, line) = glyphs.lines().enumerate().find(|(_, line)| line.contains(row) && line.contains(text)).unwrap();
    let before = &line[..line.find(text).unwrap()];
    buf[(unicode_width::UnicodeWidthStr::width(before) as u16, y as u16)].modifier
}

#[test]
fn the_first_frame_comes_at_once_and_data_fills_it() {
    let mut model = fresh(100, 30);
    model.data.link = mlconsole::console::data::Link::Opening { since_ms: NOW };
    let text = screen(&model);
    assert!(text.contains("mlconsole") && text.contains("q quit"), "title and keys are there before anything else");
    feed(&mut model, Feed::Connected);
    assert!(screen(&model).contains("reading the endpoints"));
    fill(&mut model, &standard());
    let text = screen(&model);
    assert!(text.contains("restaurants") && !text.contains("reading"), "{text}");
}

#[test]
fn what_is_wanted_stands_beside_what_is_measured_until_they_agree() {
    let mut model = busy(140, 40);
    press(&mut model, "t");
    let columns = |model: &Model| -> (f64, f64) {
        let text = screen(model);
        let below = text[text.find("MEASURED %").unwrap()..].to_string();
        let row = below.lines().find(|line| line.trim_start().starts_with("▲ green")).unwrap().to_string();
        let mut words = row.split_whitespace().skip(2);
        (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
    };
    let (wanted, measured) = columns(&model);
    assert!((wanted - measured).abs() < 2.0, "{wanted} {measured}");
    // green is asked to take more: what is measured follows as requests come
    let mut endpoints: Vec<Endpoint> = model.data.endpoints.values().filter_map(|view| view.resource.clone()).collect();
    let changed = endpoints.iter_mut().find(|endpoint| endpoint.name == "restaurants").unwrap();
    changed.properties.traffic = traffic(&[("blue", 40), ("green", 60)]);
    feed(&mut model, Feed::Endpoints(endpoints));
    let (wanted, measured) = columns(&model);
    assert_eq!(wanted, 60.0);
    assert!(measured < 20.0, "the requests of before are still counted: {measured}");
}

#[test]
fn the_journal_tells_who_did_what_and_u_takes_the_last_back() {
    let mut model = busy(140, 40);
    press(&mut model, "3");
    let text = screen(&model);
    let change = text.lines().find(|line| line.contains("restaurants") && line.contains("traffic")).unwrap();
    assert!(change.contains("console") || change.contains("you"), "{change}");
    model.jump(Place::Endpoint("restaurants".into()));
    assert!(press(&mut model, "u").is_empty(), "taking back asks first");
    assert!(screen(&model).contains("blue=100"), "{}", screen(&model));
    let effects = press(&mut model, "y");
    let [Effect::Call { call, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(matches!(&**call, Call::SetTraffic { map, .. } if *map == traffic(&[("blue", 100)])), "{call:?}");
}

#[test]
fn three_levels_of_danger_are_asked_for_in_three_ways() {
    let of = |level: Danger| actions::rows().filter(move |row| row.danger == level).count();
    assert!(of(Danger::Safe) > 0 && of(Danger::Change) > 0 && of(Danger::Destructive) > 0);
    let mut model = busy(140, 40);
    press(&mut model, "enter");
    assert!(press(&mut model, ">").is_empty());
    let Some(Overlay::Confirm(asked)) = model.overlays.last() else { panic!("a change asks") };
    assert!(!asked.yes && asked.typed.is_none(), "cancel has the focus, nothing has to be typed");
    press(&mut model, "esc");
    press(&mut model, "esc");
    press(&mut model, "shift-d");
    let Some(Overlay::Confirm(asked)) = model.overlays.last() else { panic!("destroying asks") };
    assert!(!asked.yes && asked.typed.is_some(), "the name has to be typed");
}

#[test]
fn old_data_is_dimmed_and_says_how_old_it_is() {
    let mut model = busy(140, 40);
    assert!(!modifiers(&model, "restaurants", "restaurants").contains(Modifier::DIM));
    let wake = model.wake_at().unwrap();
    assert!(wake <= model.now + STALE_MS + 1, "it wakes up to say so");
    model.now += 7_000;
    assert!(modifiers(&model, "restaurants", "restaurants").contains(Modifier::DIM));
    assert!(screen(&model).contains("7.0 s old"), "{}", screen(&model));
}

#[test]
fn after_the_connection_is_back_the_gap_stays_a_gap() {
    let mut model = busy(140, 40);
    feed(&mut model, Feed::Lost { reason: "gone".into(), retry_at: NOW + 1_000 });
    assert!(screen(&model).contains("next try in 1 s"));
    model.now += 60_000;
    feed(&mut model, Feed::Connected);
    // a workspace that was started anew has no history of the minute it was away
    let mut first = frame(&standard(), 1);
    first.at_ms += 60_000;
    first.process.uptime_s = 2;
    for second in first.endpoints.iter_mut().flat_map(|endpoint| &mut endpoint.deployments).flat_map(|d| &mut d.seconds)
    {
        second.at += 60;
    }
    feed(&mut model, Feed::Frame(Box::new(first)));
    let text = screen(&model);
    assert!(!text.contains("next try") && text.contains("● live"), "{text}");
    assert!(!modifiers(&model, "restaurants", "restaurants").contains(Modifier::DIM));
    let end = model.data.second;
    assert!(model.data.coverage.has(end) && !model.data.coverage.has(end - 30), "what was not seen is a gap");
}

#[test]
fn what_changed_just_now_stands_out_for_two_seconds() {
    let mut model = busy(140, 40);
    let mut grown = standard();
    grown[0].1[0].ready = 1;
    press(&mut model, "enter");
    let ready = |model: &Model, text: &str| modifiers(model, "instances", text).contains(Modifier::BOLD);
    assert!(!ready(&model, "2 of 2"), "nothing has changed yet");
    feed(&mut model, Feed::Frame(Box::new(frame(&grown, 1))));
    assert!(ready(&model, "1 of 2"), "{}", screen(&model));
    assert!(model.wake_at().is_some_and(|at| at <= model.now + 2_000), "it wakes up to calm down");
    model.now += 2_000;
    assert!(!ready(&model, "1 of 2"));
}

#[test]
fn a_disk_that_fills_and_a_token_that_ends_are_found() {
    let mut model = busy(140, 40);
    let info = |free: u64| WorkspaceInfo {
        data_dir: "/data".into(),
        disk_free_bytes: free,
        disk_total_bytes: 40_000_000_000,
        ..WorkspaceInfo::default()
    };
    feed(&mut model, Feed::Info(Box::new(info(20_000_000_000))));
    assert!(!model.data.findings.iter().any(|finding| finding.text.contains("disk")));
    feed(&mut model, Feed::Info(Box::new(info(600_000_000))));
    let found = model.data.findings.iter().find(|finding| finding.text.contains("disk")).unwrap();
    assert_eq!(found.text, "disk nearly full: 600 MB of 40.0 GB free; once it is full, changes are refused");
    assert_eq!((found.severity, &found.place), (Severity::Warning, &Place::Workspace));
    feed(&mut model, Feed::Info(Box::new(info(60_000_000))));
    assert_eq!(model.data.findings[0].severity, Severity::Critical, "the fuller, the worse");
    press(&mut model, "tab");
    assert!(screen(&model).contains("workspace"));
    press(&mut model, "enter");
    assert_eq!(*model.nav.here(), Place::Workspace);

    let mut model = busy(140, 40);
    let mut endpoints: Vec<Endpoint> = model.data.endpoints.values().filter_map(|view| view.resource.clone()).collect();
    endpoints[0].properties.auth_mode = AuthMode::AMLToken;
    let name = endpoints[0].name.clone();
    feed(&mut model, Feed::Endpoints(endpoints));
    model.jump(Place::Connect(name.clone()));
    let effects = press(&mut model, "v");
    let token =
        EndpointToken { access_token: "SECRET".into(), expiry_time_utc: NOW / 1_000 + 240, ..EndpointToken::default() };
    let Some(Effect::Call { epoch, task, call }) = effects.first().cloned() else { panic!("{effects:?}") };
    update(&mut model, Event::Reply { epoch, task, call, outcome: Ok(Answer::Token(token)) });
    feed(&mut model, Feed::Frame(Box::new(frame(&standard(), 1))));
    let found = model.data.findings.iter().find(|finding| finding.text.contains("token")).unwrap();
    assert_eq!(found.text, "the token taken here expires in 5 min: who uses it gets 401 from then on");
    assert_eq!((found.endpoint.as_str(), &found.place), (name.as_str(), &Place::Connect(name.clone())));
    let kept = saved::text(&model);
    assert!(kept.contains("tokens") && !kept.contains("SECRET"), "its end is remembered, the token is not: {kept}");
}

#[test]
fn what_fails_is_told_listed_and_explained() {
    let mut model = busy(140, 40);
    press(&mut model, "t");
    press(&mut model, "w");
    let effects = press(&mut model, "enter");
    press(&mut model, "shift-t");
    assert!(screen(&model).contains("running"), "work in flight is listed: {}", screen(&model));
    press(&mut model, "esc");
    let Some(Effect::Call { epoch, task, call }) = effects.first().cloned() else { panic!("{effects:?}") };
    let failure = Failure { code: "Conflict".into(), message: "green is being deleted".into(), changed: false };
    update(&mut model, Event::Reply { epoch, task, call, outcome: Err(failure) });
    assert!(screen(&model).contains("green is being deleted"), "a toast tells");
    model.now += 60_000;
    update(&mut model, Event::Wake);
    assert!(!screen(&model).contains("green is being deleted"), "and goes away");
    press(&mut model, "!");
    let text = screen(&model);
    assert!(text.contains("Conflict") && text.contains("green is being deleted"), "{text}");
}

#[test]
fn every_change_has_a_command_and_the_console_shows_it() {
    for row in actions::rows().filter(|row| row.write) {
        assert!(row.command.starts_with("mlconsole "), "{} has no command", row.id);
    }
    let mut model = busy(140, 40);
    press(&mut model, "t");
    press(&mut model, "w");
    press(&mut model, "shift-c");
    let text = screen(&model);
    assert!(text.contains("mlconsole traffic set restaurants blue=10 green=90"), "{text}");
    let effects = press(&mut model, "enter");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text.starts_with("mlconsole ")), "{effects:?}");
}

#[test]
fn a_configuration_read_again_is_in_force_at_once() {
    let mut model = busy(100, 30);
    let mut own = settings();
    own.keys.insert("open.traffic".into(), vec!["ctrl-t".into()]);
    own.theme = mlconsole::console::look::theme::ThemeName::Light;
    update(&mut model, Event::Config(Ok(own.clone())));
    assert!(screen(&model).contains("ctrl-t traffic") && model.settings.theme == own.theme);

    let mut wrong = own.clone();
    wrong.keys.insert("traffic.swap".into(), vec!["p".into()]);
    model.toasts.0.clear();
    update(&mut model, Event::Config(Ok(wrong)));
    model.size = (80, 24);
    let text: String = screen(&model).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("traffic.preset") && text.contains("traffic.swap"), "both are named at 80 columns: {text}");
    assert!(text.contains("ctrl-t traffic"), "the keys of before stay in force");

    // what was chosen here stays, unless the file has something new to say about it
    press(&mut model, "f2");
    let chosen = model.settings.theme;
    update(&mut model, Event::Config(Ok(own.clone())));
    assert_eq!(model.settings.theme, chosen);
    own.theme = mlconsole::console::look::theme::ThemeName::Dark;
    update(&mut model, Event::Config(Ok(own.clone())));
    assert_eq!(model.settings.theme, own.theme);
    assert!(Keymap::new(&own.keys).is_ok());
}

#[test]
fn a_change_of_another_is_never_undone_by_mistake() {
    // the newest entry is somebody else's: u offers to take that back, and says what comes back
    let mut model = busy(140, 40);
    let mut entries = journal();
    entries.insert(0, JournalEntry { seq: 20, who: "sdk".into(), at_ms: NOW, ..entries[0].clone() });
    feed(&mut model, Feed::Journal(entries));
    press(&mut model, "enter");
    press(&mut model, "u");
    assert!(matches!(model.overlays.last(), Some(Overlay::Confirm(_))), "it asks");
}
