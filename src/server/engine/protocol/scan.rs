//! A cursor over small, plain JSON: what nearly all requests consist of, at a fraction of the general parser's price.
//!
//! It knows only valid JSON and gives up (`None`) on whatever it does not know: escapes, surrogates, huge numbers, errors
//! of any kind. Whoever uses it then asks the general parser, which alone says what is wrong. What it does take means
//! exactly what it means to `serde_json`.

use crate::server::engine::datatype::Element;

/// Powers of ten that `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Decimal digits that always fit a `u64`.
const DIGITS: usize = 19;

/// A place in a text.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A number in the three forms that `serde_json` tells apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Number {
    /// The number as an element; `None` where the type refuses it.
    #[inline]
    pub fn element<T: Element>(self) -> Option<T> {
        match self {
            Self::Unsigned(v) => T::from_unsigned(v),
            Self::Signed(v) => T::from_signed(v),
            Self::Float(v) => T::from_float(v),
        }
        .ok()
    }
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes not yet read.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next byte that is not white space, still unread.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// The byte after the next, neither of them white space.
    pub fn second(&mut self) -> Option<u8> {
        self.peek()?;
        Self { bytes: self.bytes, at: self.at + 1 }.peek()
    }

    /// Reads this byte if it comes next.
    #[inline]
    pub fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads this byte, which must come next.
    #[inline]
    pub fn demand(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// A string without escapes.
    #[inline]
    pub fn text(&mut self) -> Option<&'a str> {
        self.demand(b'"')?;
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|b| *b == b'"' || *b == b'\\' || *b < b' ')?;
        (rest[length] == b'"').then_some(())?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).ok()
    }

    /// An object's next key and its colon.
    pub fn key(&mut self) -> Option<&'a str> {
        let key = self.text()?;
        self.demand(b':')?;
        Some(key)
    }

    /// A list: `item` reads each value. The answer is their number.
    #[inline]
    pub fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<usize> {
        self.demand(b'[')?;
        if self.takes(b']') {
            return Some(0);
        }
        let mut length = 0;
        loop {
            item(self)?;
            length += 1;
            if self.takes(b']') {
                return Some(length);
            }
            self.demand(b',')?;
        }
    }

    /// An object: `field` reads the value of each key.
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.demand(b'{')?;
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            let key = self.key()?;
            field(self, key)?;
            if self.takes(b'}') {
                return Some(());
            }
            self.demand(b',')?;
        }
    }

    /// A number.
    #[inline]
    pub fn number(&mut self) -> Option<Number> {
        self.peek()?;
        let start = self.at;
        let negative = self.bytes[start] == b'-';
        self.at += usize::from(negative);
        let mut value = 0;
        let whole = self.digits(&mut value);
        if whole == 0 || (whole > 1 && self.bytes[self.at - whole] == b'0') {
            return None;
        }
        let fraction = match self.bytes.get(self.at) {
            Some(b'.') => {
                self.at += 1;
                let digits = self.digits(&mut value);
                (digits > 0).then_some(digits)?
            }
            Some(b'e' | b'E') => return self.general(start),
            _ if whole > DIGITS => return None,
            // As in `serde_json`, minus nought is a float.
            _ if negative && value == 0 => return Some(Number::Float(-0.0)),
            _ if negative => return Some(Number::Signed(-i64::try_from(value).ok()?)),
            _ => return Some(Number::Unsigned(value)),
        };
        let exponent = matches!(self.bytes.get(self.at), Some(b'e' | b'E'));
        match POWERS.get(fraction) {
            // One division, as the general parser does it: a correct rounding where both operands are exact.
            Some(power) if !exponent && whole + fraction <= DIGITS => {
                let float = value as f64 / power;
                Some(Number::Float(if negative { -float } else { float }))
            }
            _ => self.general(start),
        }
    }

    /// Reads digits on to `value` (which means something while they are few) and counts them.
    #[inline]
    fn digits(&mut self, value: &mut u64) -> usize {
        let start = self.at;
        while let Some(digit) = self.bytes.get(self.at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        self.at - start
    }

    /// The float that begins at `start`, in the general parser's reading.
    #[cold]
    fn general(&mut self, start: usize) -> Option<Number> {
        let rest = &self.bytes[start..];
        let end = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let length = end.unwrap_or(rest.len());
        self.at = start + length;
        serde_json::from_slice(&rest[..length]).ok().map(Number::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Option<Number> {
        let mut cursor = Cursor::new(text.as_bytes());
        let number = cursor.number()?;
        cursor.end()?;
        Some(number)
    }

    /// What the general parser makes of it.
    fn general(text: &str) -> Option<Number> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let number = value.as_number()?;
        let unsigned = number.as_u64().map(Number::Unsigned);
        let signed = || number.as_i64().map(Number::Signed);
        unsigned.or_else(signed).or_else(|| number.as_f64().map(Number::Float))
    }

    fn same(ours: Option<Number>, theirs: Option<Number>) -> bool {
        match (ours, theirs) {
            (Some(Number::Float(a)), Some(Number::Float(b))) => a.to_bits() == b.to_bits(),
            // Giving up is always right.
            (None, _) => true,
            (a, b) => a == b,
        }
    }

    #[test]
    fn plain_numbers_are_read_and_wrong_ones_given_up() {
        assert_eq!(number("0"), Some(Number::Unsigned(0)));
        assert_eq!(number(" -17 "), Some(Number::Signed(-17)));
        assert_eq!(number("0.4829174"), Some(Number::Float(0.4829174)));
        assert_eq!(number("-2.5e-3"), Some(Number::Float(-2.5e-3)));
        assert_eq!(number("0.12345678901234568"), Some(Number::Float(0.12345678901234568)));
        for text in
            ["", "-", "01", "1.", ".5", "1.e3", "+1", "1e", "1e999", "--1", "1-2", "0x1", "1234567890123456789012"]
        {
            assert_eq!(number(text), None, "{text}");
        }
        assert!(number("-0").is_some_and(|n| same(Some(n), Some(Number::Float(-0.0)))));
    }

    #[test]
    fn only_plain_strings_are_read() {
        let text = |json: &'static str| Cursor::new(json.as_bytes()).text();
        assert_eq!(text("\"a b\" "), Some("a b"));
        assert_eq!(text("\"ü\""), Some("ü"));
        for json in ["\"a", "\"a\\n\"", "\"a\n\"", "a", ""] {
            assert_eq!(text(json), None, "{json}");
        }
        assert_eq!(Cursor::new(b"\"\xff\"").text(), None);
    }

    proptest! {
        #[test]
        fn floats_mean_what_they_mean_to_the_general_parser(value in any::<f64>(), digits in 0usize..25) {
            for text in [value.to_string(), format!("{value:e}"), format!("{value:.digits$}"), format!("{:.digits$}", value % 10.0)] {
                prop_assert!(same(number(&text), general(&text)), "{text}: {:?} {:?}", number(&text), general(&text));
            }
        }

        #[test]
        fn single_floats_and_integers_are_always_taken(float in -1e6f32..1e6, integer in -999_999_999i64..999_999_999) {
            for text in [float.to_string(), format!("{}", f64::from(float)), integer.to_string()] {
                prop_assert!(number(&text).is_some(), "{text}");
                prop_assert!(same(number(&text), general(&text)), "{text}");
            }
        }

        #[test]
        fn any_text_is_given_up_or_means_the_same(text in "[-+]?[0-9]{0,22}(\\.[0-9]{0,25})?([eE][-+]?[0-9]{0,4})?[ ,x]?") {
            prop_assert!(same(number(&text), general(&text)), "{text}: {:?} {:?}", number(&text), general(&text));
        }
    }
}
