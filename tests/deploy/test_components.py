"""What each component of deploy/ does, alone and with others."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

import stream_app
from stream_app.kafka.permissions import Right, list_worker_rights
from stream_app.settings import Settings
from tests.deploy.policy import check_all, check_rollout, list_images
from tests.deploy.rendering import (
    DEPLOY,
    OVERLAYS,
    Manifest,
    find_one,
    find_workload,
    parse_manifests,
    read_pod,
    read_settings,
    render_components,
    render_kustomization,
    render_overlay,
)
from tests.deploy.validation import KUBERNETES_VERSIONS, find_problems

Manifests = tuple[Manifest, ...]


def read_trigger(manifests: Manifests) -> Mapping[str, Any]:
    [trigger] = find_one(manifests, "ScaledObject")["spec"]["triggers"]
    return dict(trigger)


def read_partitions(manifests: Manifests, topic: str) -> int:
    return int(find_one(manifests, "KafkaTopic", topic)["spec"]["partitions"])


def list_rights(manifests: Manifests, user: str) -> set[Right]:
    """List a user's rights; Describe only where no right stands that implies it."""
    acls = find_one(manifests, "KafkaUser", user)["spec"]["authorization"]["acls"]
    kinds = {"transactionalId": "transactional id"}
    return {
        Right(kinds.get(acl["resource"]["type"], acl["resource"]["type"]), acl["resource"]["name"], operation,
              acl["resource"]["patternType"] == "prefix")
        for acl in acls
        for operation in acl["operations"]
        if operation != "Describe" or not {"Read", "Write"} & set(acl["operations"])
    }  # fmt: skip


