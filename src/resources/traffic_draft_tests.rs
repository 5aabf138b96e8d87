use proptest::prelude::*;

use super::*;

fn map(weights: &[(&str, u16)]) -> TrafficMap {
    weights.iter().map(|(name, percent)| ((*name).to_owned(), Weight::percent(*percent))).collect()
}

fn draft(weights: &[(&str, u16)]) -> Draft {
    Draft::new(&map(weights), weights.iter().map(|(name, _)| *name))
}

fn percents(draft: &Draft) -> Vec<f64> {
    draft.entries().iter().map(|entry| entry.weight.as_percent()).collect()
}

#[test]
fn moving_green_takes_from_blue() {
    let mut draft = draft(&[("blue", 90), ("green", 10)]);
    assert_eq!(draft.nudge("green", 500), Ok(Weight::percent(15)));
    assert_eq!(percents(&draft), [85.0, 15.0]);
    assert_eq!(draft.preset("green", 100), Ok(Weight::FULL));
    assert_eq!(draft.map(), map(&[("green", 100)]));
}

#[test]
fn the_rest_shares_in_proportion_by_largest_remainder() {
    let mut draft = draft(&[("blue", 50), ("green", 30), ("red", 20)]);
    draft.set("blue", Weight::percent(51)).unwrap();
    // 49 × 30/50 = 29.4, 49 × 20/50 = 19.6: red has the larger remainder.
    assert_eq!(percents(&draft), [51.0, 29.0, 20.0]);
}

#[test]
fn ties_go_by_name_and_zeros_share_equally() {
    let mut draft = draft(&[("a", 100), ("b", 0), ("c", 0)]);
    draft.set("a", Weight::percent(99)).unwrap();
    assert_eq!(percents(&draft), [99.0, 1.0, 0.0]);
}

#[test]
fn a_locked_deployment_is_left_alone() {
    let mut draft = draft(&[("a", 40), ("b", 30), ("c", 30)]);
    assert_eq!(draft.toggle_lock("b"), Some(true));
    assert_eq!(draft.set("a", Weight::percent(90)), Ok(Weight::percent(70)), "stops where the lock begins");
    assert_eq!(percents(&draft), [70.0, 30.0, 0.0]);
    assert_eq!(draft.set("b", Weight::percent(1)), Err(DraftRefusal::Locked("b".into())));
    draft.toggle_lock("c");
    assert!(matches!(draft.nudge("a", -100), Err(DraftRefusal::NothingToTakeFrom(..))));
    assert_eq!(draft.toggle_lock("x"), None);
}

#[test]
fn a_lone_deployment_can_only_have_everything() {
    let mut draft = draft(&[("blue", 100)]);
    assert_eq!(draft.nudge("blue", -100), Err(DraftRefusal::Alone("blue".into())));
    draft.turn_off();
    assert_eq!(draft.map(), TrafficMap::new());
    assert_eq!(draft.set("blue", Weight::percent(10)), Ok(Weight::FULL));
    assert!(!draft.is_changed());
}

#[test]
fn traffic_that_is_off_comes_on_with_the_first_edit() {
    let mut draft = Draft::new(&TrafficMap::new(), ["green", "blue"]);
    assert_eq!(draft.sum(), 0);
    draft.preset("blue", 90).unwrap();
    assert_eq!(draft.map(), map(&[("blue", 90), ("green", 10)]));
    assert!(draft.undo());
    assert_eq!(draft.sum(), 0);
    assert!(!draft.undo());
}

#[test]
fn swap_exchanges_and_unknown_names_are_named() {
    let mut draft = draft(&[("blue", 90), ("green", 10)]);
    draft.swap("blue", "green").unwrap();
    assert_eq!(percents(&draft), [10.0, 90.0]);
    assert_eq!(draft.swap("blue", "gren"), Err(DraftRefusal::Unknown("gren".into())));
    draft.reset();
    assert!(!draft.is_changed());
}

