#!/usr/bin/env python3
"""Holds the lowest Rust that the manifest states (`rust-version`) against what the crates of the tree ask for, and prints
both. Fails where a crate asks for a newer one. That our own code names nothing newer is held by clippy's
`incompatible_msrv`, among the lints that CI denies.
"""
import json
import subprocess
import sys


def number(text):
    """A version as numbers to compare: 1.94 is 1.94.0."""
    return tuple((list(map(int, text.split("."))) + [0, 0])[:3])


def main():
    output = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1"], check=True, capture_output=True, text=True).stdout
    packages = json.loads(output)["packages"]
    stated = {p["rust_version"] for p in packages if not p["source"]}
    if len(stated) != 1 or None in stated:
        sys.exit(f"our own packages state several: {stated}")
    stated = stated.pop()
    asking = [p for p in packages if p["source"] and p["rust_version"]]
    newer = [f"{p['name']} {p['version']}: {p['rust_version']}" for p in asking if number(p["rust_version"]) > number(stated)]
    if newer:
        sys.exit(f"the manifest states Rust {stated}, and these crates ask for a newer one: {', '.join(newer)}")
    most = max(asking, key=lambda p: number(p["rust_version"]))
    print(f"Rust {stated} is stated; of {len(packages)} crates {len(asking)} ask for one, at most {most['rust_version']} "
          f"({most['name']} {most['version']})")


if __name__ == "__main__":
    main()
