create table deployment (
    slot integer not null primary key check (slot = 1),
    id text not null
);

create table tenant_mount_credentials_next (
    id text not null primary key,
    tenant_id text not null references tenant (id) on delete cascade,
    name text not null,
    access_key text unique,
    policy_arn text,
    access text not null default 'read_write' check (access in ('read_write', 'read_only')),
    tigris_deletion_status text not null default 'pending'
        check (tigris_deletion_status in ('pending', 'completed', 'failed')),
    removal_attempts bigint not null default 0,
    removal_due_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    issued_at bigint,
    expires_at bigint,
    revoked_at bigint,
    last_used_at bigint,
    checked_at bigint,
    description text not null default 'CLI mount credentials',
    constraint tenant_mount_credentials_name unique (name)
);

insert into tenant_mount_credentials_next
    (id, tenant_id, name, access_key, policy_arn, tigris_deletion_status, removal_due_at,
     created_at, updated_at, issued_at, revoked_at, last_used_at, description)
select id, tenant_id, access_key, access_key, policy_arn, tigris_deletion_status, revoked_at,
       created_at, updated_at, created_at, revoked_at, last_used_at, description
from tenant_mount_credentials;

drop table tenant_mount_credentials;

alter table tenant_mount_credentials_next rename to tenant_mount_credentials;

create index tenant_mount_credentials_live
    on tenant_mount_credentials (tenant_id, created_at) where revoked_at is null;

create index tenant_mount_credentials_removal
    on tenant_mount_credentials (removal_due_at) where tigris_deletion_status <> 'completed';
