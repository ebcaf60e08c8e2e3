create table tenant_event_counter (
    tenant_id text not null primary key references tenant (id) on delete cascade,
    last_seq bigint not null,
    floor_seq bigint not null,
    touched_at bigint not null
);

create index tenant_event_counter_touched on tenant_event_counter (touched_at);

create table tenant_event (
    tenant_id text not null references tenant (id) on delete cascade,
    seq bigint not null,
    kind text not null check (kind in ('put', 'delete', 'rename', 'changed')),
    path text not null,
    from_path text,
    etag text,
    size_bytes bigint,
    changed_at bigint not null,
    recorded_at bigint not null,
    device text,
    reported_as text,
    confirmed_as text,
    primary key (tenant_id, seq)
);

create index tenant_event_path on tenant_event (tenant_id, path, seq);

create index tenant_event_recorded on tenant_event (recorded_at);

create table tenant_hook (
    tenant_id text not null primary key references tenant (id) on delete cascade,
    token_hash text,
    offered_hash text,
    updated_at bigint not null
);
