//! Whatever is sent, the workspace answers without falling over and nothing is written where it should not be.

use std::sync::Arc;

use reqwest::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::house::{House, sample_model, with_version};

/// Sends bytes as they are, over TLS, and reads the status.
async fn raw(house: &House, head: &str) -> u16 {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&house.running().connection().ca_file).unwrap() {
        let _ = roots.add(certificate.unwrap());
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let address = house.base.strip_prefix("https://").unwrap().to_owned();
    let socket = tokio::net::TcpStream::connect(&address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 4\r\nConnection: close\r\n\r\nevil",
        house.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The end may come without a goodbye.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn dots_in_paths_lead_nowhere() {
    let house = House::open().await;
    let url = house.blob_url("X", "").await;
    let (path, query) = url.strip_prefix(&house.base).unwrap().split_once('?').unwrap();
    let (inside, container) = (path.strip_suffix("/X").unwrap(), "/azureml-blobstore-local");
    let outside = inside.strip_suffix(container).unwrap();
    for path in [
        format!("{inside}/../../workspace.db"),
        format!("{inside}/%2e%2e/%2e%2e/evil"),
        format!("{inside}/a/../../../evil"),
        format!("{inside}/./evil"),
        format!("{outside}/../evil"),
        format!("{outside}/.tmp/evil"),
        format!("{outside}/.meta/evil"),
        format!("{outside}//evil"),
        format!("{outside}{container}/"),
    ] {
        for method in ["PUT", "GET", "HEAD"] {
            let status = raw(&house, &format!("{method} {path}?{query}")).await;
            let harmless = (400..500).contains(&status) || (method != "PUT" && path.ends_with('/') && status == 200);
            assert!(harmless, "{method} {path}: {status}");
        }
    }
    for head in
        ["GET /%ff%fe", "GET /subscriptions/%00", "GET //", "PUT /subscriptions/../../etc", "OPTIONS *", "GET /%"]
    {
        let status = raw(&house, head).await;
        assert!((400..500).contains(&status), "{head}: {status}");
    }
    house.get("").await.is(200);
}

/// JSON of any shape, with names and values that mean something here more often than chance would have it.
fn anything(random: &mut fastrand::Rng, depth: u32) -> Value {
    const NAMES: &[&str] = &[
        "properties",
        "sku",
        "capacity",
        "traffic",
        "mirrorTraffic",
        "tags",
        "identity",
        "authMode",
        "model",
        "modelUri",
        "modelType",
        "requestSettings",
        "requestTimeout",
        "livenessProbe",
        "keys",
        "keyType",
        "keyValue",
        "image",
        "codeUri",
        "dataUri",
        "isArchived",
        "blue",
        "compute",
        "dataCollector",
        "collections",
        "containerResourceRequirements",
        "scaleSettings",
        "userAssignedIdentities",
        "targetResourceUri",
        "profiles",
        "tail",
        "containerType",
        "flavors",
        "hash_sha256",
        "environmentVariables",
        "type",
        "name",
    ];
    const WORDS: &[&str] = &[
        "",
        "Key",
        "Managed",
        "PT5S",
        "PT-1S",
        "P1Y",
        "Primary",
        "custom_model",
        "azureml:a:1",
        "\u{0}",
        "é/../..",
        "Default",
    ];
    match random.u32(0..if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => random.bool().into(),
        2 => random.i64(..).into(),
        3 => (random.f64() * 200.0 - 50.0).into(),
        4 => WORDS[random.usize(..WORDS.len())].into(),
        5 => (0..random.u32(0..4)).map(|_| anything(random, depth - 1)).collect(),
        _ => {
            let mut members = serde_json::Map::new();
            for _ in 0..random.u32(1..6) {
                members.insert(NAMES[random.usize(..NAMES.len())].into(), anything(random, depth - 1));
            }
            Value::Object(members)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_however_odd_is_a_server_error() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    let group = house.running().connection().workspace_id().split("/providers").next().unwrap().to_owned();
    let autoscale = with_version(&format!("{}{group}/providers/Microsoft.Insights/autoscalesettings/a", house.base));
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..400 {
        let (method, url) = match random.u32(0..12) {
            0 => (Method::PUT, house.ws("/onlineEndpoints/other")),
            1 => (Method::PUT, house.ws("/onlineEndpoints/food")),
            2 => (Method::PATCH, house.ws("/onlineEndpoints/food")),
            3 => (Method::PUT, house.ws("/onlineEndpoints/food/deployments/green")),
            4 => (Method::PATCH, house.ws("/onlineEndpoints/food/deployments/blue")),
            5 => (Method::PUT, house.ws("/models/m/versions/2")),
            6 => (Method::PUT, house.ws("/environments/n/versions/1")),
            7 => (Method::PUT, house.ws("/codes/c/versions/1")),
            8 => (Method::PUT, house.ws("/data/d/versions/1")),
            9 => (Method::POST, house.ws("/onlineEndpoints/food/regenerateKeys")),
            10 => (Method::POST, house.ws("/onlineEndpoints/food/deployments/blue/getLogs")),
            _ => (Method::PUT, autoscale.clone()),
        };
        let mut body = anything(&mut random, 5);
        if random.bool() {
            body = json!({"properties": body});
        }
        let reply = house.send(house.request(method.clone(), &url).json(&body)).await;
        assert!(reply.status < 500, "round {round}: {method} {url} {body}: {}", reply.text);
        if reply.status == 400 {
            assert!(!reply.code().is_empty());
        }
    }
    house.get("/onlineEndpoints").await.is(200);
    house.get("/onlineEndpoints/food/deployments").await.is(200);
    house.send(house.request(Method::GET, "/mlconsole/v1/journal")).await.is(200);
}
