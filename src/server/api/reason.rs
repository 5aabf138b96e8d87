//! Why a value does not fit, in the words of JSON: what the reader says is made for programmers of this program.

use serde_json::Value;

use crate::resources::ids::shorten;
use crate::resources::nearest::one_of;

/// What a value is, for a message: "a list", "the number 5", "the text \"x\"".
pub fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) if text.is_empty() => "an empty text".into(),
        Value::String(text) => format!("the text \"{}\"", shorten(text)),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// Says what is wrong with `given`, to be read after its name: "must be a number, but it is a list".
pub fn reason(error: &str, given: Option<&Value>) -> String {
    let is = || given.map_or_else(|| "nothing".to_owned(), kind);
    if let Some((_, expected)) =
        error.strip_prefix("invalid type: ").or(error.strip_prefix("invalid value: ")).and_then(split)
    {
        return format!("must be {}, but it is {}", expectation(expected), is());
    }
    if let Some((_, expected)) = error.strip_prefix("unknown variant ").and_then(split) {
        let words = words(expected);
        return format!("is {}, and that is not possible here: use {}", is(), one_of(words));
    }
    // A list is read as the members of an object in their order, and has too few of them.
    if error.starts_with("invalid length ") {
        return format!("must be an object, but it is {}", is());
    }
    if let Some(name) = error.strip_prefix("missing field ") {
        return format!("lacks \"{}\"", name.trim_matches('`'));
    }
    format!("is not right: {error}")
}

fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(", expected ")
}

/// A type of Rust as one of JSON.
fn expectation(expected: &str) -> String {
    let whole = |from: &str, to: &str| format!("a whole number from {from} to {to}");
    match expected {
        "u8" => whole("0", "255"),
        "u16" => whole("0", "65535"),
        "u32" => whole("0", "4294967295"),
        "u64" | "u128" | "usize" => "a whole number of at least 0".into(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" | "bool" => "true or false".into(),
        "a string" | "string" | "a borrowed string" | "a character" | "string or map" | "variant identifier" => {
            "a text".into()
        }
        "a sequence" | "a tuple" => "a list".into(),
        "a map" | "map" => "an object".into(),
        "unit" => "null".into(),
        text if ["struct ", "a map", "internally tagged enum "].iter().any(|start| text.starts_with(start)) => {
            "an object".into()
        }
        text if text.starts_with("enum ") => "a text".into(),
        text => text.to_owned(),
    }
}

/// The words between backticks, each once: the same in another case or with underscores is an alias. Azure writes
/// them with capitals and small letters.
fn words(expected: &str) -> Vec<&str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace('_', "");
    let azures = |word: &str| word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase);
    let mut all: Vec<&str> = Vec::new();
    for word in expected.split('`').skip(1).step_by(2) {
        match all.iter_mut().find(|known| plain(known) == plain(word)) {
            Some(known) if azures(word) && !azures(known) => *known = word,
            Some(_) => {}
            None => all.push(word),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Endpoint;
    use serde::Deserialize;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_said_in_json_s_own_words() {
        for (body, path, words) in [
            (json!({"properties": "x"}), "/properties", "must be an object, but it is the text \"x\""),
            (json!({"properties": {"authMode": 5}}), "/properties/authMode", "must be a text, but it is the number 5"),
            (json!({"tags": {"a": true}}), "/tags/a", "must be a text, but it is true"),
            (json!({"tags": 1.5}), "/tags", "must be an object, but it is the number 1.5"),
            (
                json!({"sku": {"capacity": -1}}),
                "/sku/capacity",
                "must be a whole number from 0 to 4294967295, but it is the number -1",
            ),
            (
                json!({"properties": {"traffic": {"a": "b"}}}),
                "/properties/traffic/a",
                "must be a number, but it is the text \"b\"",
            ),
        ] {
            let error = Endpoint::deserialize(&body).unwrap_err().to_string();
            assert_eq!(reason(&error, body.pointer(path)), words, "{error}");
        }
    }

    #[test]
    fn words_that_are_possible_are_named_once_each() {
        let body = json!({"properties": {"authMode": "Password"}});
        let error = Endpoint::deserialize(&body).unwrap_err().to_string();
        let said = reason(&error, body.pointer("/properties/authMode"));
        assert!(said.starts_with("is the text \"Password\", and that is not possible here: use "), "{said}");
        assert_eq!(said.to_lowercase().matches("amltoken").count(), 1, "{said}");
        assert!(["Key", "AMLToken", "AADToken"].iter().all(|word| said.contains(word)), "{said}");
    }

    proptest::proptest! {
        #[test]
        fn no_error_or_value_panics(error in "(invalid type: |unknown variant |missing field |)[a-z`, ]{0,40}(, expected )?[a-z`, ]{0,20}", text in ".{0,200}") {
            let said = reason(&error, Some(&Value::from(text)));
            proptest::prop_assert!(!said.is_empty());
        }
    }
}
