//! Text from models is hostile until proved otherwise: nothing of it may steer a terminal.

/// Longest line kept in one piece, in bytes.
pub const LINE_BYTES: usize = 64 * 1024;

/// The printable lines of `text`; empty text is one empty line.
pub fn lines(text: &str) -> Vec<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| clean(line.strip_suffix('\r').unwrap_or(line))).flat_map(split).collect()
}

/// Without terminal escapes and control characters; tabs stay.
fn clean(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // Control sequence: parameters up to a final byte.
                Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
                // Strings (title, hyperlink, …): up to BEL or ESC \.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                // Two-character escapes, or a lone escape at the end.
                _ => {}
            },
            '\t' => out.push(c),
            // Bidirectional overrides reorder what follows on the screen.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn split(line: String) -> Vec<String> {
    if line.len() <= LINE_BYTES {
        return vec![line];
    }
    let mut pieces = Vec::new();
    let mut rest = line.as_str();
    while rest.len() > LINE_BYTES {
        let (head, tail) = rest.split_at(rest.floor_char_boundary(LINE_BYTES));
        pieces.push(head.to_owned());
        rest = tail;
    }
    pieces.push(rest.to_owned());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminal_escapes_and_controls_are_removed() {
        assert_eq!(lines("\u{1b}[31mred\u{1b}[0m\tx\u{7}"), ["red\tx"]);
        assert_eq!(lines("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b"), ["ab"]);
        assert_eq!(lines("a\r\nb\n\nc\n"), ["a", "b", "", "c"]);
        assert_eq!(lines("x\u{202e}y\u{9b}31m"), ["xy31m"]);
        assert_eq!(lines("\u{1b}"), [""]);
    }

    #[test]
    fn long_lines_are_split_between_characters() {
        let long = "é".repeat(LINE_BYTES);
        let pieces = lines(&long);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces.concat(), long);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_nothing_steers_a_terminal(text in "\\PC*|(\\x1b|\\[|\\]|[0-9;]|\\x07|m|.|\\n|\\r){0,200}") {
            for line in lines(&text) {
                prop_assert!(line.chars().all(|c| c == '\t' || !c.is_control()));
                prop_assert!(line.len() <= LINE_BYTES);
            }
        }
    }
}
