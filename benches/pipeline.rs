//! How fast each stretch of the way from event to answer is, over the made-up organisation. Nothing here passes
//! or fails: `benches/README.md` says how to run it and holds the figures.

use std::cell::{Cell, LazyCell};
use std::hint::black_box;
use std::time::{Duration, Instant as Clock};

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, Criterion, Throughput};
use dorado_ingest::events;
use dorado_ingest::organisation::{Organisation, Size};
use dorado_lake::{Fact, Instant, Lake};
use dorado_query::{Asked, Audience, Catalog, Engine, Metric, Question, ServiceEntry, TeamEntry, metric_named};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const SEED: u64 = 20_261_101;
/// 2026-11-01T00:00:00Z, where every history ends.
const UNTIL: Instant = DateTime::from_timestamp(1_793_491_200, 0).expect("it is in range");
const N_EVENTS: usize = 10_000;
const N_FACTS: usize = 100_000;

fn main() {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        // Planning a deep expression takes more stack than a thread has by default.
        .thread_stack_size(8 << 20)
        .build()
        .expect("threads can be started");
    let mut criterion = Criterion::default().configure_from_args();
    organisation(&mut criterion);
    translate(&mut criterion);
    append(&mut criterion, &runtime);
    attribution(&mut criterion, &runtime);
    questions(&mut criterion, &runtime);
    criterion.final_summary();
}

/// Making size S up, for it must not be what the others wait for.
fn organisation(criterion: &mut Criterion) {
    let organisation = Organisation::new(Size::S, UNTIL, SEED);
    let mut group = criterion.benchmark_group("organisation");
    group.sample_size(10).throughput(Throughput::Elements(organisation.n_facts()));
    group.bench_function("facts/S", |bencher| {
        bencher.iter(|| organisation.facts().map(|batch| black_box(batch).len()).sum::<usize>());
    });
    group.finish();
}

/// Neutral events, one a line, to facts.
fn translate(criterion: &mut Criterion) {
    let body = LazyCell::new(|| {
        let mut written = Vec::new();
        let organisation = Organisation::new(Size::Tiny, UNTIL, SEED);
        organisation.write_ndjson(&mut written).expect("memory takes all");
        let lines = written.split_inclusive(|byte| *byte == b'\n').take(N_EVENTS);
        lines.flatten().copied().collect::<Vec<u8>>()
    });
    let mut group = criterion.benchmark_group("translate");
    group.throughput(Throughput::Elements(N_EVENTS as u64));
    group.bench_function("events/10k", |bencher| {
        let body = &*body;
        bencher.iter(|| events::parse(black_box(body), Some("application/x-ndjson")).expect("the body has lines"));
    });
    group.finish();
}

