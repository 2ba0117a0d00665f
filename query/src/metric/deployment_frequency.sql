-- only attempts that reached production
count(*) filter (where reached) as frequency_n,
-- days in the asker's time zone
count(distinct day) filter (where reached) as frequency_days,
-- per service and environment, so that two services side by side do not look twice as frequent
distribution(since_previous_ms) filter (where reached) as frequency_interval
