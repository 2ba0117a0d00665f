//! `dorado serve`: the API, the page, the webhooks, and the pipeline behind them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use chrono::Utc;
use dorado_api::{Access, App, Loopback};
use dorado_lake::{Deed, Register};
use dorado_query::Engine;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use super::beside::Serving;
use super::open;
use crate::cli::{ListenArgs, ServeArgs};
use crate::config::Config;
use crate::telemetry::say;
use crate::{pipeline, schedule};

/// Serves until it is told to stop.
pub(crate) fn run(args: &ServeArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let work = open::runtime("dorado-work")?;
    let engine = work.block_on(open::engine(&url, &config))?;
    let register = open::register(&url, &config)?;
    serve(&work, &engine, register, &url, &config, &args.listen)
}

/// Serves an engine that is open. Questions and the pipeline run on `work`, HTTP on a runtime of its own.
pub(crate) fn serve(
    work: &tokio::runtime::Runtime,
    engine: &Engine,
    register: Register,
    url: &str,
    config: &Config,
    listen: &ListenArgs,
) -> Result<()> {
    let address = config.listen(listen.listen)?;
    let access = config.server.access(address, Arc::new(register))?;
    tell_of_start(&access, address, config)?;
    let scheme = if access.tls.is_some() { "https" } else { "http" };
    let sources = config.sources()?;
    let (stop, stopped) = watch::channel(false);
    let (wakers, collecting) = {
        let _on_work = work.enter();
        schedule::start(engine.lake(), &sources, Utc::now, &stopped)
    };
    let pipeline = work.spawn(pipeline::run(engine.clone(), sources.clone(), wakers.clone(), Utc::now, stopped));
    let app = App {
        engine: engine.clone(),
        sources,
        wakers,
        limits: config.limits(),
        access,
        now: Utc::now,
        started_at: Utc::now(),
        queries: work.handle().clone(),
    };
    let http = open::runtime("dorado-http")?;
    http.block_on(async {
        let listener = bind(address).await?;
        let listening = listener.local_addr()?;
        let _announced = Serving::announce(open::directory(url, config)?.as_deref(), listening, &app.access)?;
        say(format_args!("listening on {scheme}://{listening}"))?;
        dorado_api::serve(listener, app, told_to_stop()).await.context("cannot serve")
    })?;
    info!("stopping");
    // A batch that is being written is finished; what waits stays in the inbox.
    let _ = stop.send(true);
    work.block_on(async {
        for task in collecting {
            task.await.context("a collector ended badly")?;
        }
        pipeline.await.context("the pipeline ended badly")?;
        engine.lake().clone().close();
        Ok(())
    })
}

/// Writes into the audit log with what the server starts, and warns where nobody can be let in.
fn tell_of_start(access: &Access, address: SocketAddr, config: &Config) -> Result<()> {
    let needs_token = access.loopback == Loopback::NeedsToken || !address.ip().is_loopback();
    if needs_token && !access.register.tokens()?.iter().any(|token| token.is_valid(Utc::now())) {
        warn!("nobody has a token yet: `dorado token create NAME --scope read` makes one");
    }
    let detail = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "address": address,
        "tls": access.tls.is_some(),
        "trusted_proxies": config.server.trusted_proxies,
        "public_url": config.server.public_url,
        "allowed_origins": config.server.allowed_origins,
        "loopback_without_token": access.loopback == Loopback::Trusted,
        "n_services": config.services.len(),
        "n_teams": config.teams.len(),
        // Tells whether anything of it was changed since another start.
        "configuration": hex::encode(Sha256::digest(serde_json::to_vec(config)?)),
    });
    let deed = Deed { actor: "server", action: "server.started", subject: "dorado", detail: Some(detail) };
    Ok(access.register.note(&deed, Utc::now())?)
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: is something else there? --listen takes another address"))
}

/// Completes when the process is asked to end.
async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("a handler for SIGTERM can be set");
        tokio::select! {
            _ = interrupted => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = interrupted.await;
}
