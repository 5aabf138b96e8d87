use proptest::prelude::*;
use serde_json::json;

use super::*;

const DEPLOYMENT: &str = "/subscriptions/s/resourcegroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/e1/deployments/blue";

/// The example of reference §10.
fn example() -> Value {
    let endpoint = DEPLOYMENT.trim_end_matches("/deployments/blue");
    json!({"location": "local", "properties": {"enabled": true, "targetResourceUri": DEPLOYMENT, "profiles": [
        {"name": "my-scale-settings", "capacity": {"minimum": "2", "maximum": "5", "default": "2"}, "rules": [
            {"metricTrigger": {"metricName": "CpuUtilizationPercentage", "metricResourceUri": DEPLOYMENT, "timeGrain": "PT1M",
                "statistic": "Average", "timeWindow": "PT5M", "timeAggregation": "Last", "operator": "GreaterThan", "threshold": 70.0},
             "scaleAction": {"direction": "Increase", "type": "ChangeCount", "value": "2", "cooldown": "PT1H"}},
            {"metricTrigger": {"metricName": "RequestLatency", "metricNamespace": "microsoft.machinelearningservices/workspaces/onlineendpoints",
                "metricResourceUri": endpoint, "timeGrain": "PT1M", "statistic": "Average", "timeWindow": "PT5M",
                "timeAggregation": "Average", "operator": "GreaterThan", "threshold": 70.0,
                "dimensions": [{"DimensionName": "deployment", "Operator": "Equals", "Values": ["blue"]}]},
             "scaleAction": {"direction": "Decrease", "type": "ChangeCount", "value": "1", "cooldown": "PT5M"}}]},
        {"name": "weekend-profile", "capacity": {"minimum": "2", "maximum": "2", "default": "2"}, "rules": [],
         "recurrence": {"frequency": "Week", "schedule": {"timeZone": "Pacific Standard Time", "days": ["Saturday", "Sunday"],
            "hours": [0], "minutes": [0]}}}]}})
}

#[test]
fn what_the_sdk_sends_is_taken_and_kept() {
    let body = example();
    let settings = check_autoscale(&body).unwrap();
    let mut back = serde_json::to_value(settings).unwrap();
    back.as_object_mut().unwrap().remove("tags");
    assert_eq!(back, body);
}

#[test]
fn each_rule_has_its_message() {
    for (pointer, value, target, words) in [
        ("/properties/targetResourceUri", json!("e1"), "properties.targetResourceUri", "not the id of a deployment"),
        ("/properties/profiles", json!([]), "properties.profiles", "0 profiles"),
        ("/properties/profiles/1/name", json!("My-Scale-Settings"), "properties.profiles[1].name", "rename one"),
        (
            "/properties/profiles/0/capacity/minimum",
            json!("3"),
            "properties.profiles[0].capacity",
            "minimum 3, default 2",
        ),
        ("/properties/profiles/0/capacity/maximum", json!("99"), "properties.profiles[0].capacity.maximum", "\"99\""),
        (
            "/properties/profiles/0/rules/0/metricTrigger/operator",
            json!("GreaterThen"),
            "properties.profiles[0].rules[0].metricTrigger.operator",
            "did you mean GreaterThan?",
        ),
        (
            "/properties/profiles/0/rules/0/metricTrigger/timeWindow",
            json!("PT1M"),
            "properties.profiles[0].rules[0].metricTrigger.timeWindow",
            "give 5 to 720 minutes",
        ),
        (
            "/properties/profiles/0/rules/1/scaleAction/value",
            json!("few"),
            "properties.profiles[0].rules[1].scaleAction.value",
            "\"few\"",
        ),
        (
            "/properties/profiles/0/rules/1/scaleAction/cooldown",
            json!("soon"),
            "properties.profiles[0].rules[1].scaleAction.cooldown",
            "such as PT5M",
        ),
        (
            "/properties/profiles/1/recurrence/schedule/days/0",
            json!("Caturday"),
            "properties.profiles[1].recurrence.schedule.days",
            "did you mean Saturday?",
        ),
        (
            "/properties/profiles/1/recurrence/schedule/hours",
            json!([24]),
            "properties.profiles[1].recurrence.schedule.hours",
            "from 0 to 23",
        ),
    ] {
        let mut body = example();
        *body.pointer_mut(pointer).unwrap() = value;
        let error = check_autoscale(&body).unwrap_err();
        assert_eq!(error.target.as_deref(), Some(target), "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_window_has_a_beginning_before_its_end() {
    let mut body = example();
    let profile = body.pointer_mut("/properties/profiles/0").unwrap();
    profile["fixedDate"] = json!({"timeZone": "UTC", "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00"});
    assert!(check_autoscale(&body).is_ok());
    body.pointer_mut("/properties/profiles/0").unwrap()["fixedDate"]["end"] = json!("2025-01-02T00:00:00Z");
    assert!(check_autoscale(&body).unwrap_err().message.contains("ends before it starts"));
}

#[test]
fn a_wrong_shape_is_said_so() {
    for body in [
        json!(3),
        json!({"properties": {"profiles": 3}}),
        json!({"properties": {"profiles": [{"capacity": {"minimum": 2}}]}}),
    ] {
        let error = check_autoscale(&body).unwrap_err();
        assert!(error.message.contains("cannot be read") && error.message.contains("strings"), "{body}: {error}");
    }
    assert!(check_autoscale(&json!({})).is_err());
}

proptest! {
    #[test]
    fn no_value_panics(at in 0..12_usize, text in "\\PC{0,30}") {
        const POINTERS: [&str; 12] = ["/properties/profiles/0/capacity/minimum", "/properties/profiles/0/name",
            "/properties/targetResourceUri", "/properties/profiles/0/rules/0/metricTrigger/timeGrain",
            "/properties/profiles/0/rules/0/metricTrigger/operator", "/properties/profiles/0/rules/0/scaleAction/cooldown",
            "/properties/profiles/1/recurrence", "/properties/profiles/1/recurrence/schedule",
            "/properties/profiles/1/recurrence/schedule/days", "/properties/profiles/1/recurrence/schedule/hours/0",
            "/properties/profiles/0/rules/0/metricTrigger/metricResourceUri", "/properties/profiles/0/capacity/default"];
        let mut body = example();
        *body.pointer_mut(POINTERS[at]).unwrap() = json!(text);
        let _ = check_autoscale(&body);
        body.pointer_mut("/properties/profiles/0").unwrap()["fixedDate"] = json!({"start": text, "end": text});
        let _ = check_autoscale(&body);
    }
}
