-- a negative time is a clock that was off
distribution(recovery_ms) filter (where reached and failed and recovery_ms >= 0) as recovery,
count(*) filter (where reached and failed and recovery_ms < 0) as recovery_excluded,
-- not dropped in silence
count(*) filter (where reached and failed and recovered_at is null) as recovery_open
