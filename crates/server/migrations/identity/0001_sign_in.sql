create table device_grant (
    device_code_hash text not null primary key,
    user_code_hash text not null unique,
    client_id text not null,
    scope text not null,
    code_challenge text,
    status text not null check (status in ('pending', 'approved', 'denied', 'redeemed')),
    email text,
    interval_ms bigint not null,
    polled_at bigint,
    created_at bigint not null,
    expires_at bigint not null
);

create index device_grant_expiry on device_grant (expires_at);

create table session (
    sid text not null primary key,
    email text not null,
    client_id text not null,
    scope text not null,
    created_at bigint not null,
    revoked_at bigint,
    revoke_reason text
);

create table refresh_token (
    token_hash text not null primary key,
    sid text not null references session (sid),
    issued_at bigint not null,
    expires_at bigint not null,
    rotated_at bigint
);

create index refresh_token_session on refresh_token (sid);
