//! Laying out what a scoring script finds on its disk, as on Azure: its code, and its model under `AZUREML_MODEL_DIR`
//! (reference scoring-and-mlflow §1.1).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::engine::ModelSource;
use crate::server::script::copy_tree;

/// Files up to this size are copied; of larger ones the copy is the same file under another name, which nobody may write.
const COPIED: u64 = 64 << 20;

/// Where deployments' files are laid out, below the data folder.
fn place(data: &Path) -> PathBuf {
    data.join("run")
}

/// Removes what processes of an earlier workspace had on their disks.
pub(super) fn sweep(data: &Path) {
    // Absent is as good as removed; what cannot be removed is only in the way.
    let _ = fs::remove_dir_all(place(data));
}

/// A fresh folder for one version of a deployment; it goes when it is dropped.
pub(super) fn home(data: &Path) -> io::Result<TempDir> {
    let place = place(data);
    fs::create_dir_all(&place)?;
    tempfile::Builder::new().prefix("").tempdir_in(place)
}

/// Lays out the code folder; the answer is where it is.
pub(super) fn code(home: &Path, code: &Path) -> io::Result<PathBuf> {
    let name = code.file_name().unwrap_or("code".as_ref());
    let target = home.join("azureml-app").join(name);
    if code.is_dir() {
        copy_tree(code, &target, &|from, to| fs::copy(from, to).map(drop))?;
    } else {
        fs::create_dir_all(&target)?;
        fs::copy(code, target.join(name))?;
    }
    Ok(target)
}

/// Lays out the model; the answer is `AZUREML_MODEL_DIR`: it holds the last component of the registered path.
pub(super) fn model(home: &Path, source: &ModelSource) -> io::Result<PathBuf> {
    let folder = home.join("azureml-app/azureml-models").join(&source.name).join(&source.version);
    fs::create_dir_all(&folder)?;
    let name = source.path.file_name().unwrap_or("model".as_ref());
    copy_tree(&source.path, &folder.join(name), &copy_or_link)?;
    Ok(folder)
}

/// A script that writes to its model must not damage the registered one.
fn copy_or_link(from: &Path, to: &Path) -> io::Result<()> {
    if fs::metadata(from)?.len() > COPIED {
        fs::set_permissions(from, Permissions::from_mode(0o444))?;
        if fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
    }
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_model_lie_where_azure_puts_them_and_the_asset_is_not_in_reach() {
        let data = tempfile::tempdir().unwrap();
        let asset = data.path().join("assets/LocalUpload/abc/model");
        fs::create_dir_all(asset.join("deep")).unwrap();
        fs::write(asset.join("deep/a.pkl"), "a model").unwrap();
        let large = fs::File::create(asset.join("large.bin")).unwrap();
        large.set_len(COPIED + 1).unwrap();
        let upload = data.path().join("assets/src");
        fs::create_dir_all(&upload).unwrap();
        fs::write(upload.join("score.py"), "").unwrap();

        let home = home(data.path()).unwrap();
        let app = code(home.path(), &upload).unwrap();
        assert!(app.join("score.py").is_file() && app.ends_with("src"));
        let source =
            ModelSource { path: asset.clone(), name: "m".into(), version: "3".into(), ..ModelSource::default() };
        let folder = model(home.path(), &source).unwrap();
        assert!(folder.ends_with("azureml-models/m/3"));
        fs::write(folder.join("model/deep/a.pkl"), "spoiled").unwrap();
        fs::remove_file(folder.join("model/large.bin")).unwrap();
        assert_eq!(fs::read_to_string(asset.join("deep/a.pkl")).unwrap(), "a model");
        assert_eq!(fs::metadata(asset.join("large.bin")).unwrap().len(), COPIED + 1);
        let kept = home.path().to_owned();
        drop(home);
        assert!(!kept.exists());
        sweep(data.path());
        assert!(!place(data.path()).exists() && asset.exists());
    }

    #[test]
    fn a_single_file_is_laid_out_under_its_own_name() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("a.pkl"), "x").unwrap();
        let home = home(data.path()).unwrap();
        let source = ModelSource {
            path: data.path().join("a.pkl"),
            name: "m".into(),
            version: "1".into(),
            ..ModelSource::default()
        };
        assert_eq!(fs::read_to_string(model(home.path(), &source).unwrap().join("a.pkl")).unwrap(), "x");
    }
}
