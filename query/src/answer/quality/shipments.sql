select
    service,
    count(*) as n,
    count(*) filter (where rule <> 'unshipped') as n_shipped,
    count(*) filter (where rule = 'ancestry') as n_by_graph,
    count(*) filter (where rule = 'unshipped') as n_unshipped,
    -- newer than the latest deployment: it waits, and nobody needs a graph to know
    count(*) filter (where rule = 'unshipped' and known_at > last_deployment_at) as n_newer,
    count(*) filter (where excluded = 'no_commit_time') as n_without_commit_time,
    count(pull_request) as n_with_pull_request,
    -- merged or opened after it shipped
    count(*) filter (where merged_ms < 0 or opened_ms < 0) as n_skewed,
    -- merged before it was opened
    count(*) filter (where merged_ms > opened_ms) as n_backwards
from asked
group by service
