//! Snapshots of glyphs and styles: screens × states × sizes. `INSTA_UPDATE=always cargo test --test console` renews them.

use mlconsole::console::app::event::{Event, Feed};
use mlconsole::console::app::global::set_theme;
use mlconsole::console::app::model::Model;
use mlconsole::console::app::options::Access;
use mlconsole::console::app::update::update;
use mlconsole::console::look::theme::ThemeName;

use crate::dump;
use crate::fixture::{Course, NOW, busy, feed, fill, fresh, press, standard, with_access, write};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn check(name: &str, model: &Model) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("{name}-{}", model.size.0), dump::full(model));
    });
}

/// Each screen as it is on a busy day, at three sizes.
#[test]
fn screens() {
    let places: [(&str, &[&str]); 6] = [
        ("dashboard", &[]),
        ("findings", &["tab"]),
        ("endpoint", &["enter"]),
        ("endpoint-latencies", &["enter", "tab", "right"]),
        ("traffic", &["t"]),
        ("traffic-draft", &["t", "w"]),
    ];
    for (width, height) in SIZES {
        for (name, keys) in places {
            let mut model = busy(width, height);
            keys.iter().for_each(|key| drop(press(&mut model, key)));
            check(name, &model);
        }
    }
}

/// What floats.
#[test]
fn overlays() {
    let all: [(&str, &[&str]); 7] = [
        ("help", &["?"]),
        ("palette", &[":"]),
        ("menu", &["m"]),
        ("commands", &["shift-c"]),
        ("confirm-destructive", &["shift-d"]),
        ("confirm-change", &["enter", ">"]),
        ("tasks", &["shift-t"]),
    ];
    for (name, keys) in all {
        let mut model = busy(80, 24);
        keys.iter().for_each(|key| drop(press(&mut model, key)));
        check(name, &model);
    }
    let mut model = busy(120, 40);
    press(&mut model, ":");
    write(&mut model, "rest");
    check("palette-ghost", &model);
    let mut model = busy(120, 40);
    press(&mut model, "/");
    write(&mut model, "fr");
    check("filter", &model);
}

/// Opening, empty, loading, lost, stale and failed are different pictures.
#[test]
fn states() {
    for (width, height) in SIZES {
        let mut opening = fresh(width, height);
        opening.data.link = mlconsole::console::data::Link::Opening { since_ms: NOW - 900 };
        check("opening", &opening);
        let mut loading = fresh(width, height);
        feed(&mut loading, Feed::Connected);
        check("loading", &loading);
        let mut empty = fresh(width, height);
        fill(&mut empty, &[]);
        check("empty", &empty);
        let mut lost = busy(width, height);
        feed(&mut lost, Feed::Lost { reason: "the workspace closed the connection".into(), retry_at: NOW + 3_000 });
        lost.toasts.0.clear();
        check("lost", &lost);
        let mut stale = busy(width, height);
        stale.now += 7_000;
        check("stale", &stale);
        let mut failed = fresh(width, height);
        update(&mut failed, Event::Opened(1, Err("the data folder is in use by process 4711".into())));
        check("failed", &failed);
    }
}

#[test]
fn kinds_of_names_and_contexts() {
    let mut read_only = with_access(80, 24, Access::ReadOnly);
    fill(&mut read_only, &standard());
    press(&mut read_only, "t");
    check("read-only", &read_only);
    let mut long = fresh(80, 24);
    let names = [
        ("a-name-of-the-full-thirty-two-ch", vec![Course::new("canary-with-a-long-name-of-its-own", 100, 5.0, 900.0)]),
        ("餐厅推荐-世界", vec![Course::new("蓝色", 60, 9.0, 900.0), Course::new("绿色", 40, 9.0, 900.0)]),
    ];
    fill(&mut long, &names);
    check("wide-names", &long);
    let mut many = fresh(120, 40);
    let shares = [("blue", 40), ("green", 30), ("amber", 15), ("coral", 10), ("teal", 5)];
    let courses = shares.map(|(name, weight)| Course::new(name, weight, f64::from(weight), 2_000.0));
    fill(&mut many, &[("five", courses.into_iter().collect())]);
    check("five-dashboard", &many);
    press(&mut many, "enter");
    check("five-endpoint", &many);
    press(&mut many, "t");
    check("five-traffic", &many);
}

#[test]
fn themes() {
    for theme in [ThemeName::Dark, ThemeName::Light, ThemeName::HighContrast, ThemeName::BlueOrange, ThemeName::Mono] {
        let mut model = busy(80, 24);
        set_theme(&mut model, theme);
        check(&format!("theme-{}", theme.word()), &model);
    }
    let mut ascii = busy(80, 24);
    ascii.settings.ascii = true;
    set_theme(&mut ascii, ThemeName::Mono);
    check("theme-ascii", &ascii);
    press(&mut ascii, "t");
    check("theme-ascii-traffic", &ascii);
}

#[test]
fn freezing_and_reading() {
    let mut model = busy(120, 40);
    ["enter", "f", "[", "[", "[", "["].iter().for_each(|key| drop(press(&mut model, key)));
    model.toasts.0.clear();
    check("frozen", &model);
}

/// Without a single sample there is no percentile, and a gap in the data is a gap in the picture.
#[test]
fn no_figure_without_samples() {
    let mut model = fresh(120, 40);
    fill(&mut model, &[("quiet", vec![Course::new("blue", 100, 0.0, 1.0)])]);
    let text = dump::glyphs(&dump::draw(&model));
    let row = text.lines().find(|line| line.contains("quiet")).unwrap();
    assert!(row.matches('–').count() >= 3, "{row}");
}

/// What is wrong with the selected deployment stands on its endpoint's screen, in words.
#[test]
fn the_selected_deployment_says_what_is_wrong() {
    for size in SIZES {
        let mut model = busy(size.0, size.1);
        model.jump(mlconsole::console::app::nav::Place::Endpoint("fraud-check".into()));
        let shown = |model: &Model| dump::glyphs(&dump::draw(model));
        assert!(!shown(&model).contains("! blue: "), "{}", shown(&model));
        press(&mut model, "right");
        assert!(shown(&model).contains("! green: "), "{}", shown(&model));
    }
}
