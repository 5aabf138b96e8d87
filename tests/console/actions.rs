//! The table of actions: keys, help, palette, footer, README and the read-only rule agree because they come from it.

use std::collections::{BTreeMap, BTreeSet};

use mlconsole::console::actions::{self, Danger, KeyConflict, Keymap, Scope};
use mlconsole::console::app::call::Call;
use mlconsole::console::app::event::Effect;
use mlconsole::console::app::options::Access;
use mlconsole::console::app::update::{dispatch, perform};
use mlconsole::console::overlays::Overlay;

use crate::dump;
use crate::fixture::{all_actions, busy, fill, is_write, press, standard, with_access, young};

#[test]
fn every_action_has_a_row_and_every_row_a_name_of_its_own() {
    let ids: Vec<&str> = actions::rows().map(|row| row.id).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "two rows share an id");
    for action in all_actions() {
        assert_eq!(actions::row(action).action, action);
    }
    for row in actions::rows() {
        assert!(!row.title.is_empty() && !row.keys.is_empty(), "{} needs a title and a key", row.id);
        assert!(row.rank == 0 || !row.word.is_empty(), "{} stands in the footer without a word", row.id);
        assert!(row.danger == Danger::Safe || row.write, "{} asks although it changes nothing", row.id);
    }
}

#[test]
fn the_default_keys_do_not_conflict() {
    Keymap::new(&BTreeMap::new()).unwrap();
}

#[test]
fn a_conflict_of_configured_keys_names_both_actions() {
    let own = BTreeMap::from([("traffic.swap".to_string(), vec!["p".to_string()])]);
    let message = Keymap::new(&own).unwrap_err().to_string();
    assert!(
        message.contains("traffic.preset") && message.contains("traffic.swap") && message.contains("key p"),
        "{message}"
    );
    let wrong =
        |id: &str, key: &str| Keymap::new(&BTreeMap::from([(id.to_string(), vec![key.to_string()])])).unwrap_err();
    assert!(matches!(wrong("traffic.swop", "z"), KeyConflict::NoAction { .. }));
    assert!(matches!(wrong("traffic.swap", "hyperspace"), KeyConflict::NoKey { .. }));
}

#[test]
fn rebound_keys_are_in_force_and_shown() {
    let mut model = busy(140, 40);
    model.keymap = Keymap::new(&BTreeMap::from([("open.traffic".to_string(), vec!["ctrl-t".to_string()])])).unwrap();
    assert!(dump::glyphs(&dump::draw(&model)).contains("ctrl-t traffic"));
    press(&mut model, "t");
    assert_eq!(model.nav.stack.len(), 1, "the default key is no longer bound");
    press(&mut model, "ctrl-t");
    assert_eq!(model.nav.stack.len(), 2);
}

#[test]
fn nothing_is_written_in_a_read_only_context() {
    for place in ["", "enter", "t"] {
        let mut there = young(140, 40, Access::ReadOnly);
        if !place.is_empty() {
            press(&mut there, place);
        }
        for row in actions::rows() {
            let mut model = there.clone();
            let mut effects = dispatch(&mut model, row);
            if row.write {
                assert!(effects.is_empty(), "{} did something", row.id);
                let told = model.toasts.0.last().map(|toast| toast.text.clone()).unwrap_or_default();
                assert!(told.contains("read-only"), "{}: {told}", row.id);
            }
            effects.extend(perform(&mut model, row, None));
            assert!(!effects.iter().any(is_write), "{} writes in a read-only context", row.id);
        }
    }
}

#[test]
fn whatever_writes_says_so_in_its_row() {
    for place in ["", "enter", "t"] {
        let mut there = young(140, 40, Access::Open);
        if !place.is_empty() {
            press(&mut there, place);
        }
        if place == "t" {
            press(&mut there, "right");
        }
        for row in actions::rows().filter(|row| !row.write) {
            // dialogs and prompts carry on what was asked for by a row that says it
            if matches!(row.scope, Scope::Dialog | Scope::Prompt | Scope::Overlay) {
                continue;
            }
            let mut model = there.clone();
            let effects = perform(&mut model, row, None);
            assert!(!effects.iter().any(is_write), "{} writes but is not marked as writing", row.id);
        }
    }
}

#[test]
fn in_a_protected_context_every_change_asks_first() {
    let mut model = with_access(140, 40, Access::Protected);
    fill(&mut model, &standard());
    press(&mut model, "t");
    press(&mut model, "right");
    assert!(press(&mut model, "enter").is_empty());
    assert!(matches!(model.overlays.last(), Some(Overlay::Confirm(state)) if !state.yes), "cancel has the focus");
    assert!(press(&mut model, "enter").is_empty(), "Enter on cancel changes nothing");
    press(&mut model, "enter");
    let effects = press(&mut model, "y");
    assert!(matches!(&effects[..], [Effect::Call { call, .. }] if matches!(**call, Call::SetTraffic { .. })));
}

#[test]
fn what_destroys_wants_the_name_typed() {
    let mut model = busy(140, 40);
    press(&mut model, "shift-d");
    crate::fixture::write(&mut model, "restaurant");
    press(&mut model, "tab");
    assert!(press(&mut model, "enter").is_empty(), "a part of the name is not the name");
    crate::fixture::write(&mut model, "s");
    let effects = press(&mut model, "enter");
    let expected = Call::DeleteEndpoint { endpoint: "restaurants".into() };
    assert!(matches!(&effects[..], [Effect::Call { call, .. }] if **call == expected), "{effects:?}");
}

#[test]
fn help_lists_every_action_with_its_keys() {
    let mut model = busy(140, 60);
    for row in actions::rows() {
        let mut seen = false;
        press(&mut model, "?");
        crate::fixture::write(&mut model, row.title);
        let text = dump::glyphs(&dump::draw(&model));
        seen |= text.contains(row.title) && text.contains(&model.keymap.first(row));
        assert!(seen, "help does not show {}:\n{text}", row.id);
        press(&mut model, "esc");
    }
}

#[test]
fn an_action_that_cannot_run_stays_visible_with_its_reason() {
    let mut model = busy(140, 40);
    press(&mut model, "enter");
    press(&mut model, "m");
    let text = dump::glyphs(&dump::draw(&model));
    assert!(text.contains("blue has 90 % of the traffic: move it away first"), "{text}");
}

#[test]
fn the_readme_has_the_table_of_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- keys: begin -->\n", "<!-- keys: end -->");
    let Some((before, rest)) = readme.split_once(begin) else { panic!("README.md has no {begin}") };
    let Some((table, after)) = rest.split_once(end) else { panic!("README.md has no {end}") };
    let expected = format!("\n{}\n", actions::markdown());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(table, expected, "run `UPDATE_README=1 cargo test --test console readme`");
}
