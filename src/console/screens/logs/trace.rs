//! Python tracebacks in a log: which lines belong to frames of libraries, so that the user's own frames stand out.

use std::collections::HashMap;

/// Where the interpreter, installed packages and the workspace's own worker lie; frames elsewhere are the user's.
const FOREIGN: [&str; 5] = ["/site-packages/", "/dist-packages/", "/lib/python", "<frozen ", "/worker/worker"];

/// What is known of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Belongs to a frame of a library.
    pub folded: bool,
    /// Frames of libraries right before this line.
    pub after: u16,
}

/// Reads the lines of a log in order. Lines of different instances are told apart: theirs may alternate.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    open: HashMap<Option<u32>, Open>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Open {
    /// Within a frame, and whether that one is a library's.
    frame: Option<bool>,
    /// Frames of libraries since the last line that is shown.
    frames: u16,
}

impl Reader {
    /// The mark of the next line of `instance`.
    pub fn next(&mut self, instance: Option<u32>, text: &str) -> Mark {
        let open = self.open.entry(instance).or_default();
        let deep = text.starts_with("    ");
        let frame = text.trim_start_matches([' ', '|', '+']).strip_prefix("File \"").filter(|_| text.starts_with(' '));
        match frame.and_then(|rest| rest.split_once('"')) {
            Some((path, rest)) if rest.starts_with(", line ") => {
                let foreign = FOREIGN.iter().any(|part| path.contains(part));
                open.frame = Some(foreign);
                open.frames = open.frames.saturating_add(u16::from(foreign));
            }
            // The source line and the marks under it belong to the frame, as does the note of a recursion.
            _ if deep || text.starts_with("  [Previous line") => {}
            _ => open.frame = None,
        }
        if open.frame == Some(true) {
            return Mark { folded: true, after: 0 };
        }
        Mark { folded: false, after: std::mem::take(&mut open.frames) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = r#"2026-11-22 10:00:00,123 E [12] azmlinfsrv - Encountered Exception
Traceback (most recent call last):
  File "/data/environments/ab/lib/python3.11/site-packages/azureml_inference_server_http/server/user_script.py", line 132, in invoke_run
    run_output = self._user_run(*args)
                 ^^^^^^^^^^^^^^^^^^^^^
  File "/data/running/e/blue/code/score.py", line 12, in run
    frame = helper(raw)
            ^^^^^^^^^^^
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
  File "/usr/lib/python3.11/json/decoder.py", line 337, in decode
    obj, end = self.raw_decode(s)
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
POST /score 500 3.1ms 8"#;

    fn marks(text: &str) -> Vec<Mark> {
        let mut reader = Reader::default();
        text.lines().map(|line| reader.next(Some(1), line)).collect()
    }

    #[test]
    fn frames_of_libraries_are_folded_and_counted() {
        let marks = marks(TRACE);
        let shown: Vec<(&str, u16)> =
            TRACE.lines().zip(&marks).filter(|(_, m)| !m.folded).map(|(line, m)| (line.trim(), m.after)).collect();
        assert_eq!(shown.len(), 7, "{shown:#?}");
        assert!(shown[2].0.contains("score.py") && shown[2].1 == 1, "{shown:?}");
        assert!(shown[3].0.starts_with("frame = helper") && shown[3].1 == 0);
        assert!(shown[5].0.starts_with("json.decoder.JSONDecodeError") && shown[5].1 == 2, "{shown:?}");
        assert_eq!(shown[6].1, 0);
    }

    #[test]
    fn lines_of_other_instances_do_not_end_a_frame() {
        let mut reader = Reader::default();
        let library = "  File \"/x/site-packages/a.py\", line 1, in f";
        assert!(reader.next(Some(1), library).folded);
        assert!(!reader.next(Some(2), "    hello").folded);
        assert!(reader.next(Some(1), "    f()").folded);
        assert_eq!(reader.next(Some(1), "ValueError: no").after, 1);
    }

    #[test]
    fn text_that_is_no_traceback_stays() {
        for line in
            ["    indented", "File \"x\", line 3", "  File of results", "  File \"/a/site-packages/x\" is missing"]
        {
            assert_eq!(marks(line), [Mark::default()], "{line}");
        }
    }

    proptest! {
        #[test]
        fn every_folded_frame_is_counted_once(lines in prop::collection::vec(
            prop::sample::select(vec!["  File \"/l/site-packages/a.py\", line 1, in f", "  File \"/own.py\", line 2, in g", "    x", "E: y"]), 0..40)) {
            let marks = marks(&(lines.join("\n") + "\nend"));
            let frames = lines.iter().filter(|l| l.contains("site-packages")).count();
            prop_assert_eq!(marks.iter().map(|m| usize::from(m.after)).sum::<usize>(), frames);
        }
    }
}
