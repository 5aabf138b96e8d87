//! One entry of a conda file's `dependencies` as a requirement that pip understands (reference §3.2).

/// What an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// The interpreter: alternatives, each a list of constraints that all hold.
    Python(Vec<Vec<Constraint>>),
    /// A package of PyPI, as pip takes it.
    Package(String),
    /// Exists only as a conda package, by this name.
    CondaOnly(String),
    /// Means nothing without conda; why.
    Ignored(&'static str),
}

/// A comparison with a version: `>=` and `1.7`, or `==` and `1.7.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constraint {
    pub operator: &'static str,
    pub version: String,
}

const OPERATORS: [&str; 8] = ["===", "==", ">=", "<=", "!=", "~=", ">", "<"];

/// Packages that PyPI knows by another name: (conda, PyPI).
const RENAMED: &[(&str, &str)] = &[
    ("pytorch", "torch"),
    ("pytorch-cpu", "torch"),
    ("py-xgboost", "xgboost"),
    ("py-xgboost-cpu", "xgboost"),
    ("opencv", "opencv-python"),
    ("py-opencv", "opencv-python"),
    ("tensorflow-base", "tensorflow"),
    ("matplotlib-base", "matplotlib"),
    ("numpy-base", "numpy"),
    ("seaborn-base", "seaborn"),
    ("dask-core", "dask"),
    ("msgpack-python", "msgpack"),
    ("python-graphviz", "graphviz"),
    ("pytables", "tables"),
    ("faiss", "faiss-cpu"),
    ("ruamel_yaml", "ruamel.yaml"),
    ("stdlib-list", "stdlib_list"),
    ("pyarrow-core", "pyarrow"),
];

/// Packages that choose among conda's builds and mean nothing elsewhere.
const CHOOSERS: &[&str] = &["cpuonly", "nomkl", "_libgcc_mutex", "_openmp_mutex", "_py-xgboost-mutex", "python_abi"];

/// Native libraries and tools that no wheel brings.
const CONDA_ONLY: &[&str] = &[
    "cudatoolkit",
    "cudnn",
    "nccl",
    "pytorch-cuda",
    "magma",
    "mkl",
    "mkl-service",
    "mkl_fft",
    "mkl_random",
    "blas",
    "openblas",
    "intel-openmp",
    "tbb",
    "compilers",
    "c-compiler",
    "cxx-compiler",
    "fortran-compiler",
    "gcc",
    "gxx",
    "gfortran",
    "clang",
    "clangxx",
    "llvm-openmp",
    "binutils",
    "sysroot_linux-64",
    "make",
    "openssl",
    "ca-certificates",
    "sqlite",
    "zlib",
    "bzip2",
    "xz",
    "zstd",
    "lz4-c",
    "tk",
    "readline",
    "ncurses",
    "ld_impl_linux-64",
    "icu",
    "expat",
    "fontconfig",
    "freetype",
    "jpeg",
    "openjpeg",
    "giflib",
    "hdf5",
    "openjdk",
    "git",
    "nodejs",
    "r",
    "rstudio",
    "graphviz",
    "ffmpeg",
    "poppler",
    "unixodbc",
    "curl",
    "krb5",
    "pandoc",
    "perl",
    "conda",
    "mamba",
    "conda-build",
];

/// What starts with `lib` and nevertheless is on PyPI.
const LIB_ON_PYPI: &[&str] = &[
    "librosa",
    "libcst",
    "libsass",
    "libtmux",
    "libclang",
    "libarchive-c",
    "libvirt-python",
    "libpysal",
    "libsvm",
    "libsvm-official",
    "liblinear-official",
    "librt",
];

/// Reads an entry; the error says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Entry, String> {
    // `conda env export` writes no comments, people do.
    let text = text.split(" #").next().unwrap_or_default().trim();
    let text = text.rsplit_once("::").map_or(text, |(_, rest)| rest).trim();
    let (text, bracket) = match text.split_once('[') {
        Some((before, rest)) => (before.trim(), Some(rest.strip_suffix(']').ok_or("the bracket is not closed")?)),
        None => (text, None),
    };
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Err("it does not begin with the name of a package".into());
    }
    let name = name.to_ascii_lowercase();
    let written = bracket.and_then(bracket_version);
    let alternatives = versions(written.unwrap_or(rest))?;
    if name == "python" {
        return Ok(Entry::Python(alternatives));
    }
    if name == "pip" {
        return Ok(Entry::Ignored("pip is there anyway"));
    }
    if CHOOSERS.contains(&name.as_str()) {
        return Ok(Entry::Ignored("it chooses among the builds of conda packages"));
    }
    if is_conda_only(&name) {
        return Ok(Entry::CondaOnly(name));
    }
    let package = RENAMED.iter().find(|(conda, _)| *conda == name).map_or(name.as_str(), |(_, pypi)| pypi);
    match alternatives.as_slice() {
        [] => Ok(Entry::Package(package.to_owned())),
        [all] => {
            let all: Vec<String> = all.iter().map(|c| format!("{}{}", c.operator, c.version)).collect();
            Ok(Entry::Package(format!("{package}{}", all.join(","))))
        }
        _ => Err("alternatives with | exist only in conda; write a range such as >=1.0,<2".into()),
    }
}

