//! Conda files that a deployment or an environment names or holds.

use std::path::{Path, PathBuf};

use super::model_environment::to_out;
use crate::resources::document::{Entry, FileError, Node, Value, parse_yaml, read_text};

/// Files that name files: deeper is a circle.
const DEEPEST: usize = 8;

/// The Python packages of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conda {
    /// A conda file of this machine.
    File(PathBuf),
    /// Written inline; YAML text.
    Inline(String),
}

impl Conda {
    /// The conda YAML text, read from the file if it is one. A workspace gets the text alone: the lines of `-r` files
    /// beside it are put in their place.
    pub fn text(&self) -> Result<String, FileError> {
        match self {
            Self::File(path) => whole(path),
            Self::Inline(text) => Ok(text.clone()),
        }
    }
}

fn whole(path: &Path) -> Result<String, FileError> {
    let text = read_text(path)?;
    let file = path.display().to_string();
    // A file that is not understood goes as it is: the workspace says what is wrong with it.
    let Ok(mut tree) = parse_yaml(&file, &text) else { return Ok(text) };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut changed = false;
    for items in pip_lists(&mut tree) {
        let mut all = Vec::new();
        for item in items.drain(..) {
            match item.as_text().and_then(named_file) {
                Some(name) => {
                    changed = true;
                    let lines = lines(&folder.join(name), 0)?;
                    all.extend(lines.into_iter().map(|line| Node { value: Value::Text(line), ..Node::default() }));
                }
                None => all.push(item),
            }
        }
        *items = all;
    }
    Ok(if changed { to_out(&tree).to_yaml() } else { text })
}

/// The lists below `dependencies: - pip:`.
fn pip_lists(tree: &mut Node) -> Vec<&mut Vec<Node>> {
    fn below<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
        let Value::Map(entries) = &mut node.value else { return None };
        entries.iter_mut().find(|entry: &&mut Entry| entry.key == key).map(|entry| &mut entry.node)
    }
    let Some(Node { value: Value::List(items), .. }) = below(tree, "dependencies") else { return Vec::new() };
    let lists = items.iter_mut().filter_map(|item| match &mut below(item, "pip")?.value {
        Value::List(items) => Some(items),
        _ => None,
    });
    lists.collect()
}

/// The file that a line names with `-r`, if it does.
fn named_file(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = line.strip_prefix("--requirement").or_else(|| line.strip_prefix("-r"))?;
    let name = rest.trim_start_matches(['=', ' ', '\t']).trim();
    (!name.is_empty() && !name.contains("://")).then_some(name)
}

/// The lines of a requirements file, without comments; those of files it names in their place.
fn lines(path: &Path, depth: usize) -> Result<Vec<String>, FileError> {
    if depth >= DEEPEST {
        return Err(FileError::new(&path.display().to_string(), "names itself by way of others: remove one `-r`"));
    }
    let text = read_text(path)?.replace("\r\n", "\n").replace("\\\n", " ");
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut all = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        match named_file(line) {
            _ if line.is_empty() || line.starts_with('#') => {}
            Some(name) => all.extend(lines(&folder.join(name), depth + 1)?),
            None => all.push(line.to_owned()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_beside_a_conda_file_go_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let conda = Conda::File(dir.path().join("conda.yml"));
        let plain = "dependencies:\n- python=3.10 # as trained\n- pip:\n  - numpy\n";
        write("conda.yml", plain);
        assert_eq!(conda.text().unwrap(), plain, "as it was written");
        write("conda.yml", "name: x\ndependencies:\n- python=3.10\n- pip:\n  - six\n  - -r more.txt\n");
        assert!(conda.text().unwrap_err().to_string().contains("more.txt"), "a file that is not there is named");
        write("more.txt", "# what else\nflask==3.0 # web\n-r last.txt\n--extra-index-url https://example.org/simple\n");
        write("last.txt", "click");
        let text = conda.text().unwrap();
        let tree = parse_yaml("x", &text).unwrap();
        let mut tree = tree;
        let said: Vec<String> =
            pip_lists(&mut tree)[0].iter().map(|item| item.as_text().unwrap_or_default().to_owned()).collect();
        assert_eq!(said, ["six", "flask==3.0", "click", "--extra-index-url https://example.org/simple"]);
        assert!(text.contains("python=3.10"), "{text}");
        write("last.txt", "-r more.txt");
        assert!(conda.text().unwrap_err().to_string().contains("names itself"));
    }
}
