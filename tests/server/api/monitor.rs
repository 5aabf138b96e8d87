//! Azure Monitor: metrics of what really happened, their definitions, autoscale settings, sizes and quotas.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, sample_model, sample_request, with_version};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_was_answered() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    house.deployment("food", "green", &model).await;
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    let keys = house.post("/onlineEndpoints/food/listKeys", json!({})).await.body;
    for name in ["blue", "blue", "green"] {
        let score =
            house.client.post(format!("{}/endpoints/food/score", house.base)).header("azureml-model-deployment", name);
        house.send(score.bearer_auth(keys["primaryKey"].as_str().unwrap()).json(&sample_request())).await.is(200);
    }
    let ask = |rest: &str| {
        let path = format!(
            "/onlineEndpoints/food/providers/microsoft.insights/metrics?metricnames=RequestsPerMinute,RequestLatency&aggregation=Average,Total{rest}"
        );
        let url = house.ws(&path);
        let house = &house;
        async move { house.send(house.request(Method::GET, &url)).await.is(200).body }
    };
    let total =
        |series: &Value| -> f64 { series["data"].as_array().unwrap().iter().filter_map(|p| p["total"].as_f64()).sum() };
    // A request is in its minute once its second is over.
    let body = loop {
        let body = ask("").await;
        if total(&body["value"][0]["timeseries"][0]) >= 3.0 {
            break body;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(total(&body["value"][0]["timeseries"][0]), 3.0);
    assert_eq!(body["namespace"], "Microsoft.MachineLearningServices/workspaces/onlineEndpoints");
    assert_eq!(body["value"][0]["name"]["value"], "RequestsPerMinute");
    assert!(
        body["value"][1]["timeseries"][0]["data"].as_array().unwrap().iter().any(|p| p["average"].as_f64() > Some(0.0))
    );
    let split = ask("&$filter=deployment%20eq%20'*'").await;
    let counts: Vec<_> = split["value"][0]["timeseries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["metadatavalues"][0]["value"].as_str().unwrap().to_owned(), total(s)))
        .collect();
    assert_eq!(counts, [("blue".to_owned(), 2.0), ("green".to_owned(), 1.0)]);
    let green = house
        .get("/onlineEndpoints/food/deployments/green/providers/Microsoft.Insights/metrics?aggregation=Total")
        .await
        .is(200)
        .body;
    assert_eq!(total(&green["value"][0]["timeseries"][0]), 1.0);
    let definitions = |of: &str| format!("/onlineEndpoints/food{of}/providers/Microsoft.Insights/metricDefinitions");
    let all = house.get(&definitions("")).await.is(200).body;
    assert!(all["value"].as_array().unwrap().iter().any(|d| d["name"]["value"] == "RequestLatency_P99"));
    let all = house.get(&definitions("/deployments/blue")).await.is(200).body;
    assert!(all["value"].as_array().unwrap().iter().any(|d| d["name"]["value"] == "CpuUtilizationPercentage"));
    // A caller's mistake is told by its own code.
    let wrong = house
        .client
        .post(format!("{}/endpoints/food/score", house.base))
        .bearer_auth(keys["primaryKey"].as_str().unwrap());
    house.send(wrong.header("content-encoding", "br").body("{}")).await.is(415);
    loop {
        let split = ask("&$filter=statusCode%20eq%20'*'").await;
        let series = split["value"][0]["timeseries"].as_array().unwrap();
        if series.iter().any(|s| s["metadatavalues"][0]["value"] == "415" && total(s) == 1.0) {
            break;
        }
        tokio::task::yield_now().await;
    }
    // What is measured of instances and connections, and why nothing is of a GPU.
    let gauges = "Microsoft.Insights/metrics?aggregation=Average,Maximum&metricnames";
    let of = "/onlineEndpoints/food/deployments/blue/providers";
    let values = |body: &Value, at: usize| -> Vec<f64> {
        let data = body["value"][at]["timeseries"][0]["data"].as_array().unwrap();
        data.iter().filter_map(|p| p["maximum"].as_f64()).collect()
    };
    let names = "CpuUtilizationPercentage,CpuMemoryUtilizationPercentage,DeploymentCapacity,GpuUtilizationPercentage";
    let used = loop {
        let used = house.get(&format!("{of}/{gauges}={names}")).await.is(200).body;
        if !values(&used, 0).is_empty() {
            break used;
        }
        tokio::task::yield_now().await;
    };
    assert!(values(&used, 0).iter().all(|percent| (0.0..=100.0).contains(percent)), "{used}");
    assert!(values(&used, 1).iter().all(|percent| *percent > 0.0 && *percent < 1.0), "{used}");
    assert_eq!(values(&used, 2).last(), Some(&1.0));
    assert!(values(&used, 3).is_empty() && used["value"][3]["errorMessage"].as_str().unwrap().contains("no GPU"));
    let names = "ConnectionsActive,NewConnectionsPerSecond";
    let open = house.get(&format!("/onlineEndpoints/food/providers/{gauges}={names}")).await.is(200).body;
    assert!(values(&open, 0).iter().any(|n| *n >= 1.0) && values(&open, 1).iter().any(|n| *n > 0.0), "{open}");
    house.get("/onlineEndpoints/nope/providers/Microsoft.Insights/metrics").await.is(404);
    house.get("/onlineEndpoints/food/providers/Microsoft.Insights/metrics?interval=PT7M").await.is(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscale_settings_are_checked_and_kept() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    let ws = house.running().connection().workspace_id();
    let group = ws.split("/providers").next().unwrap().replace("resourceGroups", "resourcegroups");
    let url = with_version(&format!("{group}/providers/Microsoft.Insights/autoscalesettings/my-scale"));
    let target = format!("{ws}/onlineEndpoints/food/deployments/blue");
    let settings = json!({
        "location": "local",
        "properties": {"enabled": true, "targetResourceUri": target, "profiles": [{
            "name": "my-scale-settings", "capacity": {"minimum": "2", "maximum": "5", "default": "2"},
            "rules": [{
                "metricTrigger": {"metricName": "CpuUtilizationPercentage", "metricResourceUri": target, "timeGrain": "PT1M",
                    "statistic": "Average", "timeWindow": "PT5M", "timeAggregation": "Last", "operator": "GreaterThan", "threshold": 70.0},
                "scaleAction": {"direction": "Increase", "type": "ChangeCount", "value": "2", "cooldown": "PT1H"},
            }],
        }]},
    });
    let send = |method: Method, body: Option<Value>| {
        let request = house.request(method, &url);
        house.send(if let Some(body) = body { request.json(&body) } else { request })
    };
    send(Method::GET, None).await.is(404);
    let made = send(Method::PUT, Some(settings.clone())).await.is(201).body;
    assert_eq!(made["type"], "Microsoft.Insights/autoscaleSettings");
    assert_eq!(made["properties"]["name"], "my-scale");
    assert_eq!(made["properties"]["profiles"][0]["capacity"]["maximum"], "5");
    send(Method::PUT, Some(settings.clone())).await.is(200);
    let mut wrong = settings.clone();
    wrong["properties"]["profiles"][0]["capacity"]["minimum"] = "9".into();
    assert!(!send(Method::PUT, Some(wrong)).await.is(400).code().is_empty());
    let mut wrong = settings;
    wrong["properties"]["targetResourceUri"] = target.replace("blue", "red").into();
    assert!(send(Method::PUT, Some(wrong)).await.is(400).text.contains("red"));
    let off = send(Method::PATCH, Some(json!({"properties": {"enabled": false}}))).await.is(200).body;
    assert_eq!(
        (&off["properties"]["enabled"], &off["properties"]["targetResourceUri"]),
        (&json!(false), &json!(target))
    );
    let list = house.send(house.request(Method::GET, &url.replace("/my-scale", ""))).await.is(200).body;
    assert_eq!(list["value"][0]["name"], "my-scale");
    send(Method::DELETE, None).await.is(200);
    send(Method::DELETE, None).await.is(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_and_quotas_are_listed() {
    let house = House::open().await;
    house.endpoint("food").await;
    let ws = house.running().connection().workspace_id();
    let sub = ws.split("/resourceGroups").next().unwrap();
    let at =
        |what: &str| with_version(&format!("{sub}/providers/Microsoft.MachineLearningServices/locations/local/{what}"));
    let sizes = house.send(house.request(Method::GET, &at("vmSizes"))).await.is(200).body;
    let ds3 = sizes["value"].as_array().unwrap().iter().find(|s| s["name"] == "Standard_DS3_v2").unwrap();
    assert_eq!((&ds3["vCPUs"], ds3["memoryGB"].as_f64()), (&json!(4), Some(14.0)));
    let usages = house.send(house.request(Method::GET, &at("usages"))).await.is(200).body;
    assert_eq!(usages["value"][0]["currentValue"], 1);
    assert_eq!(
        house.get("/datastores?isDefault=true&count=30&orderByAsc=false").await.is(200).body["value"][0]["name"],
        "workspaceblobstore"
    );
    house.get("/datastores/other").await.is(404);
}
