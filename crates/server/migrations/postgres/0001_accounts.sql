create table user_profile (
    id text not null primary key,
    workos_user_id text not null unique,
    email text,
    tenant_id text,
    created_at bigint not null,
    updated_at bigint not null
);

create table tenant (
    id text not null primary key,
    owner_profile_id text not null references user_profile (id),
    reserved_bucket_name text not null,
    tigris_bucket_name text unique,
    tigris_region text not null default 'auto',
    created_at bigint not null,
    updated_at bigint not null,
    constraint tenant_owner unique (owner_profile_id),
    constraint tenant_bucket unique (reserved_bucket_name)
);

alter table user_profile
    add constraint user_profile_tenant foreign key (tenant_id) references tenant (id);

create table subscriptions (
    workos_user_id text not null primary key,
    status text not null,
    plan text,
    current_period_end bigint,
    created_at bigint not null,
    updated_at bigint not null
);

create table tenant_mount_credentials (
    id text not null primary key,
    tenant_id text not null references tenant (id),
    access_key text not null unique,
    policy_arn text not null,
    tigris_deletion_status text not null default 'pending'
        check (tigris_deletion_status in ('pending', 'completed', 'failed')),
    created_at bigint not null,
    updated_at bigint not null,
    revoked_at bigint,
    last_used_at bigint,
    description text not null default 'CLI mount credentials'
);

create index tenant_mount_credentials_live
    on tenant_mount_credentials (tenant_id, created_at) where revoked_at is null;

create table audit (
    id text not null primary key,
    at bigint not null,
    actor text not null,
    action text not null,
    target text not null,
    outcome text not null,
    reason text,
    request_id text not null
);

create index audit_target on audit (target, at);
