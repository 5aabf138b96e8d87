use proptest::prelude::*;

use super::*;

const WS: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local";

#[test]
fn an_id_of_any_case_is_read_and_printed_in_canonical_case() {
    let id = ResourceId::parse(&format!("{}/onlineendpoints/E1/Deployments/blue", WS.to_lowercase())).unwrap();
    assert_eq!((id.get("onlineEndpoints"), id.name()), (Some("E1"), "blue"));
    assert_eq!(id.resource_type(), "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments");
    assert_eq!(id.to_string(), format!("{WS}/onlineEndpoints/E1/deployments/blue"));
    assert!(id.same(&id.to_string().to_uppercase().parse().unwrap()));
}

#[test]
fn ids_are_built_from_the_workspace_down() {
    let id = ResourceId::workspace("00000000-0000-0000-0000-000000000001", "local", "local");
    assert_eq!(id.to_string(), WS);
    let model = id.child("models", "m").child("versions", "3");
    assert_eq!(model.asset(), Some((AssetKind::Model, "m", "3")));
}

#[test]
fn what_is_no_id_is_refused_with_its_reason() {
    for (text, why) in [
        ("", "slash"),
        ("subscriptions/x", "slash"),
        ("/subscriptions/s/resourceGroups/g", "short"),
        ("/subscriptions/s/groups/g/providers/p/a/b", "\"groups\" stands where \"resourceGroups\""),
        ("/subscriptions/s/resourceGroups/g/providers/p/a", "pairs"),
        ("/subscriptions/s/resourceGroups/g/providers/p//b", "two slashes"),
        ("/subscriptions/s/resourceGroups/g/providers/p/a/..", "\"..\" cannot"),
        ("/subscriptions/s/resourceGroups/g/providers/p/a/b%2f", "cannot"),
    ] {
        let error = ResourceId::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn every_form_of_reference_is_understood() {
    let named = |name: &str, version| AssetRef::Named { name: name.into(), version };
    let exact = |v: &str| AssetVersion::Exact(v.into());
    assert_eq!(AssetRef::parse("azureml:rec:1"), Ok(named("rec", exact("1"))));
    assert_eq!(AssetRef::parse("rec:1.2.0"), Ok(named("rec", exact("1.2.0"))));
    assert_eq!(AssetRef::parse("azureml:rec@latest"), Ok(named("rec", AssetVersion::Label("latest".into()))));
    let id = format!("azureml:{WS}/models/rec/versions/1");
    assert!(matches!(AssetRef::parse(&id), Ok(AssetRef::Id(id)) if id.asset() == Some((AssetKind::Model, "rec", "1"))));
    let registry = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest";
    assert_eq!(AssetRef::parse(registry).unwrap().to_string(), registry);
}

#[test]
fn a_reference_without_a_version_says_what_to_write() {
    let error = AssetRef::parse("azureml:rec").unwrap_err().to_string();
    assert!(error.contains("names no version") && error.contains("azureml:NAME:VERSION"), "{error}");
    for text in ["azureml:", "azureml::1", "azureml:../x:1", "azureml:a:..", "azureml:a b:1", "azureml://x", WS] {
        assert!(AssetRef::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_path_is_told_from_a_reference() {
    assert!(AssetRef::looks_like("azureml:a:1") && AssetRef::looks_like(WS));
    assert!(!AssetRef::looks_like("../model.onnx") && !AssetRef::looks_like("é/subscriptions"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", tail in "[/a-z.:@%]{0,40}") {
        let _ = ResourceId::parse(&text);
        let _ = ResourceId::parse(&format!("{WS}{tail}"));
        let _ = AssetRef::parse(&text);
        let _ = AssetRef::parse(&format!("azureml:{tail}"));
        let _ = AssetRef::looks_like(&text);
    }

    #[test]
    fn no_control_character_panics(text in proptest::collection::vec(any::<char>(), 0..60)) {
        let text: String = text.into_iter().collect();
        let _ = (ResourceId::parse(&text), ResourceId::parse(&format!("{WS}/{text}")), AssetRef::parse(&format!("azureml:{text}")));
        prop_assert!(!shorten(&text).contains(char::is_control));
    }

    #[test]
    fn ids_round_trip(names in proptest::collection::vec("[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", 1..5)) {
        let id = names.iter().fold(ResourceId::workspace("s", "g", "w"), |id, name| id.child("models", name));
        prop_assert_eq!(ResourceId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn references_round_trip(name in "[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", version in "[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", label: bool) {
        let text = format!("azureml:{name}{}{version}", if label { '@' } else { ':' });
        prop_assert_eq!(AssetRef::parse(&text).unwrap().to_string(), text);
    }
}
