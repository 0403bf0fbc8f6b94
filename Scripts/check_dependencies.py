"""Fails when a module imports a module that it does not declare, declares one that it does not import, or uses the network although it must not.

check-dependencies.sh calls it with two files: the output of `swift package dump-package`, and that of
`swift package show-dependencies --format json`.
"""

import json
import pathlib
import re
import sys

# The modules that may use the network, SQLite and TOML. All others must work in an app without such packages.
NETWORKED = {"MafinPostgreSQL", "MafinProviders", "MafinServer", "MafinStores", "MafinProviderWorkflows", "MafinCLI"}
HEAVY_PACKAGE = re.compile(r"(swift-nio.*|async-http-client|grpc-swift.*|hummingbird.*|vapor|flyingfox|grdb.*|tomlkit)", re.IGNORECASE)
NETWORK_SOURCE = re.compile(
    r"^\s*(?:public |package |internal |@preconcurrency )*import +(?:FoundationNetworking|Network|AsyncHTTPClient|NIO\w*)\b"
    r"|\bURLSession\b",
    re.MULTILINE)
IMPORT = re.compile(
    r"(?:@\w+(?:\(\w+\))? +|public |package |internal |private |fileprivate )*"
    r"import +(?:(?:struct|class|enum|protocol|func|var|let|typealias) +)?(\w+)")
# Modules that come with Swift and its platforms.
SYSTEM = {
    "Accelerate", "CryptoKit", "Darwin", "Dispatch", "Foundation", "FoundationNetworking", "FoundationXML", "Glibc", "Musl", "Synchronization",
    "Testing", "XCTest",
}


def dependencies_of_targets(package):
    """For each target its declared dependencies: targets of this package, and products of other packages as {product: package}."""
    names = {target["name"] for target in package["targets"]}
    result = {}
    for target in package["targets"]:
        inside, outside = set(), {}
        for dependency in target["dependencies"]:
            (kind, (name, *rest)), = dependency.items()
            if kind == "product":
                outside[name] = rest[0].lower()
            elif name in names:
                inside.add(name)
            else:  # by name: a product of a package with the same name
                outside[name] = name.lower()
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


def folder_of(target):
    """The folder of a target's sources, by SwiftPM's rules."""
    if target.get("path"):
        return pathlib.Path(target["path"])
    return pathlib.Path("Tests" if target["type"] == "test" else "Sources", target["name"])


def imports_of(folder):
    """For each module that Swift sources below a folder import, the first source that imports it. Imports come before all declarations."""
    found = {}
    for source in sorted(folder.rglob("*.swift")):
        for line in source.read_text().splitlines():
            if match := IMPORT.match(line):
                found.setdefault(match.group(1), source)
            elif line and not line.startswith(("//", "/*", " *", "#")):
                break
    return found


def undeclared_and_unused(package, direct):
    faults = []
    for target in package["targets"]:
        name, folder = target["name"], folder_of(target)
        if not any(folder.rglob("*.swift")):  # C targets
            continue
        inside, outside = direct[name]
        declared = inside | set(outside)
        imported = imports_of(folder)
        for module, source in sorted(imported.items()):
            if module not in declared | SYSTEM | {name}:
                faults.append(f"{source}: imports {module}, which {name} does not declare in Package.swift")
        # A test target gets all dependencies of its module, so it need not import all of them.
        if target["type"] != "test":
            for module in sorted(declared - set(imported)):
                faults.append(f"Package.swift: {name} declares {module} and imports it nowhere")
    return faults


def main(package_file, graph_file):
    package = json.loads(pathlib.Path(package_file).read_text())
    direct = dependencies_of_targets(package)
    below = packages_below(json.loads(pathlib.Path(graph_file).read_text()))
    faults = [f"{sys.argv[0]}: there is no module {name}; correct NETWORKED" for name in sorted(NETWORKED - set(direct))]
    faults += undeclared_and_unused(package, direct)
    modules = [target["name"] for target in package["targets"] if target["type"] in ("regular", "executable")]
    for module in modules:
        if module in NETWORKED or module == "MafinTestSupport":
            continue
        for target in sorted(reached_targets(module, direct)):
            if target in NETWORKED:
                faults.append(f"{module}: reaches {target}, which uses the network")
            for product, package_name in sorted(direct[target][1].items()):
                for reached in sorted(below.get(package_name, {package_name})):
                    if HEAVY_PACKAGE.fullmatch(reached):
                        faults.append(f"{module}: reaches {reached}, through {target} and {product}")
        for source in sorted(pathlib.Path("Sources", module).rglob("*.swift")):
            if found := NETWORK_SOURCE.search(source.read_text()):
                faults.append(f"{source}: uses the network ({found.group().strip()})")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
