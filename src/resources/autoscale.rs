//! Autoscale settings of Azure Monitor: their shape and rules (reference §10).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arm::{ArmError, StringMap, null_to_default};
use super::duration::IsoDuration;
use super::ids::{ResourceId, shorten};
use super::nearest::{nearest, one_of};
use super::rules::{MAX_INSTANCES, Problems};

/// A request or answer of `…/autoscalesettings/{name}`. Numbers of instances are strings, as Azure writes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscaleSettings {
    pub location: String,
    #[serde(deserialize_with = "null_to_default")]
    pub tags: StringMap,
    pub properties: AutoscaleProperties,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscaleProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub enabled: bool,
    /// Id of the deployment that is scaled.
    pub target_resource_uri: String,
    #[serde(deserialize_with = "null_to_default")]
    pub profiles: Vec<AutoscaleProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Value>,
}

/// Limits and rules that hold always, in a window, or on certain days.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscaleProfile {
    pub name: String,
    pub capacity: Capacity,
    #[serde(deserialize_with = "null_to_default")]
    pub rules: Vec<ScaleRule>,
    /// `{timeZone, start, end}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_date: Option<Value>,
    /// `{frequency, schedule: {timeZone, days, hours, minutes}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Value>,
}

/// Numbers of instances, as strings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capacity {
    pub minimum: String,
    pub maximum: String,
    pub default: String,
}

/// When a figure passes a threshold, change the number of instances.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleRule {
    pub metric_trigger: MetricTrigger,
    pub scale_action: ScaleAction,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricTrigger {
    pub metric_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_namespace: Option<String>,
    pub metric_resource_uri: String,
    /// ISO 8601.
    pub time_grain: String,
    pub statistic: String,
    /// ISO 8601.
    pub time_window: String,
    pub time_aggregation: String,
    pub operator: String,
    pub threshold: f64,
    #[serde(deserialize_with = "null_to_default", skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<Dimension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divide_per_instance: Option<bool>,
}

/// A filter on a metric's dimension. Its keys are PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Dimension {
    pub dimension_name: String,
    pub operator: String,
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleAction {
    pub direction: String,
    #[serde(rename = "type")]
    pub action_type: String,
    /// A number, as a string.
    pub value: String,
    /// ISO 8601: how long to wait after acting.
    pub cooldown: String,
}

const OPERATORS: &[&str] = &["Equals", "NotEquals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"];
const STATISTICS: &[&str] = &["Average", "Min", "Max", "Sum", "Count"];
const AGGREGATIONS: &[&str] = &["Average", "Minimum", "Maximum", "Total", "Count", "Last"];
const ACTIONS: &[&str] = &["ChangeCount", "PercentChangeCount", "ExactCount", "ServiceAllowedNextValue"];
const DIRECTIONS: &[&str] = &["None", "Increase", "Decrease"];
const FREQUENCIES: &[&str] = &["None", "Second", "Minute", "Hour", "Day", "Week", "Month", "Year"];
const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Azure Monitor's own limits.
const MAX_PROFILES: usize = 20;
const MAX_RULES: usize = 10;

/// Checks autoscale settings sent as JSON: first their shape, then every rule.
pub fn check_autoscale(body: &Value) -> Result<AutoscaleSettings, ArmError> {
    let settings: AutoscaleSettings = serde_json::from_value(body.clone()).map_err(|error| {
        let message = format!(
            "The autoscale settings cannot be read: {error}. Capacities and values are strings, thresholds numbers."
        );
        ArmError::new(super::rules::BAD_ARGUMENT, message)
    })?;
    let mut problems = Problems::default();
    let properties = &settings.properties;
    let target = ResourceId::parse(&properties.target_resource_uri);
    if !target.is_ok_and(|id| id.get("onlineEndpoints").is_some() && id.get("deployments").is_some()) {
        problems.add(
            "properties.targetResourceUri",
            "targetResourceUri is not the id of a deployment: give …/onlineEndpoints/ENDPOINT/deployments/DEPLOYMENT.",
        );
    }
    let count = properties.profiles.len();
    if !(1..=MAX_PROFILES).contains(&count) {
        let message = format!("There are {count} profiles: give 1 to {MAX_PROFILES}.");
        problems.add("properties.profiles", message);
    }
    for (i, profile) in properties.profiles.iter().enumerate() {
        check_profile(&mut Scope { problems: &mut problems, path: format!("properties.profiles[{i}]") }, profile);
        if properties.profiles[..i].iter().any(|other| other.name.eq_ignore_ascii_case(&profile.name)) {
            let message = format!("Two profiles are called \"{}\": rename one.", shorten(&profile.name));
            problems.add(format!("properties.profiles[{i}].name"), message);
        }
    }
    problems.verdict().map(|()| settings)
}

/// Where in the settings a check is.
struct Scope<'a> {
    problems: &'a mut Problems,
    path: String,
}

impl Scope<'_> {
    fn add(&mut self, field: &str, message: String) {
        self.problems.add(format!("{}.{field}", self.path), message);
    }

    fn inside(&mut self, field: &str) -> Scope<'_> {
        Scope { path: format!("{}.{field}", self.path), problems: self.problems }
    }

    fn word(&mut self, field: &str, value: &str, words: &[&'static str]) {
        if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) {
            let hint = match nearest(value, words.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use {}.", one_of(words.iter().copied())),
            };
            self.add(field, format!("{field} is \"{}\": {hint}", shorten(value)));
        }
    }

    fn duration(&mut self, field: &str, value: &str, from_s: u64, to_s: u64) {
        let seconds = value.parse::<IsoDuration>().ok().map(|duration| duration.0.as_secs());
        if !seconds.is_some_and(|seconds| (from_s..=to_s).contains(&seconds)) {
            let (from, to) = (from_s / 60, to_s / 60);
            let value = shorten(value);
            self.add(field, format!("{field} is \"{value}\": give {from} to {to} minutes, such as PT5M."));
        }
    }
}

