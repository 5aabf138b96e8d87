//! Every command the console shows beside an action is one the program understands, and the README lists them all.

use clap::{CommandFactory, Parser};
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

#[test]
fn the_readme_lists_every_command() {
    let readme = include_str!("../../README.md");
    for command in Args::command().get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        let start = format!("| `mlconsole {name}` |");
        let Some(line) = readme.lines().find(|line| line.starts_with(&start)) else {
            panic!("README.md has no line for `mlconsole {name}`")
        };
        for word in command.get_subcommands().map(|sub| sub.get_name()).filter(|word| *word != "help") {
            let listed = line.contains(&format!("`{word}`")) || line.contains(&format!("`{word} "));
            assert!(listed, "README.md does not list `mlconsole {name} {word}`");
        }
    }
}
