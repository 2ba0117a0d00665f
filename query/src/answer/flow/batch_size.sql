-- a deployment of no known change has no size: its changes are not told, or it repeats another
distribution(cast(n_changes as bigint)) filter (where reached and n_changes > 0) as sizes,
count(*) filter (where reached and n_changes = 0) as n_without