fn is_conda_only(name: &str) -> bool {
    let starts =
        ["r-", "bioconductor-", "gcc_", "gxx_", "gfortran_", "clang_", "binutils_", "cuda-", "xorg-", "_r-", "m2w64-"];
    CONDA_ONLY.contains(&name)
        || starts.iter().any(|start| name.starts_with(start))
        || (name.starts_with("lib") && !LIB_ON_PYPI.contains(&name))
}

/// The version of `name[version='>=1,<2', build=…]`.
fn bracket_version(bracket: &str) -> Option<&str> {
    let at = bracket.find("version")? + "version".len();
    let value = bracket[at..].trim_start().strip_prefix('=')?.trim_start();
    match value.chars().next()? {
        quote @ ('\'' | '"') => value[1..].split(quote).next(),
        _ => value.split(',').next(),
    }
}

/// What follows the name: alternatives of constraints. A build string is dropped.
fn versions(rest: &str) -> Result<Vec<Vec<Constraint>>, String> {
    let rest = rest.trim();
    if rest.is_empty() || rest == "*" {
        return Ok(Vec::new());
    }
    // `name 1.7 py38_0` and `name=1.7=py38_0`: the third field is the build.
    let rest = without_build(rest);
    rest.split('|').map(|part| part.split(',').filter_map(|one| constraint(one.trim()).transpose()).collect()).collect()
}

fn without_build(rest: &str) -> &str {
    let operator = rest.len() - rest.trim_start_matches(['=', '<', '>', '!', '~', ' ']).len();
    let (_, version) = rest.split_at(operator);
    // A space after a comma or an operator only makes a range easier to read.
    let mut previous = ' ';
    for (at, c) in version.char_indices() {
        let next = version[at..].chars().find(|c| !c.is_whitespace()).unwrap_or(' ');
        let builds = match c {
            '=' => !matches!(previous, '<' | '>' | '!' | '~' | '=' | ',' | '|') && !version[at..].starts_with("=="),
            c if c.is_whitespace() => {
                !matches!(previous, ',' | '|' | '<' | '>' | '=' | '!' | '~') && !",|<>=!~".contains(next)
            }
            _ => false,
        };
        if builds {
            return rest[..operator + at].trim_end();
        }
        if !c.is_whitespace() {
            previous = c;
        }
    }
    rest
}

/// One comparison; `None` for one that any version meets.
fn constraint(text: &str) -> Result<Option<Constraint>, String> {
    let wrong = || format!("`{text}` is no version");
    if text == "*" {
        return Ok(None);
    }
    let written = OPERATORS.iter().find(|operator| text.starts_with(**operator));
    let (operator, version) = match written {
        Some(operator) => (Some(*operator), text[operator.len()..].trim()),
        None => (None, text.strip_prefix('=').map_or(text, str::trim)),
    };
    let fuzzy = written.is_none() && text.starts_with('=');
    let known = |c: char| c.is_ascii_alphanumeric() || ".*!+_-".contains(c);
    let bare = version.trim_end_matches('*').trim_end_matches('.');
    if bare.is_empty() || !version.chars().all(known) || bare.contains('*') {
        return if version == "*" { Ok(None) } else { Err(wrong()) };
    }
    let starred = bare.len() != version.len();
    let (operator, version) = match operator {
        Some("==" | "===") | None if starred => ("==", format!("{bare}.*")),
        Some("!=") if starred => ("!=", format!("{bare}.*")),
        // Elsewhere a star is allowed in conda, not in pip, and means the same without.
        Some(operator) => (operator, bare.to_owned()),
        None if fuzzy && bare.matches('.').count() < 2 => ("==", format!("{bare}.*")),
        None => ("==", bare.to_owned()),
    };
    Ok(Some(Constraint { operator, version }))
}

