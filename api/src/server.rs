//! The server: hyper with the time limits that `axum::serve` does not set. A client that sends its request
//! drop by drop, or leaves its answer unread, loses its connection; so it cannot take all of them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tower::ServiceExt as _;

use crate::access::Peer;
use crate::tls::Certificate;
use crate::{App, Limits, router};

/// How often the certificate's files are looked at.
const RENEWAL: Duration = Duration::from_mins(1);

/// Serves until `shutdown` completes; then takes no more connections and lets requests in flight finish.
///
/// # Errors
/// The listener has no address, or the certificate cannot be used.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let address = listener.local_addr()?;
    let limits = app.limits.clone();
    let access = app.access.clone();
    let certificate = access.tls.as_ref().map(Certificate::read).transpose()?;
    let acceptor = certificate.as_ref().map(Certificate::acceptor).transpose()?;
    let mut renewal = tokio::time::interval(RENEWAL);
    let service = router(app);
    let builder = Arc::new(builder(&limits));
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    tracing::info!(%address, "listening");

    tokio::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            _ = renewal.tick(), if certificate.is_some() => {
                if let Some(certificate) = &certificate {
                    certificate.read_again();
                }
                continue;
            }
            accepted = accept(&listener, &slots) => accepted,
        };
        let (stream, peer, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the client left: neither is helped by trying at once.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let watcher = graceful.watcher();
        let builder = Arc::clone(&builder);
        if acceptor.is_none() && !access.may_connect_plainly(peer.ip()) {
            tracing::warn!(%peer, "refused a connection that comes through no proxy of `server.trusted_proxies`");
            continue;
        }
        let service = service.clone().map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request
        });
        let (acceptor, limits) = (acceptor.clone(), limits.clone());
        connections.spawn(async move {
            let service = TowerToHyperService::new(service);
            let served = match acceptor {
                None => {
                    let io = TokioIo::new(Impatient::new(stream, &limits));
                    watcher.watch(builder.serve_connection(io, service).into_owned()).await
                }
                Some(acceptor) => match timeout(limits.header_timeout, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let io = TokioIo::new(Impatient::new(stream, &limits));
                        watcher.watch(builder.serve_connection(io, service).into_owned()).await
                    }
                    Ok(Err(error)) => Err(error.into()),
                    Err(too_slow) => Err(too_slow.into()),
                },
            };
            if let Err(error) = served {
                tracing::debug!(%error, "connection ended early");
            }
            drop(slot);
        });
    }

    drop(listener);
    if timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!(n_connections = connections.len(), "requests did not finish in time and were cut off");
    }
    connections.shutdown().await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(100)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(limits.header_timeout))
        .keep_alive_timeout(limits.header_timeout)
        .max_concurrent_streams(Some(64))
        .max_header_list_size(64 << 10);
    builder
}

/// First bytes of HTTP/2 (RFC 9113, section 3.4). Until what a client sends differs from them, hyper-util
/// waits for more with no time limit of its own.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that ends where its client does not say within time which protocol it speaks, or does not
/// read what it asked for.
struct Impatient<S> {
    stream: S,
    opening: Option<Opening>,
    stalled: Option<Pin<Box<Sleep>>>,
    write_timeout: Duration,
}

/// What is known of a client before its protocol is.
struct Opening {
    deadline: Pin<Box<Sleep>>,
    n_read: usize,
}

impl<S> Impatient<S> {
    fn new(stream: S, limits: &Limits) -> Self {
        let deadline = Box::pin(sleep(limits.header_timeout));
        Self {
            stream,
            opening: Some(Opening { deadline, n_read: 0 }),
            stalled: None,
            write_timeout: limits.write_timeout,
        }
    }

    /// Ends a write that has made no progress for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let write_timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(opening) = &mut self.opening else { return read };
        if read.is_pending() {
            return match opening.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            };
        }
        let fresh = &buf.filled()[before..];
        let awaited = &HTTP2_PREFACE[opening.n_read..];
        opening.n_read += fresh.len();
        let undecided = fresh.len() < awaited.len() && awaited.starts_with(fresh);
        if !undecided {
            self.opening = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
