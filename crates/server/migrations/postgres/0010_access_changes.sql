-- When a change of what a key may do was last begun; null once it has ended well. Until then
-- `access` does not say what the object store has.
alter table tenant_mount_credentials add column access_tried_at bigint;
