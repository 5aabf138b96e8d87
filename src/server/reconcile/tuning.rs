//! How a deployment wants its model run, as its properties say.

use super::memory::memory_of;
use super::model::load_limit;
use crate::resources::{ArmError, Deployment};
use crate::server::engine::{Choice, Tuning};

/// Property of a deployment that names the engine: `auto`, `tract` or `onnxruntime`.
pub const ENGINE: &str = "mlconsole.engine";
/// Property of a deployment that says how many threads one run may use.
pub const THREADS: &str = "mlconsole.threads";
/// Property of a deployment that says how many waiting requests may be run as one.
pub const BATCH: &str = "mlconsole.max_batch";

/// Reads the properties.
///
/// # Errors
/// One of them is not what it should be.
pub(super) fn tuning_of(deployment: &Deployment) -> Result<Tuning, ArmError> {
    let properties = &deployment.properties.properties;
    let number = |name: &str, most: u32, what: &str| match properties.get(name) {
        None => Ok(1),
        Some(text) => text.trim().parse::<u32>().ok().filter(|n| (1..=most).contains(n)).ok_or_else(|| {
            wrong(format!("The property \"{name}\" is \"{text}\"; give {what}, 1 to {most}, e.g. \"4\"."))
        }),
    };
    let engine = match properties.get(ENGINE) {
        None => Choice::Auto,
        Some(text) => Choice::parse(text).ok_or_else(|| {
            wrong(format!("The property \"{ENGINE}\" is \"{text}\"; give \"auto\", \"tract\" or \"onnxruntime\"."))
        })?,
    };
    Ok(Tuning {
        engine,
        threads: number(THREADS, 256, "the number of threads that one run may use")?,
        batch: number(BATCH, 1024, "how many waiting requests may be run as one")?,
    })
}

/// Looks at the properties of a deployment that say how its model is run.
///
/// # Errors
/// One of them is not what it should be.
pub fn check_settings(deployment: &Deployment) -> Result<(), ArmError> {
    tuning_of(deployment)?;
    memory_of(deployment)?;
    load_limit(deployment).map(drop)
}

fn wrong(message: String) -> ArmError {
    ArmError::new("BadArgument", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Tuning, ArmError> {
        let mut deployment = Deployment::default();
        let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        deployment.properties.properties.extend(pairs);
        tuning_of(&deployment)
    }

    #[test]
    fn properties_say_how_a_model_is_run() {
        assert_eq!(with(&[]).unwrap(), Tuning::default());
        let asked = with(&[(ENGINE, "OnnxRuntime"), (THREADS, "4"), (BATCH, " 16 ")]).unwrap();
        assert_eq!(asked, Tuning { engine: Choice::OnnxRuntime, threads: 4, batch: 16 });
        for (name, text) in [(ENGINE, "torch"), (THREADS, "0"), (THREADS, "many"), (BATCH, "-1"), (BATCH, "100000")] {
            let error = with(&[(name, text)]).unwrap_err().message;
            assert!(error.contains(name) && error.contains(text), "{error}");
        }
    }
}
