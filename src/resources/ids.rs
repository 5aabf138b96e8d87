//! Resource ids and references to assets: what the API and the files use to point at things.

use std::fmt;
use std::str::FromStr;

/// Why a text is no id or reference; says what was wrong and what a right one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not {expected}: {why}")]
pub struct IdError {
    pub text: String,
    /// With its article: "a resource id".
    pub expected: &'static str,
    pub why: String,
}

/// The namespace of workspaces and everything in them.
pub const PROVIDER: &str = "Microsoft.MachineLearningServices";

/// An ARM id: `/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}/{type}/{name}…`.
///
/// Fixed words and type names compare case-insensitively and print in canonical case where it is known; names print
/// as written. Two ids are compared with [`ResourceId::same`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceId {
    pub subscription: String,
    pub resource_group: String,
    pub provider: String,
    /// Pairs of type and name, outermost first; never empty.
    pub path: Vec<(String, String)>,
}

/// Type names as Azure spells them.
const TYPES: &[&str] = &[
    "workspaces",
    "onlineEndpoints",
    "deployments",
    "models",
    "environments",
    "codes",
    "data",
    "versions",
    "computes",
    "datastores",
    "registries",
    "userAssignedIdentities",
    "autoscaleSettings",
];

impl ResourceId {
    /// Reads an id of any case. An `azureml:` in front, as the files write it, is allowed.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let wrong = |why: &str| IdError {
            text: shorten(text),
            expected: "a resource id",
            why: format!("{why}; it should read /subscriptions/…/resourceGroups/…/providers/…/type/name"),
        };
        let body = text.strip_prefix("azureml:").unwrap_or(text);
        let body = body.strip_prefix('/').ok_or_else(|| wrong("it does not start with a slash"))?;
        let parts: Vec<&str> = body.strip_suffix('/').unwrap_or(body).split('/').collect();
        if let Some(bad) = parts.iter().find(|part| !is_segment(part)) {
            return Err(wrong(&match *bad {
                "" => "two slashes follow each other".into(),
                bad => format!("\"{}\" cannot be a part of it", shorten(bad)),
            }));
        }
        let [s, subscription, g, resource_group, p, provider, path @ ..] = parts.as_slice() else {
            return Err(wrong("it is too short"));
        };
        for (word, expected) in [(s, "subscriptions"), (g, "resourceGroups"), (p, "providers")] {
            if !word.eq_ignore_ascii_case(expected) {
                return Err(wrong(&format!("\"{word}\" stands where \"{expected}\" should")));
            }
        }
        if path.is_empty() || !path.len().is_multiple_of(2) {
            return Err(wrong("its types and names do not come in pairs"));
        }
        let pair = |pair: &[&str]| (canonical(pair[0], TYPES), pair[1].to_owned());
        Ok(Self {
            subscription: (*subscription).to_owned(),
            resource_group: (*resource_group).to_owned(),
            provider: canonical(provider, &[PROVIDER, "Microsoft.Insights", "Microsoft.ManagedIdentity"]),
            path: path.chunks_exact(2).map(pair).collect(),
        })
    }

    /// Id of a workspace.
    pub fn workspace(subscription: &str, resource_group: &str, workspace: &str) -> Self {
        Self {
            subscription: subscription.to_owned(),
            resource_group: resource_group.to_owned(),
            provider: PROVIDER.to_owned(),
            path: vec![("workspaces".to_owned(), workspace.to_owned())],
        }
    }

    /// Id of something inside this one.
    pub fn child(mut self, kind: &str, name: &str) -> Self {
        self.path.push((kind.to_owned(), name.to_owned()));
        self
    }

    /// The name after `kind`: `id.get("onlineEndpoints")`.
    pub fn get(&self, kind: &str) -> Option<&str> {
        self.path.iter().find(|(k, _)| k.eq_ignore_ascii_case(kind)).map(|(_, name)| name.as_str())
    }

    /// The last name: that of the resource itself.
    pub fn name(&self) -> &str {
        self.path.last().map_or("", |(_, name)| name)
    }

    /// `Microsoft.MachineLearningServices/workspaces/onlineEndpoints`.
    pub fn resource_type(&self) -> String {
        self.path.iter().fold(self.provider.clone(), |text, (kind, _)| format!("{text}/{kind}"))
    }

    /// Whether both name the same resource: ids compare case-insensitively.
    pub fn same(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }

    /// Name and version, for `…/{kind}/{name}/versions/{version}`.
    pub fn asset(&self) -> Option<(AssetKind, &str, &str)> {
        let [.., (kind, name), (versions, version)] = self.path.as_slice() else { return None };
        let kind = AssetKind::from_collection(kind)?;
        versions.eq_ignore_ascii_case("versions").then_some((kind, name.as_str(), version.as_str()))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, resource_group, provider, path } = self;
        write!(f, "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/{provider}")?;
        path.iter().try_for_each(|(kind, name)| write!(f, "/{kind}/{name}"))
    }
}

impl FromStr for ResourceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

/// The four kinds of versioned assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetKind {
    Model,
    Environment,
    Code,
    Data,
}

