//! How long a connection may take its time: guards against slow clients, at the price of a few stores a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Between requests.
const IDLE: u8 = 0;
/// Some bytes of a head have come.
const HEAD: u8 = 1;
/// A request is being answered; reading its body has its own limit.
const HANDLING: u8 = 2;

/// What a look at the connection finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// Nothing for so long that the connection may go.
    Idle,
    /// A head that does not end, or a reader that does not read.
    Stalled,
}

/// Allowed times in looks.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    pub head: u32,
    pub idle: u32,
    pub write: u32,
}

/// Length of a look: a fraction of the shortest time.
pub fn look(shortest: Duration) -> Duration {
    (shortest / 4).max(Duration::from_millis(10))
}

/// The pulse of one connection; time is counted in looks, so that nobody reads a clock for it.
#[derive(Debug, Default)]
pub struct Pulse {
    now: AtomicU32,
    phase: AtomicU8,
    since: AtomicU32,
    /// Look at which writing got stuck, plus one; 0 while it flows.
    blocked: AtomicU32,
}

impl Pulse {
    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
        self.since.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The head has been read.
    pub fn handling(&self) {
        self.enter(HANDLING);
    }

    /// The answer is ready to be written.
    pub fn handled(&self) {
        self.enter(IDLE);
    }

    /// One look.
    pub fn look(&self, allowed: Allowance) -> Verdict {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        let blocked = self.blocked.load(Ordering::Relaxed);
        let for_looks = now.saturating_sub(self.since.load(Ordering::Relaxed));
        match self.phase.load(Ordering::Relaxed) {
            _ if blocked > 0 && now - (blocked - 1) > allowed.write => Verdict::Stalled,
            HEAD if for_looks > allowed.head => Verdict::Stalled,
            IDLE if for_looks > allowed.idle => Verdict::Idle,
            _ => Verdict::Fine,
        }
    }

    fn wrote<T>(&self, progress: &Poll<T>) {
        match progress {
            Poll::Ready(_) => self.blocked.store(0, Ordering::Relaxed),
            Poll::Pending if self.blocked.load(Ordering::Relaxed) == 0 => {
                self.blocked.store(self.now.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            Poll::Pending => {}
        }
    }
}

/// A connection with its pulse.
pub struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before && self.pulse.phase.load(Ordering::Relaxed) == IDLE {
            self.pulse.enter(HEAD);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pulse.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pulse.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        if result.is_pending() {
            self.pulse.wrote(&result);
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowance = Allowance { head: 2, idle: 4, write: 3 };

    fn looks(pulse: &Pulse, n: usize) -> Vec<Verdict> {
        (0..n).map(|_| pulse.look(ALLOWED)).collect()
    }

    #[test]
    fn an_idle_connection_is_let_go_and_a_busy_one_is_not() {
        let pulse = Pulse::default();
        assert_eq!(looks(&pulse, 5), [[Verdict::Fine; 4].as_slice(), &[Verdict::Idle]].concat());
        pulse.handling();
        assert_eq!(looks(&pulse, 50), [Verdict::Fine; 50]);
        pulse.handled();
        assert_eq!(pulse.look(ALLOWED), Verdict::Fine);
    }

    #[test]
    fn a_head_that_does_not_end_stalls() {
        let pulse = Pulse::default();
        pulse.enter(HEAD);
        assert_eq!(looks(&pulse, 3), [Verdict::Fine, Verdict::Fine, Verdict::Stalled]);
    }

    #[test]
    fn a_reader_that_does_not_read_stalls_until_it_does() {
        let pulse = Pulse::default();
        pulse.handling();
        pulse.wrote(&Poll::<()>::Pending);
        assert_eq!(looks(&pulse, 2), [Verdict::Fine; 2]);
        pulse.wrote(&Poll::Ready(()));
        assert_eq!(looks(&pulse, 9), [Verdict::Fine; 9]);
        pulse.wrote(&Poll::<()>::Pending);
        pulse.wrote(&Poll::<()>::Pending);
        assert_eq!(looks(&pulse, 4), [Verdict::Fine, Verdict::Fine, Verdict::Fine, Verdict::Stalled]);
    }
}
