-- confirmed and probable
count(*) filter (where reached and failed) as fail_rate_failed,
count(*) filter (where reached and confirmed) as fail_rate_confirmed,
-- attempts that never reached production failed nobody
count(*) filter (where reached) as fail_rate_n,
count(*) filter (where not reached) as fail_rate_excluded
