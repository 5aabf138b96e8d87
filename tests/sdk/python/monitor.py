"""Azure Monitor: metrics, their definitions and autoscale settings, through azure-mgmt-monitor."""

import datetime

import kit
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.monitor import models as m
from kit import eventually, holds, refused, rest, same, step

ml_client = kit.client()
monitor = MonitorManagementClient(
    DefaultAzureCredential(), kit.SUBSCRIPTION, base_url=kit.BASE, credential_scopes=[kit.BASE + "/.default"]
)
NAME = "restaurants"
ENDPOINT = f"{kit.WS}/onlineEndpoints/{NAME}"
BLUE = f"{ENDPOINT}/deployments/blue"
lunch = kit.case(NAME, 0)

with step("an endpoint has answered 60 requests, 54 by blue and 6 by green, and refused 5"):
    kit.bare_endpoint(ml_client, NAME, auth_mode="key")
    for version, name in [(1, "blue"), (2, "green")]:
        kit.deploy(ml_client, NAME, name, Model(path=kit.recommender(version)))
    key = ml_client.online_endpoints.get_keys(NAME).primary_key
    for deployment, count, body in [("blue", 54, lunch["request"]), ("green", 6, lunch["request"]), ("blue", 5, {"input_data": "?"})]:
        for _ in range(count):
            kit.score(NAME, body, key, deployment=deployment)


def metric(resource, names, aggregation="Average,Total", filter=None):
    now = datetime.datetime.now(datetime.timezone.utc)
    span = f"{now - datetime.timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}/{now + datetime.timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}"
    return monitor.metrics.list(resource, timespan=span, interval="PT1M", metricnames=names, aggregation=aggregation, filter=filter)


def totals(answer):
    """{dimension values: sum of the totals} of the first metric."""
    found = {}
    for series in answer.value[0].timeseries:
        label = ",".join(d.value for d in series.metadatavalues or [])
        found[label] = found.get(label, 0) + sum(p.total or 0 for p in series.data)
    return found


with step("requests per minute, for the endpoint and split by deployment"):
    eventually(lambda: sum(totals(metric(ENDPOINT, "RequestsPerMinute")).values()) == 65, "65 requests are counted")
    same(totals(metric(ENDPOINT, "RequestsPerMinute", filter="deployment eq '*'")), {"blue": 59, "green": 6})
    same(sum(totals(metric(ENDPOINT, "RequestsPerMinute", filter="deployment eq 'green'")).values()), 6)
    by_class = totals(metric(ENDPOINT, "RequestsPerMinute", filter="statusCodeClass eq '*'"))
    same({k: v for k, v in by_class.items() if v}, {"2xx": 60, "4xx": 5})
    same(sum(totals(metric(BLUE, "RequestsPerMinute")).values()), 59)

with step("latency percentiles are in order, in milliseconds"):
    answer = metric(ENDPOINT, "RequestLatency_P50,RequestLatency_P90,RequestLatency_P99", filter="deployment eq 'blue'")
    same([v.name.value for v in answer.value], ["RequestLatency_P50", "RequestLatency_P90", "RequestLatency_P99"])
    same({v.unit for v in answer.value}, {"Milliseconds"})
    # A percentile needs samples: with 59 requests there is a median and a p90, and no p99.
    best = [max((p.average for s in v.timeseries for p in s.data if p.average is not None), default=None) for v in answer.value]
    print(f"        P50, P90, P99 = {best}")
    holds(best[0] is not None and best[0] > 0, best)
    holds(best[1] is None or best[1] >= best[0], best)

with step("points without requests carry no value"):
    points = metric(ENDPOINT, "RequestLatency").value[0].timeseries[0].data
    holds(len(points) >= 10 and any(p.average is None for p in points), [p.average for p in points])

with step("instances and CPU of a deployment"):
    answer = metric(BLUE, "DeploymentCapacity,CpuUtilizationPercentage", aggregation="Average,Maximum")
    capacity = [p.maximum for s in answer.value[0].timeseries for p in s.data if p.maximum is not None]
    holds(capacity and max(capacity) == 1, capacity)

with step("definitions of both kinds of resource"):
    for resource, wanted in [
        (ENDPOINT, {"RequestsPerMinute", "RequestLatency", "RequestLatency_P50", "RequestLatency_P90", "RequestLatency_P95",
                    "RequestLatency_P99", "ConnectionsActive", "NewConnectionsPerSecond", "NetworkBytes"}),
        (BLUE, {"CpuUtilizationPercentage", "CpuMemoryUtilizationPercentage", "DeploymentCapacity", "RequestsPerMinute",
                "RequestLatency_P50", "RequestLatency_P99"}),
    ]:  # fmt: skip
        listed = {d.name.value: d for d in monitor.metric_definitions.list(resource)}
        holds(wanted <= set(listed), wanted - set(listed))
        holds(listed["RequestsPerMinute"].metric_availabilities[0].time_grain == datetime.timedelta(minutes=1), "PT1M")

