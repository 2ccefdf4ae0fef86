"""Validates the rendered manifests of an overlay, read from standard input.

Kinds of Kubernetes against its schemas, custom resources against custom-resources.yaml, and what no
schema knows: that names which the manifests and the sources share are the same in both, and that all
that is to be filled in is. With --template, something must be left to fill in.

Usage: validate.py [--template] OVERLAY
"""

import re
import sys
import tomllib
from pathlib import Path

import jsonschema
import yaml
from kubernetes_validate import utils as kubernetes
from referencing import Registry, Resource

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]

# The first release with a `sleep` action in preStop hooks, and the newest that there are schemas of.
VERSIONS = ["1.30", kubernetes.major_minor(kubernetes.latest_version())]

# What cluster operators probe, RabbitMQ has from this version on.
RABBITMQ = (4, 2, 4)

# The operator of RabbitMQ gives its pods this label.
RABBITMQ_PODS = {"app.kubernetes.io/name": "rabbitmq"}


def custom_resources():
    """A validator of each custom resource by its API version and kind."""
    version = kubernetes.latest_version()
    definitions = kubernetes.schema_contents(
        f"kubernetes-json-schema/v{version}-local-strict/_definitions.json", version
    )
    registry = Resource.from_contents(definitions) @ Registry()
    schemas = yaml.safe_load((HERE / "custom-resources.yaml").read_text())
    return {
        name: jsonschema.Draft202012Validator(schema, registry=registry)
        for name, schema in schemas["$defs"].items()
        if "/" in name
    }


def against_schemas(manifests):
    """What the schemas don't allow."""
    custom = custom_resources()
    for manifest in manifests:
        own = custom.get(f"{manifest['apiVersion']}/{manifest['kind']}")
        if own:
            for error in own.iter_errors(manifest):
                yield manifest, f"{error.json_path}: {error.message}"
            continue
        for version in VERSIONS:
            try:
                kubernetes.validate(manifest, version, strict=True)
            except kubernetes.ValidationError as error:
                yield manifest, f"Kubernetes {version}: {error.json_path}: {error.message}"
            except kubernetes.SchemaNotFoundError as error:
                yield manifest, error.message


def pods(manifests):
    """Each workload with its pods' specification."""
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            yield manifest, manifest["spec"]["template"]


def selects(selector, labels):
    """Whether a selector of labels, with In as its only operator, fits."""
    equal = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in equal) and all(
        labels.get(each["key"]) in each["values"] for each in among
    )


def against_each_other(manifests):
    """Names in one manifest that mean nothing in the others."""
    labels = [template["metadata"]["labels"] for _, template in pods(manifests)] + [RABBITMQ_PODS]
    names = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = {
            "Service": lambda: {"matchLabels": spec["selector"]},
            "NetworkPolicy": lambda: spec["podSelector"],
            "PodDisruptionBudget": lambda: spec["selector"],
            "PodMonitor": lambda: spec["selector"],
        }.get(manifest["kind"], lambda: None)()
        if selector is not None and not any(selects(selector, each) for each in labels):
            yield manifest, f"{selector} selects no pod"
        if manifest["kind"] == "ScaledObject":
            target = names.get(("Deployment", spec["scaleTargetRef"]["name"]))
            if not target:
                yield manifest, f"there is no Deployment {spec['scaleTargetRef']['name']}"
            elif "replicas" in target["spec"]:
                yield target, "its replicas are set, and KEDA's as well"
        if manifest["kind"] == "Ingress":
            for rule in spec["rules"]:
                for path in rule["http"]["paths"]:
                    if ("Service", path["backend"]["service"]["name"]) not in names:
                        yield manifest, f"{path['path']}: there is no such Service"
    for manifest, template in pods(manifests):
        for container in template["spec"]["containers"]:
            for source in container["envFrom"]:
                if ("ConfigMap", source["configMapRef"]["name"]) not in names:
                    yield manifest, f"there is no ConfigMap {source['configMapRef']['name']}"


