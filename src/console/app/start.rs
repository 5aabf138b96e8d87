//! The beginning and the end: a thread for the screen, the model as the console was told, the terminal taken and given
//! back.

use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::event::Event;
use super::exec::{self, Executor};
use super::keep;
use super::model::Model;
use super::opening::Opener;
use super::options::{ConsoleOptions, Limits};
use super::poller::now_ms;
use super::run::Program;
use super::saved::Saved;
use crate::console::screens::Drawn;
use crate::console::term::{self, Screen};

/// How long the end waits for the last text of the state file.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// What is used of it takes memory, no more.
const STACK_BYTES: usize = 8 << 20;

/// Runs the console until the user quits. Screen and keys have a thread and a clock of their own: whatever keeps the
/// runtime of the caller busy, on which all other work is done, no key waits for it.
///
/// # Errors
/// The configured keys conflict, or the terminal cannot be used.
pub async fn run(options: ConsoleOptions) -> color_eyre::Result<()> {
    let work = Handle::current();
    let (over, end) = oneshot::channel::<()>();
    let screen = std::thread::Builder::new().name("screen".into()).stack_size(STACK_BYTES).spawn(move || {
        let _over = over;
        on_screen(options, &work)
    })?;
    // Nothing is ever sent: it ends when the thread does, in whatever way.
    let _ = end.await;
    screen.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn on_screen(options: ConsoleOptions, work: &Handle) -> color_eyre::Result<()> {
    let (program, inbox, kept) = {
        // What is started here goes on there.
        let _there = work.enter();
        begin(options)?
    };
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (outcome, opener) = program.run(inbox).await;
        term::restore();
        opener.end().await;
        if let Some(kept) = kept {
            // The text that was asked for last; a disk that takes longer does not keep anybody from leaving.
            let _ = tokio::time::timeout(LAST_WORDS, kept).await;
        }
        outcome
    })
}

type Begun = (Program, UnboundedReceiver<Event>, Option<JoinHandle<()>>);

/// The program with the terminal in its hands, what it will be told, and the writer of the state file.
fn begin(options: ConsoleOptions) -> color_eyre::Result<Begun> {
    let saved = match &options.state_file {
        Some(path) => Saved::parse(&std::fs::read_to_string(path).unwrap_or_default()),
        None => Saved::default(),
    };
    let mut settings = options.settings.clone();
    let limits = Limits {
        plain: !knows_unicode(|name| std::env::var(name).ok()),
        colourless: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
    };
    if limits.colourless {
        settings.theme = crate::console::look::theme::ThemeName::Mono;
    } else if let Some(theme) = saved.theme {
        settings.theme = theme;
    }
    settings.mouse = saved.mouse.unwrap_or(settings.mouse);
    settings.ascii |= limits.plain;
    let context = options.contexts.iter().find(|context| context.name == options.context);
    let context = context.cloned().unwrap_or_default();
    let mut model = Model::new(settings, context.clone(), saved)?;
    model.configured = options.settings.clone();
    model.limits = limits;
    model.contexts = options.contexts.clone();
    model.zone = TimeZone::system();
    model.owns_workspace = options.owns_workspace;
    model.demo = options.demo;
    model.flags.clone_from(&options.flags);
    model.now = now_ms();
    model.data.link = crate::console::data::Link::Opening { since_ms: model.now };

    let screen = Screen::take(model.settings.mouse)?;
    model.size = screen.size()?;
    let (events, inbox) = unbounded_channel();
    let (keeper, texts) = watch::channel(String::new());
    let kept = options.state_file.clone().map(|path| tokio::spawn(exec::keep(path, texts)));
    if let (Some(path), Some(reload)) = (options.config_file.clone(), options.reload.clone()) {
        // Before the first picture: an edit made once that is seen must not be taken for what was read.
        let seen = keep::stamp(&path);
        tokio::spawn(keep::watch(path, seen, reload, events.clone()));
    }
    let program = Program {
        executor: Executor::new(events, context.access),
        model,
        screen,
        drawn: Drawn::default(),
        keeper,
        opener: Opener::new(),
        ended: false,
        options,
    };
    Ok((program, inbox, kept))
}

/// Whether locale and terminal can show more than ASCII; what says nothing about it can.
fn knows_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(&variable).find(|value| !value.is_empty());
    let locale = locale.is_none_or(|value| value.to_lowercase().replace('-', "").contains("utf8"));
    locale && !matches!(variable("TERM").as_deref(), Some("linux" | "dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_terminals_get_plain_characters() {
        let with = |pairs: &'static [(&str, &str)]| {
            knows_unicode(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string()))
        };
        assert!(with(&[]));
        assert!(with(&[("LANG", "en_US.UTF-8"), ("TERM", "xterm-256color")]));
        assert!(with(&[("LC_ALL", ""), ("LANG", "C.utf8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("TERM", "linux")]));
    }
}
