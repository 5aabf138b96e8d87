//! Getting in: tokens, and a closed door everywhere without one.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, with_version};

/// Every route there is, with `{ws}` for the workspace, `{sub}` for the subscription and `{rg}` for the group.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "{rg}/providers/Microsoft.MachineLearningServices/workspaces"),
    ("GET", "{ws}"),
    ("GET", "{ws}/onlineEndpoints"),
    ("GET", "{ws}/onlineEndpoints/e1"),
    ("PUT", "{ws}/onlineEndpoints/e1"),
    ("PATCH", "{ws}/onlineEndpoints/e1"),
    ("DELETE", "{ws}/onlineEndpoints/e1"),
    ("POST", "{ws}/onlineEndpoints/e1/listKeys"),
    ("POST", "{ws}/onlineEndpoints/e1/regenerateKeys"),
    ("POST", "{ws}/onlineEndpoints/e1/token"),
    ("GET", "{ws}/onlineEndpoints/e1/deployments"),
    ("GET", "{ws}/onlineEndpoints/e1/deployments/blue"),
    ("PUT", "{ws}/onlineEndpoints/e1/deployments/blue"),
    ("PATCH", "{ws}/onlineEndpoints/e1/deployments/blue"),
    ("DELETE", "{ws}/onlineEndpoints/e1/deployments/blue"),
    ("POST", "{ws}/onlineEndpoints/e1/deployments/blue/getLogs"),
    ("GET", "{ws}/onlineEndpoints/e1/deployments/blue/skus"),
    ("GET", "{sub}/providers/Microsoft.MachineLearningServices/locations/local/mfeOperationsStatus/oe:x"),
    ("GET", "{sub}/providers/Microsoft.MachineLearningServices/locations/local/mfeOperationResults/oe:x"),
    ("GET", "{sub}/providers/Microsoft.MachineLearningServices/locations/local/vmSizes"),
    ("GET", "{sub}/providers/Microsoft.MachineLearningServices/locations/local/usages"),
    ("GET", "{ws}/datastores"),
    ("GET", "{ws}/datastores/workspaceblobstore"),
    ("POST", "{ws}/datastores/workspaceblobstore/listSecrets"),
    ("GET", "{ws}/models"),
    ("GET", "{ws}/models/m"),
    ("PUT", "{ws}/models/m"),
    ("GET", "{ws}/models/m/versions"),
    ("GET", "{ws}/models/m/versions/1"),
    ("PUT", "{ws}/models/m/versions/1"),
    ("GET", "{ws}/environments"),
    ("PUT", "{ws}/environments/n/versions/1"),
    ("GET", "{ws}/codes/c/versions?hash=ab&hashVersion=202208"),
    ("POST", "{ws}/codes/c/versions/1/startPendingUpload"),
    ("PUT", "{ws}/codes/c/versions/1"),
    ("PUT", "{ws}/data/n/versions/1"),
    ("GET", "{ws}/onlineEndpoints/e1/providers/Microsoft.Insights/metrics"),
    ("GET", "{ws}/onlineEndpoints/e1/providers/Microsoft.Insights/metricDefinitions"),
    ("GET", "{ws}/onlineEndpoints/e1/deployments/blue/providers/microsoft.insights/metrics"),
    ("GET", "{rg}/providers/Microsoft.Insights/autoscalesettings"),
    ("PUT", "{rg}/providers/Microsoft.Insights/autoscalesettings/a"),
    ("DELETE", "{rg}/providers/Microsoft.Insights/autoscalesettings/a"),
    ("GET", "/mlconsole/v1/live"),
    ("GET", "/mlconsole/v1/journal"),
    ("GET", "/mlconsole/v1/operations"),
    ("POST", "/mlconsole/v1/operations/x/cancel"),
    ("GET", "/mlconsole/v1/requests"),
    ("GET", "/mlconsole/v1/logs?endpoint=e1&deployment=blue"),
    ("GET", "/mlconsole/v1/workspace"),
    ("GET", "/mlconsole/v1/models/m/versions/1/inspect"),
    ("GET", "/mlconsole/v1/endpoints/e1/deployments/blue/sample"),
    ("POST", "/mlconsole/v1/endpoints/e1/deployments/blue/restart"),
    ("GET", "/metrics"),
    ("GET", "/nothing/here"),
    ("GET", "/"),
];

