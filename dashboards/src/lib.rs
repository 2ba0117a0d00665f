//! What people see: the built page, embedded, and its panels as data. Knows metric ids by name only;
//! asks no question and answers none. The page's sources are in `web/`, its build in `dist/`.

mod grafana;
pub mod panels;

use std::borrow::Cow;

use rust_embed::RustEmbed;

pub use grafana::{File, dashboards as for_other_tools};

use crate::panels::panels;

#[derive(RustEmbed)]
#[folder = "dist/"]
struct Dist;

/// A file of the built page.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The file's bytes.
    pub bytes: Cow<'static, [u8]>,
    /// Media type, with the charset where it is text.
    pub content_type: &'static str,
    /// Strong entity tag in its quotes: names are stable, so a browser has to ask again each time.
    pub etag: String,
}

/// The file at `path` in the built page, as `index.html` or `/assets/app.js`; the page itself for an empty
/// path and for each of its views. `None` where there is no such file.
pub fn asset(path: &str) -> Option<Asset> {
    let path = path.trim_start_matches('/');
    let path = if panels().views.iter().any(|view| view.path == path) { "index.html" } else { path };
    let file = Dist::get(path)?;
    Some(Asset { content_type: content_type(path), etag: etag(&file.metadata.sha256_hash()), bytes: file.data })
}

/// Every path that [`asset`] knows.
pub fn paths() -> impl Iterator<Item = Cow<'static, str>> {
    Dist::iter()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Half of the digest is plenty to tell two builds apart.
fn etag(sha256: &[u8; 32]) -> String {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256[..16]);
    format!("\"{:032x}\"", u128::from_be_bytes(half))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_under_its_three_names() {
        let page = asset("").unwrap();
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert_eq!(page.etag, asset("/").unwrap().etag);
        assert_eq!(page.etag, asset("index.html").unwrap().etag);
        assert_eq!(page.etag.len(), 34);
    }

    #[test]
    fn every_view_is_the_page_one_segment_deep() {
        for view in &panels().views {
            assert_eq!(asset(&view.path).unwrap().etag, asset("").unwrap().etag, "{}", view.id);
            assert!(!view.path.contains('/'), "what the page names is relative to it: {}", view.path);
        }
    }

    #[test]
    fn an_unknown_path_is_nothing() {
        assert!(asset("assets/nothing.js").is_none());
        assert!(asset("../Cargo.toml").is_none());
    }

    #[test]
    fn every_file_has_a_media_type() {
        for path in paths() {
            assert_ne!(asset(&path).unwrap().content_type, "application/octet-stream", "{path}");
        }
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline() {
        let page = String::from_utf8(asset("").unwrap().bytes.into_owned()).unwrap();
        assert!(!page.contains("://"), "{page}");
        assert!(!page.contains("<style"), "{page}");
        assert!(page.split("<script").skip(1).all(|script| script.contains("src=\"./")), "{page}");
    }

    #[test]
    fn every_path_that_the_page_names_is_embedded() {
        let page = String::from_utf8(asset("").unwrap().bytes.into_owned()).unwrap();
        let named: Vec<&str> = page.split("=\"./").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() >= 3, "{named:?}");
        for path in named {
            assert!(asset(path).is_some(), "{path}");
        }
    }
}
