//! Relative paths from outside (uploads, scoring scripts, archives) that must not leave their folder.

use std::path::{Component, Path, PathBuf};

/// Why a path is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path \"{path}\" is not allowed: {why}; give a path inside the folder, with forward slashes")]
pub struct PathError {
    pub path: String,
    pub why: &'static str,
}

/// `relative` (with forward slashes) below `root`, purely by its letters: nothing is looked up, so symbolic links that
/// already lie below `root` are the caller's business.
///
/// Refused: absolute paths, `..`, backslashes, drive letters and streams (`:`), control characters, empty parts,
/// names over 255 bytes. `.` parts are skipped. The result is always strictly below `root`.
pub fn safe_join(root: &Path, relative: &str) -> Result<PathBuf, PathError> {
    let mut path = root.to_path_buf();
    let parts = safe_parts(relative)?;
    path.extend(parts);
    Ok(path)
}

/// The parts of a safe relative path; see [`safe_join`].
pub fn safe_parts(relative: &str) -> Result<Vec<&str>, PathError> {
    let refuse = |why| PathError { path: super::ids::shorten(relative), why };
    if relative.len() > 4_096 {
        return Err(refuse("it is longer than 4096 bytes"));
    }
    if relative.starts_with('/') {
        return Err(refuse("it is absolute"));
    }
    if relative.chars().any(|c| c == '\\' || c == ':' || c.is_control()) {
        return Err(refuse("it holds a backslash, a colon or a control character"));
    }
    let mut parts = Vec::new();
    for part in relative.split('/') {
        match part {
            "" => return Err(refuse("a part of it is empty")),
            "." => {}
            ".." => return Err(refuse("it leaves its folder by \"..\"")),
            part if part.len() > 255 => return Err(refuse("a name in it is longer than 255 bytes")),
            // What the letters say and what the platform makes of them must agree.
            part => match Path::new(part).components().next() {
                Some(Component::Normal(name)) if name == part => parts.push(part),
                _ => return Err(refuse("a part of it is not a plain name")),
            },
        }
    }
    if parts.is_empty() { Err(refuse("it names nothing")) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_path_is_joined() {
        let root = Path::new("/data/assets");
        assert_eq!(safe_join(root, "a/b.onnx").unwrap(), Path::new("/data/assets/a/b.onnx"));
        assert_eq!(safe_join(root, "./a/./b").unwrap(), Path::new("/data/assets/a/b"));
        assert_eq!(safe_join(root, "...").unwrap(), Path::new("/data/assets/..."));
    }

    #[test]
    fn nothing_leads_out() {
        for bad in ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", "c:\\x", "a\\..\\b", "a\0b", "x:y"]
        {
            let error = safe_join(Path::new("/r"), bad).unwrap_err();
            assert!(error.to_string().contains("is not allowed"), "{bad}: {error}");
        }
        assert!(safe_join(Path::new("/r"), &"x".repeat(256)).is_err());
        assert!(safe_join(Path::new("/r"), &"x/".repeat(3_000)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_strictly_below_the_root(text in "[a./\\\\:é\\x00-\\x20]{0,24}", any in "\\PC{0,60}") {
            for text in [text, any] {
                if let Ok(path) = safe_join(Path::new("/root/of/it"), &text) {
                    let inside = path.strip_prefix("/root/of/it").unwrap();
                    prop_assert!(inside.components().count() > 0);
                    prop_assert!(inside.components().all(|part| matches!(part, Component::Normal(_))));
                }
            }
        }
    }
}
