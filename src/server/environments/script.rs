//! Whether a scoring script could be started, by its syntax tree: nothing of it is run (reference §1.1).

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{Environments, Spec, child};

const PATIENCE: Duration = Duration::from_secs(20);

/// Prints what a script defines, as JSON.
const LOOK: &str = r#"
import ast, json, sys
said = {'errors': [], 'warnings': []}
names = {}
def take(body):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                names[alias.asname or alias.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    names[target.id] = node
        for part in ('body', 'orelse', 'finalbody'):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                take(getattr(node, part, []))
        for handler in getattr(node, 'handlers', []) if isinstance(node, ast.Try) else []:
            take(handler.body)
try:
    with open(sys.argv[1], 'rb') as file:
        tree = ast.parse(file.read())
except SyntaxError as error:
    place = 'line %d: ' % error.lineno if error.lineno else ''
    said['errors'].append(place + 'SyntaxError: %s' % error.msg)
except (ValueError, RecursionError, MemoryError) as error:
    said['errors'].append('Python cannot read it: %s' % (str(error) or type(error).__name__))
else:
    take(tree.body)
    star = '*' in names
    for name in ('init', 'run'):
        if name not in names and star:
            said['warnings'].append('%s() may come from an import with *' % name)
        elif name not in names:
            said['errors'].append('it does not have a %s() function defined' % name)
        elif isinstance(names[name], ast.AsyncFunctionDef):
            said['errors'].append('line %d: %s() is async; the server does not wait for it' % (names[name].lineno, name))
    run, init = names.get('run'), names.get('init')
    if isinstance(init, ast.FunctionDef):
        needed = len(init.args.args) + len(getattr(init.args, 'posonlyargs', [])) - len(init.args.defaults)
        if needed > 0:
            said['errors'].append('line %d: init() is called without arguments' % init.lineno)
    if isinstance(run, ast.FunctionDef):
        line, args = 'line %d: ' % run.lineno, run.args
        if args.vararg or args.kwarg:
            said['errors'].append(line + 'run() must not take *args or **kwargs')
        if getattr(args, 'posonlyargs', []):
            said['errors'].append(line + 'run() must not have positional-only parameters')
        plain = [arg.arg for arg in args.args + args.kwonlyargs if arg.arg != 'request_headers']
        if not plain and not getattr(args, 'posonlyargs', []):
            said['errors'].append(line + 'run() needs to accept an argument for input data.')
        if len(plain) > 1 and not run.decorator_list:
            needed = [arg.arg for arg in args.args if arg.arg != 'request_headers']
            if len(needed) - len(args.defaults) > 1:
                said['warnings'].append(line + 'run() takes %s: without @input_schema only the first is given' % ', '.join(plain))
print(json.dumps(said))
"#;

/// What is wrong with a scoring script.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ScriptReport {
    /// It would end the worker with exit code 3.
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

impl Environments {
    /// Looks at a scoring script with the interpreter that `spec` would get, or any. Runs nothing of it.
    ///
    /// # Errors
    /// There is no interpreter to look with.
    pub fn look_at_script(&self, script: &Path, spec: Option<&Spec>) -> Result<ScriptReport, String> {
        let search = &self.settings.search_paths;
        let wanted = spec.map_or(&[][..], |spec| spec.pythons.as_slice());
        let found = self.known.find(search, wanted).or_else(|_| self.known.find(search, &[]))?;
        let mut command = child::command(&found.path);
        command.args(["-I", "-W", "ignore", "-c", LOOK]).arg(script);
        let text = child::output(&mut command, PATIENCE);
        let report = text.and_then(|text| serde_json::from_str(text.lines().last()?).ok());
        report.ok_or_else(|| format!("Python {} could not read it", found.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::environments::Settings;

    #[test]
    fn what_a_script_lacks_is_told_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let environments = Environments::new(dir.path(), Settings::default());
        let path = dir.path().join("score.py");
        for (text, errors, warnings) in [
            ("def init():\n    pass\ndef run(data):\n    return data\n", "", ""),
            ("import helper\nraise SystemExit(1)\ndef init(): pass\ndef run(raw_data, request_headers): pass", "", ""),
            ("from parts import init, run", "", ""),
            ("try:\n    from a import init\nexcept ImportError:\n    def init(): pass\nrun = init", "", ""),
            ("from parts import *", "", "init() may come from an import with *|run() may come from an import with *"),
            ("def init(): pass", "it does not have a run() function defined", ""),
            (
                "class A:\n    def init(self): pass\n    def run(self, x): pass",
                "it does not have a init() function defined|it does not have a run() function defined",
                "",
            ),
            ("def init(): pass\ndef run(): pass", "line 2: run() needs to accept an argument for input data.", ""),
            (
                "def init(): pass\ndef run(request_headers): pass",
                "line 2: run() needs to accept an argument for input data.",
                "",
            ),
            (
                "def init(): pass\ndef run(*args): pass",
                "line 2: run() must not take *args or **kwargs|line 2: run() needs to accept an argument for input data.",
                "",
            ),
            ("def init(): pass\ndef run(a, /): pass", "line 2: run() must not have positional-only parameters", ""),
            ("def init(x): pass\ndef run(a): pass", "line 1: init() is called without arguments", ""),
            ("def init(): pass\nasync def run(a): pass", "line 2: run() is async; the server does not wait for it", ""),
            (
                "def init(): pass\ndef run(a, b): pass",
                "",
                "line 2: run() takes a, b: without @input_schema only the first is given",
            ),
            ("def init(): pass\n@input_schema('a', x)\ndef run(a, b): pass", "", ""),
        ] {
            std::fs::write(&path, text).unwrap();
            let Ok(report) = environments.look_at_script(&path, None) else {
                return eprintln!("**** SKIPPED: there is no Python to look with");
            };
            assert_eq!(
                (report.errors.join("|").as_str(), report.warnings.join("|").as_str()),
                (errors, warnings),
                "{text}"
            );
        }
        std::fs::write(&path, "def init(:\n").unwrap();
        let report = environments.look_at_script(&path, None).unwrap();
        assert!(report.errors[0].starts_with("line 1: SyntaxError: "), "{report:?}");
        std::fs::write(&path, [0, 159, 146, 150]).unwrap();
        assert_eq!(environments.look_at_script(&path, None).unwrap().errors.len(), 1);
        std::fs::write(&path, format!("x = {}1", "-".repeat(200_000))).unwrap();
        assert_eq!(environments.look_at_script(&path, None).unwrap().errors.len(), 1, "nested beyond what is read");
        std::fs::write(&path, "a\0b").unwrap();
        let report = environments.look_at_script(&path, None).unwrap();
        assert!(report.errors.len() == 1 && !report.errors[0].contains("None"), "no line that is none: {report:?}");
    }
}
