select
    service,
    count(*) as n,
    count(*) filter (where reached) as n_reached,
    count(revision) as n_with_revision,
    -- a clock that was off
    count(*) filter (where finished_at < started_at or recovery_ms < 0) as n_backwards
from asked
group by service
