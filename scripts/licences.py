#!/usr/bin/env python3
"""Writes name, version and licence texts of every crate that the packaged binary is made of, from `cargo metadata`.

Fails where a crate states no licence. Texts that are the same are written once.
"""
import json
import pathlib
import subprocess
import sys

FEATURES = ["--no-default-features", "--features", "tls"]
NAMES = ("licen", "copying", "notice", "unlicense")


def crates():
    """The packages of the normal dependency tree, without build and test ones."""
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", *FEATURES],
        check=True, capture_output=True, text=True).stdout
    wanted = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    metadata = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", *FEATURES],
        check=True, capture_output=True, text=True).stdout
    packages = [p for p in json.loads(metadata)["packages"] if (p["name"], "v" + p["version"]) in wanted]
    return sorted((p for p in packages if p["source"]), key=lambda p: (p["name"], p["version"]))


def main(target):
    texts, lines = {}, []
    for package in crates():
        if not package["license"] and not package["license_file"]:
            sys.exit(f"{package['name']} states no licence")
        folder = pathlib.Path(package["manifest_path"]).parent
        numbers = []
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name.lower().startswith(NAMES):
                text = path.read_text(errors="replace").strip()
                numbers.append(texts.setdefault(text, len(texts) + 1))
        where = ", ".join(str(number) for number in numbers) or "stated in its manifest only"
        lines.append(f"{package['name']} {package['version']}: {package['license'] or 'see text'} (texts: {where})")
    parts = ["The program contains these crates, each under its own licence:", "", *lines]
    for text, number in texts.items():
        parts += ["", "=" * 72, f"Text {number}", "", text]
    pathlib.Path(target).write_text("\n".join(parts) + "\n")
    print(f"{len(lines)} crates, {len(texts)} licence texts")


if __name__ == "__main__":
    main(sys.argv[1])
