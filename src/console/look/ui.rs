//! What drawing draws on: a buffer, the theme, and the places that take clicks. Everything that is written passes
//! through here, so that text from the network can neither move the cursor nor turn the direction of reading.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::glyphs;
use super::theme::Theme;
use crate::console::app::event::Hit;

/// A canvas.
pub struct Ui<'a> {
    pub buf: &'a mut Buffer,
    pub theme: &'a Theme,
    /// Places that take clicks; later ones lie above earlier ones.
    pub hits: Vec<(Rect, Hit)>,
    /// Where the terminal's cursor stands, if anywhere.
    pub cursor: Option<Position>,
}

/// Text without control characters, characters that turn the direction of reading, and other invisible ones.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || !text.chars().any(hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| {
                if c == '\t' {
                    ' '
                } else if hostile(c) {
                    '·'
                } else {
                    c
                }
            })
            .collect(),
    )
}

fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{61c}' | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Columns that text takes.
pub fn width(text: &str) -> u16 {
    UnicodeWidthStr::width(text).min(usize::from(u16::MAX)) as u16
}

/// Text cut to a width, with `…` where something is missing.
pub fn cut(text: &str, max: u16) -> Cow<'_, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    if max == 0 {
        return Cow::Borrowed("");
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0) as u16;
        if used + wide > max - 1 {
            break;
        }
        used += wide;
        kept.push(c);
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// Words broken into lines of at most `max` columns.
pub fn wrap(text: &str, max: u16) -> Vec<String> {
    let max = max.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let mut word = word.to_string();
            if !line.is_empty() && width(&line) + 1 + width(&word) <= max {
                line.push(' ');
                line.push_str(&word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            while width(&word) > max {
                let at = word
                    .char_indices()
                    .map(|(at, c)| at + c.len_utf8())
                    .take_while(|at| width(&word[..*at]) <= max)
                    .last()
                    .unwrap_or_else(|| word.chars().next().map_or(word.len(), char::len_utf8));
                let rest = word.split_off(at);
                lines.push(std::mem::replace(&mut word, rest));
            }
            line = word;
        }
        lines.push(line);
    }
    lines
}

