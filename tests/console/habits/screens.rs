//! Habits of lists, places, findings and what floats.

use mlconsole::console::actions::Scope;
use mlconsole::console::app::event::{Effect, Event, Feed, Hit, Mouse};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::options::ContextEntry;
use mlconsole::console::app::saved::Saved;
use mlconsole::console::app::update::update;
use mlconsole::console::screens;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::screen;
use crate::dump;
use crate::fixture::{NOW, busy, feed, frame, press, settings, standard, write};

#[test]
fn esc_leads_back_one_level_at_a_time_and_forward_again() {
    let mut model = busy(140, 40);
    ["enter", "t"].iter().for_each(|key| drop(press(&mut model, key)));
    assert!(screen(&model).contains("Endpoints › restaurants › Traffic"));
    press(&mut model, "esc");
    assert_eq!(*model.nav.here(), Place::Endpoint("restaurants".into()));
    press(&mut model, "alt-right");
    assert_eq!(*model.nav.here(), Place::Traffic("restaurants".into()));
    ["esc", "esc", "esc", "esc"].iter().for_each(|key| drop(press(&mut model, key)));
    assert_eq!(model.nav.stack, [Place::Dashboard], "Esc never quits");
}

#[test]
fn q_quits_at_the_root_and_ctrl_c_from_anywhere() {
    let mut model = busy(100, 30);
    assert_eq!(press(&mut model, "q"), [Effect::Quit]);
    press(&mut model, "/");
    assert_eq!(press(&mut model, "ctrl-c"), [Effect::Quit]);
}

#[test]
fn a_console_that_serves_says_what_stops_with_it() {
    let mut model = busy(100, 30);
    model.owns_workspace = true;
    assert!(press(&mut model, "q").is_empty());
    assert!(screen(&model).contains("2 endpoints"), "{}", screen(&model));
    assert!(press(&mut model, "enter").is_empty(), "cancel has the focus");
    press(&mut model, "q");
    assert_eq!(press(&mut model, "y"), [Effect::Quit]);
}

#[test]
fn sort_and_filter_are_remembered_as_they_change() {
    let mut model = busy(140, 40);
    let effects = press(&mut model, "s");
    let Some(Effect::Save(text)) = effects.last() else { panic!("{effects:?}") };
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), ..ContextEntry::default() };
    let again = Model::new(settings(), context, Saved::parse(text)).unwrap();
    assert_eq!(again.dashboard.list.sort, model.dashboard.list.sort);
    assert_ne!(again.dashboard.list.sort, busy(140, 40).dashboard.list.sort);
    press(&mut model, "/");
    let effects = write(&mut model, "fra");
    let Some(Effect::Save(text)) = effects.last() else { panic!("{effects:?}") };
    assert!(text.contains("\"filter\": \"fra\""), "{text}");
}

#[test]
fn a_state_file_from_another_world_is_no_obstacle() {
    for text in ["", "{", "[1]", r#"{"theme": "plaid"}"#, r#"{"contexts": {"local": {"window": 99999999}}}"#] {
        let context = ContextEntry { name: "local".into(), ..ContextEntry::default() };
        let model = Model::new(settings(), context, Saved::parse(text)).unwrap();
        assert!((60..=900).contains(&model.window()), "{text}");
    }
}

#[test]
fn the_filter_narrows_counts_and_comes_off_with_esc() {
    let mut model = busy(140, 40);
    press(&mut model, "/");
    write(&mut model, "!frau");
    assert_eq!(model.dashboard.list.keys, ["restaurants", "image-tagger"]);
    press(&mut model, "enter");
    assert!(screen(&model).contains("/!frau: 2 of 3"), "{}", screen(&model));
    press(&mut model, "esc");
    assert_eq!(model.dashboard.list.keys.len(), 3);
}

