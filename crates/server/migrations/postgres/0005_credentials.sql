create table deployment (
    slot integer not null primary key check (slot = 1),
    id text not null
);

alter table tenant_mount_credentials
    add column name text,
    add column access text not null default 'read_write'
        check (access in ('read_write', 'read_only')),
    add column removal_attempts bigint not null default 0,
    add column removal_due_at bigint,
    add column issued_at bigint,
    add column expires_at bigint,
    add column checked_at bigint,
    alter column access_key drop not null,
    alter column policy_arn drop not null,
    drop constraint tenant_mount_credentials_tenant_id_fkey;

update tenant_mount_credentials
set name = access_key, issued_at = created_at, removal_due_at = revoked_at;

alter table tenant_mount_credentials
    alter column name set not null,
    add constraint tenant_mount_credentials_name unique (name),
    add constraint tenant_mount_credentials_tenant_id_fkey
        foreign key (tenant_id) references tenant (id) on delete cascade;

create index tenant_mount_credentials_removal
    on tenant_mount_credentials (removal_due_at) where tigris_deletion_status <> 'completed';
