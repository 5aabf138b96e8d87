//! The connection to the workspace and the age of what it told.

/// Milliseconds after which data counts as stale: two intervals of the feed and a bit.
pub const STALE_MS: i64 = 2_500;

/// How things stand with the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not there yet.
    Opening { since_ms: i64 },
    /// Frames come; the last one did at `last_ms`.
    Live { last_ms: i64 },
    /// The feed ended; tried again at `retry_at`. `last_ms` is the time of the last frame, if there was one.
    Lost { last_ms: Option<i64>, reason: String, retry_at: i64 },
    /// The context cannot be opened.
    Failed { reason: String },
}

impl Default for Link {
    fn default() -> Self {
        Self::Opening { since_ms: 0 }
    }
}

impl Link {
    /// Whether the workspace answers.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live { .. })
    }

    /// Whether what is shown may be old.
    pub fn is_stale(&self, now: i64) -> bool {
        match self {
            Self::Live { last_ms } => now - last_ms > STALE_MS,
            Self::Lost { .. } => true,
            Self::Opening { .. } | Self::Failed { .. } => false,
        }
    }

    /// Milliseconds since the last frame.
    pub fn age_ms(&self, now: i64) -> Option<i64> {
        match self {
            Self::Live { last_ms } | Self::Lost { last_ms: Some(last_ms), .. } => Some((now - last_ms).max(0)),
            _ => None,
        }
    }

    /// The context was opened, or not.
    pub fn opened(&mut self, now: i64, outcome: Result<(), String>) {
        match outcome {
            Ok(()) if !self.is_live() => *self = Self::Opening { since_ms: now },
            Ok(()) => {}
            Err(reason) => *self = Self::Failed { reason },
        }
    }

    /// The feed ended.
    pub fn lost(&mut self, now: i64, reason: String, retry_at: i64) {
        let last_ms = self.age_ms(now).map(|age| now - age);
        *self = Self::Lost { last_ms, reason, retry_at };
    }

    /// When age or countdown change next.
    pub fn wake_at(&self, now: i64) -> Option<i64> {
        match self {
            Self::Live { last_ms } if now - last_ms <= STALE_MS => Some(last_ms + STALE_MS + 1),
            Self::Live { .. } | Self::Lost { .. } => Some(now + 1_000),
            Self::Opening { since_ms } => (now - since_ms < 10_000).then_some(now + 300),
            Self::Failed { .. } => None,
        }
    }
}
