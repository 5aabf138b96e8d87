//! What only deployments of Kubernetes endpoints have: scaling by load, and what a container may take.

use serde_json::{Map, Value, json};

use super::deployment::SECTIONS;
use super::field::{Field, Kind};
use crate::resources::deployment::{DeploymentProperties, ScaleSettings};
use crate::resources::duration::IsoDuration;

const SECTION: usize = SECTIONS.len() - 1;
const SCALING: &[&str] = &["default", "target_utilization"];

/// Field, the two steps to its place in the resource, label, hint.
type Amount = (&'static str, [&'static str; 2], &'static str, &'static str, &'static str);

const AMOUNTS: [Amount; 4] = [
    (
        "k8s.cpu",
        ["containerResourceRequests", "cpu"],
        "properties.containerResourceRequirements.containerResourceRequests.cpu",
        "processor",
        "what an instance is promised: 0.5, 500m; optional",
    ),
    (
        "k8s.memory",
        ["containerResourceRequests", "memory"],
        "properties.containerResourceRequirements.containerResourceRequests.memory",
        "memory",
        "what an instance is promised: 0.5Gi, 512Mi; optional",
    ),
    (
        "k8s.cpu.limit",
        ["containerResourceLimits", "cpu"],
        "properties.containerResourceRequirements.containerResourceLimits.cpu",
        "processor, most",
        "more than this an instance does not get; optional",
    ),
    (
        "k8s.memory.limit",
        ["containerResourceLimits", "memory"],
        "properties.containerResourceRequirements.containerResourceLimits.memory",
        "memory, most",
        "an instance that takes more is ended; optional",
    ),
];

/// The fields, as the deployment has them.
pub fn fields(properties: &DeploymentProperties) -> Vec<Field> {
    let scale = properties.scale_settings.clone().unwrap_or_default();
    let word = if by_load(&scale) { SCALING[1] } else { SCALING[0] };
    let number = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
    let new = |id, label, kind, hint| Field::new(SECTION, id, label, kind, hint);
    let mut fields = vec![
        new(
            "k8s.scale",
            "scaling",
            Kind::Word(SCALING),
            "default: as many as above; target_utilization: between two bounds, by load",
        )
        .with(word)
        .at("properties.scaleSettings.scaleType"),
        new("k8s.least", "instances, least", Kind::Number, "with target_utilization; 1 unless you say otherwise")
            .with(number(scale.min_instances))
            .at("properties.scaleSettings.minInstances"),
        new("k8s.most", "instances, most", Kind::Number, "with target_utilization; 1 unless you say otherwise")
            .with(number(scale.max_instances))
            .at("properties.scaleSettings.maxInstances"),
        new(
            "k8s.target",
            "busy, %",
            Kind::Number,
            "share of its slots in use at which an instance is added; 70 usually",
        )
        .with(number(scale.target_utilization_percentage))
        .at("properties.scaleSettings.targetUtilizationPercentage"),
        new(
            "k8s.poll",
            "looks every, s",
            Kind::Number,
            "seconds between two looks at the load; 1 unless you say otherwise",
        )
        .with(scale.polling_interval.map_or_else(String::new, |every| every.0.as_secs().to_string()))
        .at("properties.scaleSettings.pollingInterval"),
    ];
    let have = properties.container_resource_requirements.as_ref();
    for (id, [side, name], path, label, hint) in AMOUNTS {
        let value = have.and_then(|have| have.get(side)?.get(name));
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        fields.push(new(id, label, Kind::Text, hint).with(text).at(path));
    }
    fields
}

fn by_load(scale: &ScaleSettings) -> bool {
    scale.scale_type.eq_ignore_ascii_case("TargetUtilization")
}

/// Puts what the fields say into the deployment. Problems are noted at the fields.
pub fn build(properties: &mut DeploymentProperties, fields: &mut [Field]) {
    properties.endpoint_compute_type = "Kubernetes".into();
    let by_load = fields.iter().any(|field| field.id == "k8s.scale" && field.value() == SCALING[1]);
    let mut scale = ScaleSettings::default();
    if by_load {
        scale.scale_type = "TargetUtilization".into();
    }
    let mut resources = match properties.container_resource_requirements.take() {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    for field in fields.iter_mut() {
        let number = |field: &Field| if field.value().is_empty() { Ok(None) } else { field.number(0).map(Some) };
        let told = match field.id {
            "k8s.least" if by_load => number(field).map(|n| scale.min_instances = n),
            "k8s.most" if by_load => number(field).map(|n| scale.max_instances = n),
            "k8s.target" if by_load => number(field).map(|n| scale.target_utilization_percentage = n),
            "k8s.poll" if by_load => number(field).map(|n| {
                scale.polling_interval = n.map(|seconds| IsoDuration::from_millis(u64::from(seconds) * 1_000));
            }),
            id => {
                if let Some((_, place, ..)) = AMOUNTS.iter().find(|(known, ..)| *known == id) {
                    set(&mut resources, *place, field.text());
                }
                Ok(())
            }
        };
        if let Err(why) = told {
            field.problem = Some(why);
        }
    }
    properties.scale_settings = (by_load || properties.scale_settings.is_some()).then_some(scale);
    properties.container_resource_requirements = (!resources.is_empty()).then_some(Value::Object(resources));
}

/// What else stands there (graphics processors, say) stays.
fn set(resources: &mut Map<String, Value>, [side, name]: [&str; 2], text: Option<String>) {
    match (text, resources.get_mut(side).and_then(Value::as_object_mut)) {
        (Some(text), Some(map)) => drop(map.insert(name.into(), text.into())),
        (Some(text), None) => drop(resources.insert(side.into(), json!({name: text}))),
        (None, Some(map)) => {
            map.remove(name);
            if map.is_empty() {
                resources.remove(side);
            }
        }
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tui_input::Input;

    #[test]
    fn scaling_and_amounts_go_out_and_come_back() {
        let gpu = json!({"containerResourceRequests": {"nvidia.com/gpu": "1"}});
        let mut properties =
            DeploymentProperties { container_resource_requirements: Some(gpu), ..DeploymentProperties::default() };
        let mut all = fields(&properties);
        let typed = [
            ("k8s.scale", "target_utilization"),
            ("k8s.least", "2"),
            ("k8s.most", "6"),
            ("k8s.target", "60"),
            ("k8s.poll", "10"),
            ("k8s.cpu", "500m"),
            ("k8s.memory.limit", "1Gi"),
        ];
        for (id, text) in typed {
            all.iter_mut().find(|field| field.id == id).unwrap().input = Input::new(text.into());
        }
        build(&mut properties, &mut all);
        let scale = properties.scale_settings.clone().unwrap();
        assert_eq!(
            (scale.min_instances, scale.max_instances, scale.target_utilization_percentage),
            (Some(2), Some(6), Some(60))
        );
        let resources = properties.container_resource_requirements.clone().unwrap();
        assert_eq!(resources["containerResourceRequests"], json!({"nvidia.com/gpu": "1", "cpu": "500m"}));
        assert_eq!(resources["containerResourceLimits"], json!({"memory": "1Gi"}));
        let again: Vec<String> = fields(&properties).iter().map(|field| field.value().to_owned()).collect();
        assert_eq!(again, all.iter().map(|field| field.value().to_owned()).collect::<Vec<_>>());
        let mut same = fields(&properties);
        let before = properties.clone();
        build(&mut properties, &mut same);
        assert_eq!(properties, before);
    }
}
