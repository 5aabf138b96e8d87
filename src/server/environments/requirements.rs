//! Lines of requirements files, and of the `pip:` list of a conda file.

use std::path::{Component, Path, PathBuf};

use super::EnvironmentError;
use super::spec::Spec;
use crate::resources::document::read_text;

/// Files that name files that name files: deeper is a circle.
const DEEPEST: usize = 8;

/// Options that hold for the whole installation, and whether a value follows.
const OPTIONS: &[(&str, &str, bool)] = &[
    ("-i", "--index-url", true),
    ("--pypi-url", "--index-url", true),
    ("--extra-index-url", "--extra-index-url", true),
    ("-f", "--find-links", true),
    ("--trusted-host", "--trusted-host", true),
    ("--no-binary", "--no-binary", true),
    ("--only-binary", "--only-binary", true),
    ("--pre", "--pre", false),
    ("--no-index", "--no-index", false),
    ("--require-hashes", "--require-hashes", false),
    ("--prefer-binary", "--prefer-binary", false),
];

/// Adds lines to a spec. `file` names them in messages, `folder` is where the paths in them begin.
pub(super) fn add(spec: &mut Spec, file: &str, text: &str, folder: Option<&Path>) -> Result<(), EnvironmentError> {
    Reader { spec, constraints: false, depth: 0 }.text(file, text, folder)
}

/// Whether `text` has the same name as `name`, as PyPI compares them.
pub(super) fn is_named(requirement: &str, name: &str) -> bool {
    project(requirement).is_some_and(|project| project == name)
}

/// The normalised name of the project that a requirement asks for; `None` for bare addresses and paths.
pub(super) fn project(requirement: &str) -> Option<String> {
    let text = requirement.trim();
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let named = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !rest.starts_with([':', '/', '+']);
    let file = [".whl", ".zip", ".tar.gz"].iter().any(|end| name.ends_with(end));
    (named && !file).then(|| normal(name))
}

/// `Flask_Cors` as `flask-cors`.
pub(super) fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

struct Reader<'a> {
    spec: &'a mut Spec,
    /// The lines say what may be installed, not what is.
    constraints: bool,
    depth: usize,
}

