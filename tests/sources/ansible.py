"""Real Ansible with our callback plugin: playbooks that deploy are deployments.

usage: ansible.py DORADO
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Dorado, check, installed

TOKEN = "what Ansible and Dorado know"
CONFIGURATION = """
[[connection]]
source = "ansible"
secrets = [{ env = "ANSIBLE_TOKEN" }]
"""
REVISION = "1f0c3b7d2a4e6f8091a2b3c4d5e6f708192a3b4c"
PLAYBOOK = """
- name: Deploy the shop
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    dorado_service: checkout
    dorado_repository: https://github.com/acme/shop
    dorado_revision: "{{ commit }}"
    dorado_version: "v{{ 1 + 1 }}"
  tasks:
    - name: It works or not
      ansible.builtin.assert: {that: works | bool}
"""
OTHER = """
- name: Tidy up
  hosts: localhost
  connection: local
  gather_facts: false
  tasks: [{ansible.builtin.debug: {msg: nothing is deployed}}]
"""
PLUGINS = Path(__file__).parents[2] / "integrations" / "ansible" / "callback_plugins"


def main(binary):
    bin = installed("ansible-core==2.19.14")
    folder = Path(tempfile.mkdtemp())
    (folder / "deploy.yml").write_text(PLAYBOOK)
    (folder / "other.yml").write_text(OTHER)
    with Dorado(binary, CONFIGURATION, {"ANSIBLE_TOKEN": TOKEN}) as dorado:
        environment = {
            **os.environ, "HOME": str(folder), "ANSIBLE_CALLBACKS_ENABLED": "dorado",
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS), "ANSIBLE_LOCALHOST_WARNING": "false",
            "DORADO_ANSIBLE_URL": f"{dorado.address}/webhooks/ansible", "DORADO_ANSIBLE_TOKEN": TOKEN,
            "LC_ALL": "C.UTF-8",
        }

        def play(playbook, *arguments, **more):
            command = [str(bin / "ansible-playbook"), playbook, "-e", f"commit={REVISION}", *arguments]
            ran = subprocess.run(
                command, cwd=folder, env={**environment, **more}, capture_output=True, text=True, check=False
            )
            return ran.returncode, ran.stdout + ran.stderr

        check("a deployment", play("deploy.yml", "-e", "works=true")[0], 0)
        check("a failed one", play("deploy.yml", "-e", "works=false dorado_environment=staging")[0], 2)
        check("only tried", play("deploy.yml", "-e", "works=true", "--check")[0], 0)
        check("no deployment", play("other.yml")[0], 0)
        status, output = play("deploy.yml", "-e", "works=true", DORADO_ANSIBLE_TOKEN="wrong")
        check("a playbook that Dorado refuses", (status, "could not be told" in output, TOKEN in output), (0, True, False))

        rows = sorted(dorado.settled_rows("/api/v1/deployments"), key=lambda row: row["finished_at"])
        check("two deployments", len(rows), 2)
        keys = ("service", "environment", "status", "revision", "version", "repository")
        check("the first", [rows[0][key] for key in keys],
              ["checkout", "production", "success", REVISION, "v2", "acme/shop"])
        check("the second", [rows[1][key] for key in keys[:3]], ["checkout", "staging", "failed"])
        check("it took time", all(row["started_at"] < row["finished_at"] for row in rows), True)


main(os.path.abspath(sys.argv[1]))