fn check_profile(scope: &mut Scope<'_>, profile: &AutoscaleProfile) {
    if profile.name.trim().is_empty() {
        scope.add("name", "A profile has no name: give it one.".into());
    }
    let numbers = [
        ("minimum", &profile.capacity.minimum),
        ("default", &profile.capacity.default),
        ("maximum", &profile.capacity.maximum),
    ]
    .map(|(field, text)| {
        let number = text.parse::<u32>().ok().filter(|number| *number <= MAX_INSTANCES);
        if number.is_none() {
            let message = format!(
                "capacity.{field} is \"{}\": give a number from 0 to {MAX_INSTANCES}, as a string.",
                shorten(text)
            );
            scope.add(&format!("capacity.{field}"), message);
        }
        number
    });
    if let [Some(minimum), Some(default), Some(maximum)] = numbers
        && !(minimum <= default && default <= maximum)
    {
        scope.add(
            "capacity",
            format!(
                "The capacity has minimum {minimum}, default {default}, maximum {maximum}: set \
                 minimum ≤ default ≤ maximum."
            ),
        );
    }
    let count = profile.rules.len();
    if count > MAX_RULES {
        scope.add("rules", format!("The profile has {count} rules: {MAX_RULES} is the most."));
    }
    for (i, rule) in profile.rules.iter().enumerate() {
        check_rule(&mut scope.inside(&format!("rules[{i}]")), rule);
    }
    if profile.fixed_date.is_some() && profile.recurrence.is_some() {
        scope.add("recurrence", "The profile has a fixedDate and a recurrence: keep one of them.".into());
    }
    if let Some(date) = &profile.fixed_date {
        check_fixed_date(scope, date);
    }
    if let Some(recurrence) = &profile.recurrence {
        check_recurrence(&mut scope.inside("recurrence"), recurrence);
    }
}

fn check_rule(scope: &mut Scope<'_>, rule: &ScaleRule) {
    let trigger = &rule.metric_trigger;
    let mut at = scope.inside("metricTrigger");
    if trigger.metric_name.is_empty() {
        at.add("metricName", "A rule names no metric: set metricName, for example CpuUtilizationPercentage.".into());
    }
    if let Err(error) = ResourceId::parse(&trigger.metric_resource_uri) {
        at.add("metricResourceUri", format!("metricResourceUri: {error}."));
    }
    at.word("operator", &trigger.operator, OPERATORS);
    at.word("statistic", &trigger.statistic, STATISTICS);
    at.word("timeAggregation", &trigger.time_aggregation, AGGREGATIONS);
    at.duration("timeGrain", &trigger.time_grain, 60, 12 * 3_600);
    at.duration("timeWindow", &trigger.time_window, 5 * 60, 12 * 3_600);
    if !trigger.threshold.is_finite() {
        at.add("threshold", "threshold is no number: give one.".into());
    }
    for (i, dimension) in trigger.dimensions.iter().enumerate() {
        let mut at = at.inside(&format!("dimensions[{i}]"));
        at.word("Operator", &dimension.operator, &["Equals", "NotEquals"]);
        if dimension.dimension_name.is_empty() || dimension.values.is_empty() {
            at.add("Values", "A dimension needs a DimensionName and at least one of Values.".into());
        }
    }
    let action = &rule.scale_action;
    let mut at = scope.inside("scaleAction");
    at.word("direction", &action.direction, DIRECTIONS);
    at.word("type", &action.action_type, ACTIONS);
    at.duration("cooldown", &action.cooldown, 60, 7 * 86_400);
    if !action.value.parse::<u32>().is_ok_and(|value| value > 0) {
        let value = shorten(&action.value);
        at.add(
            "value",
            format!("value is \"{value}\": give how many instances (or percent) to change by, as a string."),
        );
    }
}

fn check_fixed_date(scope: &mut Scope<'_>, date: &Value) {
    let time = |key: &str| {
        let text = date.get(key).and_then(Value::as_str)?;
        // Azure writes both `2026-01-01T00:00:00Z` and times without a zone.
        text.trim_end_matches('Z').parse::<jiff::civil::DateTime>().ok()
    };
    match (time("start"), time("end")) {
        (Some(start), Some(end)) if start < end => {}
        (Some(_), Some(_)) => scope.add("fixedDate.end", "The fixedDate ends before it starts: swap them.".into()),
        _ => scope
            .add("fixedDate", "The fixedDate needs start and end such as 2026-01-01T00:00:00Z, and a timeZone.".into()),
    }
}

fn check_recurrence(scope: &mut Scope<'_>, recurrence: &Value) {
    let frequency = recurrence.get("frequency").and_then(Value::as_str).unwrap_or_default();
    scope.word("frequency", frequency, FREQUENCIES);
    let schedule = recurrence.get("schedule").unwrap_or(&Value::Null);
    let list = |key: &str| schedule.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    for day in list("days") {
        scope.word("schedule.days", day.as_str().unwrap_or_default(), DAYS);
    }
    for (key, most) in [("hours", 23), ("minutes", 59)] {
        let values = list(key);
        if values.is_empty() || values.iter().any(|value| value.as_u64().is_none_or(|value| value > most)) {
            let message = format!("The recurrence's {key} must be a list of numbers from 0 to {most}, such as [0].");
            scope.add(&format!("schedule.{key}"), message);
        }
    }
}

#[cfg(test)]
#[path = "autoscale_tests.rs"]
mod tests;
