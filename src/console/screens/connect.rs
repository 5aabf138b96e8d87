//! How to reach an endpoint: address, keys or token, and lines to copy into a shell or a program. A secret is fetched
//! when it is asked for, shown only then, and forgotten soon after.

mod recipes;
mod view;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Question, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::global;
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::resources::{AuthMode, Endpoint, EndpointKeys, EndpointToken};

/// A secret on the screen is hidden again after this time.
const SHOWN_MS: i64 = 30_000;

/// What can be chosen and copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Address,
    Swagger,
    Primary,
    Secondary,
    Token,
    Shell,
    Sdk,
    Curl,
    Python,
}

/// What to do with a secret once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Show,
    Copy(Item),
    /// A key was made anew: it is shown this once.
    ShowNew(Item),
}

/// What is shown of one endpoint.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub endpoint: String,
    pub cursor: usize,
    pub keys: Option<EndpointKeys>,
    pub token: Option<EndpointToken>,
    /// Only this secret is shown; `None` = all that are there.
    pub only: Option<Item>,
    /// Unix milliseconds; secrets are forgotten then.
    pub until_ms: i64,
    wanted: Option<Wanted>,
    pub failure: Option<String>,
}

impl State {
    fn forget(&mut self) {
        self.keys = None;
        self.token = None;
        self.only = None;
        self.wanted = None;
    }
}

/// The screen.
pub struct Connect;

/// The endpoint as it was read last.
pub fn resource(model: &Model) -> Option<&Endpoint> {
    let name = model.nav.here().endpoint()?;
    model.data.endpoints.get(name)?.resource.as_ref()
}

fn mode(model: &Model) -> AuthMode {
    resource(model).map(|resource| resource.properties.auth_mode).unwrap_or_default()
}

/// What there is, in the order shown.
pub fn items(model: &Model) -> Vec<Item> {
    let secrets: &[Item] = match mode(model) {
        AuthMode::Key => &[Item::Primary, Item::Secondary],
        AuthMode::AMLToken => &[Item::Token],
        AuthMode::AADToken => &[],
    };
    let mut items = vec![Item::Address];
    items.extend_from_slice(secrets);
    items.extend([Item::Shell, Item::Sdk, Item::Curl, Item::Python]);
    if resource(model).is_some_and(|resource| resource.properties.swagger_uri.is_some()) {
        items.insert(1, Item::Swagger);
    }
    items
}

/// What the cursor is on.
pub fn chosen(model: &Model) -> Item {
    let items = items(model);
    items.get(model.connect.cursor).copied().unwrap_or(Item::Address)
}

/// Keys exist in key mode only.
pub fn no_keys(model: &Model) -> Option<String> {
    (mode(model) != AuthMode::Key).then(|| "this endpoint is opened by tokens: there are no keys".into())
}

/// What can be revealed.
pub fn no_secret(model: &Model) -> Option<String> {
    (mode(model) == AuthMode::AADToken)
        .then(|| "callers bring a token of their own identity: there is nothing to show".into())
}

/// Regenerate the primary key.
pub fn ask_primary(model: &Model) -> Question {
    ask(model, "primary", "secondary")
}

/// Regenerate the secondary key.
pub fn ask_secondary(model: &Model) -> Question {
    ask(model, "secondary", "primary")
}

fn ask(model: &Model, which: &str, other: &str) -> Question {
    let name = model.nav.here().endpoint().unwrap_or_default();
    Question {
        title: format!("Make a new {which} key for {name}?"),
        lines: vec![
            format!("Callers that use the {which} key get 401 from then on, until they have the new one."),
            format!("Move them to the {other} key first: it stays as it is."),
        ],
        typed: None,
    }
}

impl Connect {
    /// Fetches the secrets for a purpose.
    fn want(model: &mut Model, wanted: Wanted) -> Vec<Effect> {
        let endpoint = model.connect.endpoint.clone();
        model.connect.wanted = Some(wanted);
        model.connect.failure = None;
        match mode(model) {
            AuthMode::Key => vec![model.call("keys", Call::Keys { endpoint })],
            AuthMode::AMLToken => vec![model.call("token", Call::Token { endpoint })],
            AuthMode::AADToken => Vec::new(),
        }
    }

    fn reveal(model: &mut Model) -> Vec<Effect> {
        if model.connect.keys.is_some() || model.connect.token.is_some() {
            model.connect.forget();
            return Vec::new();
        }
        Self::want(model, Wanted::Show)
    }

