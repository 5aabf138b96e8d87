//! What registered models and environments have in common on the command line: lists, and how a version is named.

use serde::Serialize;

use super::Session;
use super::error::CliError;
use super::output::{Table, note, one_line, print_json};
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion, ResourceId};
use crate::resources::{AssetContainer, Resource};

/// Prints all assets of a kind; `none` is what to say when there are none.
pub(super) fn print_all(session: &Session, all: Vec<AssetContainer>, none: &str) -> Result<(), CliError> {
    if session.json() {
        return print_json(&all);
    }
    if all.is_empty() {
        note(none);
        return Ok(());
    }
    let mut table = Table::new(&["NAME", ">LATEST", "DESCRIPTION"]);
    for asset in all {
        let properties = asset.properties;
        table.row([
            asset.name,
            properties.latest_version.unwrap_or_else(|| "–".into()),
            properties.description.unwrap_or_default(),
        ]);
    }
    table.print()
}

/// Prints the versions of the asset `name`, a row each.
pub(super) fn print_versions<P: Serialize, const N: usize>(
    session: &Session,
    kind: AssetKind,
    name: &str,
    versions: &[Resource<P>],
    headings: [&'static str; N],
    row: impl Fn(&Resource<P>) -> [String; N],
) -> Result<(), CliError> {
    if session.json() {
        return print_json(&versions);
    }
    if versions.is_empty() {
        let noun = noun(kind);
        note(&format!(
            "no versions of {}: `mlconsole {noun} list` shows the registered {}",
            one_line(name),
            kind.collection()
        ));
        return Ok(());
    }
    let mut table = Table::new(&headings);
    for version in versions {
        table.row(row(version));
    }
    table.print()
}

fn noun(kind: AssetKind) -> &'static str {
    kind.collection().trim_end_matches('s')
}

/// A version as the user names it.
#[derive(Debug, PartialEq)]
pub(super) enum Wanted {
    Latest(String),
    Exact(String, String),
}

/// Reads `NAME`, `NAME:VERSION`, `NAME@latest` or the id of a version of this kind.
pub(super) fn wanted(text: &str, kind: AssetKind) -> Result<Wanted, CliError> {
    if !text.contains([':', '@', '/']) {
        return Ok(Wanted::Latest(text.to_owned()));
    }
    match AssetRef::parse(text).map_err(|e| CliError::usage(e.to_string()))? {
        AssetRef::Named { name, version: AssetVersion::Exact(version) } => Ok(Wanted::Exact(name, version)),
        AssetRef::Named { name, version: AssetVersion::Label(label) } if label.eq_ignore_ascii_case("latest") => {
            Ok(Wanted::Latest(name))
        }
        AssetRef::Id(id) => match id.asset() {
            Some((given, name, version)) if given == kind => Ok(Wanted::Exact(name.to_owned(), version.to_owned())),
            _ => Err(CliError::usage(format!("{text:?} is not the id of a version of the {}", kind.collection()))),
        },
        other => Err(CliError::usage(format!("{other}: write NAME, NAME:VERSION or NAME@latest"))),
    }
}

/// The asset a version belongs to, from its id.
pub(super) fn name_of<P>(version: &Resource<P>) -> String {
    ResourceId::parse(&version.id)
        .ok()
        .and_then(|id| id.asset().map(|(_, name, _)| name.to_owned()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_named_as_everywhere() {
        let exact = |name: &str, version: &str| Wanted::Exact(name.into(), version.into());
        let ws = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w";
        for (text, expected) in [
            ("rec", Wanted::Latest("rec".into())),
            ("rec@latest", Wanted::Latest("rec".into())),
            ("rec:3", exact("rec", "3")),
            ("azureml:rec:3", exact("rec", "3")),
            (&format!("{ws}/models/rec/versions/3"), exact("rec", "3")),
        ] {
            assert_eq!(wanted(text, AssetKind::Model).unwrap(), expected, "{text}");
        }
        for wrong in
            ["rec:", "rec@newest", "azureml://registries/r/models/m/versions/1", &format!("{ws}/codes/c/versions/1")]
        {
            assert_eq!(wanted(wrong, AssetKind::Model).unwrap_err().exit_code(), 2, "{wrong}");
        }
        assert_eq!((noun(AssetKind::Model), noun(AssetKind::Environment)), ("model", "environment"));
    }

    proptest! {
        #[test]
        fn no_name_panics(text in ".{0,60}") {
            let _ = wanted(&text, AssetKind::Environment);
        }
    }
}
