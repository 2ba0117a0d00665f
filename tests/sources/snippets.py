"""Every command that a page of docs/sources gives to post something is run as it stands there: the real binary must make
facts of each.

usage: snippets.py DORADO
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Dorado, check

PAGES = sorted((Path(__file__).parents[2] / "docs" / "sources").glob("*.md"))
SECRET = "what the tool and Dorado know"
# What Jenkins gives to a step.
BUILD = {
    "DORADO_TOKEN": SECRET, "JOB_NAME": "harbour/deploy-quay", "BUILD_NUMBER": "7", "RESULT": "SUCCESS",
    "BUILD_URL": "https://jenkins.example.org/job/7/", "BEGAN": "1795000000000", "ENVIRONMENT": "production",
    "GIT_URL": "https://git.example.org/harbour/quay.git", "GIT_BRANCH": "main", "GIT_COMMIT": "4f2c1d6b8a90e7f3c5d1b2a49687e0f1c2d3b4a5",
}


def commands(page):
    """The blocks of a page that post to a server."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shell = [text for language, text in blocks if language == "sh"]
    steps = [step for language, text in blocks if language == "groovy" for step in re.findall(r"sh '''(.*?)'''", text, re.DOTALL)]
    return [text for text in shell + steps if re.search(r"curl[^|]*/(webhooks|events|plugins)", text, re.DOTALL)]


def main(binary):
    pages = {page.stem: page.read_text() for page in PAGES}
    posting = {name: commands(page) for name, page in pages.items()}
    posting = {name: found for name, found in posting.items() if found}
    check("pages that tell how to post", len(posting) >= 8, True)
    secrets = {name: found[1] for name in posting if (found := re.search(r'secrets = \[\{ env = "(\w+)"', pages[name]))}
    configuration = "".join(
        f'[[connection]]\nsource = "{name}"\nsecrets = [{{ env = "{variable}" }}]\n' for name, variable in secrets.items()
    )
    variables = {variable: SECRET for variable in secrets.values()}
    with tempfile.TemporaryDirectory() as home, Dorado(binary, configuration, variables) as dorado:
        (Path(home) / ".curlrc").write_text("silent\nshow-error\n")
        environment = {**os.environ, **variables, **BUILD, "CURL_HOME": home}
        for name, found in posting.items():
            for command in found:
                command = command.replace("http://127.0.0.1:8080", dorado.address).replace("https://YOUR-ADDRESS", dorado.address)
                ran = subprocess.run(["sh", "-e", "-c", command], env=environment, capture_output=True, text=True)
                if ran.returncode != 0:
                    raise SystemExit(f"NOT OK: {name}: {ran.stdout}{ran.stderr}")
                told = json.loads(ran.stdout)
                check(f"{name}: facts", bool(told.get("facts")) or told.get("accepted", 0) > 0, True)
        check("rows", len(dorado.settled_rows("/api/v1/deployments?from=2026-01-01&to=2027-01-01")) >= 6, True)


if __name__ == "__main__":
    main(sys.argv[1])
