//! `dorado import`: files of events into the lake, in bounded memory, seen all at once.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use dorado_ingest::events::EventType;
use dorado_ingest::import::{self, Chunk, Mapping, Options, Summary};
use dorado_query::Engine;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::open;
use crate::cli::ImportArgs;
use crate::config::Config;
use crate::telemetry::say;

/// How progress is drawn, in `unit`s.
pub(crate) fn style(unit: &str) -> ProgressStyle {
    let template = match unit {
        "bytes" => "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta}",
        _ => "{bar:32} {human_pos}/{human_len} facts {per_sec} {eta}",
    };
    ProgressStyle::with_template(template).expect("both templates are right")
}

/// Reads every file that is named.
pub(crate) fn run(args: &ImportArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let kind = args.event_type.as_deref().map(event_type).transpose()?;
    let options = Options { mapping: Mapping::new(kind, &args.map)?, ..Options::default() };
    let work = open::runtime("dorado-work")?;
    let started = std::time::Instant::now();
    let summary = work.block_on(async {
        let engine = open::engine(&url, &config).await?;
        let mut summary = Summary::default();
        for file in &args.files {
            summary.add(read(&engine, file, &options).await?);
        }
        engine.refresh().await?;
        engine.lake().clone().close();
        Ok::<_, anyhow::Error>(summary)
    })?;
    report(&summary, started.elapsed())?;
    if summary.n_kept() == 0 && summary.n_rejected() > 0 {
        bail!("no row was kept");
    }
    Ok(())
}

fn event_type(name: &str) -> Result<EventType> {
    EventType::named(name).map_err(|problem| anyhow!("`--type`: {problem}"))
}

/// One file: a thread reads it, and waits where the lake is slower.
async fn read(engine: &Engine, file: &Path, options: &Options) -> Result<Summary> {
    let (send, mut chunks) = mpsc::channel::<Chunk>(2);
    let (path, options): (PathBuf, Options) = (file.to_owned(), options.clone());
    let reading = tokio::task::spawn_blocking(move || {
        import::read(&path, &options, &mut |chunk| match send.blocking_send(chunk) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    });
    let bar = ProgressBar::new(0).with_style(style("bytes"));
    let mut import = engine.lake().begin_import().await?;
    let mut stored = Ok(());
    while let Some(chunk) = chunks.recv().await {
        bar.set_length(chunk.n_bytes_total);
        bar.set_position(chunk.n_bytes);
        bar.set_message(format!("{} rows", chunk.n_rows));
        stored = import.push(chunk.facts).await;
        if stored.is_err() {
            break;
        }
    }
    drop(chunks);
    let read = reading.await.context("the reader ended badly")?;
    stored?;
    let summary = read?;
    import.finish().await?;
    bar.finish_and_clear();
    Ok(summary)
}

fn report(summary: &Summary, elapsed: std::time::Duration) -> Result<()> {
    let seconds = elapsed.as_secs_f64();
    say(format_args!(
        "{} rows in {seconds:.1} s ({:.0} a second), attribution included",
        summary.n_rows,
        summary.n_rows as f64 / seconds.max(1e-3)
    ))?;
    for (kind, n) in &summary.kept {
        say(format_args!("  kept      {n:>10}  {}", kind.name()))?;
    }
    for (word, counted) in [("ignored", &summary.ignored), ("rejected", &summary.rejected)] {
        for (reason, counted) in counted {
            say(format_args!("  {word:<9} {:>10}  {reason}", counted.n))?;
            for example in &counted.examples {
                say(format_args!("                        {example}"))?;
            }
        }
    }
    Ok(())
}
