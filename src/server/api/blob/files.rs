//! Files of the blob store: written beside their place, flushed, then moved there in one step. All calls block.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use super::layout::{Assets, BadName};
use crate::server::api::fault::Fault;

/// A piece of an upload. A channel that closes without [`Piece::End`] is an upload that broke off.
pub enum Piece {
    Data(Bytes),
    End,
}

/// What is known about a blob beside its bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    pub name: String,
    pub etag: String,
    /// Unix seconds.
    pub modified_s: i64,
    /// Base64; empty for blobs put together from blocks.
    pub md5: String,
    pub content_type: String,
    /// Names in lower case, without `x-ms-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// A finished upload that has no place yet; its file goes away with it.
pub struct Upload {
    path: PathBuf,
    pub len: u64,
    pub md5: [u8; 16],
}

impl Drop for Upload {
    fn drop(&mut self) {
        // After `place` the file is gone from here already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes an upload to disk as it arrives; checks its MD5 when the caller sent one (base64).
pub fn receive(assets: &Assets, mut pieces: Receiver<Piece>, expected_md5: Option<&str>) -> Result<Upload, Fault> {
    let (mut file, path) = unfinished(assets)?;
    let mut upload = Upload { path, len: 0, md5: [0; 16] };
    let mut md5 = Md5::new();
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Data(data)) => {
                file.write_all(&data).map_err(|e| disk(&e, assets.root()))?;
                md5.update(&data);
                upload.len += data.len() as u64;
            }
            Some(Piece::End) => break,
            None => return Err(Fault::bad("IncompleteBody", "The upload broke off before its end. Send it again.")),
        }
    }
    upload.md5 = md5.finalize().into();
    if let Some(expected) = expected_md5
        && expected != STANDARD.encode(upload.md5)
    {
        return Err(Fault::bad(
            "Md5Mismatch",
            "The MD5 of the received bytes differs from the header Content-MD5. Send the file again.",
        ));
    }
    file.sync_data().map_err(|e| disk(&e, assets.root()))?;
    Ok(upload)
}

/// Gives an upload its place. With `only_new` an existing blob is left alone (409 `BlobAlreadyExists`).
pub fn place(assets: &Assets, container: &str, upload: &Upload, only_new: bool, mut meta: Meta) -> Result<Meta, Fault> {
    let target = assets.blob(container, &meta.name).map_err(bad_name)?;
    let folder = target.parent().unwrap_or(assets.root());
    make_folder(folder, &meta.name)?;
    let meta_path = assets.meta(container, &meta.name).map_err(bad_name)?;
    if only_new {
        match fs::hard_link(&upload.path, &target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Fault::conflict(
                    "BlobAlreadyExists",
                    format!("A blob named \"{}\" exists already.", meta.name),
                ));
            }
            other => other.map_err(|e| in_place(&e, &meta.name, assets))?,
        }
    } else {
        // The old metadata must not outlive the old bytes, not even through a crash between these two steps.
        remove_if_there(&meta_path).map_err(|e| disk(&e, assets.root()))?;
        fs::rename(&upload.path, &target).map_err(|e| in_place(&e, &meta.name, assets))?;
    }
    sync_folder(folder).map_err(|e| disk(&e, assets.root()))?;
    meta.etag = new_etag();
    meta.modified_s = jiff::Timestamp::now().as_second();
    write_meta(assets, &meta_path, &meta)?;
    Ok(meta)
}

/// Keeps an upload as a block of a blob to come.
pub fn place_block(assets: &Assets, container: &str, blob: &str, id: &str, upload: &Upload) -> Result<(), Fault> {
    let target = assets.block(container, blob, id);
    let folder = assets.blocks(container, blob);
    fs::create_dir_all(&folder).map_err(|e| disk(&e, assets.root()))?;
    fs::rename(&upload.path, target).map_err(|e| disk(&e, assets.root()))
}

/// Joins blocks, in the order of `ids`, into one file.
pub fn join_blocks(assets: &Assets, container: &str, blob: &str, ids: &[String]) -> Result<Upload, Fault> {
    let (mut file, path) = unfinished(assets)?;
    let mut upload = Upload { path, len: 0, md5: [0; 16] };
    for id in ids {
        let mut block = File::open(assets.block(container, blob, id)).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Fault::bad(
                "InvalidBlockList",
                "The list names a block that was not uploaded. Upload all blocks, then send the list again.",
            ),
            _ => disk(&e, assets.root()),
        })?;
        upload.len += io::copy(&mut block, &mut file).map_err(|e| disk(&e, assets.root()))?;
    }
    file.sync_data().map_err(|e| disk(&e, assets.root()))?;
    Ok(upload)
}

