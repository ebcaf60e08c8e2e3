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

alter table tenant add column ready_at bigint;
alter table tenant add column deleted_at bigint;
alter table tenant add column purge_at bigint;

update tenant set ready_at = updated_at where tigris_bucket_name is not null;

alter table tenant drop constraint tenant_owner;
create unique index tenant_owner on tenant (owner_profile_id) where deleted_at is null;
create index user_profile_tenant_id on user_profile (tenant_id);
