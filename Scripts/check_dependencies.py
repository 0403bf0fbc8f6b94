"""Fails when a module that must do without the network reaches it. Called by check-dependencies.sh.

Arguments: the output of `swift package dump-package`, and of `swift package show-dependencies --format json`.
"""

import json
import pathlib
import re
import sys

OFFLINE = ["MafinNumerics", "MafinText", "MafinEncoder", "MafinRetrieval", "MafinBlackBox", "Mafin"]
NETWORK_PACKAGE = re.compile(r"(swift-nio.*|async-http-client|grpc-swift.*|hummingbird.*|vapor|flyingfox)", re.IGNORECASE)
NETWORK_SOURCE = re.compile(
    r"^\s*(?:public |package |internal |@preconcurrency )*import +(?:FoundationNetworking|Network|AsyncHTTPClient|NIO\w*)\b"
    r"|\bURLSession\b",
    re.MULTILINE)


def dependencies_of_targets(package):
    """For each target: the targets of this package, and the other packages, that it names."""
    names = {target["name"] for target in package["targets"]}
    result = {}
    for target in package["targets"]:
        inside, outside = set(), set()
        for dependency in target["dependencies"]:
            (kind, (name, *rest)), = dependency.items()
            if kind == "product":
                outside.add(rest[0].lower())
            elif name in names:
                inside.add(name)
            else:  # by name: a product of a package that bears the same name
                outside.add(name.lower())
        result[target["name"]] = (inside, outside)
    return result


def packages_below(graph):
    """For each package of the resolved graph: itself and all packages that it needs."""
    closure = {}

    def visit(node):
        reached = {node["identity"].lower()}
        for child in node["dependencies"]:
            reached |= visit(child)
        closure[node["identity"].lower()] = reached
        return reached

    visit(graph)
    return closure


def reached_targets(name, direct):
    reached, waiting = set(), [name]
    while waiting:
        target = waiting.pop()
        if target not in reached:
            reached.add(target)
            waiting.extend(direct[target][0])
    return reached


def main(package_file, graph_file):
    direct = dependencies_of_targets(json.loads(pathlib.Path(package_file).read_text()))
    below = packages_below(json.loads(pathlib.Path(graph_file).read_text()))
    faults = []
    for module in OFFLINE:
        if module not in direct:
            faults.append(f"{module}: no such target in Package.swift; correct the list in {sys.argv[0]}")
            continue
        for target in sorted(reached_targets(module, direct)):
            for package in sorted(direct[target][1]):
                for reached in sorted(below.get(package, {package})):
                    if NETWORK_PACKAGE.fullmatch(reached):
                        faults.append(f"{module}: reaches {reached}, through {target} and {package}")
        for source in sorted(pathlib.Path("Sources", module).rglob("*.swift")):
            if found := NETWORK_SOURCE.search(source.read_text()):
                faults.append(f"{source}: uses the network ({found.group().strip()})")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
