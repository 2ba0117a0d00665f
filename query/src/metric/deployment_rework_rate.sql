count(*) filter (where reached and rework) as rework_rework,
count(*) filter (where reached) as rework_n
