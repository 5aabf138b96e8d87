//! Newline-delimited JSON from chunks that end anywhere.

use bytes::{Buf, Bytes, BytesMut};

use super::error::ClientError;

/// A longer line is not a line of ours: the feed is given up instead of the memory.
pub(super) const LONGEST_LINE: usize = 64 << 20;

/// Cuts a byte stream into lines, without copying more than it must.
#[derive(Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// Bytes of the buffer known to hold no newline.
    searched: usize,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line that is not blank, without its newline.
    ///
    /// # Errors
    /// When the line under construction is longer than [`LONGEST_LINE`].
    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.searched > LONGEST_LINE {
                    return Err(ClientError::protocol(format!(
                        "the workspace sent a line longer than {} MiB; the feed was given up",
                        LONGEST_LINE >> 20
                    )));
                }
                return Ok(None);
            };
            let mut line = self.buffer.split_to(self.searched + at + 1).freeze();
            self.searched = 0;
            line.truncate(line.len() - 1);
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// What is left after the last newline, when the stream ended; a cut-off line is not JSON and says so.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let rest = self.buffer.copy_to_bytes(self.buffer.len());
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blank_lines_are_heartbeats() {
        let mut lines = Lines::default();
        lines.push(b"\n\r\n{\"a\":1}\r\n \n{\"b\":");
        assert_eq!(lines.next_line().unwrap().as_deref(), Some(b"{\"a\":1}".as_slice()));
        assert_eq!(lines.next_line().unwrap(), None);
        lines.push(b"2}");
        assert_eq!(lines.next_line().unwrap(), None);
        assert_eq!(lines.rest().as_deref(), Some(b"{\"b\":2}".as_slice()));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut lines = Lines::default();
        let chunk = vec![b'x'; 1 << 20];
        let gave_up = (0..=LONGEST_LINE >> 20).any(|_| {
            lines.push(&chunk);
            lines.next_line().is_err()
        });
        assert!(gave_up);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_lines_are_the_same(
            texts in proptest::collection::vec("[a-z ]{0,12}", 0..20),
            cuts in proptest::collection::vec(1_usize..9, 1..40),
        ) {
            let whole = texts.join("\n");
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            let mut rest = whole.as_bytes();
            for size in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (head, tail) = rest.split_at((*size).min(rest.len()));
                lines.push(head);
                rest = tail;
                while let Some(line) = lines.next_line().unwrap() {
                    seen.push(line);
                }
            }
            seen.extend(lines.rest());
            let expected: Vec<&str> = texts.iter().map(String::as_str).filter(|t| !t.trim().is_empty()).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