impl AssetKind {
    /// The route segment: `models`, `environments`, `codes`, `data`.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Environment => "environments",
            Self::Code => "codes",
            Self::Data => "data",
        }
    }

    /// In any case.
    pub fn from_collection(text: &str) -> Option<Self> {
        [Self::Model, Self::Environment, Self::Code, Self::Data]
            .into_iter()
            .find(|kind| kind.collection().eq_ignore_ascii_case(text))
    }
}

/// Which version of an asset is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetVersion {
    /// That one.
    Exact(String),
    /// The one that bears a label; `latest` is the only label that local workspaces know.
    Label(String),
}

/// A reference to a registered asset, in any of the forms that files and requests use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetRef {
    /// `azureml:name:version`, `azureml:name@latest`.
    Named { name: String, version: AssetVersion },
    /// A full id of `…/workspaces/{w}/{kind}/{name}/versions/{version}`.
    Id(ResourceId),
    /// `azureml://registries/{r}/{kind}/{name}/versions/{v}` or `…/labels/{l}`: never resolved, passed on verbatim.
    Registry { registry: String, kind: AssetKind, name: String, version: AssetVersion },
}

/// `name:version` of a registered version as people read it; of an unnamed one, the first digits of its content.
pub fn shown_version(name: &str, version: &str) -> String {
    match name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => format!("(unnamed {})", &name[..8]),
        false => format!("{name}:{version}"),
    }
}

impl AssetRef {
    /// Whether `text` is meant as a reference rather than as a local path.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("azureml:") || text.get(..15).is_some_and(|s| s.eq_ignore_ascii_case("/subscriptions/"))
    }

    /// Reads any form of reference.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let wrong = |why: String| IdError {
            text: shorten(text),
            expected: "a reference to an asset",
            why: format!("{why}; write azureml:NAME:VERSION, azureml:NAME@latest or a full resource id"),
        };
        if let Some(rest) = text.strip_prefix("azureml://registries/") {
            return Self::registry(rest).ok_or_else(|| {
                wrong("a registry reference reads azureml://registries/REGISTRY/models/NAME/versions/VERSION".into())
            });
        }
        if text.starts_with('/') || text.starts_with("azureml:/") {
            let id = ResourceId::parse(text)?;
            return match id.asset() {
                Some(_) => Ok(Self::Id(id)),
                None => Err(wrong("this id is not that of a version of an asset".into())),
            };
        }
        let body = text.strip_prefix("azureml:").unwrap_or(text);
        let (name, version) = match (body.split_once('@'), body.split_once(':')) {
            (Some((name, label)), _) => (name, AssetVersion::Label(label.to_owned())),
            (None, Some((name, version))) => (name, AssetVersion::Exact(version.to_owned())),
            (None, None) => return Err(wrong("it names no version".into())),
        };
        let (AssetVersion::Exact(part) | AssetVersion::Label(part)) = &version;
        for (what, part) in [("name", name), ("version", part.as_str())] {
            if let Err(why) = super::rules::asset_part(part) {
                return Err(wrong(format!("its {what} {why}")));
            }
        }
        Ok(Self::Named { name: name.to_owned(), version })
    }

    fn registry(rest: &str) -> Option<Self> {
        let [registry, kind, name, which, version] = rest.split('/').collect::<Vec<_>>()[..] else { return None };
        if ![registry, name, version].into_iter().all(|part| super::rules::asset_part(part).is_ok()) {
            return None;
        }
        let version = match which {
            "versions" => AssetVersion::Exact(version.to_owned()),
            "labels" => AssetVersion::Label(version.to_owned()),
            _ => return None,
        };
        let kind = AssetKind::from_collection(kind)?;
        Some(Self::Registry { registry: registry.to_owned(), kind, name: name.to_owned(), version })
    }
}

impl fmt::Display for AssetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, version: AssetVersion::Exact(version) } => write!(f, "azureml:{name}:{version}"),
            Self::Named { name, version: AssetVersion::Label(label) } => write!(f, "azureml:{name}@{label}"),
            Self::Id(id) => write!(f, "{id}"),
            Self::Registry { registry, kind, name, version } => {
                let (which, version) = match version {
                    AssetVersion::Exact(version) => ("versions", version),
                    AssetVersion::Label(label) => ("labels", label),
                };
                write!(f, "azureml://registries/{registry}/{}/{name}/{which}/{version}", kind.collection())
            }
        }
    }
}

impl FromStr for AssetRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

/// A part of an id: printable, and nothing that could be taken for a path, a query or an escape.
fn is_segment(part: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "%?#\\<>\"".contains(c);
    !part.is_empty() && part.len() <= 260 && part != "." && part != ".." && !part.chars().any(odd)
}

fn canonical(word: &str, known: &[&str]) -> String {
    known.iter().find(|k| k.eq_ignore_ascii_case(word)).map_or_else(|| word.to_owned(), |k| (*k).to_owned())
}

/// At most 120 characters of a text for use in a message, control characters replaced.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(120).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
