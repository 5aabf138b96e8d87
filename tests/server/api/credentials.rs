//! Tokens at the door of an endpoint: the right one opens it, every other is answered with 401.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mlconsole::server::store::TOKEN_SIGNING_SECRET;
use ring::hmac;
use serde_json::{Value, json};

use super::house::{House, sample_model, sample_request};

/// A token signed as the workspace signs, with any claims: only its own store has what that takes.
fn signed(house: &House, purpose: &str, header: &Value, claims: &Value) -> String {
    let secret = house.running().app().store.secret(TOKEN_SIGNING_SECRET).unwrap().unwrap();
    let master = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&master, purpose.as_bytes()).as_ref());
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
    format!("{text}.{signature}")
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_endpoint_in_its_time_and_nothing_else() {
    let house = House::open().await;
    let model = house.model("recommender", "1", &sample_model()).await;
    for (name, mode) in [("with-aml", "AMLToken"), ("other-aml", "AMLToken"), ("with-aad", "AADToken")] {
        house.put(&format!("/onlineEndpoints/{name}"), json!({"properties": {"authMode": mode}})).await.is(201);
        house.deployment(name, "blue", &model).await;
        house.traffic(name, json!({"blue": 100}), json!({})).await.is(200);
    }
    let score = async |name: &str, token: &str| {
        let request = house.client.post(format!("{}/endpoints/{name}/score", house.base)).bearer_auth(token);
        let reply = house.send(request.json(&sample_request())).await;
        assert!(token.is_empty() || !reply.text.contains(token), "a token is never repeated");
        reply
    };
    let issued = house.post("/onlineEndpoints/with-aml/token", json!({})).await.is(200).body;
    let (aml, now) = (issued["accessToken"].as_str().unwrap(), jiff::Timestamp::now().as_second());
    let (expiry, refresh) =
        (issued["expiryTimeUtc"].as_i64().unwrap(), issued["refreshAfterTimeUtc"].as_i64().unwrap());
    assert!((expiry - now - 24 * 3600).abs() < 600 && (refresh - now - 12 * 3600).abs() < 600, "{issued}");
    let connection = house.running().connection();
    let aad = house.client.get(&connection.identity_endpoint).query(&[("resource", "https://ml.azure.com")]);
    let aad = house.send(aad.header("X-IDENTITY-HEADER", &connection.identity_header)).await.is(200).body;
    let aad = aad["access_token"].as_str().unwrap();
    score("with-aml", aml).await.is(200);
    score("with-aad", aad).await.is(200);

    let jwt = json!({"alg": "HS256", "typ": "JWT"});
    let with = |claims: &Value, name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    for (endpoint, purpose, good) in
        [("with-aml", "endpoint-token", claims_of(aml)), ("with-aad", "identity", claims_of(aad))]
    {
        // The forger's tool works: what follows is refused for what it says.
        score(endpoint, &signed(&house, purpose, &jwt, &good)).await.is(200);
        for (why, claims) in [
            ("expired", with(&good, "exp", (now - 1).into())),
            ("expired long ago", with(&good, "exp", 0.into())),
            ("not yet valid", with(&good, "nbf", (now + 3_600).into())),
            ("for another audience", with(&good, "aud", "https://management.azure.com".into())),
            ("for no audience", with(&good, "aud", Value::Null)),
            ("without an end", with(&good, "exp", Value::Null)),
            ("with an end that is no number", with(&good, "exp", "tomorrow".into())),
        ] {
            let reply = score(endpoint, &signed(&house, purpose, &jwt, &claims)).await;
            assert_eq!(reply.status, 401, "{endpoint}, {why}: {}", reply.text);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        // Unsigned, or signed for another purpose.
        let none = signed(&house, purpose, &json!({"alg": "none"}), &good);
        let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
        for forged in [unsigned, signed(&house, "uploads", &jwt, &good)] {
            score(endpoint, &forged).await.is(401);
        }
    }
    let good = claims_of(aml);
    for (why, claims) in [
        ("another endpoint", with(&good, "endpointName", "other-aml".into())),
        ("no endpoint", with(&good, "endpointName", Value::Null)),
        ("another workspace", with(&good, "workspaceId", "00000000-0000-0000-0000-000000000000".into())),
    ] {
        let reply = score("with-aml", &signed(&house, "endpoint-token", &jwt, &claims)).await;
        assert_eq!(reply.status, 401, "{why}: {}", reply.text);
    }
    for (endpoint, token) in [
        ("other-aml", aml),
        ("with-aad", aml),
        ("with-aml", aad),
        ("with-aad", house.token.as_str()),
        ("with-aml", house.token.as_str()),
        ("with-aml", ""),
        ("with-aml", "x.y.z"),
    ] {
        let reply = score(endpoint, token).await;
        assert_eq!(reply.status, 401, "{endpoint}: {}", reply.text);
    }
    // A name in another case is the same endpoint.
    score("WITH-AML", aml).await.is(200);
}
