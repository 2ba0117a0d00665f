//! What other products' clients post, as far as it is read. Bodies are held against these schemas before they are kept (see
//! [`super::shape`]); the sources of those products read them.

#![expect(dead_code, reason = "only the schemas are used")]

use std::borrow::Cow;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Whether a schema is of a body that comes in several forms, of which one may be within another.
pub(crate) fn has_several_forms(schema: &str) -> bool {
    ["DevlakeDeployments", "DevlakeIssues", "DatadogVerdict"].iter().any(|form| schema.contains(form))
}

/// The format of [`PostedTime`]s.
pub(super) const INSTANT: &str = "instant";

/// A text without which nothing can be kept.
pub(crate) struct PostedName;

impl PartialSchema for PostedName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Number]))
            .pattern(Some("\\S"))
            .description(Some("Text that is not blank; a number is taken as its digits."))
            .into()
    }
}

impl ToSchema for PostedName {
    fn name() -> Cow<'static, str> {
        "PostedName".into()
    }
}

/// A text that may say nothing.
pub(crate) struct PostedText;

impl PartialSchema for PostedText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Number]))
            .description(Some("Text; a blank one is as none, and a number is taken as its digits."))
            .into()
    }
}

impl ToSchema for PostedText {
    fn name() -> Cow<'static, str> {
        "PostedText".into()
    }
}

/// An instant as text.
pub(crate) struct PostedTime;

impl PartialSchema for PostedTime {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom(INSTANT.to_owned())))
            .description(Some("RFC 3339, as `2026-11-01T08:09:00+00:00`; without an offset it is UTC."))
            .into()
    }
}

impl ToSchema for PostedTime {
    fn name() -> Cow<'static, str> {
        "PostedTime".into()
    }
}

/// A deployment as DevLake takes it, or as it did before.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum DevlakeDeployments {
    Now(DevlakeDeployment),
    Before(DevlakeDeploymentBefore),
    SeveralBefore(DevlakeDeploymentsBefore),
}

/// A deployment as DevLake takes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakeDeployment {
    /// Unique within the connection.
    id: PostedName,
    /// When it was made.
    created_date: Option<PostedTime>,
    /// When it began.
    started_date: PostedTime,
    /// When it ended.
    finished_date: PostedTime,
    /// What came of it. Default: `SUCCESS`.
    result: Option<PostedText>,
    /// `PRODUCTION`, `STAGING`, `TESTING` or `DEVELOPMENT`. Default: `PRODUCTION`.
    environment: Option<PostedText>,
    /// What the deploying tool calls the environment.
    original_environment: Option<PostedText>,
    /// Its name for people.
    display_title: Option<PostedText>,
    /// The same, where there is no title.
    name: Option<PostedText>,
    /// What was deployed, one a repository.
    #[schema(min_items = 1)]
    deployment_commits: Vec<DevlakeCommit>,
}

/// A revision that a deployment brought.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakeCommit {
    /// Address of its repository.
    repo_url: PostedName,
    /// Its hash.
    commit_sha: PostedName,
    /// Branch or tag.
    ref_name: Option<PostedText>,
    /// What came of it, where that differs from the deployment.
    result: Option<PostedText>,
    /// Its message; not read.
    commit_msg: Option<Value>,
    /// When it began to be deployed; not read, as the deployment says it.
    started_date: Option<Value>,
    /// When that ended; not read.
    finished_date: Option<Value>,
}

/// A deployment of one repository as DevLake took it before.
#[derive(ToSchema)]
pub(crate) struct DevlakeDeploymentBefore {
    /// Unique within the connection. Default: made of the hash and the time.
    pipeline_id: Option<PostedText>,
    /// When it began.
    start_time: PostedTime,
    /// When it ended. Default: when it began.
    end_time: Option<PostedTime>,
    /// What came of it. Default: `SUCCESS`.
    result: Option<PostedText>,
    /// `PRODUCTION`, `STAGING`, `TESTING` or `DEVELOPMENT`. Default: `PRODUCTION`.
    environment: Option<PostedText>,
    /// Its name for people.
    name: Option<PostedText>,
    /// Address of the repository.
    repo_url: PostedName,
    /// Hash of the commit.
    commit_sha: PostedName,
    /// Branch or tag.
    ref_name: Option<PostedText>,
}

