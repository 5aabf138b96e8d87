//! A draft of weights and mirroring, and the version it was drawn from.

use super::weight;
use crate::console::app::call::Call;
use crate::console::app::model::{Model, weights};
use crate::console::data::EndpointView;
use crate::resources::traffic::Draft as Weights;
use crate::resources::{TrafficMap, Weight};

/// Weights that end up here when a preset is asked for.
const PRESETS: [u16; 5] = [0, 10, 50, 90, 100];
/// The most that can be mirrored, in hundredths of a percent (reference §8).
const MOST_MIRRORED: u16 = 5_000;

/// What would be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub endpoint: String,
    pub weights: Weights,
    /// In force when it was drawn.
    pub base: TrafficMap,
    pub base_mirror: TrafficMap,
    /// Who gets copies, and how many hundredths of a percent.
    pub mirror: Option<(String, u16)>,
    /// Weights somebody else put in force meanwhile.
    pub foreign: Option<TrafficMap>,
    /// The workspace refused it because of such a change.
    pub overtaken: bool,
    names: Vec<String>,
    etag: Option<String>,
}

/// The weights before the last change of traffic, if that change is still in force.
pub fn undoable(model: &Model, endpoint: &str) -> Option<TrafficMap> {
    let last = model.data.traffic_changes(endpoint).next()?;
    let from: TrafficMap = serde_json::from_value(last.from.clone()).ok()?;
    let now = model.data.endpoints.get(endpoint)?.traffic();
    (without_zeros(&from) != without_zeros(&now)).then_some(from)
}

fn without_zeros(map: &TrafficMap) -> TrafficMap {
    map.iter().filter(|(_, weight)| !weight.is_zero()).map(|(name, weight)| (name.clone(), *weight)).collect()
}

impl Draft {
    /// A draft of what is in force.
    pub fn new(view: &EndpointView) -> Self {
        let names = view.names();
        let (base, base_mirror) = (view.traffic(), view.mirror());
        let target = base_mirror.iter().next().map(|(name, weight)| (name.clone(), weight.hundredths()));
        // Copies go to whom the least traffic goes already.
        let least = names.iter().min_by_key(|name| (view.weight(name), std::cmp::Reverse(name.as_str())));
        let mirror = if names.len() > 1 { target.or(least.map(|name| (name.clone(), 0))) } else { None };
        Self {
            endpoint: view.name.clone(),
            weights: Weights::new(&base, &names),
            base,
            base_mirror,
            mirror,
            foreign: None,
            overtaken: false,
            names,
            etag: view.resource.as_ref().and_then(|resource| resource.etag.clone()),
        }
    }

    /// Deployments, in the order of the sliders.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Sliders: one per deployment, and one for mirroring.
    pub fn sliders(&self) -> usize {
        self.names.len() + usize::from(self.mirror.is_some())
    }

    /// Whether it was drawn from what is in force.
    pub fn is_of(&self, view: &EndpointView) -> bool {
        self.names == view.names()
            && without_zeros(&self.base) == without_zeros(&view.traffic())
            && without_zeros(&self.base_mirror) == without_zeros(&view.mirror())
    }

    /// Looks at what is in force now: a change by somebody else is shown, never overwritten.
    pub fn observe(&mut self, view: &EndpointView) {
        if view.resource.is_none() {
            return;
        }
        if self.is_of(view) {
            self.foreign = None;
            // Another change of the endpoint (a tag, say) does not concern the weights.
            self.etag = view.resource.as_ref().and_then(|resource| resource.etag.clone());
        } else {
            self.foreign = Some(view.traffic());
        }
    }

    /// Whether applying it would change anything.
    pub fn is_changed(&self) -> bool {
        self.weights.is_changed() || self.mirror_changed()
    }

    /// Whether mirroring was edited.
    pub fn mirror_changed(&self) -> bool {
        without_zeros(&self.mirror_map()) != without_zeros(&self.base_mirror)
    }

    /// Weights to be put in force.
    pub fn map(&self) -> TrafficMap {
        self.weights.map()
    }

    fn mirror_map(&self) -> TrafficMap {
        let copies = self.mirror.iter().filter(|(_, hundredths)| *hundredths > 0);
        copies.map(|(name, hundredths)| (name.clone(), weight(*hundredths))).collect()
    }

    /// `, mirror 5 % to green`.
    pub fn mirror_words(&self) -> String {
        match &self.mirror {
            Some((name, hundredths)) if *hundredths > 0 => format!(", mirror {} % to {name}", weight(*hundredths)),
            _ => ", no mirroring".into(),
        }
    }

    /// The call that puts it in force, against the version it was drawn from.
    pub fn call(&self) -> Call {
        Call::SetTraffic {
            endpoint: self.endpoint.clone(),
            map: self.map(),
            mirror: self.mirror_changed().then(|| self.mirror_map()),
            if_match: self.etag.clone(),
        }
    }

