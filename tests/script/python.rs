//! The Python environments of the suite: one with the official server, one without it. Made once, kept under the target folder,
//! remade when the pins change.

use std::path::PathBuf;
use std::sync::OnceLock;

#[path = "../shared/python.rs"]
mod shared;

/// What scoring scripts are hosted in; the contract is compared with this very version.
const OFFICIAL: &[&str] =
    &["azureml-inference-server-http==1.5.1", "inference-schema[numpy-support,pandas-support]==1.8", "numpy", "pandas"];
/// The same for scripts whose environment has no server; they may still answer with what Flask makes.
const BARE: &[&str] = &["inference-schema[numpy-support,pandas-support]==1.8", "numpy", "pandas", "flask"];

/// Two interpreters.
pub struct Pythons {
    /// With azureml-inference-server-http.
    pub official: PathBuf,
    /// Without it.
    pub bare: PathBuf,
    /// The program that installs packages.
    pub uv: PathBuf,
}

/// The environments, or `None` after saying loudly why there are none.
pub fn pythons() -> Option<&'static Pythons> {
    static FOUND: OnceLock<Result<Pythons, String>> = OnceLock::new();
    shared::or_skip(FOUND.get_or_init(|| {
        let official = shared::environment("script", &OFFICIAL.join("\n"))?;
        let bare = shared::environment("script-bare", &BARE.join("\n"))?;
        Ok(Pythons { official, bare, uv: shared::uv()? })
    }))
}
