"""Definitions of the custom resources, for an API server, out of deploy/kubernetes/checks/custom-resources.yaml.

What those schemas take from Kubernetes is left open; all else is closed, for kubectl applies strictly.
"""

import json
import sys

import yaml

OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
PLURALS = {
    "RabbitmqCluster": "rabbitmqclusters",
    "ScaledObject": "scaledobjects",
    "TriggerAuthentication": "triggerauthentications",
    "PodMonitor": "podmonitors",
    "PrometheusRule": "prometheusrules",
}


def structural(schema):
    """The schema as an API server takes it."""
    if "$ref" in schema:
        return {"x-kubernetes-int-or-string": True} if schema["$ref"].endswith("Quantity") else OPEN
    if "const" in schema:
        return {"type": "string", "enum": [schema["const"]]}
    taken = {key: value for key, value in schema.items() if key != "additionalProperties"}
    if "enum" in taken and "type" not in taken:
        taken["type"] = "integer" if isinstance(taken["enum"][0], int) else "string"
    if "items" in taken:
        taken["items"] = structural(taken["items"])
    if "properties" in taken:
        taken["properties"] = {name: structural(each) for name, each in taken["properties"].items()}
    elif isinstance(schema.get("additionalProperties"), dict):
        taken["additionalProperties"] = structural(schema["additionalProperties"])
    return taken


def definition(name, schema):
    group, version, kind = name.split("/")
    properties = {"spec": structural(schema["properties"]["spec"])}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURALS[kind]}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": PLURALS[kind], "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                }
            ],
        },
    }


schemas = yaml.safe_load(open(sys.argv[1]))["$defs"]
items = [definition(name, schema) for name, schema in schemas.items() if "/" in name]
print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
