//! What the store keeps and how it is changed: documents under keys, and changes that happen wholly or not at all.

use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde_json::Value;

use super::error::StoreError;
use crate::resources::{EndpointKeys, JournalEntry, Operation};

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Endpoint,
    /// The deployment as its owner wants it: parent = endpoint.
    Deployment,
    /// The deployment as it serves: what comes back after a restart. Written by the reconciler only.
    Serving,
    /// What happened to a deployment's containers, as its log tells it. Written by the reconciler only.
    Report,
    Model,
    ModelVersion,
    Environment,
    EnvironmentVersion,
    Code,
    CodeVersion,
    Data,
    DataVersion,
    Autoscale,
}

impl Kind {
    /// Name in the database; part of the file format.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Deployment => "deployment",
            Self::Serving => "serving",
            Self::Report => "report",
            Self::Model => "model",
            Self::ModelVersion => "model-version",
            Self::Environment => "environment",
            Self::EnvironmentVersion => "environment-version",
            Self::Code => "code",
            Self::CodeVersion => "code-version",
            Self::Data => "data",
            Self::DataVersion => "data-version",
            Self::Autoscale => "autoscale",
        }
    }

    /// The word for a person.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Deployment | Self::Serving | Self::Report => "deployment",
            Self::Model => "model",
            Self::ModelVersion => "model version",
            Self::Environment => "environment",
            Self::EnvironmentVersion => "environment version",
            Self::Code => "code asset",
            Self::CodeVersion => "code version",
            Self::Data => "data asset",
            Self::DataVersion => "data version",
            Self::Autoscale => "autoscale setting",
        }
    }
}

/// Names a document. Compares case-insensitively and keeps the case of its creation.
#[derive(Debug, Clone)]
pub struct Key {
    pub kind: Kind,
    /// "" for kinds that stand alone, else the endpoint or the asset's name.
    pub parent: String,
    pub name: String,
}

impl Key {
    pub fn new(kind: Kind, parent: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, parent: parent.into(), name: name.into() }
    }

    pub fn endpoint(name: impl Into<String>) -> Self {
        Self::new(Kind::Endpoint, "", name)
    }

    pub fn deployment(endpoint: impl Into<String>, name: impl Into<String>) -> Self {
        Self::new(Kind::Deployment, endpoint, name)
    }

    pub(super) fn folded(&self) -> (&'static str, String, String) {
        (self.kind.tag(), fold(&self.parent), fold(&self.name))
    }

    /// `deployment "blue" of "restaurants"`.
    pub fn describe(&self) -> String {
        match self.parent.as_str() {
            "" => format!("{} \"{}\"", self.kind.noun(), self.name),
            parent => format!("{} \"{}\" of \"{parent}\"", self.kind.noun(), self.name),
        }
    }
}

/// The form in which names are compared.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

/// A stored document.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    pub key: Key,
    /// Grows with every change in the workspace and is never used twice.
    pub etag: u64,
    pub body: Value,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub modified_ms: i64,
}

impl Doc {
    /// The document as one of the nouns.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the body does not have the noun's shape.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, StoreError> {
        T::deserialize(&self.body).map_err(|e| StoreError::Corrupt {
            what: format!("{} cannot be read: {e}", self.key.describe()),
            next: "Delete it and create it again.".into(),
        })
    }
}

/// What must be true of a document for a change to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    #[default]
    Any,
    /// It must not exist.
    Absent,
    /// It must exist.
    Present,
    /// It must exist in exactly this version.
    Etag(u64),
}

#[derive(Debug, Clone)]
pub(super) struct Put {
    pub key: Key,
    pub body: Value,
    pub expect: Expect,
}

#[derive(Debug, Clone)]
pub(super) struct Delete {
    pub key: Key,
    pub expect: Expect,
}

/// One durable transaction: all of it happens, on disk, before the answer, or nothing does.
///
/// `Debug` does not show the values of secrets.
#[derive(Clone, Default)]
pub struct Change {
    pub(super) puts: Vec<Put>,
    pub(super) deletes: Vec<Delete>,
    pub(super) delete_children: Vec<(Kind, String)>,
    pub(super) secrets: Vec<(String, Option<Vec<u8>>)>,
    pub(super) operations: Vec<Operation>,
    pub(super) journal: Vec<(Option<String>, JournalEntry)>,
    pub(super) outcomes: Vec<(String, String)>,
    pub(super) broken: Option<String>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change")
            .field("puts", &self.puts.iter().map(|p| &p.key).collect::<Vec<_>>())
            .field("deletes", &self.deletes.iter().map(|d| &d.key).collect::<Vec<_>>())
            .field("secrets", &self.secrets.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("operations", &self.operations.iter().map(|o| &o.name).collect::<Vec<_>>())
            .field("journal", &self.journal.len())
            .finish_non_exhaustive()
    }
}

