//! Places and references in files.

use std::path::PathBuf;

use super::Origin;
use crate::resources::document::{Fields, FileError, Node};
use crate::resources::ids::AssetRef;

/// Where the content of an asset lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetPath {
    /// A file or folder of this machine, resolved against the YAML file's folder. Not checked to exist.
    Local(PathBuf),
    /// `azureml://…`, `https://…`, `wasbs://…`: already in a store.
    Remote(String),
}

impl AssetPath {
    /// Reads a path as written in a file.
    pub fn read(origin: &Origin, text: &str) -> Self {
        let text = text.strip_prefix("file:").map_or(text, |rest| rest.strip_prefix("//").unwrap_or(rest));
        if text.contains("://") || text.starts_with("azureml:") || text.starts_with("runs:/") {
            return Self::Remote(text.to_owned());
        }
        // Lexically tidy (`./model` → `model`), so that messages show what was meant; `..` is kept for symbolic links.
        let path: PathBuf = origin.folder.join(text).components().collect();
        Self::Local(path)
    }
}

/// A registered asset, or one defined on the spot.
#[derive(Debug, Clone, PartialEq)]
pub enum AssetSource<T> {
    Registered(AssetRef),
    Inline(Box<T>),
}

impl<T> AssetSource<T> {
    /// Reads `key` as a reference (a text) or an inline asset (a map).
    pub(super) fn read<'a>(
        fields: &mut Fields<'a>,
        key: &'static str,
        inline: impl FnOnce(Fields<'a>) -> Result<T, FileError>,
    ) -> Result<Option<Self>, FileError> {
        let Some(node) = fields.node(key) else { return Ok(None) };
        if node.as_text().is_some() {
            return reference(fields, key, node).map(|reference| Some(Self::Registered(reference)));
        }
        match fields.map(key)? {
            Some(map) => Ok(Some(Self::Inline(Box::new(inline(map)?)))),
            None => Ok(None),
        }
    }
}

/// Reads a text as a reference to a registered asset.
pub(super) fn reference(fields: &Fields<'_>, key: &str, node: &Node) -> Result<AssetRef, FileError> {
    let text = node.as_text().unwrap_or_default();
    if !AssetRef::looks_like(text) {
        let next = format!(
            "write azureml:NAME:VERSION for a registered {key}, or give it inline with its own keys on the lines below"
        );
        return Err(fields.wrong(key, node, &next));
    }
    AssetRef::parse(text).map_err(|error| fields.wrong(key, node, &error.why))
}