impl<'a> Ui<'a> {
    /// An empty canvas on a buffer.
    pub fn new(buf: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buf, theme, hits: Vec::new(), cursor: None }
    }

    /// Writes text, cut to `max` columns, and gives the column after it.
    pub fn text(&mut self, x: u16, y: u16, max: u16, text: &str, style: Style) -> u16 {
        let area = self.buf.area;
        if y < area.y || y >= area.bottom() || x < area.x || x >= area.right() || max == 0 {
            return x;
        }
        let text = clean(text);
        let text = self.spell(&text);
        let text = cut(&text, max.min(area.right() - x));
        let text = self.spell(&text);
        self.calm(x, y, width(&text).min(max));
        self.buf.set_stringn(x, y, &text, usize::from(max), style).0
    }

    /// Takes bold, dim and the like of what stood there before away.
    fn calm(&mut self, x: u16, y: u16, width: u16) {
        for x in x..x.saturating_add(width) {
            if let Some(cell) = self.buf.cell_mut((x, y)) {
                cell.modifier = Modifier::empty();
            }
        }
    }

    /// Plain ASCII where that is asked for.
    fn spell<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.theme.glyphs.ascii || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            match glyphs::twin(c) {
                _ if c == '…' => plain.push('~'),
                _ if c.is_ascii() => plain.push(c),
                "?" if c.is_alphanumeric() => plain.push(c),
                twin => plain.push_str(twin),
            }
        }
        Cow::Owned(plain)
    }

    /// Writes text that ends before column `right`.
    pub fn right(&mut self, right: u16, y: u16, max: u16, text: &str, style: Style) -> u16 {
        let clean = clean(text);
        let text = self.spell(&clean).into_owned();
        let text = cut(&text, max).into_owned();
        let x = right.saturating_sub(width(&text));
        self.text(x, y, max, &text, style);
        x
    }

    /// Writes a line of several styles, cut to `max` columns, and gives the column after it.
    pub fn line(&mut self, x: u16, y: u16, max: u16, line: &Line<'_>) -> u16 {
        let end = x.saturating_add(max);
        let mut at = x;
        for span in &line.spans {
            if at >= end {
                break;
            }
            at = self.text(at, y, end - at, &span.content, line.style.patch(span.style));
        }
        at
    }

    /// Writes a line that ends before column `right`, and gives the column where it starts.
    pub fn line_right(&mut self, right: u16, y: u16, max: u16, line: &Line<'_>) -> u16 {
        let wide: u16 = line.spans.iter().map(|span| self.measure(&span.content)).sum();
        let x = right.saturating_sub(wide.min(max));
        self.line(x, y, max, line);
        x
    }

    /// Columns that text takes as it will be written.
    pub fn measure(&self, text: &str) -> u16 {
        width(&self.spell(&clean(text)))
    }

    /// Repeats a glyph.
    pub fn repeat(&mut self, x: u16, y: u16, times: u16, glyph: &str, style: Style) {
        let area = self.buf.area;
        for x in x..x.saturating_add(times).min(area.right()) {
            if let Some(cell) = self.buf.cell_mut((x, y)) {
                cell.modifier = Modifier::empty();
                cell.set_symbol(glyph).set_style(style);
            }
        }
    }

    /// One glyph.
    pub fn put(&mut self, x: u16, y: u16, glyph: &str, style: Style) {
        self.repeat(x, y, 1, glyph, style);
    }

    /// The title of a section on a thin line, with a note at its right end.
    pub fn section(&mut self, area: Rect, title: &str, note: &str, focused: bool) {
        let note = if note.is_empty() { Line::default() } else { Line::styled(note.to_string(), self.theme.dim) };
        self.section_with(area, title, &note, focused);
    }

    /// The same with a note of several styles.
    pub fn section_with(&mut self, area: Rect, title: &str, note: &Line<'_>, focused: bool) {
        if area.is_empty() {
            return;
        }
        let theme = self.theme;
        let style = if focused { theme.accent } else { theme.title };
        let x = self.text(area.x + 1, area.y, area.width.saturating_sub(2), title, style) + 1;
        let rule = area.right().saturating_sub(x);
        self.repeat(x, area.y, rule, theme.glyphs.rule, theme.rule);
        let wide: u16 = note.spans.iter().map(|span| self.measure(&span.content)).sum();
        if wide > 0 && wide + 3 < rule {
            let at = area.right() - wide - 3;
            self.put(at, area.y, " ", theme.text);
            self.line(at + 1, area.y, wide, note);
            self.put(at + 1 + wide, area.y, " ", theme.text);
        }
    }

    /// Lays a style over an area.
    pub fn paint(&mut self, area: Rect, style: Style) {
        self.buf.set_style(area, style);
    }

    /// Takes everything out of an area.
    pub fn wipe(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buf.area);
        for position in area.positions() {
            if let Some(cell) = self.buf.cell_mut(position) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    /// Dims an area: what it shows is old.
    pub fn fade(&mut self, area: Rect) {
        self.buf.set_style(area, Style::new().add_modifier(Modifier::DIM));
    }

    /// An area that takes clicks.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        self.hits.push((area, hit));
    }

    /// A border around what floats, with a title; gives the area inside.
    pub fn float(&mut self, area: Rect, title: &str) -> Rect {
        let theme = self.theme;
        self.wipe(area, theme.overlay);
        self.hit(area, Hit::Floor);
        if area.width < 2 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let (glyphs, style) = (theme.glyphs, theme.overlay_border);
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        self.repeat(area.x + 1, area.y, area.width - 2, glyphs.rule, style);
        self.repeat(area.x + 1, bottom, area.width - 2, glyphs.rule, style);
        for y in area.y + 1..bottom {
            self.put(area.x, y, glyphs.vertical, style);
            self.put(right, y, glyphs.vertical, style);
        }
        for ((x, y), corner) in
            [(area.x, area.y), (right, area.y), (area.x, bottom), (right, bottom)].into_iter().zip(glyphs.corners)
        {
            self.put(x, y, corner, style);
        }
        if !title.is_empty() {
            let title = format!(" {title} ");
            self.text(area.x + 2, area.y, area.width.saturating_sub(4), &title, style.add_modifier(Modifier::BOLD));
        }
        Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(4), height: area.height - 2 }
    }
}

/// A span, in short.
pub fn span<'t>(text: impl Into<Cow<'t, str>>, style: Style) -> Span<'t> {
    Span::styled(text, style)
}