/// Forgets the waiting blocks of a blob.
pub fn forget_blocks(assets: &Assets, container: &str, blob: &str) {
    // Left-overs cost only space; they are swept at the next start.
    let _ = fs::remove_dir_all(assets.blocks(container, blob));
}

/// Length and metadata of a blob; `None` when there is no such blob.
pub fn look(assets: &Assets, container: &str, blob: &str) -> Result<Option<(u64, Meta)>, Fault> {
    // A name that cannot be stored is not there: the SDK asks for `folder/` to learn whether it is a folder.
    let Ok(path) = assets.blob(container, blob) else { return Ok(None) };
    let found = match fs::metadata(&path) {
        Ok(found) if found.is_file() => found,
        Ok(_) => return Ok(None),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(disk(&e, assets.root())),
    };
    Ok(Some((found.len(), read_meta(assets, container, blob, &found))))
}

/// Replaces all metadata of a blob; `None` when there is no such blob.
pub fn set_metadata(
    assets: &Assets,
    container: &str,
    blob: &str,
    metadata: BTreeMap<String, String>,
) -> Result<Option<Meta>, Fault> {
    let Some((_, mut meta)) = look(assets, container, blob)? else { return Ok(None) };
    meta.metadata = metadata;
    meta.etag = new_etag();
    meta.modified_s = jiff::Timestamp::now().as_second();
    write_meta(assets, &assets.meta(container, blob).map_err(bad_name)?, &meta)?;
    Ok(Some(meta))
}

/// Metadata of a blob, or what its file tells when none was written.
pub fn read_meta(assets: &Assets, container: &str, blob: &str, found: &fs::Metadata) -> Meta {
    let written = assets.meta(container, blob).ok().and_then(|path| fs::read(path).ok());
    written.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| {
        let modified_s = found
            .modified()
            .ok()
            .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0));
        Meta {
            name: blob.to_owned(),
            etag: format!("\"0x{modified_s:X}{:X}\"", found.len()),
            modified_s,
            content_type: "application/octet-stream".into(),
            ..Meta::default()
        }
    })
}

/// Sweeps blocks whose list never came: an upload that was broken off by a restart begins again.
pub fn sweep(assets: &Assets) {
    // What cannot be removed costs only space.
    let _ = fs::remove_dir_all(assets.root().join(".blocks"));
}

fn unfinished(assets: &Assets) -> Result<(File, PathBuf), Fault> {
    let folder = assets.unfinished();
    fs::create_dir_all(&folder).map_err(|e| disk(&e, assets.root()))?;
    let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
    let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|e| disk(&e, assets.root()))?;
    Ok((file, path))
}

fn write_meta(assets: &Assets, path: &Path, meta: &Meta) -> Result<(), Fault> {
    let wrong = |e: &io::Error| disk(e, assets.root());
    let folder = path.parent().unwrap_or(assets.root());
    fs::create_dir_all(folder).map_err(|e| wrong(&e))?;
    let (mut file, temporary) = unfinished(assets)?;
    let bytes = serde_json::to_vec(meta).map_err(|e| Fault::internal("Writing a blob's metadata", e))?;
    file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(|e| wrong(&e))?;
    fs::rename(temporary, path).map_err(|e| wrong(&e))
}

fn make_folder(folder: &Path, blob: &str) -> Result<(), Fault> {
    fs::create_dir_all(folder).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => taken(blob),
        _ => disk(&e, folder),
    })
}

fn in_place(error: &io::Error, blob: &str, assets: &Assets) -> Fault {
    match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::DirectoryNotEmpty => taken(blob),
        _ => disk(error, assets.root()),
    }
}

fn taken(blob: &str) -> Fault {
    Fault::conflict(
        "ResourceTypeMismatch",
        format!(
            "\"{blob}\" cannot be stored: a part of this path is a file already (or a folder where the file should go). Upload under another path."
        ),
    )
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn new_etag() -> String {
    format!("\"0x{:X}\"", fastrand::u64(0x1000_0000_0000_0000..))
}

/// 400 for a name that cannot be stored.
pub fn bad_name(error: BadName) -> Fault {
    Fault::bad("InvalidResourceName", error.to_string())
}

/// What a failing disk means for the caller: 507 when it is full or read-only.
pub fn disk(error: &io::Error, folder: &Path) -> Fault {
    use io::ErrorKind;
    let shown = folder.display();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Fault::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "StorageFull",
            format!(
                "There is no space left for \"{shown}\": nothing was stored. Free space on that disk and upload again."
            ),
        ),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Fault::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "StorageReadOnly",
            format!(
                "\"{shown}\" cannot be written ({error}): nothing was stored. Make it writable for this user, or start with another --data-dir."
            ),
        ),
        _ => Fault::internal(&format!("Storing a file under \"{shown}\""), error),
    }
}
