-- When a tenant's bucket is next swept of old versions, and behind which key.
alter table tenant add column sweep_due_at bigint;
alter table tenant add column swept_to text;
