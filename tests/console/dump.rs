//! Pictures as text: the glyphs, and the styles in a compact form.

use mlconsole::console::app::model::Model;
use mlconsole::console::screens;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

/// Draws the model at its size.
pub fn draw(model: &Model) -> Buffer {
    let mut buf = Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    screens::draw(model, &mut buf);
    buf
}

/// The glyphs, a line a row.
pub fn glyphs(buf: &Buffer) -> String {
    let mut text = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in buf.area.left()..buf.area.right() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buf[(x, y)].symbol();
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The glyphs, then a legend of styles and, for each row, runs of `column-column style`.
pub fn full(model: &Model) -> String {
    let buf = draw(model);
    let mut legend: Vec<String> = Vec::new();
    let mut runs = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let mut line: Vec<String> = Vec::new();
        let mut x = buf.area.left();
        while x < buf.area.right() {
            let style = style(&buf, x, y);
            let from = x;
            while x < buf.area.right() && self::style(&buf, x, y) == style {
                x += 1;
            }
            if style != "-" {
                let at = legend.iter().position(|known| *known == style).unwrap_or_else(|| {
                    legend.push(style.clone());
                    legend.len() - 1
                });
                line.push(format!("{from}-{}{}", x - 1, letter(at)));
            }
        }
        if !line.is_empty() {
            runs.push_str(&format!("{y:>2}: {}\n", line.join(" ")));
        }
    }
    let legend: Vec<String> =
        legend.iter().enumerate().map(|(at, style)| format!("{} = {style}", letter(at))).collect();
    format!("{}\n{}\n\n{runs}", glyphs(&buf), legend.join("\n"))
}

fn letter(at: usize) -> char {
    char::from(b'a' + (at % 26) as u8)
}

fn style(buf: &Buffer, x: u16, y: u16) -> String {
    let cell = &buf[(x, y)];
    let mut parts = Vec::new();
    if cell.fg != Color::Reset {
        parts.push(cell.fg.to_string());
    }
    if cell.bg != Color::Reset {
        parts.push(format!("on {}", cell.bg));
    }
    if cell.modifier != Modifier::empty() {
        parts.push(format!("{:?}", cell.modifier).to_lowercase());
    }
    if parts.is_empty() { "-".into() } else { parts.join(" ") }
}

/// With escape sequences, for `cat`.
pub fn ansi(buf: &Buffer) -> String {
    let mut text = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let mut skip = 0;
        for x in buf.area.left()..buf.area.right() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let cell = &buf[(x, y)];
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            text.push_str("\x1b[0");
            for (modifier, code) in [
                (Modifier::BOLD, ";1"),
                (Modifier::DIM, ";2"),
                (Modifier::UNDERLINED, ";4"),
                (Modifier::REVERSED, ";7"),
                (Modifier::CROSSED_OUT, ";9"),
            ] {
                if cell.modifier.contains(modifier) {
                    text.push_str(code);
                }
            }
            text.push_str(&colour(cell.fg, 30));
            text.push_str(&colour(cell.bg, 40));
            text.push('m');
            text.push_str(cell.symbol());
        }
        if y + 1 < buf.area.bottom() {
            text.push_str("\x1b[0m\r\n");
        }
    }
    text
}

fn colour(colour: Color, base: u8) -> String {
    let bright = base + 60;
    let code = match colour {
        Color::Black => base,
        Color::Red => base + 1,
        Color::Green => base + 2,
        Color::Yellow => base + 3,
        Color::Blue => base + 4,
        Color::Magenta => base + 5,
        Color::Cyan => base + 6,
        Color::Gray => base + 7,
        Color::DarkGray => bright,
        Color::LightRed => bright + 1,
        Color::LightGreen => bright + 2,
        Color::LightYellow => bright + 3,
        Color::LightBlue => bright + 4,
        Color::LightMagenta => bright + 5,
        Color::LightCyan => bright + 6,
        Color::White => bright + 7,
        Color::Rgb(r, g, b) => return format!(";{};2;{r};{g};{b}", base + 8),
        Color::Indexed(n) => return format!(";{};5;{n}", base + 8),
        Color::Reset => return String::new(),
    };
    format!(";{code}")
}