/// A deployment of several repositories as DevLake took it before.
#[derive(ToSchema)]
pub(crate) struct DevlakeDeploymentsBefore {
    /// Unique within the connection. Default: made of the hash and the time.
    pipeline_id: Option<PostedText>,
    /// When it began.
    start_time: PostedTime,
    /// When it ended. Default: when it began.
    end_time: Option<PostedTime>,
    /// What came of it. Default: `SUCCESS`.
    result: Option<PostedText>,
    /// `PRODUCTION`, `STAGING`, `TESTING` or `DEVELOPMENT`. Default: `PRODUCTION`.
    environment: Option<PostedText>,
    /// Its name for people.
    name: Option<PostedText>,
    /// What was deployed, one a repository.
    #[schema(min_items = 1)]
    deployment_commits: Vec<DevlakeCommitBefore>,
}

/// A revision that such a deployment brought.
#[derive(ToSchema)]
pub(crate) struct DevlakeCommitBefore {
    /// Address of its repository.
    repo_url: PostedName,
    /// Its hash.
    commit_sha: PostedName,
    /// Branch or tag.
    ref_name: Option<PostedText>,
}

/// An issue as DevLake takes it, or as it did before.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum DevlakeIssues {
    Now(DevlakeIssue),
    Before(DevlakeIssueBefore),
}

/// An issue as DevLake takes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakeIssue {
    /// Unique within the connection.
    issue_key: PostedName,
    /// Its title.
    title: Option<PostedText>,
    /// What kind; of `INCIDENT` an incident is made, of others nothing.
    r#type: Option<PostedText>,
    /// `TODO`, `IN_PROGRESS` or `DONE`.
    status: Option<PostedText>,
    /// When it was opened.
    created_date: PostedTime,
    /// When it was changed last.
    updated_date: Option<PostedTime>,
    /// When it was resolved.
    resolution_date: Option<PostedTime>,
    /// How severe it is.
    severity: Option<PostedText>,
    /// How urgent it is, where no severity is told.
    priority: Option<PostedText>,
    /// The service that it is of.
    component: Option<PostedText>,
    /// Its page.
    url: Option<PostedText>,
}

/// An issue as DevLake took it before.
#[derive(ToSchema)]
pub(crate) struct DevlakeIssueBefore {
    /// Unique within the connection.
    issue_key: PostedName,
    /// Its title.
    title: Option<PostedText>,
    /// What kind; of `INCIDENT` an incident is made, of others nothing.
    r#type: Option<PostedText>,
    /// `TODO`, `IN_PROGRESS` or `DONE`.
    status: Option<PostedText>,
    /// When it was opened.
    created_date: PostedTime,
    /// When it was changed last.
    updated_date: Option<PostedTime>,
    /// When it was resolved.
    resolution_date: Option<PostedTime>,
    /// How severe it is.
    severity: Option<PostedText>,
    /// How urgent it is, where no severity is told.
    priority: Option<PostedText>,
    /// The service that it is of.
    component: Option<PostedText>,
    /// Its page.
    url: Option<PostedText>,
}

/// A pull request as DevLake takes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct DevlakePullRequest {
    /// What its tool calls it; not read.
    id: Option<Value>,
    /// Its number.
    pull_request_key: PostedName,
    /// `OPEN`, `CLOSED` or `MERGED`; not read, as the instants tell.
    status: Option<Value>,
    /// The repository that it comes from; not read.
    head_repo_id: Option<Value>,
    /// Its title.
    display_title: Option<PostedText>,
    /// The same, where there is none for display.
    title: Option<PostedText>,
    /// Its page; tells the repository.
    url: Option<PostedText>,
    /// The repository, where no page tells it.
    base_repo_id: Option<PostedText>,
    /// The branch that it goes to.
    base_ref: Option<PostedText>,
    /// The branch that it comes from.
    head_ref: Option<PostedText>,
    /// Who wrote it.
    author_name: Option<PostedText>,
    /// The same, where there is no name.
    author_id: Option<PostedText>,
    /// When it was opened.
    created_date: PostedTime,
    /// When it was merged.
    merged_date: Option<PostedTime>,
    /// When it was closed.
    closed_date: Option<PostedTime>,
    /// The commit that it became.
    merge_commit_sha: Option<PostedText>,
}

/// What Datadog's clients put around what they post.
#[derive(ToSchema)]
pub(crate) struct Datadog<T> {
    data: DatadogData<T>,
}

