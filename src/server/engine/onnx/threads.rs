//! Runs of one model on several threads, where a deployment asks for that.

use crate::server::engine::LoadError;

/// Threads that runs of a model share.
#[cfg(feature = "multithread")]
#[derive(Clone)]
pub struct Threads(Option<tract_linalg::multithread::Executor>);

#[cfg(feature = "multithread")]
impl Threads {
    /// A pool of so many threads; none for one. `log` is told what else there is to know.
    pub fn new(count: u32, log: &dyn Fn(&str)) -> Result<Self, LoadError> {
        if count < 2 {
            return Ok(Self(None));
        }
        let pool = std::panic::catch_unwind(|| tract_linalg::multithread::Executor::multithread(count as usize));
        let pool = pool.map_err(|_| {
            LoadError::new(format!(
                "the system refused {count} threads for the model; ask for fewer (mlconsole.threads)"
            ))
        })?;
        log(&format!("products of matrices run on {count} threads"));
        Ok(Self(Some(pool)))
    }

    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(pool) => tract_linalg::multithread::multithread_tract_scope(pool.clone(), work),
            None => work(),
        }
    }
}

/// Nothing in a build without them.
#[cfg(not(feature = "multithread"))]
#[derive(Clone)]
pub struct Threads;

#[cfg(not(feature = "multithread"))]
impl Threads {
    /// One thread, whatever is asked for; `log` is told so.
    pub fn new(count: u32, log: &dyn Fn(&str)) -> Result<Self, LoadError> {
        if count > 1 {
            log(&format!(
                "mlconsole.threads is {count}, but runs on the built-in engine use one thread: this program was built without \
                 that (cargo build --features multithread). More instances use more threads too"
            ));
        }
        Ok(Self)
    }

    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}