#[test]
fn names_compare_in_any_case_and_keep_the_deployments_spelling() {
    let mut draft = Draft::new(&map(&[("BLUE", 100)]), ["blue", "green"]);
    assert_eq!(draft.entries().len(), 2);
    draft.set("Blue", Weight::percent(50)).unwrap();
    assert_eq!(draft.map(), map(&[("blue", 50), ("green", 50)]));
}

#[derive(Debug, Clone)]
enum Edit {
    Set(usize, u16),
    Nudge(usize, i32),
    Lock(usize),
    Swap(usize, usize),
    Off,
    Reset,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        4 => (0..7usize, 0..=10_000u16).prop_map(|(i, w)| Edit::Set(i, w)),
        4 => (0..7usize, 0..=100u16).prop_map(|(i, w)| Edit::Set(i, w * 100)),
        4 => (0..7usize, any::<i32>()).prop_map(|(i, by)| Edit::Nudge(i, by)),
        2 => (0..7usize).prop_map(Edit::Lock),
        2 => (0..7usize, 0..7usize).prop_map(|(a, b)| Edit::Swap(a, b)),
        1 => Just(Edit::Off),
        1 => Just(Edit::Reset),
    ];
    proptest::collection::vec(edit, 0..30)
}

fn apply(draft: &mut Draft, edit: &Edit) {
    let name = |i: &usize| format!("d{i}");
    match edit {
        Edit::Set(i, weight) => {
            let _ = draft.set(&name(i), Weight::from_hundredths(*weight).unwrap());
        }
        Edit::Nudge(i, by) => {
            let _ = draft.nudge(&name(i), *by);
        }
        Edit::Lock(i) => {
            let _ = draft.toggle_lock(&name(i));
        }
        Edit::Swap(a, b) => {
            let _ = draft.swap(&name(a), &name(b));
        }
        Edit::Off => draft.turn_off(),
        Edit::Reset => draft.reset(),
    }
}

proptest! {
    #[test]
    fn whatever_is_moved_the_sum_is_100_or_traffic_is_off(
        count in 1..7usize, first in proptest::collection::vec(0..=10_000u16, 7), edits in edits(),
    ) {
        let names: Vec<String> = (0..count).map(|i| format!("d{i}")).collect();
        let start: TrafficMap = names.iter().cloned().zip(first.iter().map(|w| Weight::from_hundredths(*w).unwrap())).collect();
        let mut draft = Draft::new(&start, &names);
        let locked = |draft: &Draft| -> Vec<(String, Weight)> {
            draft.entries().iter().filter(|e| e.locked).map(|e| (e.name.clone(), e.weight)).collect()
        };
        for edit in &edits {
            let before = locked(&draft);
            apply(&mut draft, edit);
            prop_assert!([0, 10_000].contains(&draft.sum()), "{draft:?}");
            if matches!(edit, Edit::Set(..) | Edit::Nudge(..) | Edit::Swap(..)) {
                prop_assert_eq!(before, locked(&draft), "locked weights stay");
            }
        }
    }

    #[test]
    fn whole_percents_stay_whole(edits in edits()) {
        let mut draft = draft(&[("d0", 34), ("d1", 33), ("d2", 33), ("d3", 0)]);
        for edit in edits.iter().filter(|e| !matches!(e, Edit::Nudge(..)) && !matches!(e, Edit::Set(_, w) if w % 100 != 0)) {
            apply(&mut draft, edit);
            prop_assert!(draft.entries().iter().all(|e| e.weight.hundredths() % 100 == 0), "{draft:?}");
        }
    }

    #[test]
    fn undo_returns_step_by_step(edits in edits()) {
        let mut draft = draft(&[("d0", 50), ("d1", 25), ("d2", 25)]);
        let mut seen = vec![draft.map()];
        for edit in &edits {
            apply(&mut draft, edit);
            if seen.last() != Some(&draft.map()) {
                seen.push(draft.map());
            }
        }
        while let Some(expected) = seen.pop() {
            prop_assert_eq!(draft.map(), expected);
            draft.undo();
        }
    }
}
