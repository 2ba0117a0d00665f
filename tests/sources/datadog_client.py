"""What somebody who measures with Datadog has: the real client, and another address.

usage: datadog_client.py ADDRESS KEY post|patch|list|delete
"""

import sys
from datetime import datetime, timezone

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ForbiddenException, UnauthorizedException
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
from datadog_api_client.v2.models import (
    DORADeploymentPatchRemediation,
    DORADeploymentPatchRemediationType,
    DORADeploymentPatchRequest,
    DORADeploymentPatchRequestAttributes,
    DORADeploymentPatchRequestData,
    DORADeploymentPatchRequestDataType,
    DORADeploymentRequest,
    DORADeploymentRequestAttributes,
    DORADeploymentRequestData,
    DORAFailureRequest,
    DORAFailureRequestAttributes,
    DORAFailureRequestData,
    DORAGitInfo,
    DORAListDeploymentsRequest,
    DORAListDeploymentsRequestAttributes,
    DORAListDeploymentsRequestData,
    DORAListFailuresRequest,
    DORAListFailuresRequestAttributes,
    DORAListFailuresRequestData,
)

START = 1772445600  # 2026-03-02T10:00:00Z
GIT = DORAGitInfo(
    commit_sha="66adc9350f2cc9b250b69abddab733dd55e1a588",
    repository_url="https://github.com/organization/example-repository",
)
SECOND = 10**9


def connected(address, key):
    configuration = Configuration(host=address)
    configuration.api_key = {"apiKeyAuth": key, "appKeyAuth": key}
    return DORAMetricsApi(ApiClient(configuration))


def deploy(api, **attributes):
    attributes = DORADeploymentRequestAttributes(service="shopist", env="prod", **attributes)
    body = DORADeploymentRequest(data=DORADeploymentRequestData(attributes=attributes))
    return api.create_dora_deployment(body).data.id


def post(api):
    first = deploy(
        api, id="shopist-2026-03-02-17", started_at=START * SECOND, finished_at=(START + 300) * SECOND, git=GIT,
        version="v1.12.07", team="backend",
    )
    # In milliseconds, and without an id.
    second = deploy(api, started_at=(START + 7200) * 1000, finished_at=(START + 7260) * 1000, version="v1.12.08")
    attributes = DORAFailureRequestAttributes(
        services=["shopist"], name="Web server is down", severity="High", env="prod", git=GIT,
        started_at=(START + 600) * SECOND, finished_at=(START + 2400) * SECOND,
    )
    failure = api.create_dora_failure(DORAFailureRequest(data=DORAFailureRequestData(attributes=attributes))).data.id
    print(first, second, failure)


def found(api):
    deployments = api.list_dora_deployments(DORAListDeploymentsRequest(data=DORAListDeploymentsRequestData(
        attributes=DORAListDeploymentsRequestAttributes(
            _from=datetime(2026, 3, 1, tzinfo=timezone.utc), to=datetime(2026, 3, 31, tzinfo=timezone.utc), limit=10,
            query="service:(shopist OR other) env:prod", sort="-started_at",
        ),
    ))).data
    failures = api.list_dora_failures(DORAListFailuresRequest(data=DORAListFailuresRequestData(
        attributes=DORAListFailuresRequestAttributes(limit=10),
    ))).data
    one = api.get_dora_deployment(deployments[0].id).data
    print(*(deployment.id for deployment in deployments), one.attributes.service, failures[0].id)


def patch(api):
    found = api.list_dora_deployments(DORAListDeploymentsRequest(data=DORAListDeploymentsRequestData(
        attributes=DORAListDeploymentsRequestAttributes(query="version:v1.12.08"),
    ))).data[0]
    remediation = DORADeploymentPatchRemediation(id="none-yet", type=DORADeploymentPatchRemediationType("rollback"))
    attributes = DORADeploymentPatchRequestAttributes(change_failure=True, remediation=remediation)
    api.patch_dora_deployment(found.id, DORADeploymentPatchRequest(data=DORADeploymentPatchRequestData(
        attributes=attributes, id=found.id,
        type=DORADeploymentPatchRequestDataType("dora_deployment_patch_request"),
    )))
    try:
        deploy(connected(api.api_client.configuration.host, "wrong"), started_at=START, finished_at=START)
    except (ForbiddenException, UnauthorizedException):
        return
    raise SystemExit("a wrong key was let in")


def delete(api):
    """Deletes the deployment without an id of its own, and the failure."""
    listed = api.list_dora_deployments(DORAListDeploymentsRequest(data=DORAListDeploymentsRequestData(
        attributes=DORAListDeploymentsRequestAttributes(query="version:v1.12.08"),
    )))
    api.delete_dora_deployment(listed.data[0].id)
    failures = api.list_dora_failures(DORAListFailuresRequest(data=DORAListFailuresRequestData(
        attributes=DORAListFailuresRequestAttributes(limit=10),
    ))).data
    api.delete_dora_failure(failures[0].id)


{"post": post, "delete": delete, "patch": patch, "list": found}[sys.argv[3]](connected(sys.argv[1], sys.argv[2]))
