//! Fields with many choices: registered models and environments, machine sizes.

use std::collections::BTreeMap;

use super::change;
use crate::console::app::call::Call;
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::console::overlays::{Overlay, prompt};
use crate::resources::instance_type::{self, InstanceType};
use crate::resources::{AssetContainer, EnvironmentVersion, ModelVersion};
use tui_input::Input;

/// Models whose versions are asked for, at most.
const MOST: usize = 100;
const NONE: &str = "none";

/// Opens the choice of a field.
pub fn open(model: &mut Model, id: &'static str) -> Vec<Effect> {
    let (title, hint) = match id {
        "model" => ("Model", "registered versions; the models screen (2) registers more"),
        "environment" => ("Environment", "registered versions; ONNX, Triton and MLflow models need none"),
        _ => ("Instance type", "type to narrow: a name, 4 vCPU, GPU"),
    };
    let choices = matching(model, id, "");
    if choices.is_empty() {
        let text = match id {
            "model" => "no model is registered yet: the models screen (2) registers one from a path",
            _ => "no environment is registered yet: mlconsole environment register does",
        };
        model.toasts.bad(model.now, text);
        return Vec::new();
    }
    let mut state = prompt::State::choose(id, title, hint, choices);
    let now = model.form.value(id);
    state.cursor = state.choices.iter().position(|choice| name(choice) == now).unwrap_or(0);
    model.overlays.push(Overlay::Prompt(state));
    Vec::new()
}

/// The name a line of choices begins with.
fn name(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or("")
}

/// A size in words: `4 vCPU   14 GiB`.
pub fn size(size: &InstanceType) -> String {
    let gpus = if size.gpus > 0.0 { format!("   {} GPU", size.gpus) } else { String::new() };
    format!("{:>3} vCPU   {:>5} GiB{gpus}", size.vcpus, size.memory_gib)
}

/// Choices that match what is typed.
pub fn matching(model: &mut Model, id: &str, text: &str) -> Vec<String> {
    let lines: Vec<String> = match id {
        "model" => model.form.models.keys().cloned().collect(),
        "environment" => {
            let names = model.form.environments.keys().cloned();
            names.chain((!model.form.environments.is_empty()).then(|| NONE.to_string())).collect()
        }
        _ => instance_type::all().iter().map(|entry| format!("{:<26}{}", entry.name, size(entry))).collect(),
    };
    lines.into_iter().filter(|line| fits(line, text)).collect()
}

/// Whether a line has what is typed: the words in their order, or each of them; numbers only as a whole.
fn fits(line: &str, text: &str) -> bool {
    let line = line.to_lowercase();
    let has: Vec<&str> = line.split_whitespace().collect();
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > 1 && words[0].bytes().all(|b| b.is_ascii_digit()) {
        return format!(" {} ", has.join(" ")).contains(&format!(" {}", words.join(" ")));
    }
    words.iter().all(|word| has.iter().any(|has| has.contains(word)))
}

/// A line was chosen.
pub fn chosen(model: &mut Model, id: &str, line: &str) -> Vec<Effect> {
    let value = match name(line) {
        NONE => "",
        name => name,
    };
    let Some(at) = model.form.fields.iter().position(|field| field.id == id) else { return Vec::new() };
    model.form.fields[at].input = Input::new(value.to_owned());
    change::changed(model);
    Vec::new()
}

/// Models came: their versions are asked for.
pub fn models(model: &mut Model, models: &[AssetContainer]) -> Vec<Effect> {
    if !super::is_here(model) {
        return Vec::new();
    }
    model.form.models_known = models.is_empty();
    let names: Vec<String> = models.iter().take(MOST).map(|container| container.name.clone()).collect();
    names
        .into_iter()
        .map(|name| model.call(format!("read the versions of {name}"), Call::ModelVersions { model: name }))
        .collect()
}

/// Versions of a model came.
pub fn versions(model: &mut Model, name: &str, versions: &[ModelVersion]) {
    for version in versions.iter().filter(|version| !version.properties.is_archived) {
        model.form.models.insert(format!("{name}:{}", version.name), version.id.clone());
    }
    let waiting = model.tasks.in_flight(|call| matches!(call, Call::ModelVersions { .. }));
    model.form.models_known = !waiting;
    if !super::is_here(model) {
        return;
    }
    // the newest version of the only model is what most people want
    let empty = model.form.fields.iter().position(|field| field.id == "model" && field.value().is_empty());
    let newest = model.form.models.keys().max_by_key(|name| version_of(name)).cloned();
    let one =
        model.form.models.keys().map(|known| known.split(':').next()).collect::<std::collections::BTreeSet<_>>().len()
            == 1;
    if let (Some(at), Some(newest), true, false) = (empty, newest, one, model.form.touched) {
        model.form.fields[at].input = Input::new(newest);
    }
    change::check(model);
}

fn version_of(name: &str) -> u64 {
    name.rsplit(':').next().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Environments came.
pub fn environments(model: &mut Model, all: &BTreeMap<String, Vec<EnvironmentVersion>>) {
    for (name, versions) in all {
        for version in versions.iter().filter(|version| !version.properties.is_archived) {
            model.form.environments.insert(format!("{name}:{}", version.name), version.id.clone());
        }
    }
    if super::is_here(model) {
        change::check(model);
    }
}
