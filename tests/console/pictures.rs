//! Writes pictures of screens for the eye: `MLCONSOLE_PICTURES=DIR cargo test --test console pictures`.

use mlconsole::console::app::global::set_theme;
use mlconsole::console::look::theme::{Theme, ThemeName};

use crate::dump;
use crate::fixture::{busy, fresh, press, write};

#[test]
fn pictures() {
    let Ok(folder) = std::env::var("MLCONSOLE_PICTURES") else { return };
    let shots: [(&str, &[&str]); 12] = [
        ("dashboard", &[]),
        ("findings", &["tab"]),
        ("endpoint", &["enter"]),
        ("endpoint2", &["enter", "tab", "["]),
        ("traffic", &["t"]),
        ("draft", &["t", "shift-left", "shift-left", "shift-left", "shift-left"]),
        ("help", &["?"]),
        ("palette", &[":", "type:res"]),
        ("menu", &["m"]),
        ("confirm", &["shift-d"]),
        ("filter", &["/", "type:fr"]),
        ("freeze", &["f", "[", "[", "[", "[", "[", "["]),
    ];
    for (width, height) in [(80, 24), (140, 40), (220, 60)] {
        for (name, keys) in shots {
            for (theme, ascii) in [
                (ThemeName::Terminal, false),
                (ThemeName::Dark, false),
                (ThemeName::Light, false),
                (ThemeName::Mono, true),
            ] {
                let mut model = busy(width, height);
                model.settings.ascii = ascii;
                set_theme(&mut model, theme);
                model.theme = Theme::new(theme, ascii);
                for key in keys {
                    match key.strip_prefix("type:") {
                        Some(text) => write(&mut model, text),
                        None => press(&mut model, key),
                    };
                }
                let path = format!("{folder}/{name}-{width}-{}{}.ans", theme.word(), if ascii { "-ascii" } else { "" });
                std::fs::write(path, dump::ansi(&dump::draw(&model))).unwrap();
            }
        }
        let mut model = fresh(width, height);
        crate::fixture::fill(&mut model, &[]);
        std::fs::write(format!("{folder}/welcome-{width}-dark.ans"), dump::ansi(&dump::draw(&model))).unwrap();
    }
}