def test_the_base_needs_no_operator() -> None:
    assert {one.kind for one in render_components()} == {
        "ConfigMap", "Deployment", "Namespace", "PodDisruptionBudget", "ServiceAccount"
    }  # fmt: skip


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_runs_the_image_of_this_version(overlay: str) -> None:
    pod = read_pod(render_overlay(overlay))
    images = {container["image"] for container in (*pod["initContainers"], *pod["containers"])}
    assert images == {f"registry.example.com/prism:{stream_app.__version__}"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_what_belongs_to_the_kafka_cluster_stands_in_its_namespace(overlay: str) -> None:
    for one in render_overlay(overlay):
        if one.kind != "Namespace":
            assert one.namespace == ("kafka" if one.kind.startswith("Kafka") else "prism"), one.name


@pytest.mark.parametrize("component", ["strimzi", "keda", "monitoring", "external-secret"])
def test_the_rest_of_production_stands_without_one_operator(component: str) -> None:
    listed = yaml.safe_load((DEPLOY / "overlays/prod/kustomization.yaml").read_text(encoding="utf-8"))["components"]
    components = [path.rpartition("/")[2] for path in listed]
    rest = [one for one in components if one != component]
    assert len(rest) == len(components) - 1
    manifests = parse_manifests(
        render_kustomization(
            [*rest, "exactly-once", "static-membership"],
            "namespace: prism\nimages: [{name: prism, newTag: 0.1.0}]",
        )
    )
    assert check_all(manifests) == []
    assert find_problems(manifests, KUBERNETES_VERSIONS[0]) == []


class TestKeda:
    def test_it_asks_for_the_lag_of_the_group_that_the_workers_are(self) -> None:
        manifests = render_components("keda")
        metadata = read_trigger(manifests)["metadata"]
        named = {name: read_settings(manifests)[value] for name, value in metadata.items() if name.endswith("FromEnv")}
        assert named == {
            "bootstrapServersFromEnv": "kafka-bootstrap.kafka.svc:9092",
            "consumerGroupFromEnv": "prism",
            "topicFromEnv": "ranking-events",
        }
        assert find_one(manifests, "ScaledObject")["spec"]["scaleTargetRef"]["envSourceContainerName"] == "worker"

    def test_it_counts_from_the_oldest_record_as_the_worker_does_and_keeps_nobody_idle(self) -> None:
        metadata = read_trigger(render_components("keda"))["metadata"]
        assert (metadata["offsetResetPolicy"], metadata["allowIdleConsumers"]) == ("earliest", "false")

    def test_it_takes_workers_away_slowly_and_none_when_the_broker_cannot_be_asked(self) -> None:
        spec = find_one(render_components("keda"), "ScaledObject")["spec"]
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 300
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"

    def test_nobody_else_says_how_many_workers_there_are(self) -> None:
        assert "replicas" not in find_workload(render_components("keda"))["spec"]

    def test_there_are_never_more_workers_than_partitions(self) -> None:
        manifests = render_overlay("prod")
        most = find_one(manifests, "ScaledObject")["spec"]["maxReplicaCount"]
        assert most <= read_partitions(manifests, "ranking-events")

    def test_without_a_password_it_asks_without_one(self) -> None:
        assert "authenticationRef" not in read_trigger(render_components("keda"))

    def test_with_a_password_it_asks_as_a_user_of_its_own(self) -> None:
        manifests = render_overlay("prod")
        trigger = read_trigger(manifests)
        assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("scram_sha512", "enable")
        authentication = find_one(manifests, "TriggerAuthentication", trigger["authenticationRef"]["name"])
        for reference in authentication["spec"]["secretTargetRef"]:
            secret = find_one(manifests, "ExternalSecret", reference["name"])
            assert reference["key"] in secret["spec"]["target"]["template"]["data"]
            assert secret["spec"]["target"]["template"]["data"]["username"] == "prism-scaler"


class TestStaticMembership:
    def test_the_deployment_is_gone_and_a_stateful_set_has_its_pods(self) -> None:
        before, after = find_workload(render_components()), find_workload(render_components("static-membership"))
        assert (before["kind"], after["kind"]) == ("Deployment", "StatefulSet")
        [old], [new] = (one["spec"]["template"]["spec"]["containers"] for one in (before, after))
        for part in ("command", "image", "livenessProbe", "resources", "securityContext", "volumeMounts"):
            assert new[part] == old[part]
        assert after["spec"]["podManagementPolicy"] == "Parallel"

    def test_a_pods_name_is_its_instance_id(self) -> None:
        [worker] = read_pod(render_components("static-membership"))["containers"]
        identity = {"name": "PRISM_INSTANCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        assert identity in worker["env"]

    def test_scaler_and_disruption_budget_are_those_of_the_stateful_set(self) -> None:
        manifests = render_components("keda", "monitoring", "network-policy", "static-membership")
        assert find_one(manifests, "ScaledObject")["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
        assert list(check_rollout(manifests)) == []
        labels = find_workload(render_components())["spec"]["template"]["metadata"]["labels"]
        budget = find_one(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
        assert not budget.items() <= labels.items()  # Pods of a Deployment that is still there do not count.

    def test_its_service_gives_names_only(self) -> None:
        manifests = render_components("static-membership")
        service = find_one(manifests, "Service")
        assert service["spec"]["clusterIP"] == "None"
        assert find_workload(manifests)["spec"]["serviceName"] == service["metadata"]["name"]


class TestExactlyOnce:
    def test_markers_of_transactions_are_no_work(self) -> None:
        manifests = render_components("strimzi", "keda", "exactly-once")
        assert read_settings(manifests)["PRISM_DELIVERY"] == "exactly-once"
        threshold = int(read_trigger(manifests)["metadata"]["activationLagThreshold"])
        assert threshold == read_partitions(manifests, "ranking-events")
        assert read_trigger(render_components("keda"))["metadata"]["activationLagThreshold"] == "0"


class TestStrimzi:
    @pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
    def test_the_workers_user_has_the_rights_that_a_worker_needs_and_no_others(self, delivery: str) -> None:
        components = ("strimzi", "exactly-once") if delivery == "exactly-once" else ("strimzi",)
        manifests = render_components(*components)
        values = {name.removeprefix("PRISM_").lower(): value for name, value in read_settings(manifests).items()}
        settings = Settings.model_validate(values)
        assert settings.delivery == delivery
        assert list_rights(manifests, "prism-worker") == set(list_worker_rights(settings))

    def test_the_other_users_have_what_their_tool_needs(self) -> None:
        manifests = render_components("strimzi")
        source, output, letters = (
            Settings.model_fields[f"{one}_topic"].default for one in ("input", "output", "dead_letter")
        )
        writes = {Right("topic", source, "Write"), Right("topic", source, "DescribeConfigs")}
        assert list_rights(manifests, "prism-scaler") == {
            Right("topic", source, "Describe"), Right("group", "prism", "Describe")
        }  # fmt: skip
        assert list_rights(manifests, "prism-dlq-replay") == {
            Right("topic", letters, "Read"), Right("group", "prism-dlq-replay", "Read"), Right("topic", source, "Write")
        }  # fmt: skip
        assert list_rights(manifests, "prism-load-test") == {
            *writes, Right("topic", output, "Read"), Right("topic", letters, "Read")
        }  # fmt: skip

    def test_nobody_may_create_topics(self) -> None:
        users = [one.document for one in render_overlay("prod-exactly-once") if one.kind == "KafkaUser"]
        operations = {
            operation
            for user in users
            for acl in user["spec"]["authorization"]["acls"]
            for operation in acl["operations"]
        }
        assert operations == {"Read", "Write", "Describe", "DescribeConfigs"}

    def test_it_makes_the_topics_of_the_settings_and_letters_may_be_larger_than_records(self) -> None:
        manifests = render_components("strimzi")
        topics = {one.name: one.document["spec"] for one in manifests if one.kind == "KafkaTopic"}
        settings = Settings.model_validate(
            {name.removeprefix("PRISM_").lower(): value for name, value in read_settings(manifests).items()}
        )
        assert set(topics) == set(settings.topics)
        assert all(topic["replicas"] > topic["config"]["min.insync.replicas"] for topic in topics.values())
        kafkas_default = 1_048_588
        assert topics[settings.dead_letter_topic]["config"]["max.message.bytes"] > kafkas_default
        assert "max.message.bytes" not in topics[settings.input_topic]["config"]


class TestExternalSecret:
    def test_worker_and_scaler_are_users_that_strimzi_makes(self) -> None:
        manifests = render_overlay("prod")
        users = {one.name for one in manifests if one.kind == "KafkaUser"}
        for secret in (one.document["spec"] for one in manifests if one.kind == "ExternalSecret"):
            assert secret["target"]["template"]["data"]["username"] in users
            assert secret["data"][0]["remoteRef"]["key"] in users

    def test_the_certificate_lies_where_the_setting_says_and_the_password_in_no_file(self) -> None:
        manifests = render_components("external-secret")
        pod = read_pod(manifests)
        [volume] = [one for one in pod["volumes"] if one["name"] == "kafka-authority"]
        [mount] = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "kafka-authority"]
        assert [item["key"] for item in volume["secret"]["items"]] == ["ca.crt"]
        assert read_settings(manifests)["PRISM_SSL_CAFILE"] == f"{mount['mountPath']}/ca.crt"
        assert not any("PASSWORD" in name for name in read_settings(manifests))


class TestModelVolume:
    # A mounted image is seen from its root, where the model is the folder /model; the copy is that folder's content.
    @pytest.mark.parametrize(
        ("component", "model"), [("model-volume", "/models/model"), ("model-volume-init", "/models")]
    )
    def test_the_model_lies_where_the_setting_says_and_cannot_be_written(self, component: str, model: str) -> None:
        manifests = render_components(component)
        [worker] = read_pod(manifests)["containers"]
        assert {"name": "model", "mountPath": "/models", "readOnly": True} in worker["volumeMounts"]
        assert read_settings(manifests)["PRISM_MODEL"] == model

    def test_one_mounts_an_image_the_other_copies_out_of_one(self) -> None:
        mounted, copied = (read_pod(render_components(one)) for one in ("model-volume", "model-volume-init"))
        assert [one["image"]["reference"] for one in mounted["volumes"] if "image" in one] == ["prism-model"]
        assert [one["image"] for one in copied["initContainers"]] == ["prism-model"]

    @pytest.mark.parametrize("component", ["model-volume", "model-volume-init"])
    def test_an_overlay_names_its_image_as_it_names_that_of_the_worker(self, component: str) -> None:
        images = "images: [{name: prism-model, newName: registry.example.com/own-model, newTag: 1.0.0}]"
        pod = read_pod(parse_manifests(render_kustomization([component], images)))
        assert "registry.example.com/own-model:1.0.0" in list_images(pod)
        assert not any(image.startswith("prism-model") for image in list_images(pod))


class TestDoctor:
    @pytest.mark.parametrize("overlay", ["prod", "prod-exactly-once"])
    def test_it_looks_with_the_workers_eyes(self, overlay: str) -> None:
        pod = read_pod(render_overlay(overlay))
        [doctor], [worker] = pod["initContainers"], pod["containers"]
        for part in ("image", "envFrom", "resources", "securityContext", "volumeMounts"):
            assert doctor[part] == worker[part]
        assert [one for one in worker["env"] if one["name"] != "PRISM_INSTANCE_ID"] == doctor["env"]

    def test_it_comes_after_the_model_was_copied(self) -> None:
        pod = read_pod(render_components("model-volume-init", "doctor"))
        assert [one["name"] for one in pod["initContainers"]] == ["model", "doctor"]
        assert {"name": "model", "mountPath": "/models", "readOnly": True} in pod["initContainers"][1]["volumeMounts"]

    def test_it_asks_whether_there_are_partitions_for_the_most_workers(self) -> None:
        manifests = render_overlay("prod")
        most = find_one(manifests, "ScaledObject")["spec"]["maxReplicaCount"]
        assert read_pod(manifests)["initContainers"][0]["command"] == ["prism", "doctor", "--replicas", str(most)]


class TestNetworkPolicy:
    @pytest.mark.parametrize("overlay", OVERLAYS)
    def test_it_lets_the_workers_reach_the_brokers_that_they_are_told_of(self, overlay: str) -> None:
        [*_, brokers] = find_one(render_components("network-policy"), "NetworkPolicy")["spec"]["egress"]
        [ports], [peer] = brokers["ports"], brokers["to"]
        host, _, port = read_settings(render_overlay(overlay))["PRISM_BOOTSTRAP_SERVERS"].rpartition(":")
        assert ports["port"] <= int(port) <= ports["endPort"]
        assert host.split(".")[1] == peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]

    def test_only_prometheus_may_ask_the_workers(self) -> None:
        [rule] = find_one(render_components("network-policy"), "NetworkPolicy")["spec"]["ingress"]
        assert [one["namespaceSelector"]["matchLabels"] for one in rule["from"]] == [
            {"kubernetes.io/metadata.name": "monitoring"}
        ]
        assert [one["port"] for one in rule["ports"]] == ["http"]
