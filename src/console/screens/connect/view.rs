//! The picture: what can be copied at the left, what the chosen line stands for at the right.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Item, chosen, items, recipes, resource};
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::ui;
use crate::console::look::{Ui, layout, numbers};
use crate::resources::AuthMode;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let Some(endpoint) = resource(model) else {
        ui.section(area, "Connect", "", true);
        let text = if model.data.known { "this endpoint does not exist any more; Esc goes back" } else { "reading" };
        ui.text(area.x + 3, area.y + 2, area.width, text, theme.dim);
        return;
    };
    let all = items(model);
    let secrets =
        all.iter().filter(|item| matches!(item, Item::Primary | Item::Secondary | Item::Token)).count() as u16;
    let addresses = all.iter().filter(|item| matches!(item, Item::Address | Item::Swagger)).count() as u16;
    let air = u16::from(area.height >= 26);

    let (part, rest) = layout::split_top(area, 1 + addresses + air);
    ui.section(part, "Address", "", false);
    for (y, (index, item)) in (part.y + 1..).zip(all.iter().enumerate().take(usize::from(addresses))) {
        let text = recipes::text(model, *item).map(|(_, text)| text).unwrap_or_default();
        let (text, style) = if text.is_empty() {
            ("none yet: the endpoint is still being made".to_string(), theme.dim)
        } else {
            (text, theme.text)
        };
        line(model, ui, Rect { y, height: 1, ..part }, index, *item, &text, style);
    }

    let mode = endpoint.properties.auth_mode;
    let words = credential_words(model, mode);
    let (part, rest) = layout::split_top(rest, 1 + secrets + words.len() as u16 + air);
    ui.section(part, "Credential", title(mode), false);
    let mut y = part.y + 1;
    for (index, item) in all.iter().enumerate().skip(usize::from(addresses)).take(usize::from(secrets)) {
        let (text, style) = secret(model, *item);
        line(model, ui, Rect { y, height: 1, ..part }, index, *item, &text, style);
        y += 1;
    }
    for text in words {
        ui.text(area.x + 3, y, area.width.saturating_sub(4), &text.0, text.1);
        y += 1;
    }

    let skip = usize::from(addresses + secrets);
    ui.section(rest, "From a program", "", false);
    let mut y = rest.y + 1;
    for (index, item) in all.iter().enumerate().skip(skip) {
        line(model, ui, Rect { y, height: 1, ..rest }, index, *item, what(*item), theme.dim);
        y += 1;
    }
    let below = Rect { y: y + 1, height: rest.bottom().saturating_sub(y + 1), ..rest };
    snippet(model, ui, below, chosen(model));
}

const fn title(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::Key => "key: either of two keys opens it",
        AuthMode::AMLToken => "aml_token: a token opens it for a while",
        AuthMode::AADToken => "aad_token: a token of the caller's identity opens it",
    }
}

const fn label(item: Item) -> &'static str {
    match item {
        Item::Address => "score",
        Item::Swagger => "swagger",
        Item::Primary => "primary",
        Item::Secondary => "secondary",
        Item::Token => "token",
        Item::Shell => "shell",
        Item::Sdk => "SDK",
        Item::Curl => "curl",
        Item::Python => "Python",
    }
}

const fn what(item: Item) -> &'static str {
    match item {
        Item::Shell => "variables that point the Azure ML Python SDK here",
        Item::Sdk => "azure-ai-ml as published: look at the endpoint, invoke it",
        Item::Curl => "one request, the key read by a command",
        Item::Python => "the same with the package requests",
        _ => "",
    }
}

fn line(model: &Model, ui: &mut Ui, area: Rect, index: usize, item: Item, text: &str, style: Style) {
    let theme = &model.theme;
    ui.text(area.x + 3, area.y, 10, label(item), theme.dim);
    ui.text(area.x + 14, area.y, area.width.saturating_sub(16), text, style);
    if index == model.connect.cursor {
        ui.paint(area, theme.selected);
        ui.text(area.x + 1, area.y, 1, theme.glyphs.cursor, theme.selected);
    }
    ui.hit(area, Hit::Spot(index as u32));
}

/// A key or token: masked, unless it was asked for.
fn secret(model: &Model, item: Item) -> (String, Style) {
    let theme = &model.theme;
    let state = &model.connect;
    let hidden = state.only.is_some_and(|only| only != item) || state.until_ms <= model.now;
    let shown = match (item, &state.keys, &state.token) {
        _ if hidden => None,
        (Item::Primary, Some(keys), _) => Some(&keys.primary_key),
        (Item::Secondary, Some(keys), _) => Some(&keys.secondary_key),
        (Item::Token, _, Some(token)) => Some(&token.access_token),
        _ => None,
    };
    match shown {
        Some(secret) => (secret.clone(), theme.strong),
        None => (theme.glyphs.bullet.repeat(24), theme.dim),
    }
}

fn credential_words(model: &Model, mode: AuthMode) -> Vec<(String, Style)> {
    let theme = &model.theme;
    let state = &model.connect;
    if let Some(why) = &state.failure {
        return vec![(why.clone(), theme.bad)];
    }
    let shown = state.until_ms > model.now && (state.keys.is_some() || state.token.is_some());
    let mut words = Vec::new();
    if shown {
        let left = numbers::span_ms((state.until_ms - model.now) / 1_000 * 1_000);
        let text = match state.only {
            Some(_) => format!("the new key, shown this once: copy it with Enter; hidden again in {left}"),
            None => format!("hidden again in {left}, or with v"),
        };
        words.push((text, theme.warn));
    } else if mode != AuthMode::AADToken {
        words.push((format!("v shows, Enter copies; in a shell: {}", recipes::credential(model)), theme.dim));
    } else {
        words.push((format!("a caller gets one with: {}", recipes::credential(model)), theme.dim));
    }
    let taken = model.data.tokens.get(&state.endpoint).filter(|_| mode == AuthMode::AMLToken);
    if let Some(ends) = taken {
        let left = ends - model.now;
        let at = model.clock(*ends, false);
        let text = match (left, shown) {
            (..=0, true) => "it has expired: v twice fetches another".to_string(),
            (..=0, false) => {
                format!("the one last taken here expired at {at}: who still uses it gets 401; take another")
            }
            (left, true) => format!("it expires in {}, at {at}", numbers::span_ms(left)),
            (left, false) => format!("the one last taken here expires in {}, at {at}", numbers::span_ms(left)),
        };
        words.push((text, if left < 300_000 { theme.warn } else { theme.dim }));
    }
    words
}

/// The chosen recipe in full.
fn snippet(model: &Model, ui: &mut Ui, area: Rect, item: Item) {
    let theme = &model.theme;
    let item = if what(item).is_empty() { Item::Shell } else { item };
    let Some((_, text)) = recipes::text(model, item) else { return };
    let width = area.width.saturating_sub(6);
    let mut y = area.y;
    for line in text.lines() {
        for part in pieces(line, width) {
            if y >= area.bottom() {
                return;
            }
            ui.put(area.x + 3, y, theme.glyphs.vertical, theme.rule);
            let style = if line.starts_with('#') { theme.dim } else { theme.text };
            ui.text(area.x + 5, y, width, &part, style);
            y += 1;
        }
    }
}

/// A line of code in pieces of at most `width` columns; spaces are kept.
fn pieces(line: &str, width: u16) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let wide = ui::width(c.encode_utf8(&mut [0; 4]));
        if used + wide > width.max(1) {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}
