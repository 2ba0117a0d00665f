//! What other products' clients post, as far as it is read. Only described here: deliveries are kept as they come, and read
//! more leniently when they are translated.

#![expect(dead_code, reason = "these describe bodies that sources read")]

use utoipa::ToSchema;

/// A deployment as DevLake takes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakeDeployment {
    /// Unique within the connection.
    #[schema(min_length = 1)]
    id: String,
    /// When it was made.
    created_date: Option<String>,
    /// When it began.
    started_date: String,
    /// When it ended.
    finished_date: String,
    /// What came of it. Default: `SUCCESS`.
    result: Option<String>,
    /// `PRODUCTION`, `STAGING`, `TESTING` or `DEVELOPMENT`. Default: `PRODUCTION`.
    environment: Option<String>,
    /// What the deploying tool calls the environment.
    original_environment: Option<String>,
    /// Its name for people.
    display_title: Option<String>,
    /// The same, where there is no title.
    name: Option<String>,
    /// What was deployed, one a repository.
    #[schema(min_items = 1)]
    deployment_commits: Vec<DevlakeCommit>,
}

/// A revision that a deployment brought.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakeCommit {
    /// Address of its repository.
    repo_url: String,
    /// Its hash.
    #[schema(min_length = 1)]
    commit_sha: String,
    /// Its message; not read.
    commit_msg: Option<String>,
    /// Branch or tag.
    ref_name: Option<String>,
    /// What came of it, where that differs from the deployment.
    result: Option<String>,
    /// When its deployment began.
    started_date: Option<String>,
    /// When its deployment ended.
    finished_date: Option<String>,
}

/// An issue as DevLake takes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakeIssue {
    /// Unique within the connection.
    #[schema(min_length = 1)]
    issue_key: String,
    /// Its title.
    title: Option<String>,
    /// What kind; of `INCIDENT` an incident is made, of others nothing.
    r#type: Option<String>,
    /// `TODO`, `IN_PROGRESS` or `DONE`.
    status: Option<String>,
    /// When it was opened.
    created_date: String,
    /// When it was changed last.
    updated_date: Option<String>,
    /// When it was resolved.
    resolution_date: Option<String>,
    /// How severe it is.
    severity: Option<String>,
    /// How urgent it is, where no severity is told.
    priority: Option<String>,
    /// The service that it is of.
    component: Option<String>,
    /// Its page.
    url: Option<String>,
}

/// A pull request as DevLake takes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakePullRequest {
    /// The same as text, where there is no number.
    id: Option<String>,
    /// `OPEN`, `CLOSED` or `MERGED`; not read, as the instants tell.
    status: Option<String>,
    /// Its number.
    pull_request_key: i64,
    /// Its title.
    title: Option<String>,
    /// Its page; tells the repository.
    url: Option<String>,
    /// The repository, where no page tells it.
    base_repo_id: Option<String>,
    /// The repository that it comes from; not read.
    head_repo_id: Option<String>,
    /// The branch that it goes to.
    base_ref: Option<String>,
    /// The branch that it comes from.
    head_ref: Option<String>,
    /// Who wrote it.
    author_name: Option<String>,
    /// When it was opened.
    created_date: String,
    /// When it was merged.
    merged_date: Option<String>,
    /// When it was closed.
    closed_date: Option<String>,
    /// The commit that it became.
    merge_commit_sha: Option<String>,
}

/// What Datadog's clients put around what they post.
#[derive(ToSchema)]
pub(crate) struct Datadog<T> {
    data: DatadogData<T>,
}

/// The same, one level in.
#[derive(ToSchema)]
pub(crate) struct DatadogData<T> {
    /// What it is about, where the address does not tell.
    id: Option<String>,
    /// What kind of request.
    r#type: Option<String>,
    attributes: T,
}

/// A deployment as Datadog takes it.
#[derive(ToSchema)]
pub(crate) struct DatadogDeployment {
    /// Its id. Default: made of the content.
    id: Option<String>,
    /// What was deployed.
    #[schema(min_length = 1)]
    service: String,
    /// When it began, in nanoseconds since 1970.
    started_at: Option<i64>,
    /// When it ended, in nanoseconds since 1970.
    finished_at: i64,
    /// Where to. Default: `production`.
    env: Option<String>,
    /// Which version.
    version: Option<String>,
    /// Who owns the service.
    team: Option<String>,
    /// `key:value` pairs.
    custom_tags: Option<Vec<String>>,
    git: Option<DatadogGit>,
}

/// Which revision.
#[derive(ToSchema)]
pub(crate) struct DatadogGit {
    /// Address of the repository.
    repository_url: Option<String>,
    /// Hash of the commit.
    commit_sha: Option<String>,
}

/// A failure as Datadog takes it.
#[derive(ToSchema)]
pub(crate) struct DatadogFailure {
    /// Its id. Default: made of the content.
    id: Option<String>,
    /// The services that failed.
    services: Option<Vec<String>>,
    /// When it began, in nanoseconds since 1970.
    started_at: i64,
    /// When it was over, in nanoseconds since 1970.
    finished_at: Option<i64>,
    /// Where.
    env: Option<String>,
    /// Its title.
    name: Option<String>,
    /// How severe it is.
    severity: Option<String>,
    /// The version that ran.
    version: Option<String>,
    git: Option<DatadogGit>,
}

/// What became of a deployment.
#[derive(ToSchema)]
pub(crate) struct DatadogVerdict {
    /// Whether it is a change failure.
    change_failure: bool,
    remediation: Option<DatadogRemediation>,
}

/// The same of the latest deployment of a service, environment and version.
#[derive(ToSchema)]
pub(crate) struct DatadogVerdictByVersion {
    /// Which service.
    #[schema(min_length = 1)]
    service: String,
    /// Where.
    #[schema(min_length = 1)]
    env: String,
    /// Which version.
    #[schema(min_length = 1)]
    version: String,
    /// Whether it is a change failure.
    change_failure: bool,
    remediation: Option<DatadogRemediation>,
}

/// What remedied a failure.
#[derive(ToSchema)]
pub(crate) struct DatadogRemediation {
    /// Id of the deployment that remedied it.
    id: Option<String>,
    /// Its version, where no id is told.
    version: Option<String>,
    /// `rollback` or `rollforward`.
    r#type: Option<String>,
}

/// Which events are looked for.
#[derive(ToSchema)]
pub(crate) struct DatadogSearch {
    /// From when on.
    from: Option<String>,
    /// Until when.
    to: Option<String>,
    /// How many at most: 10, up to 1,000.
    limit: Option<u32>,
    /// As `service:(shop OR search) env:production`.
    query: Option<String>,
    /// `-started_at` for the newest first.
    sort: Option<String>,
}
