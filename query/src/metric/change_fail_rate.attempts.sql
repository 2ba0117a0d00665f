-- what failed before it reached production is a failure too
count(*) filter (where failed or status = 'failed') as fail_rate_failed,
count(*) filter (where confirmed or status = 'failed') as fail_rate_confirmed,
count(*) filter (where reached or status = 'failed') as fail_rate_n,
-- what was given up failed nobody
count(*) filter (where not reached and status <> 'failed') as fail_rate_excluded