fn url(house: &House, path: &str) -> String {
    let ws = house.running().connection().workspace_id();
    let rg = ws.split("/providers").next().unwrap();
    let sub = rg.split("/resourceGroups").next().unwrap();
    with_version(&format!("{}{}", house.base, path.replace("{ws}", &ws).replace("{rg}", rg).replace("{sub}", sub)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_401_on_every_route_and_the_owner_does_not() {
    let house = House::open().await;
    let aad = house.client.get(&house.running().connection().identity_endpoint);
    let aad = aad.query(&[("resource", "https://ml.azure.com")]);
    let aad = aad.header("X-IDENTITY-HEADER", &house.running().connection().identity_header);
    let scoring_token = house.send(aad).await.is(200).body["access_token"].as_str().unwrap().to_owned();
    for (method, path) in ROUTES {
        let (method, url) = (Method::from_bytes(method.as_bytes()).unwrap(), url(&house, path));
        for token in [None, Some(""), Some("x.y.z"), Some(scoring_token.as_str())] {
            let mut request = house.client.request(method.clone(), &url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let reply = house.send(request).await.is(401);
            assert_eq!(reply.code(), "AuthenticationFailed", "{path}");
            assert!(reply.header("www-authenticate").starts_with("Bearer "), "{path}");
            assert!(!reply.text.contains(&scoring_token));
        }
        let reply = house.request(method, &url).send().await.unwrap();
        assert_ne!(reply.status(), 401, "{path}");
        assert!(reply.status().as_u16() < 500, "{path}: {}", reply.status());
        assert!(reply.headers().contains_key("x-ms-request-id"), "{path}");
    }
    let blob = format!("{}/blob/local/azureml-blobstore-local/x", house.base);
    let reply = house.send(house.client.get(&blob)).await.is(401);
    assert_eq!(reply.header("x-ms-error-code"), "NoAuthenticationInformation");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_route_gives_tokens_only_for_the_secret() {
    let house = House::open().await;
    let connection = house.running().connection().clone();
    let ask = |header: Option<&str>, resource: &str, endpoint: &str| {
        let mut request = house.client.get(endpoint).query(&[("api-version", "2019-08-01"), ("resource", resource)]);
        if let Some(header) = header {
            request = request.header("X-IDENTITY-HEADER", header);
        }
        house.send(request)
    };
    let https = format!("{}/msi/token", house.base);
    for endpoint in [connection.identity_endpoint.as_str(), &https] {
        for wrong in [None, Some(""), Some("guess"), Some(&connection.identity_header[1..])] {
            ask(wrong, &house.base, endpoint).await.is(401);
        }
        let reply = ask(Some(&connection.identity_header), &house.base, endpoint).await.is(200);
        assert_eq!(reply.body["token_type"], "Bearer");
        assert_eq!(reply.body["resource"], house.base.as_str());
        assert!(reply.body["expires_on"].as_str().unwrap().parse::<i64>().unwrap() > 1_700_000_000);
        let reply = ask(Some(&connection.identity_header), "https://management.azure.com", endpoint).await.is(400);
        assert!(reply.code() == "invalid_resource" && reply.text.contains(&house.base));
    }
    // Nothing else is answered without TLS.
    let plain = connection.identity_endpoint.replace("/msi/token", "/metrics");
    assert_eq!(house.client.get(&plain).bearer_auth(&house.token).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_leads_an_sdk_here_without_a_credential() {
    let house = House::open().await;
    let url = format!("{}/metadata/endpoints?api-version=2019-05-01", house.base);
    let reply = house.send(house.client.get(&url)).await.is(200);
    let cloud = &reply.body[0];
    assert!(url.contains(cloud["resourceManager"].as_str().unwrap()), "how the SDK chooses the cloud");
    assert!(cloud["portal"].as_str().unwrap().matches('.').count() >= 2);
    for part in ["/name", "/authentication/loginEndpoint", "/suffixes/storage"] {
        assert!(cloud.pointer(part).is_some_and(Value::is_string), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_miss_are_told_what_there_is() {
    let house = House::open().await;
    let ws = house.running().connection().workspace_id();
    let get = |path: String| house.send(house.request(Method::GET, &path));
    let reply = get(ws.clone()).await.is(400);
    assert_eq!(reply.code(), "MissingApiVersionParameter");
    let reply = get(with_version(&format!("{ws}/jobs"))).await.is(404);
    assert!(reply.code() == "RouteNotFound" && reply.text.contains("onlineEndpoints"));
    let reply = get(with_version(&ws.replace("workspaces/local", "workspaces/other"))).await.is(404);
    assert!(reply.text.contains("other") && reply.text.contains("local"));
    let reply = get(with_version(&ws.replace("resourceGroups/local", "resourceGroups/prod"))).await.is(404);
    assert_eq!(reply.code(), "ResourceGroupNotFound");
    let upper = with_version(&ws.to_uppercase());
    assert_eq!(get(upper).await.is(200).body["location"], "local");
    let reply = house.send(house.request(Method::DELETE, &house.ws("/models/m/versions/1"))).await.is(405);
    assert_eq!((reply.code(), reply.header("allow")), ("HttpMethodNotAllowed", "GET, PUT"));
    let id = "3f1c9a52-6d0e-4e0e-9a63-6a4f0d4b1d11";
    let request = house.request(Method::GET, &house.ws("")).header("x-ms-client-request-id", id);
    assert_eq!(house.send(request).await.is(200).header("x-ms-client-request-id"), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_resource_are_refused_with_the_property() {
    let house = House::open().await;
    let put = |body: String| house.send(house.request(Method::PUT, &house.ws("/onlineEndpoints/fraud")).body(body));
    for (body, part) in [
        ("", "no body"),
        ("[]", "a list"),
        ("{\"properties\": ", "not JSON"),
        ("{\"properties\": {\"traffic\": {\"blue\": \"all\"}}}", "properties.traffic.blue"),
        ("{\"properties\": []}", "properties"),
        ("{\"tags\": {\"a\": {}}}", "tags.a"),
    ] {
        let reply = put(body.to_owned()).await.is(400);
        assert!(reply.text.contains(part), "{body}: {}", reply.text);
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    put(deep).await.is(400);
    let long = format!("{{\"tags\": {{\"a\": \"{}\"}}}}", "x".repeat(5 << 20));
    assert_eq!(put(long).await.is(413).code(), "RequestEntityTooLarge");
    assert_eq!(house.get("/onlineEndpoints").await.is(200).body, json!({"value": []}));
}