#[test]
fn the_cursor_stays_on_its_endpoint_while_the_order_changes() {
    let mut model = busy(140, 40);
    press(&mut model, "down");
    assert_eq!(model.dashboard.list.selected(), Some("fraud-check"));
    press(&mut model, "shift-s");
    assert_eq!(model.dashboard.list.selected(), Some("fraud-check"));
}

#[test]
fn until_somebody_chooses_the_cursor_rests_on_the_busiest() {
    let mut model = crate::fixture::fresh(140, 40);
    let mut quiet = standard();
    quiet.iter_mut().flat_map(|(_, courses)| courses).for_each(|course| course.rate = 0.0);
    crate::fixture::fill(&mut model, &quiet);
    feed(&mut model, Feed::Frame(Box::new(frame(&standard(), 30))));
    assert_eq!(model.dashboard.list.selected(), Some("restaurants"));
    press(&mut model, "down");
    let chosen = model.dashboard.list.selected().map(String::from);
    let mut busier = standard();
    busier[2].1[0].rate = 900.0;
    feed(&mut model, Feed::Frame(Box::new(frame(&busier, 30))));
    assert_eq!(model.dashboard.list.selected().map(String::from), chosen, "a choice stays chosen");
}

#[test]
fn problems_only_hides_what_is_well() {
    let mut model = busy(140, 40);
    press(&mut model, "p");
    assert!(!model.dashboard.list.keys.contains(&"restaurants".to_string()));
    assert!(screen(&model).contains("problems only"));
}

#[test]
fn enter_on_a_finding_jumps_to_its_evidence() {
    let mut model = busy(140, 40);
    press(&mut model, "tab");
    let place = model.data.findings[0].place.clone();
    press(&mut model, "enter");
    assert_eq!(*model.nav.here(), place);
    assert!(model.nav.stack.len() > 1, "Esc leads back");
}

