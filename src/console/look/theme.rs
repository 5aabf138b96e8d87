//! Roles to styles. Code names roles; only this file names colours.

use ratatui::style::{Color, Modifier, Style};
use serde::{Deserialize, Serialize};

use super::glyphs::{ASCII, Glyphs, UNICODE};

/// The themes on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeName {
    /// The terminal's own colours.
    #[default]
    Terminal,
    Dark,
    Light,
    HighContrast,
    /// Blue and orange instead of blue and green.
    BlueOrange,
    /// No colours at all; also taken under `NO_COLOR`.
    Mono,
}

/// All themes, in the order in which F2 goes through them.
pub const THEMES: [ThemeName; 6] = [
    ThemeName::Terminal,
    ThemeName::Dark,
    ThemeName::Light,
    ThemeName::HighContrast,
    ThemeName::BlueOrange,
    ThemeName::Mono,
];

impl ThemeName {
    /// The word in configuration and palette.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::HighContrast => "high-contrast",
            Self::BlueOrange => "blue-orange",
            Self::Mono => "mono",
        }
    }

    /// The next one.
    pub fn next(self) -> Self {
        let at = THEMES.iter().position(|theme| *theme == self).unwrap_or(0);
        THEMES[(at + 1) % THEMES.len()]
    }

    /// By its word.
    pub fn parse(word: &str) -> Option<Self> {
        THEMES.into_iter().find(|theme| theme.word() == word)
    }
}

/// What every kind of thing looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    pub name: ThemeName,
    pub glyphs: &'static Glyphs,
    /// What everything stands on: laid over the whole screen first.
    pub ground: Style,
    /// Ordinary text.
    pub text: Style,
    /// Labels, ages, what is not in force.
    pub dim: Style,
    /// The one thing to read.
    pub strong: Style,
    /// Titles of sections.
    pub title: Style,
    /// Thin lines.
    pub rule: Style,
    /// Selection's own colour: the cursor mark, a focused border.
    pub accent: Style,
    /// A whole selected row.
    pub selected: Style,
    /// A selected row of a pane without the focus.
    pub selected_faint: Style,
    pub ok: Style,
    pub warn: Style,
    pub bad: Style,
    /// A key in footer and help.
    pub key: Style,
    pub blue: Style,
    pub green: Style,
    /// Where both series of a histogram lie over one another.
    pub both: Style,
    /// Deployments of other names.
    pub others: [Style; 6],
    /// What matched a filter or search.
    pub found: Style,
    /// Text that was typed.
    pub input: Style,
    /// What would be completed.
    pub ghost: Style,
    /// Names, strings, numbers and words of JSON and YAML.
    pub json_key: Style,
    pub json_text: Style,
    pub json_number: Style,
    pub added: Style,
    pub removed: Style,
    pub toast: Style,
    pub toast_bad: Style,
    pub overlay: Style,
    pub overlay_border: Style,
}

const fn fg(color: Color) -> Style {
    Style::new().fg(color)
}

const fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}

/// The colours a theme is derived from.
struct Palette {
    text: Style,
    dim: Style,
    rule: Style,
    accent: Color,
    selected: Style,
    faint: Style,
    ok: Color,
    warn: Color,
    bad: Color,
    blue: Color,
    green: Color,
    both: Color,
    others: [Color; 6],
    overlay: Style,
}

impl Theme {
    /// A theme by name, with or without ASCII glyphs.
    pub fn new(name: ThemeName, ascii: bool) -> Self {
        let glyphs = if ascii { &ASCII } else { &UNICODE };
        match name {
            ThemeName::Terminal => Self::derive(name, glyphs, terminal()),
            ThemeName::Dark => Self::derive(name, glyphs, dark()),
            ThemeName::Light => Self::derive(name, glyphs, light()),
            ThemeName::HighContrast => Self::derive(name, glyphs, contrast()),
            ThemeName::BlueOrange => {
                let palette = Palette {
                    blue: Color::LightBlue,
                    green: Color::Rgb(255, 160, 40),
                    both: Color::White,
                    ..terminal()
                };
                Self::derive(name, glyphs, palette)
            }
            ThemeName::Mono => Self::mono(glyphs),
        }
    }

    fn derive(name: ThemeName, glyphs: &'static Glyphs, p: Palette) -> Self {
        let text = Style { bg: None, ..p.text };
        Self {
            name,
            glyphs,
            ground: p.text,
            text,
            dim: p.dim,
            strong: bold(text),
            title: bold(text),
            rule: p.rule,
            accent: bold(fg(p.accent)),
            selected: p.selected,
            selected_faint: p.faint,
            ok: fg(p.ok),
            warn: fg(p.warn),
            bad: bold(fg(p.bad)),
            key: fg(p.accent),
            blue: fg(p.blue),
            green: fg(p.green),
            both: fg(p.both),
            others: p.others.map(fg),
            found: bold(fg(p.accent)).add_modifier(Modifier::UNDERLINED),
            input: text,
            ghost: p.dim,
            json_key: fg(p.blue),
            json_text: fg(p.ok),
            json_number: fg(p.warn),
            added: fg(p.ok),
            removed: fg(p.bad),
            toast: p.overlay.patch(fg(p.ok)),
            toast_bad: p.overlay.patch(bold(fg(p.bad))),
            overlay: p.overlay,
            overlay_border: p.overlay.patch(fg(p.accent)),
        }
    }

