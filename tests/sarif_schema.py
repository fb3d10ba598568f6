"""Every scenario's ``check -o sarif`` against the standard's own JSON Schema, which is fetched: ``python -m tests.sarif_schema``.

The schema comes from a package of the npm registry, which is told by its hash. Where that can't be reached, it says so and
checks nothing: the shape is also held by tests/unit/test_check.py, which needs no network.
"""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import httpx
import jsonschema
import yaml

from meshtui.sandbox.scenarios import load, names

ADDRESS = "https://registry.npmjs.org/@microsoft/jest-sarif/-/jest-sarif-1.0.0-beta.0.tgz"
SHA512 = "A1fOhPd6Ic5iDk4F9YPw1qNB4XF+7+IviR7xl8r2F6QzQkx5cpY9LsGk2rExiFIEcBbjpVnSmwWGBukASkiQ9A=="
SCHEMA = "package/lib/schemas/sarif-2.1.0-rtm.5.json"


def fetch() -> dict:
    """The schema. Raises httpx.HTTPError, and ValueError for another file than is expected."""
    answer = httpx.get(ADDRESS, timeout=30, follow_redirects=True).raise_for_status()
    if base64.b64encode(hashlib.sha512(answer.content).digest()).decode() != SHA512:
        raise ValueError(f"{ADDRESS} is another file than it was")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        return json.load(archive.extractfile(SCHEMA))


def sarif_of(scenario: str, folder: Path) -> dict:
    """What check says of a scenario's manifests."""
    file = folder / f"{scenario}.yaml"
    file.write_text(yaml.safe_dump_all(load(scenario)))
    command = [sys.executable, "-m", "meshtui", "check", "-f", str(file), "-o", "sarif", "--fail-on", "never"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> int:
    """0 when all are valid, and one that was broken isn't."""
    try:
        schema = fetch()
    except httpx.HTTPError as error:
        print(f"SARIF's schema can't be fetched, nothing is checked: {error}", file=sys.stderr)
        return 0
    validator = jsonschema.Draft7Validator(schema)
    bad = results = 0
    with tempfile.TemporaryDirectory() as folder:
        for scenario in names():
            log = sarif_of(scenario, Path(folder))
            results += len(log["runs"][0]["results"])
            errors = list(validator.iter_errors(log))
            bad += len(errors)
            for error in errors:
                print(f"{scenario}: {error.json_path}: {error.message}", file=sys.stderr)
        log["runs"][0]["results"][0]["level"] = "terrible"
        if validator.is_valid(log):
            print("the schema takes a broken log, too", file=sys.stderr)
            bad += 1
    print(f"SARIF: {results} results of {len(names())} scenarios, {bad} errors")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
