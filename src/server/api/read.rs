//! Reading ARM JSON: a wrong type is answered with the name of the property, not with a byte position.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::reason::{kind, reason};

/// Parses a body as JSON; an empty body reads as `{}` where `optional`.
pub fn value(body: &[u8], optional: bool) -> Result<Value, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return if optional {
            Ok(Value::Object(Map::new()))
        } else {
            Err(Fault::bad("InvalidRequestContent", "The request has no body. Send the resource as JSON."))
        };
    }
    let value: Value = serde_json::from_slice(body).map_err(|e| {
        Fault::bad(
            "InvalidRequestContent",
            format!("The request body is not JSON: {e}. Send the resource as a JSON object."),
        )
    })?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null if optional => Ok(Value::Object(Map::new())),
        other => Err(Fault::bad(
            "InvalidRequestContent",
            format!("The request body must be a JSON object, but it is {}.", kind(&other)),
        )),
    }
}

/// Reads `value` as `T`; the error names the property that does not fit.
///
/// `T` must have a default for each of its members (as all nouns have), which is what makes the search possible.
pub fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    if let Some(path) = list_for_object(value, "") {
        return Err(Fault::property(
            &path,
            format!("\"{path}\" must be an object, but it is a list. Correct it and send the request again."),
        ));
    }
    T::deserialize(value).map_err(|whole| {
        let (path, error) = culprit::<T>(value).unwrap_or_else(|| (String::new(), whole.to_string()));
        if path.is_empty() {
            let why = reason(&error, Some(value));
            return Fault::bad(
                "InvalidRequestContent",
                format!("The request body {why}. Correct it and send the request again."),
            );
        }
        let given = path.split('.').try_fold(value, |v, part| v.get(part));
        let why = reason(&error, given);
        Fault::property(&path, format!("\"{path}\" {why}. Correct it and send the request again."))
    })
}

/// Members that are objects wherever they occur. serde would read a list as their members in order.
const OBJECTS: &[&str] = &[
    "properties",
    "sku",
    "identity",
    "systemData",
    "keys",
    "codeConfiguration",
    "scaleSettings",
    "requestSettings",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
];

/// The path of a list where an object belongs.
fn list_for_object(value: &Value, path: &str) -> Option<String> {
    let members = value.as_object()?;
    members.iter().filter(|(name, _)| OBJECTS.contains(&name.as_str())).find_map(|(name, member)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if member.is_array() { Some(path) } else { list_for_object(member, &path) }
    })
}

/// The deepest property whose presence alone makes `value` unreadable, and what is wrong with it.
fn culprit<T: DeserializeOwned>(value: &Value) -> Option<(String, String)> {
    let mut path: Vec<String> = Vec::new();
    let mut reason = T::deserialize(value).err()?.to_string();
    'deeper: loop {
        let here = path.iter().try_fold(value, |v, part| v.get(part))?;
        let Value::Object(members) = here else { break };
        for (name, member) in members {
            let mut only = Map::new();
            only.insert(name.clone(), member.clone());
            let alone = path.iter().rev().fold(Value::Object(only), |inner, part| {
                let mut outer = Map::new();
                outer.insert(part.clone(), inner);
                Value::Object(outer)
            });
            if let Err(error) = T::deserialize(&alone) {
                path.push(name.clone());
                reason = error.to_string();
                continue 'deeper;
            }
        }
        break;
    }
    Some((path.join("."), reason))
}

/// Puts the words of enumerations into their canonical case; callers write them in any (reference §1.6).
pub fn canonical(value: &mut Value, path: &[&str], words: &[&str]) {
    let found = path.iter().try_fold(value, |v, part| v.get_mut(*part));
    if let Some(Value::String(text)) = found
        && let Some(word) = words.iter().find(|w| w.eq_ignore_ascii_case(text))
    {
        *text = (*word).to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Deployment, Endpoint, ModelVersion};
    use proptest::prelude::*;
    use serde_json::json;

    fn target<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        typed::<T>(&value).unwrap_err().error.target.clone().unwrap_or_default()
    }

    #[test]
    fn wrong_types_name_the_property() {
        assert_eq!(target::<Endpoint>(json!({"properties": {"traffic": {"blue": "all"}}})), "properties.traffic.blue");
        assert_eq!(target::<Endpoint>(json!({"properties": {"authMode": "Password"}})), "properties.authMode");
        assert_eq!(target::<Endpoint>(json!({"tags": {"a": 1}})), "tags.a");
        assert_eq!(target::<Endpoint>(json!({"properties": []})), "properties");
        assert_eq!(target::<Deployment>(json!({"sku": {"name": "Default", "capacity": -1}})), "sku.capacity");
        assert_eq!(
            target::<Deployment>(
                json!({"location": "x", "properties": {"requestSettings": {"requestTimeout": "soon"}}})
            ),
            "properties.requestSettings.requestTimeout"
        );
        assert_eq!(target::<ModelVersion>(json!({"properties": {"isArchived": "no"}})), "properties.isArchived");
    }

    #[test]
    fn enumerations_take_any_case() {
        let mut v = json!({"properties": {"publicNetworkAccess": "disabled"}});
        canonical(&mut v, &["properties", "publicNetworkAccess"], &["Enabled", "Disabled"]);
        assert_eq!(v["properties"]["publicNetworkAccess"], "Disabled");
    }

    #[test]
    fn bodies_that_are_not_objects_are_explained() {
        assert!(value(b"[1]", false).unwrap_err().error.message.contains("a list"));
        assert!(value(b"{", false).unwrap_err().error.message.contains("not JSON"));
        assert!(value(b" ", false).is_err());
        assert_eq!(value(b"", true).unwrap(), json!({}));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let names = prop_oneof![
            Just("properties".to_owned()),
            Just("traffic".to_owned()),
            Just("sku".to_owned()),
            Just("tags".to_owned()),
            Just("identity".to_owned()),
            Just("authMode".to_owned()),
            Just("capacity".to_owned()),
            Just("requestSettings".to_owned()),
            Just("livenessProbe".to_owned()),
            ".{0,6}",
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names.clone(), inner, 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), near in "[\\[\\]{}:,\"a-e0-9. \\\\u-]{0,60}") {
            for body in [bytes.as_slice(), near.as_bytes()] {
                for optional in [false, true] {
                    if let Ok(value) = value(body, optional) {
                        prop_assert!(value.is_object());
                    }
                }
            }
        }

        #[test]
        fn no_json_panics(v in any_json()) {
            for fault in [typed::<Endpoint>(&v).err(), typed::<Deployment>(&v).err(), typed::<ModelVersion>(&v).err()].into_iter().flatten() {
                prop_assert_eq!(fault.status, 400);
                let message = &fault.error.message;
                prop_assert!(!message.is_empty());
                for rust in ["struct ", "variant `", "f64", "u32", "invalid type"] {
                    prop_assert!(!message.contains(rust), "{}", message);
                }
            }
        }
    }
}