    /// Words, shapes, bold, underline and reverse only.
    fn mono(glyphs: &'static Glyphs) -> Self {
        let plain = Style::new();
        let dim = plain.add_modifier(Modifier::DIM);
        let strong = bold(plain);
        let under = plain.add_modifier(Modifier::UNDERLINED);
        let reverse = plain.add_modifier(Modifier::REVERSED);
        Self {
            name: ThemeName::Mono,
            glyphs,
            ground: plain,
            text: plain,
            dim,
            strong,
            title: strong,
            rule: dim,
            accent: strong,
            selected: reverse.remove_modifier(Modifier::DIM),
            selected_faint: under,
            ok: plain,
            warn: strong,
            bad: bold(reverse),
            key: strong,
            blue: plain,
            green: strong,
            both: plain,
            others: [plain; 6],
            found: under,
            input: plain,
            ghost: dim,
            json_key: strong,
            json_text: plain,
            json_number: plain,
            added: strong,
            removed: dim.add_modifier(Modifier::CROSSED_OUT),
            toast: strong,
            toast_bad: bold(reverse),
            overlay: plain,
            overlay_border: plain,
        }
    }

    /// Whether colours can tell two series apart.
    pub fn is_mono(&self) -> bool {
        self.name == ThemeName::Mono
    }
}

fn terminal() -> Palette {
    Palette {
        text: Style::new(),
        dim: Style::new().add_modifier(Modifier::DIM),
        rule: Style::new().add_modifier(Modifier::DIM),
        accent: Color::Cyan,
        // One even bar: colours of single words would come out as coloured blocks.
        selected: Style::new().fg(Color::Reset).add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
        faint: Style::new().add_modifier(Modifier::UNDERLINED),
        ok: Color::Green,
        warn: Color::Yellow,
        bad: Color::Red,
        blue: Color::LightBlue,
        green: Color::Green,
        both: Color::Cyan,
        others: [Color::Magenta, Color::Yellow, Color::Cyan, Color::LightMagenta, Color::LightYellow, Color::LightRed],
        overlay: Style::new(),
    }
}

fn dark() -> Palette {
    let ground = Color::Rgb(17, 20, 28);
    let raised = Color::Rgb(26, 31, 43);
    Palette {
        text: fg(Color::Rgb(214, 220, 232)).bg(ground),
        dim: fg(Color::Rgb(122, 132, 153)),
        rule: fg(Color::Rgb(52, 60, 80)),
        accent: Color::Rgb(126, 200, 255),
        selected: Style::new().bg(Color::Rgb(40, 50, 74)),
        faint: Style::new().bg(Color::Rgb(29, 35, 49)),
        ok: Color::Rgb(126, 211, 143),
        warn: Color::Rgb(240, 196, 92),
        bad: Color::Rgb(255, 112, 112),
        blue: Color::Rgb(92, 156, 255),
        green: Color::Rgb(84, 210, 140),
        both: Color::Rgb(88, 183, 198),
        others: [
            Color::Rgb(200, 146, 255),
            Color::Rgb(255, 170, 90),
            Color::Rgb(90, 210, 220),
            Color::Rgb(255, 130, 180),
            Color::Rgb(220, 210, 110),
            Color::Rgb(170, 180, 255),
        ],
        overlay: fg(Color::Rgb(214, 220, 232)).bg(raised),
    }
}

fn light() -> Palette {
    let ground = Color::Rgb(251, 251, 248);
    let raised = Color::Rgb(240, 241, 238);
    Palette {
        text: fg(Color::Rgb(38, 43, 54)).bg(ground),
        dim: fg(Color::Rgb(118, 124, 138)),
        rule: fg(Color::Rgb(206, 209, 214)),
        accent: Color::Rgb(0, 98, 178),
        selected: Style::new().bg(Color::Rgb(214, 228, 245)),
        faint: Style::new().bg(Color::Rgb(233, 238, 244)),
        ok: Color::Rgb(22, 128, 61),
        warn: Color::Rgb(160, 96, 0),
        bad: Color::Rgb(196, 34, 34),
        blue: Color::Rgb(28, 92, 214),
        green: Color::Rgb(18, 138, 74),
        both: Color::Rgb(20, 118, 140),
        others: [
            Color::Rgb(134, 62, 196),
            Color::Rgb(190, 92, 0),
            Color::Rgb(0, 122, 135),
            Color::Rgb(190, 40, 120),
            Color::Rgb(122, 110, 0),
            Color::Rgb(80, 90, 200),
        ],
        overlay: fg(Color::Rgb(38, 43, 54)).bg(raised),
    }
}

fn contrast() -> Palette {
    let text = fg(Color::Rgb(255, 255, 255)).bg(Color::Rgb(0, 0, 0));
    Palette {
        text,
        dim: fg(Color::Rgb(200, 200, 200)),
        rule: fg(Color::Rgb(150, 150, 150)),
        accent: Color::Rgb(255, 255, 0),
        selected: fg(Color::Rgb(0, 0, 0)).bg(Color::Rgb(255, 255, 255)),
        faint: Style::new().bg(Color::Rgb(60, 60, 60)),
        ok: Color::Rgb(0, 255, 120),
        warn: Color::Rgb(255, 220, 0),
        bad: Color::Rgb(255, 120, 120),
        blue: Color::Rgb(120, 190, 255),
        green: Color::Rgb(0, 255, 120),
        both: Color::Rgb(0, 255, 255),
        others: [
            Color::Rgb(255, 130, 255),
            Color::Rgb(255, 180, 60),
            Color::Rgb(0, 255, 255),
            Color::Rgb(255, 160, 200),
            Color::Rgb(255, 255, 120),
            Color::Rgb(190, 190, 255),
        ],
        overlay: text,
    }
}
