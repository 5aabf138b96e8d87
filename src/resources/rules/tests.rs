use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::resources::{Deployment, Endpoint, TrafficMap, Weight};

fn map(weights: &[(&str, u16)]) -> TrafficMap {
    weights.iter().map(|(name, percent)| ((*name).to_owned(), Weight::percent(*percent))).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn message(result: Result<(), ArmError>) -> String {
    result.unwrap_err().message
}

fn endpoint(value: serde_json::Value) -> Endpoint {
    serde_json::from_value(value).unwrap()
}

fn deployment(properties: serde_json::Value) -> Deployment {
    serde_json::from_value(json!({"name": "blue", "properties": properties})).unwrap()
}

/// Targets of everything wrong with a deployment.
fn targets(properties: serde_json::Value, kubernetes: bool) -> Vec<String> {
    let error = match check_deployment(&deployment(properties), kubernetes) {
        Ok(()) => return Vec::new(),
        Err(error) => error,
    };
    let all = if error.details.is_empty() { vec![error] } else { error.details };
    all.into_iter().map(|problem| problem.target.unwrap().trim_start_matches("properties.").to_owned()).collect()
}

#[test]
fn names_are_those_azure_takes() {
    for good in ["abc", "a-b", "endpoint-example", "E1x", &"a".repeat(32)] {
        assert_eq!(check_endpoint_name(good), Ok(()), "{good}");
        assert_eq!(check_deployment_name(good), Ok(()), "{good}");
    }
    for (bad, why) in [
        ("", "empty"),
        ("ab", "2 characters"),
        (&"a".repeat(33), "33 characters"),
        ("1ab", "start with a letter"),
        ("-ab", "start with a letter"),
        ("ab-", "ends with a dash"),
        ("a--b", "two dashes"),
        ("a_b", "'_'"),
        ("größe", "'ö'"),
        ("a b", "' '"),
        ("../x", "'.'"),
    ] {
        let text = message(check_endpoint_name(bad));
        assert!(text.contains(why) && text.contains("Choose 3 to 32"), "{bad}: {text}");
    }
}

#[test]
fn kubernetes_counts_both_names_together() {
    assert_eq!(check_kubernetes_names("abc", "def"), Ok(()));
    assert!(message(check_kubernetes_names(&"a".repeat(32), &"b".repeat(31))).contains("63 characters"));
}

#[test]
fn traffic_sums_to_100_or_0_and_the_sum_is_named() {
    let both = names(&["blue", "green"]);
    assert_eq!(check_traffic(&map(&[("blue", 90), ("Green", 10)]), &both), Ok(()));
    assert_eq!(check_traffic(&map(&[("blue", 0)]), &both), Ok(()));
    assert_eq!(check_traffic(&map(&[("gone", 0), ("blue", 100)]), &both), Ok(()), "0 is the same as absent");
    let text = message(check_traffic(&map(&[("blue", 90), ("green", 20)]), &both));
    assert!(text.contains("sum to 110, not 100: blue 90 + green 20"), "{text}");
}

#[test]
fn traffic_goes_to_deployments_that_exist() {
    let text = message(check_traffic(&map(&[("gren", 100)]), &names(&["blue", "green"])));
    assert!(text.contains("gren") && text.contains("did you mean green?"), "{text}");
    let text = message(check_traffic(&map(&[("blue", 100)]), &[]));
    assert!(text.contains("no deployments yet"), "{text}");
    let text = message(check_traffic(&map(&[("blue", 50), ("Blue", 50)]), &names(&["blue"])));
    assert!(text.contains("twice"), "{text}");
    assert_eq!(canonical_traffic(&map(&[("BLUE", 100), ("green", 0)]), &names(&["blue"])), map(&[("blue", 100)]));
}

#[test]
fn a_mirror_is_one_at_most_half_not_live_not_on_kubernetes() {
    let all = names(&["blue", "green", "red"]);
    let live = map(&[("blue", 100)]);
    assert_eq!(check_mirror(&map(&[("green", 50)]), &live, &all, false), Ok(()));
    assert_eq!(check_mirror(&map(&[("green", 0)]), &live, &all, true), Ok(()));
    for (mirror, kubernetes, why) in [
        (map(&[("green", 51)]), false, "at most 50 %"),
        (map(&[("green", 10), ("red", 10)]), false, "one deployment only"),
        (map(&[("blue", 10)]), false, "100 % of the live traffic"),
        (map(&[("green", 10)]), true, "Kubernetes endpoint"),
        (map(&[("pink", 10)]), false, "pink"),
    ] {
        let text = message(check_mirror(&mirror, &live, &all, kubernetes));
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn an_endpoint_is_checked_as_a_whole_and_every_problem_named() {
    let good = json!({"name": "restaurants", "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "publicNetworkAccess": "disabled"}});
    assert_eq!(check_endpoint(&endpoint(good), &[]), Ok(()));
    let bad = json!({"name": "r", "identity": {"type": "UserAssigned", "userAssignedIdentities": {}},
        "properties": {"traffic": {"blue": 10}, "publicNetworkAccess": "maybe", "compute": " ",
            "keys": {"primaryKey": "a b", "secondaryKey": "x"}}});
    let error = check_endpoint(&endpoint(bad), &names(&["blue"])).unwrap_err();
    let targets: Vec<&str> = error.details.iter().filter_map(|problem| problem.target.as_deref()).collect();
    assert_eq!(
        targets,
        [
            "name",
            "properties.traffic",
            "properties.publicNetworkAccess",
            "identity.userAssignedIdentities",
            "properties.compute",
            "properties.keys"
        ]
    );
    assert!(error.message.starts_with("6 things are wrong:\n- "), "{}", error.message);
    assert!(!error.message.contains("a b"), "keys stay out of messages");
}

#[test]
fn what_the_sdk_sends_is_fine() {
    let full = json!({"endpointComputeType": "Managed", "model": "m", "environmentVariables": {"COLOR": "blue"},
        "codeConfiguration": {"codeId": "c", "scoringScript": "src/score.py"},
        "instanceType": "STANDARD_DS3_V2", "egressPublicNetworkAccess": "disabled", "scaleSettings": {"scaleType": "Default"},
        "requestSettings": {"maxQueueWait": "PT2S", "maxConcurrentRequestsPerInstance": 2, "requestTimeout": "PT1M30S"},
        "livenessProbe": {"failureThreshold": 20, "successThreshold": 1, "timeout": "PT3S", "period": "PT11S", "initialDelay": "PT12S"},
        "readinessProbe": {"failureThreshold": 10, "successThreshold": 1, "timeout": "PT4S", "period": "PT9S", "initialDelay": "PT8S"},
        "dataCollector": {"collections": {"model_inputs": {"dataCollectionMode": "enabled", "samplingRate": 0.5, "dataId": "d"}}}});
    assert_eq!(targets(full, false), Vec::<String>::new());
    let kubernetes = json!({"endpointComputeType": "Kubernetes",
        "containerResourceRequirements": {"containerResourceRequests": {"cpu": "0.1", "memory": "0.2Gi"},
            "containerResourceLimits": {"cpu": "300m", "memory": "0.5Gi", "nvidia.com/gpu": null}},
        "scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 1, "maxInstances": 2,
            "pollingInterval": "PT10S", "targetUtilizationPercentage": 70}});
    assert_eq!(targets(kubernetes, true), Vec::<String>::new());
}

#[test]
fn each_limit_of_a_deployment_has_its_message() {
    let probe = |field: &str, value: serde_json::Value| json!({"livenessProbe": {field: value}});
    for (properties, kubernetes, target) in [
        (json!({"instanceType": "Standard_DS3"}), false, "instanceType"),
        (json!({"endpointComputeType": "Kubernetes"}), false, "endpointComputeType"),
        (json!({"requestSettings": {"requestTimeout": "PT3M1S"}}), false, "requestSettings.requestTimeout"),
        (json!({"requestSettings": {"requestTimeout": "PT0S"}}), false, "requestSettings.requestTimeout"),
        (json!({"requestSettings": {"requestTimeout": "PT5M1S"}}), true, "requestSettings.requestTimeout"),
        (
            json!({"requestSettings": {"maxConcurrentRequestsPerInstance": 0}}),
            false,
            "requestSettings.maxConcurrentRequestsPerInstance",
        ),
        (probe("initialDelay", json!("PT0S")), false, "livenessProbe.initialDelay"),
        (probe("period", json!("PT0.5S")), false, "livenessProbe.period"),
        (probe("timeout", json!("PT0S")), false, "livenessProbe.timeout"),
        (probe("successThreshold", json!(2)), false, "livenessProbe.successThreshold"),
        (probe("failureThreshold", json!(0)), false, "livenessProbe.failureThreshold"),
        (json!({"scaleSettings": {"scaleType": "TargetUtilization"}}), false, "scaleSettings.scaleType"),
        (json!({"scaleSettings": {"scaleType": "Magic"}}), true, "scaleSettings.scaleType"),
        (
            json!({"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 3, "maxInstances": 2}}),
            true,
            "scaleSettings.minInstances",
        ),
        (json!({"egressPublicNetworkAccess": "off"}), false, "egressPublicNetworkAccess"),
        (json!({"codeConfiguration": {"scoringScript": "../score.py"}}), false, "codeConfiguration.scoringScript"),
        (json!({"codeConfiguration": {"scoringScript": ""}}), false, "codeConfiguration.scoringScript"),
        (json!({"environmentVariables": {"A=B": "x"}}), false, "environmentVariables.A=B"),
        (
            json!({"dataCollector": {"collections": {"x": {"samplingRate": 2}}}}),
            false,
            "dataCollector.collections.x.samplingRate",
        ),
        (json!({"dataCollector": {"rollingRate": "Weekly"}}), false, "dataCollector.rollingRate"),
        (
            json!({"containerResourceRequirements": {"containerResourceRequests": {"cpu": "1"},
                "containerResourceLimits": {"cpu": "500m"}}}),
            true,
            "containerResourceRequirements.containerResourceRequests.cpu",
        ),
        (
            json!({"containerResourceRequirements": {"containerResourceLimits": {"memory": "lots"}}}),
            true,
            "containerResourceRequirements.containerResourceLimits.memory",
        ),
    ] {
        assert_eq!(targets(properties.clone(), kubernetes), [target], "{properties}");
    }
    let mut many = deployment(json!({}));
    many.sku = Some(crate::resources::Sku { capacity: 51, ..Default::default() });
    assert!(message(check_deployment(&many, false)).contains("51 instances"));
}

#[test]
fn defaults_are_azures_and_break_no_rule() {
    let mut blue = deployment(json!({"instanceType": "STANDARD_DS3_V2", "egressPublicNetworkAccess": "disabled"}));
    fill_deployment_defaults(&mut blue);
    let value = serde_json::to_value(&blue).unwrap();
    assert_eq!(value["sku"], json!({"name": "Default", "tier": "Standard", "capacity": 1}));
    let properties = &value["properties"];
    assert_eq!(properties["instanceType"], "Standard_DS3_v2");
    assert_eq!(properties["egressPublicNetworkAccess"], "Disabled");
    assert_eq!(properties["requestSettings"]["requestTimeout"], "PT5S");
    assert_eq!(properties["livenessProbe"], properties["readinessProbe"]);
    assert_eq!(properties["livenessProbe"]["failureThreshold"], 30);
    assert_eq!(check_deployment(&blue, false), Ok(()));
    let mut on_kubernetes = deployment(json!({"endpointComputeType": "kubernetes"}));
    fill_deployment_defaults(&mut on_kubernetes);
    assert_eq!(on_kubernetes.properties.container_resource_requirements, Some(json!({})));
    assert_eq!(on_kubernetes.properties.instance_type, None);
    assert_eq!(check_deployment(&on_kubernetes, true), Ok(()));
}

#[test]
fn a_deployment_with_traffic_stays_and_the_21st_is_refused() {
    assert_eq!(check_removable("green", &map(&[("blue", 100)])), Ok(()));
    assert!(message(check_removable("Blue", &map(&[("blue", 90)]))).contains("takes 90 %"));
    assert_eq!(check_deployment_count("e", 19), Ok(()));
    assert_eq!(check_deployment_count("e", 20).unwrap_err().code, "OutOfQuota");
}

#[test]
fn quantities_are_read_as_kubernetes_does() {
    for (text, amount) in [("0.5", 0.5), ("500m", 0.5), ("1Ki", 1024.0), ("0.5Gi", 536_870_912.0), ("2e3", 2000.0)] {
        assert_eq!(quantity(text), Some(amount), "{text}");
    }
    for text in ["", "x", "-1", "1 Gi", "1e999", "1.2.3", "Gi", "NaN", "inf"] {
        assert_eq!(quantity(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_name_panics_and_what_is_accepted_matches_the_sdk(name in "\\PC{0,40}", near in "[a-zA-Z0-9_.-]{0,34}") {
        for name in [name, near] {
            if check_endpoint_name(&name).is_ok() {
                prop_assert!((3..=32).contains(&name.len()));
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
            }
            if check_asset_name(&name).is_ok() {
                prop_assert!(crate::resources::paths::safe_parts(&name).is_ok(), "{name} is a folder's name");
            }
            let _ = quantity(&name);
        }
    }

    #[test]
    fn accepted_traffic_sums_to_100_or_0(weights in proptest::collection::vec(0..=4_000_u16, 0..4), fill: bool) {
        // Half of the cases are made to fit by a last weight.
        let short = 10_000_u32.saturating_sub(weights.iter().map(|w| u32::from(*w)).sum());
        let last = fill.then(|| u16::try_from(short).unwrap());
        let traffic: TrafficMap = weights.iter().copied().chain(last).enumerate()
            .map(|(i, w)| (format!("d{i}"), Weight::from_hundredths(w).unwrap())).collect();
        let all: Vec<String> = (0..5).map(|i| format!("d{i}")).collect();
        let sum = crate::resources::traffic::sum(&traffic);
        prop_assert_eq!(check_traffic(&traffic, &all).is_ok(), sum == 0 || sum == 10_000);
    }
}
