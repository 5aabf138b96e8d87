//! Text, and the choosing of slices.

use proptest::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::super::op::{slice, tensor_of};
use super::{Value, kernel};

/// Whether a pattern means a text.
type Meaning = fn(&str) -> bool;

fn list(texts: &[String]) -> Tensor {
    tensor_of(&[texts.len()], texts.to_vec()).unwrap()
}

/// Parts between white space, or between delimiters, letter by letter.
fn parts(text: &str, delimiter: &str, most: Option<usize>) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let marks: Vec<char> = delimiter.chars().collect();
    let (mut found, mut part, mut at) = (Vec::new(), String::new(), 0);
    while at < letters.len() {
        let cut = if marks.is_empty() { letters[at].is_whitespace() } else { letters[at..].starts_with(&marks) };
        let full = most.is_some_and(|most| found.len() >= most);
        match (cut, full, marks.is_empty()) {
            (true, false, true) => {
                if !part.is_empty() {
                    found.push(std::mem::take(&mut part));
                }
                at += 1;
            }
            // White space in front of the last part belongs to none.
            (true, true, true) if part.is_empty() => at += 1,
            (true, false, false) => {
                found.push(std::mem::take(&mut part));
                at += marks.len();
            }
            _ => {
                part.push(letters[at]);
                at += 1;
            }
        }
    }
    if marks.is_empty() {
        let last = part.trim_end().to_owned();
        found.extend((!last.is_empty()).then_some(last));
    } else {
        found.push(part);
    }
    found
}

proptest! {
    #[test]
    fn texts_are_cut(
        texts in proptest::collection::vec("[ab ,\\t]{0,10}", 1..6), delimiter in "(|,|ab|a)", most in proptest::option::of(0usize..4),
    ) {
        let mut attributes = vec![("delimiter", Value::Text(delimiter.clone()))];
        if let Some(most) = most {
            attributes.push(("maxsplit", Value::Int(most as i64)));
        }
        let given = kernel("", "StringSplit", &attributes).unwrap().run(&[&list(&texts)]).unwrap();
        let slow: Vec<Vec<String>> = texts.iter().map(|text| parts(text, &delimiter, most)).collect();
        let width = slow.iter().map(Vec::len).max().unwrap_or(0);
        let padded = slow.iter().flat_map(|row| (0..width).map(|at| row.get(at).cloned().unwrap_or_default()));
        prop_assert_eq!(&given[0], &tensor_of(&[texts.len(), width], padded.collect::<Vec<String>>()).unwrap());
        let counts = slow.iter().map(|row| row.len() as i64).collect();
        prop_assert_eq!(&given[1], &tensor_of(&[texts.len()], counts).unwrap());
    }

    #[test]
    fn texts_are_normalised(
        texts in proptest::collection::vec("(the|The|THE|and|Straße|É|ab C|)", 1..7), stops in proptest::collection::vec("(the|The|and|é)", 0..3),
        case in 0usize..3, sensitive: bool,
    ) {
        let normalizer = kernel("", "StringNormalizer", &[
            ("stopwords", Value::Texts(stops.clone())), ("is_case_sensitive", Value::Int(i64::from(sensitive))),
            ("case_change_action", Value::Text(["NONE", "LOWER", "UPPER"][case].into())),
        ]).unwrap();
        let same = |a: &str, b: &str| if sensitive { a == b } else { a.to_lowercase() == b.to_lowercase() };
        let mut slow = Vec::new();
        for text in &texts {
            if !stops.iter().any(|stop| same(stop, text)) {
                slow.push(match case {
                    0 => text.clone(),
                    1 => text.to_lowercase(),
                    _ => text.to_uppercase(),
                });
            }
        }
        if slow.is_empty() {
            slow.push(String::new());
        }
        prop_assert_eq!(normalizer.run(&[&list(&texts)]).unwrap().remove(0), list(&slow));
    }

    #[test]
    fn texts_are_joined(a in proptest::collection::vec("[a-c]{0,3}", 1..5), b in proptest::collection::vec("[x-z]{0,3}", 1..5)) {
        let concat = kernel("", "StringConcat", &[]).unwrap();
        let columns = tensor_of(&[a.len(), 1], a.clone()).unwrap();
        let mut slow = Vec::new();
        for a in &a {
            for b in &b {
                slow.push([a.as_str(), b.as_str()].concat());
            }
        }
        let given = concat.run(&[&columns, &list(&b)]).unwrap().remove(0);
        prop_assert_eq!(given, tensor_of(&[a.len(), b.len()], slow).unwrap());
    }

    #[test]
    fn whole_texts_match(texts in proptest::collection::vec("[ab1\\n]{0,6}", 1..8)) {
        // The pattern, and what it means.
        let meanings: [(&str, Meaning); 4] = [
            ("a*b", |t| t.ends_with('b') && t[..t.len() - 1].chars().all(|c| c == 'a')),
            ("(ab|1)+", |t| !t.is_empty() && t.replace("ab", "1").chars().all(|c| c == '1')),
            (".?", |t| t.is_empty() || (t.chars().count() == 1 && t != "\n")),
            ("[^b]{2,3}", |t| (2..=3).contains(&t.chars().count()) && !t.contains('b')),
        ];
        for (pattern, means) in meanings {
            let matcher = kernel("", "RegexFullMatch", &[("pattern", Value::Text(pattern.into()))]).unwrap();
            let slow: Vec<bool> = texts.iter().map(|text| means(text)).collect();
            prop_assert_eq!(matcher.run(&[&list(&texts)]).unwrap().remove(0), tensor_of(&[texts.len()], slow).unwrap(), "{}", pattern);
        }
    }

    #[test]
    fn slices_are_chosen(shape in proptest::collection::vec(1usize..4, 3), axis in proptest::option::of(-3i64..3), condition in proptest::collection::vec(any::<bool>(), 0..30)) {
        let count: usize = shape.iter().product();
        let input = tensor_of(&shape, (0..count as i64).collect::<Vec<i64>>()).unwrap();
        let place = axis.map(|axis| if axis < 0 { (axis + 3) as usize } else { axis as usize });
        let length = place.map_or(count, |place| shape[place]);
        let condition = &condition[..condition.len().min(length)];
        let attributes: Vec<(&str, Value)> = axis.iter().map(|axis| ("axis", Value::Int(*axis))).collect();
        let compress = kernel("", "Compress", &attributes).unwrap();
        let given = compress.run(&[&input, &tensor_of(&[condition.len()], condition.to_vec()).unwrap()]).unwrap().remove(0);
        let mut slow = Vec::new();
        for value in 0..count {
            let index = [value / (shape[1] * shape[2]), value / shape[2] % shape[1], value % shape[2]];
            let at = place.map_or(value, |place| index[place]);
            if condition.get(at) == Some(&true) {
                slow.push(value as i64);
            }
        }
        prop_assert_eq!(slice::<i64>(&given).unwrap(), &slow[..]);
        let kept = condition.iter().filter(|kept| **kept).count();
        let mut wanted = shape.clone();
        match place {
            Some(place) => wanted[place] = kept,
            None => wanted = vec![kept],
        }
        prop_assert_eq!(given.shape(), &wanted[..]);
    }
}
