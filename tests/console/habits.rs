//! The thirty habits of the house, each with the test that proves it. Suites: `console` and `pty` lie in `tests/`, the
//! rest beside the code. [`the_table_names_tests_that_exist`] keeps the table honest.
//!
//! | Habit | Proved by |
//! | --- | --- |
//! | First frame at once, data fills in | `the_first_frame_comes_at_once_and_data_fills_it` |
//! | Contextual footer and `?` from one table with the keys in force | `every_screen_has_a_scope_and_the_footer_shows_its_keys`, `help_lists_every_action_with_its_keys`, `rebound_keys_are_in_force_and_shown` |
//! | Esc one level back, breadcrumb is the stack | `esc_leads_back_one_level_at_a_time_and_forward_again` |
//! | Draft → preview → apply → undo | `the_preview_says_what_will_move`, `an_applied_draft_becomes_what_is_in_force_and_can_be_undone` |
//! | Wanted beside measured | `what_is_wanted_stands_beside_what_is_measured_until_they_agree` |
//! | Journal with undo | `the_journal_tells_who_did_what_and_u_takes_the_last_back` |
//! | Three danger levels, typed name for the destructive | `three_levels_of_danger_are_asked_for_in_three_ways`, `what_destroys_wants_the_name_typed` |
//! | Read-only refused in screen and executor | `nothing_is_written_in_a_read_only_context`, `writes_are_refused_in_a_read_only_context_whatever_the_screen_thought` |
//! | Disabled actions visible with the reason | `an_action_that_cannot_run_stays_visible_with_its_reason` |
//! | Age, stale dimmed, banner with countdown, last data kept | `old_data_is_dimmed_and_says_how_old_it_is`, `when_the_connection_is_lost_the_data_stays_and_nothing_is_written`, `after_the_connection_is_back_the_gap_stays_a_gap`, `a_workspace_that_dies_and_comes_back` |
//! | `/` fuzzy, regex, inverse, count | `the_filter_narrows_counts_and_comes_off_with_esc`, `fuzzy_regex_and_inverse_select_what_they_say` |
//! | Palette | `the_palette_goes_anywhere_with_a_ghost_to_complete`, `help_and_palette_are_reached_while_text_is_typed` |
//! | Sort any column, remembered | `every_column_sorts`, `sort_and_filter_are_remembered_as_they_change`, `the_order_of_yesterday_is_there_after_a_restart` |
//! | Colour plus letter and shape everywhere | `blue_and_green_are_told_apart_without_colour_on_every_screen` |
//! | Charts with units, gaps, freeze, zoom | `charts_carry_units_and_windows_and_zoom`, `freezing_stops_the_picture_and_not_the_workspace`, `what_was_not_observed_is_a_gap_and_not_zero` |
//! | Histogram with Δ and counts | `the_histogram_compares_with_differences_and_counts` |
//! | Request recipes, history, diff, copy as curl | `a_recipe_never_holds_the_key_and_survives_the_shell`, `a_request_is_sent_answered_and_remembered`, `two_deployments_get_the_same_body_and_differences_are_found`, `the_tolerance_is_remembered` |
//! | Response fold, search, filter | `folding_hides_what_is_inside_and_says_how_much`, `a_filter_keeps_hits_and_the_way_to_them` |
//! | Logs: follow, pause, search, level, instance, bounded | `scrolling_up_pauses_and_down_to_the_end_follows_again`, `level_instance_and_filter_narrow_what_is_shown`, `it_keeps_the_newest_lines_and_passes_over_those_it_has` |
//! | The place of rollout steps | `a_rollout_has_its_place_and_says_that_none_runs` |
//! | Findings | `findings_are_ranked_and_say_what_callers_get`, `enter_on_a_finding_jumps_to_its_evidence`, `a_disk_that_fills_and_a_token_that_ends_are_found` |
//! | Drill-down with back and forward | `back_and_forward_lead_along_the_way_that_was_gone` |
//! | Copy by OSC 52 with toast | `copying_goes_to_the_clipboard_and_says_so`, `what_is_copied_arrives_at_the_terminal` |
//! | Toasts, task list, error details | `what_fails_is_told_listed_and_explained` |
//! | Themes | `themes`, `every_theme_keeps_blue_and_green_apart`, `without_colours_the_selected_row_is_still_marked` |
//! | 80x24 complete, more beyond, a polite line below 60x16 | `screens`, `more_columns_show_more`, `too_small_a_terminal_gets_one_polite_line` |
//! | Mouse: click, drag on a slider, wheel; a key to release it | `what_is_clicked_is_what_is_meant`, `the_mouse_drags_a_slider`, `the_mouse_clicks_drags_turns_and_is_released` |
//! | Rebindable keys, conflicts naming both, configuration reloaded live | `a_conflict_of_configured_keys_names_both_actions`, `a_configuration_read_again_is_in_force_at_once`, `a_configuration_that_changes_is_read_again_once_it_rests` |
//! | State saved as it changes | `sort_and_filter_are_remembered_as_they_change`, `the_order_of_yesterday_is_there_after_a_restart` |
//! | Every action has a command, and the console shows it | `every_change_has_a_command_and_the_console_shows_it` |
//!
//! And one of `screens.md`: what changed just now stands out for two seconds,
//! `what_changed_just_now_stands_out_for_two_seconds`.

mod feel;
mod screens;
mod truth;

use mlconsole::console::app::model::Model;

use crate::dump;

/// The screen as text.
fn screen(model: &Model) -> String {
    dump::glyphs(&dump::draw(model))
}

/// Names in the table above are those of tests.
#[test]
fn the_table_names_tests_that_exist() {
    fn read(folder: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                read(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for folder in ["tests/console", "tests/pty", "src/console"] {
        read(&root.join(folder), &mut sources);
    }
    let table = include_str!("habits.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows: Vec<&str> = table.skip(2).collect();
    assert_eq!(rows.len(), 30, "thirty habits");
    for row in rows {
        let proof = row.split(" | ").nth(1).unwrap();
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test for: {row}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "{name} is no test");
        }
    }
}
