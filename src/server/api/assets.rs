//! Registered assets: models, environments, code and data. Containers hold versions (reference §5.5).

use std::collections::HashMap;

use http::Method;
use serde_json::Value;

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{etag, system_data};
use super::fault::Fault;
use super::paging::page;
use crate::resources::ids::AssetKind;
use crate::server::store::{Doc, Key, Kind, fold};

/// The document kind of an asset's container.
pub fn container_kind(kind: AssetKind) -> Kind {
    match kind {
        AssetKind::Model => Kind::Model,
        AssetKind::Environment => Kind::Environment,
        AssetKind::Code => Kind::Code,
        AssetKind::Data => Kind::Data,
    }
}

/// The document kind of an asset's versions; their parent is the asset's name.
pub fn version_kind(kind: AssetKind) -> Kind {
    match kind {
        AssetKind::Model => Kind::ModelVersion,
        AssetKind::Environment => Kind::EnvironmentVersion,
        AssetKind::Code => Kind::CodeVersion,
        AssetKind::Data => Kind::DataVersion,
    }
}

/// What a person calls one.
pub fn noun(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Model => "model",
        AssetKind::Environment => "environment",
        AssetKind::Code => "code asset",
        AssetKind::Data => "data asset",
    }
}

/// Which assets a list shows (`listViewType`).
#[derive(Clone, Copy, PartialEq)]
enum View {
    Active,
    Archived,
    All,
}

impl View {
    fn of(call: &Call) -> Result<Self, Fault> {
        match call.query.get("listViewType").unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "activeonly" => Ok(Self::Active),
            "archivedonly" => Ok(Self::Archived),
            "all" => Ok(Self::All),
            other => Err(Fault::property(
                "listViewType",
                format!("listViewType is \"{other}\". Use ActiveOnly, ArchivedOnly or All."),
            )),
        }
    }

    fn shows(self, doc: &Doc) -> bool {
        let archived = doc.body.pointer("/properties/isArchived").and_then(Value::as_bool).unwrap_or(false);
        match self {
            Self::Active => !archived,
            Self::Archived => archived,
            Self::All => true,
        }
    }
}

