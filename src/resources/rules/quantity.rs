//! Kubernetes quantities.

/// The amount a Kubernetes quantity stands for: `500m` = 0.5, `0.5Gi` = 536 870 912. `None` when it is none, or negative.
pub fn quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "Pi" => 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "Ei" => 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        // 1e3, 1E-3
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            10_f64.powi(digits.parse::<i8>().ok()?.into())
        }
    };
    let amount = number.parse::<f64>().ok()? * factor;
    amount.is_finite().then_some(amount)
}

#[cfg(test)]
mod tests {
    use super::quantity;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_those_of_kubernetes() {
        for (text, amount) in [("500m", 0.5), ("0.5Gi", 536_870_912.0), ("2", 2.0), ("1e3", 1_000.0), ("1E-3", 0.001)] {
            assert_eq!(quantity(text), Some(amount), "{text}");
        }
        for text in ["", "m", "-1", "1.2.3", "1 Gi", "1GiB", "NaN", "inf", "1e999"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_amount_is_a_number(any in "\\PC{0,20}", near in "[0-9.]{0,6}[a-zA-Z0-9-]{0,4}") {
            for text in [any, near] {
                prop_assert!(quantity(&text).is_none_or(|amount| amount.is_finite() && amount >= 0.0), "{text}");
            }
        }
    }
}