/// Facts to silver, on disk and committed.
fn append(criterion: &mut Criterion, runtime: &Runtime) {
    let facts = LazyCell::new(|| {
        let organisation = Organisation::new(Size::S, UNTIL, SEED);
        organisation.facts().flatten().take(N_FACTS).collect::<Vec<Fact>>()
    });
    let mut group = criterion.benchmark_group("append");
    group.sample_size(10).throughput(Throughput::Elements(N_FACTS as u64));
    group.bench_function("import/100k", |bencher| {
        bencher.iter_batched(
            || (Place::new(runtime), facts.clone()),
            |(place, facts)| {
                runtime.block_on(place.lake.import(facts)).expect("the directory takes rows");
                place
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Silver to gold, all of size S at once.
fn attribution(criterion: &mut Criterion, runtime: &Runtime) {
    let organisation = Organisation::new(Size::S, UNTIL, SEED);
    let mut group = criterion.benchmark_group("attribution");
    group.sample_size(10).throughput(Throughput::Elements(organisation.n_facts()));
    group.bench_function("refresh/S", |bencher| {
        bencher.iter_custom(|n| {
            let refreshes = (0..n).map(|_| {
                let place = Place::new(runtime);
                let engine = runtime.block_on(place.told(&organisation));
                let started = Clock::now();
                runtime.block_on(engine.refresh()).expect("the lake can be read and written");
                started.elapsed()
            });
            refreshes.sum::<Duration>()
        });
    });
    group.finish();
}

/// The questions of the yardstick's first table, no two alike so that none is answered from memory.
fn questions(criterion: &mut Criterion, runtime: &Runtime) {
    let size = std::env::var("DORADO_BENCH_SIZE").map_or(Size::S, |word| word.parse().expect("it is a size"));
    let organisation = Organisation::new(size, UNTIL, SEED);
    let asker = LazyCell::new(|| Asker::new(runtime, &organisation));
    let mut group = criterion.benchmark_group(format!("questions/{size}"));
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    group.bench_function("organisation, 12 months by week", |bencher| {
        bencher.iter(|| asker.summary(&asker.asked(365, "week")));
    });
    group.bench_function("one team, 90 days", |bencher| {
        bencher.iter(|| asker.summary(&Asked { team: asker.teams(1), ..asker.asked(90, "week") }));
    });
    group.bench_function("one service, 12 months", |bencher| {
        bencher.iter(|| asker.summary(&Asked { service: asker.service(), ..asker.asked(365, "week") }));
    });
    group.bench_function("lead time by month, 5 years", |bencher| {
        bencher.iter(|| asker.series("change-lead-time", &asker.asked(5 * 365, "month")));
    });
    group.bench_function("ten teams compared by week, 12 months", |bencher| {
        bencher.iter(|| {
            let by_team = Asked { team: asker.teams(10), group_by: Some("team".into()), ..asker.asked(365, "week") };
            asker.series("deployment-frequency", &by_team);
            asker.series("change-lead-time", &by_team);
        });
    });
    group.bench_function("the same answer again", |bencher| {
        let asked = asker.asked(365, "week");
        bencher.iter(|| asker.summary(&asked));
    });
    group.finish();
}

/// An empty lake in a directory of its own.
struct Place {
    lake: Lake,
    /// Removed when this is dropped.
    _directory: TempDir,
}

impl Place {
    fn new(runtime: &Runtime) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let url = directory.path().to_string_lossy().into_owned();
        let lake = runtime.block_on(Lake::open(&url)).expect("the directory is empty");
        Self { lake, _directory: directory }
    }

    /// Told the organisation's whole history; gold is still empty.
    async fn told(&self, organisation: &Organisation) -> Engine {
        let mut import = self.lake.begin_import().await.expect("the lake takes facts");
        for facts in organisation.facts() {
            import.push(facts).await.expect("the directory takes rows");
        }
        import.finish().await.expect("the directory takes rows");
        Engine::open(self.lake.clone(), catalog(organisation)).await.expect("the lake takes tables")
    }
}

fn catalog(organisation: &Organisation) -> Catalog {
    let services = organisation.services().into_iter().map(|service| ServiceEntry {
        name: service.name,
        team: Some(service.team),
        repositories: vec![service.repository],
        ..ServiceEntry::default()
    });
    let teams = organisation.teams().into_iter().map(|(name, parent)| TeamEntry { name, parent });
    Catalog { services: services.collect(), teams: teams.collect(), ..Catalog::default() }
}

/// Asks an engine that holds an organisation's whole history.
struct Asker<'a> {
    runtime: &'a Runtime,
    engine: Engine,
    teams: Vec<String>,
    services: Vec<String>,
    turn: Cell<usize>,
    _place: Place,
}

impl<'a> Asker<'a> {
    fn new(runtime: &'a Runtime, organisation: &Organisation) -> Self {
        let place = Place::new(runtime);
        let engine = runtime.block_on(async {
            let engine = place.told(organisation).await;
            engine.refresh().await.expect("the lake can be read and written");
            engine
        });
        let teams = organisation.teams().into_iter().filter(|(_, parent)| parent.is_some());
        Self {
            runtime,
            engine,
            teams: teams.map(|(name, _)| name).collect(),
            services: organisation.services().into_iter().map(|service| service.name).collect(),
            turn: Cell::new(0),
            _place: place,
        }
    }

    /// A period of `days` that ends within the last month, at another minute each time.
    fn asked(&self, days: i64, bucket: &str) -> Asked {
        let to = UNTIL - TimeDelta::minutes(self.pick(30 * 24 * 60) as i64);
        let time = |at: DateTime<Utc>| Some(at.to_rfc3339());
        Asked { from: time(to - TimeDelta::days(days)), to: time(to), bucket: Some(bucket.into()), ..Asked::default() }
    }

    fn teams(&self, n: usize) -> Vec<String> {
        (0..n).map(|_| self.teams[self.pick(self.teams.len())].clone()).collect()
    }

    fn service(&self) -> Vec<String> {
        vec![self.services[self.pick(self.services.len())].clone()]
    }

    /// A place among `n`, far from the one before; the same sequence in every run.
    fn pick(&self, n: usize) -> usize {
        self.turn.set(self.turn.get() + 1);
        self.turn.get() * 7_919 % n
    }

    fn summary(&self, asked: &Asked) {
        let answer = self.runtime.block_on(self.engine.summary(&question(asked)));
        black_box(answer.expect("the question is about what is there"));
    }

    fn series(&self, metric: &str, asked: &Asked) {
        let metric: &'static Metric = metric_named(metric).expect("it is a metric");
        let answer = self.runtime.block_on(self.engine.series(metric, &question(asked)));
        black_box(answer.expect("the question is about what is there"));
    }
}

fn question(asked: &Asked) -> Question {
    Question::new(asked, Audience::Everybody, UNTIL).expect("the question makes sense")
}