#[test]
fn findings_are_ranked_and_say_what_callers_get() {
    let mut endpoints = standard();
    endpoints[0].1[0].ready = 0;
    let mut model = crate::fixture::fresh(140, 40);
    crate::fixture::fill(&mut model, &endpoints);
    let worst = &model.data.findings[0];
    assert_eq!((worst.endpoint.as_str(), worst.deployment.as_deref()), ("restaurants", Some("blue")));
    assert_eq!(worst.text, "has no ready instance: its 90 % of callers get 503");
    let texts: Vec<&str> = model.data.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(
        texts.iter().any(|text| text.contains("were refused (429): all 4 slots busy; needs ≥ 2 instances")),
        "{texts:?}"
    );
    assert!(texts.contains(&"traffic sums to 0: callers get 404 until a weight is set"), "{texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("p99 ") && text.contains("× blue's")), "{texts:?}");
}

#[test]
fn copying_goes_to_the_clipboard_and_says_so() {
    let mut model = busy(140, 40);
    let effects = press(&mut model, "y");
    assert_eq!(effects, [Effect::Copy("https://127.0.0.1:8443/endpoints/restaurants/score".into())]);
    assert!(screen(&model).contains("copied the scoring address of restaurants"));
}

#[test]
fn freezing_stops_the_picture_and_not_the_workspace() {
    let mut model = busy(140, 40);
    press(&mut model, "f");
    let before = screen(&model);
    let mut more = standard();
    more[0].1[0].rate = 4_000.0;
    feed(&mut model, Feed::Frame(Box::new(frame(&more, 30))));
    assert_eq!(screen(&model), before);
    press(&mut model, "f");
    assert_ne!(screen(&model), before);
}

#[test]
fn when_the_connection_is_lost_the_data_stays_and_nothing_is_written() {
    let mut model = busy(140, 40);
    let reason = "the workspace closed the connection".to_string();
    feed(&mut model, Feed::Lost { reason, retry_at: NOW + 4_000 });
    let text = screen(&model);
    assert!(text.contains("next try in 4 s, r tries now") && text.contains("restaurants"), "{text}");
    model.now += 1_000;
    assert!(screen(&model).contains("next try in 3 s"));
    assert!(model.wake_at().is_some_and(|at| at <= model.now + 1_000), "the countdown counts");
    assert!(press(&mut model, "shift-d").is_empty() && model.overlays.is_empty());
    assert!(press(&mut model, "r").contains(&Effect::Poll));
}

#[test]
fn the_palette_goes_anywhere_with_a_ghost_to_complete() {
    let mut model = busy(140, 40);
    press(&mut model, ":");
    write(&mut model, "fraud-check tr");
    assert!(screen(&model).contains(": fraud-check traffic"), "{}", screen(&model));
    press(&mut model, "enter");
    assert_eq!(*model.nav.here(), Place::Traffic("fraud-check".into()));
    press(&mut model, ":");
    write(&mut model, "theme mono");
    press(&mut model, "enter");
    assert!(model.theme.is_mono());
}

#[test]
fn leaving_a_context_leaves_nothing_of_it_behind() {
    let mut model = busy(140, 40);
    let other = ContextEntry { name: "prod".into(), kind: "Azure workspace".into(), ..ContextEntry::default() };
    model.contexts.push(other);
    press(&mut model, ":");
    write(&mut model, "context prod");
    let effects = press(&mut model, "enter");
    assert!(effects.contains(&Effect::Switch { epoch: 2, context: "prod".into() }), "{effects:?}");
    assert!(model.data.endpoints.is_empty() && !screen(&model).contains("restaurants"));
    update(&mut model, Event::Feed(1, Feed::Frame(Box::new(frame(&standard(), 5)))));
    assert!(model.data.endpoints.is_empty(), "late news of the old context is dropped");
}

#[test]
fn what_is_clicked_is_what_is_meant() {
    let mut model = busy(140, 40);
    let mut buf = Buffer::empty(Rect::new(0, 0, 140, 40));
    let drawn = screens::draw(&model, &mut buf);
    let text = dump::glyphs(&buf);
    let y = text.lines().position(|line| line.contains("fraud-check")).unwrap() as u16;
    let (_, hit) = drawn.at(10, y).unwrap();
    assert_eq!(*hit, Hit::Row { pane: 0, index: 1 });
    update(&mut model, Event::Mouse(Mouse::Press(hit.clone())));
    assert_eq!(model.dashboard.list.selected(), Some("fraud-check"));
    let (_, footer) = drawn.at(text.lines().last().unwrap().find("traffic").unwrap() as u16, 39).unwrap();
    update(&mut model, Event::Mouse(Mouse::Press(footer.clone())));
    assert_eq!(*model.nav.here(), Place::Traffic("fraud-check".into()));
}

#[test]
fn a_click_does_not_fall_through_what_floats() {
    let mut model = busy(140, 40);
    press(&mut model, "?");
    let mut buf = Buffer::empty(Rect::new(0, 0, 140, 40));
    let drawn = screens::draw(&model, &mut buf);
    for (x, y) in [(2, 3), (70, 20), (139, 1)] {
        assert!(
            !matches!(drawn.at(x, y), Some((_, Hit::Row { .. } | Hit::Column { .. } | Hit::Chart { .. }))),
            "{x} {y}"
        );
    }
}

#[test]
fn every_screen_has_a_scope_and_the_footer_shows_its_keys() {
    let mut model = busy(200, 60);
    for (keys, scope) in [("", Scope::Dashboard), ("enter", Scope::Endpoint), ("t", Scope::Traffic)] {
        if !keys.is_empty() {
            press(&mut model, keys);
        }
        assert_eq!(model.scopes().first(), Some(&scope));
        let text = screen(&model);
        let footer = text.lines().last().unwrap().to_string();
        let rows = mlconsole::console::actions::rows().filter(|row| row.scope == scope && row.rank > 0);
        for row in rows {
            assert!(footer.contains(row.word), "{} is missing in {footer}", row.id);
        }
    }
}