    /// Why it cannot be applied.
    pub fn obstacle(&self, model: &Model) -> Option<String> {
        if let Some(foreign) = &self.foreign {
            return Some(format!("traffic was changed meanwhile to {}: Esc takes that up", weights(foreign)));
        }
        if self.overtaken {
            return Some("the endpoint was changed meanwhile: Esc draws a fresh draft".into());
        }
        if !self.is_changed() {
            return Some("nothing is moved yet".into());
        }
        let view = model.data.endpoints.get(&self.endpoint)?;
        for entry in self.weights.entries() {
            let ready = view.deployments.get(&entry.name).map_or(0, |deployment| deployment.ready());
            if entry.weight > entry.base && ready == 0 {
                return Some(format!("{} has no ready instance: its weight cannot be raised", entry.name));
            }
        }
        let kubernetes = view.resource.as_ref().is_some_and(|resource| resource.properties.compute.is_some());
        let checked = crate::resources::rules::check_mirror(&self.mirror_map(), &self.map(), &self.names, kubernetes);
        checked.err().map(|error| error.message)
    }

    /// Sets a slider, in hundredths of a percent.
    pub fn set(&mut self, at: usize, hundredths: u16) -> Result<(), String> {
        match (self.names.get(at).cloned(), &mut self.mirror) {
            (Some(name), _) => self.weights.set(&name, weight(hundredths)).map(|_| ()).map_err(|why| why.to_string()),
            (None, Some((_, mirrored))) => {
                *mirrored = hundredths.min(MOST_MIRRORED);
                if hundredths > MOST_MIRRORED { Err("at most 50 % can be mirrored".into()) } else { Ok(()) }
            }
            (None, None) => Ok(()),
        }
    }

    /// Moves a slider.
    pub fn nudge(&mut self, at: usize, by: i32) -> Result<(), String> {
        match (self.names.get(at).cloned(), &self.mirror) {
            (Some(name), _) => self.weights.nudge(&name, by).map(|_| ()).map_err(|why| why.to_string()),
            (None, Some((_, mirrored))) => {
                let to = (i32::from(*mirrored) + by).clamp(0, i32::from(MOST_MIRRORED));
                self.set(at, to as u16)
            }
            (None, None) => Ok(()),
        }
    }

    /// The next preset above the present weight, or back to 0.
    pub fn preset(&mut self, at: usize) -> Result<(), String> {
        let now = match (self.names.get(at), &self.mirror) {
            (Some(name), _) => self.weights.weight(name).hundredths(),
            (None, Some((_, mirrored))) => *mirrored,
            (None, None) => return Ok(()),
        };
        let most = if at < self.names.len() { 10_000 } else { MOST_MIRRORED };
        let next = PRESETS.iter().map(|percent| percent * 100).find(|step| *step > now && *step <= most).unwrap_or(0);
        self.set(at, next)
    }

    /// Exchanges two deployments.
    pub fn swap(&mut self) -> Result<(), String> {
        let [a, b] = &self.names[..] else { return Err("only two deployments can be swapped".into()) };
        let (a, b) = (a.clone(), b.clone());
        self.weights.swap(&a, &b).map_err(|why| why.to_string())
    }

    /// Locks or unlocks a slider.
    pub fn toggle_lock(&mut self, at: usize) -> Result<(), String> {
        if let Some(name) = self.names.get(at) {
            self.weights.toggle_lock(name);
        }
        Ok(())
    }

    /// Takes over the weights of an earlier time, as far as their deployments still exist.
    pub fn take(&mut self, map: &TrafficMap) -> Result<(), String> {
        if let Some(gone) = map.iter().find(|(name, weight)| !weight.is_zero() && !self.names.contains(name)) {
            return Err(format!("{} does not exist any more: these weights cannot be brought back", gone.0));
        }
        // One after another from the smallest: the last one gets what is left, which is its own weight.
        let mut wanted: Vec<(String, Weight)> =
            self.names.iter().map(|name| (name.clone(), map.get(name).copied().unwrap_or_default())).collect();
        wanted.sort_by_key(|(_, weight)| *weight);
        let fresh = Weights::new(map, &self.names);
        let mut weights = Weights::new(&self.base, &self.names);
        if fresh.sum() == 0 {
            weights.turn_off();
        } else {
            for (name, _) in wanted.iter().rev() {
                weights.set(name, fresh.weight(name)).map_err(|why| why.to_string())?;
                weights.toggle_lock(name);
            }
            for (name, _) in &wanted {
                weights.toggle_lock(name);
            }
        }
        self.weights = weights;
        Ok(())
    }
}
