//! Habits about how the console feels: moving, finding, reading, looking.

use mlconsole::console::app::call::{Answer, Scored};
use mlconsole::console::app::event::{Effect, Event};
use mlconsole::console::app::global::set_theme;
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::options::ContextEntry;
use mlconsole::console::app::saved::Saved;
use mlconsole::console::app::update::update;
use mlconsole::console::look::theme::{THEMES, ThemeName};
use mlconsole::console::screens::dashboard::COLUMNS;
use ratatui::style::Style;

use super::screen;
use crate::fixture::{busy, press, settings, write};

#[test]
fn every_column_sorts() {
    let mut model = busy(200, 60);
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..COLUMNS.len() {
        press(&mut model, "s");
        let column = COLUMNS[model.dashboard.list.sort].title.to_lowercase();
        assert!(screen(&model).contains(&format!("by {column}")), "{column}");
        let forward = model.dashboard.list.keys.clone();
        press(&mut model, "shift-s");
        let mut backward = model.dashboard.list.keys.clone();
        backward.reverse();
        assert_eq!(forward, backward, "{column} turned round");
        press(&mut model, "shift-s");
        orders.insert(forward);
    }
    assert!(orders.len() >= 3, "columns order differently: {orders:?}");
}

#[test]
fn back_and_forward_lead_along_the_way_that_was_gone() {
    let mut model = busy(140, 40);
    for (key, place) in [
        ("enter", Place::Endpoint("restaurants".into())),
        ("shift-l", Place::Logs { endpoint: "restaurants".into(), deployment: "blue".into() }),
    ] {
        press(&mut model, key);
        assert_eq!(*model.nav.here(), place);
    }
    let deepest = model.nav.stack.clone();
    press(&mut model, "esc");
    press(&mut model, "alt-left");
    assert_eq!(model.nav.stack, [Place::Dashboard]);
    press(&mut model, "alt-right");
    press(&mut model, "alt-right");
    assert_eq!(model.nav.stack, deepest, "forward goes all the way");
    press(&mut model, "esc");
    press(&mut model, "t");
    press(&mut model, "esc");
    press(&mut model, "alt-right");
    assert_eq!(*model.nav.here(), Place::Traffic("restaurants".into()), "another way makes another forward");
}

#[test]
fn help_and_palette_are_reached_while_text_is_typed() {
    let places = [
        Place::EndpointForm { name: None },
        Place::DeploymentForm { endpoint: "restaurants".into(), name: None, model: None },
        Place::Test { endpoint: "restaurants".into(), deployment: None },
    ];
    for place in places {
        let mut model = busy(120, 40);
        model.jump(place.clone());
        if matches!(place, Place::Test { .. }) {
            press(&mut model, "i");
        }
        write(&mut model, "abc");
        assert!(screen(&model).contains("F1 all keys"), "{}", screen(&model));
        press(&mut model, "f1");
        assert!(screen(&model).contains("type to search keys and actions"), "{place:?}");
        press(&mut model, "esc");
        press(&mut model, "ctrl-p");
        write(&mut model, "fraud-check traffic");
        press(&mut model, "enter");
        assert_eq!(*model.nav.here(), Place::Traffic("fraud-check".into()));
        // what was typed is still there
        model.jump(place.clone());
        assert!(screen(&model).contains("abc"), "{place:?}:\n{}", screen(&model));
    }
}

#[test]
fn blue_and_green_are_told_apart_without_colour_on_every_screen() {
    let places = [
        Place::Dashboard,
        Place::Endpoint("restaurants".into()),
        Place::Traffic("restaurants".into()),
        Place::Test { endpoint: "restaurants".into(), deployment: Some("green".into()) },
        Place::Logs { endpoint: "restaurants".into(), deployment: "green".into() },
    ];
    for (theme, ascii, blue, green) in [(ThemeName::Mono, false, "■", "▲"), (ThemeName::Mono, true, "B", "G")] {
        for place in &places {
            let mut model = busy(140, 40);
            model.settings.ascii = ascii;
            set_theme(&mut model, theme);
            model.jump(place.clone());
            let text = screen(&model);
            assert!(text.contains(&format!("{green} green")) || text.contains(&format!("green {green}")), "{text}");
            if !matches!(place, Place::Test { .. } | Place::Logs { .. }) {
                assert!(text.contains(&format!("{blue} blue")) || text.contains(&format!("blue {blue}")), "{text}");
            }
        }
    }
}