impl Reader<'_> {
    fn text(&mut self, file: &str, text: &str, folder: Option<&Path>) -> Result<(), EnvironmentError> {
        // A line that ends in a backslash goes on in the next.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace("\\\n", " ");
        text.lines().try_for_each(|line| self.line(file, line, folder))
    }

    fn line(&mut self, file: &str, line: &str, folder: Option<&Path>) -> Result<(), EnvironmentError> {
        let comment =
            line.match_indices('#').find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace));
        let line = comment.map_or(line, |(at, _)| &line[..at]).trim();
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with('-') {
            return self.option(file, line, folder);
        }
        let requirement = self.requirement(file, line, folder)?;
        let list = if self.constraints { &mut self.spec.constraints } else { &mut self.spec.requirements };
        if !list.contains(&requirement) {
            list.push(requirement);
        }
        Ok(())
    }

    fn option(&mut self, file: &str, line: &str, folder: Option<&Path>) -> Result<(), EnvironmentError> {
        let end = line.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(line.len());
        let (mut option, mut value) = (&line[..end], line[end..].trim_start_matches(['=', ' ', '\t']).trim());
        // `-rfile` and `-ihttps://…` are one word.
        if !option.starts_with("--") && option.len() > 2 && option.is_char_boundary(2) {
            (option, value) = (&line[..2], line[2..].trim());
        }
        let value = value.trim_matches(['"', '\'']);
        match option {
            "-r" | "--requirement" => self.file(file, value, folder, self.constraints),
            "-c" | "--constraint" => self.file(file, value, folder, true),
            "-e" | "--editable" => Err(wrong(
                file,
                line,
                "an environment is shared and never changed, so nothing in it can be edited: name the package without -e",
            )),
            _ => {
                let known = OPTIONS.iter().find(|(short, long, _)| option == *short || option == *long);
                let Some((_, long, valued)) = known else {
                    return Err(wrong(file, line, "this option is not known; remove it"));
                };
                let option = match (valued, value) {
                    (true, "") => return Err(wrong(file, line, "the option needs a value")),
                    (true, value) if *long == "--find-links" && !value.contains("://") => {
                        format!("{long} {}", absolute(file, line, value, folder)?.display())
                    }
                    (true, value) => format!("{long} {value}"),
                    (false, _) => (*long).to_owned(),
                };
                if !self.spec.options.contains(&option) {
                    self.spec.options.push(option);
                }
                Ok(())
            }
        }
    }

    fn file(
        &mut self,
        file: &str,
        name: &str,
        folder: Option<&Path>,
        constraints: bool,
    ) -> Result<(), EnvironmentError> {
        let line = format!("-r {name}");
        if name.is_empty() {
            return Err(wrong(file, &line, "the name of a file is missing"));
        }
        if name.contains("://") {
            return Err(wrong(
                file,
                &line,
                "requirements are not fetched from elsewhere: download the file beside this one",
            ));
        }
        if self.depth >= DEEPEST {
            return Err(wrong(file, &line, "the files name each other in a circle"));
        }
        let path = absolute(file, &line, name, folder)?;
        let text = read_text(&path).map_err(|error| wrong(file, &line, &error.to_string()))?;
        let mut inner = Reader { spec: self.spec, constraints, depth: self.depth + 1 };
        inner.text(&path.display().to_string(), &text, path.parent())
    }

    fn requirement(&self, file: &str, line: &str, folder: Option<&Path>) -> Result<String, EnvironmentError> {
        if line.chars().any(char::is_control) {
            return Err(wrong(file, line, "it holds a control character"));
        }
        let first = line.split_whitespace().next().unwrap_or_default();
        let path = first.starts_with(['.', '/']) || (first.ends_with(".whl") && !first.contains("://"));
        if path {
            let path = absolute(file, line, first, folder)?;
            if !path.exists() {
                return Err(wrong(file, line, &format!("{} is not there", path.display())));
            }
            return Ok(format!("{}{}", path.display(), &line[first.len()..]));
        }
        let address = ["git+", "hg+", "svn+", "bzr+", "http://", "https://", "file:"];
        if project(line).is_some() || address.iter().any(|start| line.starts_with(start)) {
            return Ok(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        Err(wrong(file, line, "it is no requirement: write name, name==version, name>=version, or an address"))
    }
}

/// A path of a line, from the folder of its file.
fn absolute(file: &str, line: &str, path: &str, folder: Option<&Path>) -> Result<PathBuf, EnvironmentError> {
    let path = Path::new(path);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let Some(folder) = folder else {
        let text = line.starts_with('-');
        let next =
            if text { "write its lines here instead" } else { "put it on an index, or give its address (https://…)" };
        return Err(wrong(file, line, &format!("a file of yours is not part of an environment: {next}")));
    };
    let mut clean = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    Ok(clean)
}

fn wrong(file: &str, line: &str, why: &str) -> EnvironmentError {
    EnvironmentError::Refused(format!("{file}: `{}`: {why}", super::redact(&crate::resources::ids::shorten(line))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, folder: Option<&Path>) -> Result<Spec, String> {
        let mut spec = Spec::default();
        add(&mut spec, "requirements.txt", text, folder).map(|()| spec).map_err(|e| e.to_string())
    }

    #[test]
    fn lines_are_read_as_pip_reads_them() {
        let text = "\u{feff}# all\nflask>=2 # the web\r\n  numpy == 1.26.4 ; python_version >= '3.9'\n\nscikit-learn[alldeps]~=1.5\n\
                    requests \\\n  ==2.31.0 --hash=sha256:abc\npip @ https://example.org/p.zip#sha1=da39\n\
                    git+https://github.com/pallets/click@8.1\n-i https://a.example/simple\n--extra-index-url=https://b.example\n--pre\nflask>=2";
        let spec = read(text, None).unwrap();
        assert_eq!(
            spec.requirements,
            [
                "flask>=2",
                "numpy == 1.26.4 ; python_version >= '3.9'",
                "scikit-learn[alldeps]~=1.5",
                "requests ==2.31.0 --hash=sha256:abc",
                "pip @ https://example.org/p.zip#sha1=da39",
                "git+https://github.com/pallets/click@8.1",
            ]
        );
        assert_eq!(
            spec.options,
            ["--index-url https://a.example/simple", "--extra-index-url https://b.example", "--pre"]
        );
    }

    #[test]
    fn files_are_found_beside_the_file_that_names_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("more")).unwrap();
        // MLflow writes no line end at the end.
        std::fs::write(dir.path().join("a.txt"), "six\n-r more/b.txt\n-c limits.txt").unwrap();
        std::fs::write(dir.path().join("more/b.txt"), "flask\n-r ../c.txt").unwrap();
        std::fs::write(dir.path().join("c.txt"), "click").unwrap();
        std::fs::write(dir.path().join("limits.txt"), "flask<3").unwrap();
        let spec = read("-r a.txt\nnumpy", Some(dir.path())).unwrap();
        assert_eq!(spec.requirements, ["six", "flask", "click", "numpy"]);
        assert_eq!(spec.constraints, ["flask<3"]);
        std::fs::write(dir.path().join("c.txt"), "-r a.txt").unwrap();
        assert!(read("-r a.txt", Some(dir.path())).unwrap_err().contains("circle"));
        let error = read("-r none.txt", Some(dir.path())).unwrap_err();
        assert!(error.contains("-r none.txt") && error.contains("check the path"), "{error}");
        assert!(read("-r a.txt", None).unwrap_err().contains("not part of an environment: write its lines here"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        for (line, why) in [
            ("-e .", "without -e"),
            ("=1.0", "no requirement"),
            ("--frobnicate", "not known"),
            ("--index-url", "needs a value"),
            ("./none.whl", "not part of"),
            ("-r https://example.org/r.txt", "download the file"),
        ] {
            let error = read(line, None).unwrap_err();
            assert!(error.starts_with("requirements.txt: `") && error.contains(why), "{error}");
        }
        let error = read("-e git+https://me:secret@example.org/x", None).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn names_compare_as_on_pypi() {
        assert!(is_named("Flask_Cors>=1", "flask-cors") && is_named("mlflow[extras]==2", "mlflow"));
        assert!(!is_named("mlflow-skinny==2", "mlflow") && project("https://x/y.whl").is_none());
        assert!(project("git+https://x").is_none() && project("dist/x.whl").is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(any in "\\PC{0,120}", near in "[-a-z =./\\\\#:'\"\n]{0,80}") {
            let _ = (read(&any, None), read(&near, None), read(&near, Some(Path::new("/nonexistent"))));
            let _ = (project(&any), normal(&any));
        }
    }
}
