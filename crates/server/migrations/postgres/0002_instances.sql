create table tenant_instance (
    tenant_id text not null primary key references tenant (id) on delete cascade,
    address text not null,
    key_id text not null,
    state text not null check (state in ('starting', 'ready', 'stopped')),
    created_at bigint not null,
    updated_at bigint not null
);