impl Constraint {
    /// Whether a Python of this minor version, at some patch level, meets it.
    pub fn allows_minor(&self, minor: (u8, u8)) -> bool {
        let starred = self.version.ends_with(".*");
        let numbers: Vec<u8> =
            self.version.trim_end_matches(".*").split('.').map_while(|part| part.parse().ok()).collect();
        let (Some(major), rest) = (numbers.first().copied(), numbers.get(1).copied()) else { return false };
        let patch = numbers.get(2).copied();
        let wanted = (major, rest.unwrap_or(0));
        match self.operator {
            "==" | "===" if starred && rest.is_none() => minor.0 == major,
            "==" | "===" => minor == wanted,
            "!=" if rest.is_none() => minor.0 != major,
            "!=" => patch.is_some() || minor != wanted,
            "~=" if patch.is_some() => minor == wanted,
            "~=" => minor.0 == major && minor >= wanted,
            ">=" => minor >= wanted,
            // `>3.8` is met by 3.8.1.
            ">" => minor >= wanted,
            "<=" => minor <= wanted,
            _ => minor < wanted || (minor == wanted && patch.is_some_and(|patch| patch > 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package(text: &str) -> String {
        match read(text) {
            Ok(Entry::Package(package)) => package,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn conda_versions_become_versions_of_pip() {
        for (conda, pip) in [
            ("numpy", "numpy"),
            ("numpy=1.7", "numpy==1.7.*"),
            ("numpy=1", "numpy==1.*"),
            ("numpy=1.7.2", "numpy==1.7.2"),
            ("numpy==1.7", "numpy==1.7"),
            ("numpy == 1.7", "numpy==1.7"),
            ("numpy=1.7.*", "numpy==1.7.*"),
            ("numpy=1.7.2=py38h2a96901_0", "numpy==1.7.2"),
            ("numpy=1.7=py38_0", "numpy==1.7.*"),
            ("numpy==1.7.2=py38_0", "numpy==1.7.2"),
            ("numpy 1.7.2 py38_0", "numpy==1.7.2"),
            ("numpy 1.7", "numpy==1.7"),
            ("numpy 1.7*", "numpy==1.7.*"),
            ("numpy>=1.7,<2", "numpy>=1.7,<2"),
            ("numpy >=1.7, <2", "numpy>=1.7,<2"),
            ("numpy>=1.7.*", "numpy>=1.7"),
            ("numpy!=1.7.*", "numpy!=1.7.*"),
            ("numpy ~= 1.7.1", "numpy~=1.7.1"),
            ("numpy=*", "numpy"),
            ("numpy *", "numpy"),
            ("numpy[version='>=1.7,<2', build=x]", "numpy>=1.7,<2"),
            ("conda-forge::scikit-learn=1.5", "scikit-learn==1.5.*"),
            ("conda-forge/linux-64::Scikit-Learn", "scikit-learn"),
            ("pytorch::pytorch=2.1.0", "torch==2.1.0"),
            ("py-xgboost", "xgboost"),
            ("opencv>=4", "opencv-python>=4"),
            ("librosa", "librosa"),
            ("flask # the web", "flask"),
        ] {
            assert_eq!(package(conda), pip, "{conda}");
        }
    }

    #[test]
    fn what_is_no_package_of_pip_is_told_apart() {
        for only in
            ["cudatoolkit=11.3", "mkl", "libgcc", "libgcc-ng=9", "r-base", "r-ggplot2", "compilers", "gcc_linux-64"]
        {
            assert!(matches!(read(only), Ok(Entry::CondaOnly(_))), "{only}");
        }
        for ignored in ["pip", "pip=22.1", "pip<=23", "nomkl", "cpuonly"] {
            assert!(matches!(read(ignored), Ok(Entry::Ignored(_))), "{ignored}");
        }
        for wrong in ["", "=1", "numpy=>1", "numpy=1.7|1.8", "numpy==", "numpy=1.7.2[", "numpy>=ä"] {
            assert!(read(wrong).is_err(), "{wrong}: {:?}", read(wrong));
        }
    }

    #[test]
    fn the_interpreter_is_chosen_by_its_minor_version() {
        let minors = |text: &str| match read(text) {
            Ok(Entry::Python(alternatives)) => (6..=14)
                .filter(|minor| {
                    alternatives.is_empty()
                        || alternatives.iter().any(|all| all.iter().all(|c| c.allows_minor((3, *minor))))
                })
                .collect::<Vec<u8>>(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(minors("python=3.10"), [10]);
        assert_eq!(minors("python=3.10.4"), [10]);
        assert_eq!(minors("python=3.10.4=h1234_cpython"), [10]);
        assert_eq!(minors("python==3.9"), [9]);
        assert_eq!(minors("python 3.8.*"), [8]);
        assert_eq!(minors("python>=3.8,<3.11"), [8, 9, 10]);
        assert_eq!(minors("python>3.11"), [11, 12, 13, 14]);
        assert_eq!(minors("python<=3.7"), [6, 7]);
        assert_eq!(minors("python<3.7.3"), [6, 7]);
        assert_eq!(minors("python~=3.12"), [12, 13, 14]);
        assert_eq!(minors("python~=3.12.1"), [12]);
        assert_eq!(minors("python!=3.6.*,<3.9"), [7, 8]);
        assert_eq!(minors("python=3.8|3.10"), [8, 10]);
        assert_eq!(minors("python=3").len(), 9);
        assert_eq!(minors("python").len(), 9);
    }

    proptest! {
        #[test]
        fn no_entry_panics(any in "\\PC{0,60}", near in "(python|numpy|c::x)?[ =<>!~,|*.0-9a\\[\\]'\"#:]{0,24}") {
            let _ = read(&any);
            if let Ok(Entry::Python(alternatives)) = read(&near) {
                for constraint in alternatives.iter().flatten() {
                    let _ = constraint.allows_minor((3, 11));
                }
            }
        }
    }
}
