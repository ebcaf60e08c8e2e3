alter table tenant_mount_credentials
    add column kind text not null default 'mount' check (kind in ('mount', 'instance'));

alter table tenant add column secrets_version bigint;
