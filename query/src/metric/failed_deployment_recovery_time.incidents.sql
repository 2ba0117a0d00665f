-- a negative time is a clock that was off
distribution(recovery_ms) filter (where recovery_ms >= 0) as recovery,
count(*) filter (where recovery_ms < 0) as recovery_excluded,
-- not dropped in silence
count(*) filter (where resolved_at is null) as recovery_open