with step("an unknown metric and an unknown resource are refused by name"):
    with refused(HttpResponseError, "NoSuchMetric"):
        metric(ENDPOINT, "NoSuchMetric")
    with refused(HttpResponseError, "ghost"):
        metric(f"{kit.WS}/onlineEndpoints/ghost", "RequestsPerMinute")


def minutes(n):
    return datetime.timedelta(minutes=n)


def setting(threshold=70.0, maximum="5", target=BLUE):
    grow = m.ScaleRule(
        metric_trigger=m.MetricTrigger(
            metric_name="CpuUtilizationPercentage", metric_resource_uri=BLUE, time_grain=minutes(1), statistic="Average",
            time_window=minutes(5), time_aggregation="Last", operator="GreaterThan", threshold=threshold,
        ),
        scale_action=m.ScaleAction(direction="Increase", type="ChangeCount", value="2", cooldown=minutes(60)),
    )  # fmt: skip
    shrink = m.ScaleRule(
        metric_trigger=m.MetricTrigger(
            metric_name="RequestLatency", metric_namespace="microsoft.machinelearningservices/workspaces/onlineendpoints",
            metric_resource_uri=ENDPOINT, time_grain=minutes(1), statistic="Average", time_window=minutes(5),
            time_aggregation="Average", operator="LessThan", threshold=20.0,
            dimensions=[m.ScaleRuleMetricDimension(dimension_name="deployment", operator="Equals", values=["blue"])],
        ),
        scale_action=m.ScaleAction(direction="Decrease", type="ChangeCount", value="1", cooldown=minutes(5)),
    )  # fmt: skip
    weekend = m.AutoscaleProfile(
        name="weekend", capacity=m.ScaleCapacity(minimum="2", maximum="2", default="2"), rules=[],
        recurrence=m.Recurrence(frequency="Week", schedule=m.RecurrentSchedule(
            time_zone="Pacific Standard Time", days=["Saturday", "Sunday"], hours=[0], minutes=[0])),
    )  # fmt: skip
    daily = m.AutoscaleProfile(name="my-scale-settings", capacity=m.ScaleCapacity(minimum="2", maximum=maximum, default="2"), rules=[grow, shrink])
    return m.AutoscaleSettingResource(location="local", enabled=True, target_resource_uri=target, profiles=[daily, weekend])


with step("an autoscale setting is created, read, listed and changed"):
    made = monitor.autoscale_settings.create_or_update(kit.GROUP, "blue-scale", setting())
    same((made.name, made.target_resource_uri.lower()), ("blue-scale", BLUE.lower()))
    found = monitor.autoscale_settings.get(kit.GROUP, "blue-scale")
    daily, weekend = found.profiles
    same((daily.capacity.minimum, daily.capacity.maximum), ("2", "5"))
    same(daily.rules[0].metric_trigger.threshold, 70.0)
    same(daily.rules[1].metric_trigger.dimensions[0].values, ["blue"])
    same(daily.rules[1].scale_action.cooldown, minutes(5))
    same(weekend.recurrence.schedule.days, ["Saturday", "Sunday"])
    same([s.name for s in monitor.autoscale_settings.list_by_resource_group(kit.GROUP)], ["blue-scale"])
    monitor.autoscale_settings.create_or_update(kit.GROUP, "blue-scale", setting(threshold=80.0))
    same(monitor.autoscale_settings.get(kit.GROUP, "blue-scale").profiles[0].rules[0].metric_trigger.threshold, 80.0)
    monitor.autoscale_settings.update(kit.GROUP, "blue-scale", m.AutoscaleSettingResourcePatch(enabled=False))
    same(monitor.autoscale_settings.get(kit.GROUP, "blue-scale").enabled, False)

with step("a setting that cannot be is refused, naming the reason"):
    with refused(HttpResponseError, "maximum"):
        monitor.autoscale_settings.create_or_update(kit.GROUP, "bad", setting(maximum="1"))
    with refused(HttpResponseError, "ghost"):
        monitor.autoscale_settings.create_or_update(kit.GROUP, "bad", setting(target=f"{ENDPOINT}/deployments/ghost"))
    body = setting().serialize()
    body["properties"]["profiles"][0]["rules"][0]["metricTrigger"]["operator"] = "Sideways"
    path = f"/subscriptions/{kit.SUBSCRIPTION}/resourcegroups/{kit.GROUP}/providers/microsoft.insights/autoscalesettings/bad"
    answer = rest("PUT", path, body, api="2022-10-01")
    same(answer.status_code, 400)
    holds("Sideways" in answer.text, answer.text)

with step("it is deleted"):
    monitor.autoscale_settings.delete(kit.GROUP, "blue-scale")
    same(list(monitor.autoscale_settings.list_by_resource_group(kit.GROUP)), [])
    with refused(ResourceNotFoundError, "blue-scale"):
        monitor.autoscale_settings.get(kit.GROUP, "blue-scale")
