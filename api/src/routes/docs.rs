//! `/openapi.json` and `/docs`, where it can be tried. Swagger UI is embedded: nothing is loaded from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::extract::Path;
use crate::problem::{Kind, Problem};

/// Swagger UI draws icons from `data:`, and its logo carries one style, which is named by its hash.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
                      'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| crate::openapi().to_string().into());

/// This description
#[utoipa::path(get, path = "/openapi.json", tag = "Operations", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
pub(crate) async fn openapi() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, OPENAPI.clone()).into_response()
}

/// The page's files are found beside it, so its address ends in a slash.
pub(crate) async fn to_docs() -> Redirect {
    Redirect::permanent("/docs/")
}

pub(crate) async fn docs() -> Result<Response, Problem> {
    file("")
}

pub(crate) async fn docs_file(Path(path): Path<String>) -> Result<Response, Problem> {
    file(&path)
}

fn file(path: &str) -> Result<Response, Problem> {
    let config = utoipa_swagger_ui::Config::from("/openapi.json").validator_url("none").with_syntax_highlight(false);
    match utoipa_swagger_ui::serve(path, Arc::new(config)) {
        Ok(Some(file)) => {
            let content_type = HeaderValue::try_from(file.content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            let headers = [
                (CONTENT_TYPE, content_type),
                (CACHE_CONTROL, HeaderValue::from_static("max-age=3600")),
                (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            ];
            Ok((headers, file.bytes.into_owned()).into_response())
        }
        Ok(None) => {
            Err(Problem::new(Kind::NotFound, format!("there is no file `{path}`")).parameter("path").value(path))
        }
        Err(error) => Err(Problem::new(Kind::Internal, "the documentation cannot be shown").caused_by(error.as_ref())),
    }
}