/// The same, one level in.
#[derive(ToSchema)]
pub(crate) struct DatadogData<T> {
    /// Not read: the address tells.
    id: Option<Value>,
    /// Not read.
    r#type: Option<Value>,
    attributes: T,
}

/// A deployment as Datadog takes it.
#[derive(ToSchema)]
pub(crate) struct DatadogDeployment {
    /// Its id. Default: made of the content.
    id: Option<PostedText>,
    /// What was deployed.
    service: PostedName,
    /// When it began: nanoseconds, microseconds, milliseconds or seconds since 1970.
    #[schema(minimum = 1, maximum = 4_102_444_800_000_000_000_i64)]
    started_at: Option<i64>,
    /// When it ended: nanoseconds, microseconds, milliseconds or seconds since 1970.
    #[schema(minimum = 1, maximum = 4_102_444_800_000_000_000_i64)]
    finished_at: i64,
    /// Where to. Default: `production`.
    env: Option<PostedText>,
    /// Which version.
    version: Option<PostedText>,
    /// Who owns the service.
    team: Option<PostedText>,
    /// `key:value` pairs.
    custom_tags: Option<Vec<PostedText>>,
    git: Option<DatadogGit>,
}

/// Which revision.
#[derive(ToSchema)]
pub(crate) struct DatadogGit {
    /// Address of the repository.
    repository_url: Option<PostedText>,
    /// Hash of the commit.
    commit_sha: Option<PostedText>,
}

/// A failure as Datadog takes it.
#[derive(ToSchema)]
pub(crate) struct DatadogFailure {
    /// Its id. Default: made of the content.
    id: Option<PostedText>,
    /// The services that failed.
    services: Option<Vec<PostedText>>,
    /// When it began: nanoseconds, microseconds, milliseconds or seconds since 1970.
    #[schema(minimum = 1, maximum = 4_102_444_800_000_000_000_i64)]
    started_at: i64,
    /// When it was over: nanoseconds, microseconds, milliseconds or seconds since 1970.
    #[schema(minimum = 1, maximum = 4_102_444_800_000_000_000_i64)]
    finished_at: Option<i64>,
    /// Where.
    env: Option<PostedText>,
    /// Its title.
    name: Option<PostedText>,
    /// How severe it is.
    severity: Option<PostedText>,
    /// The version that ran.
    version: Option<PostedText>,
    git: Option<DatadogGit>,
}

/// What became of a deployment: whether it is a change failure, and what remedied it. One that was remedied is one.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum DatadogVerdict {
    Said {
        /// Whether it is a change failure.
        change_failure: bool,
        remediation: Option<DatadogRemediation>,
    },
    Remedied {
        /// Whether it is a change failure. Default: it is.
        change_failure: Option<bool>,
        remediation: DatadogRemediation,
    },
}

/// The same of the latest deployment of a service, environment and version.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum DatadogVerdictByVersion {
    Said {
        /// Which service.
        #[schema(pattern = "\\S")]
        service: String,
        /// Where.
        #[schema(pattern = "\\S")]
        env: String,
        /// Which version.
        #[schema(pattern = "\\S")]
        version: String,
        /// Whether it is a change failure.
        change_failure: bool,
        remediation: Option<DatadogRemediation>,
    },
    Remedied {
        /// Which service.
        #[schema(pattern = "\\S")]
        service: String,
        /// Where.
        #[schema(pattern = "\\S")]
        env: String,
        /// Which version.
        #[schema(pattern = "\\S")]
        version: String,
        /// Whether it is a change failure. Default: it is.
        change_failure: Option<bool>,
        remediation: DatadogRemediation,
    },
}

/// What remedied a failure.
#[derive(ToSchema)]
pub(crate) struct DatadogRemediation {
    /// Id of the deployment that remedied it.
    id: Option<PostedText>,
    /// Its version, where no id is told.
    version: Option<PostedText>,
    /// `rollback` or `rollforward`.
    r#type: Option<PostedText>,
}

/// Which events are looked for.
#[derive(ToSchema)]
pub(crate) struct DatadogSearch {
    /// From when on.
    from: Option<String>,
    /// Until when.
    to: Option<String>,
    /// How many at most. Default: 10.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// As `service:(shop OR search) env:production`.
    query: Option<String>,
    /// `-started_at` for the newest first.
    sort: Option<String>,
}
