//! Changing the file in place.

use std::io::Write;
use std::path::Path;

use super::Config;
use crate::resources::document::{FileError, read_text};

/// Makes `name` the current context in the file at `path`, keeping every comment and the order of everything else. The
/// file is made when missing, and replaced in one step: it is never half written.
pub fn set_current_context(path: &Path, name: &str) -> Result<(), FileError> {
    let file = path.display().to_string();
    let old = if path.exists() { read_text(path)? } else { String::new() };
    // Refuses unknown names, and files that are wrong already.
    Config::parse(path, &old)?.context(Some(name)).map_err(|why| FileError::new(&file, why))?;
    let mut document: toml_edit::DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| FileError::new(&file, error.message()))?;
    document["current_context"] = toml_edit::value(name);
    write(path, &document.to_string()).map_err(|error| {
        FileError::new(&file, format!("cannot be written: {error}; check the folder's permissions and free space"))
    })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    // A link to the real file elsewhere (dotfiles) stays a link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    if let Ok(metadata) = std::fs::metadata(&target) {
        new.as_file().set_permissions(metadata.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_the_file_holds_it_is_changed_or_left_as_it_was(text in "[a-c0-9={}\\[\\]\"'.\\n,# -]{0,80}", name in "\\PC{0,12}") {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("config.toml");
            for (text, name) in [(text.as_str(), name.as_str()), (text.as_str(), "local"), ("# mine\n", "local")] {
                std::fs::write(&path, text).unwrap();
                match set_current_context(&path, name) {
                    Ok(()) => {
                        let now = std::fs::read_to_string(&path).unwrap();
                        prop_assert_eq!(Config::parse(&path, &now).unwrap().current_context, name);
                    }
                    Err(_) => prop_assert_eq!(std::fs::read_to_string(&path).unwrap(), text),
                }
            }
        }
    }
}
