//! Ctrl-c and SIGTERM, counted: the first asks, the second insists.

use tokio::sync::watch;

/// How often the user asked to stop. Clones share the count.
#[derive(Clone)]
pub struct Interrupts {
    count: watch::Receiver<u32>,
}

impl Interrupts {
    /// Listens from now on. Call it once, inside the runtime.
    ///
    /// # Errors
    /// When the operating system does not let us listen.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let (sender, count) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = int.recv() => {}
                    Some(()) = term.recv() => {}
                    else => return,
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { count })
    }

    /// Returns when there have been at least `n` since the program started.
    pub async fn reached(&self, n: u32) {
        let mut count = self.count.clone();
        if count.wait_for(|count| *count >= n).await.is_err() {
            // Nobody counts any more: nothing will ever interrupt.
            std::future::pending::<()>().await;
        }
    }

    /// How many so far.
    pub fn so_far(&self) -> u32 {
        *self.count.borrow()
    }
}