def against_the_sources(manifests):
    """Versions and settings that the binaries don't have."""
    version = tomllib.loads((PROJECT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    settings = {
        name
        for crate in ("service", "ingest", "redirector")
        for path in (PROJECT / crate).rglob("*.rs")
        for name in re.findall(r'env = "(\w+)"', path.read_text())
    }
    for manifest, template in pods(manifests):
        for container in template["spec"]["containers"]:
            image = f"flex-overflow/{container['name']}:{version}"
            if not container["image"].endswith(image):
                yield manifest, f"its image is {container['image']}, not {image}"
            for variable in container["env"]:
                if variable["name"] not in settings:
                    yield manifest, f"{variable['name']} is no setting"
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"].startswith("settings-"):
            for name in manifest["data"]:
                # Those two are read by libraries.
                if name not in settings and not name.startswith(("OTEL_", "SSL_CERT_")):
                    yield manifest, f"{name} is no setting"


def against_operators(manifests):
    """What the operators need, and what they would do otherwise."""
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    compose = compose["services"]["rabbitmq"]["image"]
    for manifest in manifests:
        if manifest["kind"] != "RabbitmqCluster":
            continue
        spec = manifest["spec"]
        version = re.search(r"rabbitmq:(\d+)\.(\d+)\.(\d+)", spec["image"])
        if not version or tuple(map(int, version.groups())) < RABBITMQ:
            yield manifest, f"{spec['image']} is older than {'.'.join(map(str, RABBITMQ))}"
        if spec["image"] != compose:
            yield manifest, f"its image is {spec['image']}, and in docker-compose.yml {compose}"
        stateful_set = spec.get("override", {}).get("statefulSet", {}).get("spec", {})
        kept = stateful_set.get("persistentVolumeClaimRetentionPolicy", {})
        if kept.get("whenDeleted") != "Retain":
            yield manifest, "its volumes are deleted with it"
        if not any(lets_in(each, "rabbitmq-system", 15672) for each in manifests):
            yield manifest, "its operator can't ask the management API"


def lets_in(manifest, namespace, port):
    """Whether a network policy lets a namespace's pods in to RabbitMQ's port."""
    if manifest["kind"] != "NetworkPolicy" or not selects(manifest["spec"]["podSelector"], RABBITMQ_PODS):
        return False
    name = {"kubernetes.io/metadata.name": namespace}
    return any(
        selects(peer["namespaceSelector"], name) and {"protocol": "TCP", "port": port} in rule["ports"]
        for rule in manifest["spec"].get("ingress", [])
        for peer in rule["from"]
        if "namespaceSelector" in peer
    )


def texts(value, path=""):
    """Every text in a manifest, with where it is."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from texts(each, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path.lstrip("."), value


def left_to_fill_in(manifests):
    """What only whoever runs it knows."""
    for manifest in manifests:
        is_settings = manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"].startswith("settings-")
        for path, text in texts(manifest):
            if "FILL-IN" in text or "example.com" in text:
                yield manifest, f"{path} is to be filled in: {text}"
            elif is_settings and path.startswith("data.") and not text:
                yield manifest, f"{path.removeprefix('data.')} is empty"


def quoted(manifests):
    """Settings whose quotes become part of them."""
    for manifest in manifests:
        for name, value in manifest.get("data", {}).items() if manifest["kind"] == "ConfigMap" else ():
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                yield manifest, f"{name} has quotes around it: leave them out"


class OnceOnly(yaml.SafeLoader):
    """Refuses a key that is there twice: kustomize takes the last one, and drops the other."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def main():
    *options, overlay = sys.argv[1:]
    try:
        for file in Path(overlay).glob("*.yaml"):
            list(yaml.load_all(file.read_text(), OnceOnly))
    except yaml.YAMLError as error:
        sys.exit(f"deploy/kubernetes/check: {file}: {error}")
    manifests = list(yaml.safe_load_all(sys.stdin))
    checks = [against_schemas, against_each_other, against_the_sources, against_operators, quoted]
    if "--template" not in options:
        checks.append(left_to_fill_in)
    elif not list(left_to_fill_in(manifests)):
        sys.exit("deploy/kubernetes/check: the template has nothing to fill in")
    problems = [
        f"{manifest['kind']} {manifest['metadata']['name']}: {problem}"
        for check in checks
        for manifest, problem in check(manifests)
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems or not manifests:
        sys.exit(f"deploy/kubernetes/check: {len(problems)} problems in {len(manifests)} manifests")
    print(f"deploy/kubernetes/check: {len(manifests)} manifests fit Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
