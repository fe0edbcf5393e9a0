"""The examples for many machines are valid for what reads them, as far as that can be checked without it.

Compose files, by the schema of the Compose specification; Kubernetes' objects, by the models of its client; Helm
values, by Dagster's check of the `dagster.yaml` that the chart writes; ECS's tasks, by botocore's model of requests.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from typing import Any

import botocore.session
import click
import jsonschema
import pytest
import yaml
from botocore.validate import ParamValidator
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._serdes import ConfigurableClassData, class_from_code_pointer
from dagster_celery.make_app import make_app
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes import client

from hyve_pipeline.cli.main import hyve

_ROOT = Path(__file__).parents[2]
_DEPLOY = _ROOT / "deploy"
_CELERY = _DEPLOY / "celery"
_ECS = _DEPLOY / "ecs"
_KUBERNETES = _DEPLOY / "kubernetes"
_COMPOSE = _DEPLOY / "compose" / "compose.yaml"
_DOCKERFILE = _DEPLOY / "Dockerfile"
_DAGSTER = _DEPLOY / "postgresql" / "dagster.example.yaml"
_WORKSPACE = _DEPLOY / "workspace.yaml"
_TASKS = ["code-location", "daemon", "webserver", "run", "work"]

# Dagster's programs, and where each begins.
_PROGRAMS = {
    "dagster": "dagster._cli:cli",
    "dagster-daemon": "dagster._daemon.cli:cli",
    "dagster-webserver": "dagster_webserver.cli:dagster_webserver",
}


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _check_command(command: list[str]) -> None:
    """Fail unless a program takes a command line. Nothing is run."""
    # The image has this file there.
    program, *words = [word.replace("/opt/dagster/workspace.yaml", str(_WORKSPACE)) for word in command]
    group: click.Command = hyve
    if program != "hyve":
        module, name = _PROGRAMS[program].split(":")
        group = getattr(import_module(module), name)
    context = click.Context(group, info_name=program)
    while isinstance(group, click.Group):
        _, found, words = group.resolve_command(context, words)
        assert found is not None, command
        group, context = found, click.Context(found, parent=context)
    group.make_context(program, words, parent=context.parent, resilient_parsing=False)


def test_the_dockerfile_has_what_hadolint_asks_for() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run([hadolint, _DOCKERFILE], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_image_has_extras_that_exist_and_files_that_are_let_in() -> None:
    text = _DOCKERFILE.read_text()
    setup = ConfigParser()
    setup.read(_ROOT / "setup.cfg")
    (extras,) = re.findall(r"'\.\[([^]]+)]'", text)
    assert set(extras.split(",")) <= set(setup["options.extras_require"])
    let_in = {
        line.removeprefix("!")
        for line in _DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert all((_ROOT / name).exists() for name in let_in)
    needed = {"hyve_pipeline", "setup.cfg", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert let_in == needed | {path for path in re.findall(r"^COPY (\S+)", text, re.MULTILINE) if path[0] not in ".-"}


def test_the_workspace_of_the_image_is_a_code_location_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"COPY deploy/{_WORKSPACE.name} /opt/dagster/workspace.yaml" in _DOCKERFILE.read_text()
    monkeypatch.setenv("HYVE_CODE_HOST", "code_location")
    (origin,) = location_origins_from_yaml_paths([str(_WORKSPACE)])
    assert isinstance(origin, GrpcServerCodeLocationOrigin)
    assert (origin.host, origin.port) == ("code_location", 4000)


def _compose() -> dict[str, Any]:
    document = _yaml(_COMPOSE)
    assert isinstance(document, dict)
    return document


def test_the_compose_file_is_of_the_specification() -> None:
    found = importlib.util.find_spec("check_jsonschema")
    assert found is not None
    assert found.origin is not None
    schema = _json(Path(found.origin).with_name("builtin_schemas") / "vendor" / "compose-spec.json")
    document = _compose()
    jsonschema.validate(document, schema)
    document["services"]["work"]["commands"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_compose_starts_what_can_be_typed_and_publishes_one_port_to_this_machine() -> None:
    services = _compose()["services"]
    for service in services.values():
        if "command" in service:
            _check_command(service["command"])
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:3000:3000"]
    names = {config["file"] for config in _compose()["configs"].values()}
    assert all((_COMPOSE.parent / name).exists() for name in names - {"hyve.toml"})


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="docker compose is not installed",
)
def test_docker_compose_reads_the_compose_file(tmp_path: Path) -> None:
    environment = {"HYVE_STATE": "s3://state/", "DAGSTER_PG_PASSWORD": "any", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    checked = subprocess.run(
        ["docker", "compose", "-f", _COMPOSE, "--profile", "*", "config", "--quiet"],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def _check_object(kind: type[Any], document: dict[str, Any]) -> Any:
    """Fail unless an object has the attributes and types of its kind; a type that had to be converted is a mistake."""
    made = k8s_model_from_dict(kind, k8s_snake_case_dict(kind, document))
    assert client.ApiClient().sanitize_for_serialization(made) == document
    return made


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("service-account.yaml", client.V1ServiceAccount),
        ("sync.cronjob.yaml", client.V1CronJob),
        ("work.job.yaml", client.V1Job),
    ],
)
def test_kubernetes_objects_are_of_their_kind(name: str, kind: type[Any]) -> None:
    document = _yaml(_KUBERNETES / name)
    made = _check_object(kind, document)
    assert type(made).__name__ == f"V1{document['kind']}"
    if kind is not client.V1ServiceAccount:
        job = made.spec.job_template.spec if kind is client.V1CronJob else made.spec
        (container,) = job.template.spec.containers
        _check_command(container.args)
        assert job.template.spec.service_account_name == _yaml(_KUBERNETES / "service-account.yaml")["metadata"]["name"]
        mounted = {mount.name for mount in container.volume_mounts}
        assert mounted == {volume.name for volume in job.template.spec.volumes}


@pytest.mark.parametrize("change", [{"paralelism": 4}, {"parallelism": "4"}, {"template": None}])
def test_a_wrong_object_of_kubernetes_is_noticed(change: dict[str, Any]) -> None:
    document = _yaml(_KUBERNETES / "work.job.yaml")
    document["spec"] |= change
    with pytest.raises((Exception, AssertionError)):
        _check_object(client.V1Job, document)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _snakes(values: dict[str, Any]) -> dict[str, Any]:
    return {_snake(name): value for name, value in values.items()}


def test_helm_values_become_settings_that_dagster_takes(tmp_path: Path) -> None:
    """The chart writes these values, by names in snake case, into `dagster.yaml`, and adds where that is."""
    values = _yaml(_KUBERNETES / "values.yaml")
    daemon = values["dagsterDaemon"]
    launcher = _snakes(values["runLauncher"]["config"]["k8sRunLauncher"])
    launcher |= {"instance_config_map": "dagster-instance", "dagster_home": "/opt/dagster/dagster_home"}
    launcher["postgres_password_secret"] = values["global"]["postgresqlSecretName"]
    launcher["run_k8s_config"] = _snakes(launcher["run_k8s_config"])
    names = {"Host": "hostname", "Username": "username", "Database": "db_name", "Scheme": "scheme"}
    database = {name: values["postgresql"][f"postgresql{part}"] for part, name in names.items()}
    settings = {
        "storage": {"postgres": {"postgres_db": {**database, "password": {"env": "DAGSTER_PG_PASSWORD"}}}},
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": daemon["runCoordinator"]["type"],
            "config": _snakes(daemon["runCoordinator"]["config"]["queuedRunCoordinator"]),
        },
        "run_launcher": {"module": "dagster_k8s", "class": values["runLauncher"]["type"], "config": launcher},
        "run_monitoring": _snakes(daemon["runMonitoring"]),
        "run_retries": _snakes(daemon["runRetries"]),
        "sensors": _snakes(daemon["sensors"]),
        "schedules": _snakes(daemon["schedules"]),
        "retention": {"sensor": _snakes(values["retention"]["sensor"])},
        "telemetry": values["telemetry"],
    }
    _check_settings(settings, tmp_path)
    UserDefinedDagsterK8sConfig.from_dict(launcher["run_k8s_config"])


def test_helm_values_describe_a_code_location_that_kubernetes_takes() -> None:
    values = _yaml(_KUBERNETES / "values.yaml")
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    _check_command(["dagster", "api", "grpc", "-h", "0.0.0.0", "-p", "4000", *deployment["dagsterApiGrpcArgs"]])
    container = {"name": "hyve", "env": deployment["env"], "volumeMounts": deployment["volumeMounts"]}
    container |= {name: deployment[name] for name in ("securityContext", "resources")}
    pod = {"containers": [container], "volumes": deployment["volumes"]}
    _check_object(client.V1PodSpec, pod | {"securityContext": deployment["podSecurityContext"]})
    _check_object(client.V1Probe, values["dagsterWebserver"]["readinessProbe"])
    assert values["global"]["serviceAccountName"] == _yaml(_KUBERNETES / "service-account.yaml")["metadata"]["name"]


def _check_settings(settings: dict[str, Any], folder: Path) -> None:
    """Fail unless Dagster takes these settings, and those of its parts that they name."""
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    dagster_instance_config(str(folder))
    for part in ("run_launcher", "run_coordinator", "compute_logs"):
        if part in settings:
            named = settings[part]
            data = ConfigurableClassData(named["module"], named["class"], "")
            made: Any = class_from_code_pointer(data.module_name, data.class_name)
            checked = validate_config(made.config_type(), named.get("config", {}))
            assert checked.success, checked.errors


def test_celery_has_one_broker_for_the_launcher_and_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = "redis://127.0.0.1:6379/0"
    monkeypatch.setenv("HYVE_CELERY_BROKER", broker)
    launcher = _yaml(_CELERY / "launcher.example.yaml")
    _check_settings(_yaml(_DAGSTER) | launcher, tmp_path)
    assert {launcher["run_launcher"]["config"][name]["env"] for name in ("broker", "backend")} == {"HYVE_CELERY_BROKER"}
    monkeypatch.syspath_prepend(str(_CELERY))
    try:
        settings = make_app().conf
        assert (settings.broker_url, settings.result_backend) == (broker, broker)
        assert (settings.worker_prefetch_multiplier, settings.task_acks_late) == (1, False)
    finally:
        del sys.modules["dagster_celery_config"]


def test_kubernetes_limits_the_runs_of_a_sync_in_the_queue() -> None:
    queue = _yaml(_KUBERNETES / "values.yaml")["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    (limit,) = queue["tagConcurrencyLimits"]
    assert limit["key"] == "hyve/sync"
    assert limit["limit"] < queue["maxConcurrentRuns"]


def _request(operation: str) -> Any:
    service = botocore.session.get_session().get_service_model("ecs")
    return service.operation_model(operation).input_shape


@pytest.mark.parametrize(
    ("name", "operation"),
    [*((name, "RegisterTaskDefinition") for name in _TASKS), ("run-work", "RunTask")],
)
def test_ecs_requests_are_as_botocore_sends_them(name: str, operation: str) -> None:
    request = _json(_ECS / f"{name}.json")
    report = ParamValidator().validate(request, _request(operation))
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("name", _TASKS)
def test_ecs_tasks_start_what_can_be_typed_and_name_no_secret(name: str) -> None:
    (container,) = _json(_ECS / f"{name}.json")["containerDefinitions"]
    _check_command(container["command"])
    variables = {variable["name"] for variable in container["environment"]}
    assert not [variable for variable in variables if re.search("PASSWORD|SECRET|TOKEN", variable)]
    settings = {
        value["env"]
        for value in _yaml(_DAGSTER)["storage"]["postgres"]["postgres_db"].values()
        if isinstance(value, dict)
    }
    named = variables | {secret["name"] for secret in container.get("secrets", [])}
    assert settings <= named or name == "work"


def test_ecs_runs_are_tasks_that_are_registered(tmp_path: Path) -> None:
    families = {_json(_ECS / f"{name}.json")["family"] for name in _TASKS}
    run = _json(_ECS / "run.json")
    launcher = _yaml(_ECS / "launcher.example.yaml")
    settings = launcher["run_launcher"]["config"]
    _check_settings(_yaml(_DAGSTER) | launcher, tmp_path)
    assert (settings["task_definition"], settings["container_name"]) == (
        run["family"],
        run["containerDefinitions"][0]["name"],
    )
    assert settings["run_resources"] == {name: run[name] for name in ("cpu", "memory")}
    assert _json(_ECS / "run-work.json")["taskDefinition"] in families
    report = ParamValidator().validate(
        {"taskDefinition": "hyve-run", **settings["run_task_kwargs"]}, _request("RunTask")
    )
    assert not report.has_errors(), report.generate_report()
