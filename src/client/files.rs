//! Local files and folders on their way to a workspace: what is sent, in which order, and their content hash.

use std::path::{Path, PathBuf};

use super::error::ClientError;

/// Nested deeper than this is a loop of links.
const DEEPEST: usize = 64;

/// A file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalFile {
    pub path: PathBuf,
    /// Under the uploaded file or folder, with `/`; the file's own name for a single file.
    pub relative: String,
    pub size: u64,
}

/// A file or a folder with everything in it.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    /// Last component of its path.
    pub name: String,
    pub is_folder: bool,
    /// Sorted by `relative`; the first one is the indicator of a finished upload (reference §6.4).
    pub files: Vec<LocalFile>,
    /// Hex SHA-256 of names, sizes and contents.
    pub hash: String,
}

impl Upload {
    /// Reads everything once, to hash it. Blocking.
    ///
    /// # Errors
    /// When something cannot be read, is empty, or has a name that is not UTF-8.
    pub(super) fn read(path: &Path) -> Result<Self, ClientError> {
        let Self { name, is_folder, files, .. } = Self::list(path)?;
        let hash = content_hash(&files).map_err(|(path, e)| unreadable(&path, e))?;
        Ok(Self { name, is_folder, files, hash })
    }

    /// As [`Upload::read`], without the contents and their hash.
    fn list(path: &Path) -> Result<Self, ClientError> {
        // "model/." and ".." have no name of their own.
        let path = std::fs::canonicalize(path).map_err(|e| unreadable(path, e))?;
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
            ClientError::local(format!(
                "{} has no usable name: give a file or a folder with a UTF-8 name",
                path.display()
            ))
        })?;
        let is_folder = path.is_dir();
        let mut files = Vec::new();
        if is_folder {
            collect(&path, "", 0, &mut files)?;
        } else {
            let meta = std::fs::metadata(&path).map_err(|e| unreadable(&path, e))?;
            // A device or a pipe may never end.
            if !meta.is_file() {
                return Err(ClientError::local(format!(
                    "{} is a device, a pipe or a socket: give a file or a folder",
                    path.display()
                )));
            }
            files.push(LocalFile { path: path.clone(), relative: name.clone(), size: meta.len() });
        }
        if files.is_empty() {
            return Err(ClientError::local(format!("the folder {} holds no files: nothing to upload", path.display())));
        }
        files.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(Self { name, is_folder, files, hash: String::new() })
    }

    /// Sum of sizes in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Path of a file under the asset's prefix: `<folder>/<relative>`, or the file's name.
    pub(super) fn blob_path(&self, file: &LocalFile) -> String {
        if self.is_folder { format!("{}/{}", self.name, file.relative) } else { file.relative.clone() }
    }
}

fn unreadable(path: &Path, e: std::io::Error) -> ClientError {
    ClientError::local(format!("cannot read {}: {e}; check the path", path.display()))
}

/// Whether a file or a folder can be uploaded, as far as its names, links and rights tell: no contents are read.
///
/// # Errors
/// It cannot: what is in the way.
pub fn check_upload(path: &Path) -> Result<(), ClientError> {
    for file in Upload::list(path)?.files {
        std::fs::File::open(&file.path).map_err(|e| unreadable(&file.path, e))?;
    }
    Ok(())
}

fn collect(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<LocalFile>) -> Result<(), ClientError> {
    let unreadable =
        |e: std::io::Error| ClientError::local(format!("cannot read the folder {}: {e}", folder.display()));
    if depth > DEEPEST {
        return Err(ClientError::local(format!("{} is nested too deep: is there a loop of links?", folder.display())));
    }
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| {
            ClientError::local(format!("the name of {} is not UTF-8: rename it before uploading", path.display()))
        })?;
        // Never part of a model or its code, and often larger than both.
        if matches!(name, ".git" | "__pycache__" | ".ipynb_checkpoints") {
            continue;
        }
        let relative = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        // Follows links, as the upload itself will.
        let meta = std::fs::metadata(&path).map_err(|e| {
            ClientError::local(format!("cannot read {}: {e}; check the link or the rights", path.display()))
        })?;
        if meta.is_dir() {
            collect(&path, &relative, depth + 1, files)?;
        } else if meta.is_file() {
            files.push(LocalFile { path, relative, size: meta.len() });
        }
    }
    Ok(())
}

/// The SDK's content hash, version 202208: number of files, then names and sizes, then contents, in the order of the
/// lower-cased names; so a folder uploaded by either is recognised by the other.
fn content_hash(files: &[LocalFile]) -> Result<String, (PathBuf, std::io::Error)> {
    use std::io::Read as _;

    let mut order: Vec<&LocalFile> = files.iter().collect();
    order.sort_by_key(|file| file.relative.to_lowercase());
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(order.len().to_string().as_bytes());
    for file in &order {
        hash.update(format!("#{}#{}", file.relative, file.size).as_bytes());
    }
    let mut buffer = vec![0_u8; 1 << 20];
    for file in &order {
        let at = |e| (file.path.clone(), e);
        let mut reader = std::fs::File::open(&file.path).map_err(at)?;
        loop {
            let n = reader.read(&mut buffer).map_err(at)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
        }
    }
    Ok(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_files_in_order_and_its_hash_follows_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("model");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::create_dir_all(root.join("__pycache__")).unwrap();
        std::fs::write(root.join("b.txt"), "b").unwrap();
        std::fs::write(root.join("sub/a.txt"), "a").unwrap();
        std::fs::write(root.join("__pycache__/x.pyc"), "x").unwrap();
        let upload = Upload::read(&root).unwrap();
        let names: Vec<_> = upload.files.iter().map(|file| upload.blob_path(file)).collect();
        assert_eq!(names, ["model/b.txt", "model/sub/a.txt"]);
        assert_eq!(upload.bytes(), 2);
        // printf '2#b.txt#1#sub/a.txt#1ba' | sha256sum
        assert_eq!(upload.hash, sha256("2#b.txt#1#sub/a.txt#1ba"));
        std::fs::write(root.join("b.txt"), "c").unwrap();
        assert_ne!(Upload::read(&root).unwrap().hash, upload.hash);
    }

    fn sha256(text: &str) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_single_file_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.onnx");
        std::fs::write(&file, "x").unwrap();
        let upload = Upload::read(&file).unwrap();
        assert_eq!((upload.name.as_str(), upload.is_folder), ("m.onnx", false));
        assert_eq!(upload.blob_path(&upload.files[0]), "m.onnx");
    }

    #[cfg(unix)]
    #[test]
    fn what_never_ends_is_not_read() {
        let device = Upload::read(Path::new("/dev/zero")).unwrap_err();
        assert!(device.message.contains("/dev/zero is a device"), "{device}");
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("model.onnx");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let refused = Upload::read(&socket).unwrap_err();
        assert!(refused.message.contains("give a file or a folder"), "{refused}");
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Upload::read(&dir.path().join("nope.onnx")).unwrap_err();
        assert!(missing.message.contains("nope.onnx"), "{missing}");
        let empty = Upload::read(dir.path()).unwrap_err();
        assert!(empty.message.contains("holds no files"), "{empty}");
    }
}