impl Change {
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates or replaces a document. Puts and deletes of one change are applied in the order: puts, deletes.
    #[must_use]
    pub fn put(mut self, key: Key, body: &impl Serialize, expect: Expect) -> Self {
        match serde_json::to_value(body) {
            Ok(body) => self.puts.push(Put { key, body, expect }),
            Err(error) => self.broken = Some(format!("{} cannot be written as JSON: {error}", key.describe())),
        }
        self
    }

    /// Removes a document; removing one that is not there is no error unless `expect` says so.
    #[must_use]
    pub fn delete(mut self, key: Key, expect: Expect) -> Self {
        self.deletes.push(Delete { key, expect });
        self
    }

    /// Removes every document of a kind under a parent.
    #[must_use]
    pub fn delete_children(mut self, kind: Kind, parent: &str) -> Self {
        self.delete_children.push((kind, parent.to_owned()));
        self
    }

    /// Stores a secret under a name.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.secrets.push((name.into(), Some(value.into())));
        self
    }

    #[must_use]
    pub fn forget_secret(mut self, name: impl Into<String>) -> Self {
        self.secrets.push((name.into(), None));
        self
    }

    /// Stores both keys of an endpoint.
    #[must_use]
    pub fn endpoint_keys(self, endpoint: &str, keys: &EndpointKeys) -> Self {
        self.secret(endpoint_secret(endpoint, "primary"), keys.primary_key.as_bytes())
            .secret(endpoint_secret(endpoint, "secondary"), keys.secondary_key.as_bytes())
    }

    /// Forgets both keys of an endpoint.
    #[must_use]
    pub fn forget_endpoint_keys(self, endpoint: &str) -> Self {
        self.forget_secret(endpoint_secret(endpoint, "primary")).forget_secret(endpoint_secret(endpoint, "secondary"))
    }

    /// Creates or replaces an operation, by its name.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Adds an entry to the journal. `seq` is given by the store; an `at_ms` of 0 becomes now.
    #[must_use]
    pub fn journal(mut self, entry: JournalEntry) -> Self {
        self.journal.push((None, entry));
        self
    }

    /// Adds an entry whose outcome follows that of an operation ([`Change::settle`]).
    #[must_use]
    pub fn journal_of(mut self, operation: &str, entry: JournalEntry) -> Self {
        self.journal.push((Some(operation.to_owned()), entry));
        self
    }

    /// Writes the outcome (`done`, `failed`, `canceled`) of an operation's journal entries.
    #[must_use]
    pub fn settle(mut self, operation: &str, outcome: &str) -> Self {
        self.outcomes.push((operation.to_owned(), outcome.to_owned()));
        self
    }

    /// Everything of `other` after everything of `self`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.puts.extend(other.puts);
        self.deletes.extend(other.deletes);
        self.delete_children.extend(other.delete_children);
        self.secrets.extend(other.secrets);
        self.operations.extend(other.operations);
        self.journal.extend(other.journal);
        self.outcomes.extend(other.outcomes);
        self.broken = self.broken.or(other.broken);
        self
    }
}

/// Name of an endpoint's secret; `which` is `primary` or `secondary`.
pub(super) fn endpoint_secret(endpoint: &str, which: &str) -> String {
    format!("endpoint/{}/{which}", fold(endpoint))
}

/// What a change brought about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// New version of each document put, in order.
    pub etags: Vec<u64>,
    /// Highest sequence number of the journal after the change.
    pub journal_seq: u64,
}

/// Which entries of the journal to read, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFilter {
    pub endpoint: Option<String>,
    /// Exact action, or its first word (`deployment` finds `deployment.scale`).
    pub action: Option<String>,
    /// Only entries with a lower sequence number.
    pub before: Option<u64>,
    pub limit: usize,
}

impl Default for JournalFilter {
    fn default() -> Self {
        Self { endpoint: None, action: None, before: None, limit: 100 }
    }
}
