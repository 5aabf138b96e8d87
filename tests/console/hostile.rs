//! Random sizes, random models, hostile names: nothing panics, nothing escapes.

use proptest::prelude::*;

use mlconsole::console::app::event::Feed;
use mlconsole::console::app::global::set_theme;
use mlconsole::console::look::theme::THEMES;
use mlconsole::resources::{Deployment, Endpoint, Weight};

use crate::dump;
use crate::fixture::{busy, feed, fresh, press, write};

const KEYS: [&str; 40] = [
    "enter", "esc", "tab", "up", "down", "left", "right", "t", "x", "shift-l", "n", "c", "e", "m", "?", ":", "/", "s",
    "shift-s", "p", "w", "f", "+", "-", "[", "]", "\\", "5", "1", "2", "3", "4", "u", "shift-t", "shift-c", "f2",
    "backtab", "home", "end", "pagedown",
];

/// Letters, wide ones, escape sequences, bidi overrides, joiners.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{1,30}",
        "[a-z\u{4e00}-\u{4e20}\u{1f600}-\u{1f610}]{1,40}",
        "(\u{1b}\\[31m|\u{1b}\\]0;x\u{7}|\u{202e}|\u{200d}|\u{0}|\r|\n|\t|a){1,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_keys_at_any_size_draw_without_panic(
        width in 0u16..260,
        height in 0u16..70,
        theme in 0usize..6,
        ascii in any::<bool>(),
        keys in prop::collection::vec(0usize..KEYS.len(), 0..14),
    ) {
        let mut model = busy(width, height);
        model.settings.ascii = ascii;
        set_theme(&mut model, THEMES[theme]);
        for key in keys {
            press(&mut model, KEYS[key]);
            let buf = dump::draw(&model);
            if ascii {
                let text = dump::glyphs(&buf);
                prop_assert!(text.is_ascii(), "not ASCII: {:?}", text.chars().find(|c| !c.is_ascii()));
            }
        }
    }

    #[test]
    fn hostile_names_stay_harmless(
        names in prop::collection::vec((name(), name(), 0u16..=100), 1..5),
        width in 60u16..200,
        height in 16u16..50,
        keys in prop::collection::vec(0usize..KEYS.len(), 0..6),
    ) {
        let mut model = fresh(width, height);
        feed(&mut model, Feed::Connected);
        let mut endpoints = Vec::new();
        for (endpoint, deployment, weight) in &names {
            let mut resource = Endpoint { name: endpoint.clone(), ..Endpoint::default() };
            resource.properties.traffic.insert(deployment.clone(), Weight::percent(*weight));
            resource.properties.description = Some(deployment.clone());
            endpoints.push(resource);
        }
        feed(&mut model, Feed::Endpoints(endpoints));
        for (endpoint, deployment, _) in &names {
            let deployments = vec![Deployment { name: deployment.clone(), ..Deployment::default() }];
            feed(&mut model, Feed::Deployments { endpoint: endpoint.clone(), deployments });
        }
        for key in keys {
            press(&mut model, KEYS[key]);
        }
        let buf = dump::draw(&model);
        for cell in buf.content() {
            for c in cell.symbol().chars() {
                prop_assert!(!c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'), "{c:?}");
            }
        }
    }

    #[test]
    fn any_filter_is_harmless(text in "[!~]{0,2}.{0,24}") {
        let mut model = busy(100, 30);
        press(&mut model, "/");
        write(&mut model, &text);
        dump::draw(&model);
        press(&mut model, "enter");
        dump::draw(&model);
    }
}

#[test]
fn too_small_a_terminal_gets_one_polite_line() {
    let text = dump::glyphs(&dump::draw(&busy(59, 20)));
    assert_eq!(text.trim(), "mlconsole needs 60x16; this is 59x20");
}
