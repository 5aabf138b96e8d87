//! The request being made: method, path, headers, body.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui_textarea::{CursorMove, TextArea};

use crate::console::answer::history::Sent;

/// A request that can be edited.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Pins a deployment; `None` = the endpoint's split.
    pub target: Option<String>,
    pub method: String,
    /// Below the endpoint's base.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: TextArea<'static>,
    /// Where the body came from.
    pub name: Option<String>,
    /// Whether the user changed it: then a template does not replace it.
    pub touched: bool,
}

impl Draft {
    /// `POST`, unless something else was chosen.
    pub fn method(&self) -> &str {
        if self.method.is_empty() { "POST" } else { &self.method }
    }

    /// `/score`, unless something else was chosen.
    pub fn path(&self) -> &str {
        if self.path.is_empty() { "/score" } else { &self.path }
    }

    /// The body as it stands, variables and all.
    pub fn text(&self) -> String {
        self.body.lines().join("\n")
    }

    /// Another body, the cursor at its beginning.
    pub fn set_text(&mut self, text: &str) {
        let mut lines: Vec<String> = text.trim_end_matches('\n').lines().map(String::from).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        self.body = TextArea::new(lines);
    }

    /// Content type; JSON unless a header says otherwise.
    pub fn content_type(&self) -> &str {
        let own = self.headers.iter().find(|(name, _)| name == "content-type");
        own.map_or("application/json", |(_, value)| value)
    }

    /// Sets a header; an empty value takes it away.
    pub fn set_header(&mut self, name: String, value: String) {
        self.headers.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            self.headers.push((name, value));
        }
    }

    /// Lays JSON out over lines, as the service would read it.
    ///
    /// # Errors
    /// The parser's words, when it is no JSON.
    pub fn format(&mut self) -> Result<(), String> {
        let text = self.text();
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let flat = |value: &serde_json::Value| match value {
            serde_json::Value::Array(items) => items.iter().all(|item| !item.is_array() && !item.is_object()),
            serde_json::Value::Object(_) => false,
            _ => true,
        };
        let mut out = String::new();
        lay_out(&value, 0, &flat, &mut out);
        self.set_text(&out);
        self.touched = true;
        Ok(())
    }

    /// A key while the body is typed. Enter makes a line that begins where the last one did.
    pub fn typed(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Tab => {
                self.body.insert_str("  ");
            }
            KeyCode::Enter => {
                let row = self.body.cursor().0;
                let line = self.body.lines().get(row).map(String::as_str).unwrap_or_default();
                let indent: String = line.chars().take_while(|c| *c == ' ').collect();
                let deeper = line.trim_end().ends_with(['{', '[']);
                self.body.insert_newline();
                self.body.insert_str(format!("{indent}{}", if deeper { "  " } else { "" }));
            }
            _ => {
                self.body.input(key);
            }
        }
        self.touched = true;
    }

    /// Pasted text goes in at the cursor, all of it, and does nothing else.
    pub fn pasted(&mut self, text: &str) {
        self.body.insert_str(text.replace("\r\n", "\n").replace('\r', "\n"));
        self.touched = true;
    }

    /// Moves the cursor by lines while the body is only read.
    pub fn scroll(&mut self, by: isize) {
        let last = self.body.lines().len().saturating_sub(1);
        let row = self.body.cursor().0.saturating_add_signed(by).min(last);
        self.body.move_cursor(CursorMove::Jump(row.min(usize::from(u16::MAX)) as u16, 0));
    }

    /// Takes up a request that was sent before.
    pub fn take(&mut self, sent: &Sent) {
        self.target.clone_from(&sent.to);
        self.method.clone_from(&sent.method);
        self.path.clone_from(&sent.path);
        self.name.clone_from(&sent.name);
        if let Some(body) = &sent.body {
            self.set_text(body);
        }
        self.touched = true;
    }
}

/// JSON with one line for each field, and arrays of scalars on one line.
fn lay_out(value: &serde_json::Value, depth: usize, flat: &dyn Fn(&serde_json::Value) -> bool, out: &mut String) {
    use serde_json::Value;
    let pad = "  ".repeat(depth + 1);
    let close = "  ".repeat(depth);
    match value {
        Value::Array(items) if !flat(value) => {
            out.push_str("[\n");
            for (at, item) in items.iter().enumerate() {
                out.push_str(&pad);
                lay_out(item, depth + 1, flat, out);
                out.push_str(if at + 1 < items.len() { ",\n" } else { "\n" });
            }
            out.push_str(&format!("{close}]"));
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            out.push_str(&format!("[{}]", items.join(", ")));
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push_str("{\n");
            for (at, (name, field)) in fields.iter().enumerate() {
                out.push_str(&format!("{pad}{}: ", Value::from(name.as_str())));
                lay_out(field, depth + 1, flat, out);
                out.push_str(if at + 1 < fields.len() { ",\n" } else { "\n" });
            }
            out.push_str(&format!("{close}}}"));
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_with_short_rows_on_one_line() {
        let mut draft = Draft::default();
        draft.set_text(r#"{"input_data":{"columns":["a","b"],"data":[[1,2],[3,4]]},"n":{}}"#);
        draft.format().unwrap();
        let wanted = "{\n  \"input_data\": {\n    \"columns\": [\"a\", \"b\"],\n    \"data\": [\n      [1, 2],\n      [3, 4]\n    ]\n  },\n  \"n\": {}\n}";
        assert_eq!(draft.text(), wanted);
        draft.set_text("{");
        assert!(draft.format().is_err());
        assert_eq!(draft.text(), "{", "what is no JSON stays as it is");
    }

    #[test]
    fn enter_keeps_the_indent_and_a_paste_keeps_its_lines() {
        let mut draft = Draft::default();
        draft.set_text("  {");
        draft.body.move_cursor(CursorMove::End);
        draft.typed(KeyEvent::from(KeyCode::Enter));
        draft.pasted("a\r\nb");
        assert_eq!(draft.text(), "  {\n    a\nb");
    }
}