    fn copy(model: &mut Model) -> Vec<Effect> {
        let item = chosen(model);
        match item {
            Item::Primary | Item::Secondary | Item::Token => Self::want(model, Wanted::Copy(item)),
            _ => match recipes::text(model, item) {
                Some((what, text)) => global::copy(model, &what, text),
                None => Vec::new(),
            },
        }
    }

    fn regenerate(model: &mut Model, primary: bool) -> Vec<Effect> {
        let endpoint = model.connect.endpoint.clone();
        model.connect.forget();
        let which = if primary { "primary" } else { "secondary" };
        vec![model.call(format!("new {which} key for {endpoint}"), Call::RegenerateKey { endpoint, primary })]
    }

    /// Secrets came.
    fn arrived(model: &mut Model, answer: &Answer) -> Vec<Effect> {
        let Some(wanted) = model.connect.wanted.take() else { return Vec::new() };
        if let Answer::Token(token) = answer {
            // when it ends is remembered, the token is not
            let endpoint = model.connect.endpoint.clone();
            model.data.tokens.insert(endpoint, token.expiry_time_utc.saturating_mul(1_000));
        }
        if let Wanted::Copy(item) = wanted {
            let secret = match (answer, item) {
                (Answer::Keys(keys), Item::Secondary) => keys.secondary_key.clone(),
                (Answer::Keys(keys), _) => keys.primary_key.clone(),
                (Answer::Token(token), _) => token.access_token.clone(),
                _ => return Vec::new(),
            };
            let what = match item {
                Item::Primary => "the primary key",
                Item::Secondary => "the secondary key",
                _ => "the token",
            };
            return global::copy(model, what, secret);
        }
        let state = &mut model.screens.connect;
        state.only = match wanted {
            Wanted::ShowNew(item) => Some(item),
            _ => None,
        };
        match answer {
            Answer::Keys(keys) => state.keys = Some(keys.clone()),
            Answer::Token(token) => state.token = Some(token.clone()),
            _ => {}
        }
        state.until_ms = model.now + SHOWN_MS;
        Vec::new()
    }
}

impl Screen for Connect {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Connect, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        match action {
            Action::CopyItem => Self::copy(model),
            Action::Reveal => Self::reveal(model),
            Action::RegeneratePrimary => Self::regenerate(model, true),
            Action::RegenerateSecondary => Self::regenerate(model, false),
            _ => Vec::new(),
        }
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        if let Mouse::Press(Hit::Spot(at)) = mouse {
            model.connect.cursor = *at as usize;
        }
        Vec::new()
    }

    fn moved(&self, model: &mut Model, action: Action) -> Vec<Effect> {
        let last = items(model).len().saturating_sub(1);
        let cursor = &mut model.screens.connect.cursor;
        *cursor = match action {
            Action::Up => cursor.saturating_sub(1),
            Action::Down => (*cursor + 1).min(last),
            Action::Top | Action::PageUp => 0,
            Action::Bottom | Action::PageDown => last,
            _ => return Vec::new(),
        };
        Vec::new()
    }

    fn entered(&self, model: &mut Model, place: &Place) -> Vec<Effect> {
        let Place::Connect(name) = place else { return Vec::new() };
        model.screens.connect = State { endpoint: name.clone(), ..State::default() };
        Vec::new()
    }

    fn left(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        model.screens.connect.forget();
        Vec::new()
    }

    fn back(&self, model: &mut Model) -> Option<Vec<Effect>> {
        if model.connect.keys.is_some() || model.connect.token.is_some() {
            model.screens.connect.forget();
            return Some(Vec::new());
        }
        None
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        if model.connect.until_ms <= model.now && model.connect.wanted.is_none() {
            model.screens.connect.forget();
        }
        Vec::new()
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        let here = model.connect.endpoint.clone();
        let at_home = matches!(model.nav.here(), Place::Connect(name) if *name == here);
        match (call, outcome) {
            (Call::Keys { endpoint } | Call::Token { endpoint }, outcome) if at_home && *endpoint == here => {
                match outcome {
                    Ok(answer) => Self::arrived(model, answer),
                    Err(failure) => {
                        model.connect.failure = Some(failure.message.clone());
                        Vec::new()
                    }
                }
            }
            (Call::RegenerateKey { endpoint, primary }, Ok(_)) if at_home && *endpoint == here => {
                let item = if *primary { Item::Primary } else { Item::Secondary };
                Self::want(model, Wanted::ShowNew(item))
            }
            _ => Vec::new(),
        }
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        recipes::text(model, chosen(model))
    }

    fn subject(&self, model: &Model) -> Subject {
        Subject { endpoint: model.nav.here().endpoint().map(String::from), ..Subject::default() }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}

#[cfg(test)]
mod tests;
