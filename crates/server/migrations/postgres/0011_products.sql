-- Which product a subscription is of: null where a version kept it that did not look at products,
-- empty where Polar named none.
alter table polar_subscription add column product_id text;

-- Polar is asked for the products of what is known already.
update recurring_job set next_at = 0 where name = 'polar.sweep';
