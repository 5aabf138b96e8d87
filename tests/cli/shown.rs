//! Every command the console shows beside an action is one the program understands.

use clap::Parser;
use mlconsole::cli::Args;
use mlconsole::console::actions;

#[test]
fn each_command_of_the_action_table_is_understood() {
    for row in actions::rows().filter(|row| !row.command.is_empty()) {
        let text = row
            .command
            .replace("{deployment} N", "{deployment} 2")
            .replace("{endpoint}", "restaurants")
            .replace("{deployment}", "blue")
            .replace("{weights}", "blue=90 green=10");
        if let Err(error) = Args::try_parse_from(text.split_whitespace()) {
            panic!("{}: `{text}` is not a command: {error}", row.id);
        }
    }
}
