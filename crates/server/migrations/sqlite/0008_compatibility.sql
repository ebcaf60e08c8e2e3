create table api_key (
    id text not null primary key,
    workos_user_id text not null,
    name text not null,
    key_hash text not null,
    created_at bigint not null,
    last_used_at bigint,
    revoked_at bigint,
    constraint api_key_hash unique (key_hash)
);

create index api_key_owner on api_key (workos_user_id, created_at);

create table bucket_snapshot (
    id text not null primary key,
    tenant_id text not null references tenant (id) on delete cascade,
    name text not null,
    description text,
    taken_at bigint not null,
    created_by text
);

create index bucket_snapshot_tenant on bucket_snapshot (tenant_id, taken_at);
