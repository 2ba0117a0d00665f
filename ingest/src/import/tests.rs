//! Files as people have them, and what an import makes of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampSecondArray,
};
use tempfile::TempDir;

use super::*;
use crate::source::events::EventType;

const NDJSON: &str = r#"{"type":"deployment","id":"d1","service":"checkout","finished_at":"2026-01-02T03:04:05Z"}

{"type":"deployment","id":"d2","service":"checkout","finished_at":"2026-01-02T03:04:05"}
{"type":"incident","id":"i1","service":"checkout","opened_at":"2026-01-02T04:00:00Z"}
broken
{"type":"deployment","id":"d3","service":"checkout","finished_at":"2026-01-03T03:04:05"}
"#;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn write_parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = self.0.path().join(name);
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }
}

fn facts_of(path: &Path, mapping: Mapping) -> (Vec<Fact>, Summary) {
    let mut facts = Vec::new();
    let options = Options { mapping, ..Options::default() };
    let summary = read(path, &options, &mut |chunk| {
        facts.extend(chunk.facts);
        ControlFlow::Continue(())
    });
    (facts, summary.unwrap())
}

fn mapped(kind: EventType, words: &[&str]) -> Mapping {
    Mapping::new(Some(kind), words).unwrap()
}

fn error_of(path: &Path, mapping: Mapping) -> String {
    let options = Options { mapping, ..Options::default() };
    read(path, &options, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string()
}

#[test]
fn lines_are_kept_or_rejected_by_reason_with_their_place() {
    let files = Files::new();
    let (facts, summary) = facts_of(&files.write("e.ndjson", NDJSON), Mapping::default());
    assert_eq!(facts.len(), 2);
    assert_eq!((summary.n_rows, summary.n_facts, summary.n_kept(), summary.n_rejected()), (5, 2, 2, 3));
    assert_eq!(summary.kept[&EventType::Deployment], 1);
    let no_offset = &summary.rejected["finished_at: … has no offset"];
    assert_eq!(no_offset.n, 2);
    let place = files.0.path().join("e.ndjson:3").display().to_string();
    assert!(
        no_offset.examples[0].starts_with(&format!("{place}: finished_at: `2026-01-02T03:04:05` has no offset")),
        "{no_offset:?}"
    );
    assert!(summary.rejected.keys().any(|reason| reason.starts_with("is not JSON")));
}

#[test]
fn gzip_a_document_and_a_table_give_the_facts_of_the_lines() {
    let files = Files::new();
    let (expected, summary) = facts_of(&files.write("e.jsonl", NDJSON), Mapping::default());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(NDJSON.as_bytes()).unwrap();
    assert_eq!(facts_of(&files.write("e.ndjson.gz", packed.finish().unwrap()), Mapping::default()).0, expected);

    let whole: Vec<&str> = NDJSON.lines().filter(|line| line.starts_with('{')).collect();
    let (facts, of_document) = facts_of(&files.write("e.json", format!("[{}]", whole.join(","))), Mapping::default());
    assert_eq!(facts, expected);
    assert_eq!(of_document.kept, summary.kept);

    let table = "type,id,service,finished_at,opened_at\n\
                 deployment,d1,checkout,2026-01-02T03:04:05Z,\n\
                 incident,i1,checkout,,2026-01-02T04:00:00Z\n";
    assert_eq!(facts_of(&files.write("e.csv", table), Mapping::default()).0, expected);
}

#[test]
fn csv_columns_are_mapped_and_its_rows_are_rejected_by_line() {
    let files = Files::new();
    let table = "\u{feff}Deploy ID,app,when,tags,\"did, break\",note\n\
                 7,checkout,2026-01-02T03:04:05Z,a; b,yes,\"two\nlines\"\n\
                 8,checkout,2026-01-02 03:04:05,,no,\n\
                 9,checkout\n\
                 10,checkout,2026-01-02T03:04:05Z,,perhaps,\n";
    let mapping = mapped(
        EventType::Deployment,
        &["Deploy ID=id", "app=service", "when=finished_at", "tags=labels", "did, break=hotfix", "environment=:live"],
    );
    let path = files.write("d.csv", table);
    let (facts, summary) = facts_of(&path, mapping);
    let [Fact::Deployment(d)] = &facts[..] else { unreachable!("{facts:?}") };
    assert_eq!((d.id.as_str(), d.environment.as_str(), d.is_hotfix), ("7", "live", true));
    assert_eq!(d.labels, ["a", "b"]);
    let examples: Vec<String> = summary.rejected.values().flat_map(|c| c.examples.clone()).collect();
    let said = examples.join("\n").replace(&path.display().to_string(), "d.csv");
    assert!(
        said.contains("d.csv:4: finished_at: `2026-01-02 03:04:05` has no offset; write 2026-01-02T03:04:05Z"),
        "{said}"
    );
    assert!(said.contains("d.csv:5: the row has 2 cells under 6 names"), "{said}");
    assert!(said.contains("d.csv:6: hotfix: `perhaps` is neither true nor false"), "{said}");
    assert_eq!(summary.ignored["column `note`: not a field of deployment"].n, 4);
}

#[test]
fn a_mapping_that_cannot_be_used_is_said() {
    let files = Files::new();
    let path = files.write("d.csv", "a,b\n1,2\n");
    assert!(error_of(&path, Mapping::default()).contains("name their type, or give them a column `type`"));
    assert!(error_of(&path, mapped(EventType::Change, &["c=id"])).contains("the file has no column `c`; it has a, b"));
    let bad = |word: &str| Mapping::new(Some(EventType::Change), [word]).unwrap_err().to_string();
    assert!(bad("a=comitted_at").contains("`comitted_at` is not a field; known are committed_at"));
    assert!(bad("a").contains("write their_column=our_field"));
    let lines = files.write("e.ndjson", NDJSON);
    assert!(error_of(&lines, mapped(EventType::Change, &[])).contains("only CSV and Parquet are mapped"));
    assert!(error_of(&files.write("e.txt", NDJSON), Mapping::default()).contains("cannot tell the format"));
    assert!(error_of(Path::new("/nowhere/e.csv"), Mapping::default()).contains("cannot read"));
    assert!(error_of(&files.write("e.parquet", "no"), Mapping::default()).contains("cannot read"));
}

fn micros(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

fn utc(text: &str) -> dorado_lake::Instant {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

#[test]
fn parquet_of_another_tool_is_taken_through_a_mapping() {
    let files = Files::new();
    let sha = "ab".repeat(20);
    let deployments = files.write_parquet(
        "deployments.parquet",
        vec![
            ("deployment_id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("service_id", Arc::new(Int32Array::from(vec![17, 17]))),
            ("environment", Arc::new(StringArray::from(vec!["production", "staging"]))),
            ("status", Arc::new(StringArray::from(vec!["success", "failure"]))),
            ("kind", Arc::new(StringArray::from(vec!["rollback", "planned"]))),
            ("commit_sha", Arc::new(StringArray::from(vec![sha.to_uppercase(), sha.clone()]))),
            (
                "started_at",
                Arc::new(TimestampMicrosecondArray::from(vec![
                    micros("2026-01-02T03:00:00Z"),
                    micros("2026-01-02T04:00:00Z"),
                ])),
            ),
            (
                "deployed_at",
                Arc::new(TimestampMicrosecondArray::from(vec![Some(micros("2026-01-02T03:04:05.000006Z")), None])),
            ),
        ],
    );
    let mapping = mapped(EventType::Deployment, &["deployment_id=id", "service_id=service", "deployed_at=finished_at"]);
    let (facts, summary) = facts_of(&deployments, mapping);
    let [Fact::Deployment(d)] = &facts[..] else { unreachable!("{facts:?}") };
    assert_eq!((d.id.as_str(), d.service.as_deref(), d.is_rollback), ("1", Some("17"), true));
    assert_eq!(d.revision.as_deref(), Some(sha.as_str()));
    assert_eq!(d.finished_at, Some(utc("2026-01-02T03:04:05.000006Z")));
    assert_eq!(
        summary.rejected.keys().collect::<Vec<_>>(),
        ["finished_at: is missing; a deployment that is over needs it"]
    );

    let changes = files.write_parquet(
        "changes.parquet",
        vec![
            ("change_id", Arc::new(Int64Array::from(vec![5])) as ArrayRef),
            ("service_id", Arc::new(Int32Array::from(vec![17]))),
            ("merge_sha", Arc::new(StringArray::from(vec![sha.as_str()]))),
            ("opened_at", Arc::new(TimestampMicrosecondArray::from(vec![micros("2026-01-01T00:00:00Z")]))),
            ("merged_at", Arc::new(TimestampMicrosecondArray::from(vec![micros("2026-01-02T00:00:00Z")]))),
            ("deployment_id", Arc::new(Int64Array::from(vec![1]))),
            ("lines_changed", Arc::new(Int32Array::from(vec![9]))),
        ],
    );
    let words = ["change_id=pull_request", "service_id=service", "merge_sha=id", "deployment_id=deployment"];
    let (facts, summary) = facts_of(&changes, mapped(EventType::Change, &words));
    let [Fact::PullRequest(pr), Fact::Change(change)] = &facts[..] else { unreachable!("{facts:?}") };
    assert_eq!(
        (pr.id.as_str(), pr.opened_at, pr.merge_commit.as_deref()),
        ("5", Some(utc("2026-01-01T00:00:00Z")), Some(sha.as_str()))
    );
    assert_eq!((change.deployment.as_deref(), change.pull_request.as_deref()), (Some("1"), Some("5")));
    assert_eq!(summary.ignored.len(), 1);
    assert_eq!(summary.n_facts, 2);
}

#[test]
fn parquet_columns_come_in_many_types() {
    let files = Files::new();
    let mut labels = ListBuilder::new(StringBuilder::new());
    labels.values().append_value("a;b");
    labels.values().append_value("c");
    labels.append(true);
    let zoned = TimestampMillisecondArray::from(vec![1_767_323_045_000]).with_timezone("+01:00");
    let raw_sha = FixedSizeBinaryArray::try_from_iter([[0xAB_u8; 20]].into_iter()).unwrap();
    let path = files.write_parquet(
        "d.parquet",
        vec![
            ("id", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
            ("service", Arc::new(StringArray::from(vec!["s"]).slice(0, 1))),
            ("revision", Arc::new(raw_sha)),
            ("labels", Arc::new(labels.finish())),
            ("finished_at", Arc::new(zoned)),
            ("started_at", Arc::new(TimestampSecondArray::from(vec![1_767_323_000]))),
        ],
    );
    let (facts, summary) = facts_of(&path, mapped(EventType::Deployment, &["unplanned=:true"]));
    let [Fact::Deployment(d)] = &facts[..] else { unreachable!("{facts:?} {summary:?}") };
    assert_eq!(d.revision, Some("ab".repeat(20)));
    assert_eq!(d.labels, ["a;b", "c"]);
    assert_eq!(d.finished_at, Some(utc("2026-01-02T03:04:05Z")));
    assert_eq!(d.started_at, Some(utc("2026-01-02T03:03:20Z")));
    assert!(d.is_unplanned);

    let numbers = files.write_parquet(
        "i.parquet",
        vec![
            ("id", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
            ("opened_at", Arc::new(Int64Array::from(vec![1_767_323_045]))),
        ],
    );
    let (_, summary) = facts_of(&numbers, mapped(EventType::Incident, &[]));
    assert!(summary.rejected.keys().next().unwrap().contains("expected an RFC 3339 instant"), "{summary:?}");
}

#[test]
fn a_large_file_comes_in_chunks_with_its_progress_and_can_be_stopped() {
    let files = Files::new();
    let ids: Vec<i64> = (0..240_000).collect();
    let path = files.write_parquet(
        "i.parquet",
        vec![
            (
                "opened_at",
                Arc::new(TimestampMicrosecondArray::from(vec![micros("2026-01-02T00:00:00Z"); ids.len()])) as ArrayRef,
            ),
            ("id", Arc::new(Int64Array::from(ids))),
        ],
    );
    let options = Options { mapping: mapped(EventType::Incident, &[]), ..Options::default() };
    let mut chunks = Vec::new();
    let summary = read(&path, &options, &mut |chunk| {
        chunks.push((chunk.facts.len(), chunk.n_rows, chunk.n_bytes, chunk.n_bytes_total));
        ControlFlow::Continue(())
    });
    assert_eq!(summary.unwrap().n_facts, 240_000);
    let n_facts: Vec<usize> = chunks.iter().map(|c| c.0).collect();
    assert_eq!((n_facts.len(), &n_facts[..9], n_facts[9]), (10, &[25_000; 9][..], 15_000));
    assert!(chunks.windows(2).all(|w| w[0].1 < w[1].1 && w[0].2 < w[1].2), "{chunks:?}");
    assert_eq!(chunks[9].2, chunks[9].3);
    let stopped = read(&path, &options, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Stopped { .. })));
}

#[test]
fn summaries_of_files_add_up() {
    let files = Files::new();
    let (_, mut summary) = facts_of(&files.write("e.ndjson", NDJSON), Mapping::default());
    summary.add(summary.clone());
    assert_eq!((summary.n_rows, summary.n_kept(), summary.n_rejected()), (10, 4, 6));
    assert_eq!(summary.rejected["finished_at: … has no offset"].examples.len(), 3);
}
