select
    service,
    count(*) as n,
    count(*) filter (where confidence = 'confirmed') as n_confirmed,
    count(*) filter (where confidence = 'probable') as n_probable,
    count(*) filter (where resolved_at < opened_at) as n_backwards
from asked
group by service
