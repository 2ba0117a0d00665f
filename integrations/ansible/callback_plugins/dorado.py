# Tells Dorado that a playbook deploys: when it starts, and what became of it.
# SPDX-License-Identifier: Apache-2.0

DOCUMENTATION = """
name: dorado
type: notification
short_description: Tells Dorado about deployments
description:
  - A playbook whose variables name a service or a repository is a deployment. Dorado hears of it when its first such
    play starts and when the playbook ends. Other playbooks, and C(--check), are not told.
  - A playbook never fails because Dorado does not answer.
requirements:
  - enabled in configuration, as C(callbacks_enabled = dorado)
options:
  url:
    description: Address of Dorado, and the name of the connection where there are several, as
      C(https://dorado.example.org/webhooks/ansible).
    env: [{name: DORADO_ANSIBLE_URL}]
    ini: [{section: callback_dorado, key: url}]
    required: true
  token:
    description: The secret of the connection.
    env: [{name: DORADO_ANSIBLE_TOKEN}]
  token_file:
    description: A file with the secret, where it is not in the environment.
    env: [{name: DORADO_ANSIBLE_TOKEN_FILE}]
    ini: [{section: callback_dorado, key: token_file}]
    type: path
  validate_certs:
    description: Whether the certificate of Dorado is checked.
    env: [{name: DORADO_ANSIBLE_VALIDATE_CERTS}]
    ini: [{section: callback_dorado, key: validate_certs}]
    type: bool
    default: true
  timeout:
    description: Seconds that one attempt may take.
    ini: [{section: callback_dorado, key: timeout}]
    type: int
    default: 5
  attempts:
    description: How often it is tried to tell Dorado.
    ini: [{section: callback_dorado, key: attempts}]
    type: int
    default: 3
"""

import json
import time
import uuid
from datetime import datetime, timezone

from ansible import context
from ansible.module_utils.urls import open_url
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar

VERSION = "1"
# Variables of a play, each with `dorado_` before it, and the fields that they become.
FIELDS = ("service", "team", "repository", "environment", "revision", "version", "url", "rollback", "hotfix")


def now():
    return datetime.now(timezone.utc).isoformat()


def plain(value):
    return value if value is None or isinstance(value, bool) else str(value)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "dorado"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None):
        super().__init__(display=display)
        self.id = str(uuid.uuid4())
        self.playbook = None
        # By what is deployed where, so that a playbook may deploy several services.
        self.deployments = {}

    def v2_playbook_on_start(self, playbook):
        self.playbook = getattr(playbook, "_file_name", None)

    def v2_playbook_on_play_start(self, play):
        if context.CLIARGS.get("check"):
            return
        told = self.variables(play)
        if not (told.get("service") or told.get("repository")):
            return
        what = (told.get("service"), told.get("repository"), told.get("environment"))
        if what in self.deployments:
            return
        # One deployment is named as the run is; further ones by what they deploy too.
        name = self.id if not self.deployments else f"{self.id}/{'/'.join(str(part) for part in what if part)}"
        told.update(id=name, playbook=self.playbook, play=play.get_name(), started_at=now(), result="running")
        self.deployments[what] = told
        self.tell(told)

    def v2_playbook_on_stats(self, stats):
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        failed = any(counts["failures"] or counts["unreachable"] for counts in hosts.values())
        for told in self.deployments.values():
            self.tell(dict(told, finished_at=now(), result="failure" if failed else "success", hosts=hosts))

    def variables(self, play):
        """The play's own variables, and what the command line says over them."""
        variables = play.get_variable_manager().get_vars(play=play)
        named = {field: variables[f"dorado_{field}"] for field in FIELDS if f"dorado_{field}" in variables}
        try:
            templar = Templar(loader=play.get_loader(), variables=variables)
            named = {field: templar.template(value) for field, value in named.items()}
        except Exception as error:
            self._display.warning(f"dorado: a variable cannot be read: {error}")
        return {field: plain(value) for field, value in named.items()}

    def token(self):
        token = self.get_option("token")
        if not token and self.get_option("token_file"):
            with open(self.get_option("token_file"), encoding="utf-8") as file:
                token = file.read().strip()
        return token

    def tell(self, body):
        attempts = max(1, self.get_option("attempts"))
        problem = None
        for attempt in range(attempts):
            if attempt:
                time.sleep(min(2**attempt, 10) / 2)
            try:
                open_url(
                    self.get_option("url"),
                    method="POST",
                    data=json.dumps(body).encode(),
                    headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token()}"},
                    http_agent=f"dorado-ansible/{VERSION}",
                    timeout=self.get_option("timeout"),
                    validate_certs=self.get_option("validate_certs"),
                    follow_redirects="none",
                ).read()
                return
            except Exception as error:
                problem = error
        self._display.warning(f"dorado: a deployment could not be told: {problem}")
