//! `/api/v1/export/{name}`: tables and answers as files, streamed.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dorado_query::{ExportFormat, Exported};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::Reader;
use crate::api::Api;
use crate::extract::{Path, Query};
use crate::problem::{Kind, Problem};
use crate::routes::question::QuestionParams;

/// The file's format.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// `parquet`, `arrow` (IPC stream), `csv` or `ndjson`. Default: `csv`.
    #[param(pattern = "^(parquet|arrow|csv|ndjson)?$", example = "csv")]
    format: Option<String>,
}

/// A table or an answer as a file
///
/// `deployments`, `changes`, `pull_requests`, `incidents` and `overrides` are facts: every version of every record, the
/// latest `clock` and then `arrival` counts; they are for who may read everything. `shipments`, `outcomes` and `causes` are what attribution found. Any id of a metric
/// gives its answer, with `explain-` before it the rows behind that; `definitions` and `differences` are packs side by side. The other names give the answer of the address that ends so. Tables are exported from their beginning where `from` is not given. Rows come in no particular order.
#[utoipa::path(get, path = "/api/v1/export/{name}", tag = "Export",
    params(("name" = String, Path, description = "A table, the id of a metric, or another answer", example = "outcomes"), ExportParams, QuestionParams),
    responses(
        (status = 200, description = "The file, streamed", content(
            (String = "text/csv"), (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.parquet"), (Vec<u8> = "application/vnd.apache.arrow.stream"),
        )),
        (status = 404, description = "No such table or answer", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn export(
    reader: Reader,
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(chosen, asked): Query<ExportParams, QuestionParams>,
) -> Result<Response, Problem> {
    let what = Exported::named(&name).map_err(|unknown| {
        Problem::new(Kind::NotFound, unknown.to_string())
            .parameter(unknown.parameter)
            .value(unknown.value)
            .expected(unknown.expected)
    })?;
    if what.is_whole() {
        reader.of_everything()?;
    }
    let format = ExportFormat::named(chosen.format.as_deref())?;
    let asked = if what.is_table() { asked.since_the_beginning() } else { asked };
    let question = asked.question(&api, &reader)?;
    let (engine, now) = (api.engine().clone(), api.end_of_minute());
    let body = api.stream(async move { Ok(engine.export(what, &question, format, now).await?) }).await?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = format!("attachment; filename=\"{name}.{}\"", format.extension());
    headers.extend(HeaderValue::try_from(file).ok().map(|file| (CONTENT_DISPOSITION, file)));
    Ok((headers, body).into_response())
}
