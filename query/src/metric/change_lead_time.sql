-- what is left out has its reason in `excluded`
distribution(lead_ms) filter (where excluded is null) as lead_time,
count(*) filter (where excluded is not null) as lead_time_excluded
