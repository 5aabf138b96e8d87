//! The environment variables of a worker: nothing is inherited but what every program needs, then the contract's, then the
//! deployment's own (reference scoring-and-mlflow §1.4).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{ScriptSpec, strays};

/// What a script may need to know of this machine. Nothing of `AML_*`, `AZUREML_*`, `PYTHON*`, and none of our own.
const INHERITED: [&str; 18] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// All variables of one process: `script` is its own copy of the scoring script, `temporary` its folder for temporary files.
pub fn of(spec: &ScriptSpec, script: &Path, temporary: &Path) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            all.insert(name.into(), value);
        }
    }
    let mut path = OsString::from(spec.python.parent().unwrap_or(Path::new("/usr/bin")));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
    let mut set = |name: &str, value: &OsStr| drop(all.insert(name.into(), value.into()));
    set("PATH", &path);
    set("TMPDIR", temporary.as_os_str());
    // Or the last words of a process that crashes are lost.
    set("PYTHONUNBUFFERED", OsStr::new("1"));
    set("AML_APP_ROOT", script.parent().unwrap_or(Path::new("/")).as_os_str());
    set("AZUREML_ENTRY_SCRIPT", script.as_os_str());
    set("WORKER_COUNT", OsStr::new(&spec.workers.to_string()));
    set("AML_APP_INSIGHTS_ENABLED", OsStr::new("false"));
    if let Some(folder) = &spec.model_dir {
        set("AZUREML_MODEL_DIR", folder.as_os_str());
    }
    for (name, value) in &spec.variables {
        // What the system would refuse is no variable.
        if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
            set(name, OsStr::new(value));
        }
    }
    set(strays::MARK, temporary.as_os_str());
    all
}