impl ControlPlane {
    pub(super) fn asset_containers(&self, call: &Call, kind: AssetKind) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method(&format!("the list of {}", kind.collection()), &["GET"]));
        }
        let view = View::of(call)?;
        let versions = self.app.store.list(version_kind(kind), None)?;
        let mut by_name: HashMap<String, Vec<&Doc>> = HashMap::new();
        for version in &versions {
            by_name.entry(fold(&version.key.parent)).or_default().push(version);
        }
        let mut all = Vec::new();
        for doc in self.app.store.list(container_kind(kind), None)?.iter().filter(|doc| view.shows(doc)) {
            let own = by_name.get(&fold(&doc.key.name)).map(Vec::as_slice).unwrap_or_default();
            // What was never given a name is somebody's by-product: it shows only where everything does.
            if view != View::All && !own.is_empty() && own.iter().all(|version| is_anonymous(version)) {
                continue;
            }
            all.push(self.container_resource(kind, doc, own));
        }
        Answer::ok(&page(self.base(), call, all)?)
    }

    pub(super) fn asset_container(
        &self,
        call: &Call,
        kind: AssetKind,
        name: &str,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        match call.method {
            Method::GET => {
                let doc = self.container_doc(kind, name)?;
                let versions = self.app.store.list(version_kind(kind), Some(name))?;
                let own: Vec<&Doc> = versions.iter().collect();
                Ok(Answer::ok(&self.container_resource(kind, &doc, &own))?.with("etag", etag(doc.etag)))
            }
            Method::PUT => self.put_container(call, kind, name, body),
            _ => Err(call.no_such_method(&format!("a {}", noun(kind)), &["GET", "PUT"])),
        }
    }

    pub(super) fn asset_versions(&self, call: &Call, kind: AssetKind, name: &str) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method(&format!("the versions of a {}", noun(kind)), &["GET"]));
        }
        let view = View::of(call)?;
        // Code is looked for by its hash among all code of the workspace; the name in the path is random (reference §6.1).
        let hash = call.query.get("hash").filter(|_| kind == AssetKind::Code);
        let mut docs = self.app.store.list(version_kind(kind), hash.is_none().then_some(name))?;
        match hash {
            Some(hash) => docs.retain(|doc| has_hash(doc, hash, call.query.get("hashVersion"))),
            None if docs.is_empty() && kind != AssetKind::Code => {
                self.container_doc(kind, name)?;
            }
            None => {}
        }
        docs.retain(|doc| view.shows(doc));
        sort(&mut docs, call.query.get("$orderBy").unwrap_or_default());
        Answer::ok(&page(self.base(), call, docs)?.try_map(|doc| Ok(self.version_resource(kind, &doc)))?)
    }

    pub(super) fn asset_version(
        &self,
        call: &Call,
        kind: AssetKind,
        name: &str,
        version: &str,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        match call.method {
            Method::GET => {
                let doc = self.version_doc(kind, name, version)?;
                Ok(Answer::ok(&self.version_resource(kind, &doc))?.with("etag", etag(doc.etag)))
            }
            Method::PUT => self.put_version(call, kind, name, version, body),
            _ => Err(call.no_such_method(&format!("a version of a {}", noun(kind)), &["GET", "PUT"])),
        }
    }

    fn container_doc(&self, kind: AssetKind, name: &str) -> Result<Doc, Fault> {
        self.app.store.get(&Key::new(container_kind(kind), "", name))?.ok_or_else(|| {
            let noun = noun(kind);
            Fault::missing(
                "ResourceNotFound",
                format!("There is no {noun} \"{name}\" in this workspace. List them, or register it first."),
            )
        })
    }

    pub(super) fn version_doc(&self, kind: AssetKind, name: &str, version: &str) -> Result<Doc, Fault> {
        if let Some(doc) = self.app.store.get(&Key::new(version_kind(kind), name, version))? {
            return Ok(doc);
        }
        let known: Vec<String> =
            self.app.store.list(version_kind(kind), Some(name))?.into_iter().map(|doc| doc.key.name).collect();
        let noun = noun(kind);
        let next = if known.is_empty() {
            format!("There is no {noun} of that name at all; list them, or register it first.")
        } else {
            format!("Its versions are {}.", known.join(", "))
        };
        Err(Fault::missing(
            "ResourceNotFound",
            format!("There is no version \"{version}\" of {noun} \"{name}\". {next}"),
        ))
    }

    /// A version as it is answered. Its `name` is the version.
    pub(super) fn version_resource(&self, kind: AssetKind, doc: &Doc) -> Value {
        let mut body = doc.body.clone();
        let id = self.version_id(kind, &doc.key.parent, &doc.key.name);
        self.dress(&mut body, doc, &id, &doc.key.name, &format!("{}/versions", kind.collection()));
        body
    }

    /// A container as it is answered: with its latest and next version.
    pub(super) fn container_resource(&self, kind: AssetKind, doc: &Doc, versions: &[&Doc]) -> Value {
        let mut body = doc.body.clone();
        let id = self.container_id(kind, &doc.key.name);
        self.dress(&mut body, doc, &id, &doc.key.name, kind.collection());
        let latest = versions.iter().max_by_key(|v| (v.created_ms, v.etag)).map(|v| v.key.name.clone());
        let highest = versions.iter().filter_map(|v| v.key.name.parse::<u64>().ok()).max().unwrap_or(0);
        if let Some(Value::Object(properties)) = body.get_mut("properties") {
            properties.insert("latestVersion".into(), latest.map_or(Value::Null, Value::from));
            properties.insert("nextVersion".into(), highest.saturating_add(1).to_string().into());
        }
        body
    }

    fn dress(&self, body: &mut Value, doc: &Doc, id: &str, name: &str, kind: &str) {
        let Value::Object(members) = body else { return };
        members.insert("id".into(), id.into());
        members.insert("name".into(), name.into());
        members.insert("type".into(), format!("{}/workspaces/{kind}", super::context::PROVIDER).into());
        members.insert("etag".into(), etag(doc.etag).into());
        members.insert("systemData".into(), serde_json::to_value(system_data(doc)).unwrap_or_default());
    }
}

/// Whether a version was registered without a name, as clients do with local files that a deployment names.
fn is_anonymous(doc: &Doc) -> bool {
    doc.body.pointer("/properties/isAnonymous") == Some(&Value::Bool(true))
}

/// Whether a code asset has this content hash. The hash version may be stored as a number or as text.
fn has_hash(doc: &Doc, hash: &str, hash_version: Option<&str>) -> bool {
    let property = |name: &str| match doc.body.pointer(&format!("/properties/properties/{name}")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    property("hash_sha256").eq_ignore_ascii_case(hash)
        && hash_version.is_none_or(|wanted| wanted.is_empty() || property("hash_version") == wanted)
}

/// Orders versions by time of creation unless told otherwise; newest first, as Azure does.
fn sort(docs: &mut [Doc], order: &str) {
    let order = order.to_ascii_lowercase();
    let ascending = order.ends_with(" asc") || (!order.is_empty() && !order.ends_with(" desc"));
    if order.starts_with("modifiedtime") || order.starts_with("lastmodified") {
        docs.sort_by_key(|doc| (doc.modified_ms, doc.etag));
    } else {
        docs.sort_by_key(|doc| (doc.created_ms, doc.etag));
    }
    if !ascending {
        docs.reverse();
    }
}