#[test]
fn every_theme_keeps_blue_and_green_apart() {
    for theme in THEMES {
        let mut model = busy(120, 40);
        set_theme(&mut model, theme);
        let (blue, green) = (model.theme.blue, model.theme.green);
        assert!(blue != green || model.theme.is_mono(), "{theme:?}");
        let coloured = |style: Style| style.fg.is_some() || style.bg.is_some();
        assert_eq!(coloured(blue), !model.theme.is_mono(), "{theme:?}");
    }
    assert_ne!(
        mlconsole::console::look::theme::Theme::new(ThemeName::BlueOrange, false).green,
        mlconsole::console::look::theme::Theme::new(ThemeName::Terminal, false).green,
        "the pair for colour-blind eyes is another one"
    );
}

#[test]
fn charts_carry_units_and_windows_and_zoom() {
    let mut model = busy(140, 40);
    press(&mut model, "enter");
    let text = screen(&model);
    assert!(text.contains("requests/s") && text.contains("ms"), "{text}");
    assert!(text.contains("now") && text.contains("-5 m"), "the window is written below: {text}");
    press(&mut model, "-");
    assert!(screen(&model).contains("-10 m"), "longer");
    press(&mut model, "+");
    press(&mut model, "+");
    assert!(screen(&model).contains("-120 s") || screen(&model).contains("-2 m"), "shorter: {}", screen(&model));
    press(&mut model, "[");
    assert!(model.chart.cursor.is_some(), "a cursor reads values");
    press(&mut model, "\\");
    assert!(model.chart.cursor.is_none());
}

#[test]
fn the_histogram_compares_with_differences_and_counts() {
    let mut model = busy(200, 60);
    press(&mut model, "enter");
    let text = screen(&model);
    assert!(text.contains('Δ'), "the difference is written: {text}");
    assert!(text.contains("requests") || text.contains("n "), "so are the counts: {text}");
}

#[test]
fn a_rollout_has_its_place_and_says_that_none_runs() {
    for size in [(80, 24), (120, 40), (140, 40), (220, 60)] {
        let mut model = busy(size.0, size.1);
        press(&mut model, "t");
        let text = screen(&model);
        assert!(text.contains("Rollout") && text.contains("none is running"), "{size:?}:\n{text}");
        assert!(size.1 < 40 || text.contains("promote, pause and abort"), "{size:?}:\n{text}");
    }
}

#[test]
fn more_columns_show_more() {
    let count = |width: u16, height: u16| {
        let text = screen(&busy(width, height));
        let header = text.lines().find(|line| line.contains("NAME")).unwrap().to_string();
        ["STATE", "REQ/S", "LAST 5 MIN", "ERR %", "P50", "P95", "P99"]
            .iter()
            .filter(|title| header.contains(*title))
            .count()
    };
    let (small, middle, large) = (count(80, 24), count(100, 30), count(140, 40));
    assert!(small >= 4 && small <= middle && middle <= large && large == 7, "{small} {middle} {large}");
}

#[test]
fn the_tolerance_is_remembered() {
    let mut model = busy(140, 40);
    let effects = model.jump(Place::Test { endpoint: "restaurants".into(), deployment: None });
    drop(effects);
    let effects = press(&mut model, "d");
    for effect in &effects {
        let Effect::Call { epoch, task, call } = effect.clone() else { continue };
        let scored = Scored { status: 200, body: "[0.5]".into(), ..Scored::default() };
        update(&mut model, Event::Reply { epoch, task, call, outcome: Ok(Answer::Score(Box::new(scored))) });
    }
    let before = model.test.tolerance.relative;
    let effects = press(&mut model, "+");
    assert!(model.test.tolerance.relative > before, "{effects:?}");
    let Some(Effect::Save(text)) = effects.last() else { panic!("{effects:?}") };
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), ..ContextEntry::default() };
    let again = Model::new(settings(), context, Saved::parse(text)).unwrap();
    assert_eq!(again.test.tolerance.relative, model.test.tolerance.relative);
}
