//! The picture of the workspace.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::mark::mark;
use crate::console::look::ui::{span, wrap};
use crate::console::look::{Ui, layout, numbers};
use crate::console::widgets::table::first;
use crate::resources::instance_type::how_many;
use crate::resources::live::WorkspaceInfo;

const LABEL: u16 = 14;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let contexts = (model.workspace.list.keys.len() as u16 + 2).clamp(3, (area.height / 3).max(3));
    let (top, bottom) = layout::split_top(area, area.height.saturating_sub(contexts));
    match &model.workspace.info {
        Some(info) => facts(model, ui, top, info),
        None => unknown(model, ui, top),
    }
    switcher(model, ui, bottom);
}

fn unknown(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    ui.section(area, "Workspace", &model.context.kind, false);
    let (text, style) = match &model.workspace.failure {
        Some(why) => (why.clone(), theme.warn),
        None => ("asking the workspace".to_owned(), theme.dim),
    };
    for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&text, area.width.saturating_sub(6))) {
        ui.text(area.x + 3, y, area.width.saturating_sub(6), &line, style);
    }
}

fn facts(model: &Model, ui: &mut Ui, area: Rect, info: &WorkspaceInfo) {
    if area.width < 100 {
        let (left, rest) = layout::split_top(area, area.height * 3 / 5);
        runtime(model, ui, left, info);
        return pools(model, ui, rest, info);
    }
    let (left, right) = layout::split_left(area, area.width / 2, 2);
    runtime(model, ui, left, info);
    pools(model, ui, right, info);
}

fn runtime(model: &Model, ui: &mut Ui, area: Rect, info: &WorkspaceInfo) {
    let age = numbers::span_ms(model.now - model.workspace.at_ms);
    ui.section(area, "Runtime", &format!("{} {}, {age} ago", info.name, info.version), false);
    let process = &info.process;
    let used = process.rss_bytes as f64 / info.memory_bytes.max(1) as f64 * 100.0;
    let mut facts: Vec<(&str, String)> = Vec::new();
    for listener in &info.listeners {
        facts.push(("listens", format!("{}  ({})", listener.address, listener.purpose)));
    }
    let cores = info.cores;
    facts.push(("processor", format!("{:.0} % of one core; {cores} cores", process.cpu_percent)));
    let memory =
        format!("{} resident, {used:.1} % of {}", numbers::bytes(process.rss_bytes), numbers::bytes(info.memory_bytes));
    facts.push(("memory", memory));
    facts.push(("threads", format!("{}; {} connections", process.threads, process.connections)));
    let of = match info.disk_total_bytes {
        0 => String::new(),
        total => format!(" of {}", numbers::bytes(total)),
    };
    let free = numbers::bytes(info.disk_free_bytes);
    let disk = format!("{} used, {free}{of} free", numbers::bytes(info.disk_used_bytes));
    facts.push(("disk", disk));
    facts.push(("data folder", info.data_dir.clone()));
    facts.push(("process", format!("{}, up {}", process.pid, numbers::span_ms(process.uptime_s as i64 * 1_000))));
    let environments =
        if info.environments.is_empty() { "none registered".into() } else { info.environments.join(", ") };
    facts.push(("environments", environments));
    let versions = info.versions.iter().filter(|(name, _)| *name != "mlconsole");
    let versions: Vec<String> = versions.map(|(name, version)| format!("{name} {version}")).collect();
    if !versions.is_empty() {
        facts.push(("built on", versions.join(", ")));
    }
    let mut y = area.y + 1;
    for (label, value) in facts {
        for (at, line) in wrap(&value, area.width.saturating_sub(LABEL + 4)).into_iter().enumerate() {
            if y >= area.bottom() {
                return;
            }
            if at == 0 {
                ui.text(area.x + 3, y, LABEL, label, ui.theme.dim);
            }
            ui.text(area.x + 3 + LABEL, y, area.width.saturating_sub(LABEL + 4), &line, ui.theme.text);
            y += 1;
        }
    }
}

fn pools(model: &Model, ui: &mut Ui, area: Rect, info: &WorkspaceInfo) {
    let theme = &model.theme;
    let instances: u32 = info.pools.iter().map(|pool| pool.instances).sum();
    let threads: u32 = info.pools.iter().map(|pool| pool.threads).sum();
    ui.section(area, "Instances", &format!("{}, {threads} threads", how_many(instances)), false);
    if info.pools.is_empty() {
        let text = "nothing runs; a deployment with instances would be here (n on an endpoint makes one)";
        ui.text(area.x + 3, area.y + 1, area.width.saturating_sub(4), text, theme.dim);
        return;
    }
    let room = usize::from(area.height.saturating_sub(2));
    for (y, pool) in (area.y + 1..).zip(info.pools.iter().take(room)) {
        let names = model.data.endpoints.get(&pool.endpoint).map(|view| view.names()).unwrap_or_default();
        let mark = mark(theme, &pool.deployment, &names);
        let line = Line::from(vec![
            span(format!("{} ", mark.shape), mark.style),
            span(format!("{}/{}", pool.endpoint, pool.deployment), theme.text),
        ]);
        let right = format!("{}  {}  {} threads", pool.engine, how_many(pool.instances), pool.threads);
        let x = ui.right(area.right().saturating_sub(1), y, area.width / 2, &right, theme.dim);
        ui.line(area.x + 3, y, x.saturating_sub(area.x + 4), &line);
    }
    if info.pools.len() > room {
        let text = format!("and {} more", info.pools.len() - room);
        ui.text(area.x + 3, area.bottom().saturating_sub(1), area.width.saturating_sub(4), &text, theme.dim);
    }
}

fn switcher(model: &Model, ui: &mut Ui, area: Rect) {
    let (theme, list) = (&model.theme, &model.workspace.list);
    let note = if list.filter.text.is_empty() { String::new() } else { format!("/{}", list.filter.text) };
    ui.section(area, "Contexts", &note, true);
    let rows = usize::from(area.height.saturating_sub(1));
    let top = first(list.cursor, rows, list.keys.len());
    for (y, (index, name)) in (area.y + 1..area.bottom()).zip(list.keys.iter().enumerate().skip(top)) {
        let Some(context) = model.contexts.iter().find(|context| context.name == *name) else { continue };
        let line = Rect { y, height: 1, ..area };
        let here = *name == model.context.name;
        let (dot, style) = if here { (theme.glyphs.dot, theme.ok) } else { (theme.glyphs.ring, theme.dim) };
        ui.text(area.x + 3, y, 1, dot, style);
        let x = ui.text(area.x + 5, y, area.width / 3, name, theme.strong);
        let word = if here { ", in use" } else { "" };
        let text = format!("{} {} {}{word}", context.kind, theme.glyphs.bullet, context.access.word());
        ui.text(x + 2, y, area.right().saturating_sub(x + 3), &text, theme.dim);
        if index == list.cursor {
            ui.paint(line, theme.selected);
            ui.text(area.x + 1, y, 1, theme.glyphs.cursor, theme.accent.patch(theme.selected));
        }
        ui.hit(line, Hit::Row { pane: 0, index });
    }
}
