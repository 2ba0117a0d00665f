-- one deployment told by several sources: same place, same revision, within the hour
select coalesce(sum(n - 1), 0) as n
from (
    select count(*) as n
    from asked
    where reached and revision is not null
    group by service, environment, revision
    having count(distinct source) > 1 and max(finished_at) - min(finished_at) <= interval '1 hour'
)
