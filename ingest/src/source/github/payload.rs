//! The parts of GitHub's webhook bodies that are needed. Anything may be missing or null: what a fact
//! cannot do without is checked where the fact is made. Source: docs.github.com, "Webhook events and payloads".

use std::fmt;

use chrono::DateTime;
use dorado_lake::Instant;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

/// An instant: RFC 3339, or seconds since the epoch as in a push's repository. `None` where it is neither.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Time(pub(super) Option<Instant>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an RFC 3339 instant or seconds since the epoch")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                Ok(Time(DateTime::parse_from_rfc3339(text).ok().map(|t| t.to_utc())))
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Time, E> {
                Ok(Time(DateTime::from_timestamp(seconds, 0)))
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Time, E> {
                Ok(Time(i64::try_from(seconds).ok().and_then(|s| DateTime::from_timestamp(s, 0))))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Time, E> {
                Ok(Time(None))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Time, E> {
                Ok(Time(None))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Declares structs whose every field may be missing or null.
macro_rules! lenient {
    ($($name:ident { $($field:ident $(as $key:literal)?: $of:ty,)* })*) => {$(
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name {
            $(
                #[serde(deserialize_with = "null_is_default")]
                $(#[serde(rename = $key)])?
                pub(super) $field: $of,
            )*
        }
    )*};
}

pub(super) use lenient;

lenient! {
    Payload {
        action: Option<String>,
        reason: Option<String>,
        merge_group: Option<MergeGroup>,
        // push
        git_ref as "ref": Option<String>,
        deleted: bool,
        commits: Vec<Commit>,
        // the others
        pull_request: Option<PullRequest>,
        review: Option<Review>,
        deployment: Option<Deployment>,
        deployment_status: Option<DeploymentStatus>,
        release: Option<Release>,
        workflow_run: Option<WorkflowRun>,
        workflow: Option<Workflow>,
        issue: Option<Issue>,
        label: Option<Label>,
        repository: Option<Repository>,
    }
    Repository {
        full_name: Option<String>,
        default_branch: Option<String>,
        pushed_at: Time,
    }
    Commit {
        id: Option<String>,
        message: Option<String>,
        timestamp: Time,
        url: Option<String>,
        author: Option<CommitAuthor>,
        added: Vec<String>,
        modified: Vec<String>,
        removed: Vec<String>,
    }
    MergeGroup {
        head_sha: Option<String>,
        base_ref: Option<String>,
        head_commit: Option<Commit>,
    }
    CommitAuthor {
        name: Option<String>,
        username: Option<String>,
    }
    User {
        login: Option<String>,
        kind as "type": Option<String>,
    }
    Label {
        name: Option<String>,
    }
    Branch {
        git_ref as "ref": Option<String>,
        repo: Option<Repository>,
    }
    PullRequest {
        number: Option<u64>,
        title: Option<String>,
        user: Option<User>,
        head: Option<Branch>,
        base: Option<Branch>,
        labels: Vec<Label>,
        created_at: Time,
        updated_at: Time,
        merged_at: Time,
        closed_at: Time,
        merge_commit_sha: Option<String>,
        html_url: Option<String>,
    }
    Review {
        user: Option<User>,
        state: Option<String>,
        submitted_at: Time,
    }
    Deployment {
        id: Option<u64>,
        sha: Option<String>,
        git_ref as "ref": Option<String>,
        task: Option<String>,
        payload: Value,
        environment: Option<String>,
        production_environment: Option<bool>,
        description: Option<String>,
        created_at: Time,
    }
    DeploymentStatus {
        state: Option<String>,
        environment: Option<String>,
        log_url: Option<String>,
        target_url: Option<String>,
        created_at: Time,
    }
    Release {
        id: Option<u64>,
        tag_name: Option<String>,
        target_commitish: Option<String>,
        name: Option<String>,
        draft: bool,
        prerelease: bool,
        published_at: Time,
        html_url: Option<String>,
    }
    Workflow {
        name: Option<String>,
    }
    WorkflowRun {
        id: Option<u64>,
        name: Option<String>,
        path: Option<String>,
        display_title: Option<String>,
        head_branch: Option<String>,
        head_sha: Option<String>,
        conclusion: Option<String>,
        run_attempt: Option<u64>,
        run_started_at: Time,
        updated_at: Time,
        html_url: Option<String>,
    }
    Issue {
        number: Option<u64>,
        title: Option<String>,
        body: Option<String>,
        labels: Vec<Label>,
        created_at: Time,
        updated_at: Time,
        closed_at: Time,
        html_url: Option<String>,
    }
}

pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
