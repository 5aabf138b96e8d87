//! ISO 8601 durations, as the API spells them (`PT1M30S`, `PT1.5S`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A non-negative length of time that reads and writes as ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct IsoDuration(pub Duration);

impl IsoDuration {
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Whole milliseconds, saturating.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration}"),
            Err(_) => write!(f, "PT{}S", self.0.as_secs()),
        }
    }
}

impl FromStr for IsoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("\"{text}\" is not an ISO 8601 duration such as PT1M30S: {why}");
        let signed: jiff::SignedDuration = text.parse().map_err(|e: jiff::Error| wrong(e.to_string()))?;
        Duration::try_from(signed).map(Self).map_err(|_| wrong("it is negative".into()))
    }
}

impl Serialize for IsoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IsoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_spellings_of_the_reference_mean_what_they_say() {
        for (text, ms) in [("PT90S", 90_000), ("PT1M30S", 90_000), ("PT1.5S", 1_500), ("PT0.5S", 500), ("PT0S", 0)] {
            assert_eq!(text.parse(), Ok(IsoDuration::from_millis(ms)), "{text}");
        }
        for negative in ["-PT1S", "PT-1S"] {
            assert!(negative.parse::<IsoDuration>().is_err(), "{negative}");
        }
        assert!("soon".parse::<IsoDuration>().unwrap_err().contains("PT1M30S"));
    }

    proptest! {
        #[test]
        fn no_text_panics(any in proptest::collection::vec(any::<char>(), 0..40), near in "-?P[0-9.,YMWDTHS-]{0,20}") {
            let _ = any.into_iter().collect::<String>().parse::<IsoDuration>();
            let _ = near.parse::<IsoDuration>();
        }

        #[test]
        fn what_is_written_is_read_back(ms in 0..10_000_000_000_u64) {
            let duration = IsoDuration::from_millis(ms);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            prop_assert_eq!(duration.as_millis(), ms);
        }
    }
}
