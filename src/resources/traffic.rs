//! Traffic weights: hundredths of a percent, shown and sent as percent.

use std::collections::BTreeMap;
use std::fmt;

pub use super::traffic_draft::{Draft, DraftEntry, DraftRefusal};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A share of traffic in hundredths of a percent, 0 to 10 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Weight(u16);

impl Weight {
    pub const ZERO: Self = Self(0);
    pub const FULL: Self = Self(10_000);

    /// Whole percent; more than 100 becomes 100.
    pub const fn percent(percent: u16) -> Self {
        Self(if percent > 100 { 10_000 } else { percent * 100 })
    }

    /// From hundredths of a percent; `None` above 10 000.
    pub const fn from_hundredths(hundredths: u16) -> Option<Self> {
        if hundredths > 10_000 { None } else { Some(Self(hundredths)) }
    }

    pub const fn hundredths(self) -> u16 {
        self.0
    }

    pub fn as_percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            serializer.serialize_f64(self.as_percent())
        }
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = f64::deserialize(deserializer)?;
        let hundredths = (percent * 100.0).round();
        if !(0.0..=10_000.0).contains(&hundredths) || (hundredths / 100.0 - percent).abs() > 1e-6 {
            return Err(D::Error::custom(format!(
                "traffic weight {percent} must be between 0 and 100 percent, in steps of 0.01"
            )));
        }
        Ok(Self(hundredths as u16))
    }
}

/// Deployment name → weight. Absent means 0.
pub type TrafficMap = BTreeMap<String, Weight>;

/// Sum of a map in hundredths of a percent.
pub fn sum(map: &TrafficMap) -> u32 {
    map.values().map(|w| u32::from(w.hundredths())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_number_panics_and_what_is_accepted_is_a_share(number: f64) {
            if let Ok(weight) = serde_json::from_value::<Weight>(serde_json::json!(number)) {
                prop_assert!(weight <= Weight::FULL && (weight.as_percent() - number).abs() < 1e-6);
            }
        }

        #[test]
        fn what_is_written_is_read_back(hundredths in 0..=10_000_u16) {
            let weight = Weight::from_hundredths(hundredths).unwrap();
            let json = serde_json::to_string(&weight).unwrap();
            prop_assert_eq!(serde_json::from_str::<Weight>(&json).unwrap(), weight);
            prop_assert_eq!(weight.to_string().parse::<f64>().unwrap(), weight.as_percent());
        }
    }
}
