#!/usr/bin/env python3
"""Writes a CycloneDX bill of what the packaged binary is made of: crates with their sources, checksums and licences, and
who depends on whom, from `cargo metadata` and Cargo.lock. The same sources give the same bytes.
"""
import json
import pathlib
import subprocess
import sys
import tomllib

FEATURES = ["--no-default-features", "--features", "tls"]
ROOT = "chargetally"


def output(*arguments):
    """What cargo says."""
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def reference(package):
    """The crate's package URL; of a workspace member, which no registry has, a name that is no location."""
    kind = "pkg:cargo/" if package["source"] else "member:"
    return f"{kind}{package['name']}@{package['version']}"


def component(package, checksums, kind="library"):
    """The CycloneDX record of a crate."""
    record = {"type": kind, "bom-ref": reference(package), "name": package["name"], "version": package["version"]}
    if package["description"]:
        record["description"] = " ".join(package["description"].split())
    if package["source"]:
        record["purl"] = reference(package)
        record["hashes"] = [{"alg": "SHA-256", "content": checksums[package["name"], package["version"]]}]
    if package["license"]:
        # Older manifests separate alternatives by a slash, which is no SPDX expression.
        record["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["repository"]:
        record["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return record


def main(target):
    # The normal edges alone: what builds or tests the program is not in it. A `(*)` marks a crate that was listed before.
    tree = output("tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", *FEATURES)
    wanted = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    metadata = json.loads(output("metadata", "--locked", "--format-version", "1", *FEATURES))
    packages = {p["id"]: p for p in metadata["packages"] if (p["name"], "v" + p["version"]) in wanted}
    locked = tomllib.loads(pathlib.Path("Cargo.lock").read_text())["package"]
    checksums = {(p["name"], p["version"]): p["checksum"] for p in locked if "checksum" in p}
    ordered = sorted(packages.values(), key=reference)
    root = next(p for p in ordered if p["name"] == ROOT)
    dependencies = []
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in packages:
            normal = [d["pkg"] for d in node["deps"] if any(k["kind"] is None for k in d["dep_kinds"])]
            depends = sorted(reference(packages[i]) for i in normal if i in packages)
            dependencies.append({"ref": reference(packages[node["id"]]), "dependsOn": depends})
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, checksums, "application")},
        "components": [component(p, checksums) for p in ordered if p is not root],
        "dependencies": sorted(dependencies, key=lambda d: d["ref"]),
    }
    pathlib.Path(target).write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n")
    print(f"bill of materials: {len(bill['components'])} components, {len(dependencies)} with what they depend on")


if __name__ == "__main__":
    main(sys.argv[1])
