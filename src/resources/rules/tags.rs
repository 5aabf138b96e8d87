//! What resources are marked with.

use super::Problems;
use crate::resources::arm::{ArmError, StringMap};
use crate::resources::ids::shorten;

/// Tags of one resource.
pub const MAX_TAGS: usize = 50;
/// Characters of a tag's name.
pub const MAX_TAG_NAME: usize = 512;
/// Characters of a tag's value.
pub const MAX_TAG_VALUE: usize = 256;

/// Azure's limits for tags. `path` is where they stand: `tags`, `properties.tags`.
pub fn check_tags(path: &str, tags: &StringMap) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    if tags.len() > MAX_TAGS {
        let count = tags.len();
        problems.add(path, format!("There are {count} tags, and {MAX_TAGS} is the most: leave some out."));
    }
    for (name, value) in tags {
        let shown = shorten(name);
        let (long_name, long_value) = (name.chars().count(), value.chars().count());
        if name.trim().is_empty() {
            problems.add(path, "A tag has no name: give it one, or leave it out.");
        } else if long_name > MAX_TAG_NAME {
            problems.add(
                path,
                format!("The name of the tag \"{shown}\" has {long_name} characters, and {MAX_TAG_NAME} is the most."),
            );
        }
        if long_value > MAX_TAG_VALUE {
            problems.add(
                format!("{path}.{shown}"),
                format!(
                    "The value of the tag \"{shown}\" has {long_value} characters, and {MAX_TAG_VALUE} is the most: \
                     longer texts belong into the description."
                ),
            );
        }
    }
    problems.verdict()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: impl IntoIterator<Item = (String, String)>) -> Result<(), ArmError> {
        check_tags("tags", &pairs.into_iter().collect())
    }

    #[test]
    fn tags_end_where_azures_do() {
        let many = |n: usize| (0..n).map(|i| (format!("t{i}"), "x".to_owned()));
        assert!(tags(many(50)).is_ok());
        assert!(tags(many(51)).unwrap_err().message.contains("51 tags"));
        let pair = |name: usize, value: usize| [("n".repeat(name), "é".repeat(value))];
        assert!(tags(pair(512, 256)).is_ok(), "characters are counted, not bytes");
        assert_eq!(tags(pair(513, 1)).unwrap_err().target.as_deref(), Some("tags"));
        let error = tags(pair(1, 257)).unwrap_err();
        assert_eq!(error.target.as_deref(), Some("tags.n"));
        assert!(error.message.len() < 300, "what is too long is not repeated");
        assert!(tags([(" ".to_owned(), String::new())]).is_err());
    }
}
