create table workflow (
    id text not null primary key,
    kind text not null,
    tenant_id text,
    step text not null,
    status text not null
        check (status in ('queued', 'running', 'done', 'failed', 'called_off')),
    attempt bigint not null,
    next_run_at bigint not null,
    lease_until bigint,
    fence bigint not null,
    idempotency_key text not null,
    input text not null,
    error text,
    created_at bigint not null,
    updated_at bigint not null,
    ended_at bigint
);

create unique index workflow_live_tenant
    on workflow (tenant_id) where status in ('queued', 'running');

create unique index workflow_live_recurring
    on workflow (kind) where tenant_id is null and status in ('queued', 'running');

create index workflow_due on workflow (next_run_at) where status in ('queued', 'running');

create index workflow_tenant on workflow (tenant_id, created_at);

create index workflow_ended on workflow (ended_at) where ended_at is not null;

create table workflow_event (
    id text not null primary key,
    workflow_id text not null references workflow (id) on delete cascade,
    at bigint not null,
    step text not null,
    attempt bigint not null,
    fence bigint not null,
    event text not null,
    error text
);

create index workflow_event_workflow on workflow_event (workflow_id);

-- A person who deleted a tenant may have a new one while the old bucket is still kept, so the
-- owner is unique among live tenants only. SQLite drops a constraint only with its table. What
-- refers to the table is checked at the end, when the rows are back; what would follow the rows
-- into their deletion is kept aside.
pragma defer_foreign_keys = on;

create table tenant_before as select * from tenant;
create table tenant_instance_before as select * from tenant_instance;

drop table tenant;

create table tenant (
    id text not null primary key,
    owner_profile_id text not null references user_profile (id),
    reserved_bucket_name text not null,
    tigris_bucket_name text unique,
    tigris_region text not null default 'auto',
    created_at bigint not null,
    updated_at bigint not null,
    ready_at bigint,
    deleted_at bigint,
    purge_at bigint,
    constraint tenant_bucket unique (reserved_bucket_name)
);

create unique index tenant_owner on tenant (owner_profile_id) where deleted_at is null;
create index user_profile_tenant_id on user_profile (tenant_id);

insert into tenant
    (id, owner_profile_id, reserved_bucket_name, tigris_bucket_name, tigris_region,
     created_at, updated_at, ready_at)
select id, owner_profile_id, reserved_bucket_name, tigris_bucket_name, tigris_region,
       created_at, updated_at,
       case when tigris_bucket_name is null then null else updated_at end
from tenant_before;

insert into tenant_instance
    (tenant_id, address, key_id, state, created_at, updated_at)
select tenant_id, address, key_id, state, created_at, updated_at
from tenant_instance_before
where tenant_id not in (select tenant_id from tenant_instance);

drop table tenant_before;
drop table tenant_instance_before;
